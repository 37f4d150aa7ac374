//! Requests into shapes and shapes into responses.
//!
//! Two things vary between AWS's protocols, and each has its seam:
//!
//! - *Where members travel.* The REST protocols spread them over path, query, headers and body;
//!   generated [`Input`] and [`Output`] implementations read and write those through [`Request`]
//!   and [`Reply`]. In the others every member is in the body, so that an implementation is the
//!   body alone.
//! - *How a document and an error are written, and what names the operation.* That is a
//!   [`Protocol`]. Shapes implement serde, so one is a serde format, an error envelope, and a way to
//!   read a request's [`Head`]. [`RestJson`] is Lambda's; [`AwsJson`] (json 1.0 and 1.1) CloudWatch
//!   Logs'; [`Query`] IAM's and STS's; [`JsonAndQuery`] SQS's, which takes either. What the model says of a service's protocol is in the value:
//!   each service's module has its own as `PROTOCOL`.

mod aws_json;
mod head;
mod json_and_query;
mod query;
mod request;
pub(crate) mod rest_json;
mod text;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderName, HeaderValue, Response, StatusCode};
use ids::RequestId;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::event_stream::{self, Event, EventStream};
use crate::validation::Validate;
use crate::{Body, ServiceError};

pub use aws_json::AwsJson;
pub use head::Head;
pub use json_and_query::{Element, JsonAndQuery, QueryError, QueryNames, Spoken};
pub use query::{Form, Query};
pub use request::Request;
pub use rest_json::RestJson;
pub use text::Text;

/// How a service writes documents and errors.
pub trait Protocol: Copy + Send + Sync + 'static {
    /// The media type of a document.
    fn content_type(&self) -> HeaderValue;

    /// Reads the document of a request; nothing at all is an empty one.
    ///
    /// # Errors
    /// 400 when there is no document of this shape.
    fn read<T: DeserializeOwned + Default>(&self, request: &Request<'_>)
    -> Result<T, ServiceError>;

    /// Writes a document.
    ///
    /// # Errors
    /// An internal error when the shape cannot be written, such as a number that is not finite.
    fn write<T: Serialize>(&self, document: &T, of: Answered) -> Result<Bytes, ServiceError>;

    /// The body of an operation without output; none where there is not even a media type.
    fn write_nothing(&self, of: Answered) -> Option<Bytes>;

    /// The response that tells a client of this protocol about an error.
    fn refuse(&self, error: ServiceError, request_id: RequestId) -> Response<Body>;

    /// What the service calls an input that breaks a constraint.
    fn validation_code(&self) -> &'static str {
        "ValidationException"
    }

    /// Holds an input against the model.
    ///
    /// # Errors
    /// 400 that lists every violation.
    fn check<I: Validate>(&self, input: &I) -> Result<(), ServiceError> {
        input.check().map_err(|mut error| {
            error.code = self.validation_code().into();
            error
        })
    }
}

/// What an answer is to.
#[derive(Debug, Clone, Copy)]
pub struct Answered {
    /// The operation, by its name in the service's model.
    pub operation: &'static str,
    /// The request.
    pub request_id: RequestId,
}

/// A shape that is an operation's input.
pub trait Input: Validate + Sized {
    /// Reads it from a request.
    ///
    /// # Errors
    /// 400 when the request is malformed.
    fn decode<P: Protocol>(protocol: &P, request: &Request<'_>) -> Result<Self, ServiceError>;
}

/// A shape that is an operation's output.
pub trait Output {
    /// Writes it into a response.
    ///
    /// # Errors
    /// An internal error when it cannot be written.
    fn encode<P: Protocol>(
        self,
        protocol: &P,
        reply: Reply,
    ) -> Result<Response<Body>, ServiceError>;
}

impl Input for () {
    fn decode<P: Protocol>(_: &P, _: &Request<'_>) -> Result<Self, ServiceError> {
        Ok(())
    }
}

impl Output for () {
    fn encode<P: Protocol>(
        self,
        protocol: &P,
        reply: Reply,
    ) -> Result<Response<Body>, ServiceError> {
        Ok(reply.nothing(protocol))
    }
}

/// Reads and validates an operation's input. Takes the request, so that its body is gone, or
/// shared with the input, before the operation runs.
///
/// # Errors
/// 400 when the request is malformed or breaks a constraint.
#[expect(clippy::needless_pass_by_value, reason = "frees the body, see above")]
pub fn decode<P: Protocol, I: Input>(
    protocol: &P,
    request: Request<'_>,
) -> Result<I, ServiceError> {
    let input = I::decode(protocol, &request)?;
    protocol.check(&input)?;
    Ok(input)
}

/// Writes an operation's output; `status` is the operation's own.
///
/// # Errors
/// An internal error when it cannot be written.
pub fn encode<P: Protocol, O: Output>(
    protocol: &P,
    output: O,
    status: u16,
    of: Answered,
) -> Result<Response<Body>, ServiceError> {
    output.encode(protocol, Reply::new(status, of))
}

/// A response that is being written.
#[derive(Debug)]
pub struct Reply {
    response: Response<Body>,
    of: Answered,
}

impl Reply {
    fn new(status: u16, of: Answered) -> Self {
        let mut reply = Self {
            response: Response::default(),
            of,
        };
        reply.status(Some(i32::from(status)));
        reply
    }

    /// Sets the status from a member; none, or one that is no status, leaves the operation's own.
    pub fn status(&mut self, status: Option<i32>) {
        let status = status
            .and_then(|status| u16::try_from(status).ok())
            .and_then(|status| StatusCode::from_u16(status).ok());
        if let Some(status) = status {
            *self.response.status_mut() = status;
        }
    }

    /// Adds a member that travels as a header.
    ///
    /// # Errors
    /// An internal error when its text cannot be a header's value.
    pub fn header<T: Text>(
        &mut self,
        name: &'static str,
        member: Option<&T>,
    ) -> Result<(), ServiceError> {
        let Some(member) = member else {
            return Ok(());
        };
        let name = HeaderName::from_static(name);
        let value = HeaderValue::from_str(&member.write()).map_err(|_| {
            ServiceError::internal(format!(
                "the member of header {name} has control characters"
            ))
        })?;
        self.response.headers_mut().insert(name, value);
        Ok(())
    }

    /// Ends with a document as the body.
    ///
    /// # Errors
    /// An internal error when it cannot be written.
    pub fn document<P: Protocol, T: Serialize>(
        self,
        protocol: &P,
        document: &T,
    ) -> Result<Response<Body>, ServiceError> {
        if self.response.status() == StatusCode::NO_CONTENT {
            return Ok(self.response);
        }
        let body = protocol.write(document, self.of)?;
        Ok(self.with(body.into(), protocol.content_type()))
    }

    /// Ends with what the protocol says where there is no output.
    #[must_use]
    pub fn nothing<P: Protocol>(self, protocol: &P) -> Response<Body> {
        match protocol.write_nothing(self.of) {
            Some(body) if self.response.status() != StatusCode::NO_CONTENT => {
                self.with(body.into(), protocol.content_type())
            }
            _ => self.response,
        }
    }

    /// Ends with bytes as the body, untouched.
    #[must_use]
    pub fn payload(self, payload: Option<Bytes>) -> Response<Body> {
        match payload {
            Some(payload) if self.response.status() != StatusCode::NO_CONTENT => {
                self.with(payload.into(), HeaderValue::from_static("application/json"))
            }
            _ => self.response,
        }
    }

    /// Ends with a stream of events as the body.
    #[must_use]
    pub fn events<E: Event>(self, events: Option<EventStream<E>>) -> Response<Body> {
        if self.response.status() == StatusCode::NO_CONTENT {
            return self.response;
        }
        let body = event_stream::body(None, events.unwrap_or_default());
        self.with(body, event_stream::CONTENT_TYPE)
    }

    /// Ends with a stream of events whose first one carries the output's other members. The
    /// protocols without a place for members in headers do it so.
    ///
    /// # Errors
    /// An internal error when those members cannot be written.
    pub fn events_after<P: Protocol, T: Serialize, E: Event>(
        self,
        protocol: &P,
        document: &T,
        events: Option<EventStream<E>>,
    ) -> Result<Response<Body>, ServiceError> {
        let first = protocol.write(document, self.of)?;
        let first = event_stream::initial_response(first, &protocol.content_type())?;
        let body = event_stream::body(Some(first), events.unwrap_or_default());
        Ok(self.with(body, event_stream::CONTENT_TYPE))
    }

    fn with(mut self, body: Body, content_type: HeaderValue) -> Response<Body> {
        *self.response.body_mut() = body;
        self.response
            .headers_mut()
            .insert(CONTENT_TYPE, content_type);
        self.response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(status: u16) -> Reply {
        Reply::new(
            status,
            Answered {
                operation: "Test",
                request_id: RequestId::draw(&ids::SeededEntropy::new(1)),
            },
        )
    }

    #[test]
    fn no_content_has_no_body() {
        let response = reply(204).document(&RestJson, &"x").unwrap();
        assert!(matches!(response.body(), Body::Empty) && response.headers().is_empty());
        let response = reply(204).payload(Some("x".into()));
        assert!(matches!(response.body(), Body::Empty) && response.headers().is_empty());
    }

    #[test]
    fn a_status_that_is_none_is_left_out() {
        let mut reply = reply(202);
        reply.status(Some(70_000));
        reply.status(None);
        assert_eq!(reply.payload(None).status(), 202);
    }

    #[test]
    fn a_header_holds_no_line_break() {
        let mut reply = reply(200);
        let bad = "a\r\nb".to_owned();
        assert_eq!(reply.header("x-a", Some(&bad)).unwrap_err().status, 500);
        reply.header("x-a", Some(&7)).unwrap();
        assert_eq!(reply.payload(None).headers()["x-a"], "7");
    }

    #[test]
    fn a_payload_is_not_copied() {
        let payload = Bytes::from(vec![b'1'; 64]);
        let response = reply(200).payload(Some(payload.clone()));
        assert_eq!(response.body().whole().unwrap().as_ptr(), payload.as_ptr());
    }
}
