//! What is kept: groups, streams and events, as SQL over one SQLite file.
//!
//! Everything here runs inside the store's closures and takes a connection. Events lie in the order
//! in which a group is searched (time, then order of arrival); an index leads to those of one
//! stream. Deleting a group or a stream only marks it, in one step however much it holds; [`sweep`]
//! removes what is marked, and what is older than its retention, a bounded number of events at a
//! time, so that nobody who writes waits long. [`room`] bounds the whole.

pub(crate) mod append;
pub(crate) mod groups;
pub(crate) mod page;
pub(crate) mod room;
pub(crate) mod scan;
pub(crate) mod streams;
pub(crate) mod sweep;

use store::{Migration, Schema, StoreError};

/// The tables of this service, for [`store::StoreOptions`].
pub const SCHEMA: Schema = Schema {
    component: "logs",
    migrations: &[
        Migration {
            name: "make groups, streams and events",
            // Times are milliseconds since the epoch. `last_event` is -1 where there is no event, so
            // that streams can be ordered and paged by it.
            sql: "
            CREATE TABLE log_group (
                id        INTEGER PRIMARY KEY,
                account   TEXT NOT NULL,
                region    TEXT NOT NULL,
                name      TEXT NOT NULL,
                created   INTEGER NOT NULL,
                class     TEXT NOT NULL,
                retention INTEGER,
                kms_key   TEXT,
                protected INTEGER NOT NULL,
                tags      TEXT NOT NULL,
                bytes     INTEGER NOT NULL DEFAULT 0,
                deleted   INTEGER NOT NULL DEFAULT 0
            ) STRICT;
            CREATE UNIQUE INDEX log_group_by_name ON log_group (account, region, name)
                WHERE deleted = 0;
            CREATE INDEX log_group_deleted ON log_group (id) WHERE deleted = 1;
            CREATE INDEX log_group_with_retention ON log_group (id)
                WHERE deleted = 0 AND retention IS NOT NULL;

            CREATE TABLE log_stream (
                id             INTEGER PRIMARY KEY,
                log_group      INTEGER NOT NULL,
                name           TEXT NOT NULL,
                created        INTEGER NOT NULL,
                first_event    INTEGER,
                last_event     INTEGER NOT NULL DEFAULT -1,
                last_ingestion INTEGER,
                deleted        INTEGER NOT NULL DEFAULT 0
            ) STRICT;
            CREATE UNIQUE INDEX log_stream_by_name ON log_stream (log_group, name)
                WHERE deleted = 0;
            CREATE INDEX log_stream_by_last_event ON log_stream (log_group, last_event, name)
                WHERE deleted = 0;
            CREATE INDEX log_stream_deleted ON log_stream (id) WHERE deleted = 1;

            CREATE TABLE log_event (
                log_group INTEGER NOT NULL,
                time      INTEGER NOT NULL,
                id        INTEGER NOT NULL,
                stream    INTEGER NOT NULL,
                ingested  INTEGER NOT NULL,
                message   TEXT NOT NULL,
                PRIMARY KEY (log_group, time, id)
            ) STRICT, WITHOUT ROWID;
            CREATE INDEX log_event_by_stream ON log_event (stream, time, id);

            CREATE TABLE log_event_counter (next INTEGER NOT NULL) STRICT;
            INSERT INTO log_event_counter VALUES (1);
        ",
        },
        Migration {
            name: "find the oldest events of all groups",
            sql: "CREATE INDEX log_event_by_time ON log_event (time, log_group, id);",
        },
    ],
};

/// What every event counts beside its message, in bytes.
/// Source: <https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutLogEvents.html>.
pub(crate) const EVENT_OVERHEAD: usize = 26;

/// Why something cannot be done with what is kept.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ArchiveError {
    /// There is no such group.
    #[error("The specified log group does not exist.")]
    NoGroup,
    /// There is no such stream.
    #[error("The specified log stream does not exist.")]
    NoStream,
    /// A group has the name already.
    #[error("The specified log group already exists")]
    GroupExists,
    /// A stream has the name already.
    #[error("The specified log stream already exists")]
    StreamExists,
    /// The group must not be deleted, nor anything in it.
    #[error("The log group {0} has deletion protection enabled and cannot be deleted.")]
    Protected(String),
    /// A group would have more tags than it may.
    #[error("A log group can have {limit} tags at most.", limit = groups::MAX_TAGS)]
    TooManyTags,
    /// The tags of a group are not what was written.
    #[error("the tags of a log group cannot be read: {0}")]
    Tags(#[from] serde_json::Error),
    /// The store cannot serve.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<rusqlite::Error> for ArchiveError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Store(error.into())
    }
}

/// Where an event stands: by its time, and among those of one time by its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Position {
    /// Milliseconds since the epoch.
    pub(crate) time: i64,
    /// The number that it was given on arrival, from 1.
    pub(crate) id: i64,
}

impl Position {
    /// Before every event of `time` and later.
    pub(crate) fn before(time: i64) -> Self {
        Self { time, id: 0 }
    }
}

/// An event as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StoredEvent {
    pub(crate) position: Position,
    /// When it was put, in milliseconds since the epoch.
    pub(crate) ingested: i64,
    pub(crate) message: String,
}

/// The earliest time of which a group with that retention shows events at `now`.
pub(crate) fn horizon(retention_days: Option<i64>, now: i64) -> i64 {
    const DAY: i64 = 86_400_000;
    retention_days.map_or(0, |days| now.saturating_sub(days.saturating_mul(DAY)))
}

#[cfg(test)]
pub(crate) mod testing {
    use super::*;
    use crate::archive::append::{NewEvent, insert, target};
    use crate::archive::groups::{GroupKey, NewGroup, create_group, find_group};
    use crate::archive::streams::create_stream;
    use store::{Durability, Store, StoreOptions};

    pub(crate) const NOW: i64 = 1_795_000_000_000;

    pub(crate) fn key(name: &str) -> GroupKey {
        GroupKey {
            account: "000000000000".into(),
            region: "us-east-1".into(),
            name: name.to_owned(),
        }
    }

    /// A store of its own in a folder that lives as long as it.
    pub(crate) fn store() -> (tempfile::TempDir, Store) {
        let folder = tempfile::tempdir().unwrap();
        let mut options = StoreOptions::new(folder.path(), "logs.db", vec![SCHEMA]);
        options.durability = Durability::Async;
        let store = Store::open(options).unwrap();
        (folder, store)
    }

    pub(crate) fn group(store: &Store, name: &str, streams: &[&str]) -> i64 {
        let (group, streams) = (
            key(name),
            streams.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>(),
        );
        store
            .write_blocking(move |c| {
                create_group(c, &group, &NewGroup::default(), NOW)?;
                for stream in streams {
                    create_stream(c, &group, &stream, NOW)?;
                }
                find_group(c, &group).map(|row| row.id)
            })
            .unwrap()
    }

    pub(crate) fn put(store: &Store, group: &str, stream: &str, events: &[(i64, &str)]) {
        let (group, stream) = (key(group), stream.to_owned());
        let events: Vec<_> = events
            .iter()
            .map(|(time, message)| NewEvent {
                time: *time,
                message: (*message).to_owned(),
            })
            .collect();
        store
            .write_blocking(move |c| insert(c, &target(c, &group, &stream)?, &events, NOW))
            .unwrap();
    }
}
