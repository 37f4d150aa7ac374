//! Whether anybody needs the engine.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use ids::SharedClock;

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

    /// Returns once nothing has gone on for `limit`.
    pub(crate) async fn idle(&self, limit: Duration) {
        loop {
            let since = if self.open.load(Ordering::SeqCst) > 0 {
                Duration::ZERO
            } else {
                let last = Duration::from_millis(self.last.load(Ordering::SeqCst));
                self.clock.monotonic().saturating_sub(last)
            };
            if since >= limit {
                return;
            }
            self.clock.sleep(limit.saturating_sub(since)).await;
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
    use std::future::Future;
    use std::task::{Context, Waker};

    #[test]
    fn a_lease_keeps_it_awake() {
        let clock = Arc::new(ManualClock::at(Timestamp(0)));
        let activity = Activity::new(Arc::<ManualClock>::clone(&clock));
        let lease = activity.begin();
        let mut idle = std::pin::pin!(activity.idle(Duration::from_secs(60)));
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
}
