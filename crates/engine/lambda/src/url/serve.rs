//! From a request to the function and back.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response, StatusCode};
use tokio::task::JoinHandle;
use trace::Header;
use wire::lambda::InvokeMode;
use wire::protocol::RestJson;
use wire::{Body, BrokenOff, Limits as _, ServiceError};

use super::event::TRACE_ID;
use super::prelude::{self, Prelude};
use super::{FunctionUrl, JSON, UrlRequest, answer, event};
use crate::environment::outlet::{self, Link, Part, Parts};
use crate::function::status;
use crate::invoke::curtain::Stage;
use crate::invoke::spans::{self, Trigger};
use crate::invoke::{Finished, Job, broken_off};
use crate::service::Inner;

/// The type of a stream that does not say what it is.
const BYTES: HeaderValue = HeaderValue::from_static("application/octet-stream");

impl Inner {
    /// Answers a request, which its sender may make.
    pub(super) async fn serve_url(
        self: &Arc<Self>,
        url: &FunctionUrl,
        request: &UrlRequest<'_>,
    ) -> Response<Body> {
        let sent = request.parts.headers.get(TRACE_ID);
        let mut header = self.trace_of(sent, &url.target().key);
        let answered = self.answer(url, request, &mut header);
        let mut answer = match self.curtain.unless_fallen(answered).await {
            Ok(answer) => answer,
            Err(error) => error.into_response(&RestJson, request.id),
        };
        if let Ok(trace_id) = HeaderValue::try_from(header.to_string()) {
            answer.headers_mut().insert(TRACE_ID, trace_id);
        }
        answer
    }

    async fn answer(
        self: &Arc<Self>,
        url: &FunctionUrl,
        request: &UrlRequest<'_>,
        header: &mut Header,
    ) -> Result<Response<Body>, ServiceError> {
        let target = url.target();
        let version = self.resolve(&target).await?;
        status::check_invocable(version.record.live().0)?;
        let configuration = version.record.live().0;
        header
            .sampled
            .get_or_insert_with(|| spans::is_active(configuration));
        let now = self.clock.now();
        let payload = event::of(url, request, &header.to_string(), now)
            .map_err(|error| ServiceError::internal(format!("the event is no JSON: {error}")))?;
        let operation = Some(wire::lambda::LambdaOperation::Invoke);
        let limit = wire::lambda::LambdaOperation::body_limit(operation, &http::HeaderMap::new());
        if payload.len() > limit {
            return Err(ServiceError::too_large("InvokeFunction", limit));
        }
        let job = Job {
            id: request.id,
            payload: payload.into(),
            client_context: None,
            trace: header.clone(),
            trigger: Trigger::Url,
            arrived: now,
            invoked_arn: target.arn().into(),
            with_log: false,
        };
        let streams = url.0.record.invoke_mode == Some(InvokeMode::ResponseStream);
        let (link, parts) = match streams {
            true => {
                let (link, parts) = outlet::link();
                (Some::<Link>(link), Some(parts))
            }
            false => (None, None),
        };
        let running = self
            .begin_version(&target, version, job, link)
            .await?
            .running;
        match parts {
            Some(parts) => streamed(parts, running, self.curtain.stage()).await,
            None => {
                let finished = running.await.map_err(|error| broken_off(&error))?;
                let whole = finished.answer.ok();
                Ok(whole
                    .and_then(|payload| answer::read(&payload).ok())
                    .unwrap_or_else(failed))
            }
        }
    }
}

/// What a client is told of a function that failed, or answered what is no response.
fn failed() -> Response<Body> {
    let mut answer = Response::new(Bytes::from_static(b"Internal Server Error").into());
    *answer.status_mut() = StatusCode::BAD_GATEWAY;
    answer.headers_mut().insert(CONTENT_TYPE, JSON);
    answer
}

/// The answer of a URL that streams. Its head goes out with the first bytes of its body, so that a
/// function which fails before it has said anything is told as one that failed.
async fn streamed(
    mut parts: Parts,
    running: JoinHandle<Finished>,
    stage: Stage,
) -> Result<Response<Body>, ServiceError> {
    let Some(Part::Head(kind)) = parts.recv().await else {
        // It answers as a whole, which this kind of URL passes on as it is.
        let finished = running.await.map_err(|error| broken_off(&error))?;
        return Ok(match finished.answer {
            Ok(payload) => {
                let mut answer = Response::new(payload.into());
                answer.headers_mut().insert(CONTENT_TYPE, JSON);
                answer
            }
            Err(_) => failed(),
        });
    };
    let has_prelude = kind.as_ref() == Some(&prelude::CONTENT_TYPE);
    let mut prelude = Prelude::default();
    let mut first = None;
    while let Some(part) = parts.recv().await {
        let Part::Data(bytes) = part else { continue };
        if !has_prelude {
            first = Some((Response::new(Body::Empty), bytes));
            break;
        }
        match prelude.take(&bytes) {
            Ok(Some(read)) => {
                first = Some(read);
                break;
            }
            Ok(None) => {}
            Err(_malformed) => return Ok(failed()),
        }
    }
    let (mut answer, first) = match first {
        Some(read) => read,
        // Nothing was written, or only half a prelude.
        None if has_prelude => return Ok(failed()),
        None => {
            let finished = running.await.map_err(|error| broken_off(&error))?;
            if finished.answer.is_err() {
                return Ok(failed());
            }
            let mut answer = Response::new(Body::Empty);
            answer
                .headers_mut()
                .insert(CONTENT_TYPE, kind.unwrap_or(BYTES));
            return Ok(answer);
        }
    };
    let kind = kind.filter(|_| !has_prelude).unwrap_or(BYTES);
    answer.headers_mut().entry(CONTENT_TYPE).or_insert(kind);
    let first = stream::iter((!first.is_empty()).then_some(Ok(first)));
    let rest = stream::unfold(Some((parts, running, stage)), next);
    *answer.body_mut() = Body::Stream(first.chain(rest).boxed());
    Ok(answer)
}

type Left = Option<(Parts, JoinHandle<Finished>, Stage)>;

/// The next bytes of a stream. One that the function did not end as it should is broken off: the
/// status has gone out, and there is no other way left to say it.
async fn next(left: Left) -> Option<(Result<Bytes, BrokenOff>, Left)> {
    let (mut parts, running, mut stage) = left?;
    loop {
        let part = tokio::select! {
            biased;
            part = parts.recv() => part,
            () = stage.over() => return Some((Err(BrokenOff), None)),
        };
        match part {
            Some(Part::Data(bytes)) => return Some((Ok(bytes), Some((parts, running, stage)))),
            Some(Part::Head(_)) => {}
            None => break,
        }
    }
    let in_order = tokio::select! {
        biased;
        ended = running => ended.is_ok_and(|finished| finished.answer.is_ok()),
        () = stage.over() => false,
    };
    (!in_order).then_some((Err(BrokenOff), None))
}
