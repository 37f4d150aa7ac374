//! Files that give room back to the disk.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::time::Duration;

use store::{Migration, Schema, Store, StoreError, StoreOptions};

const SCHEMA: Schema = Schema {
    component: "test",
    migrations: &[Migration {
        name: "make the lines",
        sql: "CREATE TABLE line (id INTEGER PRIMARY KEY, text TEXT NOT NULL) STRICT;",
    }],
};

const MB: u64 = 1 << 20;

fn open(folder: &Path, shrinks: bool) -> Store {
    let mut options = StoreOptions::new(folder, "test.db", vec![SCHEMA]);
    options.shrinks = shrinks;
    Store::open(options).unwrap()
}

async fn fill(store: &Store) {
    for _ in 0..40 {
        let filled = store.write(|c| {
            let mut insert = c.prepare_cached("INSERT INTO line (text) VALUES (?1)")?;
            for _ in 0..100 {
                insert.execute(["x".repeat(2_000)])?;
            }
            Ok::<_, StoreError>(())
        });
        filled.await.unwrap();
    }
}

/// Deletes all but the last lines, and gives back what that frees.
async fn empty(store: &Store) -> usize {
    let emptied = store.write(|c| {
        Ok::<_, StoreError>(c.execute(
            "DELETE FROM line WHERE id < (SELECT max(id) - 100 FROM line)",
            [],
        )?)
    });
    emptied.await.unwrap();
    let mut steps = 0;
    while store.give_back(200, 10).await.unwrap() {
        steps += 1;
        assert!(steps < 100, "there is no end of it");
    }
    steps
}

fn length(folder: &Path) -> u64 {
    std::fs::metadata(folder.join("test.db")).unwrap().len()
}

/// The length comes after the answer.
async fn shorter_than(folder: &Path, limit: u64) {
    let shorter = async {
        while length(folder) >= limit {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), shorter)
        .await
        .unwrap();
}

#[tokio::test]
async fn what_is_freed_goes_back_to_the_disk() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path(), true);
    fill(&store).await;
    assert!(empty(&store).await > 5, "step by step");
    shorter_than(folder.path(), MB).await;
    let left = store.read(|c| {
        Ok::<i64, StoreError>(c.query_row("SELECT count(*) FROM line", [], |r| r.get(0))?)
    });
    assert_eq!(left.await.unwrap(), 101);
    assert!(!store.give_back(200, 10).await.unwrap(), "there is no more");
}

#[tokio::test]
async fn a_file_that_could_not_learns_it() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path(), false);
    fill(&store).await;
    empty(&store).await;
    drop(store);
    assert!(length(folder.path()) > 5 * MB, "it keeps its length");
    let store = open(folder.path(), true);
    fill(&store).await;
    empty(&store).await;
    shorter_than(folder.path(), MB).await;
}
