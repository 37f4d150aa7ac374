//! Messages, deleted.

use std::sync::Arc;

use tokio::sync::oneshot;
use wire::sqs::{
    DeleteMessageBatchRequest, DeleteMessageBatchResult, DeleteMessageBatchResultEntry,
    DeleteMessageRequest,
};
use wire::{Caller, ServiceError};

use super::batch;
use crate::error::{JournalError, invalid_value, no_handle, no_queue};
use crate::handle::Handle;
use crate::journal::messages;
use crate::queue::{Deletion, Queue};
use crate::seq::Seq;
use crate::service::Inner;

impl Inner {
    pub(crate) async fn delete_message(
        self: &Arc<Self>,
        caller: &Caller,
        input: DeleteMessageRequest,
    ) -> Result<(), ServiceError> {
        let queue = self.queue(caller, input.queue_url.as_deref(), "DeleteMessage")?;
        let handle = input.receipt_handle.unwrap_or_default();
        let seq = self.begin_delete(&queue, &handle)?;
        Ok(self.remove(&queue, seq.as_slice()).await?)
    }

    pub(crate) async fn delete_message_batch(
        self: &Arc<Self>,
        caller: &Caller,
        input: DeleteMessageBatchRequest,
    ) -> Result<DeleteMessageBatchResult, ServiceError> {
        let queue = self.queue(caller, input.queue_url.as_deref(), "DeleteMessage")?;
        let entries = input.entries.unwrap_or_default();
        batch::check(entries.iter().map(|entry| entry.id.as_deref()))?;
        let mut successful = Vec::new();
        let mut failed = Vec::new();
        let mut seqs = Vec::new();
        for entry in entries {
            let id = entry.id.unwrap_or_default();
            match self.begin_delete(&queue, &entry.receipt_handle.unwrap_or_default()) {
                Ok(seq) => {
                    seqs.extend(seq);
                    successful.push(DeleteMessageBatchResultEntry { id: Some(id) });
                }
                Err(error) => failed.push(batch::failed(id, error)),
            }
        }
        self.remove(&queue, &seqs).await?;
        Ok(DeleteMessageBatchResult {
            successful: Some(successful),
            failed: Some(failed),
        })
    }

    /// Takes a message out of the queue that is to be deleted; `None` where it is gone already.
    fn begin_delete(&self, queue: &Queue, text: &str) -> Result<Option<Seq>, ServiceError> {
        let handle = handle(queue, text)?;
        let mut state = queue.state.lock();
        if state.gone {
            return Err(no_queue());
        }
        match state.delete(handle, self.now()) {
            Deletion::Begun => Ok(Some(handle.seq)),
            Deletion::Done => Ok(None),
            Deletion::Expired => Err(expired(text)),
        }
    }

    /// Deletes messages that were taken out of the queue. The write is queued by the time this
    /// returns; what it returns resolves once they are gone for good.
    pub(crate) fn remove(
        &self,
        queue: &Arc<Queue>,
        seqs: &[Seq],
    ) -> impl Future<Output = Result<(), JournalError>> + Send + use<> {
        let (answer, answered) = oneshot::channel();
        let mut submitted = Ok(());
        let is_any = !seqs.is_empty();
        if is_any {
            self.ledger.forget(seqs);
            let (id, gone, owner) = (queue.id, seqs.to_vec(), Arc::clone(queue));
            let doomed = seqs.to_vec();
            submitted = self.store.write_then(
                move |c| messages::delete(c, id, &doomed),
                move |result: Result<usize, JournalError>| {
                    owner
                        .state
                        .lock()
                        .left(&gone, result.as_ref().ok().copied());
                    // What stood behind them in their groups may be received now.
                    owner.ring(1);
                    // Whoever hung up does not want to know.
                    let _ = answer.send(result);
                },
            );
            if submitted.is_err() {
                queue.state.lock().left(seqs, None);
            }
        }
        async move {
            submitted?;
            if !is_any {
                return Ok(());
            }
            match answered.await {
                Ok(result) => result.map(drop),
                Err(_) => Err(JournalError::Store(store::StoreError::Closed)),
            }
        }
    }
}

/// The handle of that text, which must be one of that queue.
pub(super) fn handle(queue: &Queue, text: &str) -> Result<Handle, ServiceError> {
    Handle::read(text)
        .filter(|handle| handle.seq.queue() == queue.id)
        .ok_or_else(|| no_handle(text))
}

pub(super) fn expired(text: &str) -> ServiceError {
    invalid_value(text, "ReceiptHandle", "The receipt handle has expired.")
}
