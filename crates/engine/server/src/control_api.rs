//! The control API: what AWS has no word for. Its schema is the crate `control`.

mod images;

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use control::{Health, InvocationFigures, ServedOperation};
use http::header::{ALLOW, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderValue, Method, Response, StatusCode};
use http_body::Frame;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use wire::BrokenOff;

use crate::activity::Ongoing;
use crate::shared::{Body, Shared};

/// Below this path lie packages, for who was told their location.
const CODE_PATH: &str = "/_lambdalab/v1/code/";

/// Whether a request is for this API: no bucket and no operation of AWS's begins like this.
pub(crate) fn owns(path: &str) -> bool {
    path == "/_lambdalab" || path.starts_with("/_lambdalab/")
}

/// Serves a page; `local` says whether the caller is somebody on this machine. Other machines,
/// functions, and web pages that have a name of their own lead here, see only whether the engine is
/// well and the packages that they know the token of: requests for these pages carry no signature
/// that could be verified.
pub(crate) async fn serve(
    shared: &Shared,
    parts: &Parts,
    body: Incoming,
    local: bool,
) -> Response<Body> {
    let path = parts.uri.path();
    if parts.method != Method::GET && path != control::IMAGES_PATH {
        return not_allowed("GET");
    }
    let for_all = path == control::HEALTH_PATH || path.starts_with(CODE_PATH);
    let is_own = local && shared.access.is_for_own_host(parts);
    if !for_all && !is_own {
        return message(
            StatusCode::FORBIDDEN,
            "this page is served only on the engine's own machine",
        );
    }
    match path {
        control::HEALTH_PATH => json(StatusCode::OK, &health(shared)),
        control::OPERATIONS_PATH => json(StatusCode::OK, &operations()),
        control::CAPACITY_PATH => json(StatusCode::OK, &shared.services.lambda.capacity()),
        control::MEASURES_PATH => json(StatusCode::OK, &shared.measures),
        control::IMAGES_PATH => images::serve(shared, parts, body).await,
        control::LEASE_PATH => {
            let lease = Lease {
                _ongoing: shared.activity.begin(),
            };
            Response::new(lease.boxed_unsync())
        }
        path => {
            if let Some(digest) = path.strip_prefix(CODE_PATH) {
                package(shared, digest, parts.uri.query()).await
            } else if let Some(id) = path.strip_prefix(control::INVOCATIONS_PATH) {
                invocation(shared, id)
            } else {
                message(StatusCode::NOT_FOUND, "there is no such page")
            }
        }
    }
}

fn health(shared: &Shared) -> Health {
    Health {
        status: "ok".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        pid: std::process::id(),
        environments: shared.services.lambda.environments(),
        invocations: shared.services.lambda.invocations(),
        events: shared.services.lambda.events(),
        destination_delivery_failures: shared.services.lambda.destination_delivery_failures(),
        log_events_removed: shared.services.logs.events_removed(),
        spans_dropped: shared.tracer.dropped(),
    }
}

fn operations() -> Vec<ServedOperation> {
    wire::operations()
        .map(|(service, operation, served)| ServedOperation {
            service: service.signing_name().to_owned(),
            operation: operation.to_owned(),
            served,
        })
        .collect()
}

fn invocation(shared: &Shared, id: &str) -> Response<Body> {
    let micros = |duration: Duration| u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
    let measured = id
        .parse()
        .ok()
        .and_then(|id| shared.services.lambda.measured(id));
    let Some(measured) = measured else {
        return message(
            StatusCode::NOT_FOUND,
            "no recent invocation has this request id",
        );
    };
    let figures = InvocationFigures {
        request_id: id.to_owned(),
        function_arn: measured.function_arn.to_string(),
        version: measured.version.to_string(),
        environment: measured.environment.to_string(),
        duration_us: micros(measured.duration),
        init_us: measured.init.map(micros),
        peak_memory_bytes: measured.peak_bytes,
        oversubscribed: measured.oversubscribed,
    };
    json(StatusCode::OK, &figures)
}

async fn package(shared: &Shared, digest: &str, query: Option<&str>) -> Response<Body> {
    let token = query
        .and_then(|query| query.strip_prefix("token="))
        .unwrap_or_default();
    let Some(package) = shared.services.lambda.package(digest, token).await else {
        return message(StatusCode::NOT_FOUND, "there is no such package");
    };
    let mut answer = Response::new(wire::Body::from(package).boxed_unsync());
    answer
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/zip"));
    answer
}

fn not_allowed(allowed: &'static str) -> Response<Body> {
    let text = format!("only {allowed} is served here");
    let mut refusal = message(StatusCode::METHOD_NOT_ALLOWED, &text);
    let allowed = HeaderValue::from_static(allowed);
    refusal.headers_mut().insert(ALLOW, allowed);
    refusal
}

fn json(status: StatusCode, document: &impl serde::Serialize) -> Response<Body> {
    let body = serde_json::to_vec(document).unwrap_or_default();
    let mut answer = Response::new(wire::Body::from(Bytes::from(body)).boxed_unsync());
    *answer.status_mut() = status;
    answer
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    answer
}

fn message(status: StatusCode, text: &str) -> Response<Body> {
    json(status, &serde_json::json!({ "message": text }))
}

/// A body that never ends: the lease lasts as long as somebody reads it.
struct Lease {
    _ongoing: Ongoing,
}

impl http_body::Body for Lease {
    type Data = Bytes;
    type Error = BrokenOff;

    fn poll_frame(
        self: Pin<&mut Self>,
        _context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        Poll::Pending
    }
}
