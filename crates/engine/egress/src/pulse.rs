//! Whether anything still goes on in a TCP flow.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use ids::SharedClock;

/// How long a flow is kept in which nothing happens. Afterwards nobody is told: what is sent in it is
/// answered with a reset. So does AWS's NAT gateway.
/// Source: <https://docs.aws.amazon.com/vpc/latest/userguide/nat-gateway-troubleshooting.html>.
pub(crate) const IDLE: Duration = Duration::from_secs(350);

/// The same once one side has said all that it had to say. RFC 5382 asks for four minutes at least
/// (REQ-5).
pub(crate) const HALF_CLOSED: Duration = Duration::from_mins(4);

/// When something happened in a flow last.
#[derive(Debug)]
pub(crate) struct Pulse {
    clock: SharedClock,
    /// Milliseconds of the monotonic clock.
    last: AtomicU64,
    is_half_closed: AtomicBool,
}

impl Pulse {
    pub(crate) fn new(clock: SharedClock) -> Self {
        let last = AtomicU64::new(millis(clock.monotonic()));
        Self {
            clock,
            last,
            is_half_closed: AtomicBool::new(false),
        }
    }

    /// Something happens. A segment without data does too: by such ones programs keep flows alive.
    pub(crate) fn beat(&self) {
        let now = millis(self.clock.monotonic());
        self.last.store(now, Ordering::Relaxed);
    }

    /// One side has said all that it had to say.
    pub(crate) fn half_close(&self) {
        self.is_half_closed.store(true, Ordering::Relaxed);
        self.beat();
    }

    /// Resolves once nothing has happened for too long.
    pub(crate) async fn stops(&self) {
        loop {
            let left = self.left();
            if left.is_zero() {
                return;
            }
            // The limit may have become the shorter one meanwhile.
            self.clock.sleep(left.min(HALF_CLOSED)).await;
        }
    }

    fn left(&self) -> Duration {
        let limit = match self.is_half_closed.load(Ordering::Relaxed) {
            true => HALF_CLOSED,
            false => IDLE,
        };
        let last = Duration::from_millis(self.last.load(Ordering::Relaxed));
        limit.saturating_sub(self.clock.monotonic().saturating_sub(last))
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
