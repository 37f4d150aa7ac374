//! Errors as AWS answers them.

use std::borrow::Cow;

use http::request::Parts;
use http::{HeaderName, HeaderValue, Response, StatusCode};
use ids::RequestId;
use serde_json::Value;

use crate::protocol::{Protocol, RestJson};
use crate::{Body, Service};

/// Whose mistake it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The caller's; sending it again does not help.
    Client,
    /// The service's; clients send it again.
    Server,
}

/// An error that an operation answers, before a protocol has encoded it.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{code}: {}", message.as_deref().unwrap_or("(no message)"))]
pub struct ServiceError {
    /// The error's name in the model: `ResourceNotFoundException`.
    pub code: Cow<'static, str>,
    /// What happened. AWS answers some errors, such as a denied cross-account access, without.
    pub message: Option<String>,
    /// The HTTP status.
    pub status: StatusCode,
    /// Whose mistake it was.
    pub fault: Fault,
    /// The member that holds the message: models spell it `message` or `Message`, shape by shape.
    pub message_member: &'static str,
    /// Further members of the error's shape, such as Lambda's `Type` and `Reason`.
    pub members: Vec<(&'static str, Value)>,
    /// Members that travel as headers, such as `Retry-After`.
    pub headers: Vec<(HeaderName, HeaderValue)>,
}

/// An error shape of a service's model. The generated `errors` modules hold one per shape.
#[derive(Debug, Clone, Copy)]
pub struct ErrorShape {
    /// The shape's name.
    pub code: &'static str,
    /// The status that the model gives it.
    pub status: u16,
    /// Whose mistake it is.
    pub fault: Fault,
    /// The member that holds the message.
    pub message_member: &'static str,
    /// Whether the shape has the member `Type`, which tells `User` from `Service` mistakes.
    pub typed: bool,
}

impl ErrorShape {
    /// An error of this shape.
    #[must_use]
    pub fn error(self, message: impl Into<String>) -> ServiceError {
        let mut error = ServiceError::new(self.code, self.status, message);
        error.fault = self.fault;
        error.message_member = self.message_member;
        if self.typed {
            let kind = match self.fault {
                Fault::Client => "User",
                Fault::Server => "Service",
            };
            error.members.push(("Type", kind.into()));
        }
        error
    }
}

impl ServiceError {
    /// An error that no model defines: only a code, a status and `{"message": …}`.
    ///
    /// A status outside 400 to 599 becomes 500.
    #[must_use]
    pub fn new(
        code: impl Into<Cow<'static, str>>,
        status: u16,
        message: impl Into<String>,
    ) -> Self {
        let status = StatusCode::from_u16(status)
            .ok()
            .filter(|status| status.is_client_error() || status.is_server_error())
            .unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Self {
            code: code.into(),
            message: Some(message.into()),
            status,
            fault: if status.is_server_error() {
                Fault::Server
            } else {
                Fault::Client
            },
            message_member: "message",
            members: Vec::new(),
            headers: Vec::new(),
        }
    }

    /// 400: the request breaks the model's constraints; see [`crate::validation`].
    #[must_use]
    pub fn validation(message: impl Into<String>) -> Self {
        Self::new("ValidationException", 400, message)
    }

    /// 400: the request cannot be read as the operation's input.
    #[must_use]
    pub fn serialization(message: impl Into<String>) -> Self {
        Self::new("SerializationException", 400, message)
    }

    /// 403: the caller may not do this. AWS often says no more than that.
    #[must_use]
    pub fn access_denied(message: Option<String>) -> Self {
        let mut error = Self::new("AccessDeniedException", 403, String::new());
        error.message = message;
        error.message_member = "Message";
        error
    }

    /// 404: no operation has this path.
    #[must_use]
    pub fn unknown_operation(method: &str, path: &str) -> Self {
        let mut error = Self::new(
            "UnknownOperationException",
            404,
            format!("No operation is served at {method} {path}."),
        );
        error.message_member = "Message";
        error
    }

    /// 413: the body is longer than the operation takes. `action` is the operation's name in
    /// IAM, which for `Invoke` is `InvokeFunction`.
    #[must_use]
    pub fn too_large(action: &str, limit: usize) -> Self {
        let mut error = Self::new(
            "RequestEntityTooLargeException",
            413,
            format!("Request must be smaller than {limit} bytes for the {action} operation"),
        );
        error.message_member = "Message";
        error
    }

    /// 400: AWS has this operation, this engine does not.
    ///
    /// A client error on purpose: SDKs send a 5xx again, several times, before they report it.
    #[must_use]
    pub fn not_served(service: &str, operation: &str) -> Self {
        Self::new(
            "UnsupportedOperationException",
            400,
            format!(
                "LambdaLab does not serve {service}:{operation}. `lambdalab api` lists what it serves."
            ),
        )
    }

    /// 500: the engine made a mistake.
    #[must_use]
    pub fn internal(message: impl Into<String>) -> Self {
        let mut error = Self::new("ServiceException", 500, message);
        error.message_member = "Message";
        error.members.push(("Type", "Service".into()));
        error
    }

    /// With a further member, in place of one of the same name.
    #[must_use]
    pub fn with_member(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        self.members.retain(|(present, _)| *present != name);
        self.members.push((name, value.into()));
        self
    }

    /// Without the member `name`: AWS leaves `Type` out of some answers.
    #[must_use]
    pub fn without_member(mut self, name: &str) -> Self {
        self.members.retain(|(present, _)| *present != name);
        self
    }

    /// With a further header.
    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// The error as the HTTP response to `request_id`.
    #[must_use]
    pub fn into_response<P: Protocol>(self, protocol: &P, request_id: RequestId) -> Response<Body> {
        protocol.refuse(self, request_id)
    }

    /// The error as `service` would say it to whoever sent that request.
    #[must_use]
    pub fn into_response_of(
        self,
        service: Service,
        parts: &Parts,
        request_id: RequestId,
    ) -> Response<Body> {
        match service {
            Service::Iam => self.into_response(&crate::iam::PROTOCOL, request_id),
            Service::Logs => self.into_response(&crate::logs::PROTOCOL, request_id),
            Service::Sts => self.into_response(&crate::sts::PROTOCOL, request_id),
            Service::Sqs => self.into_response(&crate::sqs::PROTOCOL.of(parts), request_id),
            Service::Lambda | Service::States | Service::S3 => {
                self.into_response(&RestJson, request_id)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn response(error: ServiceError) -> Response<Body> {
        error.into_response(&RestJson, RequestId::draw(&ids::SeededEntropy::new(1)))
    }

    fn body(error: ServiceError) -> Value {
        serde_json::from_slice(response(error).body().whole().unwrap()).unwrap()
    }

    #[test]
    fn the_shape_says_how_its_message_is_spelled() {
        let shape = |message_member| ErrorShape {
            code: "X",
            status: 404,
            fault: Fault::Client,
            message_member,
            typed: true,
        };
        assert_eq!(
            body(shape("Message").error("gone")),
            serde_json::json!({"Type": "User", "Message": "gone"})
        );
        assert_eq!(
            body(shape("message").error("gone").without_member("Type")),
            serde_json::json!({"message": "gone"})
        );
    }

    #[test]
    fn a_denial_may_keep_silent() {
        assert_eq!(
            body(ServiceError::access_denied(None)),
            serde_json::json!({"Message": null})
        );
    }

    #[test]
    fn the_code_travels_as_a_header() {
        let response = response(ServiceError::validation("no"));
        assert_eq!(response.status(), 400);
        assert_eq!(
            response.headers()["x-amzn-errortype"],
            "ValidationException"
        );
        assert_eq!(response.headers()["content-type"], "application/json");
    }

    #[test]
    fn a_success_is_no_error() {
        assert_eq!(ServiceError::new("X", 200, "").status, 500);
    }
}
