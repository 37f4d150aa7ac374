//! `query`, as IAM and STS speak it, and SQS beside `json`.

use bytes::Bytes;
use http::{Request, Response, Uri};
use proptest::prelude::*;
use proptest::sample::{Index, select};
use wire::iam::IamOperation;
use wire::sqs::SqsOperation;
use wire::sts::StsOperation;
use wire::{Named as _, Service};

use crate::yes;

const MEMBERS: &[&str] = &[
    "RoleName",
    "Path",
    "PathPrefix",
    "AssumeRolePolicyDocument",
    "MaxSessionDuration",
    "Tags",
    "Tags.member",
    "TagKeys",
    "Key",
    "Value",
    "member",
    "entry",
    "key",
    "value",
    "MaxItems",
    "OnlyAttached",
    "Scope",
    "PolicyArn",
    "PolicyArns.member.1.arn",
    "DurationSeconds",
    "RoleArn",
    "RoleSessionName",
    "ContextEntries",
    "ContextKeyValues",
    "Status",
    "QueueUrl",
    "Attribute",
    "Tag",
    "SendMessageBatchRequestEntry",
    "MessageAttribute",
    "AttributeName",
    "Name",
    "Else",
];

const GOOD: &str = "RoleName=r&UserName=u&PolicyName=p&PolicyArn=arn%3Aaws%3Aiam%3A%3A123456789012%3Apolicy%2Fp&PolicyDocument=%7B%7D&AssumeRolePolicyDocument=%7B%7D&Path=%2F&MaxSessionDuration=3600&Tags.member.1.Key=a&Tags.member.1.Value=b+c&TagKeys.member.1=a&MaxItems=10&RoleArn=arn%3Aaws%3Aiam%3A%3A123456789012%3Arole%2Fr&RoleSessionName=session&DurationSeconds=900&VersionId=v1&AWSServiceName=lambda.amazonaws.com&PermissionsBoundary=arn%3Aaws%3Aiam%3A%3A123456789012%3Apolicy%2Fp&PolicySourceArn=arn%3Aaws%3Aiam%3A%3A123456789012%3Arole%2Fr&ActionNames.member.1=s3%3AGetObject&PolicyInputList.member.1=%7B%7D&AccessKeyId=AKIAIOSFODNN7EXAMPLE&Status=Active&Description=d&ContextEntries.member.1.ContextKeyName=aws%3Ax&ContextEntries.member.1.ContextKeyValues.member.1=y";

fn check(service: Service, request: Request<Bytes>) -> Result<Response<Bytes>, TestCaseError> {
    let shown = format!("{request:?}");
    let response = yes::check(service, request)?;
    let body = std::str::from_utf8(response.body()).unwrap();
    prop_assert!(body.contains("<RequestId>"), "{shown}\n{body}");
    if response.status().is_client_error() {
        prop_assert!(
            body.starts_with("<ErrorResponse xmlns=\"http")
                && body.contains("<Error><Type>Sender</Type><Code>")
                && !body.contains("Exception</Code>"),
            "{shown}\n{body}"
        );
    }
    Ok(response)
}

/// A service, the name of an operation, and its version.
fn action() -> impl Strategy<Value = (Service, String)> {
    let iam = select(IamOperation::ALL).prop_map(|operation| {
        let action = format!("Action={}&Version=2010-05-08", operation.name());
        (Service::Iam, action)
    });
    let sts = select(StsOperation::ALL).prop_map(|operation| {
        let action = format!("Action={}&Version=2011-06-15", operation.name());
        (Service::Sts, action)
    });
    let sqs = select(SqsOperation::ALL).prop_map(|operation| {
        let action = format!("Action={}&Version=2012-11-05", operation.name());
        (Service::Sqs, action)
    });
    prop_oneof![
        8 => iam,
        3 => sts,
        5 => sqs,
        1 => "[ -~]{0,30}".prop_map(|action| (Service::Iam, action)),
    ]
}

fn pair() -> impl Strategy<Value = String> {
    let names = proptest::collection::vec(
        prop_oneof![
            3 => select(MEMBERS).prop_map(str::to_owned),
            2 => (0..20_u8).prop_map(|number| number.to_string()),
            1 => "[a-z.%=+-]{0,6}",
        ],
        1..6,
    );
    (names, "[a-zA-Z0-9%+=:/.-]{0,12}")
        .prop_map(|(names, value)| format!("{}={value}", names.join(".")))
}

fn body() -> impl Strategy<Value = Vec<u8>> {
    let damage = proptest::collection::vec((any::<Index>(), any::<u8>(), 0..3_u8), 0..4);
    prop_oneof![
        1 => proptest::collection::vec(any::<u8>(), 0..64),
        4 => proptest::collection::vec(pair(), 0..12).prop_map(|pairs| pairs.join("&").into()),
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

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_answer_has_awss_form(
        (service, action) in action(),
        in_query in any::<bool>(),
        body in body(),
    ) {
        let request = if in_query {
            let Ok(uri) = format!("/?{action}").parse::<Uri>() else {
                return Ok(()); // hyper refuses it before anything of ours sees it
            };
            Request::post(uri).body(Bytes::from(body))
        } else {
            let whole = [action.as_bytes(), b"&", &body].concat();
            Request::post("/").body(Bytes::from(whole))
        };
        check(service, request.unwrap())?;
    }
}

fn outcome(service: Service, form: String) -> (u16, String) {
    let response = check(service, Request::post("/").body(form.into()).unwrap()).unwrap();
    let body = std::str::from_utf8(response.body()).unwrap();
    let code = body
        .split_once("<Code>")
        .and_then(|(_, rest)| rest.split_once("</Code>"));
    let code = code.map_or("", |(code, _)| code).to_owned();
    (response.status().as_u16(), code)
}

#[test]
fn the_undamaged_request_is_served() {
    for operation in IamOperation::ALL.iter().filter(|op| op.served()) {
        let form = format!("Action={}&Version=2010-05-08&{GOOD}", operation.name());
        assert_eq!(
            outcome(Service::Iam, form),
            (200, String::new()),
            "{operation:?}"
        );
    }
    for operation in StsOperation::ALL.iter().filter(|op| op.served()) {
        let form = format!("Action={}&Version=2011-06-15&{GOOD}", operation.name());
        assert_eq!(
            outcome(Service::Sts, form),
            (200, String::new()),
            "{operation:?}"
        );
    }
}

#[test]
fn each_kind_of_damage_has_its_error() {
    let refused = |form: &str| outcome(Service::Iam, form.to_owned());
    let error = |code: &str| (400, code.to_owned());
    let version = "Version=2010-05-08";
    assert_eq!(refused(""), error("MissingAction"));
    assert_eq!(refused("Action=Brew"), error("InvalidAction"));
    assert_eq!(
        refused(&format!("Action=GetRole&{version}")),
        error("ValidationError")
    );
    assert_eq!(
        refused(&format!("Action=ListRoles&{version}&MaxItems=x")),
        error("MalformedInput")
    );
    assert_eq!(
        refused(&format!("Action=CreateGroup&{version}")),
        error("UnsupportedOperation")
    );
    let long = format!("Action=ListRoles&{version}&Marker={}", "x".repeat(1 << 20));
    assert_eq!(refused(&long), (413, "RequestEntityTooLarge".to_owned()));
}
