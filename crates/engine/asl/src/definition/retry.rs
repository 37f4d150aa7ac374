//! `Retry` and `Catch`: which errors they take, and what they do then.

use std::sync::Arc;

use super::{ResultPath, StateId, Template};

/// One of a state's `Retry`.
#[derive(Debug, Clone, PartialEq)]
pub struct Retrier {
    /// `ErrorEquals`.
    pub errors: Vec<Arc<str>>,
    /// `IntervalSeconds`, before the first retry.
    pub interval_seconds: u64,
    /// `MaxAttempts`: how often at most; 0 is never.
    pub max_attempts: u64,
    /// `BackoffRate`: by what the interval grows.
    pub backoff_rate: f64,
    /// `MaxDelaySeconds`: the longest interval.
    pub max_delay_seconds: Option<u64>,
    /// `JitterStrategy: FULL`: a random part of the interval is waited.
    pub full_jitter: bool,
}

/// One of a state's `Catch`.
#[derive(Debug, Clone)]
pub struct Catcher {
    /// `ErrorEquals`.
    pub errors: Vec<Arc<str>>,
    /// `Next`.
    pub next: StateId,
    /// `ResultPath`, in JSONPath.
    pub result_path: ResultPath,
    /// `Output`, in JSONata.
    pub output: Option<Template>,
    /// `Assign`.
    pub assign: Option<Template>,
}

/// Whether an `ErrorEquals` takes an error.
///
/// `States.ALL` takes all but `States.DataLimitExceeded` and `States.Runtime`; `States.TaskFailed` takes
/// what that takes but timeouts
/// (<https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html>).
/// A heartbeat that was missed is a timeout too.
pub fn takes(errors: &[Arc<str>], error: &str) -> bool {
    let terminal = matches!(error, "States.DataLimitExceeded" | "States.Runtime");
    let timeout = matches!(error, "States.Timeout" | "States.HeartbeatTimeout");
    errors.iter().any(|wanted| match &**wanted {
        "States.ALL" => !terminal,
        "States.TaskFailed" => !terminal && !timeout,
        "States.Timeout" => timeout,
        wanted => wanted == error,
    })
}

impl Retrier {
    /// The milliseconds to wait before a retry, of which there were `before` ones by this retrier;
    /// `None` where there have been enough.
    ///
    /// The interval grows by the rate with each retry, up to the longest; jitter takes a random part of
    /// it (<https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html>).
    pub fn delay_millis(&self, before: u64, random: f64) -> Option<i64> {
        if before >= self.max_attempts {
            return None;
        }
        let power = i32::try_from(before).unwrap_or(i32::MAX);
        #[expect(
            clippy::cast_precision_loss,
            reason = "an interval is far below 2^53 seconds"
        )]
        let (first, longest) = (
            self.interval_seconds as f64,
            self.max_delay_seconds.unwrap_or(LONGEST_DELAY_SECONDS) as f64,
        );
        let mut seconds = (first * self.backoff_rate.powi(power)).min(longest);
        if self.full_jitter {
            seconds *= random;
        }
        #[expect(clippy::cast_possible_truncation, reason = "at most a year")]
        let millis = (seconds * 1000.0).round() as i64;
        Some(millis)
    }
}

/// No wait is longer than an execution can last: a year.
const LONGEST_DELAY_SECONDS: u64 = 31_536_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn retrier() -> Retrier {
        Retrier {
            errors: vec!["States.ALL".into()],
            interval_seconds: 3,
            max_attempts: 4,
            backoff_rate: 2.0,
            max_delay_seconds: Some(10),
            full_jitter: false,
        }
    }

    #[test]
    fn intervals_grow_up_to_the_longest_and_end() {
        let delays: Vec<_> = (0..5)
            .map(|before| retrier().delay_millis(before, 0.5))
            .collect();
        assert_eq!(
            delays,
            [Some(3000), Some(6000), Some(10_000), Some(10_000), None]
        );
        let jitter = Retrier {
            full_jitter: true,
            ..retrier()
        };
        assert_eq!(jitter.delay_millis(0, 0.5), Some(1500));
        let endless = Retrier {
            max_attempts: u64::MAX,
            max_delay_seconds: None,
            ..retrier()
        };
        assert_eq!(
            endless.delay_millis(u64::MAX - 1, 0.0),
            Some(31_536_000_000)
        );
    }

    #[test]
    fn wildcards_take_what_they_should() {
        let of = |name: &str| vec![Arc::from(name)];
        assert!(takes(&of("States.ALL"), "Custom"));
        assert!(!takes(&of("States.ALL"), "States.Runtime"));
        assert!(!takes(&of("States.ALL"), "States.DataLimitExceeded"));
        assert!(takes(
            &of("States.DataLimitExceeded"),
            "States.DataLimitExceeded"
        ));
        assert!(takes(&of("States.TaskFailed"), "Custom"));
        assert!(!takes(&of("States.TaskFailed"), "States.Timeout"));
        assert!(!takes(&of("States.TaskFailed"), "States.Runtime"));
        assert!(takes(&of("States.Timeout"), "States.HeartbeatTimeout"));
        assert!(!takes(&of("States.HeartbeatTimeout"), "States.Timeout"));
    }
}
