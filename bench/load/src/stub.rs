//! A bare Runtime API: hands out an invocation, waits for the answer, hands out the next.
//!
//! It keeps no state but the number of the invocation in flight, checks nothing and logs nothing,
//! so the time from handing out an invocation to having its whole answer is the floor for any
//! engine under the same runtime client.

use std::ffi::OsString;
use std::io;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use clap::Args;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use ids::{Clock, SystemClock};
use tokio::net::TcpListener;
use tokio::process::Command;
use tokio::sync::Notify;

use crate::sample::Sample;

/// A deadline in the year 2100, in milliseconds since the epoch.
const NEVER: &str = "4102444800000";

/// The function's name, as the runtime is told it.
const ARN: &str = "arn:aws:lambda:us-east-1:000000000000:function:stub";

/// Which runtime to start, and how often to invoke it.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The event
    #[arg(long, default_value = "{}")]
    payload: String,
    /// How many invocations are made before the measurement begins
    #[arg(long, default_value_t = 200)]
    warmup: u32,
    /// How many invocations are measured
    #[arg(long, default_value_t = 2000, value_parser = clap::value_parser!(u32).range(1..))]
    count: u32,
    /// How long everything may take, in seconds
    #[arg(long, default_value_t = 60.0)]
    seconds: f64,
    /// The runtime; it inherits the environment
    program: OsString,
    /// The runtime's arguments
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<OsString>,
}

/// Why there is no result.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StubError {
    #[error("cannot listen on loopback: {0}")]
    Listen(#[source] io::Error),
    #[error("cannot start {program:?}: {source}")]
    Start {
        program: OsString,
        source: io::Error,
    },
    #[error("the runtime ended before the measurement did: {0}")]
    Ended(ExitStatus),
    #[error("cannot wait for the runtime: {0}")]
    Wait(#[source] io::Error),
    #[error("the runtime took longer than {0} seconds")]
    TooSlow(f64),
    #[error("the runtime reported an error: {0}")]
    Function(String),
    #[error("no invocation was measured")]
    Nothing,
    #[error("cannot encode the result: {0}")]
    Encode(#[from] serde_json::Error),
}

/// Runs the measurement and returns the summary as JSON.
pub(crate) async fn run(options: Options) -> Result<String, StubError> {
    let listener = TcpListener::bind("127.0.0.1:0")
        .await
        .map_err(StubError::Listen)?;
    let address = listener.local_addr().map_err(StubError::Listen)?;
    let stub = Arc::new(Stub::new(&options));

    let mut runtime = Command::new(&options.program)
        .args(&options.arguments)
        .env("AWS_LAMBDA_RUNTIME_API", address.to_string())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .map_err(|source| StubError::Start {
            program: options.program.clone(),
            source,
        })?;

    let outcome = tokio::select! {
        error = accept(&listener, &stub) => Err(StubError::Listen(error)),
        () = stub.done.notified() => Ok(()),
        status = runtime.wait() => Err(match status {
            Ok(status) => StubError::Ended(status),
            Err(error) => StubError::Wait(error),
        }),
        () = tokio::time::sleep(Duration::from_secs_f64(options.seconds.max(0.0))) => {
            Err(StubError::TooSlow(options.seconds))
        }
    };
    runtime.kill().await.map_err(StubError::Wait)?;
    outcome?;
    stub.report()
}

/// Serves the runtime's connections; returns only when the listener fails.
async fn accept(listener: &TcpListener, stub: &Arc<Stub>) -> io::Error {
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => return error,
        };
        if let Err(error) = stream.set_nodelay(true) {
            return error;
        }
        let stub = stub.clone();
        let service = service_fn(move |request| {
            let stub = stub.clone();
            async move { stub.serve(request).await }
        });
        // A connection that breaks shows as a runtime that ends or takes too long.
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    }
}

/// The whole state of the Runtime API.
struct Stub {
    clock: SystemClock,
    event: Bytes,
    warmup: u32,
    count: u32,
    state: Mutex<State>,
    done: Notify,
}

#[derive(Default)]
struct State {
    /// Invocations handed out so far; the last one's number is its request id.
    handed_out: u32,
    /// When the invocation in flight was handed out.
    since: Duration,
    sample: Sample,
    error: Option<String>,
}

impl Stub {
    fn new(options: &Options) -> Self {
        Self {
            clock: SystemClock::new(),
            event: Bytes::copy_from_slice(options.payload.as_bytes()),
            warmup: options.warmup,
            count: options.count,
            state: Mutex::default(),
            done: Notify::new(),
        }
    }

    async fn serve(
        &self,
        request: Request<Incoming>,
    ) -> Result<Response<Full<Bytes>>, hyper::Error> {
        let (parts, body) = request.into_parts();
        let path = parts.uri.path();
        if parts.method == Method::GET && path.ends_with("/invocation/next") {
            return Ok(self.next());
        }
        let body = body.collect().await?.to_bytes();
        let arrived = self.clock.monotonic();
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if path.ends_with("/response") {
            if state.handed_out > self.warmup {
                let latency = arrived.saturating_sub(state.since);
                state.sample.add(latency);
            }
            if state.handed_out >= self.warmup.saturating_add(self.count) {
                self.done.notify_one();
            }
        } else {
            state.error = Some(String::from_utf8_lossy(&body).into_owned());
            self.done.notify_one();
        }
        Ok(reply(
            StatusCode::ACCEPTED,
            Bytes::from_static(b"{\"status\":\"OK\"}"),
        ))
    }

    fn next(&self) -> Response<Full<Bytes>> {
        let mut response = reply(StatusCode::OK, self.event.clone());
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.handed_out += 1;
        let headers = response.headers_mut();
        headers.insert("lambda-runtime-aws-request-id", state.handed_out.into());
        headers.insert(
            "lambda-runtime-deadline-ms",
            HeaderValue::from_static(NEVER),
        );
        headers.insert(
            "lambda-runtime-invoked-function-arn",
            HeaderValue::from_static(ARN),
        );
        state.since = self.clock.monotonic();
        response
    }

    fn report(&self) -> Result<String, StubError> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(error) = state.error.take() {
            return Err(StubError::Function(error));
        }
        let summary = std::mem::take(&mut state.sample)
            .summary()
            .ok_or(StubError::Nothing)?;
        Ok(serde_json::to_string(&summary)?)
    }
}

fn reply(status: StatusCode, body: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
