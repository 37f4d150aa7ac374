//! Requests into shapes and shapes into responses.
//!
//! Two things vary between AWS's protocols, and each has its seam:
//!
//! - *Where members travel.* The REST protocols spread them over path, query, headers and body;
//!   generated [`Input`] and [`Output`] implementations read and write those through [`Request`]
//!   and [`Reply`]. In the others (json 1.0 and 1.1, query) every member is in the body, so that
//!   an implementation is the body alone.
//! - *How a document and an error are written.* That is a [`Format`]; shapes implement serde, so a
//!   format is a serde format and an error envelope. [`RestJson`] is Lambda's.

mod request;
mod rest_json;
mod text;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderName, HeaderValue, Response, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::ServiceError;
use crate::validation::Validate;

pub use request::Request;
pub use rest_json::RestJson;
pub use text::Text;

/// How a protocol writes documents and errors.
pub trait Format {
    /// The media type of a document.
    const CONTENT_TYPE: HeaderValue;

    /// Reads a document; no bytes at all are an empty one.
    ///
    /// # Errors
    /// 400 when the bytes are no document of this shape.
    fn read<T: DeserializeOwned + Default>(body: &[u8]) -> Result<T, ServiceError>;

    /// Writes a document.
    ///
    /// # Errors
    /// An internal error when the shape cannot be written, such as a number that is not finite.
    fn write<T: Serialize>(document: &T) -> Result<Bytes, ServiceError>;

    /// The response that tells a client of this protocol about an error.
    fn encode_error(error: ServiceError) -> Response<Bytes>;
}

/// A shape that is an operation's input.
pub trait Input: Validate + Sized {
    /// Reads it from a request.
    ///
    /// # Errors
    /// 400 when the request is malformed.
    fn decode<F: Format>(request: &Request<'_>) -> Result<Self, ServiceError>;
}

/// A shape that is an operation's output.
pub trait Output {
    /// Writes it into a response.
    ///
    /// # Errors
    /// An internal error when it cannot be written.
    fn encode<F: Format>(self, reply: Reply) -> Result<Response<Bytes>, ServiceError>;
}

impl Output for () {
    fn encode<F: Format>(self, reply: Reply) -> Result<Response<Bytes>, ServiceError> {
        Ok(reply.payload(None))
    }
}

/// Reads and validates an operation's input. Takes the request, so that its body is gone, or
/// shared with the input, before the operation runs.
///
/// # Errors
/// 400 when the request is malformed or breaks a constraint.
#[expect(clippy::needless_pass_by_value, reason = "frees the body, see above")]
pub fn decode<F: Format, I: Input>(request: Request<'_>) -> Result<I, ServiceError> {
    let input = I::decode::<F>(&request)?;
    input.check()?;
    Ok(input)
}

/// Writes an operation's output; `status` is the operation's own.
///
/// # Errors
/// An internal error when it cannot be written.
pub fn encode<F: Format, O: Output>(
    output: O,
    status: u16,
) -> Result<Response<Bytes>, ServiceError> {
    let mut reply = Reply(Response::new(Bytes::new()));
    reply.status(Some(i32::from(status)));
    output.encode::<F>(reply)
}

/// A response that is being written.
#[derive(Debug)]
pub struct Reply(Response<Bytes>);

impl Reply {
    /// Sets the status from a member; none, or one that is no status, leaves the operation's own.
    pub fn status(&mut self, status: Option<i32>) {
        let status = status
            .and_then(|status| u16::try_from(status).ok())
            .and_then(|status| StatusCode::from_u16(status).ok());
        if let Some(status) = status {
            *self.0.status_mut() = status;
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
        self.0.headers_mut().insert(name, value);
        Ok(())
    }

    /// Ends with a document as the body.
    ///
    /// # Errors
    /// An internal error when it cannot be written.
    pub fn document<F: Format, T: Serialize>(
        mut self,
        document: &T,
    ) -> Result<Response<Bytes>, ServiceError> {
        if self.0.status() != StatusCode::NO_CONTENT {
            *self.0.body_mut() = F::write(document)?;
            self.0.headers_mut().insert(CONTENT_TYPE, F::CONTENT_TYPE);
        }
        Ok(self.0)
    }

    /// Ends with bytes as the body, untouched.
    #[must_use]
    pub fn payload(mut self, payload: Option<Bytes>) -> Response<Bytes> {
        if let Some(payload) = payload
            && self.0.status() != StatusCode::NO_CONTENT
        {
            *self.0.body_mut() = payload;
            self.0
                .headers_mut()
                .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(status: u16) -> Reply {
        let mut reply = Reply(Response::new(Bytes::new()));
        reply.status(Some(i32::from(status)));
        reply
    }

    #[test]
    fn no_content_has_no_body() {
        let response = reply(204).document::<RestJson, _>(&"x").unwrap();
        assert!(response.body().is_empty() && response.headers().is_empty());
        assert!(reply(204).payload(Some("x".into())).body().is_empty());
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
        assert_eq!(response.body().as_ptr(), payload.as_ptr());
    }
}
