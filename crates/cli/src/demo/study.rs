//! What many outcomes of one function say together.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::fan_out::Outcome;

/// What many invocations of one function came to.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Study {
    pub handler: &'static str,
    pub invocations: usize,
    pub failures: usize,
    /// Why the first failure failed.
    pub first_failure: Option<String>,
    /// The different answers, the most frequent first.
    pub answers: Vec<Answer>,
    pub environments: usize,
    pub cold_starts: usize,
    pub warm_starts: usize,
    /// What callers waited.
    pub round_trip_ms: Option<Spread>,
    pub duration_ms: Option<Spread>,
    pub billed_duration_ms: f64,
    pub max_memory_used_mb: u32,
    /// From the first call to the last answer.
    pub wall_ms: f64,
}

/// One answer, and who gave it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Answer {
    pub answer: String,
    pub invocations: usize,
    /// The log streams of the environments that gave it.
    pub environments: BTreeSet<String>,
}

/// The middle and the slow end of some figures.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(super) struct Spread {
    pub p50: f64,
    pub p95: f64,
    pub max: f64,
}

impl Study {
    pub(super) fn new(handler: &'static str, outcomes: &[Outcome], wall_ms: f64) -> Self {
        let answers = answers(outcomes);
        let reports: Vec<_> = outcomes
            .iter()
            .filter_map(|it| it.report.as_ref())
            .collect();
        let failures = outcomes.iter().filter(|it| it.answer.is_err()).count();
        let cold_starts = reports.iter().filter(|report| report.is_cold()).count();
        let environments: BTreeSet<_> = outcomes
            .iter()
            .filter_map(|it| it.environment.as_deref())
            .collect();
        let answered = outcomes.iter().filter(|it| it.answer.is_ok());
        Self {
            handler,
            invocations: outcomes.len(),
            failures,
            first_failure: outcomes.iter().find_map(|it| it.answer.clone().err()),
            environments: environments.len(),
            cold_starts,
            warm_starts: reports.len() - cold_starts,
            round_trip_ms: Spread::of(answered.map(|it| it.round_trip.as_secs_f64() * 1e3)),
            duration_ms: Spread::of(reports.iter().map(|report| report.duration_ms)),
            billed_duration_ms: reports.iter().map(|report| report.billed_duration_ms).sum(),
            max_memory_used_mb: reports
                .iter()
                .map(|report| report.max_memory_used_mb)
                .max()
                .unwrap_or_default(),
            answers,
            wall_ms,
        }
    }

    /// Whether every invocation gave the same answer.
    pub(super) fn is_stable(&self) -> bool {
        self.failures == 0 && self.answers.len() == 1
    }

    /// Whether invocations that worked gave different answers.
    pub(super) fn is_unstable(&self) -> bool {
        self.answers.len() > 1
    }
}

fn answers(outcomes: &[Outcome]) -> Vec<Answer> {
    let mut by_text: BTreeMap<&str, Answer> = BTreeMap::new();
    for outcome in outcomes {
        let Ok(text) = &outcome.answer else { continue };
        let group = by_text.entry(text).or_insert_with(|| Answer {
            answer: text.clone(),
            invocations: 0,
            environments: BTreeSet::new(),
        });
        group.invocations += 1;
        group.environments.extend(outcome.environment.clone());
    }
    let mut answers: Vec<Answer> = by_text.into_values().collect();
    answers.sort_by_key(|answer| std::cmp::Reverse(answer.invocations));
    answers
}

impl Spread {
    /// By nearest rank: each figure is one that occurred.
    fn of(figures: impl Iterator<Item = f64>) -> Option<Self> {
        let mut sorted: Vec<f64> = figures.collect();
        sorted.sort_by(f64::total_cmp);
        let max = *sorted.last()?;
        let rank = |percent: usize| {
            let index = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
            sorted.get(index).copied().unwrap_or(max)
        };
        Some(Self {
            p50: rank(50),
            p95: rank(95),
            max,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lab_aws::Report;
    use std::time::Duration;

    fn outcome(answer: Result<&str, &str>, environment: &str, cold: bool, ms: u64) -> Outcome {
        Outcome {
            answer: answer.map(str::to_owned).map_err(str::to_owned),
            environment: Some(environment.to_owned()),
            report: Some(Report {
                request_id: "r".into(),
                duration_ms: 10.5,
                billed_duration_ms: 11.0,
                memory_size_mb: 1769,
                max_memory_used_mb: 40,
                init_duration_ms: cold.then_some(90.0),
                restore_duration_ms: None,
                status: None,
                error_type: None,
            }),
            round_trip: Duration::from_millis(ms),
        }
    }

    #[test]
    fn answers_are_grouped_with_who_gave_them() {
        let outcomes = [
            outcome(Ok("b"), "two", true, 4),
            outcome(Ok("a"), "one", true, 1),
            outcome(Ok("a"), "one", false, 2),
            outcome(Ok("a"), "three", true, 3),
        ];
        let study = Study::new("digest", &outcomes, 12.0);
        assert!(study.is_unstable() && !study.is_stable());
        let groups: Vec<_> = study
            .answers
            .iter()
            .map(|it| (it.answer.as_str(), it.invocations))
            .collect();
        assert_eq!(groups, [("a", 3), ("b", 1)]);
        let of_a: Vec<_> = study.answers[0].environments.iter().collect();
        assert_eq!(of_a, ["one", "three"]);
        assert_eq!(
            (study.environments, study.cold_starts, study.warm_starts),
            (3, 3, 1)
        );
        assert_eq!(study.billed_duration_ms, 44.0);
        let waited = study.round_trip_ms.unwrap();
        assert_eq!((waited.p50, waited.p95, waited.max), (2.0, 4.0, 4.0));
    }

    #[test]
    fn a_failure_is_neither_an_answer_nor_stable() {
        let outcomes = [
            outcome(Ok("a"), "one", true, 1),
            outcome(Err("boom"), "one", false, 1),
        ];
        let study = Study::new("digest", &outcomes, 1.0);
        assert!(!study.is_stable() && !study.is_unstable());
        assert_eq!(
            (study.failures, study.first_failure.as_deref()),
            (1, Some("boom"))
        );
    }

    #[test]
    fn nothing_is_not_stable() {
        let study = Study::new("digest", &[], 0.0);
        assert!(!study.is_stable() && study.round_trip_ms.is_none());
    }
}
