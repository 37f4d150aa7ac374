//! Random machines on a random outside: whatever happens, the history is one that the machine could leave.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test fails by panicking"
)]

mod support;

use asl::definition::{Definition, MachineType, validate};
use asl::diagnostic::invalid_definition;
use asl::history::EventKind;
use asl::machine::Status;
use asl::value::Value;
use proptest::prelude::*;
use serde_json::Value as Json;

use support::machines::{any_machine, run};

fn input() -> Value {
    Value::parse(r#"{"items": [1, {"two": 2}, "three"], "when": "2001-09-09T01:46:40Z"}"#).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]

    #[test]
    fn histories_are_ones_that_the_machine_could_leave(machine in any_machine(), seed in any::<u64>()) {
        let text = machine.to_string();
        let definition = Definition::parse(&text, MachineType::Standard)
            .map_err(|problems| TestCaseError::fail(invalid_definition(&problems)))?;
        let ran = run(&definition, input(), seed);
        prop_assert_ne!(&ran.status, &Status::Running, "it ends");
        prop_assert!(ran.events.last().is_some_and(|event| event.kind.is_end()));
        let stuck = matches!(&ran.status, Status::Aborted(_));
        prop_assert!(!stuck, "it never waits for nothing");
        prop_assert!(ran.signals <= 10 * ran.events.len() + 10_000, "{} signals", ran.signals);
        let events: Vec<Json> = ran.events.iter().map(|event| serde_json::from_str(&event.to_api(true)).unwrap()).collect();
        let violations = asl_checker::check(&machine, &events);
        prop_assert!(violations.is_empty(), "{:#?}\n{}", violations, Json::from(events));
    }

    #[test]
    fn the_same_dice_fall_the_same_way(machine in any_machine(), seed in any::<u64>()) {
        let definition = Definition::parse(&machine.to_string(), MachineType::Standard).unwrap();
        prop_assert_eq!(run(&definition, input(), seed).events, run(&definition, input(), seed).events);
    }

    #[test]
    fn a_damaged_definition_is_read_or_refused(
        machine in any_machine(),
        edits in prop::collection::vec((any::<prop::sample::Index>(), "[\"{}\\[\\],:.$%a-zA-Z0-9 ]{0,3}"), 1..4),
    ) {
        let mut text = machine.to_string();
        for (at, with) in edits {
            let mut at = at.index(text.len());
            while !text.is_char_boundary(at) {
                at -= 1;
            }
            let next = text[at..].chars().next().map_or(0, char::len_utf8);
            text.replace_range(at..at + next, &with);
        }
        for problem in validate(&text, MachineType::Express) {
            prop_assert!(problem.span.end <= text.len(), "{problem}");
        }
        if let Ok(definition) = Definition::parse(&text, MachineType::Standard) {
            run(&definition, input(), 7);
        }
    }
}

#[test]
fn a_history_that_is_full_ends_with_its_failure() {
    let text = r#"{"StartAt": "A", "States": {
        "A": {"Type": "Pass", "Next": "B"}, "B": {"Type": "Pass", "Next": "C"},
        "C": {"Type": "Choice", "Choices": [{"Variable": "$.stop", "IsPresent": true, "Next": "D"}], "Default": "A"},
        "D": {"Type": "Succeed"}}}"#;
    let definition = Definition::parse(text, MachineType::Standard).unwrap();
    let ran = run(&definition, Value::empty_object(), 1);
    assert_eq!(ran.events.len(), 25_000);
    let Some(EventKind::ExecutionFailed(failure)) = ran.events.last().map(|event| &event.kind)
    else {
        panic!("it failed");
    };
    assert_eq!(failure.error.as_deref(), Some("States.Runtime"));
}
