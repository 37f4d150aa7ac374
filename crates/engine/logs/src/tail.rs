//! Live tail: sessions that are sent events as they are put.
//!
//! Whoever puts events offers them to the sessions, which keep what they want until their next
//! update is due. A session holds one update's worth and no more: what comes beyond is left out, and
//! the update says that it is a sample. Putting events therefore never waits for somebody who
//! watches, and costs nothing when nobody does.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use futures_util::stream::{self, Stream};
use ids::SharedClock;
use parking_lot::Mutex;
use tokio::sync::watch;
use wire::ServiceError;
use wire::logs::{
    LiveTailSessionLogEvent, LiveTailSessionMetadata, LiveTailSessionStart, LiveTailSessionUpdate,
    StartLiveTailResponseStream, errors,
};

use crate::archive::append::NewEvent;
use crate::archive::groups::GroupKey;
use crate::filter::FilterPattern;

/// How often a session is updated, and how many events an update holds at most.
/// Source: <https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_StartLiveTail.html>.
const UPDATE_EVERY: Duration = Duration::from_secs(1);
const UPDATE_EVENTS: usize = 500;

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
    update: Mutex<Update>,
}

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

    /// Offers events that were put at `now` to the sessions.
    pub(crate) fn publish(&self, group: &GroupKey, stream: &str, events: &[NewEvent], now: i64) {
        if self.count.load(Ordering::Acquire) == 0 {
            return;
        }
        let sessions: Vec<_> = self
            .sessions
            .lock()
            .iter()
            .filter_map(Weak::upgrade)
            .collect();
        for session in sessions {
            if session.watched.wants(group, stream) {
                session.take(group, stream, events, now);
            }
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
            update: Mutex::default(),
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
    stopped: watch::Receiver<bool>,
    clock: SharedClock,
    ends: Duration,
}

impl State {
    async fn next(&mut self) -> Option<Event> {
        if let Some(start) = self.start.take() {
            return Some(Ok(StartLiveTailResponseStream::SessionStart(start)));
        }
        tokio::select! {
            () = self.clock.sleep(UPDATE_EVERY) => {}
            _ = self.stopped.wait_for(|stopped| *stopped) => return None,
        }
        if self.clock.monotonic() >= self.ends {
            let message = "The session has lasted for three hours.";
            return Some(Err(errors::session_timeout_exception(message)));
        }
        let session = self.open.session.as_ref()?;
        let Update { events, sampled } = std::mem::take(&mut *session.update.lock());
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
    fn take(&self, group: &GroupKey, stream: &str, events: &[NewEvent], now: i64) {
        for event in events {
            if !self.watched.pattern.matches(&event.message) {
                continue;
            }
            let mut update = self.update.lock();
            if update.events.len() == UPDATE_EVENTS {
                update.sampled = true;
                return;
            }
            update.events.push(LiveTailSessionLogEvent {
                log_stream_name: Some(stream.to_owned()),
                log_group_identifier: Some(format!("{}:{}", group.account, group.name)),
                message: Some(event.message.clone()),
                timestamp: Some(event.time),
                ingestion_time: Some(now),
            });
        }
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

    /// The messages of an update, and whether it is a sample.
    fn update(event: Option<Option<Event>>) -> (Vec<String>, bool) {
        let Some(Some(Ok(StartLiveTailResponseStream::SessionUpdate(update)))) = event else {
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
        tails.publish(&key("g"), "a1", &events(&["x1", "y", "x2"]), NOW);
        tails.publish(&key("g"), "b1", &events(&["x3"]), NOW);
        tails.publish(&key("h"), "a1", &events(&["x4"]), NOW);
        assert!(
            session.next().now_or_never().is_none(),
            "an update is not due yet"
        );
        clock.advance(UPDATE_EVERY);
        let seen = update(session.next().now_or_never());
        assert_eq!(seen, (vec!["x1".to_owned(), "x2".to_owned()], false));
        tails.publish(&key("g"), "a1", &events(&vec!["x"; UPDATE_EVENTS + 1]), NOW);
        assert!(session.next().now_or_never().is_none());
        clock.advance(UPDATE_EVERY);
        let (messages, sampled) = update(session.next().now_or_never());
        assert_eq!((messages.len(), sampled), (UPDATE_EVENTS, true));
        assert!(session.next().now_or_never().is_none());
        clock.advance(SESSION_LIMIT);
        let ended = session.next().await.unwrap().unwrap_err();
        assert_eq!(ended.code, "SessionTimeoutException");
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
