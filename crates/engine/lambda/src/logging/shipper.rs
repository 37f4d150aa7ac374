//! The queue of log lines, and the task that puts them into CloudWatch Logs.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ids::{EnvironmentId, RequestId, SharedClock, SharedEntropy, Timestamp};
use parking_lot::Mutex;
use serde_json::json;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use wire::logs::operations::{CreateLogGroup, CreateLogStream, PutLogEvents};
use wire::logs::{
    CreateLogGroupRequest, CreateLogStreamRequest, InputLogEvent, PutLogEventsRequest,
};
use wire::{Caller, Dispatch, Principal, ServiceError, ServicePrincipal, call};

use crate::deployment::Deployment;

/// What may wait, in bytes. Beyond it lines are dropped: a function that prints faster than a disk
/// writes must neither wait nor fill the memory.
const QUEUE_BYTES: usize = 32 << 20;

/// What an entry counts beside its text, in bytes.
const OVERHEAD: usize = 26;

/// How long lines are gathered before they are put: a stream gets the lines of one invocation in one
/// call, not one call a line.
const LINGER: Duration = Duration::from_millis(10);

/// What one call of PutLogEvents takes.
const BATCH_EVENTS: usize = 10_000;
const BATCH_BYTES: usize = 1_048_576;
const BATCH_SPAN: i64 = 23 * 3_600_000;

/// How many streams are written at a time.
const AT_A_TIME: usize = 32;

/// How often a put is tried that the service cannot take at the moment, and how long the first pause
/// is; each is twice the one before.
const TRIES: u32 = 6;
const PAUSE: Duration = Duration::from_millis(20);

/// A log stream to be written.
#[derive(Debug)]
pub(crate) struct Destination {
    /// The environment whose stream it is.
    pub(crate) environment: EnvironmentId,
    pub(crate) account: Arc<str>,
    pub(crate) region: Arc<str>,
    pub(crate) group: String,
    pub(crate) stream: String,
    /// Whether the lines say what was dropped as JSON.
    pub(crate) json: bool,
    /// Whether the stream was made.
    made: AtomicBool,
}

impl Destination {
    /// The stream of that name in the log group of `deployment`.
    pub(crate) fn of(environment: EnvironmentId, deployment: &Deployment, stream: String) -> Self {
        Self {
            environment,
            account: Arc::clone(&deployment.key.account),
            region: Arc::clone(&deployment.key.region),
            group: deployment.logging.group.clone(),
            stream,
            json: deployment.logging.json,
            made: AtomicBool::new(false),
        }
    }
}

/// A line and its time, in milliseconds since the epoch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) time: i64,
    pub(crate) text: String,
}

/// Takes lines and has them put. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Shipper {
    queue: Arc<Queue>,
}

#[derive(Debug, Default)]
struct Queue {
    state: Mutex<State>,
    /// Something has come, or nothing will any more.
    filled: Notify,
    /// Everything that had come was put.
    settled: Notify,
}

#[derive(Debug, Default)]
struct State {
    parcels: HashMap<EnvironmentId, Parcel>,
    bytes: usize,
    /// Whether parcels are on their way.
    shipping: bool,
    closed: bool,
}

/// What waits for one stream.
#[derive(Debug)]
struct Parcel {
    destination: Arc<Destination>,
    entries: Vec<Entry>,
    dropped: Dropped,
}

#[derive(Debug, Default, Clone, Copy)]
struct Dropped {
    records: usize,
    bytes: usize,
}

/// The other services, as the task reaches them.
#[derive(Clone)]
struct Logs {
    dispatch: Arc<dyn Dispatch>,
    clock: SharedClock,
    entropy: SharedEntropy,
}

impl Shipper {
    /// Starts the task that puts lines, on a tokio runtime.
    pub(crate) fn start(
        dispatch: Arc<dyn Dispatch>,
        clock: SharedClock,
        entropy: SharedEntropy,
    ) -> Self {
        let queue = Arc::<Queue>::default();
        let logs = Logs {
            dispatch,
            clock,
            entropy,
        };
        tokio::spawn(ship(Arc::clone(&queue), logs));
        Self { queue }
    }

    /// Queues a line, or drops it where too much waits already. Never blocks.
    pub(crate) fn push(&self, destination: &Arc<Destination>, entry: Entry) {
        let size = entry.text.len() + OVERHEAD;
        let mut state = self.queue.state.lock();
        if state.closed {
            return;
        }
        let fits = state.bytes + size <= QUEUE_BYTES;
        if fits {
            state.bytes += size;
        }
        let first = state.parcels.is_empty();
        let parcel = state
            .parcels
            .entry(destination.environment)
            .or_insert_with(|| Parcel {
                destination: Arc::clone(destination),
                entries: Vec::new(),
                dropped: Dropped::default(),
            });
        if fits {
            parcel.entries.push(entry);
        } else {
            parcel.dropped.records += 1;
            parcel.dropped.bytes += entry.text.len();
        }
        drop(state);
        if first {
            self.queue.filled.notify_one();
        }
    }

    /// Waits until everything that was queued before is put, or given up.
    pub(crate) async fn flush(&self) {
        loop {
            let settled = self.queue.settled.notified();
            if self.queue.state.lock().is_settled() {
                return;
            }
            settled.await;
        }
    }

    /// Takes no more lines; the task ends once it has put what waits.
    pub(crate) fn close(&self) {
        self.queue.state.lock().closed = true;
        self.queue.filled.notify_one();
    }
}

impl State {
    fn is_settled(&self) -> bool {
        self.parcels.is_empty() && !self.shipping
    }

    /// Takes everything that waits.
    fn take(&mut self) -> Vec<Parcel> {
        self.shipping = !self.parcels.is_empty();
        self.parcels.drain().map(|(_, parcel)| parcel).collect()
    }
}

async fn ship(queue: Arc<Queue>, logs: Logs) {
    loop {
        queue.filled.notified().await;
        if !queue.state.lock().closed {
            logs.clock.sleep(LINGER).await;
        }
        let parcels = queue.state.lock().take();
        let mut on_their_way = JoinSet::new();
        for parcel in parcels {
            if on_their_way.len() >= AT_A_TIME {
                on_their_way.join_next().await;
            }
            let (queue, logs) = (Arc::clone(&queue), logs.clone());
            on_their_way.spawn(async move {
                let freed = parcel.bytes();
                logs.deliver(parcel).await;
                queue.state.lock().bytes -= freed;
            });
        }
        while on_their_way.join_next().await.is_some() {}
        let ended = {
            let mut state = queue.state.lock();
            state.shipping = false;
            if !state.parcels.is_empty() {
                queue.filled.notify_one();
            }
            state.closed && state.parcels.is_empty()
        };
        queue.settled.notify_waiters();
        if ended {
            return;
        }
    }
}

impl Parcel {
    fn bytes(&self) -> usize {
        self.entries
            .iter()
            .map(|entry| entry.text.len() + OVERHEAD)
            .sum()
    }

    /// The line that says what is missing, where something is.
    fn complaint(&self, now: Timestamp) -> Option<Entry> {
        let Dropped { records, bytes } = self.dropped;
        if records == 0 {
            return None;
        }
        let reason = "The function writes its log faster than it can be stored.";
        let text = if self.destination.json {
            let record = json!({
                "droppedBytes": bytes,
                "droppedRecords": records,
                "reason": reason,
            });
            let time = now.iso_millis_z();
            format!(
                "{}\n",
                json!({"time": time, "type": "platform.logsDropped", "record": record})
            )
        } else {
            format!("LOGS\tName: Dropped\tRecords: {records}\tBytes: {bytes}\tReason: {reason}\n")
        };
        let last = self.entries.last().map_or(0, |entry| entry.time);
        let time = now.as_millis().max(last);
        Some(Entry { time, text })
    }
}

impl Logs {
    async fn deliver(&self, mut parcel: Parcel) {
        let complaint = parcel.complaint(self.clock.now());
        parcel.entries.extend(complaint);
        let destination = Arc::clone(&parcel.destination);
        for batch in batches(&parcel.entries) {
            if let Err(error) = self.put(&destination, batch).await {
                tracing::warn!(
                    %error,
                    group = destination.group,
                    stream = destination.stream,
                    records = batch.len(),
                    "log lines of a function were lost"
                );
            }
        }
    }

    async fn put(&self, to: &Destination, batch: &[Entry]) -> Result<(), ServiceError> {
        let mut pause = PAUSE;
        let mut tries = 0;
        loop {
            tries += 1;
            let outcome = self.try_put(to, batch).await;
            match outcome {
                // The group or the stream was deleted meanwhile.
                Err(error) if is(&error, "ResourceNotFoundException") && tries < TRIES => {
                    to.made.store(false, Ordering::Relaxed);
                }
                Err(error) if error.status.is_server_error() && tries < TRIES => {
                    self.clock.sleep(pause).await;
                    pause *= 2;
                }
                outcome => return outcome,
            }
        }
    }

    async fn try_put(&self, to: &Destination, batch: &[Entry]) -> Result<(), ServiceError> {
        if !to.made.load(Ordering::Relaxed) {
            self.make(to).await?;
            to.made.store(true, Ordering::Relaxed);
        }
        let events = batch.iter().map(|entry| InputLogEvent {
            timestamp: Some(entry.time),
            message: Some(entry.text.clone()),
        });
        let input = PutLogEventsRequest {
            log_group_name: Some(to.group.clone()),
            log_stream_name: Some(to.stream.clone()),
            log_events: Some(events.collect()),
            ..PutLogEventsRequest::default()
        };
        call::<PutLogEvents>(&*self.dispatch, self.caller(to), input)
            .await
            .map(drop)
    }

    /// Makes the stream, and the group where there is none.
    async fn make(&self, to: &Destination) -> Result<(), ServiceError> {
        match self.make_stream(to).await {
            Err(error) if is(&error, "ResourceNotFoundException") => {}
            outcome => return outcome,
        }
        let input = CreateLogGroupRequest {
            log_group_name: Some(to.group.clone()),
            ..CreateLogGroupRequest::default()
        };
        let made = call::<CreateLogGroup>(&*self.dispatch, self.caller(to), input).await;
        unless_there(made)?;
        self.make_stream(to).await
    }

    async fn make_stream(&self, to: &Destination) -> Result<(), ServiceError> {
        let input = CreateLogStreamRequest {
            log_group_name: Some(to.group.clone()),
            log_stream_name: Some(to.stream.clone()),
        };
        let made = call::<CreateLogStream>(&*self.dispatch, self.caller(to), input).await;
        unless_there(made)
    }

    fn caller(&self, to: &Destination) -> Caller {
        Caller {
            account: Arc::clone(&to.account),
            region: Arc::clone(&to.region),
            principal: Principal::Service(ServicePrincipal {
                name: "lambda.amazonaws.com".into(),
                source_arn: None,
                source_account: Some(Arc::clone(&to.account)),
            }),
            host: None,
            trace: None,
            request_id: RequestId::draw(&*self.entropy),
        }
    }
}

impl fmt::Debug for Logs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Logs(..)")
    }
}

fn is(error: &ServiceError, code: &str) -> bool {
    error.code == code
}

fn unless_there(made: Result<(), ServiceError>) -> Result<(), ServiceError> {
    match made {
        Err(error) if is(&error, "ResourceAlreadyExistsException") => Ok(()),
        made => made,
    }
}

/// The entries in parts that one call takes each.
fn batches(mut entries: &[Entry]) -> impl Iterator<Item = &[Entry]> {
    std::iter::from_fn(move || {
        let first = entries.first()?.time;
        let mut bytes = 0;
        let fitting = entries.iter().take(BATCH_EVENTS).take_while(|entry| {
            bytes += entry.text.len() + OVERHEAD;
            bytes <= BATCH_BYTES && entry.time - first <= BATCH_SPAN
        });
        let (batch, rest) = entries.split_at(fitting.count().max(1));
        entries = rest;
        Some(batch)
    })
}

#[cfg(test)]
pub(crate) mod testing;

#[cfg(test)]
mod tests;
