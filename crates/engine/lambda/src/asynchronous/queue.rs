//! The events on disk.
//!
//! One index serves every question: what is due of a function, when the next one will be, and
//! which functions have events at all. Each costs what it returns, however long the queue is.

use bytes::Bytes;
use ids::{RequestId, Timestamp};
use rusqlite::{Connection, OptionalExtension, Row, params};
use store::{Migration, Store};

use super::outbox::{self, Letter};
use crate::error::ApiError;
use crate::function::key::FunctionKey;
use crate::function::tables::{Tables, rows};
use crate::function::target::Target;

/// The table.
pub(crate) const MIGRATION: Migration = Migration {
    name: "asynchronous events",
    sql: "
        CREATE TABLE lambda_event (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            account TEXT NOT NULL,
            region TEXT NOT NULL,
            name TEXT NOT NULL,
            qualifier TEXT,
            due INTEGER NOT NULL,
            accepted INTEGER NOT NULL,
            failures INTEGER NOT NULL,
            refusals INTEGER NOT NULL,
            request_id TEXT NOT NULL,
            trace_id TEXT,
            client_context TEXT,
            payload BLOB NOT NULL
        ) STRICT;
        CREATE INDEX lambda_event_due ON lambda_event (account, region, name, due);
    ",
};

/// One event, as it is kept.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct StoredEvent {
    pub(crate) key: FunctionKey,
    /// As the caller named the version or alias.
    pub(crate) qualifier: Option<String>,
    /// When it runs next.
    pub(crate) due: Timestamp,
    pub(crate) accepted: Timestamp,
    /// How often the function has failed over it.
    pub(crate) failures: u32,
    /// How often it could not be run at all since it last was.
    pub(crate) refusals: u32,
    pub(crate) request_id: RequestId,
    pub(crate) trace_id: Option<String>,
    pub(crate) client_context: Option<String>,
    pub(crate) payload: Bytes,
}

impl StoredEvent {
    /// What the caller called.
    pub(super) fn target(&self) -> Target {
        Target {
            key: self.key.clone(),
            qualifier: self.qualifier.clone(),
        }
    }
}

/// An event at a glance.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) id: i64,
    pub(crate) qualifier: Option<String>,
    pub(crate) accepted: Timestamp,
}

/// What there is to do for a function.
#[derive(Debug, Default)]
pub(crate) struct Due {
    /// Events that are due, the longest first.
    pub(crate) events: Vec<(i64, StoredEvent)>,
    /// When the next one will be; none where no other event waits.
    pub(crate) next: Option<Timestamp>,
}

impl Tables<'_> {
    /// Removes every event of a function, and returns how many.
    pub(crate) fn remove_events(&self, key: &FunctionKey) -> Result<usize, ApiError> {
        let mut statement = self.0.prepare_cached(
            "DELETE FROM lambda_event WHERE account = ?1 AND region = ?2 AND name = ?3",
        )?;
        Ok(statement.execute(params![key.account, key.region, key.name])?)
    }
}

/// The events on disk. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Queue {
    store: Store,
}

impl Queue {
    pub(crate) fn new(store: Store) -> Self {
        Self { store }
    }

    /// Keeps an event; durable once this returns.
    pub(crate) async fn add(&self, event: StoredEvent) -> Result<(), ApiError> {
        self.write(move |connection| {
            connection
                .prepare_cached(
                    "INSERT INTO lambda_event
                         (account, region, name, qualifier, due, accepted, failures, refusals,
                          request_id, trace_id, client_context, payload)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
                )?
                .execute(params![
                    event.key.account,
                    event.key.region,
                    event.key.name,
                    event.qualifier,
                    event.due.0,
                    event.accepted.0,
                    event.failures,
                    event.refusals,
                    event.request_id.to_string(),
                    event.trace_id,
                    event.client_context,
                    &*event.payload,
                ])?;
            Ok(())
        })
        .await
    }

    /// An event is done with, and `letters` tell of it. Returns how many were removed: none where
    /// its function was deleted, of which nothing is told.
    pub(crate) async fn end(&self, id: i64, letters: Vec<Letter>) -> Result<usize, ApiError> {
        self.write(move |connection| {
            let mut statement =
                connection.prepare_cached("DELETE FROM lambda_event WHERE id = ?1")?;
            let removed = statement.execute([id])?;
            if removed > 0 {
                for letter in &letters {
                    outbox::post(connection, letter)?;
                }
            }
            Ok(removed)
        })
        .await
    }

    /// An event runs again later.
    pub(crate) async fn postpone(
        &self,
        id: i64,
        due: Timestamp,
        failures: u32,
        refusals: u32,
    ) -> Result<(), ApiError> {
        self.write(move |connection| {
            connection
                .prepare_cached(
                    "UPDATE lambda_event SET due = ?2, failures = ?3, refusals = ?4 WHERE id = ?1",
                )?
                .execute(params![id, due.0, failures, refusals])?;
            Ok(())
        })
        .await
    }

    /// Up to `room` due events of a function, leaving out those in `held`.
    pub(crate) async fn due(
        &self,
        key: &FunctionKey,
        now: Timestamp,
        room: usize,
        held: Vec<i64>,
    ) -> Result<Due, ApiError> {
        let key = key.clone();
        self.read(move |connection| {
            let mut due = Due::default();
            let limit = i64::try_from(room + held.len() + 1).unwrap_or(i64::MAX);
            let mut statement = connection.prepare_cached(
                "SELECT id, due FROM lambda_event
                 WHERE account = ?1 AND region = ?2 AND name = ?3 ORDER BY due, id LIMIT ?4",
            )?;
            let place = params![key.account, key.region, key.name, limit];
            let rows = statement.query_map(place, |row| {
                Ok((row.get::<_, i64>(0)?, Timestamp(row.get(1)?)))
            })?;
            for row in rows {
                let (id, when) = row?;
                if held.contains(&id) {
                    continue;
                }
                if when > now || due.events.len() == room {
                    due.next = Some(when);
                    break;
                }
                due.events
                    .extend(event(connection, &key, id)?.map(|event| (id, event)));
            }
            Ok(due)
        })
        .await
    }

    /// What is known at a glance of up to `limit` events of a function, those that are due first.
    pub(crate) async fn heads(
        &self,
        key: &FunctionKey,
        limit: usize,
    ) -> Result<Vec<Head>, ApiError> {
        let key = key.clone();
        self.read(move |connection| {
            let mut statement = connection.prepare_cached(
                "SELECT id, qualifier, accepted FROM lambda_event
                 WHERE account = ?1 AND region = ?2 AND name = ?3 ORDER BY due, id LIMIT ?4",
            )?;
            let place = params![key.account, key.region, key.name, rows(limit)];
            let found = statement.query_map(place, |row| {
                Ok(Head {
                    id: row.get(0)?,
                    qualifier: row.get(1)?,
                    accepted: Timestamp(row.get(2)?),
                })
            })?;
            found.map(|row| Ok(row?)).collect()
        })
        .await
    }

    /// Those events of a function, as far as they are still there.
    pub(crate) async fn load(
        &self,
        key: &FunctionKey,
        ids: Vec<i64>,
    ) -> Result<Vec<(i64, StoredEvent)>, ApiError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let key = key.clone();
        self.read(move |connection| {
            let mut found = Vec::new();
            for id in ids {
                found.extend(event(connection, &key, id)?.map(|event| (id, event)));
            }
            Ok(found)
        })
        .await
    }

    /// Every function that has events.
    pub(crate) async fn functions(&self) -> Result<Vec<FunctionKey>, ApiError> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT account, region, name FROM lambda_event
                 WHERE (account, region, name) > (?1, ?2, ?3)
                 ORDER BY account, region, name LIMIT 1",
            )?;
            let mut found: Vec<FunctionKey> = Vec::new();
            loop {
                let last = found.last();
                let (account, region, name) = last.map_or(("", "", ""), |key| {
                    (&*key.account, &*key.region, &*key.name)
                });
                let next = statement
                    .query_row(params![account, region, name], |row| {
                        Ok(FunctionKey {
                            account: row.get(0)?,
                            region: row.get(1)?,
                            name: row.get(2)?,
                        })
                    })
                    .optional()?;
                match next {
                    Some(key) => found.push(key),
                    None => return Ok(found),
                }
            }
        })
        .await
    }

    /// How many events there are.
    pub(crate) async fn len(&self) -> Result<usize, ApiError> {
        self.read(|connection| {
            let count: i64 =
                connection.query_row("SELECT COUNT(*) FROM lambda_event", [], |row| row.get(0))?;
            Ok(usize::try_from(count).unwrap_or(usize::MAX))
        })
        .await
    }

    async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, ApiError> + Send + 'static,
    ) -> Result<T, ApiError> {
        self.store.write(move |connection| work(connection)).await
    }

    async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, ApiError> + Send + 'static,
    ) -> Result<T, ApiError> {
        self.store.read(move |connection| work(connection)).await
    }
}

fn event(
    connection: &Connection,
    key: &FunctionKey,
    id: i64,
) -> Result<Option<StoredEvent>, ApiError> {
    let read = |row: &Row<'_>| {
        let request_id: String = row.get(5)?;
        Ok(request_id.parse().ok().map(|request_id| {
            Ok::<_, rusqlite::Error>(StoredEvent {
                key: key.clone(),
                qualifier: row.get(0)?,
                due: Timestamp(row.get(1)?),
                accepted: Timestamp(row.get(2)?),
                failures: row.get(3)?,
                refusals: row.get(4)?,
                request_id,
                trace_id: row.get(6)?,
                client_context: row.get(7)?,
                payload: row.get::<_, Vec<u8>>(8)?.into(),
            })
        }))
    };
    let found = connection
        .prepare_cached(
            "SELECT qualifier, due, accepted, failures, refusals, request_id, trace_id,
                 client_context, payload
             FROM lambda_event WHERE id = ?1",
        )?
        .query_row([id], read)
        .optional()?;
    Ok(found.flatten().transpose()?)
}
