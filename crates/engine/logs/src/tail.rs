//! Live tail: sessions that are sent events as they are put.
//!
//! Whoever puts events hands them to the sessions that watch their stream, and goes on: a session
//! looks through them by itself, and keeps what matches its pattern until its next update is due. It
//! holds a bounded number of bytes to look through and one update's worth of events. What comes
//! beyond is left out, and the update says that it is a sample. Putting events therefore never waits
//! for somebody who watches, whatever the pattern costs, and costs nothing when nobody does.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use futures_util::stream::{self, Stream};
use ids::SharedClock;
use parking_lot::Mutex;
use tokio::sync::{Notify, watch};
use tokio::task::coop::consume_budget;
use wire::ServiceError;
use wire::logs::{
    LiveTailSessionLogEvent, LiveTailSessionMetadata, LiveTailSessionStart, LiveTailSessionUpdate,
    StartLiveTailResponseStream, errors,
};

use crate::archive::EVENT_OVERHEAD;
use crate::archive::append::NewEvent;
use crate::archive::groups::GroupKey;
use crate::filter::FilterPattern;

/// How often a session is updated, and how many events an update holds at most.
/// Source: <https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_StartLiveTail.html>.
const UPDATE_EVERY: Duration = Duration::from_secs(1);
const UPDATE_EVENTS: usize = 500;

/// What a session holds that it has not looked through yet, in bytes.
const QUEUE_BYTES: usize = 4 * 1_048_576;

/// How long a session may last.
const SESSION_LIMIT: Duration = Duration::from_secs(3 * 60 * 60);

/// How many sessions there may be at a time.
const MAX_SESSIONS: usize = 15;

/// The sessions that watch.
#[derive(Debug)]
pub(crate) struct Tails {
    sessions: Mutex<Vec<Weak<Session>>>,
    /// How many there are, for those who put events while nobody watches.
    count: AtomicUsize,
    stopped: watch::Sender<bool>,
}

/// What a session wants to see.
#[derive(Debug)]
pub(crate) struct Watched {
    pub(crate) groups: Vec<GroupKey>,
    /// The names that a stream may have, where that is restricted.
    pub(crate) names: Option<Vec<String>>,
    /// What a stream's name may begin with, where that is restricted.
    pub(crate) prefixes: Option<Vec<String>>,
    pub(crate) pattern: FilterPattern,
}

#[derive(Debug)]
struct Session {
    watched: Watched,
    queue: Mutex<Queue>,
    /// Tells that something is in the queue.
    news: Notify,
}

/// What a session has yet to look through.
#[derive(Debug, Default)]
struct Queue {
    batches: VecDeque<Arc<Batch>>,
    bytes: usize,
    /// Whether something did not fit.
    overflowed: bool,
}

/// Events that were put together, for all sessions that watch their stream.
#[derive(Debug)]
struct Batch {
    group: GroupKey,
    stream: String,
    events: Vec<NewEvent>,
    /// When they were put, in milliseconds since the epoch.
    ingested: i64,
    bytes: usize,
}

/// What the next update of a session will hold.
#[derive(Debug, Default)]
struct Update {
    events: Vec<LiveTailSessionLogEvent>,
    sampled: bool,
}

impl Watched {
    fn wants(&self, group: &GroupKey, stream: &str) -> bool {
        let named = self
            .names
            .as_ref()
            .is_none_or(|names| names.iter().any(|name| name == stream));
        let begins = self
            .prefixes
            .as_ref()
            .is_none_or(|prefixes| prefixes.iter().any(|prefix| stream.starts_with(prefix)));
        named && begins && self.groups.contains(group)
    }
}

impl Tails {
    pub(crate) fn new() -> Self {
        Self {
            sessions: Mutex::default(),
            count: AtomicUsize::new(0),
            stopped: watch::Sender::new(false),
        }
    }

    /// Ends every session.
    pub(crate) fn stop(&self) {
        self.stopped.send_replace(true);
    }

    /// Hands events that were put at `now` to the sessions.
    pub(crate) fn publish(&self, group: GroupKey, stream: String, events: Vec<NewEvent>, now: i64) {
        if self.count.load(Ordering::Acquire) == 0 {
            return;
        }
        let sessions: Vec<_> = self
            .sessions
            .lock()
            .iter()
            .filter_map(Weak::upgrade)
            .filter(|session| session.watched.wants(&group, &stream))
            .collect();
        if sessions.is_empty() {
            return;
        }
        let size = |event: &NewEvent| event.message.len() + EVENT_OVERHEAD;
        let batch = Arc::new(Batch {
            bytes: events.iter().map(size).sum(),
            group,
            stream,
            events,
            ingested: now,
        });
        for session in sessions {
            session.offer(&batch);
        }
    }

    /// Begins a session: its first event is `start`, then one update a second, until it is dropped
    /// or has lasted for three hours.
    ///
    /// # Errors
    /// 400 where there are as many as there may be.
    pub(crate) fn open(
        self: &Arc<Self>,
        watched: Watched,
        start: LiveTailSessionStart,
        clock: SharedClock,
    ) -> Result<impl Stream<Item = Event> + Send + use<>, ServiceError> {
        let session = Arc::new(Session {
            watched,
            queue: Mutex::default(),
            news: Notify::new(),
        });
        {
            let mut sessions = self.sessions.lock();
            sessions.retain(|session| session.strong_count() > 0);
            if sessions.len() >= MAX_SESSIONS {
                return Err(errors::limit_exceeded_exception(format!(
                    "There are {MAX_SESSIONS} Live Tail sessions already."
                )));
            }
            sessions.push(Arc::downgrade(&session));
            self.count.store(sessions.len(), Ordering::Release);
        }
        let ends = clock.monotonic() + SESSION_LIMIT;
        let state = State {
            open: Open {
                tails: Arc::clone(self),
                session: Some(session),
            },
            start: Some(start),
            update: Update::default(),
            stopped: self.stopped.subscribe(),
            clock,
            ends,
        };
        Ok(stream::unfold(state, |mut state| async move {
            let event = state.next().await?;
            Some((event, state))
        }))
    }

    fn forget(&self) {
        let mut sessions = self.sessions.lock();
        sessions.retain(|session| session.strong_count() > 0);
        self.count.store(sessions.len(), Ordering::Release);
    }
}

type Event = Result<StartLiveTailResponseStream, ServiceError>;

/// A session for as long as its stream is held.
struct Open {
    tails: Arc<Tails>,
    /// `None` only while dropping.
    session: Option<Arc<Session>>,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.session = None;
        self.tails.forget();
    }
}

struct State {
    open: Open,
    start: Option<LiveTailSessionStart>,
    update: Update,
    stopped: watch::Receiver<bool>,
    clock: SharedClock,
    ends: Duration,
}

impl State {
    async fn next(&mut self) -> Option<Event> {
        if let Some(start) = self.start.take() {
            return Some(Ok(StartLiveTailResponseStream::SessionStart(start)));
        }
        let session = self.open.session.as_ref()?;
        let mut due = self.clock.sleep(UPDATE_EVERY);
        loop {
            let is_due = tokio::select! {
                biased;
                _ = self.stopped.wait_for(|stopped| *stopped) => return None,
                () = &mut due => true,
                () = session.news.notified() => false,
            };
            session.look_through(&mut self.update).await;
            if is_due {
                break;
            }
        }
        if self.clock.monotonic() >= self.ends {
            let message = "The session has lasted for three hours.";
            return Some(Err(errors::session_timeout_exception(message)));
        }
        let Update { events, sampled } = std::mem::take(&mut self.update);
        let update = LiveTailSessionUpdate {
            session_metadata: Some(LiveTailSessionMetadata {
                sampled: Some(sampled),
            }),
            session_results: Some(events),
        };
        Some(Ok(StartLiveTailResponseStream::SessionUpdate(update)))
    }
}

impl Session {
    /// Takes a batch to be looked through, where there is room for it.
    fn offer(&self, batch: &Arc<Batch>) {
        let mut queue = self.queue.lock();
        if queue.bytes + batch.bytes > QUEUE_BYTES {
            queue.overflowed = true;
            return;
        }
        queue.bytes += batch.bytes;
        queue.batches.push_back(Arc::clone(batch));
        drop(queue);
        self.news.notify_one();
    }

    /// Adds to `update` what matches of all that is in the queue.
    async fn look_through(&self, update: &mut Update) {
        let queue = std::mem::take(&mut *self.queue.lock());
        update.sampled |= queue.overflowed;
        for batch in queue.batches {
            for event in &batch.events {
                // Patterns take their time: others are let run between.
                consume_budget().await;
                update.offer(&batch, event, &self.watched.pattern);
            }
        }
    }
}

impl Update {
    /// Adds an event that matches, where there is room for it.
    fn offer(&mut self, batch: &Batch, event: &NewEvent, pattern: &FilterPattern) {
        let is_full = self.events.len() == UPDATE_EVENTS;
        if is_full && self.sampled || !pattern.matches(&event.message) {
            return;
        }
        if is_full {
            self.sampled = true;
            return;
        }
        self.events.push(LiveTailSessionLogEvent {
            log_stream_name: Some(batch.stream.clone()),
            log_group_identifier: Some(format!("{}:{}", batch.group.account, batch.group.name)),
            message: Some(event.message.clone()),
            timestamp: Some(event.time),
            ingestion_time: Some(batch.ingested),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::testing::{NOW, key};
    use futures_util::{FutureExt as _, StreamExt as _};
    use ids::{ManualClock, Timestamp};

    fn watched(pattern: &str) -> Watched {
        Watched {
            groups: vec![key("g")],
            names: None,
            prefixes: Some(vec!["a".to_owned()]),
            pattern: FilterPattern::parse(pattern).unwrap(),
        }
    }

    fn events(messages: &[&str]) -> Vec<NewEvent> {
        messages
            .iter()
            .map(|message| NewEvent {
                time: NOW,
                message: (*message).to_owned(),
            })
            .collect()
    }

    fn publish(tails: &Tails, (group, stream): (&str, &str), messages: &[&str]) {
        tails.publish(key(group), stream.to_owned(), events(messages), NOW);
    }

    /// The messages of an update, and whether it is a sample.
    fn update(event: Option<Event>) -> (Vec<String>, bool) {
        let Some(Ok(StartLiveTailResponseStream::SessionUpdate(update))) = event else {
            panic!("no update: {event:?}");
        };
        let results = update.session_results.unwrap();
        let messages = results.into_iter().map(|event| event.message.unwrap());
        let sampled = update.session_metadata.unwrap().sampled.unwrap();
        (messages.collect(), sampled)
    }

    #[tokio::test]
    async fn a_session_sees_what_it_asked_for_once_a_second() {
        let (tails, clock) = (
            Arc::new(Tails::new()),
            Arc::new(ManualClock::at(Timestamp(0))),
        );
        let start = LiveTailSessionStart::default();
        let session = tails.open(watched("x"), start, Arc::clone(&clock) as SharedClock);
        let mut session = Box::pin(session.unwrap());
        assert!(matches!(
            session.next().await,
            Some(Ok(StartLiveTailResponseStream::SessionStart(_)))
        ));
        publish(&tails, ("g", "a1"), &["x1", "y", "x2"]);
        publish(&tails, ("g", "b1"), &["x3"]);
        publish(&tails, ("h", "a1"), &["x4"]);
        assert!(
            session.next().now_or_never().is_none(),
            "an update is not due yet"
        );
        clock.advance(UPDATE_EVERY);
        let seen = update(session.next().await);
        assert_eq!(seen, (vec!["x1".to_owned(), "x2".to_owned()], false));
        publish(&tails, ("g", "a1"), &vec!["x"; UPDATE_EVENTS + 1]);
        assert!(session.next().now_or_never().is_none());
        clock.advance(UPDATE_EVERY);
        let (messages, sampled) = update(session.next().await);
        assert_eq!((messages.len(), sampled), (UPDATE_EVENTS, true));
        assert!(session.next().now_or_never().is_none());
        clock.advance(SESSION_LIMIT);
        let ended = session.next().await.unwrap().unwrap_err();
        assert_eq!(ended.code, "SessionTimeoutException");
    }

    #[tokio::test]
    async fn what_a_session_does_not_look_through_is_left_out() {
        let (tails, clock) = (
            Arc::new(Tails::new()),
            Arc::new(ManualClock::at(Timestamp(0))),
        );
        let start = LiveTailSessionStart::default();
        let session = tails.open(watched("x"), start, Arc::clone(&clock) as SharedClock);
        let mut session = Box::pin(session.unwrap());
        session.next().await;
        let large = "y".repeat(QUEUE_BYTES / 4);
        for _ in 0..5 {
            publish(&tails, ("g", "a1"), &[&large]);
        }
        let waiting = tails.sessions.lock()[0].upgrade().unwrap();
        let held = |session: &Session| {
            let queue = session.queue.lock();
            (queue.batches.len(), queue.overflowed)
        };
        assert_eq!(held(&waiting), (3, true), "nobody but the session looks");
        assert!(session.next().now_or_never().is_none());
        assert_eq!(
            held(&waiting),
            (0, false),
            "it looks before its update is due"
        );
        publish(&tails, ("g", "a1"), &["x"]);
        clock.advance(UPDATE_EVERY);
        let seen = update(session.next().await);
        assert_eq!(seen, (vec!["x".to_owned()], true));
    }

    #[tokio::test]
    async fn sessions_are_bounded_and_end_with_their_streams() {
        let (tails, clock) = (Arc::new(Tails::new()), ids::SystemClock::shared());
        let open = || {
            tails.open(
                watched(""),
                LiveTailSessionStart::default(),
                Arc::clone(&clock),
            )
        };
        let mut sessions: Vec<_> = (0..MAX_SESSIONS).map(|_| open().unwrap()).collect();
        assert_eq!(open().err().unwrap().code, "LimitExceededException");
        sessions.pop();
        sessions.push(open().unwrap());
        tails.stop();
        for session in sessions {
            let mut session = Box::pin(session);
            assert!(session.next().await.is_some());
            assert!(session.next().await.is_none());
        }
        assert_eq!(tails.count.load(Ordering::Acquire), 0);
    }
}
