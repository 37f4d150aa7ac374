//! Callers in a closed loop: each sends its next invocation when it has the answer to the last.

use std::io;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use clap::Args;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use ids::{Clock, SystemClock};
use serde::Serialize;
use tokio::net::TcpStream;
use tokio::sync::Barrier;
use tokio::task::LocalSet;

use crate::sample::{Sample, Summary};

/// From how many callers, and when to stop.
#[derive(Debug, Clone, Args)]
pub(crate) struct Loop {
    /// HOST:PORT of the engine
    #[arg(long)]
    pub(crate) address: String,
    /// How many callers there are
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=4096))]
    pub(crate) callers: u32,
    /// How many requests each caller makes before the measurement begins
    #[arg(long, default_value_t = 20)]
    pub(crate) warmup: u32,
    /// How many requests each caller makes at most
    #[arg(long, default_value_t = 1000)]
    pub(crate) count: u32,
    /// How long the measurement takes at most, in seconds
    #[arg(long, default_value_t = 10.0)]
    pub(crate) seconds: f64,
}

/// Invocations of a function.
#[derive(Debug, Args)]
pub(crate) struct Invocations {
    /// Name of the function
    #[arg(long)]
    function: String,
    /// The event
    #[arg(long, default_value = "{}")]
    payload: String,
    /// Invoke asynchronously: an answer only says that the event was accepted
    #[arg(long)]
    event: bool,
    #[command(flatten)]
    repeat: Loop,
}

/// Requests of any operation.
#[derive(Debug, Args)]
pub(crate) struct Requests {
    /// The method
    #[arg(long, default_value = "GET")]
    method: Method,
    /// Path and query
    #[arg(long)]
    path: Uri,
    /// The service that the request is signed for
    #[arg(long, default_value = "lambda")]
    service: String,
    /// The operation, where the service's protocol has it in X-Amz-Target
    #[arg(long)]
    operation: Option<String>,
    /// The body
    #[arg(long, default_value = "")]
    body: String,
    #[command(flatten)]
    repeat: Loop,
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
    #[error("no request can be made of this: {0}")]
    Request(#[from] http::Error),
    #[error("this is not a function's name: {0}")]
    Name(#[from] http::uri::InvalidUri),
    #[error("this is not the name of an operation: {0}")]
    Operation(#[from] http::header::InvalidHeaderValue),
    #[error("the engine answered {status}: {body}")]
    Refused { status: StatusCode, body: String },
    #[error("the function failed: {0}")]
    Function(String),
    #[error("a caller ended early: {0}")]
    Caller(#[from] tokio::task::JoinError),
    #[error("no invocation was measured: allow more time or a higher count")]
    Nothing,
    #[error("an answer is not what it should be: {0}")]
    Answer(String),
    #[error("cannot encode the result: {0}")]
    Encode(#[from] serde_json::Error),
}

impl Invocations {
    /// Runs the load and returns the report as JSON.
    pub(crate) async fn run(self) -> Result<String, LoadError> {
        let mut template = Template::new(
            &self.repeat.address,
            Method::POST,
            format!("/2015-03-31/functions/{}/invocations", self.function).try_into()?,
            "lambda",
            self.payload,
        )?;
        if self.event {
            let event = HeaderValue::from_static("Event");
            template.headers.insert("x-amz-invocation-type", event);
        }
        run(self.repeat, template).await
    }
}

impl Requests {
    /// Runs the load and returns the report as JSON.
    pub(crate) async fn run(self) -> Result<String, LoadError> {
        let mut template = Template::new(
            &self.repeat.address,
            self.method,
            self.path,
            &self.service,
            self.body,
        )?;
        if let Some(operation) = self.operation {
            template
                .headers
                .insert("x-amz-target", operation.try_into()?);
            let json = HeaderValue::from_static("application/x-amz-json-1.1");
            template.headers.insert(CONTENT_TYPE, json);
        }
        run(self.repeat, template).await
    }
}

async fn run(repeat: Loop, template: Template) -> Result<String, LoadError> {
    let callers = LocalSet::new();
    let (repeat, template) = (Rc::new(repeat), Rc::new(template));
    let clock = Rc::new(SystemClock::new());
    let start = Rc::new(Barrier::new(repeat.callers as usize));
    let tasks: Vec<_> = (0..repeat.callers)
        .map(|_| {
            let (repeat, template) = (Rc::clone(&repeat), Rc::clone(&template));
            callers.spawn_local(call(repeat, template, clock.clone(), start.clone()))
        })
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
            report(repeat.callers, end.saturating_sub(begin), sample)
        })
        .await
}

fn report(callers: u32, elapsed: Duration, sample: Sample) -> Result<String, LoadError> {
    let done = sample.len();
    report_of(callers, elapsed, done, sample)
}

/// The report of `done` things in that time, whatever the sample is of.
#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^52")]
pub(crate) fn report_of(
    callers: u32,
    elapsed: Duration,
    done: usize,
    sample: Sample,
) -> Result<String, LoadError> {
    let seconds = elapsed.as_secs_f64();
    let per_second = done as f64 / seconds.max(f64::EPSILON);
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
    repeat: Rc<Loop>,
    template: Rc<Template>,
    clock: Rc<SystemClock>,
    start: Rc<Barrier>,
) -> Result<Caller, LoadError> {
    // A caller that failed must still arrive, or the others would wait for it for ever.
    let ready = prepare(&repeat, &template).await;
    start.wait().await;
    let mut connection = ready?;

    let begin = clock.monotonic();
    let deadline = begin + Duration::from_secs_f64(repeat.seconds.max(0.0));
    let mut sample = Sample::default();
    let mut end = begin;
    for _ in 0..repeat.count {
        let sent = clock.monotonic();
        if sent >= deadline {
            break;
        }
        template.send(&mut connection).await?;
        end = clock.monotonic();
        sample.add(end.saturating_sub(sent));
    }
    Ok(Caller { begin, end, sample })
}

async fn prepare(
    repeat: &Loop,
    template: &Template,
) -> Result<SendRequest<Full<Bytes>>, LoadError> {
    let mut connection = connect(&repeat.address).await?;
    for _ in 0..repeat.warmup {
        template.send(&mut connection).await?;
    }
    Ok(connection)
}

pub(crate) async fn connect(address: &str) -> Result<SendRequest<Full<Bytes>>, LoadError> {
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

/// A prepared request; only cheap copies are made of it while measuring.
pub(crate) struct Template {
    method: Method,
    path: Uri,
    pub(crate) headers: HeaderMap,
    body: Bytes,
}

impl Template {
    pub(crate) fn new(
        address: &str,
        method: Method,
        path: Uri,
        service: &str,
        body: String,
    ) -> Result<Self, LoadError> {
        let mut headers = HeaderMap::new();
        headers.insert(HOST, HeaderValue::try_from(address)?);
        headers.insert(AUTHORIZATION, credentials(service).try_into()?);
        let octets = HeaderValue::from_static("application/octet-stream");
        headers.insert(CONTENT_TYPE, octets);
        Ok(Self {
            method,
            path,
            headers,
            body: body.into(),
        })
    }

    async fn send(&self, connection: &mut SendRequest<Full<Bytes>>) -> Result<(), LoadError> {
        self.send_body(connection, self.body.clone())
            .await
            .map(drop)
    }

    /// Sends another body than the prepared one; answers the answer's.
    pub(crate) async fn send_body(
        &self,
        connection: &mut SendRequest<Full<Bytes>>,
        body: Bytes,
    ) -> Result<Bytes, LoadError> {
        connection.ready().await?;
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = self.path.clone();
        *request.headers_mut() = self.headers.clone();
        let response = connection.send_request(request).await?;
        let status = response.status();
        let failed = response.headers().contains_key("x-amz-function-error");
        let body = response.into_body().collect().await?.to_bytes();
        if status.is_success() && !failed {
            return Ok(body);
        }
        let body = String::from_utf8_lossy(&body).into_owned();
        Err(if failed {
            LoadError::Function(body)
        } else {
            LoadError::Refused { status, body }
        })
    }
}

/// Emulators look at the form of this header alone; no engine on loopback verifies it by default.
fn credentials(service: &str) -> String {
    format!(
        "AWS4-HMAC-SHA256 Credential=bench/20260101/us-east-1/{service}/aws4_request, \
         SignedHeaders=host, Signature={}",
        "0".repeat(64)
    )
}
