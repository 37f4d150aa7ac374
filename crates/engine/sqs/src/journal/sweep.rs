//! What is over, removed a bounded part at a time, so that nobody who writes waits long.

use rusqlite::Connection;

use super::messages;
use crate::error::JournalError;
use crate::seq::Seq;

/// How many messages one step removes.
const STEP: i64 = 1_000;

/// Removes messages of a queue that were sent at `horizon` or before, from the oldest on; answers
/// which. It stops at the first that is younger: what stands behind it is looked at when it is
/// received, or goes with it.
pub(crate) fn expired(
    connection: &Connection,
    queue: i64,
    after: Seq,
    horizon: i64,
) -> Result<Vec<Seq>, JournalError> {
    let mut statement = connection.prepare_cached(
        "SELECT seq, sent FROM sqs_message WHERE seq > ?1 AND seq <= ?2 ORDER BY seq LIMIT ?3",
    )?;
    let mut rows = statement.query((after.0, Seq::end(queue).0, STEP))?;
    let mut seqs = Vec::new();
    while let Some(row) = rows.next()? {
        if row.get::<_, i64>(1)? > horizon {
            break;
        }
        seqs.push(Seq(row.get(0)?));
    }
    drop(rows);
    messages::delete(connection, queue, &seqs)?;
    Ok(seqs)
}

/// Removes what purging and deleting queues have left, and deduplications of before `horizon`.
/// Answers whether there may be more.
pub(crate) fn leftovers(connection: &Connection, horizon: i64) -> Result<bool, JournalError> {
    let old = connection
        .prepare_cached(
            "DELETE FROM sqs_deduplication WHERE (queue, key) IN
                 (SELECT queue, key FROM sqs_deduplication WHERE at <= ?1 LIMIT ?2)",
        )?
        .execute((horizon, STEP))?;
    let mut more = i64::try_from(old).unwrap_or(STEP) == STEP;
    let ranges: Vec<(i64, i64, bool)> = connection
        .prepare_cached(
            "SELECT id, purged, deleted FROM sqs_queue WHERE purged > 0 OR deleted = 1",
        )?
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
        .collect::<Result<_, _>>()?;
    for (queue, purged, deleted) in ranges {
        let upto = if deleted { Seq::end(queue).0 } else { purged };
        let range = (Seq::start(queue).0, upto, STEP);
        let mut removed = 0;
        for table in ["sqs_message", "sqs_receipt"] {
            let sql = format!(
                "DELETE FROM {table} WHERE seq IN
                     (SELECT seq FROM {table} WHERE seq > ?1 AND seq <= ?2 ORDER BY seq LIMIT ?3)"
            );
            removed += connection.prepare_cached(&sql)?.execute(range)?;
        }
        if removed > 0 {
            more = true;
        } else if deleted {
            connection.execute("DELETE FROM sqs_deduplication WHERE queue = ?1", [queue])?;
            connection.execute("DELETE FROM sqs_queue WHERE id = ?1", [queue])?;
        }
    }
    Ok(more)
}
