//! Whatever a client sends, the decoder answers with the operation's result or with an error in
//! AWS's form that is the client's: never a panic, never a 5xx.

#![expect(
    clippy::unwrap_used,
    reason = "what a test calls may fail as the test may"
)]

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request, Response, Uri};
use ids::{RequestId, SeededEntropy};
use proptest::prelude::*;
use proptest::sample::{Index, select};
use wire::lambda::*;
use wire::protocol::RestJson;
use wire::route::Segment;
use wire::{Caller, Principal, ServiceError};

/// A service that succeeds at everything, so that every error is the decoder's.
struct Yes;

macro_rules! yes {
    ($($method:ident: $input:ty => $output:ty,)*) => {
        impl LambdaApi for Yes {$(
            async fn $method(&self, _: &Caller, _: $input) -> Result<$output, ServiceError> {
                Ok(<$output>::default())
            }
        )*}
    };
}

yes! {
    create_alias: CreateAliasRequest => AliasConfiguration,
    create_function: CreateFunctionRequest => FunctionConfiguration,
    delete_alias: DeleteAliasRequest => (),
    delete_function: DeleteFunctionRequest => DeleteFunctionResponse,
    get_alias: GetAliasRequest => AliasConfiguration,
    get_function: GetFunctionRequest => GetFunctionResponse,
    get_function_configuration: GetFunctionConfigurationRequest => FunctionConfiguration,
    invoke: InvocationRequest => InvocationResponse,
    list_aliases: ListAliasesRequest => ListAliasesResponse,
    list_functions: ListFunctionsRequest => ListFunctionsResponse,
    list_versions_by_function: ListVersionsByFunctionRequest => ListVersionsByFunctionResponse,
    publish_version: PublishVersionRequest => FunctionConfiguration,
    update_alias: UpdateAliasRequest => AliasConfiguration,
    update_function_code: UpdateFunctionCodeRequest => FunctionConfiguration,
    update_function_configuration: UpdateFunctionConfigurationRequest => FunctionConfiguration,
}

/// The way of a request through the crate, as a server goes it.
async fn answer(request: Request<Bytes>) -> Response<Bytes> {
    let (parts, body) = request.into_parts();
    let caller = Caller {
        account: ids::DEFAULT_ACCOUNT.into(),
        region: ids::DEFAULT_REGION.into(),
        principal: Principal::Account {
            access_key_id: "test".into(),
        },
        request_id: RequestId::draw(&SeededEntropy::new(1)),
    };
    let served = async {
        let (operation, labels) = LambdaOperation::route(&parts.method, &parts.uri)
            .map_err(|miss| miss.error(&parts.method, &parts.uri))?;
        if body.len() > operation.body_limit(&parts.headers) {
            return Err(operation.too_large(&parts.headers));
        }
        let request = wire::protocol::Request {
            parts: &parts,
            labels,
            body,
        };
        serve(&Yes, operation, &caller, request).await
    };
    served
        .await
        .unwrap_or_else(ServiceError::into_response::<RestJson>)
}

fn check(request: Request<Bytes>) -> Result<Response<Bytes>, TestCaseError> {
    let shown = format!("{request:?}");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let response = runtime.block_on(answer(request));
    let status = response.status();
    prop_assert!(!status.is_server_error(), "{shown}\n{response:?}");
    if status.is_client_error() {
        let code = response.headers().get("x-amzn-errortype");
        let code = code.and_then(|code| code.to_str().ok()).unwrap_or_default();
        prop_assert!(code.ends_with("Exception"), "{shown}\n{response:?}");
        let body: serde_json::Value = serde_json::from_slice(response.body()).unwrap();
        let message = body.get("message").or_else(|| body.get("Message"));
        prop_assert!(
            message.is_some_and(serde_json::Value::is_string),
            "{shown}\n{body}"
        );
    } else {
        prop_assert!(status.is_success(), "{shown}\n{response:?}");
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

/// Documents that look like inputs, with members of every type in every place.
fn document() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        any::<bool>().prop_map(|b| b.to_string()),
        any::<i64>().prop_map(|n| n.to_string()),
        (-2000_i32..12_000).prop_map(|n| n.to_string()),
        any::<f64>()
            .prop_filter("JSON has no others", |n| n.is_finite())
            .prop_map(|n| n.to_string()),
        "[a-zA-Z0-9+/=:.$ -]{0,40}".prop_map(|text| format!("{text:?}")),
        "\\PC{0,10}".prop_map(|text| serde_json::to_string(&text).unwrap()),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4)
                .prop_map(|items| format!("[{}]", items.join(","))),
            proptest::collection::vec((select(MEMBERS), inner), 0..6).prop_map(|members| {
                let members: Vec<String> = members
                    .iter()
                    .map(|(name, value)| format!("\"{name}\":{value}"))
                    .collect();
                format!("{{{}}}", members.join(","))
            }),
        ]
    })
}

/// A good request for a function, which mutations then damage.
const GOOD: &str = r#"{"FunctionName":"f","Runtime":"python3.11","Role":"arn:aws:iam::123456789012:role/r","Handler":"a.b","Code":{"ZipFile":"UEsFBg=="},"Timeout":3,"MemorySize":128,"Tags":{"a":"b"},"Environment":{"Variables":{"AB":"c"}},"VpcConfig":{"SubnetIds":["subnet-1"]},"FileSystemConfigs":[{"Arn":"arn:aws:elasticfilesystem:us-east-1:123456789012:access-point/fsap-0123456789abcdef0","LocalMountPath":"/mnt/a"}],"Name":"n","FunctionVersion":"1","RoutingConfig":{"AdditionalVersionWeights":{"2":0.5}}}"#;

fn body() -> impl Strategy<Value = Vec<u8>> {
    let damage = proptest::collection::vec((any::<Index>(), any::<u8>(), 0..3_u8), 0..4);
    prop_oneof![
        2 => proptest::collection::vec(any::<u8>(), 0..64),
        4 => document().prop_map(String::into_bytes),
        4 => damage.prop_map(|damage| {
            let mut body = GOOD.as_bytes().to_vec();
            for (at, byte, how) in damage {
                let at = at.index(body.len());
                match how {
                    0 => body[at] = byte,
                    1 => body.insert(at, byte),
                    _ => body.truncate(at + 1),
                }
            }
            body
        }),
    ]
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
        body in body(),
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
        outcome(post("/2015-03-31/functions/f/policy", "{}")),
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
