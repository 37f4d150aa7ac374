//! For how long a message in flight stays so.

use std::sync::Arc;

use wire::sqs::{
    ChangeMessageVisibilityBatchRequest, ChangeMessageVisibilityBatchResult,
    ChangeMessageVisibilityBatchResultEntry, ChangeMessageVisibilityRequest,
};
use wire::{Caller, ServiceError};

use super::batch;
use super::delete::{expired, handle};
use crate::attribute::MAX_VISIBILITY;
use crate::error::{invalid, invalid_value, missing, out_of_range};
use crate::journal::receipts::Receipt;
use crate::queue::{Change, Queue};
use crate::service::Inner;

impl Inner {
    pub(crate) async fn change_message_visibility(
        self: &Arc<Self>,
        caller: &Caller,
        input: ChangeMessageVisibilityRequest,
    ) -> Result<(), ServiceError> {
        let operation = "ChangeMessageVisibility";
        let queue = self.queue(caller, input.queue_url.as_deref(), operation)?;
        let handle = input.receipt_handle.unwrap_or_default();
        self.change_visibility(&queue, &handle, input.visibility_timeout)
    }

    pub(crate) async fn change_message_visibility_batch(
        self: &Arc<Self>,
        caller: &Caller,
        input: ChangeMessageVisibilityBatchRequest,
    ) -> Result<ChangeMessageVisibilityBatchResult, ServiceError> {
        let operation = "ChangeMessageVisibility";
        let queue = self.queue(caller, input.queue_url.as_deref(), operation)?;
        let entries = input.entries.unwrap_or_default();
        batch::check(entries.iter().map(|entry| entry.id.as_deref()))?;
        let mut successful = Vec::new();
        let mut failed = Vec::new();
        for entry in entries {
            let id = entry.id.unwrap_or_default();
            let handle = entry.receipt_handle.unwrap_or_default();
            match self.change_visibility(&queue, &handle, entry.visibility_timeout) {
                Ok(()) => successful.push(ChangeMessageVisibilityBatchResultEntry { id: Some(id) }),
                Err(error) => failed.push(batch::failed(id, error)),
            }
        }
        Ok(ChangeMessageVisibilityBatchResult {
            successful: Some(successful),
            failed: Some(failed),
        })
    }

    fn change_visibility(
        &self,
        queue: &Queue,
        text: &str,
        seconds: Option<i32>,
    ) -> Result<(), ServiceError> {
        let seconds = seconds.ok_or_else(|| missing("VisibilityTimeout"))?;
        let in_range = (0..=MAX_VISIBILITY).contains(&i64::from(seconds));
        if !in_range {
            let range = "Must be between 0 and 43200, if provided.";
            return Err(out_of_range(seconds, "VisibilityTimeout", range));
        }
        let handle = handle(queue, text)?;
        let now = self.now();
        let visibility = i64::from(seconds) * 1_000;
        let change = {
            let mut state = queue.state.lock();
            state.change(handle, now, visibility, MAX_VISIBILITY * 1_000)
        };
        match change {
            Change::Done { receives, first } => {
                let receipt = Receipt {
                    receives,
                    first,
                    received: now,
                    until: now.saturating_add(visibility),
                    stamp: handle.stamp,
                };
                self.ledger.note([(handle.seq, receipt)]);
                // It may be visible now, or sooner than anything that they wait for.
                match seconds {
                    0 => queue.ring(1),
                    _ => queue.bell.notify_waiters(),
                }
                Ok(())
            }
            Change::Absent => Err(invalid_value(
                text,
                "ReceiptHandle",
                "Message does not exist or is not available for visibility timeout change.",
            )),
            Change::Expired => Err(expired(text)),
            Change::TooLong => Err(invalid(format!(
                "Value {seconds} for parameter VisibilityTimeout is invalid. Reason: Total \
                 VisibilityTimeout for the message is beyond the limit [{MAX_VISIBILITY} seconds]."
            ))),
        }
    }
}
