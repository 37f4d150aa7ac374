//! The request as the function gets it: payload format 2.0.
//!
//! <https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html#urls-payloads>

use std::borrow::Cow;
use std::collections::BTreeMap;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::header::{
    CONNECTION, CONTENT_TYPE, COOKIE, HOST, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRAILER,
    TRANSFER_ENCODING, UPGRADE, USER_AGENT,
};
use http::{HeaderMap, HeaderName};
use ids::Timestamp;
use percent_encoding::percent_decode_str;
use serde::Serialize;

use super::{FunctionUrl, Signer, UrlRequest};

/// What is between two machines, not between a client and a function.
pub(super) const HOP_BY_HOP: [HeaderName; 8] = [
    CONNECTION,
    HeaderName::from_static("keep-alive"),
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
];

pub(super) const TRACE_ID: HeaderName = HeaderName::from_static("x-amzn-trace-id");

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Event<'a> {
    version: &'static str,
    route_key: &'static str,
    raw_path: &'a str,
    raw_query_string: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    cookies: Vec<String>,
    headers: BTreeMap<&'a str, String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    query_string_parameters: BTreeMap<String, String>,
    request_context: RequestContext<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<Cow<'a, str>>,
    is_base64_encoded: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RequestContext<'a> {
    account_id: &'a str,
    api_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    authorizer: Option<Authorizer<'a>>,
    domain_name: &'a str,
    domain_prefix: &'a str,
    http: Http<'a>,
    request_id: String,
    route_key: &'static str,
    stage: &'static str,
    time: String,
    time_epoch: i64,
}

#[derive(Serialize)]
struct Authorizer<'a> {
    iam: IamAuthorizer<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct IamAuthorizer<'a> {
    access_key: &'a str,
    account_id: &'a str,
    caller_id: &'a str,
    cognito_identity: Option<()>,
    principal_org_id: Option<()>,
    user_arn: &'a str,
    user_id: &'a str,
}

impl<'a> From<&'a Signer> for IamAuthorizer<'a> {
    fn from(signer: &'a Signer) -> Self {
        Self {
            access_key: &signer.access_key,
            account_id: &signer.account,
            caller_id: &signer.id,
            cognito_identity: None,
            principal_org_id: None,
            user_arn: &signer.arn,
            user_id: &signer.id,
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Http<'a> {
    method: &'a str,
    path: &'a str,
    protocol: &'static str,
    source_ip: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_agent: Option<Cow<'a, str>>,
}

/// The event that a request for `url` is, as JSON.
pub(super) fn of(
    url: &FunctionUrl,
    request: &UrlRequest<'_>,
    trace_id: &str,
    now: Timestamp,
) -> serde_json::Result<Vec<u8>> {
    let parts = request.parts;
    let source_ip = request.peer.to_canonical().to_string();
    let query = parts.uri.query().unwrap_or_default();
    let body = (!request.body.is_empty()).then(|| body(&parts.headers, &request.body));
    let (body, is_base64_encoded) = body.unzip();
    let signer = request.signer.as_ref();
    let agent = parts.headers.get(USER_AGENT);
    serde_json::to_vec(&Event {
        version: "2.0",
        route_key: "$default",
        raw_path: request.path,
        raw_query_string: query,
        cookies: cookies(&parts.headers),
        headers: headers(&parts.headers, &source_ip, trace_id),
        query_string_parameters: parameters(query),
        request_context: RequestContext {
            account_id: signer.map_or("anonymous", |signer| &signer.account),
            api_id: &url.0.id,
            authorizer: signer.map(|signer| Authorizer { iam: signer.into() }),
            domain_name: request.domain,
            domain_prefix: &url.0.id,
            http: Http {
                method: parts.method.as_str(),
                path: request.path,
                protocol: "HTTP/1.1",
                source_ip: &source_ip,
                user_agent: agent.map(|agent| String::from_utf8_lossy(agent.as_bytes())),
            },
            request_id: request.id.to_string(),
            route_key: "$default",
            stage: "$default",
            time: now.civil().strftime("%d/%b/%Y:%H:%M:%S +0000").to_string(),
            time_epoch: now.as_millis(),
        },
        body,
        is_base64_encoded: is_base64_encoded.unwrap_or_default(),
    })
}

/// The headers of the request, joined where there are several of a name, and those that AWS's front
/// adds. Cookies have a place of their own.
fn headers<'a>(sent: &'a HeaderMap, source_ip: &str, trace_id: &str) -> BTreeMap<&'a str, String> {
    let mut headers: BTreeMap<&str, String> = BTreeMap::new();
    for name in sent.keys() {
        if *name == COOKIE || HOP_BY_HOP.contains(name) {
            continue;
        }
        let values = sent.get_all(name).iter();
        let values: Vec<_> = values
            .map(|value| String::from_utf8_lossy(value.as_bytes()))
            .collect();
        headers.insert(name.as_str(), values.join(","));
    }
    let via = headers.entry("x-forwarded-for").or_default();
    if !via.is_empty() {
        via.push_str(", ");
    }
    via.push_str(source_ip);
    let port = sent.get(HOST).and_then(|host| host.to_str().ok());
    let port = port.and_then(|host| host.rsplit_once(':'));
    let port = port.map_or("80", |(_, port)| port);
    headers.insert("x-forwarded-port", port.to_owned());
    headers.insert("x-forwarded-proto", "http".to_owned());
    headers.insert("x-amzn-trace-id", trace_id.to_owned());
    headers
}

fn cookies(sent: &HeaderMap) -> Vec<String> {
    let mut cookies = Vec::new();
    for line in sent.get_all(COOKIE) {
        let line = String::from_utf8_lossy(line.as_bytes());
        let several = line.split(';').map(str::trim);
        cookies.extend(several.filter(|c| !c.is_empty()).map(str::to_owned));
    }
    cookies
}

/// The parameters of a query string, decoded, and joined where there are several of a name.
fn parameters(query: &str) -> BTreeMap<String, String> {
    let decoded = |text: &str| {
        let text = text.replace('+', " ");
        percent_decode_str(&text).decode_utf8_lossy().into_owned()
    };
    let mut parameters: BTreeMap<String, String> = BTreeMap::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let value = decoded(value);
        parameters
            .entry(decoded(name))
            .and_modify(|values| {
                values.push(',');
                values.push_str(&value);
            })
            .or_insert(value);
    }
    parameters
}

/// The body, and whether it is in base64: everything is but what is text by its type and in fact.
fn body<'a>(headers: &HeaderMap, body: &'a [u8]) -> (Cow<'a, str>, bool) {
    match std::str::from_utf8(body) {
        Ok(text) if is_text(headers) => (text.into(), false),
        _ => (BASE64_STANDARD.encode(body).into(), true),
    }
}

fn is_text(headers: &HeaderMap) -> bool {
    let Some(kind) = headers.get(CONTENT_TYPE) else {
        return false;
    };
    let kind = String::from_utf8_lossy(kind.as_bytes()).to_ascii_lowercase();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    let known = [
        "application/json",
        "application/javascript",
        "application/xml",
    ];
    kind.starts_with("text/")
        || known.contains(&kind)
        || kind.ends_with("+json")
        || kind.ends_with("+xml")
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn sent(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn headers_are_joined_and_those_of_the_connection_left_out() {
        let sent = sent(&[
            ("host", "x.lambda-url.localhost:4566"),
            ("accept", "a"),
            ("accept", "b"),
            ("connection", "keep-alive"),
            ("transfer-encoding", "chunked"),
            ("cookie", "a=1; b=2"),
            ("x-forwarded-for", "10.0.0.1"),
        ]);
        let headers = headers(&sent, "127.0.0.1", "Root=1");
        let shown: Vec<_> = headers.iter().map(|(k, v)| format!("{k}: {v}")).collect();
        assert_eq!(
            shown,
            [
                "accept: a,b",
                "host: x.lambda-url.localhost:4566",
                "x-amzn-trace-id: Root=1",
                "x-forwarded-for: 10.0.0.1, 127.0.0.1",
                "x-forwarded-port: 4566",
                "x-forwarded-proto: http",
            ]
        );
        assert_eq!(cookies(&sent), ["a=1", "b=2"]);
    }

    #[test]
    fn parameters_are_decoded_and_joined() {
        let parameters = parameters("q=a+b&m=foo&m=%2Fbar&none&=x&&");
        let shown: Vec<_> = parameters.iter().map(|(k, v)| format!("{k}={v}")).collect();
        assert_eq!(shown, ["=x", "m=foo,/bar", "none=", "q=a b"]);
    }

    #[test]
    fn text_stays_text_and_everything_else_is_encoded() {
        for kind in ["text/plain", "application/json; charset=utf-8", "a/b+json"] {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_TYPE, kind.parse().unwrap());
            assert_eq!(body(&headers, b"\"a\""), ("\"a\"".into(), false), "{kind}");
            assert_eq!(body(&headers, b"\xff"), ("/w==".into(), true), "{kind}");
        }
        let form = sent(&[("content-type", "application/x-www-form-urlencoded")]);
        assert_eq!(body(&form, b"a=1"), ("YT0x".into(), true));
        assert_eq!(body(&HeaderMap::new(), b"a"), ("YQ==".into(), true));
    }
}
