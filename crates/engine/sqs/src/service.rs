//! The service as a whole: what it is made of, and the list of what it serves.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ids::{Arn, SharedClock, SharedEntropy};
use policy::Policy;
use store::Store;
use tokio::sync::Notify;
use tokio::task::AbortHandle;
use wire::sqs as shapes;
use wire::{Caller, ServiceError};

use crate::budget::Budget;
use crate::definition::{Definition, QueueKey};
use crate::error::{JournalError, no_queue};
use crate::journal::{queues, tasks};
use crate::ledger::Ledger;
use crate::queue::Queue;
use crate::registry::Registry;
use crate::{redrive, sweeper};

/// What the service stands on.
#[derive(Debug)]
pub struct SqsOptions {
    /// Holds [`crate::SCHEMA`], with full durability.
    pub store: Store,
    /// Time.
    pub clock: SharedClock,
    /// Randomness.
    pub entropy: SharedEntropy,
}

/// Why the service does not start.
#[derive(Debug, thiserror::Error)]
#[error("the queues cannot be read: {0}")]
pub struct StartError(#[from] JournalError);

/// Amazon SQS. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Sqs {
    pub(crate) inner: Arc<Inner>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) store: Store,
    pub(crate) clock: SharedClock,
    pub(crate) entropy: SharedEntropy,
    pub(crate) registry: Registry,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) budget: Budget,
    /// Tells the sweeper that something was purged or deleted.
    pub(crate) removed: Arc<Notify>,
    /// Serialises what makes, changes and deletes queues: each looks at what there is before it
    /// writes.
    pub(crate) changes: tokio::sync::Mutex<()>,
    /// Whether nobody is to wait for messages any more.
    polls_ended: AtomicBool,
    writing: AbortHandle,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.writing.abort();
    }
}

impl Sqs {
    /// Starts the service, on a tokio runtime: queues are as they were.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn start(options: SqsOptions) -> Result<Self, StartError> {
        let SqsOptions {
            store,
            clock,
            entropy,
        } = options;
        let now = clock.now().as_millis();
        let (kept, running) = store
            .read(move |c| Ok::<_, JournalError>((queues::all(c, now)?, tasks::running(c)?)))
            .await?;
        let registry = Registry::default();
        for kept in kept {
            let is_fifo = kept.key.is_fifo();
            match Definition::new(kept.given, kept.tags, is_fifo, kept.modified) {
                Ok(definition) => registry.add(Arc::new(Queue::new(
                    kept.id,
                    kept.key,
                    kept.created,
                    definition,
                    kept.recovered,
                ))),
                Err(error) => {
                    tracing::error!(%error, queue = %kept.key, "a queue cannot be used");
                }
            }
        }
        let ledger = Arc::new(Ledger::default());
        let writing = Arc::clone(&ledger).run(store.clone(), Arc::clone(&clock));
        let inner = Arc::new(Inner {
            store,
            clock,
            entropy,
            registry,
            ledger,
            budget: Budget::default(),
            removed: Arc::default(),
            changes: tokio::sync::Mutex::new(()),
            polls_ended: AtomicBool::new(false),
            writing: tokio::spawn(writing).abort_handle(),
        });
        tokio::spawn(sweeper::run(
            Arc::downgrade(&inner),
            Arc::clone(&inner.clock),
        ));
        for task in running {
            tokio::spawn(redrive::run(Arc::downgrade(&inner), task));
        }
        Ok(Self { inner })
    }

    /// Answers those who wait for messages, which they would for up to 20 s otherwise, and lets nobody
    /// wait any more.
    pub fn end_polls(&self) {
        self.inner.polls_ended.store(true, Ordering::Release);
        for queue in self.inner.registry.all() {
            queue.bell.notify_waiters();
        }
    }

    /// Writes down who has received what, which outlives the process then. For a clean stop.
    pub async fn flush(&self) {
        if let Err(error) = self.inner.ledger.flush(&self.inner.store).await {
            tracing::warn!(%error, "some messages will be received again earlier than they should");
        }
    }

    /// The policy of the queue of that ARN, where it has one.
    #[must_use]
    pub fn resource_policy(&self, arn: &Arn) -> Option<Arc<Policy>> {
        let queue = self.inner.registry.find(&QueueKey::of_arn(arn))?;
        queue.definition().policy.clone()
    }

    /// The tags of the queue of that ARN.
    #[must_use]
    pub fn tags(&self, arn: &Arn) -> Vec<(String, String)> {
        let queue = self.inner.registry.find(&QueueKey::of_arn(arn));
        let tags = queue.map(|queue| queue.definition().tags.clone());
        tags.unwrap_or_default().into_iter().collect()
    }
}

impl Inner {
    /// Whether nobody is to wait for messages any more.
    pub(crate) fn polls_ended(&self) -> bool {
        self.polls_ended.load(Ordering::Acquire)
    }

    /// Milliseconds since the epoch.
    pub(crate) fn now(&self) -> i64 {
        self.clock.now().as_millis()
    }

    /// The queue of that URL, if the caller may do `action` to it.
    pub(crate) fn queue(
        &self,
        caller: &Caller,
        url: Option<&str>,
        action: &str,
    ) -> Result<Arc<Queue>, ServiceError> {
        let key = QueueKey::of_url(caller, url.unwrap_or_default())?;
        let queue = self.registry.find(&key).ok_or_else(no_queue)?;
        self.authorize(caller, &queue, action)?;
        Ok(queue)
    }

    /// Random bits.
    pub(crate) fn stamp(&self) -> i64 {
        let bits = self.entropy.bits().to_be_bytes();
        let mut half = [0; 8];
        half.copy_from_slice(&bits[..8]);
        i64::from_be_bytes(half)
    }
}

/// Every operation in one line: what it does is in `api`. A write is queued before its operation
/// first waits, or in a task of its own, so that it happens also when its caller hangs up.
macro_rules! serve {
    ($($operation:ident: $input:ty => $output:ty,)*) => {
        impl shapes::SqsApi for Sqs {
            $(
                async fn $operation(
                    &self,
                    caller: &Caller,
                    input: $input,
                ) -> Result<$output, ServiceError> {
                    Inner::$operation(&self.inner, caller, input).await
                }
            )*
        }
    };
}

use shapes::*;

wire::sqs_methods! { serve }
