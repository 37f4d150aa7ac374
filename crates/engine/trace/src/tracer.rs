//! Where spans are handed in.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use ids::SharedClock;
use parking_lot::Mutex;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::Span;
use crate::error::StartError;
use crate::export::{Exporter, Sender, Tally, time_limit};

/// How many spans may wait for the collector.
const QUEUE: usize = 8_192;

/// How long an end waits for the last spans to arrive.
const FLUSH_LIMIT: Duration = Duration::from_secs(5);

/// Takes spans and brings them to a collector. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Tracer(Option<Arc<Way>>);

/// The way to the collector.
#[derive(Debug)]
struct Way {
    queue: mpsc::Sender<Span>,
    tally: Arc<Tally>,
    sender: Mutex<Option<JoinHandle<()>>>,
    clock: SharedClock,
}

impl Tracer {
    /// One that brings spans to the collector at `endpoint`, whose path for traces is below that.
    /// What else OpenTelemetry has variables for (headers, time limits, the encoding) is read from
    /// the environment.
    ///
    /// # Errors
    /// See [`StartError`].
    pub fn start(endpoint: &str, clock: SharedClock) -> Result<Self, StartError> {
        let time_limit = time_limit(|name| std::env::var(name).ok());
        Self::within(time_limit, endpoint, clock)
    }

    /// One whose deliveries take so long at most.
    fn within(
        time_limit: Duration,
        endpoint: &str,
        clock: SharedClock,
    ) -> Result<Self, StartError> {
        let exporter = Exporter::new(endpoint, time_limit)?;
        let (queue, spans) = mpsc::channel(QUEUE);
        let tally = Arc::new(Tally::default());
        let sender = Sender::new(spans, exporter, Arc::clone(&tally), Arc::clone(&clock));
        Ok(Self(Some(Arc::new(Way {
            queue,
            tally,
            sender: Mutex::new(Some(tokio::spawn(sender.run()))),
            clock,
        }))))
    }

    /// Whether spans are wanted at all.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// Takes spans. Where too many wait already they are dropped, and counted.
    pub fn record(&self, spans: impl IntoIterator<Item = Span>) {
        let Some(way) = &self.0 else { return };
        for span in spans {
            if way.queue.try_send(span).is_err() {
                way.tally.dropped.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// How many spans never arrived: the collector was too slow for them, refused them, or was not
    /// there.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        let way = self.0.as_ref();
        way.map_or(0, |way| way.tally.dropped.load(Ordering::Relaxed))
    }

    /// Takes no more spans, and sends those that it has, for as long as a few seconds.
    pub async fn end(&self) {
        let Some(way) = &self.0 else { return };
        let Some(sender) = way.sender.lock().take() else {
            return;
        };
        way.tally.closing.notify_one();
        tokio::select! {
            _ended = sender => {}
            () = way.clock.sleep(FLUSH_LIMIT) => {
                tracing::warn!("the last spans were not sent: the collector takes too long");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Kind, Source, SpanId, TraceId};
    use ids::{SystemClock, Timestamp};

    fn span() -> Span {
        Span {
            trace: TraceId(1),
            id: SpanId(2),
            parent: Some(SpanId(3)),
            name: "f".into(),
            kind: Kind::Server,
            began: Timestamp(0),
            ended: Timestamp(1),
            attributes: Vec::new(),
            failure: None,
            source: Arc::new(Source {
                attributes: Vec::new(),
            }),
        }
    }

    #[tokio::test]
    async fn what_finds_no_room_is_counted_and_nobody_waits() {
        let tracer = Tracer::start("http://127.0.0.1:9", SystemClock::shared()).unwrap();
        assert!(tracer.is_on());
        tracer.record(std::iter::repeat_with(span).take(QUEUE));
        assert_eq!(tracer.dropped(), 0);
        tracer.record([span(), span()]);
        assert_eq!(tracer.dropped(), 2);
    }

    #[tokio::test]
    async fn a_collector_that_never_answers_does_not_end_tracing() {
        // The kernel takes connections for it, and nobody reads them.
        let deaf = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", deaf.local_addr().unwrap());
        let clock = SystemClock::shared();
        let limit = Duration::from_millis(50);
        let tracer = Tracer::within(limit, &endpoint, Arc::clone(&clock)).unwrap();
        for dropped in 1..=2 {
            tracer.record([span()]);
            let counted = async {
                while tracer.dropped() < dropped {
                    clock.sleep(Duration::from_millis(5)).await;
                }
            };
            let counted = tokio::time::timeout(Duration::from_secs(30), counted).await;
            counted.expect("the delivery is given up");
        }
    }

    #[tokio::test]
    async fn without_a_collector_nothing_is_taken() {
        let tracer = Tracer::default();
        tracer.record([span()]);
        tracer.end().await;
        assert!(!tracer.is_on());
        assert_eq!(tracer.dropped(), 0);
    }

    #[tokio::test]
    async fn an_address_that_is_none_is_refused() {
        let refused = Tracer::start("no address", SystemClock::shared()).unwrap_err();
        assert!(refused.to_string().contains("no address"), "{refused}");
    }
}
