//! Log streams.

use rusqlite::{Connection, OptionalExtension, Row};

use super::ArchiveError;
use super::groups::{GroupKey, find_group, group_id};

/// A stream as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StreamRow {
    pub(crate) id: i64,
    pub(crate) name: String,
    pub(crate) created: i64,
    pub(crate) first_event: Option<i64>,
    /// -1 where there is no event.
    pub(crate) last_event: i64,
    pub(crate) last_ingestion: Option<i64>,
}

const COLUMNS: &str = "id, name, created, first_event, last_event, last_ingestion";

fn read(row: &Row<'_>) -> rusqlite::Result<StreamRow> {
    Ok(StreamRow {
        id: row.get(0)?,
        name: row.get(1)?,
        created: row.get(2)?,
        first_event: row.get(3)?,
        last_event: row.get(4)?,
        last_ingestion: row.get(5)?,
    })
}

/// Makes a stream.
pub(crate) fn create_stream(
    connection: &Connection,
    group: &GroupKey,
    name: &str,
    now: i64,
) -> Result<(), ArchiveError> {
    let group = group_id(connection, group)?;
    if stream_id(connection, group, name)?.is_some() {
        return Err(ArchiveError::StreamExists);
    }
    connection
        .prepare_cached("INSERT INTO log_stream (log_group, name, created) VALUES (?1, ?2, ?3)")?
        .execute((group, name, now))?;
    Ok(())
}

/// Marks a stream as deleted, with everything in it.
pub(crate) fn delete_stream(
    connection: &Connection,
    group: &GroupKey,
    name: &str,
) -> Result<(), ArchiveError> {
    let group = find_group(connection, group)?;
    if group.protected {
        return Err(ArchiveError::Protected(group.name));
    }
    let id = stream_id(connection, group.id, name)?.ok_or(ArchiveError::NoStream)?;
    connection
        .prepare_cached("UPDATE log_stream SET deleted = 1 WHERE id = ?1")?
        .execute([id])?;
    Ok(())
}

/// The id of the stream `name` in the group `group`, where there is one.
pub(crate) fn stream_id(
    connection: &Connection,
    group: i64,
    name: &str,
) -> Result<Option<i64>, ArchiveError> {
    let id = connection
        .prepare_cached(
            "SELECT id FROM log_stream WHERE log_group = ?1 AND name = ?2 AND deleted = 0",
        )?
        .query_row((group, name), |row| row.get(0))
        .optional()?;
    Ok(id)
}

/// The name of the stream `id`, unless it is deleted.
pub(crate) fn stream_name(
    connection: &Connection,
    id: i64,
) -> Result<Option<String>, ArchiveError> {
    let name = connection
        .prepare_cached("SELECT name FROM log_stream WHERE id = ?1 AND deleted = 0")?
        .query_row([id], |row| row.get(0))
        .optional()?;
    Ok(name)
}

/// In which order streams are listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum StreamOrder {
    /// By name, of those that begin with `prefix`.
    Name { prefix: String },
    /// By the time of the last event, then by name.
    LastEvent,
}

/// The last stream of a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StreamCursor {
    pub(crate) last_event: i64,
    pub(crate) name: String,
}

/// Streams of a group behind `after`, and whether there are more than `limit`.
pub(crate) fn list_streams(
    connection: &Connection,
    group: i64,
    order: &StreamOrder,
    descending: bool,
    after: Option<&StreamCursor>,
    limit: usize,
) -> Result<(Vec<StreamRow>, bool), ArchiveError> {
    let (beyond, direction) = if descending {
        ("<", "DESC")
    } else {
        (">", "ASC")
    };
    let (prefix, condition, ordering) = match order {
        StreamOrder::Name { prefix } => (
            prefix.as_str(),
            format!("?2 IS NULL OR ?3 IS NULL OR name {beyond} ?2"),
            format!("name {direction}"),
        ),
        StreamOrder::LastEvent => (
            "",
            format!("?2 IS NULL OR (last_event, name) {beyond} (?3, ?2)"),
            format!("last_event {direction}, name {direction}"),
        ),
    };
    let mut statement = connection.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM log_stream
         WHERE log_group = ?1 AND ({condition}) AND deleted = 0
               AND name >= ?4 AND (?5 IS NULL OR name < ?5)
         ORDER BY {ordering} LIMIT ?6"
    ))?;
    let after_name = after.map(|cursor| cursor.name.as_str());
    let after_time = after.map(|cursor| cursor.last_event);
    let rows = statement.query_map(
        (
            group,
            after_name,
            after_time,
            prefix,
            end_of_prefix(prefix),
            i64::try_from(limit).unwrap_or(i64::MAX).saturating_add(1),
        ),
        read,
    )?;
    let mut streams = rows.collect::<Result<Vec<_>, _>>()?;
    let more = streams.len() > limit;
    streams.truncate(limit);
    Ok((streams, more))
}

/// The least text above everything that begins with `prefix`; `None` where there is none.
fn end_of_prefix(prefix: &str) -> Option<String> {
    let mut characters: Vec<char> = prefix.chars().collect();
    while let Some(last) = characters.pop() {
        if let Some(next) = (u32::from(last) + 1..=u32::from(char::MAX)).find_map(char::from_u32) {
            characters.push(next);
            return Some(characters.into_iter().collect());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::super::testing::{NOW, group, key, put, store};
    use super::*;

    #[test]
    fn a_prefix_ends_where_the_next_one_begins() {
        assert_eq!(end_of_prefix("ab").as_deref(), Some("ac"));
        assert_eq!(end_of_prefix("a\u{d7ff}").as_deref(), Some("a\u{e000}"));
        assert_eq!(end_of_prefix("a\u{10ffff}").as_deref(), Some("b"));
        assert_eq!(end_of_prefix(""), None);
    }

    fn names(
        store: &store::Store,
        group: i64,
        order: StreamOrder,
        descending: bool,
        page: usize,
    ) -> Vec<String> {
        store
            .read_blocking(move |c| {
                let (mut names, mut after) = (Vec::new(), None);
                loop {
                    let (streams, more) =
                        list_streams(c, group, &order, descending, after.as_ref(), page)?;
                    assert!(streams.len() <= page);
                    after = streams.last().map(|stream| StreamCursor {
                        last_event: stream.last_event,
                        name: stream.name.clone(),
                    });
                    names.extend(streams.into_iter().map(|stream| stream.name));
                    if !more {
                        return Ok::<_, ArchiveError>(names);
                    }
                }
            })
            .unwrap()
    }

    #[test]
    fn orders_and_pages() {
        let (_folder, store) = store();
        let id = group(&store, "g", &["a", "b1", "b2", "c", "d"]);
        put(&store, "g", "c", &[(NOW - 5, "x")]);
        put(&store, "g", "a", &[(NOW - 9, "x"), (NOW - 3, "x")]);
        put(&store, "g", "b2", &[(NOW - 5, "x")]);
        let by_name = |prefix: &str| StreamOrder::Name {
            prefix: prefix.to_owned(),
        };
        for page in [1, 2, 10] {
            let list = |order, descending| names(&store, id, order, descending, page);
            assert_eq!(list(by_name(""), false), ["a", "b1", "b2", "c", "d"]);
            assert_eq!(list(by_name(""), true), ["d", "c", "b2", "b1", "a"]);
            assert_eq!(list(by_name("b"), false), ["b1", "b2"]);
            assert_eq!(
                list(StreamOrder::LastEvent, false),
                ["b1", "d", "b2", "c", "a"]
            );
            assert_eq!(
                list(StreamOrder::LastEvent, true),
                ["a", "c", "b2", "d", "b1"]
            );
        }
    }

    #[test]
    fn a_deleted_stream_is_gone_at_once() {
        let (_folder, store) = store();
        let id = group(&store, "g", &["a"]);
        let gone = store.write_blocking(|c| {
            delete_stream(c, &key("g"), "a")?;
            delete_stream(c, &key("g"), "a")
        });
        assert!(matches!(gone, Err(ArchiveError::NoStream)));
        store
            .write_blocking(|c| delete_stream(c, &key("g"), "a"))
            .unwrap();
        let all = StreamOrder::Name {
            prefix: String::new(),
        };
        assert!(names(&store, id, all, false, 9).is_empty());
    }
}
