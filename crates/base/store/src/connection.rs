//! Opening connections with the settings that the rest relies on.

use std::path::Path;

use rusqlite::{Connection, OpenFlags};

use crate::{Durability, OpenError, StoreOptions, disk, schema};

/// How long a statement waits for a lock that another program holds, in milliseconds: somebody
/// with an SQLite shell, for example. Within the store nobody waits for anybody.
const BUSY_MILLISECONDS: i32 = 5_000;

/// More than any component has statements; evicting one means preparing it again and again.
const CACHED_STATEMENTS: usize = 256;

/// Opens the one connection that writes, with the file checked and brought forward.
pub(crate) fn open_writer(options: &StoreOptions) -> Result<Connection, OpenError> {
    let path = options.path();
    if options.vfs.is_none() {
        let log = with_suffix(&path, "-wal");
        disk::rewrite(&log).map_err(|source| OpenError::Io {
            action: "flush",
            path: log,
            source,
        })?;
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE;
    let sqlite = |source| OpenError::Sqlite {
        path: path.clone(),
        source,
    };
    let mut connection = open(options, flags).map_err(sqlite)?;
    if options.readers == 0 {
        // Before the first read, so that the log's index lives in memory, not in a shared file.
        set(&connection, "locking_mode", "EXCLUSIVE").map_err(sqlite)?;
    }
    schema::check(&connection, options)?;
    if options.shrinks {
        // Before the first table; a file that has some keeps to what it has until it is rewritten.
        set(&connection, "auto_vacuum", "INCREMENTAL").map_err(sqlite)?;
    }
    let mode = configure_writer(&connection, options).map_err(sqlite)?;
    if mode != "wal" {
        return Err(OpenError::NoLog { path, mode });
    }
    schema::migrate(&mut connection, options)?;
    if options.shrinks {
        make_shrink(&connection);
    }
    if options.vfs.is_none() {
        disk::sync_folder(&options.folder).map_err(|source| OpenError::Io {
            action: "flush",
            path: options.folder.clone(),
            source,
        })?;
    }
    Ok(connection)
}

/// Rewrites a file that was made to keep its length. Where that fails, for want of room perhaps, it does
/// what it did until now.
fn make_shrink(connection: &Connection) {
    let keeps_its_length = connection
        .pragma_query_value(None, "auto_vacuum", |row| row.get::<_, i64>(0))
        .is_ok_and(|mode| mode == 0);
    if keeps_its_length && let Err(error) = connection.execute_batch("VACUUM") {
        tracing::warn!(%error, "a store could not be rewritten so that it can shrink");
    }
}

/// Opens a connection that cannot write.
pub(crate) fn open_reader(options: &StoreOptions) -> Result<Connection, OpenError> {
    open(options, OpenFlags::SQLITE_OPEN_READ_ONLY).map_err(|source| OpenError::Sqlite {
        path: options.path(),
        source,
    })
}

fn open(options: &StoreOptions, flags: OpenFlags) -> rusqlite::Result<Connection> {
    // Each connection stays with one thread, so SQLite need not lock it.
    let flags = flags | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let path = options.path();
    let connection = match &options.vfs {
        None => Connection::open_with_flags(path, flags)?,
        Some(vfs) => Connection::open_with_flags_and_vfs(path, flags, vfs.as_str())?,
    };
    connection.set_prepared_statement_cache_capacity(CACHED_STATEMENTS);
    set(&connection, "busy_timeout", BUSY_MILLISECONDS)?;
    set(&connection, "temp_store", "MEMORY")?;
    Ok(connection)
}

/// Answers with the journal mode that the file is in now.
fn configure_writer(connection: &Connection, options: &StoreOptions) -> rusqlite::Result<String> {
    let mode = switch_to_log(connection)?;
    // The writer checkpoints by itself, between batches, where it sees whether that worked.
    set(connection, "wal_autocheckpoint", 0)?;
    let synchronous = match options.durability {
        Durability::Full => "FULL",
        Durability::Async => "NORMAL",
    };
    set(connection, "synchronous", synchronous)?;
    // macOS: flush the drive's cache too. Elsewhere it changes nothing.
    set(connection, "fullfsync", true)?;
    set(connection, "checkpoint_fullfsync", true)?;
    set(connection, "foreign_keys", true)?;
    Ok(mode)
}

/// Answers with the journal mode that the file is in now.
///
/// SQLite answers before it commits the change to the file's header. So the statement is run to
/// its end: whoever reads the answer and leaves it at that never learns that the commit failed.
fn switch_to_log(connection: &Connection) -> rusqlite::Result<String> {
    let mut statement = connection.prepare("PRAGMA journal_mode = WAL")?;
    let mut rows = statement.query([])?;
    let mut mode = String::new();
    while let Some(row) = rows.next()? {
        mode = row.get(0)?;
    }
    Ok(mode)
}

/// Sets a pragma whether or not it answers with a row.
fn set(connection: &Connection, name: &str, value: impl rusqlite::ToSql) -> rusqlite::Result<()> {
    connection.pragma_update(None, name, value)
}

fn with_suffix(path: &Path, suffix: &str) -> std::path::PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}
