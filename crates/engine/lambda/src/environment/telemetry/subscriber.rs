//! One subscription at work: events gather in a buffer, from which a task sends them in batches.
//!
//! A batch goes out when it is full, when its time is over, or when the environment is shut down. A
//! frozen environment takes nothing; what is then on its way arrives when it is thawed. The buffer is
//! bounded: what finds no room is dropped, and counted in a `platform.logsDropped` event.

use std::mem;
use std::sync::Arc;

use bytes::Bytes;
use ids::SharedClock;
use parking_lot::Mutex;
use serde_json::json;
use tokio::sync::Notify;

use super::delivery::Courier;
use super::subscription::Subscription;
use super::{Category, event};
use crate::environment::Site;

/// How many batches the buffer holds.
const BATCHES: usize = 2;

/// One subscription at work.
#[derive(Debug)]
pub(super) struct Subscriber {
    subscription: Subscription,
    buffer: Mutex<Buffer>,
    /// The first event has come, a batch is full, or nothing more will come.
    stirred: Notify,
}

#[derive(Debug, Default)]
struct Buffer {
    events: Vec<Bytes>,
    bytes: usize,
    dropped: Dropped,
    /// Whether to send what is there at once.
    hurry: bool,
    left: bool,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Dropped {
    records: usize,
    bytes: usize,
}

impl Subscriber {
    /// Starts the task that sends, into the environment at `site`.
    pub(super) fn start(
        subscription: Subscription,
        site: Arc<Site>,
        clock: SharedClock,
    ) -> Arc<Self> {
        let courier = Courier::new(subscription.destination.clone(), site);
        let subscriber = Arc::new(Self {
            subscription,
            buffer: Mutex::default(),
            stirred: Notify::new(),
        });
        tokio::spawn(Arc::clone(&subscriber).send(courier, clock));
        subscriber
    }

    /// Takes an event, if it wants such.
    pub(super) fn take(&self, category: Category, event: &Bytes) {
        if !self.subscription.wants(category) {
            return;
        }
        let mut buffer = self.buffer.lock();
        let stirs = buffer.take(event, &self.subscription);
        drop(buffer);
        if stirs {
            self.stirred.notify_one();
        }
    }

    /// Sends what is there without waiting for more.
    pub(super) fn flush(&self) {
        self.buffer.lock().hurry = true;
        self.stirred.notify_one();
    }

    /// Whoever is sent to is gone.
    pub(super) fn leave(&self) {
        self.buffer.lock().left = true;
        self.stirred.notify_one();
    }

    async fn send(self: Arc<Self>, mut courier: Courier, clock: SharedClock) {
        loop {
            self.until(|buffer| !buffer.events.is_empty()).await;
            tokio::select! {
                () = self.until(|buffer| buffer.hurry || buffer.is_full(&self.subscription)) => {}
                () = clock.sleep(self.subscription.timeout) => {}
            }
            let (mut batch, dropped) = {
                let mut buffer = self.buffer.lock();
                if buffer.left {
                    return;
                }
                buffer.batch(&self.subscription)
            };
            if dropped != Dropped::default() {
                let record = json!({
                    "reason": "The extension takes telemetry more slowly than it comes",
                    "droppedRecords": dropped.records,
                    "droppedBytes": dropped.bytes,
                });
                batch.push(event(clock.now(), "platform.logsDropped", &record));
            }
            tokio::select! {
                delivered = courier.deliver(&batch) => {
                    if let Err(error) = delivered {
                        tracing::debug!(%error, "telemetry could not be delivered");
                        self.buffer.lock().dropped.count(&batch);
                    }
                }
                () = self.until(|_| false) => return,
            }
        }
    }

    /// Waits until that is so, or whoever is sent to is gone.
    async fn until(&self, so: impl Fn(&Buffer) -> bool) {
        loop {
            let stirred = self.stirred.notified();
            {
                let buffer = self.buffer.lock();
                if buffer.left || so(&buffer) {
                    return;
                }
            }
            stirred.await;
        }
    }
}

impl Buffer {
    /// Takes an event for which there is room. Says whether the sender should look.
    fn take(&mut self, event: &Bytes, limits: &Subscription) -> bool {
        let room = self.events.len() < BATCHES * limits.max_items
            && self.bytes + event.len() <= BATCHES * limits.max_bytes;
        if !room {
            self.dropped.count(std::slice::from_ref(event));
            return false;
        }
        self.bytes += event.len();
        self.events.push(event.clone());
        self.events.len() == 1 || self.is_full(limits)
    }

    fn is_full(&self, limits: &Subscription) -> bool {
        self.events.len() >= limits.max_items || self.bytes >= limits.max_bytes
    }

    /// The oldest events, as many as one batch holds, and what was dropped behind them.
    fn batch(&mut self, limits: &Subscription) -> (Vec<Bytes>, Dropped) {
        let mut bytes = 0;
        let fits = |event: &&Bytes| {
            bytes += event.len();
            bytes <= limits.max_bytes
        };
        let most = self.events.iter().take(limits.max_items);
        // One that fits into no batch goes alone.
        let count = most.take_while(fits).count().max(1).min(self.events.len());
        let rest = self.events.split_off(count);
        let batch = mem::replace(&mut self.events, rest);
        self.bytes = self.events.iter().map(Bytes::len).sum();
        self.hurry &= !self.events.is_empty();
        (batch, mem::take(&mut self.dropped))
    }
}

impl Dropped {
    fn count(&mut self, events: &[Bytes]) {
        self.records += events.len();
        self.bytes += events.iter().map(Bytes::len).sum::<usize>();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits() -> Subscription {
        let request = json!({
            "schemaVersion": "2022-12-13",
            "types": ["platform"],
            "destination": {"protocol": "TCP", "port": 1},
        });
        Subscription::read(request.to_string().as_bytes()).unwrap()
    }

    #[test]
    fn batches_are_no_larger_than_asked_for_and_keep_the_order() {
        let (mut buffer, limits) = (Buffer::default(), limits());
        let event = |n: usize| Bytes::from(n.to_string());
        assert!(buffer.take(&event(0), &limits), "the first one stirs");
        for n in 1..limits.max_items - 1 {
            assert!(!buffer.take(&event(n), &limits));
        }
        assert!(
            buffer.take(&event(limits.max_items - 1), &limits),
            "it is full"
        );
        buffer.take(&event(limits.max_items), &limits);
        let (batch, dropped) = buffer.batch(&limits);
        assert_eq!(
            (batch.len(), dropped),
            (limits.max_items, Dropped::default())
        );
        assert_eq!(batch[7], event(7));
        assert_eq!(buffer.batch(&limits).0, [event(limits.max_items)]);
    }

    #[test]
    fn what_finds_no_room_is_counted() {
        let (mut buffer, limits) = (Buffer::default(), limits());
        let large = Bytes::from(vec![b'x'; limits.max_bytes]);
        for _ in 0..BATCHES {
            assert!(buffer.take(&large, &limits));
        }
        assert!(!buffer.take(&Bytes::from_static(b"one"), &limits));
        let (batch, dropped) = buffer.batch(&limits);
        assert_eq!(batch.len(), 1);
        assert_eq!(
            dropped,
            Dropped {
                records: 1,
                bytes: 3
            }
        );
    }
}
