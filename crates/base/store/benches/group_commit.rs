//! Durable writes a second by number of concurrent writers: group commit beside the same store
//! held to one write a transaction.
//!
//! A write is one row of an execution's journal, 400 bytes. Run with `cargo bench -p
//! lambdalab-store`; `STORE_BENCH_FOLDER` names the folder, and so the disk, to measure.

use std::error::Error;
use std::path::PathBuf;
use std::time::Duration;

use futures_util::future::try_join_all;
use ids::SystemClock;
use store::{Migration, Schema, Stats, Store, StoreError, StoreOptions};

const SCHEMA: Schema = Schema {
    component: "journal",
    migrations: &[Migration {
        name: "make the journal",
        // Rows lie in the order of writing, so that a batch fills pages instead of touching one
        // page for each execution.
        sql: "CREATE TABLE advance (
                  id INTEGER PRIMARY KEY,
                  execution INTEGER NOT NULL, number INTEGER NOT NULL, events BLOB NOT NULL
              ) STRICT;
              CREATE UNIQUE INDEX advance_of_execution ON advance (execution, number);",
    }],
};

const LONG_ENOUGH: Duration = Duration::from_secs(2);

fn main() -> Result<(), Box<dyn Error>> {
    let parent =
        std::env::var_os("STORE_BENCH_FOLDER").map_or_else(std::env::temp_dir, PathBuf::from);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .build()?;
    print(&format!(
        "{:>8} {:>14} {:>11} {:>14} {:>7}",
        "writers", "grouped [1/s]", "mean batch", "single [1/s]", "ratio"
    ));
    for writers in [1, 16, 256] {
        let (grouped, stats) = runtime.block_on(measure(&parent, writers, 1024))?;
        let (single, _) = runtime.block_on(measure(&parent, writers, 1))?;
        print(&format!(
            "{writers:>8} {grouped:>14.0} {:>11.1} {single:>14.0} {:>7.1}",
            stats.mean_batch(),
            grouped / single,
        ));
    }
    Ok(())
}

#[expect(clippy::print_stdout, reason = "the output is what a benchmark is for")]
fn print(line: &str) {
    println!("{line}");
}

/// Acknowledged writes a second.
async fn measure(
    parent: &std::path::Path,
    writers: i64,
    batch: usize,
) -> Result<(f64, Stats), Box<dyn Error>> {
    let folder = tempfile::tempdir_in(parent)?;
    let store = Store::open(StoreOptions {
        batch,
        ..StoreOptions::new(folder.path(), "control.db", vec![SCHEMA])
    })?;
    let clock = SystemClock::shared();
    let start = clock.monotonic();
    let tasks = (0..writers).map(|execution| {
        let (store, clock) = (store.clone(), clock.clone());
        tokio::spawn(async move {
            let mut number = 0;
            while clock.monotonic() - start < LONG_ENOUGH {
                write(&store, execution, number).await?;
                number += 1;
            }
            Ok::<i64, StoreError>(number)
        })
    });
    let mut written = 0.0;
    for task in try_join_all(tasks).await? {
        written += f64::from(i32::try_from(task?)?);
    }
    let seconds = (clock.monotonic() - start).as_secs_f64();
    Ok((written / seconds, store.stats()))
}

async fn write(store: &Store, execution: i64, number: i64) -> Result<(), StoreError> {
    store
        .write(move |c| {
            c.prepare_cached(
                "INSERT INTO advance (execution, number, events) VALUES (?1, ?2, ?3)",
            )?
            .execute((execution, number, [0x5A_u8; 400]))?;
            Ok(())
        })
        .await
}
