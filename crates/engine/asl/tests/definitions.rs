//! What is said of definitions: codes, words and places, as AWS answers.

use asl::definition::{MachineType, document, validate};
use asl::diagnostic::{Severity, invalid_definition};

fn said(text: &str) -> Vec<String> {
    validate(text, MachineType::Standard)
        .iter()
        .map(ToString::to_string)
        .collect()
}

fn jsonata(state: &str) -> Vec<String> {
    said(&format!(
        r#"{{"QueryLanguage": "JSONata", "StartAt": "A", "States": {{"A": {state}, "B": {{"Type": "Succeed"}}}}}}"#
    ))
}

// https://github.com/floci-io/floci/pull/2786 and the recordings of ValidateStateMachineDefinition.
#[test]
fn ways_that_lead_nowhere_are_told_as_aws_tells_them() {
    let machine = |states: &str| said(&format!(r#"{{"StartAt": "A", "States": {{{states}}}}}"#));
    assert_eq!(
        machine(
            r#""A": {"Type": "Pass", "Next": "B"}, "B": {"Type": "Pass", "Next": "A"}, "C": {"Type": "Pass", "Next": "A"}"#
        ),
        ["MISSING_END_STATE: Workflow has no terminal state at null"]
    );
    assert_eq!(
        machine(r#""A": {"Type": "Pass", "Next": "A"}, "C": {"Type": "Pass", "End": true}"#),
        ["MISSING_TRANSITION_TARGET: State \"C\" is not reachable. at /States/C"]
    );
    assert_eq!(
        machine(r#""A": {"Type": "Pass", "Next": "NOPE"}"#),
        [
            "MISSING_TRANSITION_TARGET: Missing 'Next' target: NOPE at /States/A/Next",
            "MISSING_END_STATE: Workflow has no terminal state at null"
        ]
    );
    assert_eq!(
        said(r#"{"States": {"A": {"Type": "Pass", "End": true}}}"#),
        ["SCHEMA_VALIDATION_FAILED: These fields are required: [StartAt] at /"]
    );
}

#[test]
fn all_problems_are_told_at_once_with_their_places() {
    let text = "{\n  \"StartAt\": \"A\",\n  \"States\": {\n    \"A\": {\"Type\": \"Wait\", \"Seconds\": -1, \"Catch\": [],\n      \"End\": true, \"End\": true}\n  }\n}";
    let problems = validate(text, MachineType::Standard);
    let found: Vec<(String, usize)> = problems
        .iter()
        .map(|problem| {
            (
                problem.to_string(),
                document::position(text, problem.span.start).0,
            )
        })
        .collect();
    assert_eq!(
        found,
        [
            ("INVALID_JSON_DESCRIPTION: Duplicate field 'End' at /States/A/End".to_owned(), 5),
            ("SCHEMA_VALIDATION_FAILED: Field 'Catch' is not supported at /States/A".to_owned(), 4),
            ("SCHEMA_VALIDATION_FAILED: Value must be an integer between 0 and 99999999 at /States/A/Seconds".to_owned(), 4),
        ]
    );
    assert!(
        invalid_definition(&problems)
            .starts_with("Invalid State Machine Definition: 'INVALID_JSON_DESCRIPTION: Dup")
    );
}

#[test]
fn expressions_are_checked_where_they_stand() {
    assert_eq!(
        jsonata(r#"{"Type": "Pass", "Output": {"v": "{% 1 + %}"}, "Next": "B"}"#),
        ["INVALID_JSONATA_EXPRESSION: Unexpected end of expression at /States/A/Output/v"]
    );
    assert_eq!(
        jsonata(r#"{"Type": "Pass", "Output": {"v": "{% phone %}"}, "Next": "B"}"#),
        [
            "UNSUPPORTED_JSONATA_EXPRESSION: Reference to 'phone' at the top level is not supported. at /States/A/Output/v"
        ]
    );
    let task = |fields: &str| {
        jsonata(&format!(
            r#"{{"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "Next": "B", {fields}}}"#
        ))
    };
    assert_eq!(task(r#""Output": "{% $states.result %}""#), [""; 0]);
    assert_eq!(
        task(
            r#""Catch": [{"ErrorEquals": ["States.ALL"], "Next": "B", "Assign": {"e": "{% $states.errorOutput %}"}}]"#
        ),
        [""; 0]
    );
    assert_eq!(task(r#""Arguments": "{% $states.result %}""#).len(), 1);
    assert_eq!(
        task(r#""Output": {"o": "{% $states.errorOutput %}"}"#).len(),
        1
    );
}

#[test]
fn what_looks_computed_and_is_not_is_a_warning() {
    let text = r#"{"StartAt": "A", "States": {"A": {"Type": "Pass", "Result": {"a": "$.b"}, "Next": "F"},
        "F": {"Type": "Fail", "Cause": "$.cause"}}}"#;
    let problems = validate(text, MachineType::Standard);
    assert!(
        problems
            .iter()
            .all(|problem| problem.severity() == Severity::Warning)
    );
    let codes: Vec<&str> = problems
        .iter()
        .map(|problem| problem.code.as_str())
        .collect();
    assert_eq!(codes, ["PASS_RESULT_IS_STATIC", "NO_PATH"]);
}
