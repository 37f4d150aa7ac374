//! The removal of what nobody can see any more, step by step.

use rusqlite::{Connection, OptionalExtension};

use super::{ArchiveError, EVENT_OVERHEAD, horizon};

/// How many events, or streams, one step removes: some milliseconds for whoever waits to write.
pub(crate) const STEP: i64 = 1_000;

/// How many groups one step looks at for events that have expired, for as long as there are none.
const GROUPS: i64 = 200;

/// How far a sweep has come. A sweep that began at the first group again after each step would take
/// the square of their number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Progress {
    /// The last group, by number, in which nothing has expired any more.
    group: i64,
}

/// Whether there may be more to remove.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Swept {
    More(Progress),
    Done,
}

/// One step at the time `now` of a sweep that has come as far as `progress`: of a deleted group,
/// else of a deleted stream, else of events that are older than their group keeps them.
pub(crate) fn step(
    connection: &Connection,
    progress: Progress,
    now: i64,
) -> Result<Swept, ArchiveError> {
    if let Some(group) = first(
        connection,
        "SELECT min(id) FROM log_group WHERE deleted = 1",
    )? {
        deleted_group(connection, group)?;
        return Ok(Swept::More(progress));
    }
    if let Some(stream) = first(
        connection,
        "SELECT min(id) FROM log_stream WHERE deleted = 1",
    )? {
        deleted_stream(connection, stream)?;
        return Ok(Swept::More(progress));
    }
    expired(connection, progress, now)
}

fn first(connection: &Connection, sql: &str) -> Result<Option<i64>, ArchiveError> {
    Ok(connection
        .prepare_cached(sql)?
        .query_row([], |row| row.get(0))?)
}

fn deleted_group(connection: &Connection, group: i64) -> Result<(), ArchiveError> {
    if remove_events(connection, "log_group", group, i64::MAX, STEP)?.0 > 0 {
        return Ok(());
    }
    let streams = connection
        .prepare_cached(
            "DELETE FROM log_stream WHERE id IN
                 (SELECT id FROM log_stream WHERE log_group = ?1 AND deleted IN (0, 1) LIMIT ?2)",
        )?
        .execute((group, STEP))?;
    if streams == 0 {
        connection
            .prepare_cached("DELETE FROM log_group WHERE id = ?1")?
            .execute([group])?;
    }
    Ok(())
}

fn deleted_stream(connection: &Connection, stream: i64) -> Result<(), ArchiveError> {
    let (events, bytes) = remove_events(connection, "stream", stream, i64::MAX, STEP)?;
    if events == 0 {
        connection
            .prepare_cached("DELETE FROM log_stream WHERE id = ?1")?
            .execute([stream])?;
    } else {
        connection
            .prepare_cached(
                "UPDATE log_group SET bytes = bytes - ?2
                 WHERE id = (SELECT log_group FROM log_stream WHERE id = ?1)",
            )?
            .execute((stream, bytes))?;
    }
    Ok(())
}

fn expired(connection: &Connection, progress: Progress, now: i64) -> Result<Swept, ArchiveError> {
    let groups = with_retention(connection, progress)?;
    if groups.is_empty() {
        return Ok(Swept::Done);
    }
    let (mut gone_through, mut room) = (progress, STEP);
    for (group, retention) in groups {
        let cutoff = horizon(Some(retention), now);
        let (events, bytes) = remove_events(connection, "log_group", group, cutoff, room)?;
        if events > 0 {
            connection
                .prepare_cached("UPDATE log_group SET bytes = bytes - ?2 WHERE id = ?1")?
                .execute((group, bytes))?;
        }
        room -= events;
        if room == 0 {
            return Ok(Swept::More(gone_through));
        }
        gone_through.group = group;
    }
    Ok(Swept::More(gone_through))
}

/// The next groups that do not keep their events for ever, each with the days that it keeps them.
fn with_retention(
    connection: &Connection,
    progress: Progress,
) -> Result<Vec<(i64, i64)>, ArchiveError> {
    let mut statement = connection.prepare_cached(
        "SELECT id, retention FROM log_group
         WHERE deleted = 0 AND retention IS NOT NULL AND id > ?1 ORDER BY id LIMIT ?2",
    )?;
    let groups = statement.query_map((progress.group, GROUPS), |row| {
        Ok((row.get(0)?, row.get(1)?))
    })?;
    Ok(groups.collect::<Result<_, _>>()?)
}

/// Removes the first events of a group or stream from before `cutoff`, `limit` at most. Returns how
/// many there were, and what they counted.
fn remove_events(
    connection: &Connection,
    column: &'static str,
    key: i64,
    cutoff: i64,
    limit: i64,
) -> Result<(i64, i64), ArchiveError> {
    // The last event of this step; everything up to it goes.
    let last: Option<(i64, i64)> = connection
        .prepare_cached(&format!(
            "SELECT time, id FROM (SELECT time, id FROM log_event
                                   WHERE {column} = ?1 AND time < ?2 ORDER BY time, id LIMIT ?3)
             ORDER BY time DESC, id DESC LIMIT 1"
        ))?
        .query_row((key, cutoff, limit), |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let Some((time, id)) = last else {
        return Ok((0, 0));
    };
    let mut statement = connection.prepare_cached(&format!(
        "DELETE FROM log_event WHERE {column} = ?1 AND (time, id) <= (?2, ?3)
         RETURNING octet_length(message)"
    ))?;
    let mut removed = statement.query((key, time, id))?;
    let (mut events, mut bytes) = (0, 0);
    while let Some(row) = removed.next()? {
        events += 1;
        bytes += row.get::<_, i64>(0)? + i64::try_from(EVENT_OVERHEAD).unwrap_or_default();
    }
    Ok((events, bytes))
}

#[cfg(test)]
mod tests {
    use super::super::groups::{delete_group, find_group, set_retention};
    use super::super::streams::delete_stream;
    use super::super::testing::{NOW, group, key, put, store};
    use super::*;

    const DAY: i64 = 86_400_000;

    /// Sweeps until nothing is left to do; how many steps that took, and how many rows are left.
    fn sweep(store: &store::Store) -> (usize, i64, i64) {
        let (mut steps, mut progress) = (0, Progress::default());
        while let Swept::More(further) = store
            .write_blocking(move |c| step(c, progress, NOW))
            .unwrap()
        {
            progress = further;
            steps += 1;
            assert!(steps < 100, "the sweep does not come to an end");
        }
        let count = |table: &str| {
            let sql = format!("SELECT count(*) FROM {table}");
            store
                .read_blocking(move |c| {
                    Ok::<i64, ArchiveError>(c.query_row(&sql, [], |r| r.get(0))?)
                })
                .unwrap()
        };
        (steps, count("log_event"), count("log_stream"))
    }

    #[test]
    fn a_deleted_group_goes_step_by_step_and_another_stays() {
        let (_folder, store) = store();
        group(&store, "g", &["s"]);
        group(&store, "other", &["s"]);
        put(&store, "g", "s", &vec![(NOW, "x"); 2_500]);
        put(&store, "other", "s", &[(NOW, "y")]);
        store
            .write_blocking(|c| delete_group(c, &key("g")))
            .unwrap();
        let (steps, events, streams) = sweep(&store);
        assert_eq!((events, streams), (1, 1));
        assert_eq!(
            steps, 5,
            "three for events, one for streams, one for the group"
        );
    }

    #[test]
    fn a_deleted_stream_gives_its_bytes_back() {
        let (_folder, store) = store();
        group(&store, "g", &["s", "t"]);
        put(&store, "g", "s", &[(NOW, "xx"); 3]);
        put(&store, "g", "t", &[(NOW, "é")]);
        store
            .write_blocking(|c| delete_stream(c, &key("g"), "s"))
            .unwrap();
        let (_, events, streams) = sweep(&store);
        assert_eq!((events, streams), (1, 1));
        let group = store.read_blocking(|c| find_group(c, &key("g"))).unwrap();
        assert_eq!(group.bytes, 2 + 26);
    }

    #[test]
    fn what_is_older_than_its_retention_goes() {
        let (_folder, store) = store();
        group(&store, "g", &["s"]);
        group(&store, "for ever", &["s"]);
        put(
            &store,
            "g",
            "s",
            &[(NOW - 3 * DAY - 1, "a"), (NOW - 3 * DAY, "b"), (NOW, "c")],
        );
        put(&store, "for ever", "s", &[(NOW - 99 * DAY, "d")]);
        store
            .write_blocking(|c| set_retention(c, &key("g"), Some(3)))
            .unwrap();
        let (_, events, _) = sweep(&store);
        assert_eq!(events, 3);
        let group = store.read_blocking(|c| find_group(c, &key("g"))).unwrap();
        assert_eq!(group.bytes, 2 * 27);
    }

    #[test]
    fn many_groups_are_gone_through_once() {
        let (_folder, store) = store();
        let groups = 2 * GROUPS + 50;
        for number in 0..groups {
            let name = number.to_string();
            group(&store, &name, &["s"]);
            put(&store, &name, "s", &[(NOW - 2 * DAY, "a"), (NOW, "b")]);
            store
                .write_blocking(move |c| set_retention(c, &key(&name), Some(1)))
                .unwrap();
        }
        let (steps, events, _) = sweep(&store);
        assert_eq!(events, groups, "the newer event of each group");
        assert_eq!(steps, 3, "as few as the groups fit into");
    }

    #[test]
    fn a_group_that_fills_a_step_is_gone_on_with() {
        let (_folder, store) = store();
        for (name, events) in [("a", 900), ("b", 2_300), ("c", 10)] {
            group(&store, name, &["s"]);
            put(&store, name, "s", &vec![(NOW - 2 * DAY, "x"); events]);
            store
                .write_blocking(move |c| set_retention(c, &key(name), Some(1)))
                .unwrap();
        }
        let (steps, events, _) = sweep(&store);
        assert_eq!((steps, events), (4, 0), "3,210 events by the thousand");
    }
}
