//! Queues: made, found, listed, emptied, deleted.

use std::sync::Arc;

use wire::sqs::{
    CreateQueueRequest, CreateQueueResult, DeleteQueueRequest, GetQueueUrlRequest,
    GetQueueUrlResult, ListDeadLetterSourceQueuesRequest, ListDeadLetterSourceQueuesResult,
    ListQueuesRequest, ListQueuesResult, PurgeQueueRequest, errors,
};
use wire::{Caller, ServiceError};

use super::page::Page;
use crate::attribute::{self, Given};
use crate::definition::{Definition, QueueKey, check_name};
use crate::error::{JournalError, no_queue, purging};
use crate::journal::queues;
use crate::queue::{Queue, Recovered};
use crate::service::Inner;

/// How long after a purge the next one may come, in milliseconds.
/// Source: <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_PurgeQueue.html>.
const BETWEEN_PURGES: i64 = 60_000;

impl Inner {
    pub(crate) async fn create_queue(
        self: &Arc<Self>,
        caller: &Caller,
        input: CreateQueueRequest,
    ) -> Result<CreateQueueResult, ServiceError> {
        let name = input.queue_name.unwrap_or_default();
        let mut given = input.attributes.unwrap_or_default();
        let fifo = given.get("FifoQueue").is_some_and(|fifo| fifo == "true");
        check_name(&name, fifo)?;
        attribute::check_names(&given, fifo)?;
        attribute::check_encryption(&given)?;
        let key = QueueKey::named(caller, &name);
        let this = Arc::clone(self);
        let url = key.url(caller);
        let tags = input.tags.unwrap_or_default();
        let making = async move {
            let _changing = this.changes.lock().await;
            if let Some(present) = this.registry.find(&key) {
                return same(&present, &given);
            }
            given = attribute::merged(&Given::new(), given);
            let now = this.now().div_euclid(1_000);
            let definition = Definition::new(given, tags, fifo, now)?;
            this.check_redrive(&key, &definition)?;
            let (named, written) = (key.clone(), definition.clone());
            let id = this
                .store
                .write(move |c| queues::add(c, &named, &written, now))
                .await?;
            let queue = Queue::new(id, key, now, definition, Recovered::default());
            this.registry.add(Arc::new(queue));
            Ok(())
        };
        finish(making).await?;
        Ok(CreateQueueResult {
            queue_url: Some(url),
        })
    }

    pub(crate) async fn delete_queue(
        self: &Arc<Self>,
        caller: &Caller,
        input: DeleteQueueRequest,
    ) -> Result<(), ServiceError> {
        let queue = self.queue(caller, input.queue_url.as_deref(), "DeleteQueue")?;
        let this = Arc::clone(self);
        finish(async move {
            let _changing = this.changes.lock().await;
            let id = queue.id;
            this.store.write(move |c| queues::delete(c, id)).await?;
            this.registry.remove(&queue);
            let last = {
                let mut state = queue.state.lock();
                state.gone = true;
                state.purge(this.now())
            };
            tracing::debug!(queue = %queue.key, ?last, "deleted");
            queue.bell.notify_waiters();
            this.removed.notify_one();
            Ok::<_, JournalError>(())
        })
        .await
    }

    pub(crate) async fn get_queue_url(
        self: &Arc<Self>,
        caller: &Caller,
        input: GetQueueUrlRequest,
    ) -> Result<GetQueueUrlResult, ServiceError> {
        let mut key = QueueKey::named(caller, &input.queue_name.unwrap_or_default());
        if let Some(owner) = input.queue_owner_aws_account_id {
            key.account = owner.into();
        }
        let queue = self.registry.find(&key).ok_or_else(no_queue)?;
        self.authorize(caller, &queue, "GetQueueUrl")?;
        Ok(GetQueueUrlResult {
            queue_url: Some(key.url(caller)),
        })
    }

    pub(crate) async fn list_queues(
        self: &Arc<Self>,
        caller: &Caller,
        input: ListQueuesRequest,
    ) -> Result<ListQueuesResult, ServiceError> {
        let page = Page::read(input.max_results, input.next_token)?;
        let found = self.registry.list(
            &caller.account,
            &caller.region,
            input.queue_name_prefix.as_deref().unwrap_or_default(),
            page.after.as_deref(),
            page.limit + 1,
        );
        let (found, next_token) = page.cut(found, |queue| queue.key.name.to_string());
        let urls: Vec<String> = found.iter().map(|queue| queue.key.url(caller)).collect();
        Ok(ListQueuesResult {
            queue_urls: (!urls.is_empty()).then_some(urls),
            next_token,
        })
    }

    pub(crate) async fn list_dead_letter_source_queues(
        self: &Arc<Self>,
        caller: &Caller,
        input: ListDeadLetterSourceQueuesRequest,
    ) -> Result<ListDeadLetterSourceQueuesResult, ServiceError> {
        let operation = "ListDeadLetterSourceQueues";
        let queue = self.queue(caller, input.queue_url.as_deref(), operation)?;
        let page = Page::read(input.max_results, input.next_token)?;
        let mut found = self.registry.sources(&queue.key);
        found.retain(|queue| {
            let after = page.after.as_deref();
            after.is_none_or(|after| &*queue.key.name > after)
        });
        let (found, next_token) = page.cut(found, |queue| queue.key.name.to_string());
        Ok(ListDeadLetterSourceQueuesResult {
            queue_urls: Some(found.iter().map(|queue| queue.key.url(caller)).collect()),
            next_token,
        })
    }

    pub(crate) async fn purge_queue(
        self: &Arc<Self>,
        caller: &Caller,
        input: PurgeQueueRequest,
    ) -> Result<(), ServiceError> {
        let queue = self.queue(caller, input.queue_url.as_deref(), "PurgeQueue")?;
        let now = self.now();
        let purging = {
            let mut state = queue.state.lock();
            let before = state.purged_at.map(|at| at.saturating_add(BETWEEN_PURGES));
            if before.is_some_and(|free| now < free) {
                return Err(purging(&queue.key.name));
            }
            let (id, upto) = (queue.id, state.purge(now));
            self.store.write(move |c| queues::purge(c, id, upto))
        };
        Ok(purging
            .await
            .map(|()| self.removed.notify_one())
            .map_err(|error: JournalError| error)?)
    }
}

/// Runs to the end what a caller that hangs up must not leave by half.
pub(super) async fn finish<E>(
    work: impl Future<Output = Result<(), E>> + Send + 'static,
) -> Result<(), ServiceError>
where
    ServiceError: From<E>,
    E: Send + 'static,
{
    match tokio::spawn(work).await {
        Ok(result) => Ok(result?),
        Err(error) => Err(ServiceError::internal(format!(
            "an operation ended: {error}"
        ))),
    }
}

/// Refuses to make a queue again with other attributes than it has.
fn same(present: &Queue, given: &Given) -> Result<(), ServiceError> {
    let shown = attribute::shown(&present.definition().given, present.key.is_fifo());
    let other = given
        .iter()
        .find(|(name, value)| shown.get(*name).map_or("", String::as_str) != value.as_str());
    match other {
        None => Ok(()),
        Some((name, _)) => Err(errors::queue_name_exists(format!(
            "A queue already exists with the same name and a different value for attribute {name}"
        ))),
    }
}
