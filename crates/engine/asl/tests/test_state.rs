//! Single states tried as TestState tries them; the texts and shapes are those of the recordings
//! (test_state/).

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use asl::Value;
use asl::history::Failure;
use asl::machine::Environment;
use asl::test_state::{Configuration, Mock, Test, TestStatus, Tested, Trial, single_state};
use ids::{SeededEntropy, Timestamp};

struct Try<'t> {
    definition: &'t str,
    input: &'t str,
    context: Option<&'t str>,
    mock: Option<Mock>,
    configuration: Configuration,
}

impl<'t> Try<'t> {
    fn of(definition: &'t str, input: &'t str) -> Self {
        Self {
            definition,
            input,
            context: None,
            mock: None,
            configuration: Configuration::default(),
        }
    }

    fn mocked(self, result: &str) -> Self {
        Self {
            mock: Some(Mock::Result(Value::parse(result).unwrap())),
            ..self
        }
    }

    fn failing(self, error: &str, cause: &str) -> Self {
        Self {
            mock: Some(Mock::Error(Failure::new(error, cause))),
            ..self
        }
    }

    fn trial(self) -> Result<Trial, String> {
        let (definition, state) =
            single_state(self.definition).map_err(|error| error.to_string())?;
        let random = SeededEntropy::new(1);
        let test = Test {
            definition: &definition,
            state,
            input: Value::parse(self.input).unwrap(),
            context: self.context.map(|context| Value::parse(context).unwrap()),
            variables: asl::value::Map::new(),
            mock: self.mock,
            configuration: self.configuration,
        };
        test.run(Environment {
            now: Timestamp(0),
            random: &random,
        })
        .map_err(|error| error.to_string())
    }

    fn over(self) -> Tested {
        match self.trial().unwrap() {
            Trial::Over(tested) => *tested,
            Trial::Needs(input) => panic!("needs an answer to {input}"),
        }
    }
}

fn names(tested: &Tested) -> Vec<&'static str> {
    tested
        .inspection
        .data()
        .into_iter()
        .map(|(name, _)| name)
        .collect()
}

#[test]
fn a_pass_state_shows_the_ways_of_its_data() {
    let tested = Try::of(
        r#"{"Type": "Pass", "Next": "Elsewhere"}"#,
        r#"{"Value":"HelloWorld"}"#,
    )
    .over();
    assert_eq!(tested.status, TestStatus::Succeeded);
    assert_eq!(tested.next_state.as_deref(), Some("Elsewhere"));
    assert_eq!(
        names(&tested),
        [
            "input",
            "afterInputPath",
            "afterParameters",
            "afterResultSelector",
            "afterResultPath"
        ]
    );
    let tested = Try::of(
        r#"{"Type": "Pass", "Result": {"a": 1}, "ResultPath": "$.r", "End": true}"#,
        "{}",
    )
    .over();
    assert_eq!(tested.output.clone().unwrap().to_json(), r#"{"r":{"a":1}}"#);
    assert_eq!(
        names(&tested),
        ["input", "result", "afterResultSelector", "afterResultPath"]
    );
}

const TASK: &str = r#"{"Type": "Task", "QueryLanguage": "JSONata", "Resource": "arn:aws:states:::lambda:invoke",
    "Arguments": {"FunctionName": "foo"}, "End": true,
    "Retry": [{"ErrorEquals": ["Again"], "IntervalSeconds": 2, "MaxAttempts": 2}],
    "Catch": [{"ErrorEquals": ["MockException"], "Output": "{% $states.errorOutput %}", "Next": "One"},
        {"ErrorEquals": ["States.TaskFailed"], "Next": "Other"}]}"#;

#[test]
fn a_task_asks_for_its_answer_and_takes_it_as_the_mock() {
    let Trial::Needs(input) = Try::of(TASK, "{}").trial().unwrap() else {
        panic!("it needs an answer");
    };
    assert_eq!(input.to_json(), r#"{"FunctionName":"foo"}"#);
    let tested = Try::of(TASK, "{}").mocked("[1]").over();
    assert_eq!(tested.output.unwrap().to_json(), "[1]");
    assert_eq!(tested.next_state, None);
}

#[test]
fn errors_are_retried_and_caught_as_the_state_says() {
    let caught = Try::of(TASK, "{}").failing("MockException", "why").over();
    assert_eq!(caught.status, TestStatus::CaughtError);
    assert_eq!(
        caught.output.unwrap().to_json(),
        r#"{"Error":"MockException","Cause":"why"}"#
    );
    assert_eq!(caught.next_state.as_deref(), Some("One"));
    assert_eq!(
        caught.inspection.error_details.unwrap().catch_index,
        Some(0)
    );
    let retried = |before| {
        let configuration = Configuration {
            retrier_retry_count: before,
            ..Configuration::default()
        };
        Try {
            configuration,
            ..Try::of(TASK, "{}").failing("Again", "why")
        }
        .over()
    };
    let details = retried(1).inspection.error_details.unwrap();
    assert_eq!(retried(1).status, TestStatus::Retriable);
    assert_eq!(
        (details.retry_index, details.retry_backoff_seconds),
        (Some(0), Some(4))
    );
    assert_eq!(
        retried(2).next_state.as_deref(),
        Some("Other"),
        "the retrier has had enough"
    );
}

#[test]
fn failures_of_iterations_are_counted() {
    let map = r#"{"Type": "Map", "QueryLanguage": "JSONata", "Items": "{% $states.input %}", "ToleratedFailureCount": 1,
        "ItemProcessor": {"ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
            "StartAt": "P", "States": {"P": {"Type": "Pass", "End": true}}}, "End": true}"#;
    let failing = |count| {
        let configuration = Configuration {
            map_iteration_failure_count: Some(count),
            ..Configuration::default()
        };
        Try {
            configuration,
            ..Try::of(map, "[1,2,3]").mocked("[1,1,1]")
        }
        .over()
    };
    assert_eq!(failing(1).output.unwrap().to_json(), "[1,1,1]");
    assert_eq!(failing(1).inspection.max_concurrency, Some(0));
    let exceeded = failing(2);
    assert_eq!(exceeded.status, TestStatus::Failed);
    assert_eq!(
        exceeded.failure.unwrap(),
        Failure::new(
            "States.ExceedToleratedFailureThreshold",
            "The specified tolerated failure threshold was exceeded"
        )
    );
    let configuration = Configuration {
        map_iteration_failure_count: Some(1),
        ..Configuration::default()
    };
    assert_eq!(
        Try {
            configuration,
            ..Try::of(map, "[]")
        }
        .trial()
        .unwrap_err(),
        "TestState does not support MapIterationFailureCount when a mock is not specified."
    );
    assert_eq!(
        Try::of(map, "[]").mocked("{}").trial().unwrap_err(),
        "Mocked result must be an array."
    );
}

#[test]
fn what_cannot_be_tried_is_refused_in_aws_words() {
    let pass = r#"{"Type": "Pass", "End": true}"#;
    let refused = |context| {
        Try {
            context: Some(context),
            ..Try::of(pass, "{}")
        }
        .trial()
        .unwrap_err()
    };
    assert_eq!(
        Try::of(pass, "{}").mocked("1").trial().unwrap_err(),
        "State type 'Pass' is not supported when a mock is specified"
    );
    assert_eq!(
        refused(r#"{"Execution": {"Id": 1}}"#),
        "Invalid Context object provided: Execution.Id must be a string"
    );
    assert_eq!(
        refused(r#"{"Pokedex": {}}"#),
        "Invalid Context object provided: Field 'Pokedex' is not allowed"
    );
    assert_eq!(
        refused(r#"{"Map": {}}"#),
        "Invalid Context object provided: 'Map' field is not supported when mocking a Context object"
    );
    let parallel = r#"{"Type": "Parallel", "Branches": [], "End": true}"#;
    assert_eq!(
        Try::of(parallel, "{}").mocked("[]").trial().unwrap_err(),
        "Invalid State Machine Definition: 'SCHEMA_VALIDATION_FAILED: Value cannot be empty at /States/StateName/Branches'"
    );
    assert!(
        Try::of(r#"{"Type": "Pass"}, "More": {}"#, "{}")
            .trial()
            .unwrap_err()
            .contains("INVALID_JSON")
    );
}

#[test]
fn a_failure_is_told_without_the_state() {
    let map = r#"{"Type": "Map", "ItemProcessor": {"StartAt": "P", "States": {"P": {"Type": "Pass", "End": true}}}, "End": true}"#;
    let tested = Try::of(map, "{}").mocked("[]").over();
    assert_eq!(
        tested.failure.unwrap(),
        Failure::new(
            "States.Runtime",
            "Reference path \"$\" must point to array."
        )
    );
}
