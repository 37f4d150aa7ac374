//! Messages, received.
//!
//! Receiving is memory alone where the messages are in memory, and never waits for a write. Who
//! waits for a message waits for the queue's bell, and for the time at which the next one becomes
//! visible that is known of; nothing is looked at in between.

mod selection;

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use wire::sqs::{Message, ReceiveMessageRequest, ReceiveMessageResult};
use wire::{Caller, ServiceError};

use self::selection::Selection;
use crate::attribute::MAX_VISIBILITY;
use crate::definition::{Definition, QueueKey};
use crate::error::{JournalError, no_queue, out_of_range, over_limit};
use crate::journal::messages;
use crate::journal::receipts::Receipt;
use crate::message::Content;
use crate::queue::{Found, Load, Order, Queue, Received, Repeated, Step, Taken};
use crate::seq::Seq;
use crate::service::Inner;

/// The longest wait, in milliseconds.
const MAX_WAIT: i64 = 20_000;

/// How long to wait before what could not be read is read again.
const PAUSE: Duration = Duration::from_secs(1);

/// What of a request does not depend on the queue.
struct Wish {
    count: usize,
    /// Seconds.
    visibility: Option<i64>,
    /// Seconds.
    wait: Option<i64>,
    attempt: Option<String>,
    selection: Selection,
}

impl Inner {
    pub(crate) async fn receive_message(
        self: &Arc<Self>,
        caller: &Caller,
        input: ReceiveMessageRequest,
    ) -> Result<ReceiveMessageResult, ServiceError> {
        let queue = self.queue(caller, input.queue_url.as_deref(), "ReceiveMessage")?;
        let wish = Wish::read(input)?;
        let wait = wish
            .wait
            .unwrap_or_else(|| queue.definition().settings.wait);
        let deadline = self.now().saturating_add(wait.saturating_mul(1_000));
        let received = self.receive(&queue, &wish, deadline).await?;
        let messages = self.messages(&queue, received, &wish.selection).await?;
        Ok(ReceiveMessageResult {
            messages: (!messages.is_empty()).then_some(messages),
        })
    }

    /// Takes messages, and waits for some until `deadline`.
    async fn receive(
        self: &Arc<Self>,
        queue: &Arc<Queue>,
        wish: &Wish,
        deadline: i64,
    ) -> Result<Vec<Received>, ServiceError> {
        loop {
            let definition = queue.definition();
            let bell = queue.bell.notified();
            let mut bell = pin!(bell);
            // From here on no ringing is missed.
            bell.as_mut().enable();
            let now = self.now();
            let (next, loading) = match self.try_receive(queue, &definition, wish, now) {
                Step::Took(taken) => {
                    if taken.more {
                        queue.ring(1);
                    }
                    self.put_away(queue, &definition, &taken);
                    if taken.received.is_empty() {
                        continue;
                    }
                    return Ok(taken.received);
                }
                Step::Nothing { next, loading } => (next, loading),
                Step::Gone => return Err(no_queue()),
                Step::Full => {
                    return Err(over_limit(
                        "Too many messages are in flight: delete some of those that were received.",
                    ));
                }
            };
            if loading {
                bell.await;
            } else if now >= deadline || self.polls_ended() {
                return Ok(Vec::new());
            } else {
                let until = next.unwrap_or(deadline).min(deadline);
                let pause = u64::try_from(until - now).unwrap_or_default();
                tokio::select! {
                    () = bell => {}
                    () = self.clock.sleep(Duration::from_millis(pause)) => {}
                }
            }
        }
    }

    /// Takes what can be received at once.
    fn try_receive(
        self: &Arc<Self>,
        queue: &Arc<Queue>,
        definition: &Definition,
        wish: &Wish,
        now: i64,
    ) -> Step {
        let settings = &definition.settings;
        // Without a queue to bring them to, messages are received again and again.
        let redrive = settings.redrive.as_ref().filter(|redrive| {
            let target = self.registry.find(&QueueKey::of_arn(&redrive.target));
            target.is_some()
        });
        let order = Order {
            now,
            count: wish.count,
            visibility: wish.visibility.unwrap_or(settings.visibility) * 1_000,
            retention: settings.retention * 1_000,
            max_receives: redrive.map(|redrive| redrive.max_receives),
            stamp: self.stamp(),
        };
        let attempt = wish.attempt.as_ref().filter(|_| settings.fifo.is_some());
        let mut state = queue.state.lock();
        let before = state.next_due();
        let repeated = attempt.map(|attempt| state.repeat(attempt, now, order.visibility));
        let mut step = match repeated {
            Some(Repeated::Yes(received)) => Step::Took(Taken {
                received,
                ..Taken::default()
            }),
            Some(Repeated::No) | None => state.take(order),
        };
        if let (Some(attempt), Step::Took(taken)) = (attempt, &step) {
            state.remember(attempt.clone(), now, &taken.received);
        }
        let loads = state.loads();
        if let Step::Nothing { loading, .. } = &mut step {
            *loading |= !loads.is_empty();
        }
        let is_sooner = state
            .next_due()
            .filter(|due| before.is_none_or(|before| *due < before));
        drop(state);
        if is_sooner.is_some_and(|due| due < now.saturating_add(MAX_WAIT)) {
            // Those who wait know of a later one, or of none.
            queue.bell.notify_waiters();
        }
        for load in loads {
            self.load(queue, load);
        }
        step
    }

    /// Notes who has received what, and sees to messages whose time is over.
    fn put_away(self: &Arc<Self>, queue: &Arc<Queue>, definition: &Definition, taken: &Taken) {
        let now = self.now();
        self.ledger.note(taken.received.iter().map(|received| {
            let receipt = Receipt {
                receives: received.receives,
                first: received.first,
                received: now,
                until: received.until,
                stamp: received.handle.stamp,
            };
            (received.handle.seq, receipt)
        }));
        if !taken.expired.is_empty() {
            // Nobody waits for it; what cannot be deleted now expires again.
            drop(self.remove(queue, &taken.expired));
        }
        if !taken.dead.is_empty()
            && let Some(redrive) = &definition.settings.redrive
        {
            self.bury(queue, &QueueKey::of_arn(&redrive.target), &taken.dead);
        }
    }

    /// Reads what a queue wants in memory, in a task of its own, and rings its bell then.
    pub(crate) fn load(self: &Arc<Self>, queue: &Arc<Queue>, load: Load) {
        let (this, queue) = (Arc::clone(self), Arc::clone(queue));
        tokio::spawn(async move {
            let failed = match load {
                Load::Line {
                    after,
                    upto,
                    with_content,
                } => {
                    let budget = with_content.then(|| this.budget.clone());
                    let reading = this
                        .store
                        .read(move |c| messages::line(c, after, upto, budget.as_ref()));
                    let found: Result<Found, JournalError> = reading.await;
                    let failed = this.pause_after(&found).await;
                    queue.state.lock().loaded(found.ok());
                    failed
                }
                Load::Delayed { after } => {
                    let id = queue.id;
                    let reading = this.store.read(move |c| messages::delayed(c, id, after));
                    let found: Result<_, JournalError> = reading.await;
                    let failed = this.pause_after(&found).await;
                    queue.state.lock().delayed_loaded(found.ok());
                    failed
                }
            };
            tracing::trace!(queue = %queue.key, ?load, failed, "read");
            queue.bell.notify_waiters();
        });
    }

    /// Whether reading failed; not at once then, lest it be tried again at once.
    async fn pause_after<T>(&self, found: &Result<T, JournalError>) -> bool {
        let Err(error) = found else { return false };
        tracing::warn!(%error, "messages cannot be read yet");
        self.clock.sleep(PAUSE).await;
        true
    }

    /// Waits until it is known how many messages are delayed, which the disk alone does not say.
    pub(super) async fn look_at_delayed(
        self: &Arc<Self>,
        queue: &Arc<Queue>,
    ) -> Result<(), ServiceError> {
        loop {
            let bell = queue.bell.notified();
            let mut bell = pin!(bell);
            bell.as_mut().enable();
            let (loads, reading) = {
                let mut state = queue.state.lock();
                let loads = state.loads();
                (loads, state.is_reading_delayed())
            };
            for load in loads {
                self.load(queue, load);
            }
            if !reading {
                return Ok(());
            }
            bell.await;
        }
    }

    /// The messages as clients get them; what is not in memory is read.
    async fn messages(
        &self,
        queue: &Queue,
        received: Vec<Received>,
        selection: &Selection,
    ) -> Result<Vec<Message>, ServiceError> {
        let absent: Vec<Seq> = received
            .iter()
            .filter(|received| received.content.is_none())
            .map(|received| received.handle.seq)
            .collect();
        let mut read: Vec<(Seq, Arc<Content>)> = Vec::new();
        if !absent.is_empty() {
            let reading = self.store.read(move |c| messages::contents(c, &absent));
            let result: Result<_, JournalError> = reading.await;
            read = match result {
                Ok(read) => read,
                Err(error) => {
                    self.give_back(queue, &received);
                    return Err(error.into());
                }
            };
        }
        let fifo = queue.key.is_fifo();
        let message = |received: Received| {
            let seq = received.handle.seq;
            let content = received.content.clone().or_else(|| {
                let known = read.iter().find(|(known, _)| *known == seq);
                known.map(|(_, content)| Arc::clone(content))
            });
            match content {
                Some(content) => Some(selection.message(&received, &content, fifo)),
                None => {
                    // It was deleted while it was on its way.
                    queue.state.lock().left(&[seq], Some(0));
                    None
                }
            }
        };
        Ok(received.into_iter().filter_map(message).collect())
    }

    /// Lets messages be received by others that their caller cannot get.
    fn give_back(&self, queue: &Queue, received: &[Received]) {
        let now = self.now();
        let mut state = queue.state.lock();
        for received in received {
            state.change(received.handle, now, 0, MAX_VISIBILITY * 1_000);
        }
        drop(state);
        queue.ring(received.len());
    }
}

impl Wish {
    fn read(input: ReceiveMessageRequest) -> Result<Self, ServiceError> {
        let count = input.max_number_of_messages.unwrap_or(1);
        if !(1..=10).contains(&count) {
            let range = "Must be between 1 and 10, if provided.";
            return Err(out_of_range(count, "MaxNumberOfMessages", range));
        }
        if let Some(wait) = input
            .wait_time_seconds
            .filter(|wait| !(0..=20).contains(wait))
        {
            let range = "Must be >= 0 and <= 20, if provided.";
            return Err(out_of_range(wait, "WaitTimeSeconds", range));
        }
        let visibility = input.visibility_timeout;
        if let Some(visibility) = visibility.filter(|v| !(0..=43_200).contains(v)) {
            let range = "Must be between 0 and 43200, if provided.";
            return Err(out_of_range(visibility, "VisibilityTimeout", range));
        }
        let attempt = input.receive_request_attempt_id;
        if let Some(attempt) = &attempt {
            crate::message::check_id("ReceiveRequestAttemptId", attempt)?;
        }
        Ok(Self {
            count: usize::try_from(count).unwrap_or(1),
            visibility: visibility.map(i64::from),
            wait: input.wait_time_seconds.map(i64::from),
            attempt,
            selection: Selection::read(
                input.attribute_names,
                input.message_system_attribute_names,
                input.message_attribute_names,
            )?,
        })
    }
}
