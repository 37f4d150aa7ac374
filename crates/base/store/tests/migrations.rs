//! Files of other releases: older ones come forward, newer and foreign ones are refused.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::path::Path;

use rusqlite::Connection;
use store::{Migration, OpenError, Schema, Store, StoreError, StoreOptions, rusqlite};

const FIRST: Migration = Migration {
    name: "make the function table",
    sql: "CREATE TABLE function (name TEXT PRIMARY KEY, memory INTEGER NOT NULL) STRICT;",
};
const SECOND: Migration = Migration {
    name: "give functions a timeout",
    sql: "ALTER TABLE function ADD COLUMN timeout INTEGER NOT NULL DEFAULT 3;
          UPDATE function SET timeout = 60 WHERE memory > 512;",
};
const BROKEN: Migration = Migration {
    name: "do half and fail",
    sql: "CREATE TABLE half (done INTEGER) STRICT; INSERT INTO no_such_table VALUES (1);",
};

/// What version 1 of the component brought, and what the fixture was made with.
const V1: Schema = Schema {
    component: "functions",
    migrations: &[FIRST],
};
const V2: Schema = Schema {
    component: "functions",
    migrations: &[FIRST, SECOND],
};

fn options(folder: &Path, schemas: &[Schema]) -> StoreOptions {
    StoreOptions::new(folder, "control.db", schemas.to_vec())
}

/// A folder with a copy of the file that version 1 left.
fn fixture() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/store-v1/control.db");
    std::fs::copy(source, folder.path().join("control.db")).unwrap();
    folder
}

fn rows(connection: &Connection, columns: &str) -> rusqlite::Result<Vec<(String, i64)>> {
    connection
        .prepare(&format!(
            "SELECT name, {columns} FROM function ORDER BY name"
        ))?
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect()
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn functions() -> [(String, i64); 2] {
    [("large".to_owned(), 1769), ("small".to_owned(), 128)]
}

/// Makes the fixture. Run it by name when the format version goes up, into a folder for the new
/// version; the old ones stay as they are.
#[test]
#[ignore = "writes the fixture that the other tests read"]
fn make_the_fixture() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/store-v1");
    std::fs::create_dir_all(&folder).unwrap();
    assert_eq!(names(&folder), Vec::<String>::new(), "fixtures are kept");
    let store = Store::open(options(&folder, &[V1])).unwrap();
    store
        .write_blocking(|c| {
            let sql = "INSERT INTO function VALUES ('small', 128), ('large', 1769)";
            Ok::<_, StoreError>(c.execute(sql, [])?)
        })
        .unwrap();
}

#[test]
fn an_older_file_comes_forward_and_a_copy_stays() {
    let folder = fixture();
    let store = Store::open(options(folder.path(), &[V2])).unwrap();
    let timeouts = store
        .read_blocking(|c| Ok::<_, StoreError>(rows(c, "timeout")?))
        .unwrap();
    assert_eq!(
        timeouts,
        [("large".to_owned(), 60), ("small".to_owned(), 3)]
    );
    drop(store);
    assert_eq!(
        names(folder.path()),
        ["control.db", "control.db.bak-functions1"]
    );

    let copy = Connection::open(folder.path().join("control.db.bak-functions1")).unwrap();
    assert_eq!(rows(&copy, "memory").unwrap(), functions());
    assert!(rows(&copy, "timeout").is_err(), "the copy was migrated too");
}

#[test]
fn the_copy_is_a_store_that_the_older_release_opens() {
    let folder = fixture();
    drop(Store::open(options(folder.path(), &[V2])).unwrap());
    let old = tempfile::tempdir().unwrap();
    std::fs::copy(
        folder.path().join("control.db.bak-functions1"),
        old.path().join("control.db"),
    )
    .unwrap();
    let store = Store::open(options(old.path(), &[V1])).unwrap();
    let memory = store
        .read_blocking(|c| Ok::<_, StoreError>(rows(c, "memory")?))
        .unwrap();
    assert_eq!(memory, functions());
}

#[test]
fn a_file_that_needs_nothing_is_not_copied() {
    let folder = fixture();
    drop(Store::open(options(folder.path(), &[V1])).unwrap());
    assert_eq!(names(folder.path()), ["control.db"]);
}

#[test]
fn a_component_can_join_later() {
    const LATE: Schema = Schema {
        component: "executions",
        migrations: &[Migration {
            name: "make the execution table",
            sql: "CREATE TABLE execution (name TEXT PRIMARY KEY) STRICT;",
        }],
    };
    let folder = fixture();
    let store = Store::open(options(folder.path(), &[V2, LATE])).unwrap();
    store
        .write_blocking(|c| {
            Ok::<_, StoreError>(c.execute("INSERT INTO execution VALUES ('e')", [])?)
        })
        .unwrap();
    drop(store);
    assert_eq!(
        names(folder.path()),
        ["control.db", "control.db.bak-functions1-executions0"]
    );

    // Without it, the release would take the component's blobs for unused.
    let error = Store::open(options(folder.path(), &[V2])).unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains("`executions` at version 1, this release knows none"),
        "{text}"
    );
}

#[test]
fn a_newer_file_is_refused_and_left_alone() {
    let folder = fixture();
    drop(Store::open(options(folder.path(), &[V2])).unwrap());
    let before = std::fs::read(folder.path().join("control.db")).unwrap();

    let error = Store::open(options(folder.path(), &[V1])).unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains("`functions` at version 2, this release knows version 1"),
        "{text}"
    );
    let after = std::fs::read(folder.path().join("control.db")).unwrap();
    assert!(before == after, "the refused file was changed");
}

#[test]
fn a_newer_format_and_a_foreign_file_are_refused() {
    let folder = fixture();
    let path = folder.path().join("control.db");
    let set = |sql| Connection::open(&path).unwrap().execute_batch(sql).unwrap();
    set("PRAGMA user_version = 7");
    let error = Store::open(options(folder.path(), &[V1])).unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains("`format` at version 7, this release knows version 1"),
        "{text}"
    );

    set("PRAGMA application_id = 5");
    let error = Store::open(options(folder.path(), &[V1])).unwrap_err();
    assert!(
        matches!(error, OpenError::Foreign { found: 5, .. }),
        "{error}"
    );
}

#[test]
fn what_is_no_database_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("control.db");
    let content = [b'x'; 4096];
    std::fs::write(&path, content).unwrap();
    let error = Store::open(options(folder.path(), &[V1])).unwrap_err();
    assert!(matches!(error, OpenError::Sqlite { .. }), "{error}");
    assert_eq!(std::fs::read(&path).unwrap(), content);
}

#[test]
fn an_edited_migration_is_refused() {
    const EDITED: Schema = Schema {
        component: "functions",
        migrations: &[
            Migration {
                sql: "CREATE TABLE function (name TEXT PRIMARY KEY) STRICT;",
                ..FIRST
            },
            SECOND,
        ],
    };
    let folder = fixture();
    let error = Store::open(options(folder.path(), &[EDITED])).unwrap_err();
    assert!(
        matches!(error, OpenError::Edited { version: 1, .. }),
        "{error}"
    );
    assert_eq!(names(folder.path()), ["control.db"]);
}

#[test]
fn a_migration_that_fails_leaves_the_file_as_it_was() {
    const FAILS: Schema = Schema {
        component: "functions",
        migrations: &[FIRST, SECOND, BROKEN],
    };
    let folder = fixture();
    let error = Store::open(options(folder.path(), &[FAILS])).unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains("migration 3 of `functions` (`do half and fail`)"),
        "{text}"
    );

    // Neither the half-done step nor the good one before it is there, and the next try works.
    let store = Store::open(options(folder.path(), &[V1])).unwrap();
    store
        .read_blocking(|c| {
            assert!(rows(c, "timeout").is_err());
            Ok::<_, StoreError>(())
        })
        .unwrap();
    drop(store);
    drop(Store::open(options(folder.path(), &[V2])).unwrap());
}
