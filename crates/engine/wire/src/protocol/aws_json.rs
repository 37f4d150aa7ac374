//! The documents, errors and routing of `json` 1.0 and 1.1.

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::request::Parts;
use http::{HeaderName, HeaderValue, Response, StatusCode};
use ids::RequestId;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::rest_json::{read, write, write_error};
use crate::protocol::{Answered, Head, Protocol, Request};
use crate::{Body, Limits, Named, ServiceError};

pub(super) const TARGET: HeaderName = HeaderName::from_static("x-amz-target");

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
        // Here the caller's mistakes are all 400, denials and unknown names too. What is left is
        // about the connection, and not the service's to say.
        *response.status_mut() = match error.status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::NOT_FOUND => {
                StatusCode::BAD_REQUEST
            }
            other => other,
        };
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, self.content_type());
        headers.extend(error.headers);
        response
    }

    fn validation_code(&self) -> &'static str {
        self.validation_code
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logs::{self, LogsOperation};

    fn head(target: Option<&str>) -> Result<LogsOperation, ServiceError> {
        let mut request = http::Request::post("/");
        if let Some(target) = target {
            request = request.header("X-Amz-Target", target);
        }
        let (parts, ()) = request.body(()).unwrap().into_parts();
        let (operation, _) = logs::head(&parts)?.with_body(Bytes::new())?;
        Ok(operation)
    }

    fn id() -> RequestId {
        RequestId::draw(&ids::SeededEntropy::new(1))
    }

    #[test]
    fn the_target_names_the_operation() {
        let found = head(Some("Logs_20140328.PutLogEvents"));
        assert_eq!(found.unwrap(), LogsOperation::PutLogEvents);
        for target in [
            None,
            Some("Logs_20140328"),
            Some("Logs_20140328.Brew"),
            Some("Logs_20140328.PutLogEvents."),
            Some("AWSStepFunctions.PutLogEvents"),
        ] {
            let error = head(target).unwrap_err();
            assert_eq!(error.code, "UnknownOperationException", "{target:?}");
            assert_eq!(error.status, 400);
        }
    }

    #[test]
    fn an_error_has_its_code_in_the_body() {
        let message = "The specified log group does not exist.";
        let error = logs::errors::resource_not_found_exception(message);
        let response = logs::PROTOCOL.refuse(error, id());
        assert_eq!(response.status(), 400);
        assert_eq!(
            response.headers()["content-type"],
            "application/x-amz-json-1.1"
        );
        assert_eq!(
            response.body().whole().unwrap(),
            &format!("{{\"__type\":\"ResourceNotFoundException\",\"message\":\"{message}\"}}")
        );
    }

    #[test]
    fn a_denial_is_a_bad_request_too() {
        let response = logs::PROTOCOL.refuse(ServiceError::access_denied(None), id());
        assert_eq!(response.status(), 400);
        let fault = logs::errors::service_unavailable_exception("later");
        assert_eq!(logs::PROTOCOL.refuse(fault, id()).status(), 500);
    }

    #[test]
    fn no_output_is_an_empty_body_of_the_same_type() {
        let of = Answered {
            operation: "CreateLogGroup",
            request_id: id(),
        };
        let response = crate::protocol::encode(&logs::PROTOCOL, (), 200, of).unwrap();
        assert_eq!(
            response.headers()["content-type"],
            "application/x-amz-json-1.1"
        );
        assert!(response.body().whole().unwrap().is_empty());
    }

    #[test]
    fn the_service_names_its_violations() {
        let input = logs::CreateLogGroupRequest::default();
        let error = logs::PROTOCOL.check(&input).unwrap_err();
        assert_eq!(error.code, "InvalidParameterException");
        assert_eq!(
            error.message.unwrap(),
            "1 validation error detected: Value null at 'logGroupName' failed to satisfy \
             constraint: Member must not be null"
        );
    }
}
