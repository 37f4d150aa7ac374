//! Tags of queues.

use std::sync::Arc;

use wire::sqs::{ListQueueTagsRequest, ListQueueTagsResult, TagQueueRequest, UntagQueueRequest};
use wire::{Caller, ServiceError};

use crate::definition::Definition;
use crate::error::invalid;
use crate::service::Inner;

/// Source: <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-queues.html>.
const MAX_TAGS: usize = 50;

impl Inner {
    pub(crate) async fn tag_queue(
        self: &Arc<Self>,
        caller: &Caller,
        input: TagQueueRequest,
    ) -> Result<(), ServiceError> {
        let queue = self.queue(caller, input.queue_url.as_deref(), "TagQueue")?;
        let tags = input.tags.unwrap_or_default();
        self.redefine(queue, |present| {
            let mut changed: Definition = present.clone();
            changed.tags.extend(tags);
            if changed.tags.len() > MAX_TAGS {
                return Err(invalid(format!(
                    "Too many tags. A queue can have {MAX_TAGS} at most."
                )));
            }
            Ok(changed)
        })
        .await
    }

    pub(crate) async fn untag_queue(
        self: &Arc<Self>,
        caller: &Caller,
        input: UntagQueueRequest,
    ) -> Result<(), ServiceError> {
        let queue = self.queue(caller, input.queue_url.as_deref(), "UntagQueue")?;
        let keys = input.tag_keys.unwrap_or_default();
        self.redefine(queue, move |present| {
            let mut changed = present.clone();
            changed.tags.retain(|key, _| !keys.contains(key));
            Ok(changed)
        })
        .await
    }

    pub(crate) async fn list_queue_tags(
        self: &Arc<Self>,
        caller: &Caller,
        input: ListQueueTagsRequest,
    ) -> Result<ListQueueTagsResult, ServiceError> {
        let queue = self.queue(caller, input.queue_url.as_deref(), "ListQueueTags")?;
        Ok(ListQueueTagsResult {
            tags: Some(queue.definition().tags.clone()),
        })
    }
}
