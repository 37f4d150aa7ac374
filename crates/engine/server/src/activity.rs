//! Whether anybody needs the engine.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use ids::SharedClock;

/// How often work that goes on without a request is looked at.
const LOOK: Duration = Duration::from_secs(1);

/// Counts requests and leases that are open, and remembers when the last one ended.
#[derive(Debug)]
pub(crate) struct Activity {
    clock: SharedClock,
    open: AtomicUsize,
    /// Milliseconds of the monotonic clock.
    last: AtomicU64,
}

impl Activity {
    pub(crate) fn new(clock: SharedClock) -> Arc<Self> {
        let last = AtomicU64::new(millis(clock.monotonic()));
        Arc::new(Self {
            clock,
            open: AtomicUsize::new(0),
            last,
        })
    }

    /// Something goes on until the guard is dropped.
    pub(crate) fn begin(self: &Arc<Self>) -> Ongoing {
        self.open.fetch_add(1, Ordering::SeqCst);
        Ongoing(Arc::clone(self))
    }

    /// Returns once nothing has gone on for `limit`. Work that outlives its request is asked for by
    /// `working`.
    pub(crate) async fn idle(&self, limit: Duration, working: impl Fn() -> bool) {
        loop {
            let now = self.clock.monotonic();
            let wait = if working() {
                // It does not say when it ends.
                self.last.fetch_max(millis(now), Ordering::SeqCst);
                limit.min(LOOK)
            } else if self.open.load(Ordering::SeqCst) > 0 {
                limit
            } else {
                let last = Duration::from_millis(self.last.load(Ordering::SeqCst));
                limit.saturating_sub(now.saturating_sub(last))
            };
            if wait.is_zero() {
                return;
            }
            self.clock.sleep(wait).await;
        }
    }
}

/// Something that goes on.
#[derive(Debug)]
pub(crate) struct Ongoing(Arc<Activity>);

impl Drop for Ongoing {
    fn drop(&mut self) {
        self.0
            .last
            .store(millis(self.0.clock.monotonic()), Ordering::SeqCst);
        self.0.open.fetch_sub(1, Ordering::SeqCst);
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ids::{ManualClock, Timestamp};
    use std::cell::Cell;
    use std::future::Future;
    use std::task::{Context, Waker};

    #[test]
    fn a_lease_keeps_it_awake() {
        let clock = Arc::new(ManualClock::at(Timestamp(0)));
        let activity = Activity::new(Arc::<ManualClock>::clone(&clock));
        let lease = activity.begin();
        let mut idle = std::pin::pin!(activity.idle(Duration::from_secs(60), || false));
        let mut context = Context::from_waker(Waker::noop());
        assert!(idle.as_mut().poll(&mut context).is_pending());
        clock.advance(Duration::from_secs(600));
        assert!(
            idle.as_mut().poll(&mut context).is_pending(),
            "the lease is open"
        );
        drop(lease);
        clock.advance(Duration::from_secs(59));
        assert!(idle.as_mut().poll(&mut context).is_pending());
        clock.advance(Duration::from_secs(61));
        assert!(idle.as_mut().poll(&mut context).is_ready());
    }

    #[test]
    fn work_without_a_request_keeps_it_awake() {
        let clock = Arc::new(ManualClock::at(Timestamp(0)));
        let activity = Activity::new(Arc::<ManualClock>::clone(&clock));
        let working = Cell::new(true);
        let mut idle = std::pin::pin!(activity.idle(Duration::from_secs(60), || working.get()));
        let mut context = Context::from_waker(Waker::noop());
        for _ in 0..5 {
            assert!(idle.as_mut().poll(&mut context).is_pending());
            clock.advance(Duration::from_secs(100));
        }
        assert!(idle.as_mut().poll(&mut context).is_pending());
        working.set(false);
        clock.advance(Duration::from_secs(59));
        assert!(idle.as_mut().poll(&mut context).is_pending());
        clock.advance(Duration::from_secs(1));
        assert!(idle.as_mut().poll(&mut context).is_ready());
    }
}
