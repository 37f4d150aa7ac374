//! What AWS recorded, against the machine: whole histories, event by event.
//!
//! A recording does not say which definition it ran. All templates are tried that have the states of the
//! history; one of them must lead to the same events.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test stops where something is wrong, and says what it found"
)]

mod support;

use std::collections::BTreeMap;

use asl::definition::{Definition, MachineType};
use serde_json::Value as Json;

use support::outside::{Stuck, play};
use support::recordings::{Template, folder, histories, scenarios, templates};

/// What happened to one recorded history.
enum Outcome {
    Same,
    /// It cannot be played, and why.
    Skipped(String),
    /// The smallest difference that was found.
    Differs(String),
}

#[test]
fn histories_are_as_aws_recorded_them() {
    let Some(folder) = folder() else {
        return;
    };
    let templates = candidates(templates(&folder));
    let (mut same, mut total) = (0, 0);
    let mut skipped: BTreeMap<String, usize> = BTreeMap::new();
    let mut misses = Vec::new();
    for (name, content) in scenarios(&folder) {
        for history in histories(&content) {
            total += 1;
            match outcome(&templates, &name, &history) {
                Outcome::Same => same += 1,
                Outcome::Skipped(why) => *skipped.entry(why).or_default() += 1,
                Outcome::Differs(why) => misses.push((name.clone(), why)),
            }
        }
    }
    println!("{same} of {total} recorded histories are the same");
    for (why, count) in &skipped {
        println!("  {count} not played: {why}");
    }
    let (explained, unexplained): (Vec<_>, Vec<_>) = misses
        .into_iter()
        .partition(|(name, _)| EXPLAINED.iter().any(|(part, _)| name.contains(part)));
    for (part, why) in EXPLAINED {
        let count = explained
            .iter()
            .filter(|(name, _)| name.contains(part))
            .count();
        println!("  {count} of {part} differ: {why}");
    }
    assert!(unexplained.is_empty(), "{unexplained:#?}");
    assert!(same >= SAME, "{same} histories are the same, {SAME} were");
}

/// How many were the same when this was last changed.
const SAME: usize = 232;

/// Why histories differ, by a part of their scenarios' names.
const EXPLAINED: [(&str, &str); 23] = [
    // https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html
    (
        "catch_state_all_data_limit_exceeded",
        "old: States.ALL takes no States.DataLimitExceeded any more",
    ),
    (
        "map_state_legacy_config_distributed",
        "old: MapRunSucceeded counted in its chain",
    ),
    (
        "tolerated_failure_",
        "old: MapRunSucceeded counted in its chain",
    ),
    (
        "service_lambda_map_timeout",
        "four tasks that timed out at once, in the order of a race",
    ),
    (
        "test_wait_timestamppath",
        "the timestamp of the input was replaced by the recorder",
    ),
    (
        "test_wait_timestamp",
        "the definition's timestamp was put in by the test",
    ),
    (
        "test_timestamp_too_far_in_future",
        "the timestamp of the input was replaced by the recorder",
    ),
    (
        "test_sqs_wait_for_task_token",
        "the token is a placeholder within a placeholder",
    ),
    (
        "array_wildcard_or_slice",
        "the definition's path was put in by the test",
    ),
    (
        "test_base_jsonata_regular_expressions",
        "the definition's expression was put in by the test",
    ),
    (
        "test_merge_with_dynamic_args",
        "the definition's expression was put in by the test",
    ),
    (
        "test_base_map",
        "the definition's field was put in by the test",
    ),
    (
        "test_base_output_any_non_dict",
        "the definition's output was put in by the test",
    ),
    (
        "test_map_state_items_",
        "the definition's items were put in by the test",
    ),
    (
        "test_multiple_executions_and_heartbeat",
        "the definition's heartbeat was put in by the test",
    ),
    (
        "test_heartbeat_no_timeout",
        "the definition's heartbeat was put in by the test",
    ),
    (
        "test_sync_with_task_token",
        "the definition was changed by the test",
    ),
    (
        "test_activity_task",
        "the activity's ARN was put in by the test",
    ),
    (
        "test_base_cases[BASE_LAMBDA_EMPTY",
        "the function's ARN was put in by the test",
    ),
    (
        "test_lambda_task_filter_parameters_input",
        "the function's ARN was put in by the test",
    ),
    (
        "test_start_large_input",
        "the definition was changed by the test",
    ),
    (
        "test_get_execution_history_reversed",
        "the definition is not among the templates",
    ),
    (
        "test_sqs_failure_in_wait_for_task_tok",
        "the error that is caught was put in by the test",
    ),
];

/// A template, and the definition where it is one as it stands.
struct Candidate {
    name: String,
    text: String,
    definition: Option<Definition>,
}

/// What a template leaves open.
const HOLES: [&str; 4] = ["__tbd__", "_tbd_", "_TBD_", "__tbc__"];
const FUNCTION_HOLE: &str = "%LAMBDA_FUNCTION_ARN_LITERAL_PLACEHOLDER%";
const FUNCTION: &str = "arn:aws:lambda:us-east-1:111111111111:function:f";

fn candidates(templates: Vec<Template>) -> Vec<Candidate> {
    let read = templates.into_iter().map(|Template { name, text }| {
        let text = HOLES
            .into_iter()
            .chain([FUNCTION_HOLE])
            .fold(text, |text, hole| {
                text.replace(
                    &format!("\"Resource\": \"{hole}\""),
                    &format!("\"Resource\": \"{FUNCTION}\""),
                )
            });
        let whole = !HOLES
            .into_iter()
            .chain([FUNCTION_HOLE])
            .any(|hole| text.contains(hole));
        let definition = Definition::parse(&text, MachineType::Standard)
            .ok()
            .filter(|_| whole);
        Candidate {
            name,
            text,
            definition,
        }
    });
    read.collect()
}

/// The text of a template whose holes are filled as the scenario filled them, as far as that can be told:
/// by the parameter in its name, and by what the history names.
fn filled(text: &str, scenario: &str, history: &[Json]) -> String {
    let function = history.iter().find_map(|event| {
        event["taskScheduledEventDetails"]["parameters"]["FunctionName"].as_str()
    });
    let parameter = scenario
        .split_once('[')
        .and_then(|(_, rest)| rest.strip_suffix(']'))
        .unwrap_or_default();
    let text = HOLES
        .into_iter()
        .fold(text.to_owned(), |text, hole| text.replace(hole, parameter));
    text.replace(FUNCTION_HOLE, function.unwrap_or(FUNCTION))
}

fn outcome(candidates: &[Candidate], scenario: &str, history: &[Json]) -> Outcome {
    let entered = history.iter().filter_map(|event| {
        let name = event["stateEnteredEventDetails"]["name"].as_str()?;
        Some((name, event["type"].as_str()?.strip_suffix("StateEntered")?))
    });
    let entered: Vec<(&str, &str)> = entered.collect();
    let Some((first, _)) = entered.first() else {
        return Outcome::Skipped("no state in it".to_owned());
    };
    let mut best: Option<(usize, String)> = None;
    let mut needs = None;
    for Candidate {
        name,
        text,
        definition,
    } in candidates
    {
        let own;
        let definition = match definition {
            Some(definition) => definition,
            None if entered
                .iter()
                .all(|(name, _)| text.contains(&format!("\"{name}\""))) =>
            {
                let Ok(filled) =
                    Definition::parse(&filled(text, scenario, history), MachineType::Standard)
                else {
                    continue;
                };
                own = filled;
                &own
            }
            None => continue,
        };
        let start = &definition
            .state(definition.flow(definition.main()).start)
            .name;
        let has = |(name, kind): &(&str, &str)| {
            definition
                .find(name)
                .is_some_and(|id| definition.state(id).kind.type_name() == *kind)
        };
        if *first != &**start || !entered.iter().all(has) {
            continue;
        }
        let (events, stuck) = match play(definition, history) {
            Ok(events) => (events, None),
            Err((stuck, events)) => (events, Some(stuck)),
        };
        let ours: Vec<Json> = events
            .iter()
            .map(|event| serde_json::from_str(&event.to_api(true)).expect("JSON"))
            .collect();
        let difference = support::compare::histories(&ours, history);
        match (difference, stuck) {
            (None, _) => {
                let json = serde_json::from_str(&filled(text, scenario, history)).expect("JSON");
                let violations = asl_checker::check(&json, &ours);
                assert!(violations.is_empty(), "{scenario}: {violations:#?}");
                return Outcome::Same;
            }
            (_, Some(Stuck::Needs(what))) => needs = Some(what),
            (Some(difference), _) => {
                let far = ours.iter().zip(history).take_while(|(ours, theirs)| {
                    support::compare::difference(ours, theirs, "").is_none()
                });
                let far = far.count();
                if best.as_ref().is_none_or(|(before, _)| far > *before) {
                    best = Some((far, format!("{difference} ({name})")));
                }
            }
        }
    }
    match (needs, best) {
        (Some(what), _) => Outcome::Skipped(format!("needs {what}")),
        (None, Some((_, difference))) => Outcome::Differs(difference),
        (None, None) => Outcome::Skipped("no template has its states".to_owned()),
    }
}
