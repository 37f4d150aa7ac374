use std::collections::BTreeMap;

use serde::Deserialize;

use super::*;
use crate::iam::IamOperation;
use crate::shape::document;

#[derive(Debug, Default, PartialEq)]
struct Thing {
    name: Option<String>,
    size: Option<i32>,
    good: Option<bool>,
    tags: Option<Vec<Tag>>,
    words: Option<Vec<String>>,
    map: Option<BTreeMap<String, String>>,
    inner: Option<Tag>,
}

#[derive(Debug, Default, PartialEq)]
struct Tag {
    key: Option<String>,
    value: Option<String>,
}

document! {
    Thing {
        name: "Name", size: "Size", good: "Good", tags: "Tags", words: "Words", map: "Map",
        inner: "Inner",
    }
    Tag { key: "Key", value: "Value", }
}

const QUERY: Query = Query {
    version: "2010-05-08",
    namespace: "https://x/",
};

fn with<R>(uri: &str, body: &str, check: impl FnOnce(Request<'_>) -> R) -> R {
    let request = http::Request::post(uri).body(()).unwrap();
    let (parts, ()) = request.into_parts();
    check(Request {
        parts: &parts,
        labels: crate::route::Labels::default(),
        body: Bytes::copy_from_slice(body.as_bytes()),
    })
}

fn read<T: DeserializeOwned + Default>(body: &str) -> Result<T, String> {
    with("/", body, |request| {
        QUERY.read(&request).map_err(|error: ServiceError| {
            assert_eq!(error.status, 400);
            error.message.unwrap()
        })
    })
}

fn of() -> Answered {
    Answered {
        operation: "GetThing",
        request_id: RequestId::draw(&ids::SeededEntropy::new(1)),
    }
}

fn tag(key: &str, value: &str) -> Tag {
    Tag {
        key: Some(key.to_owned()),
        value: Some(value.to_owned()),
    }
}

#[test]
fn a_form_is_a_document() {
    let thing: Thing = read(
        "Action=GetThing&Version=2010-05-08&Name=a+b%2Bc%26&Size=-3&Good=true\
         &Tags.member.2.Key=k2&Tags.member.10.Key=k10&Tags.member.2.Value=&Tags.member.1.Key=k1\
         &Words.1=one&Words.2=two&Map.entry.1.key=x&Map.entry.1.value=y%0A\
         &Inner.Value=v&Inner.Key=k&Tags-member=odd&Else.member.x=1\n",
    )
    .unwrap();
    let key = |key: &str| Tag {
        key: Some(key.to_owned()),
        value: None,
    };
    assert_eq!(
        thing,
        Thing {
            name: Some("a b+c&".to_owned()),
            size: Some(-3),
            good: Some(true),
            tags: Some(vec![key("k1"), tag("k2", ""), key("k10")]),
            words: Some(vec!["one".to_owned(), "two".to_owned()]),
            map: Some(BTreeMap::from([("x".to_owned(), "y\n".to_owned())])),
            inner: Some(tag("k", "v")),
        }
    );
}

#[test]
fn an_empty_value_is_an_empty_list() {
    let thing: Thing = read("Tags=&Words=").unwrap();
    assert_eq!(thing.tags, Some(Vec::new()));
    assert_eq!(thing.words, Some(Vec::new()));
    assert_eq!(read::<Thing>("").unwrap(), Thing::default());
}

#[test]
fn query_string_and_body_are_one_form() {
    with("/?Name=a&Size=1", "Size=2", |request| {
        let thing: Thing = QUERY.read(&request).unwrap();
        assert_eq!((thing.name.as_deref(), thing.size), (Some("a"), Some(2)));
    });
}

#[test]
fn says_what_does_not_fit() {
    for (body, part) in [
        ("Size=x", "Size is not an integer"),
        ("Good=yes", "Good is not a boolean"),
        ("Name.member.1=a", "Name is no single value"),
        ("Words=a", "Words is no list"),
        ("Words.member.x=a", "Words: x is no number of an element"),
        ("Tags.member.1=a", "Tags.member.1 has members"),
        ("Map.entry.1.key=a", "Map.entry.1 has no value"),
        ("Name=%ff", "not UTF-8"),
    ] {
        let error = read::<Thing>(body).unwrap_err();
        assert!(error.contains(part), "{body}: {error}");
    }
    let many = "a=&".repeat(10_001);
    assert!(read::<Thing>(&many).unwrap_err().contains("10000"));
}

#[test]
fn depth_costs_no_stack() {
    let deep = "Name.".repeat(100_000) + "=1&" + &"X.".repeat(50_000) + "=1";
    assert!(read::<Thing>(&deep).is_err());
}

#[test]
fn the_form_names_the_operation() {
    let find = |uri: &str, body: &str| {
        with(uri, body, |request| {
            operation::<IamOperation>("2010-05-08", &request)
                .map_err(|error| (error.code.into_owned(), error.message.unwrap()))
        })
    };
    let good = "Action=GetRole&Version=2010-05-08";
    assert_eq!(find("/", good), Ok(IamOperation::GetRole));
    assert_eq!(find(&format!("/?{good}"), ""), Ok(IamOperation::GetRole));
    let refused = |body| find("/", body).unwrap_err();
    assert_eq!(refused("Version=2010-05-08").0, "MissingAction");
    let wrong = |action: &str, version: &str| {
        (
            "InvalidAction".to_owned(),
            format!("Could not find operation {action} for version {version}"),
        )
    };
    assert_eq!(
        refused("Action=GetRole"),
        wrong("GetRole", "NO_VERSION_SPECIFIED")
    );
    assert_eq!(
        refused("Action=Brew&Version=2010-05-08"),
        wrong("Brew", "2010-05-08")
    );
    assert_eq!(refused("Action=GetRole&Version=1"), wrong("GetRole", "1"));
}

#[test]
fn a_document_is_xml() {
    let thing = Thing {
        name: Some("<a> & \"b\"\r\n\u{1}".to_owned()),
        size: Some(7),
        good: Some(false),
        tags: Some(vec![tag("k", "v")]),
        words: Some(Vec::new()),
        map: Some(BTreeMap::from([("x".to_owned(), "y".to_owned())])),
        inner: Some(Tag::default()),
    };
    let id = of().request_id;
    let written = QUERY.write(&thing, of()).unwrap();
    assert_eq!(
        std::str::from_utf8(&written).unwrap(),
        format!(
            "<GetThingResponse xmlns=\"https://x/\"><GetThingResult>\
             <Name>&lt;a&gt; &amp; &quot;b&quot;&#xD;\n\u{fffd}</Name><Size>7</Size>\
             <Good>false</Good>\
             <Tags><member><Key>k</Key><Value>v</Value></member></Tags><Words></Words>\
             <Map><entry><key>x</key><value>y</value></entry></Map><Inner></Inner>\
             </GetThingResult><ResponseMetadata><RequestId>{id}</RequestId></ResponseMetadata>\
             </GetThingResponse>\n"
        )
    );
    assert_eq!(
        QUERY.write_nothing(of()).unwrap(),
        format!(
            "<GetThingResponse xmlns=\"https://x/\"><ResponseMetadata><RequestId>{id}</RequestId>\
             </ResponseMetadata></GetThingResponse>\n"
        )
    );
}

#[test]
fn an_error_names_its_request() {
    let id = of().request_id;
    let error = crate::iam::errors::no_such_entity_exception("The role a<b is not there.");
    let response = QUERY.refuse(error, id);
    assert_eq!(response.status(), 404);
    assert_eq!(response.headers()["content-type"], "text/xml");
    assert_eq!(
        response.body().whole().unwrap(),
        &format!(
            "<ErrorResponse xmlns=\"https://x/\"><Error><Type>Sender</Type>\
             <Code>NoSuchEntity</Code><Message>The role a&lt;b is not there.</Message></Error>\
             <RequestId>{id}</RequestId></ErrorResponse>\n"
        )
    );
    let body = |error| {
        let response = QUERY.refuse(error, id);
        String::from_utf8(response.body().whole().unwrap().to_vec()).unwrap()
    };
    let internal = body(ServiceError::internal("oh"));
    assert!(internal.contains("<Type>Receiver</Type><Code>InternalFailure</Code>"));
    assert!(body(ServiceError::access_denied(None)).contains("<Code>AccessDenied</Code>"));
}

#[test]
fn a_violation_is_a_validation_error() {
    let error = QUERY
        .check(&crate::iam::GetRoleRequest::default())
        .unwrap_err();
    assert_eq!(error.code, "ValidationError");
    assert!(error.message.unwrap().contains("Value null at 'roleName'"));
}

#[test]
fn a_newtype_is_its_content() {
    #[derive(Debug, Deserialize, serde::Serialize, PartialEq)]
    struct Wrapped(String);
    assert_eq!(xml::text(&Wrapped("a".to_owned()), None).unwrap(), "a");
    assert!(xml::text(&(1, 2), None).is_err());
}
