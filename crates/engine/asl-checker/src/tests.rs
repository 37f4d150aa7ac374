//! Histories by hand, right and wrong ones.

use serde_json::{Value, json};

use super::{Rule, check};

fn machine() -> Value {
    json!({"StartAt": "All", "States": {
        "All": {"Type": "Map", "MaxConcurrency": 1, "Next": "Done",
            "ItemProcessor": {"StartAt": "One", "States": {"One": {"Type": "Pass", "End": true}}}},
        "Done": {"Type": "Succeed"}
    }})
}

fn event(id: u64, previous: u64, kind: &str, details: Option<(&str, Value)>) -> Value {
    let mut event = json!({"id": id, "previousEventId": previous, "type": kind, "timestamp": 1.0});
    if let Some((name, fields)) = details {
        event[format!("{name}EventDetails")] = fields;
    }
    event
}

fn history() -> Vec<Value> {
    let state = |name: &str, field: &str, data: &str| json!({"name": name, field: data});
    let iteration = |index: u64| {
        Some((
            "mapIterationStarted",
            json!({"name": "All", "index": index}),
        ))
    };
    vec![
        event(
            1,
            0,
            "ExecutionStarted",
            Some(("executionStarted", json!({"input": "[1,2]"}))),
        ),
        event(
            2,
            0,
            "MapStateEntered",
            Some(("stateEntered", state("All", "input", "[1,2]"))),
        ),
        event(
            3,
            2,
            "MapStateStarted",
            Some(("mapStateStarted", json!({"length": 2}))),
        ),
        event(4, 3, "MapIterationStarted", iteration(0)),
        event(
            5,
            4,
            "PassStateEntered",
            Some(("stateEntered", state("One", "input", "1"))),
        ),
        event(
            6,
            5,
            "PassStateExited",
            Some(("stateExited", state("One", "output", "1"))),
        ),
        event(7, 6, "MapIterationSucceeded", iteration(0)),
        event(8, 6, "MapIterationStarted", iteration(1)),
        event(
            9,
            8,
            "PassStateEntered",
            Some(("stateEntered", state("One", "input", "2"))),
        ),
        event(
            10,
            9,
            "PassStateExited",
            Some(("stateExited", state("One", "output", "2"))),
        ),
        event(11, 10, "MapIterationSucceeded", iteration(1)),
        event(12, 11, "MapStateSucceeded", None),
        event(
            13,
            11,
            "MapStateExited",
            Some(("stateExited", state("All", "output", "[1,2]"))),
        ),
        event(
            14,
            13,
            "SucceedStateEntered",
            Some(("stateEntered", state("Done", "input", "[1,2]"))),
        ),
        event(
            15,
            14,
            "SucceedStateExited",
            Some(("stateExited", state("Done", "output", "[1,2]"))),
        ),
        event(
            16,
            15,
            "ExecutionSucceeded",
            Some(("executionSucceeded", json!({"output": "[1,2]"}))),
        ),
    ]
}

fn rules(history: &[Value]) -> Vec<Rule> {
    check(&machine(), history)
        .into_iter()
        .map(|violation| violation.rule)
        .collect()
}

#[test]
fn a_right_history_breaks_no_rule() {
    assert_eq!(rules(&history()), []);
    for end in 0..16 {
        assert_eq!(rules(&history()[..end]), [], "as far as event {end}");
    }
}

#[test]
fn whatever_is_left_out_is_noticed() {
    for missing in 0..16 {
        let mut history = history();
        history.remove(missing);
        // Without the last one it has merely not ended.
        assert_eq!(
            rules(&history).is_empty(),
            missing == 15,
            "without event {}",
            missing + 1
        );
    }
}

#[test]
fn wrong_data_are_noticed() {
    let mut wrong = history();
    wrong[12]["stateExitedEventDetails"]["output"] = json!("[2,1]");
    assert!(rules(&wrong).contains(&Rule::Results));
    let mut wrong = history();
    wrong[13]["stateEnteredEventDetails"]["input"] = json!("{}");
    assert_eq!(rules(&wrong), [Rule::Input]);
    let mut wrong = history();
    wrong[15]["executionSucceededEventDetails"]["output"] = json!("{}");
    assert_eq!(rules(&wrong), [Rule::Output]);
}

#[test]
fn wrong_ways_are_noticed() {
    let mut wrong = history();
    wrong[4]["stateEnteredEventDetails"]["name"] = json!("Done");
    assert!(rules(&wrong).contains(&Rule::UnknownState("Done".to_owned())));
    let mut wrong = history();
    wrong[7]["mapIterationStartedEventDetails"]["index"] = json!(0);
    assert!(rules(&wrong).contains(&Rule::Iteration(0)));
    let mut wrong = history();
    wrong[7]["previousEventId"] = json!(15);
    assert!(rules(&wrong).contains(&Rule::Previous(15)));
}

#[test]
fn more_at_once_than_may_is_noticed() {
    let mut wrong = history();
    wrong.swap(5, 7);
    for (index, event) in wrong.iter_mut().enumerate() {
        event["id"] = json!(index + 1);
    }
    wrong[5]["previousEventId"] = json!(3);
    assert!(rules(&wrong).contains(&Rule::Concurrency {
        running: 2,
        limit: 1
    }));
}
