//! One subscription at work: events gather in a buffer, from which a task sends them in batches.
//!
//! A batch goes out when it is full, when its time is over, or when the environment is shut down. A
//! frozen environment takes nothing; what is then on its way arrives when it is thawed. The buffer is
//! bounded, and so is what all buffers of an environment hold together: what finds no room is dropped, and
//! counted in a `platform.logsDropped` event.
//!
//! A connection into an environment costs a process. So batches keep a distance from one another, and a
//! larger one with each that fails.

use std::mem;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use ids::SharedClock;
use parking_lot::Mutex;
use serde_json::json;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

use super::delivery::{Courier, Patience};
use super::subscription::Subscription;
use super::{Category, event};
use crate::environment::Site;

/// How many batches the buffer holds.
const BATCHES: usize = 2;

/// What an event takes beside its text, roughly.
const OVERHEAD: usize = 64;

/// The time between two batches at least.
const PAUSE: Duration = Duration::from_millis(25);
/// And at most, where none arrives.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// One subscription at work.
#[derive(Debug)]
pub(super) struct Subscriber {
    subscription: Subscription,
    buffer: Mutex<Buffer>,
    /// What the buffers of the environment may still take, in bytes.
    room: Arc<Semaphore>,
    /// The first event has come, a batch is full, or nothing more will come.
    stirred: Notify,
}

/// An event in a buffer, with its share of the room.
#[derive(Debug)]
struct Held {
    event: Bytes,
    _share: OwnedSemaphorePermit,
}

#[derive(Debug, Default)]
struct Buffer {
    events: Vec<Held>,
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
        room: Arc<Semaphore>,
        patience: Patience,
    ) -> Arc<Self> {
        let clock = Arc::clone(&patience.clock);
        let courier = Courier::new(subscription.destination.clone(), site, patience);
        let subscriber = Arc::new(Self {
            subscription,
            buffer: Mutex::default(),
            room,
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
        let stirs = buffer.take(event, &self.subscription, &self.room);
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
        let mut pause = PAUSE;
        loop {
            self.until(|buffer| !buffer.events.is_empty()).await;
            tokio::select! {
                () = self.until(|buffer| buffer.hurry || buffer.is_full(&self.subscription)) => {}
                () = clock.sleep(self.subscription.timeout) => {}
            }
            let (batch, dropped) = {
                let mut buffer = self.buffer.lock();
                if buffer.left {
                    return;
                }
                buffer.batch(&self.subscription)
            };
            let mut events: Vec<_> = batch.iter().map(|held| held.event.clone()).collect();
            if dropped != Dropped::default() {
                let record = json!({
                    "reason": "The extension takes telemetry more slowly than it comes",
                    "droppedRecords": dropped.records,
                    "droppedBytes": dropped.bytes,
                });
                events.push(event(clock.now(), "platform.logsDropped", &record));
            }
            tokio::select! {
                delivered = courier.deliver(&events) => match delivered {
                    Ok(()) => pause = PAUSE,
                    Err(error) => {
                        tracing::debug!(%error, "telemetry could not be delivered");
                        let counted = &mut self.buffer.lock().dropped;
                        counted.add(dropped);
                        batch.iter().for_each(|held| counted.count(&held.event));
                        pause = (2 * pause).min(LONGEST_PAUSE);
                    }
                },
                () = self.until(|_| false) => return,
            }
            drop((batch, events));
            tokio::select! {
                () = clock.sleep(pause) => {}
                () = self.until(|buffer| buffer.hurry) => {}
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
    fn take(&mut self, event: &Bytes, limits: &Subscription, room: &Arc<Semaphore>) -> bool {
        let fits = self.events.len() < BATCHES * limits.max_items
            && self.bytes + event.len() <= BATCHES * limits.max_bytes;
        let size = u32::try_from(event.len() + OVERHEAD).unwrap_or(u32::MAX);
        let share = fits.then(|| Arc::clone(room).try_acquire_many_owned(size));
        let Some(Ok(share)) = share else {
            self.dropped.count(event);
            return false;
        };
        self.bytes += event.len();
        self.events.push(Held {
            event: event.clone(),
            _share: share,
        });
        self.events.len() == 1 || self.is_full(limits)
    }

    fn is_full(&self, limits: &Subscription) -> bool {
        self.events.len() >= limits.max_items || self.bytes >= limits.max_bytes
    }

    /// The oldest events, as many as one batch holds, and what was dropped behind them.
    fn batch(&mut self, limits: &Subscription) -> (Vec<Held>, Dropped) {
        let mut bytes = 0;
        let fits = |held: &&Held| {
            bytes += held.event.len();
            bytes <= limits.max_bytes
        };
        let most = self.events.iter().take(limits.max_items);
        // One that fits into no batch goes alone.
        let count = most.take_while(fits).count().max(1).min(self.events.len());
        let rest = self.events.split_off(count);
        let batch = mem::replace(&mut self.events, rest);
        self.bytes = self.events.iter().map(|held| held.event.len()).sum();
        self.hurry &= !self.events.is_empty();
        (batch, mem::take(&mut self.dropped))
    }
}

impl Dropped {
    fn count(&mut self, event: &Bytes) {
        self.add(Self {
            records: 1,
            bytes: event.len(),
        });
    }

    fn add(&mut self, more: Self) {
        self.records += more.records;
        self.bytes += more.bytes;
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

    fn room() -> Arc<Semaphore> {
        Arc::new(Semaphore::new(4 << 20))
    }

    #[test]
    fn batches_are_no_larger_than_asked_for_and_keep_the_order() {
        let (mut buffer, limits, room) = (Buffer::default(), limits(), room());
        let event = |n: usize| Bytes::from(n.to_string());
        assert!(
            buffer.take(&event(0), &limits, &room),
            "the first one stirs"
        );
        for n in 1..limits.max_items - 1 {
            assert!(!buffer.take(&event(n), &limits, &room));
        }
        assert!(
            buffer.take(&event(limits.max_items - 1), &limits, &room),
            "it is full"
        );
        buffer.take(&event(limits.max_items), &limits, &room);
        let (batch, dropped) = buffer.batch(&limits);
        assert_eq!(
            (batch.len(), dropped),
            (limits.max_items, Dropped::default())
        );
        assert_eq!(batch[7].event, event(7));
        let (rest, _) = buffer.batch(&limits);
        assert_eq!(rest[0].event, event(limits.max_items));
    }

    #[test]
    fn what_finds_no_room_is_counted() {
        let (mut buffer, limits, room) = (Buffer::default(), limits(), room());
        let large = Bytes::from(vec![b'x'; limits.max_bytes]);
        for _ in 0..BATCHES {
            assert!(buffer.take(&large, &limits, &room));
        }
        assert!(!buffer.take(&Bytes::from_static(b"one"), &limits, &room));
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

    #[test]
    fn buffers_share_the_room_of_their_environment() {
        let event = Bytes::from(vec![b'x'; 1000]);
        let room = Arc::new(Semaphore::new(event.len() + OVERHEAD));
        let (mut buffer, mut other, limits) = (Buffer::default(), Buffer::default(), limits());
        assert!(buffer.take(&event, &limits, &room));
        assert!(!other.take(&event, &limits, &room));
        let (batch, _) = buffer.batch(&limits);
        assert!(!other.take(&event, &limits, &room), "it is on its way");
        drop(batch);
        assert!(other.take(&event, &limits, &room));
        let (_, dropped) = other.batch(&limits);
        assert_eq!((dropped.records, dropped.bytes), (2, 2000));
    }
}
