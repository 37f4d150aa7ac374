//! Messages.

use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::json;
use crate::budget::Budget;
use crate::error::JournalError;
use crate::message::{Attributes, Content};
use crate::queue::{CHUNK, Due, Found, Waiting};
use crate::seq::Seq;

/// A message to be written.
#[derive(Debug)]
pub(crate) struct New {
    pub(crate) seq: Seq,
    /// When it becomes visible, in milliseconds since the epoch; 0 for at once.
    pub(crate) due: i64,
    pub(crate) content: Arc<Content>,
    /// In a FIFO queue: what it is deduplicated by.
    pub(crate) key: Option<String>,
}

/// What became of a message that was to be written.
#[derive(Debug, Clone)]
pub(crate) struct Written {
    /// Its number, or that of the one that it repeats.
    pub(crate) seq: Seq,
    /// Likewise.
    pub(crate) id: String,
    /// Whether it is a new one.
    pub(crate) fresh: bool,
}

/// For how long a message is not sent again, in milliseconds.
/// Source: <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/using-messagededuplicationid-property.html>.
pub(crate) const DEDUPLICATED: i64 = 300_000;

/// How many messages in line are read at a time, and how many bytes of their texts.
const LINE_CHUNK: usize = 1_000;
const LINE_BYTES: usize = 4 * 1024 * 1024;

/// What a row starts with where it is read without its text.
const PLACE: &str = "m.seq, m.sent, m.message_group, m.due, r.receives, r.first";
const TEXT: &str = "m.id, m.sender, m.deduplication, m.source, m.trace, m.attributes, m.body";

/// Writes messages to a queue, but for those that repeat one.
pub(crate) fn insert(
    connection: &Connection,
    queue: i64,
    messages: &[New],
    now: i64,
) -> Result<Vec<Written>, JournalError> {
    let mut insert = connection.prepare_cached(
        "INSERT INTO sqs_message (seq, queue, due, sent, message_group, id, sender, deduplication,
             source, trace, attributes, body)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
    )?;
    let mut written = Vec::with_capacity(messages.len());
    let mut fresh = 0;
    for message in messages {
        let content = &message.content;
        let repeated = match &message.key {
            Some(key) => repeats(connection, queue, key, message, now)?,
            None => None,
        };
        if let Some(repeated) = repeated {
            written.push(repeated);
            continue;
        }
        let attributes = match content.attributes.is_empty() {
            true => None,
            false => Some(json::write(
                "an attribute of a message",
                &content.attributes,
            )?),
        };
        insert.execute(params![
            message.seq.0,
            queue,
            message.due,
            content.sent,
            content.group.as_deref(),
            content.id,
            content.sender,
            content.deduplication,
            content.source,
            content.trace,
            attributes,
            content.body,
        ])?;
        fresh += 1;
        written.push(Written {
            seq: message.seq,
            id: content.id.clone(),
            fresh: true,
        });
    }
    if let Some(last) = messages.last() {
        count(connection, queue, fresh, last.seq)?;
    }
    Ok(written)
}

/// The message that one with that key repeats, if there was one lately; else it is noted.
fn repeats(
    connection: &Connection,
    queue: i64,
    key: &str,
    message: &New,
    now: i64,
) -> Result<Option<Written>, JournalError> {
    let known = connection
        .prepare_cached(
            "SELECT seq, id FROM sqs_deduplication WHERE queue = ?1 AND key = ?2 AND at > ?3",
        )?
        .query_row(params![queue, key, now - DEDUPLICATED], |row| {
            Ok(Written {
                seq: Seq(row.get(0)?),
                id: row.get(1)?,
                fresh: false,
            })
        })
        .optional()?;
    if known.is_none() {
        connection
            .prepare_cached("INSERT OR REPLACE INTO sqs_deduplication VALUES (?1, ?2, ?3, ?4, ?5)")?
            .execute(params![queue, key, now, message.seq.0, message.content.id])?;
    }
    Ok(known)
}

/// A queue has that many more messages, and numbers up to that one.
fn count(connection: &Connection, queue: i64, more: i64, high: Seq) -> Result<(), JournalError> {
    connection
        .prepare_cached(
            "UPDATE sqs_queue SET messages = messages + ?2, high = max(high, ?3) WHERE id = ?1",
        )?
        .execute((queue, more, high.0))?;
    Ok(())
}

/// Deletes messages of a queue; answers how many there were.
pub(crate) fn delete(
    connection: &Connection,
    queue: i64,
    seqs: &[Seq],
) -> Result<usize, JournalError> {
    // What was purged is not counted any more.
    let mut message = connection.prepare_cached(
        "DELETE FROM sqs_message
         WHERE seq = ?1 AND seq > (SELECT purged FROM sqs_queue WHERE id = ?2)",
    )?;
    let mut receipt = connection.prepare_cached("DELETE FROM sqs_receipt WHERE seq = ?1")?;
    let mut gone = 0;
    for seq in seqs {
        gone += message.execute((seq.0, queue))?;
        receipt.execute([seq.0])?;
    }
    if gone > 0 {
        connection
            .prepare_cached("UPDATE sqs_queue SET messages = max(messages - ?2, 0) WHERE id = ?1")?
            .execute((queue, i64::try_from(gone).unwrap_or_default()))?;
    }
    Ok(gone)
}

/// A message that goes to another queue.
#[derive(Debug, Clone)]
pub(crate) struct Move {
    pub(crate) from: Seq,
    pub(crate) to: Seq,
    /// The id that it has from now on, where that is another one.
    pub(crate) id: Option<String>,
}

/// How messages change when they go to another queue.
#[derive(Debug, Clone)]
pub(crate) struct Moving {
    pub(crate) from: i64,
    pub(crate) to: i64,
    /// The queue that they are dead letters of, by ARN; none where they go back.
    pub(crate) source: Option<String>,
    /// When they are sent, where they are sent anew.
    pub(crate) sent: Option<i64>,
}

/// Moves messages to another queue; answers what is there now.
pub(crate) fn shift(
    connection: &Connection,
    moving: &Moving,
    moves: &[Move],
) -> Result<Vec<Waiting>, JournalError> {
    let mut copy = connection.prepare_cached(
        "INSERT INTO sqs_message (seq, queue, due, sent, message_group, id, sender, deduplication,
             source, trace, attributes, body)
         SELECT ?2, ?3, 0, coalesce(?4, sent), message_group, coalesce(?6, id), sender, deduplication,
             ?5, trace, attributes, body
         FROM sqs_message WHERE seq = ?1
         RETURNING sent, message_group",
    )?;
    let mut moved = Vec::with_capacity(moves.len());
    for Move { from, to, id } in moves {
        let values = params![from.0, to.0, moving.to, moving.sent, moving.source, id];
        let found = copy
            .query_row(values, |row| {
                let group: Option<String> = row.get(1)?;
                Ok(Waiting {
                    seq: *to,
                    content: None,
                    sent: row.get(0)?,
                    receives: 0,
                    first: 0,
                    group: group.map(Into::into),
                    delayed: false,
                })
            })
            .optional()?;
        moved.extend(found);
    }
    if let Some(last) = moves.last() {
        let more = i64::try_from(moved.len()).unwrap_or_default();
        count(connection, moving.to, more, last.to)?;
    }
    let from: Vec<Seq> = moves.iter().map(|one| one.from).collect();
    delete(connection, moving.from, &from)?;
    Ok(moved)
}

/// Messages of a queue in line behind `after`, up to `upto`, with texts where there is a budget and
/// as far as it lasts.
pub(crate) fn line(
    connection: &Connection,
    after: Seq,
    upto: Seq,
    with_content: Option<&Budget>,
) -> Result<Found, JournalError> {
    let text = with_content.map_or("NULL", |_| TEXT);
    let sql = format!(
        "SELECT {PLACE}, {text} FROM sqs_message m LEFT JOIN sqs_receipt r ON r.seq = m.seq
         WHERE m.seq > ?1 AND m.seq <= ?2 AND m.due = 0 ORDER BY m.seq LIMIT ?3"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let limit = i64::try_from(LINE_CHUNK).unwrap_or(i64::MAX);
    let mut rows = statement.query((after.0, upto.0, limit))?;
    let mut found = Found {
        messages: Vec::new(),
        upto,
    };
    let mut bytes = 0;
    while let Some(row) = rows.next()? {
        let mut waiting = place(row)?;
        if let Some(budget) = with_content {
            let mut content = content(row, &waiting, 6)?;
            bytes += content.weight();
            content.room = budget.take(content.weight());
            waiting.content = content.room.is_some().then(|| Arc::new(content));
        }
        found.messages.push(waiting);
        if found.messages.len() == LINE_CHUNK || bytes >= LINE_BYTES {
            found.upto = found.messages.last().map_or(upto, |last| last.seq);
            break;
        }
    }
    Ok(found)
}

/// Delayed messages of a queue behind `after`, in the order in which they become visible.
pub(crate) fn delayed(
    connection: &Connection,
    queue: i64,
    after: Due,
) -> Result<Vec<(i64, Waiting)>, JournalError> {
    let sql = format!(
        "SELECT {PLACE} FROM sqs_message m LEFT JOIN sqs_receipt r ON r.seq = m.seq
         WHERE m.queue = ?1 AND m.due > 0 AND (m.due, m.seq) > (?2, ?3)
         ORDER BY m.due, m.seq LIMIT ?4"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let limit = i64::try_from(CHUNK).unwrap_or(i64::MAX);
    let mut rows = statement.query((queue, after.0, after.1.0, limit))?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push((row.get(3)?, place(row)?));
    }
    Ok(found)
}

/// The contents of messages, as far as they are still there.
pub(crate) fn contents(
    connection: &Connection,
    seqs: &[Seq],
) -> Result<Vec<(Seq, Arc<Content>)>, JournalError> {
    let sql = format!(
        "SELECT {PLACE}, {TEXT} FROM sqs_message m LEFT JOIN sqs_receipt r ON r.seq = m.seq
         WHERE m.seq = ?1"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let mut found = Vec::with_capacity(seqs.len());
    for seq in seqs {
        let mut rows = statement.query([seq.0])?;
        if let Some(row) = rows.next()? {
            let waiting = place(row)?;
            found.push((*seq, Arc::new(content(row, &waiting, 6)?)));
        }
    }
    Ok(found)
}

fn place(row: &Row<'_>) -> Result<Waiting, JournalError> {
    let group: Option<String> = row.get(2)?;
    let due: i64 = row.get(3)?;
    Ok(Waiting {
        seq: Seq(row.get(0)?),
        content: None,
        sent: row.get(1)?,
        receives: row.get::<_, Option<u32>>(4)?.unwrap_or_default(),
        first: row.get::<_, Option<i64>>(5)?.unwrap_or_default(),
        group: group.map(Into::into),
        delayed: due > 0,
    })
}

fn content(row: &Row<'_>, waiting: &Waiting, at: usize) -> Result<Content, JournalError> {
    let attributes: Option<String> = row.get(at + 5)?;
    let attributes: Attributes = match attributes {
        Some(text) => json::read("an attribute of a message", &text)?,
        None => Attributes::new(),
    };
    Ok(Content {
        id: row.get(at)?,
        sender: row.get(at + 1)?,
        deduplication: row.get(at + 2)?,
        source: row.get(at + 3)?,
        trace: row.get(at + 4)?,
        attributes,
        body: row.get(at + 6)?,
        sent: waiting.sent,
        group: waiting.group.clone(),
        room: None,
    })
}
