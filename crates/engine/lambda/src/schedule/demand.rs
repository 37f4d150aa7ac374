//! Whether another environment is worth starting.
//!
//! AWS gives every concurrent invocation an environment of its own; a laptop that did so would
//! spend its cores on starting interpreters while the warm ones could have served the whole line
//! in less time than one start takes. So an environment is started when the line, at the pace seen
//! so far, would last longer than a start; and whatever the pace, once the head of the line has
//! waited that long. A concurrent invocation is therefore served at the latest one start later
//! than on AWS, and a line of slow or blocking functions still gets an environment each. The first
//! few are started without more ado: with fewer, cores stand idle while events and answers are on
//! their way.

use std::time::Duration;

/// Weight of the newest observation in the running means.
const NEWEST: f64 = 0.2;

/// What one pool has learned of its traffic.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Demand {
    /// How long an invocation takes, in seconds.
    invocation: Option<f64>,
    /// How long it takes to make and initialise an environment, in seconds.
    start: Option<f64>,
}

/// How things stand when the question is asked.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Line {
    /// How many invocations wait.
    pub(crate) length: usize,
    /// How long the first of them has waited.
    pub(crate) head_age: Duration,
    /// How many environments there are.
    pub(crate) alive: usize,
    /// How many are being started.
    pub(crate) coming: usize,
    /// How many have answered and are about to be free.
    pub(crate) finishing: usize,
    /// How many it takes to keep the host's cores busy.
    pub(crate) few: usize,
}

/// Whether to start one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Nobody waits.
    Nobody,
    /// Not now; ask again after so long.
    Later(Duration),
    /// Yes.
    Start,
}

impl Demand {
    /// Learns how long an invocation took.
    pub(crate) fn saw_invocation(&mut self, took: Duration) {
        learn(&mut self.invocation, took);
    }

    /// Learns how long a start took.
    pub(crate) fn saw_start(&mut self, took: Duration) {
        learn(&mut self.start, took);
    }

    /// The rule of this module.
    #[expect(
        clippy::cast_precision_loss,
        reason = "lines are far shorter than 2^52"
    )]
    pub(crate) fn verdict(&self, line: Line) -> Verdict {
        if line.length == 0 {
            return Verdict::Nobody;
        }
        let servers = line.alive + line.coming;
        let (Some(invocation), Some(start)) = (self.invocation, self.start) else {
            // Nothing is known yet: an environment each, as on AWS.
            return if line.coming < line.length || servers == 0 {
                Verdict::Start
            } else {
                Verdict::Later(Duration::from_millis(5))
            };
        };
        let waited = line.head_age.as_secs_f64();
        let ahead = line.length.saturating_sub(line.finishing);
        let expected = ahead as f64 * invocation / servers.max(1) as f64;
        let worth_it = waited >= start || expected >= start || (ahead > 0 && servers < line.few);
        if servers == 0 || (line.coming < line.length && worth_it) {
            return Verdict::Start;
        }
        Verdict::Later(Duration::from_secs_f64((start - waited).max(0.001)))
    }
}

fn learn(mean: &mut Option<f64>, seen: Duration) {
    let seen = seen.as_secs_f64();
    *mean = Some(mean.map_or(seen, |mean| mean + NEWEST * (seen - mean)));
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn demand(invocation: Duration, start: Duration) -> Demand {
        let mut demand = Demand::default();
        demand.saw_invocation(invocation);
        demand.saw_start(start);
        demand
    }

    const LINE: Line = Line {
        length: 1,
        head_age: Duration::ZERO,
        alive: 1,
        coming: 0,
        finishing: 0,
        few: 1,
    };

    #[test]
    fn the_first_invocation_starts_an_environment() {
        let none = Line { alive: 0, ..LINE };
        assert_eq!(Demand::default().verdict(none), Verdict::Start);
        assert_eq!(demand(MS, 80 * MS).verdict(none), Verdict::Start);
        assert_eq!(
            Demand::default().verdict(Line { length: 0, ..LINE }),
            Verdict::Nobody
        );
    }

    #[test]
    fn what_is_unknown_gets_an_environment_each() {
        let burst = Line {
            length: 180,
            coming: 179,
            alive: 0,
            ..LINE
        };
        assert_eq!(Demand::default().verdict(burst), Verdict::Start);
        let enough = Line {
            coming: 180,
            ..burst
        };
        assert!(matches!(
            Demand::default().verdict(enough),
            Verdict::Later(_)
        ));
    }

    #[test]
    fn a_fast_function_is_served_by_few() {
        let line = Line {
            length: 64,
            alive: 2,
            ..LINE
        };
        assert_eq!(demand(MS, 80 * MS).verdict(line), Verdict::Later(80 * MS));
    }

    #[test]
    fn the_first_few_are_started_without_more_ado() {
        let line = Line { few: 6, ..LINE };
        assert_eq!(demand(MS, 80 * MS).verdict(line), Verdict::Start);
        let enough = Line { alive: 6, ..line };
        assert!(matches!(
            demand(MS, 80 * MS).verdict(enough),
            Verdict::Later(_)
        ));
        let again = Line {
            finishing: 1,
            ..line
        };
        assert!(matches!(
            demand(MS, 80 * MS).verdict(again),
            Verdict::Later(_)
        ));
    }

    #[test]
    fn a_slow_function_gets_many() {
        let line = Line {
            length: 64,
            alive: 2,
            ..LINE
        };
        assert_eq!(demand(1_000 * MS, 80 * MS).verdict(line), Verdict::Start);
    }

    #[test]
    fn nobody_waits_longer_than_a_start() {
        let blocked = Line {
            head_age: 80 * MS,
            alive: 2,
            ..LINE
        };
        assert_eq!(demand(MS, 80 * MS).verdict(blocked), Verdict::Start);
    }

    #[test]
    fn an_environment_that_is_about_to_be_free_serves_a_caller_that_calls_again() {
        let again = Line {
            finishing: 1,
            ..LINE
        };
        assert!(matches!(
            demand(1_000 * MS, 80 * MS).verdict(again),
            Verdict::Later(_)
        ));
    }

    #[test]
    fn no_more_are_started_than_wait() {
        let line = Line {
            length: 2,
            coming: 2,
            alive: 1,
            head_age: 900 * MS,
            ..LINE
        };
        assert!(matches!(
            demand(1_000 * MS, 80 * MS).verdict(line),
            Verdict::Later(_)
        ));
    }
}
