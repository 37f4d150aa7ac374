//! Attributes of queues.

use std::sync::Arc;

use wire::sqs::{
    GetQueueAttributesRequest, GetQueueAttributesResult, QueueAttributeName,
    SetQueueAttributesRequest,
};
use wire::{Caller, ServiceError, StringEnum};

use super::queues::finish;
use crate::attribute::{self, Given};
use crate::definition::{Definition, QueueKey};
use crate::error::invalid_value;
use crate::journal::queues;
use crate::queue::Queue;
use crate::service::Inner;

impl Inner {
    pub(crate) async fn get_queue_attributes(
        self: &Arc<Self>,
        caller: &Caller,
        input: GetQueueAttributesRequest,
    ) -> Result<GetQueueAttributesResult, ServiceError> {
        let operation = "GetQueueAttributes";
        let queue = self.queue(caller, input.queue_url.as_deref(), operation)?;
        let names = input.attribute_names.unwrap_or_default();
        if let Some(unknown) = names.iter().find(|name| !name.is_known()) {
            return Err(attribute::unknown(unknown.as_str()));
        }
        let mut attributes = Given::new();
        if !names.is_empty() {
            self.look_at_delayed(&queue).await?;
            attributes = self.all_attributes(&queue);
        }
        if !names.contains(&QueueAttributeName::All) {
            attributes.retain(|name, _| names.iter().any(|wanted| wanted.as_str() == name));
        }
        Ok(GetQueueAttributesResult {
            attributes: Some(attributes),
        })
    }

    /// Those that were set and those that are counted.
    fn all_attributes(&self, queue: &Queue) -> Given {
        let definition = queue.definition();
        let mut all = attribute::shown(&definition.given, queue.key.is_fifo());
        let (visible, in_flight, delayed) = queue.state.lock().counts(self.now());
        for (name, value) in [
            ("ApproximateNumberOfMessages", visible),
            ("ApproximateNumberOfMessagesNotVisible", in_flight),
            ("ApproximateNumberOfMessagesDelayed", delayed),
            ("CreatedTimestamp", queue.created),
            ("LastModifiedTimestamp", definition.modified),
        ] {
            all.insert(name.to_owned(), value.to_string());
        }
        all.insert("QueueArn".to_owned(), queue.key.arn());
        all
    }

    pub(crate) async fn set_queue_attributes(
        self: &Arc<Self>,
        caller: &Caller,
        input: SetQueueAttributesRequest,
    ) -> Result<(), ServiceError> {
        let operation = "SetQueueAttributes";
        let queue = self.queue(caller, input.queue_url.as_deref(), operation)?;
        let given = input.attributes.unwrap_or_default();
        attribute::check_names(&given, queue.key.is_fifo())?;
        attribute::check_encryption(&given)?;
        self.redefine(queue, |present| {
            Ok(Definition {
                given: attribute::merged(&present.given, given),
                ..present.clone()
            })
        })
        .await
    }

    /// Changes what a queue is, on the disk and then in memory.
    pub(super) async fn redefine(
        self: &Arc<Self>,
        queue: Arc<Queue>,
        change: impl FnOnce(&Definition) -> Result<Definition, ServiceError> + Send + 'static,
    ) -> Result<(), ServiceError> {
        let this = Arc::clone(self);
        finish(async move {
            let _changing = this.changes.lock().await;
            let Definition { given, tags, .. } = change(&queue.definition())?;
            let now = this.now().div_euclid(1_000);
            let definition = Definition::new(given, tags, queue.key.is_fifo(), now)?;
            this.check_redrive(&queue.key, &definition)?;
            let (id, written) = (queue.id, definition.clone());
            this.store
                .write(move |c| queues::define(c, id, &written))
                .await?;
            queue.define(definition);
            Ok::<_, ServiceError>(())
        })
        .await
    }

    /// Refuses a dead-letter queue that there is not, or of another kind, or that does not take
    /// dead letters of this one.
    pub(super) fn check_redrive(
        &self,
        key: &QueueKey,
        definition: &Definition,
    ) -> Result<(), ServiceError> {
        let Some(redrive) = &definition.settings.redrive else {
            return Ok(());
        };
        let text = definition.given.get("RedrivePolicy");
        let refused = |reason: &str| {
            let text = text.map(String::as_str).unwrap_or_default();
            Err(invalid_value(text, "RedrivePolicy", reason))
        };
        let target = QueueKey::of_arn(&redrive.target);
        if target.account != key.account || target.region != key.region {
            return refused(
                "Dead-letter target owner should be same as the source, in the same region.",
            );
        }
        let Some(target) = self.registry.find(&target) else {
            return refused("Dead letter target does not exist.");
        };
        if target.key.is_fifo() != key.is_fifo() {
            return refused("Dead-letter queue must be same type of queue as the source.");
        }
        if !target.definition().settings.allow.allows(&key.arn()) {
            return refused(
                "The dead-letter queue does not allow this queue to use it as one: see its \
                 RedriveAllowPolicy.",
            );
        }
        Ok(())
    }
}
