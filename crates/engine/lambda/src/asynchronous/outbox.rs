//! What is to be told of events that have ended, on disk until it was delivered.
//!
//! A letter is written in the transaction that ends its event: there is no moment at which a crash
//! loses the one without the other.

use bytes::Bytes;
use ids::{RequestId, Timestamp};
use rusqlite::{Connection, Row, params};
use store::{Migration, Store};

use crate::error::ApiError;

/// The table.
pub(crate) const MIGRATION: Migration = Migration {
    name: "records of asynchronous events on their way to destinations",
    sql: "
        CREATE TABLE lambda_outbox (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            due INTEGER NOT NULL,
            written INTEGER NOT NULL,
            refusals INTEGER NOT NULL,
            sender TEXT NOT NULL,
            role TEXT NOT NULL,
            destination TEXT NOT NULL,
            request_id TEXT NOT NULL,
            trace_id TEXT,
            dead_letter TEXT,
            body BLOB NOT NULL
        ) STRICT;
        CREATE INDEX lambda_outbox_due ON lambda_outbox (due, id);
    ",
};

/// What is to be told to one destination.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Letter {
    /// When it is delivered next.
    pub(crate) due: Timestamp,
    pub(crate) written: Timestamp,
    /// How often it could not be delivered.
    pub(crate) refusals: u32,
    /// The ARN of the function whose event it was, as it was called.
    pub(crate) sender: String,
    /// The role as which it is delivered.
    pub(crate) role: String,
    /// The ARN of where it goes.
    pub(crate) destination: String,
    /// The id of the call that delivers it, the same however often that is tried.
    pub(crate) request_id: RequestId,
    pub(crate) trace_id: Option<String>,
    /// Of a dead letter: its attributes.
    pub(crate) dead_letter: Option<Attributes>,
    pub(crate) body: Bytes,
}

/// What a dead letter says beside the event.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Attributes {
    /// The request id of the invocation.
    pub(crate) request_id: String,
    /// The HTTP status.
    pub(crate) error_code: u16,
    pub(crate) error_message: String,
}

/// What there is to do.
#[derive(Debug, Default)]
pub(crate) struct DueLetters {
    pub(crate) letters: Vec<(i64, Letter)>,
    /// When the next one will be due; none where no other waits.
    pub(crate) next: Option<Timestamp>,
}

/// Writes a letter, in the transaction of `connection`.
pub(super) fn post(connection: &Connection, letter: &Letter) -> Result<(), ApiError> {
    let dead_letter = letter.dead_letter.as_ref();
    let dead_letter = dead_letter.map(serde_json::to_string).transpose()?;
    connection
        .prepare_cached(
            "INSERT INTO lambda_outbox
                 (due, written, refusals, sender, role, destination, request_id, trace_id,
                  dead_letter, body)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
        )?
        .execute(params![
            letter.due.0,
            letter.written.0,
            letter.refusals,
            letter.sender,
            letter.role,
            letter.destination,
            letter.request_id.to_string(),
            letter.trace_id,
            dead_letter,
            &*letter.body,
        ])?;
    Ok(())
}

/// The letters on disk. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Outbox {
    store: Store,
}

impl Outbox {
    pub(crate) fn new(store: Store) -> Self {
        Self { store }
    }

    /// Up to `room` letters that are due, leaving out those in `held`.
    pub(crate) async fn due(
        &self,
        now: Timestamp,
        room: usize,
        held: Vec<i64>,
    ) -> Result<DueLetters, ApiError> {
        self.store
            .read(move |connection| {
                let limit = i64::try_from(room + held.len() + 1).unwrap_or(i64::MAX);
                let mut statement = connection.prepare_cached(
                    "SELECT id, due FROM lambda_outbox ORDER BY due, id LIMIT ?1",
                )?;
                let rows = statement.query_map([limit], |row| {
                    Ok((row.get::<_, i64>(0)?, Timestamp(row.get(1)?)))
                })?;
                let mut due = DueLetters::default();
                for row in rows {
                    let (id, when) = row?;
                    if held.contains(&id) {
                        continue;
                    }
                    if when > now || due.letters.len() == room {
                        due.next = Some(when);
                        break;
                    }
                    due.letters.push((id, letter(connection, id)?));
                }
                Ok(due)
            })
            .await
    }

    /// A letter is delivered, or given up.
    pub(crate) async fn remove(&self, id: i64) -> Result<(), ApiError> {
        self.store
            .write(move |connection| {
                connection
                    .prepare_cached("DELETE FROM lambda_outbox WHERE id = ?1")?
                    .execute([id])?;
                Ok(())
            })
            .await
    }

    /// A letter is tried again later.
    pub(crate) async fn postpone(
        &self,
        id: i64,
        due: Timestamp,
        refusals: u32,
    ) -> Result<(), ApiError> {
        self.store
            .write(move |connection| {
                connection
                    .prepare_cached(
                        "UPDATE lambda_outbox SET due = ?2, refusals = ?3 WHERE id = ?1",
                    )?
                    .execute(params![id, due.0, refusals])?;
                Ok(())
            })
            .await
    }
}

fn letter(connection: &Connection, id: i64) -> Result<Letter, ApiError> {
    let read = |row: &Row<'_>| {
        let letter = Letter {
            due: Timestamp(row.get(0)?),
            written: Timestamp(row.get(1)?),
            refusals: row.get(2)?,
            sender: row.get(3)?,
            role: row.get(4)?,
            destination: row.get(5)?,
            request_id: request_id(&row.get::<_, String>(6)?)?,
            trace_id: row.get(7)?,
            dead_letter: None,
            body: row.get::<_, Vec<u8>>(9)?.into(),
        };
        Ok((letter, row.get::<_, Option<String>>(8)?))
    };
    let (letter, dead_letter) = connection
        .prepare_cached(
            "SELECT due, written, refusals, sender, role, destination, request_id, trace_id,
                 dead_letter, body
             FROM lambda_outbox WHERE id = ?1",
        )?
        .query_row([id], read)?;
    let dead_letter = dead_letter
        .map(|text| serde_json::from_str(&text))
        .transpose()?;
    Ok(Letter {
        dead_letter,
        ..letter
    })
}

fn request_id(text: &str) -> rusqlite::Result<RequestId> {
    text.parse().map_err(|_| {
        rusqlite::Error::InvalidColumnType(6, "request_id".to_owned(), rusqlite::types::Type::Text)
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::Duration;

    use ids::SeededEntropy;
    use store::StoreOptions;

    use super::super::queue::{Queue, StoredEvent};
    use super::*;
    use crate::function::key::FunctionKey;

    const NOW: Timestamp = Timestamp(1_000_000_000);

    fn open(folder: &Path) -> Store {
        Store::open(StoreOptions::new(folder, "control.db", vec![crate::SCHEMA])).unwrap()
    }

    fn letter(entropy: &SeededEntropy, dead_letter: Option<Attributes>) -> Letter {
        Letter {
            due: NOW,
            written: NOW,
            refusals: 0,
            sender: "arn:aws:lambda:us-east-1:000000000000:function:f:$LATEST".to_owned(),
            role: "arn:aws:iam::000000000000:role/r".to_owned(),
            destination: "arn:aws:lambda:us-east-1:000000000000:function:g".to_owned(),
            request_id: RequestId::draw(entropy),
            trace_id: Some("Root=1".to_owned()),
            dead_letter,
            body: Bytes::from_static(b"{}"),
        }
    }

    /// Accepts an event and returns its id.
    async fn accept(queue: &Queue, key: &FunctionKey, entropy: &SeededEntropy) -> i64 {
        let event = StoredEvent {
            key: key.clone(),
            qualifier: None,
            due: NOW,
            accepted: NOW,
            failures: 0,
            refusals: 0,
            request_id: RequestId::draw(entropy),
            trace_id: None,
            client_context: None,
            payload: Bytes::from_static(b"{}"),
        };
        queue.add(event).await.unwrap();
        let due = queue.due(key, NOW, 1, Vec::new()).await.unwrap();
        due.events[0].0
    }

    #[tokio::test]
    async fn what_is_to_be_told_is_kept_with_the_end_of_its_event_and_once() {
        let (folder, entropy) = (tempfile::tempdir().unwrap(), SeededEntropy::new(1));
        let key = FunctionKey {
            account: ids::DEFAULT_ACCOUNT.into(),
            region: ids::DEFAULT_REGION.into(),
            name: "f".into(),
        };
        let attributes = Attributes {
            request_id: "r".to_owned(),
            error_code: 200,
            error_message: "no".to_owned(),
        };
        let told = [letter(&entropy, None), letter(&entropy, Some(attributes))];
        {
            let store = open(folder.path());
            let queue = Queue::new(store);
            let id = accept(&queue, &key, &entropy).await;
            assert_eq!(queue.end(id, told.to_vec()).await.unwrap(), 1);
            // An event that is gone, as that of a deleted function, tells nobody.
            assert_eq!(queue.end(id, told.to_vec()).await.unwrap(), 0);
        }
        let outbox = Outbox::new(open(folder.path()));
        let due = outbox.due(NOW, 16, Vec::new()).await.unwrap();
        let letters: Vec<_> = due
            .letters
            .iter()
            .map(|(_, letter)| letter.clone())
            .collect();
        assert_eq!(letters, told);
        let (first, second) = (due.letters[0].0, due.letters[1].0);
        let later = NOW.plus(Duration::from_secs(1));
        outbox.postpone(first, later, 1).await.unwrap();
        let due = outbox.due(NOW, 16, vec![second]).await.unwrap();
        assert!(due.letters.is_empty());
        assert_eq!(due.next, Some(later));
        outbox.remove(second).await.unwrap();
        let due = outbox.due(later, 16, Vec::new()).await.unwrap();
        assert_eq!((due.letters.len(), due.letters[0].1.refusals), (1, 1));
    }
}
