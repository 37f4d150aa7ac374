//! Messages, sent.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::oneshot;
use wire::sqs::{
    MessageSystemAttributeValue, SendMessageBatchRequest, SendMessageBatchRequestEntry,
    SendMessageBatchResult, SendMessageBatchResultEntry, SendMessageRequest, SendMessageResult,
    errors,
};
use wire::{Caller, Principal, ServiceError};

use super::batch;
use crate::attribute::{Fifo, MAX_MESSAGE, Settings};
use crate::digest;
use crate::error::{JournalError, invalid, invalid_value, missing, no_queue, wrong_kind};
use crate::journal::messages::{self, New, Written};
use crate::message::{self, Attributes, Content};
use crate::queue::{Queue, Waiting};
use crate::seq::Seq;
use crate::service::Inner;

/// The longest delay of a message, in seconds.
const MAX_DELAY: i32 = 900;

/// A message that somebody wants to send.
#[derive(Debug, Default)]
struct Letter {
    body: String,
    delay: Option<i32>,
    attributes: Attributes,
    system: Option<BTreeMap<String, MessageSystemAttributeValue>>,
    group: Option<String>,
    deduplication: Option<String>,
}

/// A message that can be sent.
struct Draft {
    content: Content,
    /// Seconds.
    delay: i64,
    /// In a FIFO queue: what it is deduplicated by.
    key: Option<String>,
    digests: Digests,
}

struct Digests {
    body: String,
    attributes: Option<String>,
    system: Option<String>,
}

impl Inner {
    pub(crate) async fn send_message(
        self: &Arc<Self>,
        caller: &Caller,
        input: SendMessageRequest,
    ) -> Result<SendMessageResult, ServiceError> {
        let queue = self.queue(caller, input.queue_url.as_deref(), "SendMessage")?;
        let letter = Letter {
            body: input.message_body.unwrap_or_default(),
            delay: input.delay_seconds,
            attributes: input.message_attributes.unwrap_or_default(),
            system: input.message_system_attributes,
            group: input.message_group_id,
            deduplication: input.message_deduplication_id,
        };
        let settings = &queue.definition().settings;
        if settings.fifo.is_some() && letter.group.is_none() {
            return Err(missing("MessageGroupId"));
        }
        let draft = self.draft(caller, settings, letter)?;
        let Draft { digests, .. } = &draft;
        let (body, attributes, system) = (
            digests.body.clone(),
            digests.attributes.clone(),
            digests.system.clone(),
        );
        let mut written = self.send(&queue, vec![draft]).await?;
        let written = written.pop().ok_or_else(no_queue)?;
        Ok(SendMessageResult {
            md5_of_message_body: Some(body),
            md5_of_message_attributes: attributes,
            md5_of_message_system_attributes: system,
            sequence_number: sequence_number(settings, &written),
            message_id: Some(written.id),
        })
    }

    pub(crate) async fn send_message_batch(
        self: &Arc<Self>,
        caller: &Caller,
        input: SendMessageBatchRequest,
    ) -> Result<SendMessageBatchResult, ServiceError> {
        let queue = self.queue(caller, input.queue_url.as_deref(), "SendMessage")?;
        let entries = input.entries.unwrap_or_default();
        batch::check(entries.iter().map(|entry| entry.id.as_deref()))?;
        let settings = &queue.definition().settings;
        check_whole(&entries, settings.fifo)?;
        let mut failed = Vec::new();
        let mut drafts = Vec::new();
        let mut sent = Vec::new();
        for entry in entries {
            let id = entry.id.clone().unwrap_or_default();
            match self.draft(caller, settings, Letter::from(entry)) {
                Err(error) => failed.push(batch::failed(id, error)),
                Ok(draft) => {
                    sent.push(SendMessageBatchResultEntry {
                        id: Some(id),
                        md5_of_message_body: Some(draft.digests.body.clone()),
                        md5_of_message_attributes: draft.digests.attributes.clone(),
                        md5_of_message_system_attributes: draft.digests.system.clone(),
                        ..SendMessageBatchResultEntry::default()
                    });
                    drafts.push(draft);
                }
            }
        }
        let written = match drafts.is_empty() {
            true => Vec::new(),
            false => self.send(&queue, drafts).await?,
        };
        for (entry, written) in sent.iter_mut().zip(written) {
            entry.sequence_number = sequence_number(settings, &written);
            entry.message_id = Some(written.id);
        }
        Ok(SendMessageBatchResult {
            successful: Some(sent),
            failed: Some(failed),
        })
    }

    /// Checks a message and makes of it what is kept.
    fn draft(
        &self,
        caller: &Caller,
        settings: &Settings,
        letter: Letter,
    ) -> Result<Draft, ServiceError> {
        message::check_body(&letter.body)?;
        message::check_attributes(&letter.attributes)?;
        let size = message::size(&letter.body, &letter.attributes);
        if size > settings.maximum_size {
            return Err(invalid(format!(
                "One or more parameters are invalid. Reason: Message must be shorter than {} bytes.",
                settings.maximum_size
            )));
        }
        let (trace, system) = message::system_attributes(letter.system)?;
        // What the caller has begun goes on.
        let traced = || caller.trace.as_ref()?.to_str().ok().map(str::to_owned);
        let trace = trace.or_else(traced);
        let delay = delay(settings, letter.delay)?;
        if let Some(group) = &letter.group {
            message::check_id("MessageGroupId", group)?;
        }
        let deduplication = match (settings.fifo, letter.deduplication) {
            (None, Some(id)) => return Err(wrong_kind(&id, "MessageDeduplicationId")),
            (None, None) => None,
            (Some(_), Some(id)) => {
                message::check_id("MessageDeduplicationId", &id)?;
                Some(id)
            }
            (Some(fifo), None) if fifo.by_content => Some(digest::for_deduplication(&letter.body)),
            (Some(_), None) => return Err(nothing_to_deduplicate_by()),
        };
        let key = deduplication.as_ref().map(|id| {
            let per_group = settings.fifo.is_some_and(|fifo| fifo.per_group);
            match &letter.group {
                Some(group) if per_group => format!("{group}\n{id}"),
                _ => id.clone(),
            }
        });
        let digests = Digests {
            body: digest::of_body(&letter.body),
            attributes: message::digest_of(&letter.attributes),
            system,
        };
        let mut content = Content {
            id: ids::RequestId::draw(&*self.entropy).to_string(),
            body: letter.body,
            attributes: letter.attributes,
            trace,
            sender: sender(caller),
            sent: self.now(),
            group: letter.group.map(Into::into),
            deduplication,
            source: None,
            room: None,
        };
        content.room = self.budget.take(content.weight());
        Ok(Draft {
            content,
            delay,
            key,
            digests,
        })
    }

    /// Writes messages and puts them in line; resolves once they are durable.
    async fn send(
        self: &Arc<Self>,
        queue: &Arc<Queue>,
        drafts: Vec<Draft>,
    ) -> Result<Vec<Written>, ServiceError> {
        let (answer, answered) = oneshot::channel();
        {
            let mut state = queue.state.lock();
            if state.gone {
                return Err(no_queue());
            }
            let now = self.now();
            let seqs = state.number(drafts.len());
            let upto = seqs.last().copied().unwrap_or(Seq(0));
            let news: Vec<New> = seqs
                .into_iter()
                .zip(drafts)
                .map(|(seq, draft)| New {
                    seq,
                    due: state.due(now, draft.delay),
                    content: Arc::new(draft.content),
                    key: draft.key,
                })
                .collect();
            let places: Vec<(i64, Waiting)> = news.iter().map(place).collect();
            let (id, queue) = (queue.id, Arc::clone(queue));
            // Under the lock, so that writes are queued in the order of their numbers.
            self.store
                .write_then(
                    move |c| messages::insert(c, id, &news, now),
                    move |result: Result<Vec<Written>, JournalError>| {
                        let written = result.as_ref().map_or(&[][..], Vec::as_slice);
                        enter(&queue, upto, places, written);
                        // Whoever hung up does not want to know.
                        let _ = answer.send(result);
                    },
                )
                .map_err(JournalError::from)?;
        }
        match answered.await {
            Ok(result) => Ok(result?),
            Err(_) => Err(JournalError::Store(store::StoreError::Closed).into()),
        }
    }
}

/// Puts in line the messages that were written and are new.
fn enter(queue: &Queue, upto: Seq, places: Vec<(i64, Waiting)>, written: &[Written]) {
    let is_fresh = |waiting: &Waiting| {
        let known = written.iter().find(|written| written.seq == waiting.seq);
        known.is_some_and(|written| written.fresh)
    };
    let fresh: Vec<(i64, Waiting)> = places
        .into_iter()
        .filter(|(_, waiting)| is_fresh(waiting))
        .collect();
    let any_delayed = fresh.iter().any(|(due, _)| *due > 0);
    let visible = queue.state.lock().publish(upto, fresh);
    queue.ring(visible);
    if any_delayed {
        // It may become visible before anything that they wait for.
        queue.bell.notify_waiters();
    }
}

fn place(new: &New) -> (i64, Waiting) {
    let content = &new.content;
    let waiting = Waiting {
        seq: new.seq,
        content: content.room.is_some().then(|| Arc::clone(content)),
        sent: content.sent,
        receives: 0,
        first: 0,
        group: content.group.clone(),
        delayed: new.due > 0,
    };
    (new.due, waiting)
}

impl From<SendMessageBatchRequestEntry> for Letter {
    fn from(entry: SendMessageBatchRequestEntry) -> Self {
        Self {
            body: entry.message_body.unwrap_or_default(),
            delay: entry.delay_seconds,
            attributes: entry.message_attributes.unwrap_or_default(),
            system: entry.message_system_attributes,
            group: entry.message_group_id,
            deduplication: entry.message_deduplication_id,
        }
    }
}

/// What no entry of a batch may lack, and all of them together may not exceed.
fn check_whole(
    entries: &[SendMessageBatchRequestEntry],
    fifo: Option<Fifo>,
) -> Result<(), ServiceError> {
    let none = Attributes::new();
    let size = |entry: &SendMessageBatchRequestEntry| {
        let body = entry.message_body.as_deref().unwrap_or_default();
        message::size(body, entry.message_attributes.as_ref().unwrap_or(&none))
    };
    let size: usize = entries.iter().map(size).sum();
    if size > MAX_MESSAGE {
        return Err(errors::batch_request_too_long(format!(
            "Batch requests cannot be longer than {MAX_MESSAGE} bytes. You have sent {size} bytes."
        )));
    }
    let Some(fifo) = fifo else { return Ok(()) };
    if entries.iter().any(|entry| entry.message_group_id.is_none()) {
        return Err(invalid(
            "The request must contain the parameter MessageGroupId.",
        ));
    }
    let lacks_id = |entry: &SendMessageBatchRequestEntry| entry.message_deduplication_id.is_none();
    if !fifo.by_content && entries.iter().any(lacks_id) {
        return Err(nothing_to_deduplicate_by());
    }
    Ok(())
}

fn nothing_to_deduplicate_by() -> ServiceError {
    invalid(
        "The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId \
         provided explicitly",
    )
}

/// The delay of a message, in seconds; in a FIFO queue it is the queue's.
fn delay(settings: &Settings, asked: Option<i32>) -> Result<i64, ServiceError> {
    match asked {
        None => Ok(settings.delay),
        Some(delay) if settings.fifo.is_some() => match delay {
            0 => Ok(settings.delay),
            _ => Err(wrong_kind(&delay.to_string(), "DelaySeconds")),
        },
        Some(delay) if (0..=MAX_DELAY).contains(&delay) => Ok(i64::from(delay)),
        Some(delay) => Err(invalid_value(
            &delay.to_string(),
            "DelaySeconds",
            "DelaySeconds must be >= 0 and <= 900.",
        )),
    }
}

fn sequence_number(settings: &Settings, written: &Written) -> Option<String> {
    settings.fifo.map(|_| written.seq.sequence_number())
}

/// Who sends, as the attribute SenderId tells it.
fn sender(caller: &Caller) -> String {
    match &caller.principal {
        Principal::Account { access_key_id } => access_key_id.to_string(),
        Principal::Function { arn, .. } => {
            let name = arn.split(':').nth(6).unwrap_or_default();
            format!("{}:{name}", caller.account)
        }
        Principal::Service(service) => service.name.to_string(),
    }
}
