//! One function's line: takes due events from the disk, runs them side by side, and ends when the
//! function has none left.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use ids::Timestamp;
use wire::ServiceError;

use super::ending::{Answered, Condition, Ending};
use super::lines::Line;
use super::outbox::Letter;
use super::queue::{Due, StoredEvent};
use super::retry::{Next, Rules};
use crate::error::ApiError;
use crate::function::key::FunctionKey;
use crate::function::target::Target;
use crate::invoke::Job;
use crate::invoke::spans::Trigger;
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

/// How often the line of a function that may not run looks for events that are too old …
const LOOK: Duration = Duration::from_secs(10);
/// … and after what rest, when events come.
const REST: Duration = Duration::from_millis(250);
/// Through how many it looks.
const SCAN: usize = 10_000;

/// What became of an event.
enum Outcome {
    /// It has succeeded, or is given up, and this is what is to be told of it.
    Ended(Vec<Letter>),
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
            trace_id: Some(job.trace.to_string()),
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
            let held: Vec<i64> = line.held.lock().iter().copied().collect();
            let is_running = !held.is_empty();
            if width == 0 {
                let waits = self.end_without_running(key, line, now).await;
                let waits = waits.unwrap_or_else(|error| {
                    tracing::warn!(%error, function = &*key.name, "events cannot be read");
                    true
                });
                if waits {
                    // They may come by the thousand, and each look goes through all of them.
                    self.clock.sleep(REST).await;
                    self.wait_for(line, Some(now.plus(LOOK))).await;
                    continue;
                }
            } else {
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
                    self.wait_for(line, later).await;
                    continue;
                }
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

    /// Of a function that may not run at all: begins those events that come to their end without
    /// running. Returns whether there are any events.
    async fn end_without_running(
        self: &Arc<Self>,
        key: &FunctionKey,
        line: &Arc<Line>,
        now: Timestamp,
    ) -> Result<bool, ApiError> {
        let heads = self.events.heads(key, SCAN).await?;
        let waits = !heads.is_empty();
        let held = line.held.lock().clone();
        let mut ends = Vec::new();
        let mut known: HashMap<Option<String>, (Rules, bool)> = HashMap::new();
        for head in heads.into_iter().filter(|head| !held.contains(&head.id)) {
            if held.len() + ends.len() >= WIDTH {
                break;
            }
            let (rules, is_told) = match known.get(&head.qualifier) {
                Some(known) => *known,
                None => {
                    let target = Target {
                        key: key.clone(),
                        qualifier: head.qualifier.clone(),
                    };
                    let config = self.event_invoke(&target).await;
                    let config = config.as_deref();
                    let is_told = self.tells_of_failures(&target, config).await;
                    let found = (Rules::of(config), is_told);
                    known.insert(head.qualifier, found);
                    found
                }
            };
            if is_told || rules.is_too_old(head.accepted, now) {
                ends.push(head.id);
            }
        }
        for (id, event) in self.events.load(key, ends).await? {
            self.begin(line, id, event);
        }
        Ok(waits)
    }

    /// How many events of a function may run at a time.
    async fn width(&self, key: &FunctionKey) -> usize {
        let settings = self.registry.settings(key).await.ok().flatten();
        let reserved = settings.and_then(|settings| settings.reserved_concurrency);
        reserved.map_or(WIDTH, |reserved| WIDTH.min(reserved as usize))
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
        let (mut letters, mut again) = (Vec::new(), None);
        match outcome {
            Outcome::Untouched => return false,
            Outcome::Throttled => return true,
            Outcome::Ended(told) => letters = told,
            Outcome::Again {
                due,
                failures,
                refusals,
            } => again = Some((due, failures, refusals)),
        }
        loop {
            let written = match again {
                None => self.events.end(id, letters.clone()).await,
                Some((due, failures, refusals)) => {
                    let postponed = self.events.postpone(id, due, failures, refusals);
                    postponed.await.map(|()| 0)
                }
            };
            match written {
                Ok(removed) => {
                    self.lines.forget(removed);
                    if !letters.is_empty() {
                        self.courier.wake();
                    }
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

    /// Why an event ends without another attempt, if it does.
    async fn overtaken(&self, event: &StoredEvent, now: Timestamp) -> Option<Condition> {
        let target = event.target();
        let config = self.event_invoke(&target).await;
        if Rules::of(config.as_deref()).is_too_old(event.accepted, now) {
            return Some(Condition::EventAgeExceeded);
        }
        // Source: <https://docs.aws.amazon.com/lambda/latest/dg/configuration-concurrency.html>.
        let header = self.trace_from(event.trace_id.as_deref());
        let is_stopped = self.is_stopped_loop(&event.key, &header).await;
        // Where that cannot be read now, it is asked again before the event runs.
        if is_stopped.is_ok_and(|is_stopped| is_stopped) {
            return Some(Condition::RecursiveLoop);
        }
        let may_run = self.width(&event.key).await > 0;
        let is_told = !may_run && self.tells_of_failures(&target, config.as_deref()).await;
        is_told.then_some(Condition::ZeroReservedConcurrency)
    }

    async fn attempt(self: &Arc<Self>, event: StoredEvent) -> Outcome {
        let (id, target) = (event.request_id, event.target());
        if let Some(condition) = self.overtaken(&event, self.clock.now()).await {
            let ending = Ending {
                condition,
                attempts: event.failures,
                answered: None,
            };
            return self.ended(&target, &event, ending).await;
        }
        let job = Job {
            id,
            payload: event.payload.clone(),
            client_context: event.client_context.clone(),
            trace: self.trace_from(event.trace_id.as_deref()),
            trigger: Trigger::Call,
            arrived: self.clock.now(),
            invoked_arn: target.arn().into(),
            with_log: false,
        };
        let finished = self.run_to_its_end(&target, job).await;
        let now = self.clock.now();
        let finished = match finished {
            Ok(finished) => finished,
            Err(_) if self.is_stopping() => return Outcome::Untouched,
            Err(error) if error.status == http::StatusCode::TOO_MANY_REQUESTS => {
                return Outcome::Throttled;
            }
            Err(error) if error.status == http::StatusCode::NOT_FOUND => {
                tracing::warn!(%id, function = %target.arn(), "an event is given up: its function is gone");
                return Outcome::Ended(Vec::new());
            }
            Err(error) => {
                tracing::debug!(%id, %error, "an event could not be run now");
                let rules = Rules::of(self.event_invoke(&target).await.as_deref());
                let refusals = event.refusals + 1;
                return Outcome::Again {
                    due: rules.after_refusal(refusals, event.accepted, now),
                    failures: event.failures,
                    refusals,
                };
            }
        };
        let attempts = event.failures + 1;
        let has_failed = finished.answer.is_err();
        // Its environment may have been ended over it.
        if has_failed && self.is_stopping() {
            return Outcome::Untouched;
        }
        let condition = if has_failed {
            let rules = Rules::of(self.event_invoke(&target).await.as_deref());
            match rules.after_failure(attempts, event.accepted, now) {
                Next::At(due) => {
                    return Outcome::Again {
                        due,
                        failures: attempts,
                        refusals: 0,
                    };
                }
                Next::RetriesExhausted => Condition::RetriesExhausted,
                Next::AgeExceeded => Condition::EventAgeExceeded,
            }
        } else {
            Condition::Success
        };
        let ending = Ending {
            condition,
            attempts,
            answered: Some(Answered::of(finished, id)),
        };
        self.ended(&target, &event, ending).await
    }

    /// The end of an event. Where what is to be told of it cannot be found out now, it stays for
    /// another attempt: what was asked to be told is told.
    async fn ended(&self, target: &Target, event: &StoredEvent, ending: Ending) -> Outcome {
        if ending.condition != Condition::Success {
            let reason = ending.condition.reason();
            tracing::warn!(id = %event.request_id, function = %target.arn(), reason, "an event is given up");
        }
        match self.letters(target, event, &ending).await {
            Ok(letters) => Outcome::Ended(letters),
            Err(error) => {
                tracing::warn!(id = %event.request_id, %error, "where to tell of an event's end is not known now");
                Outcome::Again {
                    due: self.clock.now().plus(PAUSE),
                    failures: event.failures,
                    refusals: event.refusals,
                }
            }
        }
    }
}
