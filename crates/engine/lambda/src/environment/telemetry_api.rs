//! Subscribing to telemetry, beside the Extensions API.
//!
//! <https://docs.aws.amazon.com/lambda/latest/dg/telemetry-api-reference.html>.

use std::sync::Arc;

use bytes::Bytes;
use http::request::Parts;
use http::{Method, StatusCode};
use hyper::body::Incoming;

use super::Environment;
use super::answers::{self, Answer, refuse};
use super::extensions_api::identified;
use super::telemetry::subscription::Subscription;

/// Where it is served.
pub(super) const PATH: &str = "/2022-07-01/telemetry";

/// The longest body of a subscription that is taken.
const BODY_LIMIT: usize = 64 << 10;

/// Answers a request for [`PATH`].
pub(super) async fn handle(environment: &Arc<Environment>, head: &Parts, body: Incoming) -> Answer {
    if head.method != Method::PUT {
        return refuse(StatusCode::NOT_FOUND, "UnknownPath", "404 page not found");
    }
    let id = match identified(environment, &head.headers) {
        Ok(id) => id,
        Err(stranger) => return stranger.answer(),
    };
    let body = match answers::whole(body, BODY_LIMIT).await {
        Ok(body) => body,
        Err(refusal) => return answers::refused(refusal),
    };
    let subscription = match Subscription::read(&body) {
        Ok(subscription) => subscription,
        Err(invalid) => {
            let message = invalid.to_string();
            return refuse(StatusCode::BAD_REQUEST, "ValidationError", &message);
        }
    };
    match environment.subscribe(id, subscription) {
        Ok(()) => answers::json(StatusCode::OK, Bytes::from_static(b"\"OK\"")),
        Err(_closed) => refuse(
            StatusCode::FORBIDDEN,
            "Telemetry.SubscriptionClosed",
            "Telemetry API subscription is closed already",
        ),
    }
}
