//! How much text of messages is kept in memory, over all queues.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Texts beyond this many bytes stay on the disk until somebody receives them.
const LIMIT: usize = 64 * 1024 * 1024;

/// What a message counts beside its texts.
const OVERHEAD: usize = 256;

/// The room for texts. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Budget(Arc<AtomicUsize>);

/// Room that somebody has, until it is dropped.
#[derive(Debug)]
pub(crate) struct Room {
    budget: Budget,
    bytes: usize,
}

impl Budget {
    /// Room for a message of that many bytes, if there is any.
    pub(crate) fn take(&self, bytes: usize) -> Option<Room> {
        let bytes = bytes + OVERHEAD;
        let before = self.0.fetch_add(bytes, Ordering::Relaxed);
        let room = Room {
            budget: self.clone(),
            bytes,
        };
        (before + bytes <= LIMIT).then_some(room)
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.budget.0.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_comes_back() {
        let budget = Budget::default();
        let half = budget.take(LIMIT / 2).unwrap();
        assert!(budget.take(LIMIT / 2).is_none());
        drop(half);
        assert!(budget.take(LIMIT - OVERHEAD).is_some());
    }
}
