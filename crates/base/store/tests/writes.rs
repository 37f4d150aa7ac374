//! Writes and reads as callers see them: isolation from one another, errors, limits.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::collections::BTreeMap;
use std::sync::mpsc;

use futures_util::future::join_all;
use proptest::prelude::*;
use rusqlite::Connection;
use store::{Migration, Schema, Stats, Store, StoreError, StoreOptions, rusqlite};

const SCHEMA: Schema = Schema {
    component: "test",
    migrations: &[Migration {
        name: "make the entries",
        sql: "CREATE TABLE entry (key INTEGER PRIMARY KEY, value INTEGER NOT NULL) STRICT;",
    }],
};

/// What a closure of these tests fails with.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("refused")]
    Refused,
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Self::Store(error.into())
    }
}

fn options(folder: &tempfile::TempDir) -> StoreOptions {
    StoreOptions::new(folder.path(), "test.db", vec![SCHEMA])
}

fn put(connection: &Connection, key: i64, value: i64) -> rusqlite::Result<usize> {
    connection
        .prepare_cached("INSERT OR REPLACE INTO entry VALUES (?1, ?2)")?
        .execute((key, value))
}

fn entries(connection: &Connection) -> rusqlite::Result<BTreeMap<i64, i64>> {
    connection
        .prepare_cached("SELECT key, value FROM entry")?
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect()
}

async fn all(store: &Store) -> BTreeMap<i64, i64> {
    store
        .read(|c| Ok::<_, StoreError>(entries(c)?))
        .await
        .unwrap()
}

/// Holds the writer in a closure until told to go on, so that what is queued meanwhile makes up
/// one batch.
struct Gate {
    open: mpsc::Sender<()>,
    held: std::thread::JoinHandle<Result<(), Failure>>,
}

impl Gate {
    fn close(store: &Store) -> Self {
        let (open, opened) = mpsc::channel();
        let (reached, entered) = mpsc::channel();
        let store = store.clone();
        let held = std::thread::spawn(move || {
            store.write_blocking(move |_| {
                reached.send(()).unwrap();
                opened.recv().unwrap();
                Ok(())
            })
        });
        entered.recv().unwrap();
        Self { open, held }
    }

    fn open(self) {
        self.open.send(()).unwrap();
        self.held.join().unwrap().unwrap();
    }
}

#[tokio::test]
async fn a_write_can_be_read_and_survives_closing() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(options(&folder)).unwrap();
    let rows: usize = store
        .write(|c| Ok::<_, StoreError>(put(c, 1, 2)?))
        .await
        .unwrap();
    assert_eq!(rows, 1);
    let seen = store.read(|c| Ok::<_, StoreError>(entries(c)?));
    assert_eq!(seen.await.unwrap(), BTreeMap::from([(1, 2)]));
    drop(store);

    assert!(!folder.path().join("test.db-wal").exists());
    let store = Store::open(options(&folder)).unwrap();
    let seen = store.read(|c| Ok::<_, StoreError>(entries(c)?));
    assert_eq!(seen.await.unwrap(), BTreeMap::from([(1, 2)]));
}

#[tokio::test]
async fn what_queues_up_is_committed_together() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(options(&folder)).unwrap();
    let gate = Gate::close(&store);
    let writes: Vec<_> = (0..100)
        .map(|key| store.write(move |c| Ok::<_, Failure>(put(c, key, key)?)))
        .collect();
    assert_eq!(store.stats().queued, 100);
    gate.open();
    assert!(join_all(writes).await.iter().all(Result::is_ok));
    let stats = store.stats();
    assert_eq!((stats.commits, stats.writes, stats.queued), (2, 101, 0));
    assert_eq!(stats.batch_sizes, [1, 0, 0, 0, 1, 0, 0, 0]);
    assert!((stats.mean_batch() - 50.5).abs() < f64::EPSILON);
}

#[tokio::test]
async fn a_closure_that_fails_or_panics_hurts_only_itself() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(options(&folder)).unwrap();
    let gate = Gate::close(&store);
    let writes: Vec<_> = (0..9)
        .map(|key| {
            store.write(move |c| {
                put(c, key, key)?;
                match key % 3 {
                    0 => Err(Failure::Refused),
                    1 => Ok(key),
                    _ => panic!("closure {key}"),
                }
            })
        })
        .collect();
    gate.open();
    for (key, result) in (0..).zip(join_all(writes).await) {
        match (key % 3, result) {
            (0, Err(Failure::Refused)) => {}
            (1, Ok(answer)) => assert_eq!(answer, key),
            (2, Err(Failure::Store(StoreError::Panicked { message }))) => {
                assert_eq!(*message, *format!("closure {key}"));
            }
            (_, other) => panic!("closure {key} ended with {other:?}"),
        }
    }
    assert_eq!(all(&store).await, BTreeMap::from([(1, 1), (4, 4), (7, 7)]));
    assert_eq!(store.stats().writes, 4, "the gate's and three");
}

#[tokio::test]
async fn a_full_queue_refuses_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(StoreOptions {
        queue: 2,
        ..options(&folder)
    })
    .unwrap();
    let gate = Gate::close(&store);
    let write = |key| store.write(move |c| Ok::<_, StoreError>(put(c, key, 0)?));
    let (first, second, third) = (write(1), write(2), write(3));
    let refused = third.await.unwrap_err();
    assert!(
        matches!(refused, StoreError::Busy { capacity: 2 }),
        "{refused}"
    );
    assert_eq!(store.stats().refused, 1);
    gate.open();
    first.await.unwrap();
    second.await.unwrap();
    assert_eq!(all(&store).await, BTreeMap::from([(1, 0), (2, 0)]));
}

#[tokio::test]
async fn a_write_whose_caller_has_gone_happens() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(options(&folder)).unwrap();
    drop(store.write(|c| Ok::<_, StoreError>(put(c, 1, 1)?)));
    // The queue keeps order, so the next one finds the first one done.
    store
        .write(|c| Ok::<_, StoreError>(put(c, 2, 2)?))
        .await
        .unwrap();
    assert_eq!(all(&store).await, BTreeMap::from([(1, 1), (2, 2)]));
}

#[tokio::test]
async fn what_follows_a_write_comes_in_order_and_before_later_answers() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(options(&folder)).unwrap();
    let gate = Gate::close(&store);
    let (seen, order) = mpsc::channel();
    for key in 0..10 {
        let seen = seen.clone();
        store
            .write_then(
                move |c| match key {
                    3 => Err(Failure::Refused),
                    _ => Ok(put(c, key, key)?),
                },
                move |result: Result<usize, Failure>| {
                    seen.send((key, result.is_ok())).unwrap();
                    assert_ne!(key, 5, "a panic of one hurts no other");
                },
            )
            .unwrap();
    }
    let last = store.write(|c| Ok::<_, StoreError>(put(c, 10, 10)?));
    gate.open();
    last.await.unwrap();
    let order: Vec<(i64, bool)> = order.try_iter().collect();
    let expected: Vec<(i64, bool)> = (0..10).map(|key| (key, key != 3)).collect();
    assert_eq!(order, expected);
    assert_eq!(all(&store).await.len(), 10);
}

#[tokio::test]
async fn a_full_disk_is_named_and_room_helps() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(options(&folder)).unwrap();
    let limit = |pages: i64| {
        store.write(move |c| {
            let set = format!("PRAGMA max_page_count = {pages}");
            Ok::<i64, StoreError>(c.query_row(&set, [], |row| row.get(0))?)
        })
    };
    limit(1).await.unwrap();
    let fill = || {
        store.write(|c| {
            (0..1_000).try_for_each(|key| put(c, key, key).map(drop))?;
            Ok::<_, StoreError>(())
        })
    };
    let error = fill().await.unwrap_err();
    assert!(matches!(error, StoreError::Full), "{error}");
    assert_eq!(all(&store).await, BTreeMap::new());

    // SQLite undoes the whole batch then, and says so to those that had done nothing wrong.
    let gate = Gate::close(&store);
    let small = store.write(|c| Ok::<_, StoreError>(put(c, 1, 1)?));
    let large = fill();
    let after = store.write(|c| Ok::<_, StoreError>(put(c, 2, 2)?));
    gate.open.send(()).unwrap();
    let held = gate.held.join().unwrap();
    let (small, large, after) = (small.await, large.await, after.await);
    held.unwrap();
    assert!(matches!(small, Err(StoreError::Aborted)), "{small:?}");
    assert!(matches!(large, Err(StoreError::Full)), "{large:?}");
    after.unwrap();
    assert_eq!(all(&store).await, BTreeMap::from([(2, 2)]));

    limit(1_000_000).await.unwrap();
    fill().await.unwrap();
    assert_eq!(all(&store).await.len(), 1_000);
}

#[tokio::test]
async fn a_deferred_constraint_fails_the_batch_and_no_more() {
    let folder = tempfile::tempdir().unwrap();
    let schema = Schema {
        component: "deferred",
        migrations: &[Migration {
            name: "make two tables",
            sql: "CREATE TABLE parent (id INTEGER PRIMARY KEY);
                  CREATE TABLE child (parent INTEGER NOT NULL
                      REFERENCES parent (id) DEFERRABLE INITIALLY DEFERRED);",
        }],
    };
    let store = Store::open(StoreOptions {
        schemas: vec![schema],
        ..options(&folder)
    })
    .unwrap();
    let orphan =
        store.write(|c| Ok::<_, StoreError>(c.execute("INSERT INTO child VALUES (1)", [])?));
    let error = orphan.await.unwrap_err();
    assert!(matches!(error, StoreError::Sqlite(_)), "{error}");
    store
        .write(|c| Ok::<_, StoreError>(c.execute("INSERT INTO parent VALUES (1)", [])?))
        .await
        .unwrap();
}

#[tokio::test]
async fn a_read_cannot_write_and_sees_one_moment() {
    let folder = tempfile::tempdir().unwrap();
    for readers in [0, 1] {
        let store = Store::open(StoreOptions {
            readers,
            file_name: format!("{readers}.db"),
            ..options(&folder)
        })
        .unwrap();
        // Without connections of their own, reads are undone; with, they are refused.
        let attempt = store.read(|c| Ok::<_, StoreError>(put(c, 1, 1)?)).await;
        assert_eq!(attempt.is_ok(), readers == 0, "{attempt:?}");
        assert_eq!(all(&store).await, BTreeMap::new());
    }

    let store = Store::open(options(&folder)).unwrap();
    let (reached, entered) = mpsc::channel();
    let (open, opened) = mpsc::channel::<()>();
    let read = store.read(move |c| {
        let before = entries(c)?.len();
        reached.send(()).unwrap();
        opened.recv().unwrap();
        Ok::<_, StoreError>((before, entries(c)?.len()))
    });
    entered.recv().unwrap();
    store
        .write(|c| Ok::<_, StoreError>(put(c, 1, 1)?))
        .await
        .unwrap();
    open.send(()).unwrap();
    assert_eq!(read.await.unwrap(), (0, 0));
    assert_eq!(all(&store).await.len(), 1);
}

#[test]
fn a_closure_may_hold_the_last_handle() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(options(&folder)).unwrap();
    let gate = Gate::close(&store);
    let (sender, receiver) = mpsc::channel();
    let last = store.clone();
    drop(store.write(move |c| {
        put(c, 1, 1)?;
        sender.send(()).unwrap();
        drop(last);
        Ok::<_, Failure>(())
    }));
    drop(store);
    gate.open.send(()).unwrap();
    gate.held.join().unwrap().unwrap();
    receiver.recv().unwrap();
    // Closing the file ends with the removal of its log.
    let log = folder.path().join("test.db-wal");
    while log.exists() {
        std::thread::yield_now();
    }
    let reopened = Store::open(options(&folder)).unwrap();
    assert_eq!(
        reopened
            .read_blocking(|c| Ok::<_, StoreError>(entries(c)?))
            .unwrap(),
        BTreeMap::from([(1, 1)])
    );
}

#[tokio::test]
async fn the_log_starts_over() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(options(&folder)).unwrap();
    let log = folder.path().join("test.db-wal");
    let mut longest = 0;
    let fill = store.write(|c| {
        let rows = "WITH RECURSIVE n(i) AS (VALUES (0) UNION ALL SELECT i + 1 FROM n LIMIT 200000)
                    INSERT INTO entry SELECT i, 0 FROM n";
        Ok::<_, StoreError>(c.execute(rows, [])?)
    });
    fill.await.unwrap();
    // Each round rewrites some 500 pages: without starting over, the log would come to 60 MB.
    for _ in 0..30 {
        store
            .write(|c| Ok::<_, StoreError>(c.execute("UPDATE entry SET value = value + 1", [])?))
            .await
            .unwrap();
        longest = longest.max(std::fs::metadata(&log).unwrap().len());
    }
    assert!(longest < 20 << 20, "the log grew to {longest} bytes");
    assert!(store.stats().checkpoints > 3, "{:?}", store.stats());
}

/// One step of the model: who writes what, and whether the closure fails in the end.
#[derive(Debug, Clone)]
struct Step {
    changes: Vec<(i64, Option<i64>)>,
    fails: bool,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let change = (0..12_i64, proptest::option::of(0..100_i64));
    let step = (
        proptest::collection::vec(change, 0..5),
        proptest::bool::weighted(0.3),
    )
        .prop_map(|(changes, fails)| Step { changes, fails });
    proptest::collection::vec(step, 1..40)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// Whatever batches the steps fall into, the file ends up as if they had run one by one.
    #[test]
    fn batches_equal_the_model(steps in steps(), batch in 1..8_usize, readers in 0..2_usize) {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(StoreOptions { batch, readers, ..options(&folder) }).unwrap();
        let mut model = BTreeMap::new();
        let mut results = Vec::new();
        for step in steps {
            if !step.fails {
                for (key, value) in &step.changes {
                    match value {
                        Some(value) => model.insert(*key, *value),
                        None => model.remove(key),
                    };
                }
            }
            let fails = step.fails;
            results.push((fails, store.write(move |c| {
                for (key, value) in step.changes {
                    match value {
                        Some(value) => put(c, key, value)?,
                        None => c.execute("DELETE FROM entry WHERE key = ?1", [key])?,
                    };
                }
                if fails { Err(Failure::Refused) } else { Ok(()) }
            })));
        }
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        for (fails, result) in results {
            prop_assert_eq!(runtime.block_on(result).is_err(), fails);
        }
        prop_assert_eq!(runtime.block_on(all(&store)), model);
        let Stats { queued, refused, .. } = store.stats();
        prop_assert_eq!((queued, refused), (0, 0));
    }
}
