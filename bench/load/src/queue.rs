//! Messages of a queue: callers in a closed loop, each of which sends ten, receives up to ten, and
//! deletes what it has received. What counts is what was deleted.

use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use clap::Args;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, Uri};
use http_body_util::Full;
use hyper::client::conn::http1::SendRequest;
use ids::{Clock, SystemClock};
use serde::Deserialize;
use serde_json::json;
use tokio::sync::Barrier;
use tokio::task::LocalSet;

use crate::load::{LoadError, Loop, Template, connect, report_of};
use crate::sample::Sample;

/// How many messages a batch has, which is as many as it may have.
const BATCH: usize = 10;

/// Messages of one queue.
#[derive(Debug, Args)]
pub(crate) struct Messages {
    /// URL of the queue
    #[arg(long)]
    queue_url: String,
    /// How many bytes each message has
    #[arg(long, default_value_t = 100)]
    size: usize,
    #[command(flatten)]
    repeat: Loop,
}

/// The three requests.
struct Requests {
    queue_url: String,
    sending: Bytes,
    send: Template,
    receive: Template,
    delete: Template,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Received {
    #[serde(default)]
    messages: Vec<Message>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Message {
    receipt_handle: String,
}

/// What one caller has done.
struct Done {
    begin: Duration,
    end: Duration,
    deleted: usize,
    rounds: Sample,
}

impl Messages {
    /// Runs the load and returns the report as JSON: messages a second, and how long a round takes.
    pub(crate) async fn run(self) -> Result<String, LoadError> {
        let requests = Rc::new(Requests::new(&self)?);
        let repeat = Rc::new(self.repeat);
        let clock = Rc::new(SystemClock::new());
        let start = Rc::new(Barrier::new(repeat.callers as usize));
        let callers = LocalSet::new();
        let tasks: Vec<_> = (0..repeat.callers)
            .map(|_| {
                let (repeat, requests) = (Rc::clone(&repeat), Rc::clone(&requests));
                callers.spawn_local(call(repeat, requests, clock.clone(), start.clone()))
            })
            .collect();
        callers
            .run_until(async {
                let mut rounds = Sample::default();
                let (mut begin, mut end) = (Duration::MAX, Duration::ZERO);
                let mut deleted = 0;
                for task in tasks {
                    let done = task.await??;
                    begin = begin.min(done.begin);
                    end = end.max(done.end);
                    deleted += done.deleted;
                    rounds.merge(done.rounds);
                }
                report_of(repeat.callers, end.saturating_sub(begin), deleted, rounds)
            })
            .await
    }
}

async fn call(
    repeat: Rc<Loop>,
    requests: Rc<Requests>,
    clock: Rc<SystemClock>,
    start: Rc<Barrier>,
) -> Result<Done, LoadError> {
    // A caller that failed must still arrive, or the others would wait for it for ever.
    let ready = prepare(&repeat, &requests).await;
    start.wait().await;
    let mut connection = ready?;
    let begin = clock.monotonic();
    let deadline = begin + Duration::from_secs_f64(repeat.seconds.max(0.0));
    let mut done = Done {
        begin,
        end: begin,
        deleted: 0,
        rounds: Sample::default(),
    };
    for _ in 0..repeat.count {
        let sent = clock.monotonic();
        if sent >= deadline {
            break;
        }
        done.deleted += requests.round(&mut connection).await?;
        done.end = clock.monotonic();
        done.rounds.add(done.end.saturating_sub(sent));
    }
    Ok(done)
}

async fn prepare(
    repeat: &Loop,
    requests: &Requests,
) -> Result<SendRequest<Full<Bytes>>, LoadError> {
    let mut connection = connect(&repeat.address).await?;
    for _ in 0..repeat.warmup {
        requests.round(&mut connection).await?;
    }
    Ok(connection)
}

impl Requests {
    fn new(options: &Messages) -> Result<Self, LoadError> {
        let template = |operation: &'static str| {
            let address = &options.repeat.address;
            let path = Uri::from_static("/");
            let mut template = Template::new(address, Method::POST, path, "sqs", String::new())?;
            let json = HeaderValue::from_static("application/x-amz-json-1.0");
            template.headers.insert(CONTENT_TYPE, json);
            let operation = HeaderValue::from_static(operation);
            template.headers.insert("x-amz-target", operation);
            Ok::<_, LoadError>(template)
        };
        let entry =
            |id: usize| json!({"Id": id.to_string(), "MessageBody": "x".repeat(options.size)});
        let entries: Vec<_> = (0..BATCH).map(entry).collect();
        let sending = json!({"QueueUrl": options.queue_url, "Entries": entries});
        Ok(Self {
            queue_url: options.queue_url.clone(),
            sending: sending.to_string().into(),
            send: template("AmazonSQS.SendMessageBatch")?,
            receive: template("AmazonSQS.ReceiveMessage")?,
            delete: template("AmazonSQS.DeleteMessageBatch")?,
        })
    }

    /// One round; answers how many messages were deleted.
    async fn round(&self, connection: &mut SendRequest<Full<Bytes>>) -> Result<usize, LoadError> {
        let sent = self
            .send
            .send_body(connection, self.sending.clone())
            .await?;
        none_failed(&sent)?;
        let wanted = json!({"QueueUrl": self.queue_url, "MaxNumberOfMessages": BATCH});
        let answer = self
            .receive
            .send_body(connection, wanted.to_string().into())
            .await?;
        let received: Received =
            serde_json::from_slice(&answer).map_err(|_| unexpected(&answer))?;
        if received.messages.is_empty() {
            return Ok(0);
        }
        let entry = |(id, message): (usize, &Message)| json!({"Id": id.to_string(), "ReceiptHandle": message.receipt_handle});
        let entries: Vec<_> = received.messages.iter().enumerate().map(entry).collect();
        let deleting = json!({"QueueUrl": self.queue_url, "Entries": entries});
        let answer = self
            .delete
            .send_body(connection, deleting.to_string().into())
            .await?;
        none_failed(&answer)?;
        Ok(received.messages.len())
    }
}

/// Refuses a batch of which an entry failed.
fn none_failed(answer: &Bytes) -> Result<(), LoadError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Outcome {
        #[serde(default)]
        failed: Vec<serde_json::Value>,
    }
    match serde_json::from_slice(answer) {
        Ok(Outcome { failed }) if failed.is_empty() => Ok(()),
        _ => Err(unexpected(answer)),
    }
}

fn unexpected(answer: &Bytes) -> LoadError {
    LoadError::Answer(String::from_utf8_lossy(answer).into_owned())
}
