//! The way of spans to a collector: in batches, by OTLP over HTTP.
//!
//! One request carries the spans of one source, for that is what the exporter is made for; a batch of
//! many sources is several requests. Spans that cannot be delivered are dropped: the exporter has
//! tried again by then, as OTLP asks for.
//! <https://opentelemetry.io/docs/specs/otlp/#otlphttp>

use std::borrow::Cow;
use std::mem;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ids::{SharedClock, Timestamp};
use opentelemetry::trace::{SpanContext, SpanKind, Status, TraceFlags, TraceState};
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanExporter as _, SpanLinks};
use tokio::sync::{Notify, mpsc};

use crate::error::StartError;
use crate::{Kind, Source, Span, Value};

/// How many spans are sent at a time.
const BATCH: usize = 512;

/// How long spans gather before they are sent.
const INTERVAL: Duration = Duration::from_millis(500);

/// Where traces are taken, below the collector's address.
/// Source: <https://opentelemetry.io/docs/specs/otel/protocol/exporter/#endpoint-urls-for-otlphttp>.
const PATH: &str = "v1/traces";

/// The variables that choose another encoding than the usual one.
const ENCODINGS: [&str; 2] = [
    "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL",
    "OTEL_EXPORTER_OTLP_PROTOCOL",
];

/// The variables that say how many milliseconds a delivery may take, the foremost first, and what holds
/// where none does. Source: <https://opentelemetry.io/docs/specs/otel/protocol/exporter/#configuration-options>.
const TIME_LIMITS: [&str; 2] = [
    "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT",
    "OTEL_EXPORTER_OTLP_TIMEOUT",
];
const USUAL_TIME_LIMIT: Duration = Duration::from_secs(10);

/// How long a delivery may take, by what `variable` says of the environment's variables.
pub(crate) fn time_limit(variable: impl Fn(&str) -> Option<String>) -> Duration {
    let limit = TIME_LIMITS.iter().find_map(|name| {
        let milliseconds = variable(name)?.parse().ok();
        milliseconds.filter(|it| *it > 0)
    });
    limit.map_or(USUAL_TIME_LIMIT, Duration::from_millis)
}

/// Speaks OTLP to one collector.
#[derive(Debug)]
pub(crate) struct Exporter(SpanExporter);

impl Exporter {
    /// One whose deliveries take so long at most, all attempts included.
    pub(crate) fn new(endpoint: &str, time_limit: Duration) -> Result<Self, StartError> {
        // TLS takes ours, as everywhere in this program; somebody else may have chosen already.
        let _chosen = rustls::crypto::ring::default_provider().install_default();
        // The exporter leaves it to its client to break off an attempt that is not answered.
        let client = reqwest::Client::builder().timeout(time_limit).build()?;
        let mut builder = SpanExporter::builder()
            .with_http()
            .with_http_client(client)
            .with_timeout(time_limit)
            .with_endpoint(format!("{}/{PATH}", endpoint.trim_end_matches('/')));
        if ENCODINGS
            .iter()
            .all(|name| std::env::var_os(name).is_none())
        {
            builder = builder.with_protocol(Protocol::HttpBinary);
        }
        let exporter = builder.build().map_err(|error| StartError::Endpoint {
            endpoint: endpoint.to_owned(),
            reason: error.to_string(),
        })?;
        Ok(Self(exporter))
    }
}

/// What handing in and sending know of one another.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// How many spans never arrived.
    pub(crate) dropped: AtomicU64,
    /// No more spans come.
    pub(crate) closing: Notify,
}

/// Sends what is handed in.
#[derive(Debug)]
pub(crate) struct Sender {
    spans: mpsc::Receiver<Span>,
    exporter: Exporter,
    tally: Arc<Tally>,
    clock: SharedClock,
    scope: InstrumentationScope,
    /// Whether the last attempt failed: that is told once.
    failing: bool,
}

impl Sender {
    pub(crate) fn new(
        spans: mpsc::Receiver<Span>,
        exporter: Exporter,
        tally: Arc<Tally>,
        clock: SharedClock,
    ) -> Self {
        let scope = InstrumentationScope::builder("lambdalab")
            .with_version(env!("CARGO_PKG_VERSION"))
            .build();
        Self {
            spans,
            exporter,
            tally,
            clock,
            scope,
            failing: false,
        }
    }

    /// Until no more come.
    pub(crate) async fn run(mut self) {
        let mut batch = Vec::new();
        loop {
            tokio::select! {
                count = self.spans.recv_many(&mut batch, BATCH) => if count == 0 {
                    return;
                },
                () = self.tally.closing.notified() => {
                    self.spans.close();
                    continue;
                }
            }
            if batch.len() < BATCH && !self.spans.is_closed() {
                tokio::select! {
                    () = self.clock.sleep(INTERVAL) => {}
                    () = self.tally.closing.notified() => self.spans.close(),
                }
            }
            while batch.len() < BATCH
                && let Ok(span) = self.spans.try_recv()
            {
                batch.push(span);
            }
            self.send(mem::take(&mut batch)).await;
        }
    }

    async fn send(&mut self, batch: Vec<Span>) {
        let mut sources: Vec<(Arc<Source>, Vec<SpanData>)> = Vec::new();
        for span in batch {
            let source = Arc::clone(&span.source);
            let data = self.data(span);
            match sources.iter_mut().find(|(known, _)| *known == source) {
                Some((_, spans)) => spans.push(data),
                None => sources.push((source, vec![data])),
            }
        }
        for (source, spans) in sources {
            let attributes = source.attributes.iter().map(attribute);
            let resource = Resource::builder_empty()
                .with_attributes(attributes)
                .build();
            self.exporter.0.set_resource(&resource);
            let count = u64::try_from(spans.len()).unwrap_or(u64::MAX);
            match self.exporter.0.export(spans).await {
                Ok(()) => self.failing = false,
                Err(error) => {
                    self.tally.dropped.fetch_add(count, Ordering::Relaxed);
                    if !mem::replace(&mut self.failing, true) {
                        tracing::warn!(%error, "spans cannot be sent to the collector, and are dropped");
                    }
                }
            }
        }
    }

    fn data(&self, span: Span) -> SpanData {
        let (trace, id) = (span.trace.0.into(), span.id.0.into());
        let flags = TraceFlags::SAMPLED;
        SpanData {
            span_context: SpanContext::new(trace, id, flags, false, TraceState::NONE),
            parent_span_id: span
                .parent
                .map_or(opentelemetry::SpanId::INVALID, |parent| parent.0.into()),
            parent_span_is_remote: span.kind == Kind::Server,
            span_kind: match span.kind {
                Kind::Server => SpanKind::Server,
                Kind::Internal => SpanKind::Internal,
            },
            name: Cow::Owned(span.name.to_string()),
            start_time: time(span.began),
            end_time: time(span.ended),
            attributes: span.attributes.iter().map(attribute).collect(),
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links: SpanLinks::default(),
            status: span.failure.map_or(Status::Unset, Status::error),
            instrumentation_scope: self.scope.clone(),
        }
    }
}

fn attribute((name, value): &(&'static str, Value)) -> KeyValue {
    match value {
        Value::Text(text) => KeyValue::new(*name, text.clone()),
        Value::Number(number) => KeyValue::new(*name, *number),
        Value::Flag(flag) => KeyValue::new(*name, *flag),
    }
}

fn time(instant: Timestamp) -> SystemTime {
    UNIX_EPOCH + Duration::from_micros(u64::try_from(instant.0).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_limit_of_traces_comes_before_that_of_all() {
        let of = |variables: &[(&str, &str)]| {
            time_limit(|name| {
                let found = variables.iter().find(|(known, _)| *known == name);
                found.map(|(_, value)| (*value).to_owned())
            })
        };
        let [traces, all] = TIME_LIMITS;
        assert_eq!(of(&[]), USUAL_TIME_LIMIT);
        assert_eq!(of(&[(all, "7"), (traces, "5")]), Duration::from_millis(5));
        assert_eq!(of(&[(all, "7")]), Duration::from_millis(7));
        assert_eq!(
            of(&[(all, "7"), (traces, "soon")]),
            Duration::from_millis(7)
        );
        assert_eq!(of(&[(all, "0")]), USUAL_TIME_LIMIT, "nothing could be sent");
    }
}
