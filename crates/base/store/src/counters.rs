//! What the store counts.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

/// The upper bounds of the classes in [`Stats::batch_sizes`]; the last class has none.
pub const BATCH_SIZES: [usize; 8] = [1, 4, 16, 64, 128, 256, 512, usize::MAX];

/// A reading of a store's counters.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stats {
    /// Transactions committed.
    pub commits: u64,
    /// Writes in them; those that failed are not among them.
    pub writes: u64,
    /// How many commits held at most [`BATCH_SIZES`]`[i]` writes, and more than the class before.
    pub batch_sizes: [u64; BATCH_SIZES.len()],
    /// Writes that wait at this moment.
    pub queued: usize,
    /// Requests turned away because the queue was full.
    pub refused: u64,
    /// Times the log was copied into the file entirely.
    pub checkpoints: u64,
}

impl Stats {
    /// Writes per commit; 0 before the first.
    #[must_use]
    #[expect(
        clippy::cast_precision_loss,
        reason = "a mean needs no more than 53 bits"
    )]
    pub fn mean_batch(&self) -> f64 {
        if self.commits == 0 {
            return 0.0;
        }
        self.writes as f64 / self.commits as f64
    }
}

#[derive(Debug, Default)]
pub(crate) struct Counters {
    commits: AtomicU64,
    writes: AtomicU64,
    batch_sizes: [AtomicU64; BATCH_SIZES.len()],
    queued: AtomicUsize,
    refused: AtomicU64,
    checkpoints: AtomicU64,
}

impl Counters {
    /// Before a write is offered to the queue, so that the writer never counts below zero.
    pub(crate) fn queueing(&self) {
        self.queued.fetch_add(1, Relaxed);
    }

    pub(crate) fn dequeued(&self, writes: usize) {
        self.queued.fetch_sub(writes, Relaxed);
    }

    pub(crate) fn refused(&self) {
        self.refused.fetch_add(1, Relaxed);
    }

    pub(crate) fn committed(&self, writes: usize) {
        self.commits.fetch_add(1, Relaxed);
        self.writes.fetch_add(writes as u64, Relaxed);
        if let Some(class) = BATCH_SIZES.iter().position(|bound| writes <= *bound) {
            self.batch_sizes[class].fetch_add(1, Relaxed);
        }
    }

    pub(crate) fn checkpointed(&self) {
        self.checkpoints.fetch_add(1, Relaxed);
    }

    pub(crate) fn read(&self) -> Stats {
        Stats {
            commits: self.commits.load(Relaxed),
            writes: self.writes.load(Relaxed),
            batch_sizes: self.batch_sizes.each_ref().map(|class| class.load(Relaxed)),
            queued: self.queued.load(Relaxed),
            refused: self.refused.load(Relaxed),
            checkpoints: self.checkpoints.load(Relaxed),
        }
    }
}
