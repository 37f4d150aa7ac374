//! `json` 1.1, as CloudWatch Logs speaks it.

use bytes::Bytes;
use http::{HeaderValue, Request, Response};
use proptest::prelude::*;
use proptest::sample::select;
use wire::logs::LogsOperation;
use wire::{Named as _, Service};

use crate::{body, yes};

const MEMBERS: &[&str] = &[
    "logGroupName",
    "logStreamName",
    "logGroupIdentifier",
    "logGroupIdentifiers",
    "logEvents",
    "timestamp",
    "message",
    "entity",
    "keyAttributes",
    "tags",
    "retentionInDays",
    "nextToken",
    "limit",
    "startFromHead",
    "orderBy",
    "filterPattern",
    "logGroupClass",
    "resourceArn",
    "tagKeys",
    "logEventMessages",
    "else",
];

const GOOD: &str = r#"{"logGroupName":"/aws/lambda/f","logStreamName":"s","logEvents":[{"timestamp":1,"message":"a"}],"tags":{"a":"b"},"retentionInDays":7,"resourceArn":"arn:aws:logs:us-east-1:123456789012:log-group:g","tagKeys":["a"],"logGroupIdentifiers":["g"],"filterPattern":"","logEventMessages":["m"]}"#;

fn post(target: &str, body: impl Into<Bytes>) -> Request<Bytes> {
    let target = HeaderValue::from_bytes(target.as_bytes());
    let mut request = Request::post("/").body(body.into()).unwrap();
    if let Ok(target) = target {
        request.headers_mut().insert("x-amz-target", target);
    }
    request
}

fn check(request: Request<Bytes>) -> Result<Response<Bytes>, TestCaseError> {
    let shown = format!("{request:?}");
    let response = yes::check(Service::Logs, request)?;
    if response.status().is_client_error() {
        let body: serde_json::Value = serde_json::from_slice(response.body()).unwrap();
        let code = body["__type"].as_str().unwrap_or_default();
        prop_assert!(code.ends_with("Exception"), "{shown}\n{body}");
        prop_assert!(body["message"].is_string() || body["Message"].is_string());
    }
    Ok(response)
}

fn target() -> impl Strategy<Value = String> {
    let operation = select(LogsOperation::ALL);
    prop_oneof![
        9 => operation.prop_map(|operation| format!("Logs_20140328.{}", operation.name())),
        1 => "[ -~]{0,30}",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_answer_has_awss_form(target in target(), body in body(MEMBERS, GOOD)) {
        check(post(&target, body))?;
    }
}

fn outcome(target: &str, body: impl Into<Bytes>) -> (u16, String) {
    let response = check(post(target, body)).unwrap();
    let code = serde_json::from_slice::<serde_json::Value>(response.body())
        .ok()
        .and_then(|body| Some(body.get("__type")?.as_str()?.to_owned()));
    (response.status().as_u16(), code.unwrap_or_default())
}

#[test]
fn the_undamaged_request_is_served() {
    for operation in LogsOperation::ALL.iter().filter(|op| op.served()) {
        let target = format!("Logs_20140328.{}", operation.name());
        let good = match operation {
            LogsOperation::UntagLogGroup => GOOD.replace(r#"{"a":"b"}"#, r#"["a"]"#),
            _ => GOOD.to_owned(),
        };
        assert_eq!(outcome(&target, good), (200, String::new()), "{target}");
    }
}

#[test]
fn each_kind_of_damage_has_its_error() {
    let error = |code: &str| (400, code.to_owned());
    let create = "Logs_20140328.CreateLogGroup";
    assert_eq!(outcome(create, "{"), error("SerializationException"));
    assert_eq!(outcome(create, "{}"), error("InvalidParameterException"));
    assert_eq!(outcome("Nothing", "{}"), error("UnknownOperationException"));
    assert_eq!(
        outcome("Logs_20140328.StartQuery", "{}"),
        error("UnsupportedOperationException")
    );
    assert_eq!(
        outcome("Logs_20140328.PutLogEvents", vec![b' '; 7_340_033]),
        (413, "RequestEntityTooLargeException".to_owned())
    );
}
