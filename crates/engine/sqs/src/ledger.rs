//! Who has received what, on its way to the disk.
//!
//! Receiving does not wait for the disk. What is to be known of it after a restart is noted here
//! and written a moment later, all at once. A message that was deleted by then, as most are, is
//! never written: it costs nothing that somebody had received it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use ids::SharedClock;
use parking_lot::Mutex;
use store::Store;
use tokio::sync::Notify;

use crate::error::JournalError;
use crate::journal::receipts::{self, Receipt};
use crate::seq::Seq;

/// How long receipts are gathered.
const DELAY: Duration = Duration::from_millis(100);

/// How many are written at a time.
const STEP: usize = 2_000;

/// What is to be written.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    notes: Mutex<HashMap<Seq, Receipt>>,
    noted: Notify,
}

impl Ledger {
    /// A message was received, or its visibility changed.
    pub(crate) fn note(&self, receipts: impl IntoIterator<Item = (Seq, Receipt)>) {
        self.notes.lock().extend(receipts);
        self.noted.notify_one();
    }

    /// Messages are being deleted. To be called before their deletion is queued.
    pub(crate) fn forget(&self, seqs: &[Seq]) {
        let mut notes = self.notes.lock();
        for seq in seqs {
            notes.remove(seq);
        }
    }

    /// Writes what has been noted so far.
    ///
    /// # Errors
    /// The store cannot write; what could not be written is still noted.
    pub(crate) async fn flush(&self, store: &Store) -> Result<(), JournalError> {
        loop {
            let (writing, batch) = {
                // The write is queued before anybody can forget what is in it.
                let mut notes = self.notes.lock();
                let batch: Vec<(Seq, Receipt)> = notes
                    .iter()
                    .take(STEP)
                    .map(|(seq, receipt)| (*seq, *receipt))
                    .collect();
                for (seq, _) in &batch {
                    notes.remove(seq);
                }
                let rows = batch.clone();
                (store.write(move |c| receipts::write(c, &rows)), batch)
            };
            if batch.is_empty() {
                return Ok(());
            }
            if let Err(error) = writing.await {
                let mut notes = self.notes.lock();
                for (seq, receipt) in batch {
                    notes.entry(seq).or_insert(receipt);
                }
                return Err(error);
            }
        }
    }

    /// Writes for as long as it is let.
    pub(crate) async fn run(self: Arc<Self>, store: Store, clock: SharedClock) {
        loop {
            self.noted.notified().await;
            clock.sleep(DELAY).await;
            if let Err(error) = self.flush(&store).await {
                tracing::warn!(%error, "who has received messages cannot be written yet");
                self.noted.notify_one();
            }
        }
    }
}
