//! The service as a whole: what it is made of, and the list of what it serves.

use std::sync::Arc;

use ids::{SharedClock, SharedEntropy};
use rusqlite::Connection;
use store::Store;
use tokio::sync::Notify;
use tokio::task::AbortHandle;
use wire::logs as shapes;
use wire::{Caller, ServiceError};

use crate::archive::ArchiveError;
use crate::sweeper::{Losses, Sweeper};
use crate::tail::Tails;

/// What the service stands on.
#[derive(Debug)]
pub struct LogsOptions {
    /// Holds [`crate::SCHEMA`].
    pub store: Store,
    /// How many bytes of the store may be in use; beyond that the oldest events go.
    pub limit: u64,
    /// Time.
    pub clock: SharedClock,
    /// Randomness.
    pub entropy: SharedEntropy,
}

/// CloudWatch Logs. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Logs {
    inner: Arc<Inner>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) store: Store,
    pub(crate) limit: u64,
    pub(crate) removed: Arc<Losses>,
    pub(crate) clock: SharedClock,
    pub(crate) entropy: SharedEntropy,
    pub(crate) tails: Arc<Tails>,
    /// Tells the sweeper that something was deleted.
    pub(crate) deleted: Arc<Notify>,
    sweeping: AbortHandle,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.sweeping.abort();
    }
}

impl Logs {
    /// Starts the service, on a tokio runtime.
    #[must_use]
    pub fn start(options: LogsOptions) -> Self {
        let LogsOptions {
            store,
            limit,
            clock,
            entropy,
        } = options;
        let deleted = Arc::new(Notify::new());
        let removed = Arc::new(Losses::default());
        let sweeper = Sweeper {
            store: store.clone(),
            limit,
            removed: Arc::clone(&removed),
            wake: Arc::clone(&deleted),
            clock: Arc::clone(&clock),
        };
        let inner = Inner {
            store,
            limit,
            removed,
            clock,
            entropy,
            tails: Arc::new(Tails::new()),
            deleted,
            sweeping: tokio::spawn(sweeper.run()).abort_handle(),
        };
        Self {
            inner: Arc::new(inner),
        }
    }

    /// How many events have been removed for want of room since the start.
    #[must_use]
    pub fn events_removed(&self) -> u64 {
        self.inner.removed.count()
    }

    /// Ends every live-tail session, which would go on for hours otherwise.
    pub fn end_sessions(&self) {
        self.inner.tails.stop();
    }
}

impl Inner {
    /// Milliseconds since the epoch.
    pub(crate) fn now(&self) -> i64 {
        self.clock.now().as_millis()
    }

    pub(crate) async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, ArchiveError> + Send + 'static,
    ) -> Result<T, ServiceError> {
        Ok(self.store.read(work).await?)
    }

    pub(crate) async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, ArchiveError> + Send + 'static,
    ) -> Result<T, ServiceError> {
        Ok(self.store.write(work).await?)
    }
}

/// Every operation in one line: what it does is in `api`. A write is queued before its operation
/// first waits, so that it happens also when its caller hangs up.
macro_rules! serve {
    ($($operation:ident($input:ident) -> $output:ty;)*) => {
        impl shapes::LogsApi for Logs {
            $(
                async fn $operation(
                    &self,
                    caller: &Caller,
                    input: shapes::$input,
                ) -> Result<$output, ServiceError> {
                    self.inner.$operation(caller, input).await
                }
            )*
        }
    };
}

serve! {
    create_log_group(CreateLogGroupRequest) -> ();
    delete_log_group(DeleteLogGroupRequest) -> ();
    describe_log_groups(DescribeLogGroupsRequest) -> shapes::DescribeLogGroupsResponse;
    list_log_groups(ListLogGroupsRequest) -> shapes::ListLogGroupsResponse;
    put_retention_policy(PutRetentionPolicyRequest) -> ();
    delete_retention_policy(DeleteRetentionPolicyRequest) -> ();
    tag_resource(TagResourceRequest) -> ();
    untag_resource(UntagResourceRequest) -> ();
    list_tags_for_resource(ListTagsForResourceRequest) -> shapes::ListTagsForResourceResponse;
    tag_log_group(TagLogGroupRequest) -> ();
    untag_log_group(UntagLogGroupRequest) -> ();
    list_tags_log_group(ListTagsLogGroupRequest) -> shapes::ListTagsLogGroupResponse;
    create_log_stream(CreateLogStreamRequest) -> ();
    delete_log_stream(DeleteLogStreamRequest) -> ();
    describe_log_streams(DescribeLogStreamsRequest) -> shapes::DescribeLogStreamsResponse;
    put_log_events(PutLogEventsRequest) -> shapes::PutLogEventsResponse;
    get_log_events(GetLogEventsRequest) -> shapes::GetLogEventsResponse;
    filter_log_events(FilterLogEventsRequest) -> shapes::FilterLogEventsResponse;
    start_live_tail(StartLiveTailRequest) -> shapes::StartLiveTailResponse;
    test_metric_filter(TestMetricFilterRequest) -> shapes::TestMetricFilterResponse;
}
