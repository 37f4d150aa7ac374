//! The clock that is passed in.

use std::fmt::Debug;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Poll, Waker};
use std::time::{Duration, Instant, SystemTime};

use serde::{Deserialize, Serialize};

/// Microseconds since 1970-01-01T00:00:00Z.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// Whole milliseconds since the epoch.
    #[must_use]
    pub fn as_millis(self) -> i64 {
        self.0.div_euclid(1_000)
    }

    /// Seconds since the epoch, with fraction.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "exact until the year 2255")]
    pub fn as_seconds_f64(self) -> f64 {
        self.0 as f64 / 1e6
    }

    /// The instant `duration` later.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        Self(
            self.0
                .saturating_add(i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)),
        )
    }

    /// The civil date and time in UTC; outside jiff's range, the epoch.
    #[must_use]
    pub fn civil(self) -> jiff::civil::DateTime {
        let instant = jiff::Timestamp::from_microsecond(self.0).unwrap_or_default();
        jiff::tz::Offset::UTC.to_datetime(instant)
    }

    /// ISO 8601 with milliseconds and a numeric offset, the form of Lambda's `LastModified`:
    /// `2026-11-22T09:31:40.000+0000`.
    #[must_use]
    pub fn iso_millis(self) -> String {
        self.civil()
            .strftime("%Y-%m-%dT%H:%M:%S.%3f+0000")
            .to_string()
    }

    /// ISO 8601 with milliseconds in UTC, the form of log lines: `2026-11-22T09:31:40.000Z`.
    #[must_use]
    pub fn iso_millis_z(self) -> String {
        self.civil().strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string()
    }
}

/// The future of [`Clock::sleep`].
pub type Sleep = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Where time comes from.
///
/// Wall time may jump; [`Clock::monotonic`] never goes back, so durations are its differences.
pub trait Clock: Debug + Send + Sync + 'static {
    /// Wall time.
    fn now(&self) -> Timestamp;
    /// Time since an arbitrary fixed point, for measuring durations.
    fn monotonic(&self) -> Duration;
    /// Resolves once `duration` has passed on this clock.
    fn sleep(&self, duration: Duration) -> Sleep;
}

/// A clock as it is handed around.
pub type SharedClock = Arc<dyn Clock>;

/// The machine's clock. [`Clock::sleep`] needs a tokio runtime.
#[derive(Debug)]
pub struct SystemClock {
    origin: Instant,
}

impl SystemClock {
    /// A clock whose monotonic zero is now.
    #[must_use]
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the clock that is passed in"
    )]
    pub fn new() -> Self {
        Self {
            origin: Instant::now(),
        }
    }

    /// The same, ready to hand around.
    #[must_use]
    pub fn shared() -> SharedClock {
        Arc::new(Self::new())
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the clock that is passed in"
    )]
    fn now(&self) -> Timestamp {
        let since = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        Timestamp(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
    }

    fn monotonic(&self) -> Duration {
        self.origin.elapsed()
    }

    fn sleep(&self, duration: Duration) -> Sleep {
        Box::pin(tokio::time::sleep(duration))
    }
}

/// A clock that moves only when told to.
#[derive(Debug)]
pub struct ManualClock {
    inner: Arc<Mutex<Manual>>,
}

#[derive(Debug)]
struct Manual {
    start: Timestamp,
    elapsed: Duration,
    wakers: Vec<Waker>,
}

impl ManualClock {
    /// A clock that stands at `start`.
    #[must_use]
    pub fn at(start: Timestamp) -> Self {
        Self {
            inner: Arc::new(Mutex::new(Manual {
                start,
                elapsed: Duration::ZERO,
                wakers: Vec::new(),
            })),
        }
    }

    /// Moves time forward and wakes every sleeper, so that those that are due go on.
    pub fn advance(&self, by: Duration) {
        let wakers = {
            let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
            inner.elapsed += by;
            std::mem::take(&mut inner.wakers)
        };
        wakers.into_iter().for_each(Waker::wake);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.start.plus(inner.elapsed)
    }

    fn monotonic(&self) -> Duration {
        self.inner
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .elapsed
    }

    fn sleep(&self, duration: Duration) -> Sleep {
        let inner = Arc::clone(&self.inner);
        let due = self.monotonic() + duration;
        Box::pin(std::future::poll_fn(move |context| {
            let mut inner = inner.lock().unwrap_or_else(PoisonError::into_inner);
            if inner.elapsed >= due {
                return Poll::Ready(());
            }
            inner.wakers.push(context.waker().clone());
            Poll::Pending
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_as_lambda_does() {
        assert_eq!(
            Timestamp(1_795_339_900_123_456).iso_millis(),
            "2026-11-22T09:31:40.123+0000"
        );
    }

    #[test]
    fn manual_time_moves_only_when_told() {
        let clock = ManualClock::at(Timestamp(0));
        let mut sleep = clock.sleep(Duration::from_secs(60));
        let mut context = std::task::Context::from_waker(Waker::noop());
        assert!(sleep.as_mut().poll(&mut context).is_pending());
        clock.advance(Duration::from_secs(59));
        assert!(sleep.as_mut().poll(&mut context).is_pending());
        clock.advance(Duration::from_secs(1));
        assert!(sleep.as_mut().poll(&mut context).is_ready());
        assert_eq!(clock.now(), Timestamp(60_000_000));
    }
}
