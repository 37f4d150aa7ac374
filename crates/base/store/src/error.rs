//! What can go wrong with a store, at opening and later.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use rusqlite::ErrorCode;

/// Why a write or a read did not succeed.
///
/// It is cheap to clone, because one failed commit answers every write of its batch.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// The queue is full. Nothing happened; the caller may try again (HTTP 429).
    #[error("the store has {capacity} requests waiting already; try again shortly")]
    Busy {
        /// How many requests may wait.
        capacity: usize,
    },
    /// The disk is full. Nothing happened (HTTP 503).
    #[error("the disk that holds the store is full; free some space and try again")]
    Full,
    /// SQLite rolled the whole batch back because of another write in it, as it does when the
    /// disk fills up or fails in the middle of a statement. Nothing happened (HTTP 503).
    #[error("the write was undone together with another one that failed; try again")]
    Aborted,
    /// The closure panicked. Nothing happened.
    #[error("the closure given to the store panicked: {message}")]
    Panicked {
        /// What it said.
        message: Arc<str>,
    },
    /// The disk failed in a way that leaves it unknown what is on it. A flush that failed once
    /// may be reported as done the next time although the data is lost, so nothing is written
    /// until the store has been opened anew and has looked at the disk.
    #[error("the store stopped writing because the disk failed ({cause}); restart to recover")]
    Halted {
        /// The first failure.
        cause: Arc<str>,
    },
    /// The store was closed before it answered.
    #[error("the store was closed before it answered")]
    Closed,
    /// Any other refusal of SQLite.
    #[error("SQLite: {0}")]
    Sqlite(#[source] Arc<rusqlite::Error>),
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Self::Full,
            _ => Self::Sqlite(Arc::new(error)),
        }
    }
}

/// Why a store could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The file is a SQLite database, but not one of ours.
    #[error("{} is a SQLite file of another program (application id {found:#x})", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// The application id in its header.
        found: i32,
    },
    /// A newer release wrote the file.
    #[error(
        "{} was written by a newer release: it has `{component}` at version {found}, this release \
         knows {}; use the newer release, or another data folder",
        path.display(),
        match known { 0 => "none".to_owned(), n => format!("version {n}") }
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Whose tables, or `format` for the file as a whole.
        component: String,
        /// The version in the file.
        found: u32,
        /// The newest version that this build knows; 0 when it does not know the component.
        known: u32,
    },
    /// A migration differs from the one that was once applied under its number.
    #[error(
        "migration {version} of `{component}` (`{name}`) is not the one that {} was made with; \
         released migrations must not be edited, add a new one",
        path.display()
    )]
    Edited {
        /// The file.
        path: PathBuf,
        /// Whose migration.
        component: String,
        /// Its number.
        version: u32,
        /// Its name in this build.
        name: String,
    },
    /// A migration failed. The store is as it was before.
    #[error("migration {version} of `{component}` (`{name}`) failed: {source}")]
    Migration {
        /// Whose migration.
        component: String,
        /// Its number.
        version: u32,
        /// Its name.
        name: String,
        /// SQLite's reason.
        source: rusqlite::Error,
    },
    /// SQLite cannot keep a write-ahead log there.
    #[error(
        "{} cannot have a write-ahead log (SQLite stays in mode `{mode}`); put the data folder on \
         a local file system",
        path.display()
    )]
    NoLog {
        /// The file.
        path: PathBuf,
        /// The journal mode that SQLite insists on.
        mode: String,
    },
    /// The thread that writes, or one that reads, could not be started.
    #[error("cannot start a thread for {}: {source}", path.display())]
    Thread {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// SQLite refused.
    #[error("cannot open {}: {source}", path.display())]
    Sqlite {
        /// The file.
        path: PathBuf,
        /// SQLite's reason.
        source: rusqlite::Error,
    },
    /// The file system refused.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}
