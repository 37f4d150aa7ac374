//! The comparisons of Choice states as AWS recorded them, value by value.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test fails by panicking, and says what it found"
)]

mod support;

use asl::definition::{Definition, MachineType};
use asl::machine::{Environment, Execution, Info, Status};
use asl::value::Value;
use ids::{SeededEntropy, Timestamp};
use serde_json::{Value as Json, json};

#[test]
fn comparisons_hold_as_recorded() {
    let Some(folder) = support::recordings::folder() else {
        return;
    };
    let (mut same, mut refused, mut replaced) = (0, 0, 0);
    for (name, content) in support::recordings::scenarios(&folder) {
        let Some(cases) = content.get("cases").and_then(Json::as_array) else {
            continue;
        };
        let operator = operator(&name);
        for case in cases {
            // The recorder replaces timestamps, and with them what is compared.
            if case["input"]["Value"] == "date" {
                replaced += 1;
                continue;
            }
            let Some(holds) = holds(&operator, &case["input"]) else {
                refused += 1;
                continue;
            };
            let expected = case["output"]["TestResult.$"] == "ConditionTrue";
            assert_eq!(holds, expected, "{operator} of {}", case["input"]);
            same += 1;
        }
    }
    println!(
        "{same} comparisons are the same; {refused} have operands of other types, {replaced} placeholders"
    );
    assert!(same >= 200, "{same} comparisons");
}

/// `TestX::test_string_equals` as `StringEquals`.
fn operator(scenario: &str) -> String {
    let (_, name) = scenario.split_once("::test_").expect("a scenario's name");
    let words = name
        .split('_')
        .map(|word| word[..1].to_uppercase() + &word[1..]);
    words.collect()
}

/// Whether the comparison holds; nothing where a machine cannot be made with that operand.
fn holds(operator: &str, input: &Json) -> Option<bool> {
    let operand = if operator.ends_with("Path") {
        json!("$.Value")
    } else {
        input["Value"].clone()
    };
    let machine = json!({"StartAt": "C", "States": {
        "C": {"Type": "Choice", "Choices": [{"Variable": "$.Variable", operator: operand, "Next": "T"}], "Default": "F"},
        "T": {"Type": "Pass", "Result": true, "End": true},
        "F": {"Type": "Pass", "Result": false, "End": true}
    }});
    let definition = Definition::parse(&machine.to_string(), MachineType::Standard).ok()?;
    let random = SeededEntropy::new(1);
    let environment = Environment {
        now: Timestamp(0),
        random: &random,
    };
    let (execution, _) = Execution::start(
        &definition,
        Info::example(),
        Value::from(input),
        environment,
    );
    match execution.status() {
        Status::Succeeded(output) => output.as_bool(),
        other => panic!("{operator} of {input}: {other:?}"),
    }
}
