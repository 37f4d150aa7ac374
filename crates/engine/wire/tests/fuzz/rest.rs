//! `rest-json`, as Lambda speaks it.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request, Response, Uri};
use proptest::prelude::*;
use proptest::sample::select;
use wire::Service;
use wire::lambda::LambdaOperation;
use wire::route::Segment;

use crate::{body, yes};

fn check(request: Request<Bytes>) -> Result<Response<Bytes>, TestCaseError> {
    let shown = format!("{request:?}");
    let response = yes::check(Service::Lambda, request)?;
    if response.status().is_client_error() {
        let code = response.headers().get("x-amzn-errortype");
        let code = code.and_then(|code| code.to_str().ok()).unwrap_or_default();
        prop_assert!(code.ends_with("Exception"), "{shown}\n{response:?}");
        let body: serde_json::Value = serde_json::from_slice(response.body()).unwrap();
        let message = body.get("message").or_else(|| body.get("Message"));
        prop_assert!(
            message.is_some_and(serde_json::Value::is_string),
            "{shown}\n{body}"
        );
    }
    Ok(response)
}

const MEMBERS: &[&str] = &[
    "FunctionName",
    "Runtime",
    "Role",
    "Handler",
    "Code",
    "ZipFile",
    "Timeout",
    "MemorySize",
    "Publish",
    "VpcConfig",
    "SubnetIds",
    "Environment",
    "Variables",
    "Tags",
    "Layers",
    "Architectures",
    "FileSystemConfigs",
    "Arn",
    "ImageConfig",
    "Command",
    "EphemeralStorage",
    "Size",
    "SnapStart",
    "ApplyOn",
    "LoggingConfig",
    "LogFormat",
    "Name",
    "FunctionVersion",
    "RoutingConfig",
    "AdditionalVersionWeights",
    "Description",
    "RevisionId",
    "DryRun",
    "Else",
];

/// A good request for a function, which mutations then damage.
const GOOD: &str = r#"{"FunctionName":"f","Runtime":"python3.11","Role":"arn:aws:iam::123456789012:role/r","Handler":"a.b","Code":{"ZipFile":"UEsFBg=="},"Timeout":3,"MemorySize":128,"Tags":{"a":"b"},"Environment":{"Variables":{"AB":"c"}},"VpcConfig":{"SubnetIds":["subnet-1"]},"FileSystemConfigs":[{"Arn":"arn:aws:elasticfilesystem:us-east-1:123456789012:access-point/fsap-0123456789abcdef0","LocalMountPath":"/mnt/a"}],"Name":"n","FunctionVersion":"1","RoutingConfig":{"AdditionalVersionWeights":{"2":0.5}}}"#;

fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => "[a-z]{1,8}",
        1 => "arn%3Aaws%3Alambda%3Aus-east-1%3A123456789012%3Afunction%3A[a-z]{1,5}",
        1 => "(%[0-9a-fA-F]{2}){1,4}",
        1 => "[!-~&&[^?#/{}|\\\\^`\"<>%\\[\\]]]{0,200}",
    ]
}

/// Method and path of any route of the service, and now and then of none.
fn target() -> impl Strategy<Value = (&'static str, String)> {
    let method = select(&["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "BREW"][..]);
    let route = select(LambdaOperation::routes());
    let names = proptest::collection::vec(name(), 3);
    (route, names, method, 0..10_u8).prop_map(|(route, names, method, odd)| {
        let mut names = names.into_iter();
        let path = route.path.iter().fold(String::new(), |path, segment| {
            let segment = match segment {
                Segment::Literal(text) if odd != 0 => (*text).to_owned(),
                _ => names.next().unwrap_or_default(),
            };
            path + "/" + &segment
        });
        (if odd == 1 { method } else { route.method }, path)
    })
}

fn query() -> impl Strategy<Value = String> {
    let names = select(
        &[
            "Qualifier",
            "Marker",
            "MaxItems",
            "FunctionVersion",
            "MasterRegion",
            "x",
        ][..],
    );
    let pair =
        (names, "[a-zA-Z0-9$%+._-]{0,12}").prop_map(|(name, value)| format!("{name}={value}"));
    proptest::collection::vec(pair, 0..4).prop_map(|pairs| pairs.join("&"))
}

fn header() -> impl Strategy<Value = (&'static str, Vec<u8>)> {
    let names = select(
        &[
            "x-amz-invocation-type",
            "x-amz-log-type",
            "x-amz-client-context",
            "x-amz-tenant-id",
        ][..],
    );
    let values = prop_oneof![
        select(&["Event", "RequestResponse", "DryRun", "Tail", "None"][..])
            .prop_map(|value| value.as_bytes().to_vec()),
        proptest::collection::vec(any::<u8>(), 0..16),
    ];
    (names, values)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_answer_has_awss_form(
        (method, path) in target(),
        query in query(),
        headers in proptest::collection::vec(header(), 0..3),
        body in body(MEMBERS, GOOD),
    ) {
        let Ok(uri) = format!("{path}?{query}").parse::<Uri>() else {
            return Ok(()); // hyper refuses it before anything of ours sees it
        };
        let mut request = Request::new(Bytes::from(body));
        *request.method_mut() = Method::from_bytes(method.as_bytes()).unwrap();
        *request.uri_mut() = uri;
        for (name, value) in headers {
            if let Ok(value) = HeaderValue::from_bytes(&value) {
                request.headers_mut().insert(HeaderName::from_static(name), value);
            }
        }
        check(request)?;
    }
}

fn post(path: &str, body: impl Into<Bytes>) -> Request<Bytes> {
    Request::post(path).body(body.into()).unwrap()
}

fn outcome(request: Request<Bytes>) -> (u16, String) {
    let response = check(request).unwrap();
    let code = response.headers().get("x-amzn-errortype");
    let code = code.map(|code| code.to_str().unwrap().to_owned());
    (response.status().as_u16(), code.unwrap_or_default())
}

#[test]
fn the_undamaged_request_is_served() {
    assert_eq!(
        outcome(post("/2015-03-31/functions", GOOD)),
        (201, String::new())
    );
    assert_eq!(
        outcome(post("/2015-03-31/functions/f/aliases", GOOD)),
        (201, String::new())
    );
}

#[test]
fn each_kind_of_damage_has_its_error() {
    let error = |status, code: &str| (status, code.to_owned());
    let functions = "/2015-03-31/functions";
    assert_eq!(
        outcome(post(functions, "{")),
        error(400, "SerializationException")
    );
    assert_eq!(
        outcome(post(functions, r#"{"Timeout":"3"}"#)),
        error(400, "SerializationException")
    );
    assert_eq!(
        outcome(post(functions, r#"{"Code":{"ZipFile":"*"}}"#)),
        error(400, "SerializationException")
    );
    assert_eq!(
        outcome(post(functions, "{}")),
        error(400, "ValidationException")
    );
    assert_eq!(
        outcome(post("/nowhere", "{}")),
        error(404, "UnknownOperationException")
    );
    assert_eq!(
        outcome(post("/2015-03-31/functions/f", "{}")),
        error(403, "AccessDeniedException")
    );
    assert_eq!(
        outcome(post("/2014-11-13/functions/f/invoke-async", "{}")),
        error(400, "UnsupportedOperationException")
    );
    assert_eq!(
        outcome(post(
            "/2015-03-31/functions/f/invocations",
            vec![b' '; 6_291_457]
        )),
        error(413, "RequestEntityTooLargeException")
    );
    assert_eq!(
        outcome(post("/2015-03-31/functions/%ff/invocations", "{}")),
        error(400, "SerializationException")
    );
}
