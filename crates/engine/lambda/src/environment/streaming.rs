//! Answers that a runtime streams: chunks as the body, and what went wrong in the trailers.
//!
//! <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-custom.html#runtimes-custom-response-streaming>

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use ids::RequestId;

use super::Environment;
use super::outlet::{Outlet, Part};
use super::prompt::Prompt;
use super::stage::Refusal;
use crate::invoke::failure::{Failure, STREAM_LIMIT};

const MODE: &str = "lambda-runtime-function-response-mode";
pub(super) const ERROR_TYPE: &str = "lambda-runtime-function-error-type";
const ERROR_BODY: &str = "lambda-runtime-function-error-body";

/// How long a process may take to end after its connection: a crash breaks streams off too, and is
/// to be told as one.
const END: Duration = Duration::from_secs(1);

/// Whether a runtime says that it streams its answer.
pub(super) fn is_asked(headers: &HeaderMap) -> bool {
    headers.get(MODE).is_some_and(|mode| mode == "streaming")
}

/// Hands the answer to invocation `id` on as it comes, and ends the invocation with it.
pub(super) async fn forward(
    environment: &Arc<Environment>,
    id: RequestId,
    (outlet, prompt): (Outlet, &Prompt),
    headers: &HeaderMap,
    mut body: Incoming,
) -> Result<(), Refusal> {
    let content_type = headers.get(CONTENT_TYPE).cloned();
    outlet.put(Part::Head(content_type)).await;
    let mut left = STREAM_LIMIT;
    let mut failure = None;
    loop {
        prompt.acknowledge();
        let Some(frame) = body.frame().await else {
            break;
        };
        let Ok(frame) = frame else {
            tokio::spawn(fail_if_it_lives(Arc::clone(environment), id));
            return Err(Refusal::WrongState);
        };
        match frame.into_data() {
            Ok(data) if data.is_empty() => {}
            Ok(data) => {
                let Some(rest) = left.checked_sub(data.len()) else {
                    let _ended_meanwhile = environment.fail(id, Failure::StreamTooLarge);
                    return Err(Refusal::TooLarge);
                };
                left = rest;
                outlet.put(Part::Data(data)).await;
            }
            Err(frame) => failure = failed(frame.trailers_ref()),
        }
    }
    match failure {
        Some(failure) => environment.fail(id, failure),
        None => environment.respond(id, Bytes::new()),
    }
}

/// Fails an invocation whose stream was broken off, unless its process has ended by then.
async fn fail_if_it_lives(environment: Arc<Environment>, id: RequestId) {
    environment.clock.sleep(END).await;
    let _ended_meanwhile = environment.fail(id, Failure::StreamBroken);
}

/// What a runtime says behind its answer, where the function failed on the way.
pub(super) fn failed(trailers: Option<&HeaderMap>) -> Option<Failure> {
    let trailers = trailers?;
    let error_type = trailers.get(ERROR_TYPE)?.to_str().ok()?.to_owned();
    let document = trailers.get(ERROR_BODY).map(HeaderValue::as_bytes);
    let document = document.and_then(|encoded| BASE64_STANDARD.decode(encoded).ok());
    Some(Failure::Reported {
        error_type: Some(error_type),
        payload: document.unwrap_or_default().into(),
        in_init: false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_that_ends_in_an_error_is_a_failure() {
        let mut trailers = HeaderMap::new();
        assert_eq!(failed(Some(&trailers)), None);
        trailers.insert(ERROR_TYPE, HeaderValue::from_static("RangeError"));
        trailers.insert(ERROR_BODY, HeaderValue::from_static("e30="));
        let failure = Failure::Reported {
            error_type: Some("RangeError".to_owned()),
            payload: Bytes::from_static(b"{}"),
            in_init: false,
        };
        assert_eq!(failed(Some(&trailers)), Some(failure));
        assert_eq!(failed(None), None);
    }
}
