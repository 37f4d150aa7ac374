//! Definitions that others hold to be valid or not, beside the repository where they are.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test stops where something is wrong, and says what it found"
)]

mod support;

use asl::definition::{MachineType, validate};
use asl::diagnostic::{Diagnostic, Severity};

/// What the corpus calls invalid and AWS takes: expressions with line breaks or nothing between the braces
/// and the text (https://docs.aws.amazon.com/step-functions/latest/dg/transforming-data.html asks for the
/// braces alone), and an argument of the wrong type, which fails when the function is called.
const TAKEN: [&str; 3] = [
    "invalid-json-surround-syntax-extra-spaces.json",
    "invalid-jsonata-surround-syntax-no-spaces.json",
    "invalid-math-add.json",
];

/// What the corpus calls valid and AWS refuses: JSONPath in a machine of JSONata and credentials without a
/// role (as recorded), a variable that is no identifier
/// (https://docs.aws.amazon.com/step-functions/latest/dg/workflow-variables.html), and functions of
/// CloudFormation that nobody has resolved.
const REFUSED: [&str; 4] = [
    "valid-assign.asl.json",
    "valid-map-with-item-batcher-jsonata.json",
    "valid-task-credentials.json",
    "valid-task-intrisic-function.json",
];

fn errors(text: &str) -> Vec<Diagnostic> {
    let mut problems = validate(text, MachineType::Standard);
    problems.retain(|problem| problem.severity() == Severity::Error);
    problems
}

#[test]
fn the_corpus_is_judged_as_it_says() {
    let Some(folder) = support::shared("asl-corpus") else {
        return;
    };
    let (mut seen, mut wrong) = (0, Vec::new());
    for path in support::files(&folder, &[".json"]) {
        let name = path
            .file_name()
            .expect("a name")
            .to_string_lossy()
            .into_owned();
        seen += 1;
        let text = std::fs::read_to_string(&path).expect("a definition");
        let errors = errors(&text);
        let valid = if name.starts_with("valid-") {
            !REFUSED.contains(&&*name)
        } else {
            TAKEN.contains(&&*name)
        };
        if valid != errors.is_empty() {
            wrong.push(format!("{name}: {errors:?}"));
        }
    }
    assert!(seen > 100, "{seen} definitions");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
