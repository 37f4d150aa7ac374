//! Events, put into a stream.

use rusqlite::Connection;

use super::groups::{GroupKey, find_group};
use super::streams::stream_id;
use super::{ArchiveError, EVENT_OVERHEAD};

/// An event to be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NewEvent {
    /// Milliseconds since the epoch.
    pub(crate) time: i64,
    pub(crate) message: String,
}

impl NewEvent {
    /// What it counts, in bytes.
    pub(crate) fn size(&self) -> usize {
        self.message.len() + EVENT_OVERHEAD
    }
}

/// Where events are put.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Target {
    group: i64,
    pub(crate) stream: i64,
    /// How long the group keeps events, in days.
    pub(crate) retention: Option<i64>,
}

/// The group and the stream that events are put into, which must exist.
pub(crate) fn target(
    connection: &Connection,
    group: &GroupKey,
    stream: &str,
) -> Result<Target, ArchiveError> {
    let group = find_group(connection, group)?;
    let stream = stream_id(connection, group.id, stream)?.ok_or(ArchiveError::NoStream)?;
    Ok(Target {
        group: group.id,
        stream,
        retention: group.retention,
    })
}

/// Puts events, which are in the order of their times, into a stream.
pub(crate) fn insert(
    connection: &Connection,
    target: &Target,
    events: &[NewEvent],
    now: i64,
) -> Result<(), ArchiveError> {
    let Target { group, stream, .. } = *target;
    let (Some(first), Some(last)) = (events.first(), events.last()) else {
        return Ok(());
    };
    let count = i64::try_from(events.len()).unwrap_or(i64::MAX);
    let next: i64 = connection
        .prepare_cached("UPDATE log_event_counter SET next = next + ?1 RETURNING next")?
        .query_row([count], |row| row.get(0))?;
    let mut statement = connection.prepare_cached(
        "INSERT INTO log_event (log_group, time, id, stream, ingested, message)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?;
    let mut bytes = 0;
    for (id, event) in (next - count..next).zip(events) {
        statement.execute((group, event.time, id, stream, now, &event.message))?;
        bytes += event.size();
    }
    connection
        .prepare_cached("UPDATE log_group SET bytes = bytes + ?2 WHERE id = ?1")?
        .execute((group, i64::try_from(bytes).unwrap_or(i64::MAX)))?;
    connection
        .prepare_cached(
            "UPDATE log_stream SET first_event = min(coalesce(first_event, ?2), ?2),
                                   last_event = max(last_event, ?3), last_ingestion = ?4
             WHERE id = ?1",
        )?
        .execute((stream, first.time, last.time, now))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::groups::{GroupRow, find_group};
    use super::super::streams::{StreamOrder, list_streams};
    use super::super::testing::{NOW, group, key, put, store};
    use super::*;

    #[test]
    fn the_group_counts_bytes_and_the_stream_its_times() {
        let (_folder, store) = store();
        let id = group(&store, "g", &["s"]);
        put(&store, "g", "s", &[(NOW - 7, "four"), (NOW - 5, "é")]);
        put(&store, "g", "s", &[(NOW - 9, "x")]);
        let (group, streams): (GroupRow, _) = store
            .read_blocking(move |c| {
                let order = StreamOrder::LastEvent;
                let (streams, _) = list_streams(c, id, &order, false, None, 9)?;
                Ok::<_, ArchiveError>((find_group(c, &key("g"))?, streams))
            })
            .unwrap();
        assert_eq!(group.bytes, 4 + 2 + 1 + 3 * 26);
        assert_eq!(streams[0].first_event, Some(NOW - 9));
        assert_eq!(streams[0].last_event, NOW - 5);
        assert_eq!(streams[0].last_ingestion, Some(NOW));
    }

    #[test]
    fn the_target_must_exist() {
        let (_folder, store) = store();
        group(&store, "g", &[]);
        let put = |name: &'static str| store.write_blocking(move |c| target(c, &key(name), "s"));
        assert!(matches!(put("none"), Err(ArchiveError::NoGroup)));
        assert!(matches!(put("g"), Err(ArchiveError::NoStream)));
    }
}
