//! Validation messages held against what AWS answered.
//!
//! The recordings lie beside a checkout, not in it; without them there is nothing to compare.

#![expect(
    clippy::unwrap_used,
    reason = "what a test calls may fail as the test may"
)]

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;
use wire::lambda::{
    CreateAliasRequest, CreateFunctionRequest, DeleteFunctionRequest, FunctionCode,
    GetFunctionRequest, InvocationRequest,
};
use wire::validation::Validate;

/// The `lambda_` recordings: scenario to content.
fn recordings() -> BTreeMap<String, Value> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../../shared/aws-recordings");
    std::fs::read(folder.join("lambda_/test_lambda_api.snapshot.json"))
        .map(|text| serde_json::from_slice(&text).unwrap())
        .unwrap_or_default()
}

/// The recordings put placeholders where accounts, regions and names vary; any fitting text will do.
fn concrete(text: &str) -> String {
    let mut text = text
        .replace("<partition>", "aws")
        .replace("<region>", "us-east-1");
    while let Some(start) = text.find('<') {
        let end = start + text[start..].find('>').unwrap();
        let name = &text[start + 1..end];
        let stand_in = match name.strip_prefix("a:len(") {
            Some(count) => "a".repeat(count.trim_end_matches(')').parse().unwrap()),
            None => name.replace(|c: char| !c.is_ascii_alphanumeric(), "-"),
        };
        text.replace_range(start..=end, &stand_in);
    }
    text
}

/// Every recorded `Value '…' at '…' failed to satisfy constraint: …`, with its scenario.
fn violations(scenario: &str, content: &Value, found: &mut Vec<(String, String)>) {
    match content {
        Value::String(text) if text.contains(" failed to satisfy constraint: ") => {
            let list = text
                .split_once(" detected: ")
                .map_or(&**text, |(_, list)| list);
            for violation in list.split("; ") {
                found.push((scenario.to_owned(), violation.to_owned()));
            }
        }
        Value::Array(items) => items.iter().for_each(|i| violations(scenario, i, found)),
        Value::Object(members) => members
            .values()
            .for_each(|m| violations(scenario, m, found)),
        _ => {}
    }
}

fn create(change: impl FnOnce(&mut CreateFunctionRequest)) -> CreateFunctionRequest {
    let mut input = CreateFunctionRequest {
        function_name: Some("f".to_owned()),
        role: Some("arn:aws:iam::123456789012:role/r".to_owned()),
        code: Some(FunctionCode::default()),
        ..CreateFunctionRequest::default()
    };
    change(&mut input);
    input
}

/// The input that the scenario must have sent, or none when no served operation can send it.
fn input(scenario: &str, place: &str, value: &str) -> Option<Box<dyn Validate>> {
    let value = value.to_owned();
    let function_name = "f".to_owned();
    Some(match place {
        "layers" => Box::new(create(|input| {
            let list = value.trim_matches(['[', ']']);
            input.layers = Some(list.split(", ").map(str::to_owned).collect());
        })),
        "functionName" if scenario.contains("-create_function]") => {
            Box::new(create(|input| input.function_name = Some(value)))
        }
        "functionName" if scenario.contains("-get_function]") => Box::new(GetFunctionRequest {
            function_name: value,
            ..GetFunctionRequest::default()
        }),
        "functionName" if scenario.contains("-delete_function]") => {
            Box::new(DeleteFunctionRequest {
                function_name: value,
                ..DeleteFunctionRequest::default()
            })
        }
        "functionName" if scenario.contains("-invoke]") => Box::new(InvocationRequest {
            function_name: value,
            ..InvocationRequest::default()
        }),
        "functionName" if scenario.ends_with("::test_function_arns") => {
            Box::new(create(|input| input.function_name = Some(value)))
        }
        "qualifier" if scenario.contains("-get_function]") => Box::new(GetFunctionRequest {
            function_name,
            qualifier: Some(value),
        }),
        "qualifier" if scenario.contains("-delete_function]") => Box::new(DeleteFunctionRequest {
            function_name,
            qualifier: Some(value),
        }),
        "routingConfig.additionalVersionWeights" => {
            let (version, weight) = value.trim_matches(['{', '}']).split_once('=')?;
            let weights = BTreeMap::from([(version.to_owned(), weight.parse().ok()?)]);
            Box::new(CreateAliasRequest {
                function_name,
                name: Some("a".to_owned()),
                function_version: Some("1".to_owned()),
                routing_config: Some(wire::lambda::AliasRoutingConfiguration {
                    additional_version_weights: Some(weights),
                }),
                ..CreateAliasRequest::default()
            })
        }
        _ => return None,
    })
}

#[test]
fn violations_read_as_recorded() {
    let recordings = recordings();
    let mut found = Vec::new();
    for (scenario, content) in &recordings {
        violations(scenario, content, &mut found);
    }
    let mut compared = 0;
    let mut misses = Vec::new();
    for (scenario, violation) in &found {
        let expected = concrete(violation);
        let parts = expected
            .strip_prefix("Value '")
            .and_then(|rest| rest.split_once("' at '"))
            .and_then(|(value, rest)| Some((value, rest.split_once('\'')?.0)));
        let Some((value, place)) = parts else {
            continue;
        };
        // A bare name above 64 characters fits the model: the service itself refuses it. And a
        // placeholder may stand for the very text that was too long.
        let limit = expected
            .rsplit_once("length less than or equal to ")
            .and_then(|(_, limit)| limit.parse().ok());
        if limit.is_some_and(|limit: usize| limit == 64 || value.len() <= limit) {
            continue;
        }
        let Some(input) = input(scenario, place, value) else {
            continue;
        };
        compared += 1;
        let said = input
            .check()
            .err()
            .and_then(|error| error.message)
            .unwrap_or_default();
        if !said.contains(&expected) {
            misses.push(format!("{scenario}\n  AWS: {expected}\n  we:  {said}"));
        }
    }
    assert!(misses.is_empty(), "{}", misses.join("\n"));
    assert!(
        recordings.is_empty() || compared >= 30,
        "compared only {compared}"
    );
}
