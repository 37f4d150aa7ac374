//! The demo's findings as they are shown.

use serde::Serialize;

use super::study::{Answer, Spread, Study};
use crate::output::{Render, flush_right, lines, table};

/// How many environments are named for one answer.
const NAMED_ENVIRONMENTS: usize = 6;

/// How many different answers are shown.
const SHOWN_ANSWERS: usize = 12;

/// What the demo found.
#[derive(Debug, Serialize)]
pub(super) struct Findings {
    pub target: String,
    pub runtime: String,
    pub memory_mb: i32,
    pub fibonacci: Single,
    pub digest: Study,
    pub unstable_digest: Study,
    /// Whether the stable function was found stable and the unstable one unstable.
    pub as_expected: bool,
}

/// One invocation of its own.
#[derive(Debug, Serialize)]
pub(super) struct Single {
    pub event: String,
    pub answer: String,
    pub round_trip_ms: f64,
}

impl Render for Findings {
    fn text(&self) -> String {
        let Self {
            target,
            runtime,
            fibonacci,
            digest,
            unstable_digest,
            ..
        } = self;
        [
            format!("{target}\n{runtime} at {}", memory(self.memory_mb)),
            format!(
                "fibonacci        {} → {}   {:.1} ms round trip",
                fibonacci.event, fibonacci.answer, fibonacci.round_trip_ms
            ),
            figures([digest, unstable_digest]),
            answers(digest),
            answers(unstable_digest),
            format!(
                "{}\n{}",
                verdict_on_stable(digest),
                verdict_on_unstable(unstable_digest)
            ),
        ]
        .join("\n\n")
    }
}

/// `1769 MB (1.00 vCPU)`: every figure needs both.
fn memory(mb: i32) -> String {
    format!("{mb} MB ({:.2} vCPU)", f64::from(mb) / 1769.0)
}

fn figures(studies: [&Study; 2]) -> String {
    let at_once = format!("{} at once", studies[0].invocations);
    let mut table = table([&at_once, studies[0].handler, studies[1].handler]);
    let mut row = |name: &str, figure: &dyn Fn(&Study) -> String| {
        table.add_row([name.to_owned(), figure(studies[0]), figure(studies[1])]);
    };
    row("failed", &|study| study.failures.to_string());
    row("distinct answers", &|study| study.answers.len().to_string());
    row("environments", &|study| study.environments.to_string());
    row("cold starts", &|study| study.cold_starts.to_string());
    row("warm starts", &|study| study.warm_starts.to_string());
    row("all done after, ms", &|study| {
        format!("{:.0}", study.wall_ms)
    });
    row("round trip p50, ms", &|study| {
        spread(study.round_trip_ms, |it| it.p50)
    });
    row("round trip p95, ms", &|study| {
        spread(study.round_trip_ms, |it| it.p95)
    });
    row("round trip max, ms", &|study| {
        spread(study.round_trip_ms, |it| it.max)
    });
    row("Duration p50, ms", &|study| {
        spread(study.duration_ms, |it| it.p50)
    });
    row("Duration max, ms", &|study| {
        spread(study.duration_ms, |it| it.max)
    });
    row("Billed Duration in sum, ms", &|study| {
        format!("{:.0}", study.billed_duration_ms)
    });
    row("Max Memory Used, MB", &|study| {
        study.max_memory_used_mb.to_string()
    });
    flush_right(&mut table, &[1, 2]);
    lines(&table)
}

fn spread(spread: Option<Spread>, pick: impl Fn(Spread) -> f64) -> String {
    spread.map_or_else(|| "–".to_owned(), |it| format!("{:.1}", pick(it)))
}

fn answers(study: &Study) -> String {
    let mut text = vec![format!("{} answered", study.handler)];
    text.extend(study.answers.iter().take(SHOWN_ANSWERS).map(line));
    if let Some(more @ 1..) = study.answers.len().checked_sub(SHOWN_ANSWERS) {
        text.push(format!("        and {more} more"));
    }
    text.join("\n")
}

/// `  90 × 7eae0c4d…  from environments 3f2a1b0c, 77aa01ff`
fn line(answer: &Answer) -> String {
    let count = answer.environments.len();
    let mut named: Vec<String> = answer
        .environments
        .iter()
        .take(NAMED_ENVIRONMENTS)
        .map(|it| short(it))
        .collect();
    if count > NAMED_ENVIRONMENTS {
        named.push(format!("and {} more", count - NAMED_ENVIRONMENTS));
    }
    let noun = if count == 1 {
        "environment"
    } else {
        "environments"
    };
    let who = if named.is_empty() {
        "unknown".to_owned()
    } else {
        named.join(", ")
    };
    format!(
        "{:>5} × {}   from {noun} {who}",
        answer.invocations,
        digest(&answer.answer)
    )
}

/// The start of an environment's id: a log stream ends in `]` and 32 digits.
fn short(log_stream: &str) -> String {
    let id = log_stream.rsplit(']').next().unwrap_or(log_stream);
    id.chars().take(8).collect()
}

/// The part of an answer that tells it from another: its digest, or all of it.
fn digest(answer: &str) -> String {
    let parsed: Option<serde_json::Value> = serde_json::from_str(answer).ok();
    let digest = parsed
        .as_ref()
        .and_then(|it| it.get("digest"))
        .and_then(|it| it.as_str());
    match digest {
        Some(digest) => format!("{}…", digest.chars().take(16).collect::<String>()),
        None => answer.to_owned(),
    }
}

fn verdict_on_stable(study: &Study) -> String {
    let Study {
        handler,
        invocations,
        failures,
        environments,
        ..
    } = study;
    if study.is_stable() {
        return format!(
            "yes  {handler}: {invocations} invocations in {environments} environments gave one answer"
        );
    }
    match &study.first_failure {
        Some(reason) => {
            format!("NO   {handler}: {failures} of {invocations} invocations failed: {reason}")
        }
        None => format!("NO   {handler}: {} different answers", study.answers.len()),
    }
}

fn verdict_on_unstable(study: &Study) -> String {
    let Study {
        handler,
        invocations,
        failures,
        environments,
        ..
    } = study;
    let different = study.answers.len();
    match (&study.first_failure, study.is_unstable()) {
        (Some(reason), _) => {
            format!("NO   {handler}: {failures} of {invocations} invocations failed: {reason}")
        }
        (None, true) => format!(
            "yes  {handler}: found out: {environments} environments gave {different} different answers"
        ),
        (None, false) => format!(
            "NO   {handler}: its fault was not found by {invocations} invocations in {environments} \
             environments"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn a_line_tells_the_answer_and_who_gave_it() {
        let stream = |id: &str| format!("2026/11/22/[$LATEST]{id}");
        let answer = Answer {
            answer: "{\"seed\": 0.37, \"digest\": \"0123456789abcdef0123\"}".into(),
            invocations: 90,
            environments: BTreeSet::from([stream("aaaaaaaa11"), stream("bbbbbbbb22")]),
        };
        assert_eq!(
            line(&answer),
            "   90 × 0123456789abcdef…   from environments aaaaaaaa, bbbbbbbb"
        );
    }

    #[test]
    fn verdicts_name_what_they_rest_on() {
        let mut study = Study::new("digest", &[], 0.0);
        study.invocations = 180;
        study.failures = 2;
        study.first_failure = Some("out of memory".into());
        assert_eq!(
            verdict_on_stable(&study),
            "NO   digest: 2 of 180 invocations failed: out of memory"
        );
        study.failures = 0;
        study.first_failure = None;
        assert!(verdict_on_unstable(&study).starts_with("NO"));
    }
}
