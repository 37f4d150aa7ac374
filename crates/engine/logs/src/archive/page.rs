//! Pages of one stream's events, from either end. A page costs what it returns.

use rusqlite::{Connection, Row};

use super::{ArchiveError, EVENT_OVERHEAD, Position, StoredEvent};

/// What a page may hold, in bytes.
pub(crate) const PAGE_BYTES: usize = 1 << 20;

/// Which way a page goes from where it begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    /// From old to new.
    Forward,
    /// From new to old.
    Backward,
}

/// A part of time, from `start` (included) to `end` (excluded), in milliseconds since the epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) start: i64,
    pub(crate) end: i64,
}

impl Span {
    /// The position from which a page in that direction begins.
    pub(crate) fn begin(self, direction: Direction) -> Position {
        match direction {
            Direction::Forward => Position::before(self.start),
            Direction::Backward => Position::before(self.end),
        }
    }
}

/// The SQL that walks over events in `direction`, within the `column` that is ?1 and the span from
/// ?4 to ?5, beyond the position (?2, ?3).
pub(crate) fn walk(column: &str, direction: Direction) -> String {
    let (beyond, order) = match direction {
        Direction::Forward => (">", "ASC"),
        Direction::Backward => ("<", "DESC"),
    };
    format!(
        "SELECT time, id, ingested, message, stream FROM log_event
         WHERE {column} = ?1 AND (time, id) {beyond} (?2, ?3) AND time >= ?4 AND time < ?5
         ORDER BY time {order}, id {order}"
    )
}

/// Reads a row of [`walk`].
pub(crate) fn event(row: &Row<'_>) -> rusqlite::Result<StoredEvent> {
    Ok(StoredEvent {
        position: position(row)?,
        ingested: row.get(2)?,
        message: row.get(3)?,
    })
}

/// Reads the position of a row of [`walk`].
pub(crate) fn position(row: &Row<'_>) -> rusqlite::Result<Position> {
    Ok(Position {
        time: row.get(0)?,
        id: row.get(1)?,
    })
}

/// The events of a stream beyond `from`, in the direction asked for, as many as fit.
pub(crate) fn page(
    connection: &Connection,
    stream: i64,
    span: Span,
    from: Position,
    direction: Direction,
    limit: usize,
) -> Result<Vec<StoredEvent>, ArchiveError> {
    let mut statement = connection.prepare_cached(&walk("stream", direction))?;
    let mut rows = statement.query((stream, from.time, from.id, span.start, span.end))?;
    let (mut events, mut bytes) = (Vec::new(), 0);
    while events.len() < limit
        && let Some(row) = rows.next()?
    {
        let event = event(row)?;
        bytes += event.message.len() + EVENT_OVERHEAD;
        if bytes > PAGE_BYTES && !events.is_empty() {
            break;
        }
        events.push(event);
    }
    Ok(events)
}

#[cfg(test)]
mod tests {
    use super::super::groups::group_id;
    use super::super::streams::stream_id;
    use super::super::testing::{NOW, group, key, put, store};
    use super::*;

    fn read(
        store: &store::Store,
        span: Span,
        from: Option<Position>,
        direction: Direction,
        limit: usize,
    ) -> Vec<StoredEvent> {
        store
            .read_blocking(move |c| {
                let group = group_id(c, &key("g"))?;
                let stream = stream_id(c, group, "s")?.unwrap();
                let from = from.unwrap_or_else(|| span.begin(direction));
                page(c, stream, span, from, direction, limit)
            })
            .unwrap()
    }

    #[test]
    fn both_ways_and_within_the_span() {
        let (_folder, store) = store();
        group(&store, "g", &["s", "t"]);
        put(
            &store,
            "g",
            "s",
            &[(NOW, "a"), (NOW, "b"), (NOW + 1, "c"), (NOW + 2, "d")],
        );
        put(&store, "g", "t", &[(NOW, "other")]);
        let span = Span {
            start: NOW,
            end: NOW + 2,
        };
        let texts = |events: Vec<StoredEvent>| {
            events
                .into_iter()
                .map(|event| event.message)
                .collect::<String>()
        };
        assert_eq!(
            texts(read(&store, span, None, Direction::Forward, 9)),
            "abc"
        );
        assert_eq!(
            texts(read(&store, span, None, Direction::Backward, 9)),
            "cba"
        );
        let first = read(&store, span, None, Direction::Forward, 1);
        let from = Some(first[0].position);
        assert_eq!(texts(read(&store, span, from, Direction::Forward, 9)), "bc");
        assert_eq!(texts(read(&store, span, from, Direction::Backward, 9)), "");
    }

    #[test]
    fn a_page_ends_before_its_size_does() {
        let (_folder, store) = store();
        group(&store, "g", &["s"]);
        let long = "x".repeat(PAGE_BYTES / 2 - EVENT_OVERHEAD);
        put(&store, "g", "s", &[(NOW, &long), (NOW, &long), (NOW, "y")]);
        let span = Span {
            start: 0,
            end: i64::MAX,
        };
        assert_eq!(read(&store, span, None, Direction::Forward, 9).len(), 2);
        let huge = "x".repeat(PAGE_BYTES * 2);
        put(&store, "g", "s", &[(NOW + 1, &huge)]);
        assert_eq!(read(&store, span, None, Direction::Backward, 9).len(), 1);
    }
}
