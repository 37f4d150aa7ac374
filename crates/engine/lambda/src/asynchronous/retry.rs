//! When an event runs again.
//!
//! Source: <https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html>.

use std::time::Duration;

use ids::Timestamp;

/// How often an event runs again after the function failed over it.
const RETRIES: u32 = 2;
/// The first retry comes after so long, the second after twice as long.
const PAUSE: Duration = Duration::from_mins(1);
/// How old an event gets.
const LONGEST_AGE: Duration = Duration::from_hours(6);
/// The pauses after which an event is tried again that could not be run: doubled each time …
const SHORTEST_BACK_OFF: Duration = Duration::from_secs(1);
/// … up to this.
const LONGEST_BACK_OFF: Duration = Duration::from_mins(5);

/// Events that were accepted before this are too old.
pub(crate) fn oldest(now: Timestamp) -> Timestamp {
    let micros = i64::try_from(LONGEST_AGE.as_micros()).unwrap_or(i64::MAX);
    Timestamp(now.0.saturating_sub(micros))
}

/// When an event is due again over which the function has failed `failures` times; `None` when it
/// has had its chances.
pub(crate) fn after_failure(failures: u32, now: Timestamp) -> Option<Timestamp> {
    (1..=RETRIES)
        .contains(&failures)
        .then(|| now.plus(PAUSE * failures))
}

/// When an event is due again that could not be run `refusals` times in a row.
pub(crate) fn after_refusal(refusals: u32, now: Timestamp) -> Timestamp {
    let doublings = refusals.saturating_sub(1).min(16);
    let pause = SHORTEST_BACK_OFF.saturating_mul(1 << doublings);
    now.plus(pause.min(LONGEST_BACK_OFF))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_000_000_000);

    fn seconds_after(due: Timestamp) -> i64 {
        (due.0 - NOW.0) / 1_000_000
    }

    #[test]
    fn a_failed_event_has_two_more_chances() {
        let pauses: Vec<_> = (1..4)
            .map(|failures| after_failure(failures, NOW).map(seconds_after))
            .collect();
        assert_eq!(pauses, [Some(60), Some(120), None]);
    }

    #[test]
    fn refusals_back_off_to_five_minutes() {
        let pauses: Vec<_> = [1, 2, 3, 9, 10, u32::MAX]
            .map(|refusals| seconds_after(after_refusal(refusals, NOW)))
            .to_vec();
        assert_eq!(pauses, [1, 2, 4, 256, 300, 300]);
    }

    #[test]
    fn six_hours_are_old_enough() {
        assert_eq!(oldest(NOW.plus(LONGEST_AGE)), NOW);
    }
}
