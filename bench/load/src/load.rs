//! Callers in a closed loop: each sends its next invocation when it has the answer to the last.

use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use clap::Args;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use http::{HeaderMap, HeaderValue, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use ids::{Clock, SystemClock};
use serde::Serialize;
use tokio::net::TcpStream;
use tokio::sync::Barrier;
use tokio::task::LocalSet;

use crate::sample::{Sample, Summary};

/// Emulators look at the form of this header alone; no engine on loopback verifies it by default.
const CREDENTIALS: &str = "AWS4-HMAC-SHA256 Credential=bench/20260101/us-east-1/lambda/aws4_request, \
                           SignedHeaders=host, Signature=0000000000000000000000000000000000000000000000000000000000000000";

/// What to send, from how many callers, and when to stop.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// HOST:PORT of the engine
    #[arg(long)]
    address: String,
    /// Name of the function
    #[arg(long)]
    function: String,
    /// The event
    #[arg(long, default_value = "{}")]
    payload: String,
    /// How many callers there are
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=4096))]
    callers: u32,
    /// How many invocations each caller makes before the measurement begins
    #[arg(long, default_value_t = 20)]
    warmup: u32,
    /// How many invocations each caller makes at most
    #[arg(long, default_value_t = 1000)]
    count: u32,
    /// How long the measurement takes at most, in seconds
    #[arg(long, default_value_t = 10.0)]
    seconds: f64,
}

/// What is printed.
#[derive(Debug, Serialize)]
struct Report {
    callers: u32,
    seconds: f64,
    per_second: f64,
    latency: Summary,
}

/// Why there is no result.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LoadError {
    #[error("cannot connect to {address}: {source}")]
    Connect { address: String, source: io::Error },
    #[error("the connection failed: {0}")]
    Http(#[from] hyper::Error),
    #[error("this is not a function name or address: {0}")]
    Request(#[from] http::Error),
    #[error("the engine answered {status}: {body}")]
    Refused { status: StatusCode, body: String },
    #[error("the function failed: {0}")]
    Function(String),
    #[error("a caller ended early: {0}")]
    Caller(#[from] tokio::task::JoinError),
    #[error("no invocation was measured: allow more time or a higher count")]
    Nothing,
    #[error("cannot encode the result: {0}")]
    Encode(#[from] serde_json::Error),
}

/// Runs the load and returns the report as JSON.
pub(crate) async fn run(options: Options) -> Result<String, LoadError> {
    let callers = LocalSet::new();
    let options = Arc::new(options);
    let clock = Rc::new(SystemClock::new());
    let start = Rc::new(Barrier::new(options.callers as usize));
    let tasks: Vec<_> = (0..options.callers)
        .map(|_| callers.spawn_local(call(options.clone(), clock.clone(), start.clone())))
        .collect();
    callers
        .run_until(async {
            let mut sample = Sample::default();
            let (mut begin, mut end) = (Duration::MAX, Duration::ZERO);
            for task in tasks {
                let caller = task.await??;
                begin = begin.min(caller.begin);
                end = end.max(caller.end);
                sample.merge(caller.sample);
            }
            report(options.callers, end.saturating_sub(begin), sample)
        })
        .await
}

#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^52")]
fn report(callers: u32, elapsed: Duration, sample: Sample) -> Result<String, LoadError> {
    let seconds = elapsed.as_secs_f64();
    let per_second = sample.len() as f64 / seconds.max(f64::EPSILON);
    let latency = sample.summary().ok_or(LoadError::Nothing)?;
    let report = Report {
        callers,
        seconds,
        per_second,
        latency,
    };
    Ok(serde_json::to_string(&report)?)
}

/// What one caller saw.
struct Caller {
    begin: Duration,
    end: Duration,
    sample: Sample,
}

/// One caller: connects, warms up, waits for the others, measures.
async fn call(
    options: Arc<Options>,
    clock: Rc<SystemClock>,
    start: Rc<Barrier>,
) -> Result<Caller, LoadError> {
    // A caller that failed must still arrive, or the others would wait for it for ever.
    let ready = prepare(&options).await;
    start.wait().await;
    let (mut connection, invocation) = ready?;

    let begin = clock.monotonic();
    let deadline = begin + Duration::from_secs_f64(options.seconds.max(0.0));
    let mut sample = Sample::default();
    let mut end = begin;
    for _ in 0..options.count {
        let sent = clock.monotonic();
        if sent >= deadline {
            break;
        }
        invocation.send(&mut connection).await?;
        end = clock.monotonic();
        sample.add(end.saturating_sub(sent));
    }
    Ok(Caller { begin, end, sample })
}

async fn prepare(options: &Options) -> Result<(SendRequest<Full<Bytes>>, Invocation), LoadError> {
    let mut connection = connect(&options.address).await?;
    let invocation = Invocation::new(options)?;
    for _ in 0..options.warmup {
        invocation.send(&mut connection).await?;
    }
    Ok((connection, invocation))
}

async fn connect(address: &str) -> Result<SendRequest<Full<Bytes>>, LoadError> {
    let failed = |source| LoadError::Connect {
        address: address.to_owned(),
        source,
    };
    let stream = TcpStream::connect(address).await.map_err(failed)?;
    stream.set_nodelay(true).map_err(failed)?;
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // Its errors also reach the sender, which reports them.
    tokio::task::spawn_local(connection);
    Ok(sender)
}

/// A prepared call of Invoke; only cheap copies are made of it while measuring.
struct Invocation {
    path: http::Uri,
    headers: HeaderMap,
    payload: Bytes,
}

impl Invocation {
    fn new(options: &Options) -> Result<Self, http::Error> {
        let path = format!("/2015-03-31/functions/{}/invocations", options.function);
        let mut headers = HeaderMap::new();
        headers.insert(HOST, HeaderValue::try_from(&options.address)?);
        headers.insert(AUTHORIZATION, HeaderValue::from_static(CREDENTIALS));
        headers.insert(
            CONTENT_TYPE,
            HeaderValue::from_static("application/octet-stream"),
        );
        Ok(Self {
            path: path.try_into()?,
            headers,
            payload: Bytes::copy_from_slice(options.payload.as_bytes()),
        })
    }

    async fn send(&self, connection: &mut SendRequest<Full<Bytes>>) -> Result<(), LoadError> {
        connection.ready().await?;
        let mut request = Request::post(self.path.clone()).body(Full::new(self.payload.clone()))?;
        *request.headers_mut() = self.headers.clone();
        let response = connection.send_request(request).await?;
        let status = response.status();
        let failed = response.headers().contains_key("x-amz-function-error");
        let body = response.into_body().collect().await?.to_bytes();
        if status == StatusCode::OK && !failed {
            return Ok(());
        }
        let body = String::from_utf8_lossy(&body).into_owned();
        Err(if failed {
            LoadError::Function(body)
        } else {
            LoadError::Refused { status, body }
        })
    }
}
