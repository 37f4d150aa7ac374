//! Log events of a group, searched and followed.
//!
//! Following asks again every second. Live Tail would be told of events, but SDKs send it to a host
//! of its own (`stream-logs.…`), which an engine on a loopback address has not; on AWS it is billed
//! by the minute and shows a sample where there are more than 500 events a second. Asking needs no
//! more than the right to search, and loses nothing.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_cloudwatchlogs::operation::filter_log_events::FilterLogEventsOutput;

use crate::connection::Connection;
use crate::error::CallError;

/// How often a group is asked for what is new.
const ASK_EVERY: Duration = Duration::from_secs(1);

/// How late an event may become visible and is still shown, in milliseconds. Streams come in
/// independently of one another, so that an older event may follow a newer one.
const LATENESS: i64 = 10_000;

/// Which events are wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogSearch {
    /// The log group's name.
    pub group: String,
    /// From when on, in milliseconds since the epoch.
    pub since: Option<i64>,
    /// Until when, in milliseconds since the epoch.
    pub until: Option<i64>,
    /// A filter pattern of CloudWatch Logs.
    pub pattern: Option<String>,
    /// What the names of streams begin with.
    pub stream_prefix: Option<String>,
}

/// One event of a log stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogEvent {
    /// Its time, in milliseconds since the epoch.
    pub timestamp: i64,
    /// The stream that it is from.
    pub stream: String,
    /// The message, with the line feed that it may end with.
    pub message: String,
    /// By what it is known.
    pub id: String,
}

/// The events of a group that are there, page by page, and then, if wanted, those that come.
#[derive(Debug)]
pub struct LogEvents {
    connection: Arc<Connection>,
    search: LogSearch,
    /// Where the next page begins.
    token: Option<String>,
    /// Whether the search has been to its end.
    ended: bool,
    handed_out: HandedOut,
}

/// The events that were handed out lately: those that a further search may find again.
#[derive(Debug, Default)]
struct HandedOut {
    /// Their times, by their ids.
    times: HashMap<String, i64>,
    /// The time of the newest there ever was.
    newest: Option<i64>,
}

impl HandedOut {
    /// The earliest time from which a further search asks for events.
    fn since(&self) -> Option<i64> {
        self.newest.map(|newest| newest.saturating_sub(LATENESS))
    }

    /// Those of `events` that were not handed out before. What is too old to be found again is
    /// forgotten.
    fn take(&mut self, events: impl Iterator<Item = LogEvent>) -> Vec<LogEvent> {
        let fresh = events
            .filter(|event| {
                let before = self.times.insert(event.id.clone(), event.timestamp);
                before.is_none()
            })
            .collect();
        self.newest = self.newest.max(self.times.values().max().copied());
        if let Some(from) = self.since() {
            self.times.retain(|_, time| *time >= from);
        }
        fresh
    }
}

impl LogEvents {
    pub(crate) fn new(connection: Arc<Connection>, search: LogSearch) -> Self {
        Self {
            connection,
            search,
            token: None,
            ended: false,
            handed_out: HandedOut::default(),
        }
    }

    /// The next page of what is there now, which may be empty; `None` at the end.
    ///
    /// # Errors
    /// The target refuses or cannot be reached.
    pub async fn next_page(&mut self) -> Result<Option<Vec<LogEvent>>, CallError> {
        if self.ended {
            return Ok(None);
        }
        let search = &self.search;
        let call = self
            .connection
            .logs
            .filter_log_events()
            .log_group_name(&search.group)
            .set_start_time(search.since)
            .set_end_time(search.until)
            .set_filter_pattern(search.pattern.clone())
            .set_log_stream_name_prefix(search.stream_prefix.clone())
            .set_next_token(self.token.take());
        let page: FilterLogEventsOutput = self
            .connection
            .answered("FilterLogEvents", call.send().await)?;
        self.token = page.next_token;
        self.ended = self.token.is_none();
        let events = page.events.unwrap_or_default().into_iter();
        let events = events.map(|event| LogEvent {
            timestamp: event.timestamp.unwrap_or_default(),
            stream: event.log_stream_name.unwrap_or_default(),
            message: event.message.unwrap_or_default(),
            id: event.event_id.unwrap_or_default(),
        });
        Ok(Some(self.handed_out.take(events)))
    }

    /// Waits a while and makes ready to be asked for what has come since.
    pub async fn wait(&mut self) {
        self.connection.clock().sleep(ASK_EVERY).await;
        if let Some(from) = self.handed_out.since() {
            self.search.since = Some(self.search.since.unwrap_or(from).max(from));
        }
        self.ended = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(number: i64, timestamp: i64) -> LogEvent {
        LogEvent {
            timestamp,
            stream: "s".to_owned(),
            message: String::new(),
            id: number.to_string(),
        }
    }

    fn numbers(events: &[LogEvent]) -> Vec<&str> {
        events.iter().map(|event| &*event.id).collect()
    }

    #[test]
    fn what_was_handed_out_lately_is_not_handed_out_again() {
        let mut handed_out = HandedOut::default();
        assert_eq!(handed_out.since(), None);
        handed_out.take([event(1, 50_000), event(2, 60_000)].into_iter());
        assert_eq!(handed_out.since(), Some(50_000));
        let again = [event(1, 50_000), event(3, 55_000), event(2, 60_000)];
        assert_eq!(numbers(&handed_out.take(again.into_iter())), ["3"]);
    }

    #[test]
    fn a_long_search_keeps_only_what_can_be_found_again() {
        let mut handed_out = HandedOut::default();
        for page in 0..100 {
            let numbers = page * 1_000..(page + 1) * 1_000;
            let events = numbers.map(|number| event(number, number * 100));
            assert_eq!(handed_out.take(events).len(), 1_000);
        }
        assert_eq!(
            handed_out.times.len(),
            101,
            "ten seconds of ten events each"
        );
        assert_eq!(handed_out.take(std::iter::empty()), []);
        assert_eq!(handed_out.since(), Some(99_999 * 100 - LATENESS));
    }
}
