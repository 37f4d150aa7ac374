//! Between invocations: an environment that nobody needs stands still, and goes on when it is
//! taken again.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::atomic::Ordering;
use std::task::Poll;
use std::time::Duration;

use super::{Environment, micros};

/// How long a freeze is waited for. One that takes longer comes true later, or never where a
/// process cannot be stopped; the others must not wait for it.
const FREEZE_LIMIT: Duration = Duration::from_millis(100);

/// Whether an environment's processes may run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Power {
    Running,
    Frozen,
}

impl Environment {
    /// Marks the start of an invocation: it is thawed if it was frozen.
    pub(crate) fn occupy(&self) {
        self.busy.store(true, Ordering::SeqCst);
        let mut power = self.power.lock();
        if *power == Power::Frozen {
            if let Err(error) = self.site().sandbox.thaw() {
                tracing::warn!(%error, environment = %self.id, "cannot thaw");
            }
            *power = Power::Running;
            self.log.resume();
            self.log.telemetry.set_awake(true);
        }
    }

    /// Marks the end of an invocation.
    pub(crate) fn vacate(&self) {
        self.idle_since
            .store(micros(self.clock.monotonic()), Ordering::SeqCst);
        self.busy.store(false, Ordering::SeqCst);
    }

    /// Whether it waits for an invocation.
    pub(crate) fn is_idle(&self) -> bool {
        !self.busy.load(Ordering::SeqCst)
    }

    /// Enters the janitor's queue; returns whether it stood there already.
    pub(crate) fn start_watch(&self) -> bool {
        self.watched.swap(true, Ordering::SeqCst)
    }

    /// Leaves the janitor's queue.
    pub(crate) fn end_watch(&self) {
        self.watched.store(false, Ordering::SeqCst);
    }

    /// Freezes it, unless it is busy.
    pub(crate) async fn freeze_if_idle(&self) {
        let site = self.site();
        let mut freeze = pin!(site.sandbox.freeze());
        // The first poll asks the kernel. It happens under the lock, so that whoever occupies the
        // environment meanwhile either is seen here or thaws afterwards.
        let asked = poll_fn(|context| {
            let mut power = self.power.lock();
            if self.busy.load(Ordering::SeqCst) || *power == Power::Frozen {
                return Poll::Ready(None);
            }
            *power = Power::Frozen;
            Poll::Ready(Some(freeze.as_mut().poll(context)))
        });
        let outcome = match asked.await {
            None => return,
            Some(Poll::Ready(outcome)) => outcome,
            Some(Poll::Pending) => tokio::select! {
                outcome = freeze => outcome,
                () = self.clock.sleep(FREEZE_LIMIT) => Ok(()),
            },
        };
        if let Err(error) = outcome {
            tracing::debug!(%error, environment = %self.id, "cannot freeze");
        }
        self.rest();
    }

    /// Nobody need look at what it prints, unless it was occupied meanwhile.
    fn rest(&self) {
        let power = self.power.lock();
        if *power == Power::Frozen {
            self.log.pause();
            self.log.telemetry.set_awake(false);
        }
    }

    /// How long it has been idle; zero while it works.
    pub(crate) fn idle_for(&self) -> Duration {
        if self.busy.load(Ordering::SeqCst) {
            return Duration::ZERO;
        }
        let now = micros(self.clock.monotonic());
        Duration::from_micros(now.saturating_sub(self.idle_since.load(Ordering::SeqCst)))
    }
}
