//! Queues.

use rusqlite::{Connection, params};

use super::json;
use crate::attribute::Given;
use crate::definition::{Definition, QueueKey};
use crate::error::JournalError;
use crate::queue::{Receiving, Recovered, Waiting};
use crate::seq::Seq;

/// A queue as it is kept.
#[derive(Debug)]
pub(crate) struct Kept {
    pub(crate) id: i64,
    pub(crate) key: QueueKey,
    pub(crate) created: i64,
    pub(crate) modified: i64,
    pub(crate) given: Given,
    pub(crate) tags: Given,
    pub(crate) recovered: Recovered,
}

/// Adds a queue; answers its number.
pub(crate) fn add(
    connection: &Connection,
    key: &QueueKey,
    definition: &Definition,
    now: i64,
) -> Result<i64, JournalError> {
    connection.execute(
        "INSERT INTO sqs_queue (account, region, name, created, modified, attributes, tags)
         VALUES (?1, ?2, ?3, ?4, ?4, ?5, ?6)",
        params![
            &*key.account,
            &*key.region,
            &*key.name,
            now,
            json::write("an attribute", &definition.given)?,
            json::write("a tag", &definition.tags)?,
        ],
    )?;
    Ok(connection.last_insert_rowid())
}

/// Writes a queue's attributes and tags.
pub(crate) fn define(
    connection: &Connection,
    id: i64,
    definition: &Definition,
) -> Result<(), JournalError> {
    connection.execute(
        "UPDATE sqs_queue SET modified = ?2, attributes = ?3, tags = ?4 WHERE id = ?1",
        params![
            id,
            definition.modified,
            json::write("an attribute", &definition.given)?,
            json::write("a tag", &definition.tags)?,
        ],
    )?;
    Ok(())
}

/// Marks a queue as deleted; the sweeper removes it and its messages.
pub(crate) fn delete(connection: &Connection, id: i64) -> Result<(), JournalError> {
    connection.execute("UPDATE sqs_queue SET deleted = 1 WHERE id = ?1", [id])?;
    Ok(())
}

/// Marks all messages up to that one as gone; the sweeper removes them.
pub(crate) fn purge(connection: &Connection, id: i64, upto: Seq) -> Result<(), JournalError> {
    connection.execute(
        "UPDATE sqs_queue SET messages = 0, purged = ?2, high = max(high, ?2) WHERE id = ?1",
        (id, upto.0),
    )?;
    Ok(())
}

/// Every queue, with what is to be known of its messages at the start.
pub(crate) fn all(connection: &Connection, now: i64) -> Result<Vec<Kept>, JournalError> {
    let mut statement = connection.prepare(
        "SELECT id, account, region, name, created, modified, attributes, tags, messages, high, purged
         FROM sqs_queue WHERE deleted = 0 ORDER BY id",
    )?;
    let mut rows = statement.query([])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let text = |index| row.get::<_, String>(index);
        let id = row.get(0)?;
        let purged: i64 = row.get(10)?;
        let (delayed, last_due) = delayed(connection, id, purged, now)?;
        found.push(Kept {
            id,
            key: QueueKey {
                account: text(1)?.into(),
                region: text(2)?.into(),
                name: text(3)?.into(),
            },
            created: row.get(4)?,
            modified: row.get(5)?,
            given: json::read("an attribute", &text(6)?)?,
            tags: json::read("a tag", &text(7)?)?,
            recovered: Recovered {
                last: row.get(9)?,
                purged,
                total: row.get(8)?,
                delayed,
                last_due,
                in_flight: in_flight(connection, id, purged, now)?,
            },
        });
    }
    Ok(found)
}

/// How many messages are to be read in the order in which they become visible, and when the last
/// does.
fn delayed(
    connection: &Connection,
    queue: i64,
    purged: i64,
    now: i64,
) -> Result<(u64, i64), JournalError> {
    let (count, last): (i64, Option<i64>) = connection
        .prepare_cached(
            "SELECT count(*), max(due) FROM sqs_message
             WHERE queue = ?1 AND due > 0 AND seq > ?2",
        )?
        .query_row((queue, purged), |row| Ok((row.get(0)?, row.get(1)?)))?;
    let last = last.filter(|last| *last > now).unwrap_or_default();
    Ok((u64::try_from(count).unwrap_or_default(), last))
}

fn in_flight(
    connection: &Connection,
    queue: i64,
    purged: i64,
    now: i64,
) -> Result<Vec<(Waiting, Receiving)>, JournalError> {
    let mut statement = connection.prepare_cached(
        "SELECT r.seq, m.sent, r.receives, r.first, m.message_group, m.due, r.stamp, r.received,
             r.until
         FROM sqs_receipt r JOIN sqs_message m ON m.seq = r.seq
         WHERE r.seq > ?1 AND r.seq <= ?2 AND r.until > ?3",
    )?;
    let start = Seq::start(queue).0.max(purged);
    let rows = statement.query_map((start, Seq::end(queue).0, now), |row| {
        let group: Option<String> = row.get(4)?;
        let waiting = Waiting {
            seq: Seq(row.get(0)?),
            content: None,
            sent: row.get(1)?,
            receives: row.get(2)?,
            first: row.get(3)?,
            group: group.map(Into::into),
            delayed: row.get::<_, i64>(5)? > 0,
        };
        let receiving = Receiving {
            stamp: row.get(6)?,
            received: row.get(7)?,
            until: row.get(8)?,
        };
        Ok((waiting, receiving))
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}
