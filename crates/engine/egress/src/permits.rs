//! Who may have how much at a time: bounds that no environment exceeds, and a part of them that no
//! other one can use up.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How many of one kind there may be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    /// What each environment has whatever the others do.
    pub(crate) own: usize,
    /// The most that one environment has; not less than `own`.
    pub(crate) each: usize,
    /// What all of them share beyond what is their own.
    pub(crate) all: usize,
}

/// What all environments have of one kind.
#[derive(Debug)]
pub(crate) struct Pool {
    bounds: Bounds,
    all: Arc<Semaphore>,
    taken: Arc<AtomicUsize>,
}

/// What one environment has of it.
#[derive(Debug)]
pub(crate) struct Share {
    own: Arc<Semaphore>,
    more: Arc<Semaphore>,
    all: Arc<Semaphore>,
    taken: Arc<AtomicUsize>,
    bounds: Bounds,
}

/// The right to one.
#[derive(Debug)]
pub(crate) struct Permit {
    _own: OwnedSemaphorePermit,
    _shared: Option<OwnedSemaphorePermit>,
    taken: Arc<AtomicUsize>,
}

impl Pool {
    pub(crate) fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            all: Arc::new(Semaphore::new(bounds.all)),
            taken: Arc::default(),
        }
    }

    /// The share of an environment.
    pub(crate) fn share(&self) -> Share {
        let Bounds { own, each, .. } = self.bounds;
        Share {
            own: Arc::new(Semaphore::new(own)),
            more: Arc::new(Semaphore::new(each.saturating_sub(own))),
            all: Arc::clone(&self.all),
            taken: Arc::clone(&self.taken),
            bounds: self.bounds,
        }
    }

    /// How many there are, of all environments.
    pub(crate) fn taken(&self) -> usize {
        self.taken.load(Ordering::Relaxed)
    }
}

impl Share {
    /// Another one; `None` where there are enough.
    pub(crate) fn take(&self) -> Option<Permit> {
        let of = |semaphore: &Arc<Semaphore>| Arc::clone(semaphore).try_acquire_owned().ok();
        let (own, shared) = match of(&self.own) {
            Some(own) => (own, None),
            None => (of(&self.more)?, Some(of(&self.all)?)),
        };
        self.taken.fetch_add(1, Ordering::Relaxed);
        Some(Permit {
            _own: own,
            _shared: shared,
            taken: Arc::clone(&self.taken),
        })
    }

    /// Whether the environment has none.
    pub(crate) fn is_whole(&self) -> bool {
        let Bounds { own, each, .. } = self.bounds;
        self.own.available_permits() + self.more.available_permits() == each.max(own)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.taken.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(share: &Share, count: usize) -> Vec<Permit> {
        (0..count).map_while(|_| share.take()).collect()
    }

    #[test]
    fn nobody_takes_what_is_anothers_own() {
        let pool = Pool::new(Bounds {
            own: 2,
            each: 5,
            all: 4,
        });
        let (greedy, other) = (pool.share(), pool.share());
        let most = take(&greedy, 100);
        assert_eq!(most.len(), 5);
        let left = take(&other, 100);
        assert_eq!(left.len(), 3, "its own, and what is left of what is shared");
        let late = pool.share();
        assert_eq!(take(&late, 100).len(), 2);
        assert!(late.is_whole() && !greedy.is_whole());
        assert_eq!(pool.taken(), 8);
        drop(most);
        assert_eq!(take(&other, 100).len(), 2);
        drop(left);
        assert!(greedy.is_whole() && other.is_whole());
        assert_eq!(pool.taken(), 0);
    }
}
