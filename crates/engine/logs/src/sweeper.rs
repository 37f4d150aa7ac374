//! The removal of what was deleted, of what has expired, and of what there is no room for; and the room
//! that this gives back.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use ids::SharedClock;
use store::Store;
use tokio::sync::Notify;

use crate::archive::ArchiveError;
use crate::archive::room::{self, Removed};
use crate::archive::sweep::{Progress, Swept, step};

/// How often events are looked over that may have expired. They are not shown any more once they
/// have; this only gives their room back.
const EVERY: Duration = Duration::from_secs(60);

/// How many bytes of events one step removes for want of room: as much as one call may put.
const STEP_BYTES: u64 = 1 << 20;

/// How many pages go back to the disk in one step.
const STEP_PAGES: u32 = 200;

/// How many free pages are kept for what comes next: 4 MiB.
const SPARE_PAGES: u32 = 1_024;

/// Events that were removed for want of room.
#[derive(Debug, Default)]
pub(crate) struct Losses(AtomicU64);

impl Losses {
    /// Counts some more; answers whether they are the first.
    pub(crate) fn add(&self, removed: Removed) -> bool {
        let before = self.0.fetch_add(removed.events, Ordering::Relaxed);
        before == 0 && removed.events > 0
    }

    pub(crate) fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Works step by step for as long as it is let. Between steps others write.
#[derive(Debug)]
pub(crate) struct Sweeper {
    pub(crate) store: Store,
    /// How many bytes may be in use.
    pub(crate) limit: u64,
    pub(crate) removed: Arc<Losses>,
    /// Says that something was deleted.
    pub(crate) wake: Arc<Notify>,
    pub(crate) clock: SharedClock,
}

impl Sweeper {
    pub(crate) async fn run(self) {
        let mut told = 0;
        loop {
            if let Err(error) = self.sweep().await {
                tracing::warn!(%error, "deleted or expired events could not be removed yet");
            }
            let removed = self.removed.count();
            if removed > told {
                let (events, megabytes) = (removed - told, self.limit >> 20);
                tracing::warn!(
                    "logs may take {megabytes} MB: the oldest {events} events had to go (--log-budget, \
                     or a retention for the groups that grow)"
                );
                told = removed;
            }
            tokio::select! {
                () = self.wake.notified() => {}
                () = self.clock.sleep(EVERY) => {}
            }
        }
    }

    async fn sweep(&self) -> Result<(), ArchiveError> {
        let mut progress = Progress::default();
        loop {
            let now = self.clock.now().as_millis();
            let step = self.store.write(move |c| step(c, progress, now));
            match step.await? {
                Swept::More(further) => progress = further,
                Swept::Done => break,
            }
        }
        // Where the limit was lowered; else whoever puts events has seen to it.
        let limit = self.limit;
        loop {
            let removed = self.store.write(move |c| room::make(c, limit, STEP_BYTES));
            let removed = removed.await?;
            if removed.events == 0 {
                break;
            }
            let _told_below = self.removed.add(removed);
        }
        while self.store.give_back(STEP_PAGES, SPARE_PAGES).await? {}
        Ok(())
    }
}
