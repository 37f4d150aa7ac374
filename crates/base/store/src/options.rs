//! How a store is opened.

use std::path::PathBuf;

use crate::Schema;

/// What an acknowledged write outlives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Durability {
    /// The process and a power cut: the log is flushed before a write is acknowledged.
    #[default]
    Full,
    /// The process. A power cut may take the last writes, never the file's integrity.
    Async,
}

/// How a store is opened; [`StoreOptions::new`] gives the values for control data.
#[derive(Debug, Clone)]
pub struct StoreOptions {
    /// The folder that holds the file. It must exist, and be ours alone: see
    /// [`DataDir`](crate::DataDir).
    pub folder: PathBuf,
    /// The file's name, for example `control.db`.
    pub file_name: String,
    /// The components that keep tables in the file.
    pub schemas: Vec<Schema>,
    /// What an acknowledged write outlives.
    pub durability: Durability,
    /// How many writes may wait, and how many reads; one more is answered with
    /// [`StoreError::Busy`](crate::StoreError::Busy).
    pub queue: usize,
    /// How many writes one transaction takes at most.
    pub batch: usize,
    /// How many pages the log may hold before it is copied into the file. More means fewer
    /// flushes of the file, and a longer recovery after a crash.
    pub log_pages: usize,
    /// How many connections read. With 0, reads queue up with the writes, and the file is locked
    /// against every other connection.
    pub readers: usize,
    /// Whether room that was freed inside the file can be given back to the disk, which is then done by
    /// [`Store::give_back`](crate::Store::give_back). It costs a page in a thousand and, once, the
    /// rewriting of a file that was made without.
    pub shrinks: bool,
    /// The SQLite VFS to go through, by its registered name; for tests that make the disk fail.
    /// With one, the file system is not touched by other means: no backup before migrations.
    pub vfs: Option<String>,
}

impl StoreOptions {
    /// Full durability, two readers, 4096 waiting requests, 1024 writes a transaction, 2048 pages
    /// (8 MiB) of log, a file that keeps its length.
    #[must_use]
    pub fn new(
        folder: impl Into<PathBuf>,
        file_name: impl Into<String>,
        schemas: Vec<Schema>,
    ) -> Self {
        Self {
            folder: folder.into(),
            file_name: file_name.into(),
            schemas,
            durability: Durability::Full,
            queue: 4096,
            batch: 1024,
            log_pages: 2048,
            readers: 2,
            shrinks: false,
            vfs: None,
        }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.join(&self.file_name)
    }
}
