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
    /// What was handed out lately, by id, with its time.
    seen: HashMap<String, i64>,
}

impl LogEvents {
    pub(crate) fn new(connection: Arc<Connection>, search: LogSearch) -> Self {
        Self {
            connection,
            search,
            token: None,
            ended: false,
            seen: HashMap::new(),
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
        let events = events.filter(|event| {
            let before = self.seen.insert(event.id.clone(), event.timestamp);
            before.is_none()
        });
        Ok(Some(events.collect()))
    }

    /// Waits a while and makes ready to be asked for what has come since.
    pub async fn wait(&mut self) {
        self.connection.clock().sleep(ASK_EVERY).await;
        if let Some(newest) = self.seen.values().max() {
            let from = newest - LATENESS;
            self.search.since = Some(self.search.since.unwrap_or(from).max(from));
            // What is older is not asked for again.
            self.seen.retain(|_, time| *time >= from);
        }
        self.ended = false;
    }
}
