//! The Lambda Runtime API, one server for each environment; beside it the Extensions API and the
//! Telemetry API.
//!
//! Paths, headers and status codes:
//! <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html>.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use ids::RequestId;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::Environment;
use super::answers::{Answer, collected, refuse, refused, settle, whole};
use super::extensions_api;
use super::prompt::Prompt;
use super::stage::Refusal;
use super::streaming::{self, ERROR_TYPE};
use super::telemetry_api;
use crate::invoke::event::Event;
use crate::invoke::failure::{Failure, RESPONSE_LIMIT};

const ROOT: &str = "/2018-06-01/runtime/";
/// By this header our client for Python says that it can be cloned, or why it cannot.
const CLONES: &str = "lambdalab-clones";
pub(super) const READY: &str = "ready";

/// How many connections a function may hold to its Runtime API; a runtime and each extension need one
/// or two.
const CONNECTION_LIMIT: usize = 64;
const ACCEPT_PAUSE: Duration = Duration::from_millis(20);
/// The longest error document that is taken.
const ERROR_LIMIT: usize = 1 << 20;

/// Serves the Runtime API of `environment` until the returned future is dropped.
pub(super) async fn serve(listener: TcpListener, environment: Arc<Environment>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept(), if connections.len() < CONNECTION_LIMIT => {
                let Ok((stream, _)) = accepted else {
                    // Out of descriptors: the next accept succeeds once one is closed.
                    environment.clock.sleep(ACCEPT_PAUSE).await;
                    continue;
                };
                let prompt = stream.set_nodelay(true).and_then(|()| Prompt::of(&stream));
                let prompt = match prompt {
                    Ok(prompt) => prompt,
                    Err(error) => {
                        tracing::debug!(%error, "the runtime's connection closed at once");
                        continue;
                    }
                };
                let environment = Arc::clone(&environment);
                connections.spawn(async move {
                    let service = service_fn(|request| handle(&environment, &prompt, request));
                    // No timer: between two requests of a runtime lies the function's run.
                    let outcome = http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                    if let Err(error) = outcome {
                        tracing::debug!(%error, "a connection of the runtime ended");
                    }
                });
            }
            Some(_ended) = connections.join_next() => {}
        }
    }
}

async fn handle(
    environment: &Arc<Environment>,
    prompt: &Prompt,
    request: Request<Incoming>,
) -> Result<Answer, Infallible> {
    let (head, body) = request.into_parts();
    let Some(path) = head.uri.path().strip_prefix(ROOT) else {
        if let Some(path) = head.uri.path().strip_prefix(extensions_api::ROOT) {
            return Ok(extensions_api::handle(environment, path, &head, body).await);
        }
        // Clients write it with a slash at the end and without.
        if head.uri.path().trim_end_matches('/') == telemetry_api::PATH {
            return Ok(telemetry_api::handle(environment, &head, body).await);
        }
        return Ok(refuse(
            StatusCode::NOT_FOUND,
            "UnknownPath",
            "404 page not found",
        ));
    };
    let answer = match (&head.method, path) {
        (&Method::GET, "invocation/next") => match environment.next_event().await {
            Ok(event) => event_answer(event),
            Err(refusal) => refused(refusal),
        },
        (&Method::GET, "restore/next") => {
            let clones = head.headers.get(CLONES).and_then(|it| it.to_str().ok());
            match environment.restore_next(clones).await {
                Ok(()) => Response::new(Full::default()),
                Err(refusal) => refused(refusal),
            }
        }
        (&Method::POST, "init/error" | "restore/error") if !environment.is_starting() => {
            refused(Refusal::WrongState)
        }
        (&Method::POST, "init/error" | "restore/error") => {
            let failure = reported(&head.headers, body, true).await;
            settle(failure.and_then(|failure| environment.init_error(failure)))
        }
        (&Method::POST, path) => invocation((environment, prompt), path, &head.headers, body).await,
        _ => refuse(StatusCode::NOT_FOUND, "UnknownPath", "404 page not found"),
    };
    Ok(answer)
}

async fn invocation(
    (environment, prompt): (&Arc<Environment>, &Prompt),
    path: &str,
    headers: &HeaderMap,
    body: Incoming,
) -> Answer {
    let parts = path
        .strip_prefix("invocation/")
        .and_then(|rest| rest.split_once('/'));
    let Some((id, verb @ ("response" | "error"))) = parts else {
        return refuse(StatusCode::NOT_FOUND, "UnknownPath", "404 page not found");
    };
    let Ok(id) = id.parse::<RequestId>() else {
        return refused(Refusal::UnknownRequest);
    };
    if let Err(refusal) = environment.check(id) {
        return refused(refusal);
    }
    if verb == "error" {
        let failure = reported(headers, body, false).await;
        // An error that is too large to be told is an error all the same.
        let refusal = failure.as_ref().err().copied();
        let failure = failure.unwrap_or(Failure::ResponseTooLarge);
        let outcome = environment.fail(id, failure);
        return settle(refusal.map_or(outcome, Err));
    }
    if streaming::is_asked(headers) {
        match environment.open_stream(id) {
            Ok(Some(outlet)) => {
                return settle(
                    streaming::forward(environment, id, (outlet, prompt), headers, body).await,
                );
            }
            // The caller takes the answer as a whole.
            Ok(None) => {}
            Err(refusal) => return refused(refusal),
        }
    }
    match collected(body, RESPONSE_LIMIT).await {
        Ok(body) => settle(match streaming::failed(body.trailers()) {
            Some(failure) => environment.fail(id, failure),
            None => environment.respond(id, body.to_bytes()),
        }),
        Err(Refusal::TooLarge) => {
            let _ended_meanwhile = environment.fail(id, Failure::ResponseTooLarge);
            refused(Refusal::TooLarge)
        }
        Err(refusal) => refused(refusal),
    }
}

async fn reported(headers: &HeaderMap, body: Incoming, in_init: bool) -> Result<Failure, Refusal> {
    let error_type = headers
        .get(ERROR_TYPE)
        .and_then(|v| v.to_str().ok())
        .map(str::to_owned);
    Ok(Failure::Reported {
        error_type,
        payload: whole(body, ERROR_LIMIT).await?,
        in_init,
    })
}

fn event_answer(event: Event) -> Answer {
    let mut answer = Response::new(Full::new(event.payload));
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let mut set = |name: &'static str, value: &str| {
        // The client context may hold any text: it goes out as the bytes that it is.
        if let Ok(value) = HeaderValue::from_bytes(value.as_bytes()) {
            headers.insert(name, value);
        }
    };
    set("lambda-runtime-aws-request-id", &event.id.to_string());
    set(
        "lambda-runtime-deadline-ms",
        &event.deadline.as_millis().to_string(),
    );
    set("lambda-runtime-invoked-function-arn", &event.invoked_arn);
    if let Some(trace_id) = &event.trace_id {
        set("lambda-runtime-trace-id", trace_id);
    }
    if let Some(context) = &event.client_context {
        set("lambda-runtime-client-context", context);
    }
    answer
}
