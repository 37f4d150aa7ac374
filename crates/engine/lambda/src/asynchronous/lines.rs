//! Which functions have lines, and what each holds in memory.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::function::key::FunctionKey;

/// The lines of all functions.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    pub(super) open: Mutex<HashMap<FunctionKey, Arc<Line>>>,
    /// Events on disk.
    pub(super) queued: AtomicUsize,
    /// No event is begun any more.
    closed: AtomicBool,
}

/// One function's line.
#[derive(Debug, Default)]
pub(super) struct Line {
    /// Something has changed: an event has come, or one has ended.
    pub(super) changed: Notify,
    /// Whether an event came since the line last looked.
    pub(super) has_news: AtomicBool,
    /// Events that are being run. They stay on disk until they have ended.
    pub(super) held: Mutex<HashSet<i64>>,
    /// Whether an event found the function throttled since the line last looked.
    pub(super) is_throttled: AtomicBool,
}

impl Lines {
    /// How many events wait or run.
    pub(crate) fn queued(&self) -> usize {
        self.queued.load(Ordering::Relaxed)
    }

    /// Lets running events end and begins no other.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
        for line in self.open.lock().values() {
            line.changed.notify_one();
        }
    }

    /// Something has changed for a function's events: how many may run, or that they are gone.
    pub(crate) fn nudge(&self, key: &FunctionKey) {
        if let Some(line) = self.open.lock().get(key) {
            line.changed.notify_one();
        }
    }

    /// So many events are on disk no longer.
    pub(crate) fn forget(&self, count: usize) {
        self.queued.fetch_sub(count, Ordering::Relaxed);
    }

    /// Whether no event is begun any more.
    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::SeqCst)
    }
}
