//! The bound on the whole of what is kept: where there is no more room, the oldest events go first,
//! whosever they are.
//!
//! Whoever puts events removes twice as many bytes of old ones in the same transaction, so that the bound
//! holds however fast events come, and nobody pays for more than he brings. What counts is the room in the
//! file that is in use; what is free is used again, or goes back to the disk.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension};

use super::{ArchiveError, EVENT_OVERHEAD};

/// How many events are removed at a time.
const STEP: i64 = 1_000;

/// What was removed for want of room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Removed {
    pub(crate) events: u64,
    pub(crate) bytes: u64,
}

/// The room in use, in bytes. That is the length of the file but for its free pages.
pub(crate) fn used(connection: &Connection) -> Result<u64, ArchiveError> {
    let read = |name| -> Result<u64, ArchiveError> {
        let value: u32 = connection.pragma_query_value(None, name, |row| row.get(0))?;
        Ok(value.into())
    };
    let pages = read("page_count")?.saturating_sub(read("freelist_count")?);
    Ok(pages.saturating_mul(read("page_size")?))
}

/// Removes the oldest events for as long as more than `limit` bytes are in use, until some `enough` bytes
/// of events are gone.
pub(crate) fn make(
    connection: &Connection,
    limit: u64,
    enough: u64,
) -> Result<Removed, ArchiveError> {
    let mut removed = Removed::default();
    while removed.bytes < enough && used(connection)? > limit {
        let step = remove_oldest(connection)?;
        if step.events == 0 {
            break;
        }
        removed.events += step.events;
        removed.bytes += step.bytes;
    }
    Ok(removed)
}

fn remove_oldest(connection: &Connection) -> Result<Removed, ArchiveError> {
    // The last event of this step; everything up to it goes.
    let last: Option<(i64, i64, i64)> = connection
        .prepare_cached(
            "SELECT time, log_group, id FROM
                 (SELECT time, log_group, id FROM log_event ORDER BY time, log_group, id LIMIT ?1)
             ORDER BY time DESC, log_group DESC, id DESC LIMIT 1",
        )?
        .query_row([STEP], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .optional()?;
    let Some(last) = last else {
        return Ok(Removed::default());
    };
    let mut statement = connection.prepare_cached(
        "DELETE FROM log_event WHERE (time, log_group, id) <= (?1, ?2, ?3)
         RETURNING log_group, octet_length(message)",
    )?;
    let mut rows = statement.query(last)?;
    let (mut events, mut groups) = (0, HashMap::<i64, i64>::new());
    while let Some(row) = rows.next()? {
        let length: i64 = row.get(1)?;
        events += 1;
        *groups.entry(row.get(0)?).or_default() +=
            length + i64::try_from(EVENT_OVERHEAD).unwrap_or_default();
    }
    let mut shrink =
        connection.prepare_cached("UPDATE log_group SET bytes = bytes - ?2 WHERE id = ?1")?;
    let mut bytes = 0;
    for (group, less) in groups {
        shrink.execute((group, less))?;
        bytes += u64::try_from(less).unwrap_or_default();
    }
    Ok(Removed { events, bytes })
}

#[cfg(test)]
mod tests {
    use super::super::groups::find_group;
    use super::super::testing::{NOW, group, key, put, store};
    use super::*;

    const LIMIT: u64 = 1 << 20;

    /// Puts as the operation does.
    fn put_within(store: &store::Store, name: &str, time: i64, message: &str, count: usize) {
        put(store, name, "s", &vec![(time, message); count]);
        let brought = u64::try_from(count * (message.len() + EVENT_OVERHEAD)).unwrap();
        store
            .write_blocking(move |c| make(c, LIMIT, 2 * brought))
            .unwrap();
    }

    fn events(store: &store::Store, name: &str) -> (i64, i64, i64) {
        let key = key(name);
        store
            .read_blocking(move |c| {
                let group = find_group(c, &key)?;
                Ok::<_, ArchiveError>(c.query_row(
                    "SELECT count(*), coalesce(min(time), 0),
                            coalesce(sum(octet_length(message) + 26), 0) - ?2
                     FROM log_event WHERE log_group = ?1",
                    (group.id, group.bytes),
                    |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
                )?)
            })
            .unwrap()
    }

    #[test]
    fn it_holds_while_events_come_and_the_oldest_go_first() {
        let (_folder, store) = store();
        group(&store, "g", &["s"]);
        group(&store, "other", &["s"]);
        let message = "x".repeat(200);
        for round in 0..60 {
            put_within(&store, "g", NOW + round * 10, &message, 300);
            put_within(&store, "other", NOW + round * 10 + 5, &message, 30);
            let used = store.read_blocking(used).unwrap();
            assert!(used < LIMIT + LIMIT / 4, "{used} bytes in round {round}");
        }
        let (many, oldest, miscounted) = events(&store, "g");
        let (few, oldest_of_other, miscounted_of_other) = events(&store, "other");
        assert!(
            many > 1_000 && few > 100,
            "{many} and {few} events are left"
        );
        assert!(oldest > NOW + 300, "{oldest}: the oldest are gone");
        assert!(
            (oldest - oldest_of_other).abs() <= 10,
            "from both groups alike"
        );
        assert_eq!((miscounted, miscounted_of_other), (0, 0));
    }

    #[test]
    fn nobody_pays_for_much_more_than_he_brings() {
        let (_folder, store) = store();
        group(&store, "g", &["s"]);
        put(&store, "g", "s", &vec![(NOW, &*"x".repeat(100)); 20_000]);
        let removed = store.write_blocking(|c| make(c, LIMIT, 10_000)).unwrap();
        let step = u64::try_from(STEP).unwrap();
        assert_eq!(removed.events, step, "one step was enough");
        let removed = store.write_blocking(|c| make(c, LIMIT, u64::MAX)).unwrap();
        assert!(removed.events > 5 * step);
        assert!(store.read_blocking(used).unwrap() <= LIMIT);
        let removed = store.write_blocking(|c| make(c, LIMIT, u64::MAX)).unwrap();
        assert_eq!(removed, Removed::default(), "there is room");
    }

    #[test]
    fn a_bound_that_cannot_be_kept_ends() {
        let (_folder, store) = store();
        group(&store, "g", &["s"]);
        put(&store, "g", "s", &[(NOW, "x")]);
        let removed = store.write_blocking(|c| make(c, 0, u64::MAX)).unwrap();
        assert_eq!(removed.events, 1);
    }
}
