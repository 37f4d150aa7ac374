//! The store under `kill -9`: a process writes as fast as it can and says what was acknowledged;
//! it is killed at some point, and what it said must be there.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use bytes::Bytes;
use ids::{Entropy, SeededEntropy, SystemEntropy};
use store::{Blobs, DataDir, Digest, Migration, Schema, Store, StoreError, StoreOptions, rusqlite};

const SCHEMA: Schema = Schema {
    component: "test",
    migrations: &[Migration {
        name: "make the entries, each in two tables",
        sql: "CREATE TABLE entry (round INTEGER, task INTEGER, number INTEGER, content BLOB,
                  PRIMARY KEY (round, task, number)) STRICT;
              CREATE TABLE mirror (round INTEGER, task INTEGER, number INTEGER, length INTEGER,
                  PRIMARY KEY (round, task, number)) STRICT;",
    }],
};

const KILLS: usize = 60;
const TASKS: i64 = 24;

/// Tells the writing process where to write and which round it is.
const FOLDER: &str = "STORE_KILL_FOLDER";
const ROUND: &str = "STORE_KILL_ROUND";

fn content(task: i64, number: i64) -> Vec<u8> {
    vec![(task + number) as u8; ((task * 613 + number * 97) % 3_000) as usize]
}

fn open(folder: &Path) -> (DataDir, Store, Blobs) {
    let held = DataDir::lock(folder).unwrap();
    let store = Store::open(StoreOptions {
        // A short log, so that kills hit the copying of it too.
        log_pages: 64,
        ..StoreOptions::new(folder, "control.db", vec![SCHEMA])
    })
    .unwrap();
    let blobs = Blobs::open(folder.join("blobs")).unwrap();
    (held, store, blobs)
}

/// The process that gets killed.
#[test]
#[ignore = "started by the other test, and killed by it"]
fn writer_under_load() {
    let folder = PathBuf::from(std::env::var_os(FOLDER).expect("the other test starts this one"));
    let round: i64 = std::env::var(ROUND).unwrap().parse().unwrap();
    let (_held, store, blobs) = open(&folder);
    say("open");
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .build()
        .unwrap();
    let tasks = (0..TASKS).map(|task| {
        let (store, blobs) = (store.clone(), blobs.clone());
        runtime.spawn(async move {
            // Bounded, lest a writer outlive a test that was itself killed.
            for number in 0..20_000 {
                // One in eight tasks stores blobs, and names them only afterwards.
                let digest = if task % 8 == 0 {
                    let bytes = format!("{round} {task} {number}").repeat(500);
                    Some(blobs.put(Bytes::from(bytes)).await.unwrap())
                } else {
                    None
                };
                let result = store.write(move |c| write(c, round, task, number)).await;
                match result {
                    Ok(()) => say(&format!("entry {task} {number}")),
                    Err(StoreError::Sqlite(_)) if fails(number) => {}
                    Err(error) => panic!("{error}"),
                }
                if let Some(digest) = digest {
                    say(&format!("blob {digest}"));
                }
            }
        })
    });
    runtime
        .block_on(futures_util::future::try_join_all(tasks))
        .unwrap();
}

/// Every eleventh write of a task fails between its two halves.
fn fails(number: i64) -> bool {
    number % 11 == 10
}

fn write(
    connection: &rusqlite::Connection,
    round: i64,
    task: i64,
    number: i64,
) -> Result<(), StoreError> {
    let content = content(task, number);
    let length = content.len() as i64;
    connection
        .prepare_cached("INSERT INTO entry VALUES (?1, ?2, ?3, ?4)")?
        .execute((round, task, number, content))?;
    if fails(number) {
        return Err(rusqlite::Error::InvalidQuery.into());
    }
    connection
        .prepare_cached("INSERT INTO mirror VALUES (?1, ?2, ?3, ?4)")?
        .execute((round, task, number, length))?;
    Ok(())
}

/// Writes a line in one piece: the pipe keeps it whole although the writer is killed.
fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    out.write_all(format!("said: {line}\n").as_bytes()).unwrap();
    out.flush().unwrap();
}

#[derive(Default)]
struct Promised {
    entries: BTreeSet<(i64, i64, i64)>,
    blobs: BTreeSet<Digest>,
}

impl Promised {
    fn note(&mut self, round: i64, line: &str) {
        // The test harness prints lines of its own, the first one onto ours.
        let Some((_, said)) = line.split_once("said: ") else {
            return;
        };
        match said.split(' ').collect::<Vec<_>>()[..] {
            ["entry", task, number] => {
                let key = (round, task.parse().unwrap(), number.parse().unwrap());
                self.entries.insert(key);
            }
            ["blob", digest] => {
                self.blobs.insert(digest.parse().unwrap());
            }
            ["open"] => {}
            _ => panic!("the writer said `{line}`"),
        }
    }
}

/// Starts a writer, kills it once it has said `lines` lines and somewhat later, and notes all
/// that it said.
fn run_and_kill(folder: &Path, round: i64, lines: usize, spins: u64, promised: &mut Promised) {
    let mut writer = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "writer_under_load", "--nocapture"])
        .env(FOLDER, folder)
        .env(ROUND, round.to_string())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(writer.stdout.take().unwrap()).lines();
    for line in said.by_ref().take(lines) {
        promised.note(round, &line.unwrap());
    }
    // So that the kill does not always follow on an acknowledgement.
    for _ in 0..spins {
        std::hint::spin_loop();
    }
    writer.kill().unwrap();
    let status = writer.wait().unwrap();
    assert_eq!(status.code(), None, "the writer ended by itself: {status}");
    for line in said {
        promised.note(round, &line.unwrap());
    }
}

#[test]
fn what_was_acknowledged_survives_kill_nine() {
    let seed = SystemEntropy.bits() as u64;
    let entropy = SeededEntropy::new(seed);
    let below = |bound: u128| (entropy.bits() % bound) as u64;
    let folder = tempfile::tempdir().unwrap();
    let mut promised = Promised::default();
    let mut productive = 0;
    for round in 0..KILLS as i64 {
        let context = format!("round {round}, seed {seed}");
        let before = promised.entries.len();
        // Now and then while the writer is still opening the store.
        let lines = [below(4), below(100), below(1_000)][below(3) as usize];
        run_and_kill(
            folder.path(),
            round,
            lines as usize,
            below(1_000_000),
            &mut promised,
        );
        productive += usize::from(promised.entries.len() > before);
        check(folder.path(), &promised, &context);
    }
    assert!(
        productive > KILLS / 2,
        "only {productive} writers got anything done, seed {seed}"
    );
    assert!(
        !promised.blobs.is_empty(),
        "no blob was stored, seed {seed}"
    );
}

fn check(folder: &Path, promised: &Promised, context: &str) {
    let (_held, store, blobs) = open(folder);
    let (verdict, entries, mirror) = store
        .read_blocking(|c| {
            let verdict: String = c.query_row("PRAGMA integrity_check", [], |row| row.get(0))?;
            let keys = |sql: &str| {
                c.prepare(sql)?
                    .query_map([], |row| {
                        Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
                    })?
                    .collect::<Result<BTreeSet<(i64, i64, i64, i64)>, _>>()
            };
            let entries = keys("SELECT round, task, number, length(content) FROM entry")?;
            let mirror = keys("SELECT round, task, number, length FROM mirror")?;
            Ok::<_, StoreError>((verdict, entries, mirror))
        })
        .unwrap();
    assert_eq!(verdict, "ok", "{context}");
    assert!(entries == mirror, "a write is there by half; {context}");
    for &(round, task, number) in &promised.entries {
        let length = content(task, number).len() as i64;
        assert!(
            entries.contains(&(round, task, number, length)),
            "entry {round} {task} {number} was acknowledged; {context}"
        );
    }
    assert!(
        entries.iter().all(|&(_, _, number, _)| !fails(number)),
        "a write that failed is there; {context}"
    );
    for digest in &promised.blobs {
        if let Err(error) = blobs.verify(digest) {
            panic!("{error}; {context}");
        }
    }
}
