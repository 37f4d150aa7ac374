//! When an event runs again, and when it is given up.
//!
//! Source: <https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html>.

use std::time::Duration;

use ids::Timestamp;

use crate::function::event_invoke::EventInvoke;

/// How often an event runs again after the function failed over it, where nobody said otherwise.
const RETRIES: u32 = 2;
/// The first retry comes after so long, the second after twice as long.
const PAUSE: Duration = Duration::from_mins(1);
/// How old an event gets, where nobody said otherwise.
pub(super) const LONGEST_AGE: Duration = Duration::from_hours(6);
/// The pauses after which an event is tried again that could not be run: doubled each time …
const SHORTEST_BACK_OFF: Duration = Duration::from_secs(1);
/// … up to this.
const LONGEST_BACK_OFF: Duration = Duration::from_mins(5);

/// The rules for the events of one qualifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rules {
    retries: u32,
    longest_age: Duration,
}

/// What comes after a failure of the function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// It runs again then.
    At(Timestamp),
    /// It has had its chances.
    RetriesExhausted,
    /// It would be too old by the time of its next chance. AWS, too, gives it up at once.
    AgeExceeded,
}

impl Rules {
    /// The rules that a configuration makes.
    pub(crate) fn of(config: Option<&EventInvoke>) -> Self {
        let age = config.and_then(|config| config.age);
        Self {
            retries: config.and_then(|config| config.retries).unwrap_or(RETRIES),
            longest_age: age.map_or(LONGEST_AGE, |age| Duration::from_secs(age.into())),
        }
    }

    /// Whether an event of that time is too old.
    pub(crate) fn is_too_old(&self, accepted: Timestamp, now: Timestamp) -> bool {
        now > accepted.plus(self.longest_age)
    }

    /// What becomes of an event over which the function has failed `failures` times.
    pub(crate) fn after_failure(&self, failures: u32, accepted: Timestamp, now: Timestamp) -> Next {
        if failures > self.retries {
            return Next::RetriesExhausted;
        }
        let due = now.plus(PAUSE * failures);
        match self.is_too_old(accepted, due) {
            true => Next::AgeExceeded,
            false => Next::At(due),
        }
    }

    /// When an event is due again that could not be run `refusals` times in a row: at the latest
    /// when it becomes too old.
    pub(crate) fn after_refusal(
        &self,
        refusals: u32,
        accepted: Timestamp,
        now: Timestamp,
    ) -> Timestamp {
        now.plus(back_off(refusals))
            .min(accepted.plus(self.longest_age + Duration::from_millis(1)))
            .max(now)
    }
}

/// The pause after `refusals` in a row.
pub(super) fn back_off(refusals: u32) -> Duration {
    let doublings = refusals.saturating_sub(1).min(16);
    let pause = SHORTEST_BACK_OFF.saturating_mul(1 << doublings);
    pause.min(LONGEST_BACK_OFF)
}

#[cfg(test)]
mod tests {
    use ids::{Clock, ManualClock};

    use super::*;

    const START: Timestamp = Timestamp(1_000_000_000);

    fn rules(retries: Option<u32>, age: Option<u32>) -> Rules {
        Rules::of(Some(&EventInvoke {
            retries,
            age,
            ..EventInvoke::default()
        }))
    }

    /// What becomes of an event that fails whenever it runs: the seconds at which it runs, and how
    /// it ends.
    fn life(rules: Rules) -> (Vec<i64>, Next) {
        let clock = ManualClock::at(START);
        let mut ran = Vec::new();
        loop {
            ran.push((clock.now().0 - START.0) / 1_000_000);
            let failures = u32::try_from(ran.len()).unwrap();
            match rules.after_failure(failures, START, clock.now()) {
                Next::At(due) => {
                    let pause = u64::try_from(due.0 - clock.now().0).unwrap();
                    clock.advance(Duration::from_micros(pause));
                }
                end => return (ran, end),
            }
        }
    }

    #[test]
    fn a_failed_event_has_two_more_chances() {
        assert_eq!(
            life(Rules::of(None)),
            (vec![0, 60, 180], Next::RetriesExhausted)
        );
    }

    #[test]
    fn a_configuration_says_how_many_chances() {
        assert_eq!(
            life(rules(Some(0), None)),
            (vec![0], Next::RetriesExhausted)
        );
        assert_eq!(
            life(rules(Some(1), None)),
            (vec![0, 60], Next::RetriesExhausted)
        );
    }

    #[test]
    fn an_age_ends_it_before_the_chance_that_it_would_not_live_to_see() {
        assert_eq!(
            life(rules(None, Some(60))),
            (vec![0, 60], Next::AgeExceeded)
        );
        assert_eq!(
            life(rules(None, Some(179))),
            (vec![0, 60], Next::AgeExceeded)
        );
        let late = START.plus(Duration::from_secs(1));
        assert_eq!(
            rules(None, Some(60)).after_failure(1, START, late),
            Next::AgeExceeded
        );
    }

    #[test]
    fn refusals_back_off_to_five_minutes_and_end_with_the_event() {
        let pauses = [1, 2, 3, 9, 10, u32::MAX].map(|refusals| back_off(refusals).as_secs());
        assert_eq!(pauses, [1, 2, 4, 256, 300, 300]);
        let old = START.plus(Duration::from_secs(59));
        let due = rules(None, Some(60)).after_refusal(9, START, old);
        assert!(rules(None, Some(60)).is_too_old(START, due));
        assert!(due < START.plus(Duration::from_secs(61)));
    }

    #[test]
    fn six_hours_are_old_enough() {
        let rules = Rules::of(None);
        assert!(!rules.is_too_old(START, START.plus(LONGEST_AGE)));
        assert!(rules.is_too_old(START, START.plus(LONGEST_AGE + Duration::from_micros(1))));
    }
}
