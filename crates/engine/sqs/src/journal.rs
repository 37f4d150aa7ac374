//! What is kept, as SQL over one SQLite file. Everything here runs inside the store's closures and
//! takes a connection.
//!
//! It is a file of its own: messages come and go by the ten thousand a second, and what is written
//! of functions meanwhile should neither wait behind them nor be flushed with them.

pub(crate) mod messages;
pub(crate) mod queues;
pub(crate) mod receipts;
pub(crate) mod sweep;
pub(crate) mod tasks;

use store::{Migration, Schema};

/// The tables of this service, for [`store::StoreOptions`].
pub const SCHEMA: Schema = Schema {
    component: "sqs",
    migrations: &[Migration {
        name: "make queues, messages, receipts, deduplications and move tasks",
        // Times of messages are milliseconds since the epoch. A message lies where its number says,
        // its text last, so that the rest can be read without it. `due` is when a delayed one
        // becomes visible, and 0 of all others. `messages`, `high` and `purged` of a queue are how
        // many it has, the last number given out, and the one up to which there are none.
        sql: "
            CREATE TABLE sqs_queue (
                id         INTEGER PRIMARY KEY AUTOINCREMENT,
                account    TEXT NOT NULL,
                region     TEXT NOT NULL,
                name       TEXT NOT NULL,
                created    INTEGER NOT NULL,
                modified   INTEGER NOT NULL,
                attributes TEXT NOT NULL,
                tags       TEXT NOT NULL,
                messages   INTEGER NOT NULL DEFAULT 0,
                high       INTEGER NOT NULL DEFAULT 0,
                purged     INTEGER NOT NULL DEFAULT 0,
                deleted    INTEGER NOT NULL DEFAULT 0
            ) STRICT;
            CREATE UNIQUE INDEX sqs_queue_by_name ON sqs_queue (account, region, name)
                WHERE deleted = 0;

            CREATE TABLE sqs_message (
                seq           INTEGER PRIMARY KEY,
                queue         INTEGER NOT NULL,
                due           INTEGER NOT NULL,
                sent          INTEGER NOT NULL,
                message_group TEXT,
                id            TEXT NOT NULL,
                sender        TEXT NOT NULL,
                deduplication TEXT,
                source        TEXT,
                trace         TEXT,
                attributes    TEXT,
                body          TEXT NOT NULL
            ) STRICT;
            CREATE INDEX sqs_message_delayed ON sqs_message (queue, due) WHERE due > 0;

            CREATE TABLE sqs_receipt (
                seq      INTEGER PRIMARY KEY,
                receives INTEGER NOT NULL,
                first    INTEGER NOT NULL,
                received INTEGER NOT NULL,
                until    INTEGER NOT NULL,
                stamp    INTEGER NOT NULL
            ) STRICT;

            CREATE TABLE sqs_deduplication (
                queue INTEGER NOT NULL,
                key   TEXT NOT NULL,
                at    INTEGER NOT NULL,
                seq   INTEGER NOT NULL,
                id    TEXT NOT NULL,
                PRIMARY KEY (queue, key)
            ) STRICT, WITHOUT ROWID;
            CREATE INDEX sqs_deduplication_by_age ON sqs_deduplication (at);

            CREATE TABLE sqs_move_task (
                id          TEXT PRIMARY KEY,
                source      TEXT NOT NULL,
                destination TEXT,
                rate        INTEGER,
                status      TEXT NOT NULL,
                moved       INTEGER NOT NULL,
                total       INTEGER NOT NULL,
                upto        INTEGER NOT NULL,
                started     INTEGER NOT NULL,
                failure     TEXT
            ) STRICT, WITHOUT ROWID;
            CREATE INDEX sqs_move_task_by_source ON sqs_move_task (source, started);
        ",
    }],
};

/// Text as JSON, and back.
pub(crate) mod json {
    use serde::Serialize;
    use serde::de::DeserializeOwned;

    use crate::error::JournalError;

    pub(crate) fn write<T: Serialize>(
        what: &'static str,
        value: &T,
    ) -> Result<String, JournalError> {
        serde_json::to_string(value).map_err(|source| JournalError::Content { what, source })
    }

    pub(crate) fn read<T: DeserializeOwned>(
        what: &'static str,
        text: &str,
    ) -> Result<T, JournalError> {
        serde_json::from_str(text).map_err(|source| JournalError::Content { what, source })
    }
}
