//! The documents and errors of `rest-json`.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::request::Parts;
use http::{HeaderName, HeaderValue, Response};
use ids::RequestId;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::error::Category;
use serde_json::{Map, Value};

use crate::protocol::{Answered, Head, Protocol, Request};
use crate::route::Table;
use crate::{Body, Limits, Named, ServiceError};

/// AWS's `rest-json`: JSON documents, the error's code in the header `x-amzn-errortype`.
#[derive(Debug, Clone, Copy)]
pub struct RestJson;

impl RestJson {
    /// The operation at the request's method and path.
    ///
    /// # Errors
    /// 404 or 403 when there is none.
    pub fn head<'r, Op: Named + Limits>(
        &self,
        routes: &Table<Op>,
        parts: &'r Parts,
    ) -> Result<Head<'r, Op>, ServiceError> {
        let (operation, labels) = routes
            .find(&parts.method, &parts.uri)
            .map_err(|miss| miss.error(&parts.method, &parts.uri))?;
        Ok(Head::with_labels(operation, labels, parts))
    }
}

impl Protocol for RestJson {
    fn content_type(&self) -> HeaderValue {
        HeaderValue::from_static("application/json")
    }

    fn read<T: DeserializeOwned + Default>(
        &self,
        request: &Request<'_>,
    ) -> Result<T, ServiceError> {
        read(&request.body)
    }

    fn write<T: Serialize>(&self, document: &T, _: Answered) -> Result<Bytes, ServiceError> {
        write(document)
    }

    fn write_nothing(&self, _: Answered) -> Option<Bytes> {
        None
    }

    fn refuse(&self, error: ServiceError, _: RequestId) -> Response<Body> {
        let mut response = Response::new(write_error(&error, None).into());
        *response.status_mut() = error.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, self.content_type());
        let code = HeaderValue::from_str(&error.code)
            .unwrap_or(HeaderValue::from_static("ServiceException"));
        headers.insert(HeaderName::from_static("x-amzn-errortype"), code);
        headers.extend(error.headers);
        response
    }
}

/// Reads a JSON document.
pub(super) fn read<T: DeserializeOwned + Default>(body: &[u8]) -> Result<T, ServiceError> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Ok(T::default());
    }
    serde_json::from_slice(body).map_err(|error| {
        ServiceError::serialization(match error.classify() {
            Category::Data => format!("The request body does not fit the operation: {error}"),
            _ => format!("The request body is not JSON: {error}"),
        })
    })
}

/// Writes a JSON document.
pub(crate) fn write<T: Serialize>(document: &T) -> Result<Bytes, ServiceError> {
    serde_json::to_vec(document)
        .map(Bytes::from)
        .map_err(|error| ServiceError::internal(format!("the answer is no JSON: {error}")))
}

/// Writes an error as a JSON document, with its code as a member where `code` names one.
pub(crate) fn write_error(error: &ServiceError, code: Option<&str>) -> Bytes {
    // Sorted here: whether a map sorts or keeps what comes first is up to features of serde_json
    // that any dependency may turn on.
    let mut members: BTreeMap<&str, Value> = error
        .members
        .iter()
        .map(|(name, value)| (*name, value.clone()))
        .collect();
    let message = error.message.clone().map_or(Value::Null, Value::String);
    members.insert(error.message_member, message);
    if let Some(member) = code {
        members.insert(member, error.code.as_ref().into());
    }
    let members: Map<String, Value> = members
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect();
    Value::Object(members).to_string().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Blob;

    fn message<T: DeserializeOwned + Default + std::fmt::Debug>(body: &[u8]) -> String {
        let error = read::<T>(body).unwrap_err();
        assert_eq!(
            (error.code.as_ref(), error.status.as_u16()),
            ("SerializationException", 400)
        );
        error.message.unwrap()
    }

    #[test]
    fn says_where_a_document_ends_to_be_one() {
        assert!(message::<Vec<u8>>(b"[1,").contains("not JSON: EOF while parsing"));
        assert!(message::<Vec<u8>>(b"[\"a\"]").contains("does not fit"));
        assert!(message::<Blob>(b"\"?\"").contains("not base64"));
        assert!(message::<String>(b"\"\xff\"").contains("not JSON"));
    }

    #[test]
    fn depth_is_bounded() {
        let deep = "[".repeat(100_000);
        assert!(message::<Value>(deep.as_bytes()).contains("recursion limit"));
    }

    #[test]
    fn nothing_is_an_empty_document() {
        assert_eq!(read::<Vec<u8>>(b" \n").unwrap(), Vec::<u8>::new());
    }

    #[test]
    fn a_header_goes_out_with_the_error() {
        let error = ServiceError::new("X\n", 429, "slow down")
            .with_header(http::header::RETRY_AFTER, HeaderValue::from_static("1"));
        let id = RequestId::draw(&ids::SeededEntropy::new(1));
        let response = RestJson.refuse(error, id);
        assert_eq!(response.headers()["retry-after"], "1");
        assert_eq!(response.headers()["x-amzn-errortype"], "ServiceException");
    }
}
