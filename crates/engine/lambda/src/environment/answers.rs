//! What the APIs inside an environment have in common: how bodies are read and answers written.

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderValue, Response, StatusCode};
use http_body_util::{BodyExt, Collected, Full, LengthLimitError, Limited};
use hyper::body::Incoming;

use super::stage::Refusal;
use crate::invoke::failure::RESPONSE_LIMIT;

/// What is answered.
pub(super) type Answer = Response<Full<Bytes>>;

/// The whole of a body of up to `limit` bytes, with its trailers.
pub(super) async fn collected(body: Incoming, limit: usize) -> Result<Collected<Bytes>, Refusal> {
    match Limited::new(body, limit).collect().await {
        Ok(body) => Ok(body),
        Err(error) if error.is::<LengthLimitError>() => Err(Refusal::TooLarge),
        Err(_) => Err(Refusal::WrongState),
    }
}

/// The same without trailers.
pub(super) async fn whole(body: Incoming, limit: usize) -> Result<Bytes, Refusal> {
    Ok(collected(body, limit).await?.to_bytes())
}

/// How a report is acknowledged.
pub(super) fn settle(outcome: Result<(), Refusal>) -> Answer {
    match outcome {
        Ok(()) => json(
            StatusCode::ACCEPTED,
            Bytes::from_static(b"{\"status\":\"OK\"}\n"),
        ),
        Err(refusal) => refused(refusal),
    }
}

/// That a call is not possible where the runtime stands.
pub(super) fn refused(refusal: Refusal) -> Answer {
    match refusal {
        Refusal::UnknownRequest => refuse(
            StatusCode::BAD_REQUEST,
            "InvalidRequestID",
            "Invalid request ID",
        ),
        Refusal::WrongState => refuse(
            StatusCode::FORBIDDEN,
            "InvalidStateTransition",
            "State transition is not allowed",
        ),
        Refusal::TooLarge => refuse(
            StatusCode::PAYLOAD_TOO_LARGE,
            "RequestEntityTooLarge",
            &format!("Exceeded maximum allowed payload size ({RESPONSE_LIMIT} bytes)."),
        ),
    }
}

/// An error, as these APIs write it.
pub(super) fn refuse(status: StatusCode, error_type: &str, message: &str) -> Answer {
    let body = serde_json::json!({ "errorMessage": message, "errorType": error_type });
    json(status, Bytes::from(body.to_string()))
}

/// A document that is written already.
pub(super) fn json(status: StatusCode, body: Bytes) -> Answer {
    let length = body.len();
    let mut answer = Response::new(Full::new(body));
    *answer.status_mut() = status;
    answer
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    answer
        .headers_mut()
        .insert(CONTENT_LENGTH, HeaderValue::from(length));
    answer
}
