//! The documents, errors and routing of `json` 1.0 and 1.1.

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::request::Parts;
use http::{HeaderName, HeaderValue, Response};
use ids::RequestId;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::rest_json::{read, write, write_error};
use crate::protocol::{Answered, Head, Protocol, Request};
use crate::{Body, Limits, Named, ServiceError};

const TARGET: HeaderName = HeaderName::from_static("x-amz-target");

/// AWS's `json`: every request is a `POST` of a JSON document to `/`, the header `X-Amz-Target`
/// names the operation, and an error's code is the member `__type`.
///
/// Source: <https://smithy.io/2.0/aws/protocols/aws-json-1_1-protocol.html>.
#[derive(Debug, Clone, Copy)]
pub struct AwsJson {
    /// The media type, which tells 1.0 from 1.1.
    pub content_type: &'static str,
    /// What stands before the operation in `X-Amz-Target`, such as `Logs_20140328`.
    pub target: &'static str,
    /// What the service calls an input that breaks a constraint.
    pub validation_code: &'static str,
}

impl AwsJson {
    /// The operation that the request's head names.
    ///
    /// # Errors
    /// 400 `UnknownOperationException` when it names none.
    pub fn head<'r, Op: Named + Limits>(
        &self,
        parts: &'r Parts,
    ) -> Result<Head<'r, Op>, ServiceError> {
        let target = parts.headers.get(TARGET).map(HeaderValue::as_bytes);
        let target = target.map(String::from_utf8_lossy).unwrap_or_default();
        target
            .split_once('.')
            .filter(|(service, _)| *service == self.target)
            .and_then(|(_, operation)| Op::named(operation))
            .map(|operation| Head::of(operation, parts))
            .ok_or_else(|| {
                ServiceError::new(
                    "UnknownOperationException",
                    400,
                    format!(
                        "X-Amz-Target '{target}' names no operation of {}.",
                        Op::SERVICE.signing_name()
                    ),
                )
            })
    }
}

impl Protocol for AwsJson {
    fn content_type(&self) -> HeaderValue {
        HeaderValue::from_static(self.content_type)
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

    /// The media type stays, the body is empty: "an HTTP 200 response with an empty HTTP body".
    fn write_nothing(&self, _: Answered) -> Option<Bytes> {
        Some(Bytes::new())
    }

    fn refuse(&self, error: ServiceError, _: RequestId) -> Response<Body> {
        let mut response = Response::new(write_error(&error, Some("__type")).into());
        *response.status_mut() = error.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, self.content_type());
        headers.extend(error.headers);
        response
    }

    fn validation_code(&self) -> &'static str {
        self.validation_code
    }
}
