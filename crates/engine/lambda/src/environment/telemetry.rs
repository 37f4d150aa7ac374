//! The Telemetry API's stream: what happens in an environment, for those of its extensions that have
//! subscribed.
//!
//! Events come from the environment's log: what the platform says, and what functions and extensions
//! print. Extensions may subscribe until the init phase is over, and get what was before from its
//! beginning. Where nobody has subscribed by then, an event costs the look at one flag.
//!
//! Source: <https://docs.aws.amazon.com/lambda/latest/dg/telemetry-api.html>.

mod delivery;
mod subscriber;
pub(super) mod subscription;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use ids::{SharedClock, Timestamp};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::sync::{Semaphore, watch};

use super::Site;
use delivery::Patience;
use subscriber::Subscriber;
use subscription::Subscription;

/// How much of an init phase is kept for those who subscribe during it, in bytes.
const HISTORY_LIMIT: usize = 256 << 10;

/// How much all buffers of an environment hold together, in bytes.
const ROOM: usize = 4 << 20;

/// The kinds of telemetry, by which extensions subscribe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Category {
    Platform,
    Function,
    Extension,
}

/// The telemetry of one environment.
#[derive(Debug)]
pub(crate) struct Telemetry {
    clock: SharedClock,
    /// Whether anybody listens, or may still come to.
    live: AtomicBool,
    /// Whether its processes may run.
    awake: watch::Sender<bool>,
    /// What its buffers may still take.
    room: Arc<Semaphore>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// What has happened so far in the init phase, while that goes on.
    history: Option<Vec<(Category, Bytes)>>,
    bytes: usize,
    subscribers: Vec<(String, Arc<Subscriber>)>,
}

/// Subscriptions are taken during the init phase alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Closed;

impl Telemetry {
    /// That of an environment which is about to be initialised.
    pub(crate) fn new(clock: SharedClock) -> Self {
        let telemetry = Self {
            clock,
            live: AtomicBool::new(false),
            awake: watch::Sender::new(true),
            room: Arc::new(Semaphore::new(ROOM)),
            state: Mutex::default(),
        };
        telemetry.start_anew();
        telemetry
    }

    /// An init phase begins. Who had subscribed before is gone with its process.
    pub(crate) fn start_anew(&self) {
        let mut state = self.state.lock();
        state.leave();
        state.history = Some(Vec::new());
        state.bytes = 0;
        self.live.store(true, Ordering::Release);
    }

    /// The init phase is over: nobody subscribes any more.
    pub(super) fn close_subscription(&self) {
        let mut state = self.state.lock();
        state.history = None;
        self.live
            .store(!state.subscribers.is_empty(), Ordering::Release);
    }

    /// The extension `name` subscribes, in place of what it may have subscribed to before.
    pub(super) fn subscribe(
        &self,
        name: &str,
        subscription: Subscription,
        site: Arc<Site>,
    ) -> Result<(), Closed> {
        let told = json!({
            "name": name,
            "state": "Subscribed",
            "types": subscription.types,
        });
        {
            let mut state = self.state.lock();
            let history = state.history.as_ref().ok_or(Closed)?;
            let patience = Patience {
                clock: Arc::clone(&self.clock),
                awake: self.awake.subscribe(),
            };
            let room = Arc::clone(&self.room);
            let subscriber = Subscriber::start(subscription, site, room, patience);
            for (category, event) in history {
                subscriber.take(*category, event);
            }
            let before = state
                .subscribers
                .iter()
                .position(|(known, _)| known == name);
            if let Some(place) = before {
                state.subscribers.swap_remove(place).1.leave();
            }
            state.subscribers.push((name.to_owned(), subscriber));
        }
        let now = self.clock.now();
        self.publish(
            Category::Platform,
            now,
            "platform.telemetrySubscription",
            || told,
        );
        Ok(())
    }

    /// Something has happened.
    pub(crate) fn publish(
        &self,
        category: Category,
        time: Timestamp,
        kind: &str,
        record: impl FnOnce() -> Value,
    ) {
        if !self.live.load(Ordering::Acquire) {
            return;
        }
        let event = event(time, kind, &record());
        let mut state = self.state.lock();
        for (_, subscriber) in &state.subscribers {
            subscriber.take(category, &event);
        }
        let state = &mut *state;
        if let Some(history) = &mut state.history
            && state.bytes + event.len() <= HISTORY_LIMIT
        {
            state.bytes += event.len();
            history.push((category, event));
        }
    }

    /// The environment was frozen, or thawed.
    pub(super) fn set_awake(&self, awake: bool) {
        self.awake.send_replace(awake);
    }

    /// Sends what is buffered, without waiting for more.
    pub(super) fn flush(&self) {
        for (_, subscriber) in &self.state.lock().subscribers {
            subscriber.flush();
        }
    }

    /// The environment's processes are gone: nothing is sent any more.
    pub(super) fn end(&self) {
        self.state.lock().leave();
    }
}

impl State {
    fn leave(&mut self) {
        for (_, subscriber) in self.subscribers.drain(..) {
            subscriber.leave();
        }
    }
}

impl Drop for Telemetry {
    fn drop(&mut self) {
        self.state.get_mut().leave();
    }
}

/// One event, as it is sent.
fn event(time: Timestamp, kind: &str, record: &Value) -> Bytes {
    let event = json!({ "time": time.iso_millis_z(), "type": kind, "record": record });
    Bytes::from(event.to_string())
}
