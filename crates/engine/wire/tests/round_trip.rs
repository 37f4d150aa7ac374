//! What a service answers reaches a client whole, and the other way round.

#![expect(
    clippy::unwrap_used,
    reason = "what a test calls may fail as the test may"
)]

use std::collections::BTreeMap;

use bytes::Bytes;
use http::{Method, Request, Response};
use ids::{RequestId, SeededEntropy};
use serde_json::{Value, json};
use wire::Blob;
use wire::lambda::*;
use wire::protocol::{self, Answered};
use wire::{Body, Named as _};

/// Routes and decodes a request as the input of an operation.
fn decode<I: protocol::Input>(request: Request<Bytes>) -> (LambdaOperation, I) {
    let (parts, body) = request.into_parts();
    let (operation, labels) = LambdaOperation::route(&parts.method, &parts.uri).unwrap();
    let request = protocol::Request {
        parts: &parts,
        labels,
        body,
    };
    (operation, protocol::decode(&PROTOCOL, request).unwrap())
}

fn encode<O: protocol::Output>(output: O, status: u16) -> Response<Body> {
    let of = Answered {
        operation: "Test",
        request_id: RequestId::draw(&SeededEntropy::new(1)),
    };
    protocol::encode(&PROTOCOL, output, status, of).unwrap()
}

#[test]
fn an_input_is_gathered_from_everywhere() {
    let payload = Bytes::from_static(b"{\"n\": 1}");
    let request = Request::post("/2015-03-31/functions/arn%3Aaws%3Alambda%3Aus-east-1%3A123456789012%3Afunction%3Af/invocations?Qualifier=%24LATEST")
        .header("X-Amz-Invocation-Type", "RequestResponse")
        .header("X-Amz-Log-Type", "Tail")
        .header("X-Amz-Client-Context", "e30=")
        .body(payload.clone())
        .unwrap();
    let (operation, input) = decode::<InvocationRequest>(request);
    assert_eq!(operation, LambdaOperation::Invoke);
    assert_eq!(
        input,
        InvocationRequest {
            function_name: "arn:aws:lambda:us-east-1:123456789012:function:f".to_owned(),
            invocation_type: Some(InvocationType::RequestResponse),
            log_type: Some(LogType::Tail),
            client_context: Some("e30=".to_owned()),
            payload: Some(payload.clone()),
            qualifier: Some("$LATEST".to_owned()),
            ..InvocationRequest::default()
        }
    );
    assert_eq!(
        input.payload.unwrap().as_ptr(),
        payload.as_ptr(),
        "the payload was copied"
    );
}

#[test]
fn a_member_of_the_path_cannot_be_overridden_by_the_body() {
    let request = Request::put("/2015-03-31/functions/real/code")
        .body(Bytes::from_static(
            br#"{"FunctionName":"other","ZipFile":"AAE="}"#,
        ))
        .unwrap();
    let (operation, input) = decode::<UpdateFunctionCodeRequest>(request);
    assert_eq!(operation, LambdaOperation::UpdateFunctionCode);
    assert_eq!(input.function_name, "real");
    assert_eq!(input.zip_file, Some(Blob::from(vec![0, 1])));
}

#[test]
fn numbers_and_enums_come_out_of_the_query() {
    let request = Request::get("/2015-03-31/functions/?FunctionVersion=ALL&MaxItems=50")
        .body(Bytes::new())
        .unwrap();
    let (operation, input) = decode::<ListFunctionsRequest>(request);
    assert_eq!(operation, LambdaOperation::ListFunctions);
    assert_eq!(input.function_version, Some(FunctionVersion::All));
    assert_eq!(input.max_items, Some(50));
}

#[test]
fn an_invocations_answer_is_spread_over_the_response() {
    let payload = Bytes::from_static(b"[1, 2]");
    let output = InvocationResponse {
        status_code: Some(200),
        function_error: Some("Unhandled".to_owned()),
        log_result: Some("bG9n".to_owned()),
        payload: Some(payload.clone()),
        executed_version: Some("$LATEST".to_owned()),
        ..InvocationResponse::default()
    };
    let response = encode(output, 200);
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["x-amz-function-error"], "Unhandled");
    assert_eq!(response.headers()["x-amz-log-result"], "bG9n");
    assert_eq!(response.headers()["x-amz-executed-version"], "$LATEST");
    assert_eq!(
        response.body().whole().unwrap().as_ptr(),
        payload.as_ptr(),
        "the payload was copied"
    );

    let accepted = InvocationResponse {
        status_code: Some(202),
        ..InvocationResponse::default()
    };
    let response = encode(accepted, 200);
    assert_eq!(
        (
            response.status().as_u16(),
            response.body().whole().unwrap().len()
        ),
        (202, 0)
    );
}

#[test]
fn a_configuration_is_the_document_that_aws_sends() {
    let document = json!({
        "FunctionName": "f",
        "FunctionArn": "arn:aws:lambda:us-east-1:000000000000:function:f",
        "Runtime": "python3.11",
        "CodeSize": 5_000_000_000_i64,
        "Description": "",
        "Timeout": 3,
        "Environment": {"Variables": {"A_1": "b"}},
        "TracingConfig": {"Mode": "PassThrough"},
        "Layers": [{"Arn": "arn:l", "CodeSize": 1}],
        "State": "Active",
        "StateReasonCode": "FunctionError.InitTimeout",
        "Architectures": ["x86_64"],
        "SnapStart": {"ApplyOn": "None", "OptimizationStatus": "Off"},
        "LoggingConfig": {"LogFormat": "Text", "LogGroup": "/aws/lambda/f"},
    });
    let configuration: FunctionConfiguration = serde_json::from_value(document.clone()).unwrap();
    assert_eq!(configuration.runtime, Some(Runtime::Python3_11));
    assert_eq!(
        configuration.state_reason_code,
        Some(StateReasonCode::FunctionErrorInitTimeout)
    );
    let variables = configuration
        .environment
        .clone()
        .unwrap()
        .variables
        .unwrap();
    assert_eq!(
        variables,
        BTreeMap::from([("A_1".to_owned(), "b".to_owned())])
    );
    let response = encode(configuration, 201);
    assert_eq!(response.status(), 201);
    assert_eq!(
        serde_json::from_slice::<Value>(response.body().whole().unwrap()).unwrap(),
        document
    );
}

#[test]
fn what_is_sensitive_is_not_printed() {
    let input = CreateFunctionRequest {
        code: Some(FunctionCode {
            zip_file: Some(Blob::from(b"code that is secret".to_vec())),
            ..FunctionCode::default()
        }),
        environment: Some(Environment {
            variables: Some(BTreeMap::from([("KEY".to_owned(), "secret".to_owned())])),
        }),
        ..CreateFunctionRequest::default()
    };
    let invocation = InvocationRequest {
        payload: Some(Bytes::from_static(b"secret")),
        ..InvocationRequest::default()
    };
    let printed = format!("{input:?} {invocation:?}");
    assert!(
        !printed.contains("secret") && !printed.contains("KEY"),
        "{printed}"
    );
    assert!(printed.contains("Some(<redacted>)"), "{printed}");
}

#[test]
fn every_operation_has_a_route_of_its_own() {
    assert_eq!(LambdaOperation::ALL.len(), 91);
    let find = |method: Method, path: &str| {
        LambdaOperation::route(&method, &path.parse().unwrap())
            .unwrap()
            .0
            .name()
    };
    assert_eq!(find(Method::GET, "/2018-10-31/layers"), "ListLayers");
    assert_eq!(
        find(Method::GET, "/2018-10-31/layers?find=LayerVersion&Arn=a"),
        "GetLayerVersionByArn"
    );
    let provisioned = "/2019-09-30/functions/f/provisioned-concurrency";
    assert_eq!(
        find(Method::GET, provisioned),
        "GetProvisionedConcurrencyConfig"
    );
    assert_eq!(
        find(Method::GET, &format!("{provisioned}?List=ALL")),
        "ListProvisionedConcurrencyConfigs"
    );
    assert_eq!(
        find(Method::DELETE, "/2017-03-31/tags/arn%3Aaws%3Alambda"),
        "UntagResource"
    );
}
