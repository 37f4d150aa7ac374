//! What a function says that answers as a whole, as an HTTP response.
//!
//! A document with a `statusCode` is one; everything else is the body of a 200.
//! <https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html#urls-payloads>

use std::borrow::Cow;
use std::collections::BTreeMap;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, SET_COOKIE};
use http::{HeaderName, HeaderValue, Response, StatusCode};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Number, Value};
use wire::Body;

use super::JSON;
use super::event::HOP_BY_HOP;

/// A function said what is no HTTP response.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(super) struct Malformed(pub(super) &'static str);

/// What a response says of itself, whether it comes with it or ahead of a stream.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Metadata {
    status_code: Option<Value>,
    headers: Option<BTreeMap<String, Value>>,
    cookies: Option<Vec<String>>,
}

/// The part of a response that is its body.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Content<'a> {
    #[serde(borrow)]
    body: Option<&'a RawValue>,
    is_base64_encoded: Option<bool>,
}

/// Reads what a function answered.
pub(super) fn read(payload: &Bytes) -> Result<Response<Body>, Malformed> {
    let metadata = serde_json::from_slice::<Metadata>(payload);
    // Whatever else is no object, or one of another kind.
    let Some(metadata) = metadata.ok().filter(|m| m.status_code.is_some()) else {
        return Ok(inferred(payload));
    };
    let content: Content<'_> =
        serde_json::from_slice(payload).map_err(|_| Malformed("the body is none"))?;
    let text = content.body.map_or_else(String::new, text_of);
    let body = if content.is_base64_encoded == Some(true) {
        let decoded = BASE64_STANDARD.decode(text.as_bytes());
        Bytes::from(decoded.map_err(|_| Malformed("the body is not base64"))?)
    } else {
        Bytes::from(text)
    };
    let mut answer = metadata.response()?;
    answer.headers_mut().entry(CONTENT_TYPE).or_insert(JSON);
    *answer.body_mut() = body.into();
    Ok(answer)
}

/// A 200 with what the function said.
fn inferred(payload: &Bytes) -> Response<Body> {
    let said = serde_json::from_slice::<&RawValue>(payload);
    // AWS's clients answer in JSON; what is none goes out as it is.
    let body = said.map_or_else(|_| payload.clone(), |said| Bytes::from(text_of(said)));
    let mut answer = Response::new(body.into());
    answer.headers_mut().insert(CONTENT_TYPE, JSON);
    answer
}

impl Metadata {
    /// The head of the response.
    pub(super) fn response(self) -> Result<Response<Body>, Malformed> {
        let status = match self.status_code {
            None => StatusCode::OK,
            Some(given) => status(&given).ok_or(Malformed("the status code is none"))?,
        };
        let mut answer = Response::new(Body::Empty);
        *answer.status_mut() = status;
        for (name, value) in self.headers.unwrap_or_default() {
            let name = HeaderName::try_from(name).map_err(|_| Malformed("a header's name"))?;
            if name == CONTENT_LENGTH || HOP_BY_HOP.contains(&name) {
                continue;
            }
            answer.headers_mut().insert(name, header(&value)?);
        }
        for cookie in self.cookies.unwrap_or_default() {
            let cookie = HeaderValue::try_from(cookie).map_err(|_| Malformed("a cookie"))?;
            answer.headers_mut().append(SET_COOKIE, cookie);
        }
        Ok(answer)
    }
}

/// A status code, which may be written as a text.
fn status(given: &Value) -> Option<StatusCode> {
    let number = match given {
        Value::Number(number) => number.clone(),
        Value::String(text) => Number::from(text.parse::<u16>().ok()?),
        _ => return None,
    };
    StatusCode::from_u16(u16::try_from(number.as_u64()?).ok()?).ok()
}

fn header(value: &Value) -> Result<HeaderValue, Malformed> {
    let text = match value {
        Value::String(text) => Cow::Borrowed(text.as_str()),
        Value::Null => Cow::Borrowed(""),
        other => Cow::Owned(other.to_string()),
    };
    HeaderValue::from_bytes(text.as_bytes()).map_err(|_| Malformed("a header's value"))
}

/// A text as it reads, and everything else as JSON without any spaces.
fn text_of(said: &RawValue) -> String {
    serde_json::from_str(said.get()).unwrap_or_else(|_| compact(said.get()))
}

/// The same JSON without the spaces between its parts. Numbers and the order of members stay as
/// they were written.
fn compact(json: &str) -> String {
    let mut line = String::with_capacity(json.len());
    let (mut in_text, mut escaped) = (false, false);
    for character in json.chars() {
        if !in_text && matches!(character, ' ' | '\t' | '\n' | '\r') {
            continue;
        }
        line.push(character);
        in_text ^= character == '"' && !escaped;
        escaped = in_text && character == '\\' && !escaped;
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(payload: &str) -> Result<(u16, String, String), Malformed> {
        let answer = read(&Bytes::copy_from_slice(payload.as_bytes()))?;
        let headers = answer.headers();
        let headers = headers.iter().map(|(n, v)| {
            let value = String::from_utf8_lossy(v.as_bytes());
            format!("{n}={value}")
        });
        let headers = headers.collect::<Vec<_>>().join(" ");
        let body = answer.body().whole().unwrap();
        let body = String::from_utf8_lossy(body).into_owned();
        Ok((answer.status().as_u16(), headers, body))
    }

    #[test]
    fn what_is_no_response_is_the_body_of_one() {
        for (payload, body) in [
            ("\"hel\\\"lo\"", "hel\"lo"),
            ("true", "true"),
            ("3.10", "3.10"),
            ("null", "null"),
            (
                "{\"b\": \"x  y\\\\\", \"a\":\n 1.0}",
                "{\"b\":\"x  y\\\\\",\"a\":1.0}",
            ),
            ("{\"body\": \"x\"}", "{\"body\":\"x\"}"),
            ("[1, \"ä\"]", "[1,\"ä\"]"),
            ("no JSON", "no JSON"),
        ] {
            let expected = (200, "content-type=application/json".into(), body.into());
            assert_eq!(answer(payload), Ok(expected), "{payload}");
        }
    }

    #[test]
    fn a_response_is_sent_as_it_is_said() {
        let said = r#"{"statusCode": 201, "headers": {"X-A": "b", "X-N": 5, "Connection": "close",
            "Content-Length": "99"}, "cookies": ["a=1; Secure", "b=2"], "body": "aGk=",
            "isBase64Encoded": true}"#;
        let headers = "x-a=b x-n=5 set-cookie=a=1; Secure set-cookie=b=2 \
                       content-type=application/json";
        assert_eq!(answer(said), Ok((201, headers.into(), "hi".into())));
        let said =
            r#"{"statusCode": "404", "headers": {"content-type": "text/html"}, "body": {"a": 1}}"#;
        let expected = (404, "content-type=text/html".into(), "{\"a\":1}".into());
        assert_eq!(answer(said), Ok(expected));
    }

    #[test]
    fn what_cannot_be_sent_is_malformed() {
        for said in [
            r#"{"statusCode": 7}"#,
            r#"{"statusCode": "x"}"#,
            r#"{"statusCode": 200, "headers": {"a b": "c"}}"#,
            r#"{"statusCode": 200, "headers": {"a": "c\r\nd"}}"#,
            r#"{"statusCode": 200, "body": "!", "isBase64Encoded": true}"#,
        ] {
            assert!(answer(said).is_err(), "{said}");
        }
    }
}
