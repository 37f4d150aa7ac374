//! The store on a disk that loses power, fails to flush, and fills up.
//!
//! SQLite's pager and log run unchanged over the disk in `disk`, without shared memory (so with
//! no separate readers). `sqlite-vfs` connects the two, for want of a choice: of the crates that
//! do, it alone has a safe function to register a VFS and builds without libclang.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod disk;

use std::collections::{BTreeMap, BTreeSet};

use disk::{Disk, Plan, below};
use futures_util::future::join_all;
use ids::{Entropy, SeededEntropy, SystemEntropy};
use store::{Migration, Schema, Store, StoreError, StoreOptions, rusqlite};

const SCHEMA: Schema = Schema {
    component: "test",
    migrations: &[
        Migration {
            name: "make the parts",
            sql: "CREATE TABLE part (
                      write INTEGER NOT NULL, part INTEGER NOT NULL, content BLOB NOT NULL,
                      PRIMARY KEY (write, part)
                  ) STRICT;",
        },
        Migration {
            name: "index the parts by size",
            sql: "CREATE INDEX part_by_size ON part (length(content));",
        },
    ],
};

const LOG: &str = "/disk/control.db-wal";

/// Never mind which write, if it has this remainder by 7 its closure fails at its end.
const FAILING: i64 = 3;

fn parts(write: i64) -> i64 {
    write % 4 + 1
}

fn content(write: i64, part: i64) -> Vec<u8> {
    let length = (write * 977 + part * 2_741) % 6_000;
    let byte = |n: i64| (write * 31 + part * 7 + n) as u8;
    (0..length).map(byte).collect()
}

/// A store's life on one disk, and what it has promised.
struct World {
    disk: Disk,
    vfs: String,
    runtime: tokio::runtime::Runtime,
    entropy: SeededEntropy,
    acknowledged: BTreeSet<i64>,
    next: i64,
}

impl World {
    fn new(vfs: &str, seed: u64) -> Self {
        Self {
            disk: Disk::register(vfs, seed),
            vfs: vfs.to_owned(),
            runtime: tokio::runtime::Builder::new_current_thread()
                .build()
                .unwrap(),
            entropy: SeededEntropy::new(seed ^ 0xACED),
            acknowledged: BTreeSet::new(),
            next: 0,
        }
    }

    fn format(&mut self) {
        self.disk.format();
        self.acknowledged.clear();
        self.next = 0;
    }

    fn open(&self) -> Result<Store, store::OpenError> {
        Store::open(StoreOptions {
            readers: 0,
            log_pages: 12,
            batch: 4,
            vfs: Some(self.vfs.clone()),
            ..StoreOptions::new("/disk", "control.db", vec![SCHEMA])
        })
    }

    /// Queues `count` writes at once, so that some share a batch, and notes which are promised.
    fn write(&mut self, store: &Store, count: i64) -> Vec<StoreError> {
        let writes: Vec<i64> = (self.next..self.next + count).collect();
        self.next += count;
        let results = join_all(writes.iter().map(|&write| {
            store.write(move |c| {
                for part in 0..parts(write) {
                    c.prepare_cached("INSERT INTO part VALUES (?1, ?2, ?3)")?
                        .execute((write, part, content(write, part)))?;
                }
                if write % 7 == FAILING {
                    return Err(rusqlite::Error::InvalidQuery.into());
                }
                Ok::<_, StoreError>(())
            })
        }));
        let mut errors = Vec::new();
        for (write, result) in writes.into_iter().zip(self.runtime.block_on(results)) {
            match result {
                Ok(()) => {
                    self.acknowledged.insert(write);
                }
                Err(_) if write % 7 == FAILING => {}
                Err(error) => errors.push(error),
            }
        }
        errors
    }

    /// Three sessions of a few batches each, as far as the disk lets them come.
    fn live(&mut self) -> Vec<StoreError> {
        let mut errors = Vec::new();
        for _ in 0..3 {
            let Ok(store) = self.open() else { continue };
            for _ in 0..4 {
                let count = 1 + below(&self.entropy, 6) as i64;
                errors.extend(self.write(&store, count));
            }
        }
        errors
    }

    /// Everything promised is there, every write is there whole or not at all, and SQLite finds
    /// the file sound.
    fn check(&self, store: &Store, context: &str) {
        let (verdict, found) = self
            .runtime
            .block_on(store.read(|c| {
                let verdict: String =
                    c.query_row("PRAGMA integrity_check", [], |row| row.get(0))?;
                let found = c
                    .prepare("SELECT write, part, content FROM part")?
                    .query_map([], |row| Ok(((row.get(0)?, row.get(1)?), row.get(2)?)))?
                    .collect::<Result<BTreeMap<(i64, i64), Vec<u8>>, _>>()?;
                Ok::<_, StoreError>((verdict, found))
            }))
            .unwrap();
        assert_eq!(verdict, "ok", "{context}");
        for write in 0..self.next {
            let there = found.range((write, 0)..(write + 1, 0)).count() as i64;
            if self.acknowledged.contains(&write) {
                assert_eq!(there, parts(write), "write {write} was promised; {context}");
            }
            if write % 7 == FAILING {
                assert_eq!(there, 0, "write {write} had failed; {context}");
            }
            assert!(
                there == 0 || there == parts(write),
                "{there} parts of write {write} are there; {context}"
            );
        }
        for ((write, part), bytes) in found {
            assert!(
                bytes == content(write, part),
                "part {part} of write {write} changed; {context}"
            );
        }
    }

    /// Opens what is left, checks it, writes on, and checks again after closing.
    fn recover(&mut self, context: &str) {
        let store = match self.open() {
            Ok(store) => store,
            Err(error) => panic!("{error}; {context}"),
        };
        self.check(&store, context);
        let errors = self.write(&store, 3);
        assert!(errors.is_empty(), "{errors:?}; {context}");
        drop(store);
        self.check(&self.open().unwrap(), context);
    }
}

fn seed() -> u64 {
    SystemEntropy.bits() as u64
}

#[test]
fn a_power_cut_at_any_operation() {
    let seed = seed();
    let mut world = World::new("power-cut", seed);
    let errors = world.live();
    assert!(errors.is_empty(), "{errors:?}");
    world.check(&world.open().unwrap(), "no fault");
    let (operations, flushes) = world.disk.counted();
    assert!(
        operations > 300 && flushes > 30,
        "{operations} operations, {flushes} flushes"
    );

    for cut in 1..=operations {
        let context = format!("power cut at operation {cut} of {operations}, seed {seed}");
        world.format();
        world.disk.plan(Plan {
            cut_at: Some(cut),
            ..Plan::default()
        });
        world.live();
        world.disk.cut_and_restore();
        // Recovery itself is interrupted, too.
        let again = 1 + below(&world.entropy, 40) as u64;
        world.disk.plan(Plan {
            cut_at: Some(again),
            ..Plan::default()
        });
        drop(world.open());
        world.disk.cut_and_restore();
        world.recover(&context);
    }
}

#[test]
fn a_flush_that_fails_ends_the_writing() {
    let seed = seed();
    let mut world = World::new("failing-flush", seed);
    world.live();
    let (_, flushes) = world.disk.counted();
    let mut halts = 0;
    for flush in 1..=flushes {
        for same_boot in [false, true] {
            let context = format!(
                "flush {flush} of {flushes} failed, {}, seed {seed}",
                if same_boot {
                    "opened in the same boot"
                } else {
                    "then the power"
                }
            );
            world.format();
            world.disk.plan(Plan {
                fail_flush: Some(flush),
                ..Plan::default()
            });
            // Sessions until the flush has failed, and no other after it.
            for _ in 0..3 {
                if world.disk.counted().1 >= flush {
                    break;
                }
                let Ok(store) = world.open() else { break };
                let mut halted = false;
                for _ in 0..4 {
                    let before = world.acknowledged.len();
                    let errors = world.write(&store, 4);
                    for error in &errors {
                        assert!(
                            matches!(error, StoreError::Halted { .. }),
                            "{error}; {context}"
                        );
                    }
                    let halts_now = !errors.is_empty();
                    assert!(
                        !halted || (halts_now && world.acknowledged.len() == before),
                        "it went on writing after it had halted; {context}"
                    );
                    halted = halted || halts_now;
                }
                halts += u32::from(halted);
            }
            world.disk.plan(Plan::default());
            if same_boot {
                world.disk.rewrite(LOG);
                let store = world.open().unwrap();
                let errors = world.write(&store, 4);
                assert!(errors.is_empty(), "{errors:?}; {context}");
            }
            world.disk.cut_and_restore();
            world.recover(&context);
        }
    }
    assert!(halts > 20, "only {halts} stores noticed");
}

#[test]
fn a_disk_that_fills_up_is_named_and_nothing_is_lost() {
    let seed = seed();
    let mut world = World::new("full", seed);
    world.live();
    let used = world.disk.used();
    for step in 0..40 {
        let capacity = used * step / 40;
        let context = format!("{capacity} bytes of {used}, seed {seed}");
        world.format();
        world.disk.plan(Plan {
            capacity: Some(capacity),
            ..Plan::default()
        });
        if let Ok(store) = world.open() {
            let errors: Vec<_> = (0..20).flat_map(|_| world.write(&store, 4)).collect();
            assert!(!errors.is_empty(), "{context}");
            for error in &errors {
                assert!(
                    matches!(error, StoreError::Full | StoreError::Aborted),
                    "{error}; {context}"
                );
            }
            // Room makes it go on, without opening it anew.
            world.disk.plan(Plan::default());
            let errors = world.write(&store, 4);
            assert!(errors.is_empty(), "{errors:?}; {context}");
            world.check(&store, &context);
        }
        world.disk.plan(Plan::default());
        world.disk.cut_and_restore();
        world.recover(&context);
    }
}
