//! One function's line: takes due events from the disk, runs them side by side, and ends when the
//! function has none left.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use ids::Timestamp;
use wire::ServiceError;

use super::lines::Line;
use super::queue::{Due, StoredEvent};
use super::retry;
use crate::error::ApiError;
use crate::function::key::FunctionKey;
use crate::function::target::Target;
use crate::invoke::Job;
use crate::schedule::concurrency::throttled;
use crate::service::Inner;

/// How many events of one function run or wait for an environment at a time.
const WIDTH: usize = 100;

/// How many events may wait altogether.
const QUEUE_LIMIT: usize = 1_000_000;

/// How long a line waits before it asks a store again that could not answer.
const PAUSE: Duration = Duration::from_secs(1);

/// How long a line waits when it finds its function throttled: doubled each time …
const SHORTEST_THROTTLE: Duration = Duration::from_millis(20);
/// … up to this.
const LONGEST_THROTTLE: Duration = Duration::from_secs(1);

/// How often the line of a function that may not run looks for events that are too old.
const LOOK: Duration = Duration::from_mins(1);

/// What became of an event.
enum Outcome {
    /// It has succeeded, or is given up.
    Done,
    /// It runs again.
    Again {
        due: Timestamp,
        failures: u32,
        refusals: u32,
    },
    /// The function has as many invocations as it may have: the event stays as it is.
    Throttled,
    /// The engine stops: it stays as it is.
    Untouched,
}

impl Inner {
    /// Takes up what lies on disk.
    pub(crate) async fn take_up_events(self: &Arc<Self>) -> Result<(), ApiError> {
        let queued = self.events.len().await?;
        self.lines.queued.store(queued, Ordering::Relaxed);
        for key in self.events.functions().await? {
            self.wake(key);
        }
        Ok(())
    }

    /// Accepts an event: once this returns it will run, whatever happens to the engine.
    pub(crate) async fn accept(
        self: &Arc<Self>,
        target: Target,
        job: Job,
    ) -> Result<(), ServiceError> {
        if self.lines.queued.fetch_add(1, Ordering::Relaxed) >= QUEUE_LIMIT {
            self.lines.forget(1);
            return Err(throttled("CallerRateLimitExceeded"));
        }
        let now = self.clock.now();
        let key = target.key.clone();
        let event = StoredEvent {
            key: target.key,
            qualifier: target.qualifier,
            due: now,
            accepted: now,
            failures: 0,
            refusals: 0,
            request_id: job.id,
            trace_id: job.trace_id,
            client_context: job.client_context,
            payload: job.payload,
        };
        let added = self.events.add(event).await;
        if added.is_err() {
            self.lines.forget(1);
        }
        added?;
        self.wake(key);
        Ok(())
    }

    /// Tells a function's line that there is something to do.
    fn wake(self: &Arc<Self>, key: FunctionKey) {
        let mut open = self.lines.open.lock();
        let line = open.entry(key.clone()).or_insert_with(|| {
            let line = Arc::new(Line::default());
            let (this, owned) = (Arc::clone(self), Arc::clone(&line));
            tokio::spawn(async move { this.serve_line(&key, &owned).await });
            line
        });
        line.has_news.store(true, Ordering::SeqCst);
        line.changed.notify_one();
    }

    async fn serve_line(self: Arc<Self>, key: &FunctionKey, line: &Arc<Line>) {
        let mut pause = Duration::ZERO;
        while !self.lines.is_closed() {
            line.has_news.store(false, Ordering::SeqCst);
            if line.is_throttled.swap(false, Ordering::SeqCst) {
                // That the function is throttled is no fault of the events': they keep their turn.
                pause = (pause * 2).clamp(SHORTEST_THROTTLE, LONGEST_THROTTLE);
                self.clock.sleep(pause).await;
            } else {
                pause = Duration::ZERO;
            }
            let now = self.clock.now();
            let width = self.width(key).await;
            if width == 0 {
                self.give_up_old(key, now).await;
            }
            let held: Vec<i64> = line.held.lock().iter().copied().collect();
            let is_running = !held.is_empty();
            let room = width.saturating_sub(held.len());
            let found = self.events.due(key, now, room, held).await;
            let found = found.unwrap_or_else(|error| {
                tracing::warn!(%error, function = &*key.name, "events cannot be read");
                Due {
                    next: Some(now.plus(PAUSE)),
                    ..Due::default()
                }
            });
            let has_begun = !found.events.is_empty();
            for (id, event) in found.events {
                self.begin(line, id, event);
            }
            if has_begun || is_running || found.next.is_some() {
                // What is due and has no room waits for one that ends, or for more room.
                let later = found.next.filter(|next| *next > now);
                let look = (width == 0).then(|| now.plus(LOOK));
                self.wait_for(line, later.or(look)).await;
                continue;
            }
            let mut open = self.lines.open.lock();
            if !line.has_news.load(Ordering::SeqCst) {
                open.remove(key);
                return;
            }
        }
    }

    fn begin(self: &Arc<Self>, line: &Arc<Line>, id: i64, event: StoredEvent) {
        line.held.lock().insert(id);
        let (this, line) = (Arc::clone(self), Arc::clone(line));
        tokio::spawn(async move {
            let is_throttled = this.finish(id, event).await;
            line.is_throttled.fetch_or(is_throttled, Ordering::SeqCst);
            line.held.lock().remove(&id);
            line.changed.notify_one();
        });
    }

    /// How many events of a function may run at a time.
    async fn width(&self, key: &FunctionKey) -> usize {
        let settings = self.registry.settings(key).await.ok().flatten();
        let reserved = settings.and_then(|settings| settings.reserved_concurrency);
        reserved.map_or(WIDTH, |reserved| WIDTH.min(reserved as usize))
    }

    /// Removes the events of a function that may not run at all, once they are too old.
    async fn give_up_old(&self, key: &FunctionKey, now: Timestamp) {
        match self.events.remove_older(key, retry::oldest(now)).await {
            Ok(0) => {}
            Ok(count) => {
                self.lines.forget(count);
                tracing::warn!(
                    count,
                    function = &*key.name,
                    "events are given up that are too old"
                );
            }
            Err(error) => tracing::warn!(%error, "events cannot be removed"),
        }
    }

    /// Waits until something has changed, or `next` has come.
    async fn wait_for(&self, line: &Line, next: Option<Timestamp>) {
        let Some(next) = next else {
            line.changed.notified().await;
            return;
        };
        let micros = next.0.saturating_sub(self.clock.now().0);
        let pause = Duration::from_micros(u64::try_from(micros).unwrap_or_default());
        tokio::select! {
            () = line.changed.notified() => {}
            () = self.clock.sleep(pause) => {}
        }
    }

    /// Runs one event and writes down what became of it. Returns whether the function was found
    /// throttled.
    async fn finish(self: &Arc<Self>, id: i64, event: StoredEvent) -> bool {
        let outcome = self.attempt(event).await;
        loop {
            let written = match outcome {
                Outcome::Untouched => return false,
                Outcome::Throttled => return true,
                Outcome::Done => self.events.remove(id).await,
                Outcome::Again {
                    due,
                    failures,
                    refusals,
                } => {
                    let postponed = self.events.postpone(id, due, failures, refusals);
                    postponed.await.map(|()| 0)
                }
            };
            match written {
                Ok(removed) => {
                    self.lines.forget(removed);
                    return false;
                }
                Err(error) if self.is_stopping() => {
                    tracing::warn!(%error, "an event will run again at the next start");
                    return false;
                }
                Err(error) => {
                    tracing::warn!(%error, "what became of an event cannot be written yet");
                    self.clock.sleep(PAUSE).await;
                }
            }
        }
    }

    async fn attempt(self: &Arc<Self>, event: StoredEvent) -> Outcome {
        let (id, accepted) = (event.request_id, event.accepted);
        let (failures, refusals) = (event.failures, event.refusals);
        let target = Target {
            key: event.key,
            qualifier: event.qualifier,
        };
        let give_up = |reason: &str| {
            tracing::warn!(%id, function = %target.arn(), reason, "an event is given up");
            Outcome::Done
        };
        if accepted < retry::oldest(self.clock.now()) {
            return give_up("it is older than six hours");
        }
        let job = Job {
            id,
            payload: event.payload,
            client_context: event.client_context,
            trace_id: event.trace_id,
            invoked_arn: target.arn().into(),
        };
        let finished = self.run_to_its_end(&target, job).await;
        let now = self.clock.now();
        match finished {
            Ok(finished) if finished.answer.is_ok() => Outcome::Done,
            // Its environment may have been ended over it.
            Ok(_) if self.is_stopping() => Outcome::Untouched,
            Ok(_) => match retry::after_failure(failures + 1, now) {
                Some(due) => Outcome::Again {
                    due,
                    failures: failures + 1,
                    refusals: 0,
                },
                None => give_up("the function failed over it three times"),
            },
            Err(_) if self.is_stopping() => Outcome::Untouched,
            Err(error) if error.status == http::StatusCode::TOO_MANY_REQUESTS => Outcome::Throttled,
            Err(error) if error.status == http::StatusCode::NOT_FOUND => {
                give_up("its function is gone")
            }
            Err(error) => {
                tracing::debug!(%id, %error, "an event could not be run now");
                Outcome::Again {
                    due: retry::after_refusal(refusals + 1, now),
                    failures,
                    refusals: refusals + 1,
                }
            }
        }
    }
}
