//! The thread that writes: queue in, transactions out.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::Receiver;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode};

use crate::counters::Counters;
use crate::job::{Effect, Job};
use crate::{StoreError, StoreOptions};

/// How many times its normal length the log may have before the writer no longer lets readers
/// keep it from starting over.
const PATIENCE: usize = 16;

pub(crate) struct Writer {
    connection: Connection,
    queue: Receiver<Box<dyn Job>>,
    batch: usize,
    log_pages: usize,
    counters: Arc<Counters>,
    /// Pages in the log, as of the last commit.
    logged: Arc<AtomicUsize>,
    /// Pages in the log at which to copy them next.
    checkpoint_at: usize,
    /// Set where that is wanted sooner.
    checkpoint_soon: Arc<AtomicBool>,
    /// Once set, nothing is written any more.
    halted: Option<StoreError>,
}

/// A batch that did not commit.
enum Failure {
    /// SQLite has undone it, or we have; the next one may succeed.
    Undone(StoreError),
    /// Nobody can say what is on the disk.
    Unknown(rusqlite::Error),
}

impl Writer {
    pub(crate) fn new(
        mut connection: Connection,
        queue: Receiver<Box<dyn Job>>,
        options: &StoreOptions,
        counters: Arc<Counters>,
    ) -> rusqlite::Result<Self> {
        let logged = Arc::new(AtomicUsize::new(0));
        let seen = Arc::clone(&logged);
        connection.wal_hook(Some(move |_: &mut _, pages| {
            seen.store(usize::try_from(pages).unwrap_or(0), Ordering::Relaxed);
            Ok(())
        }))?;
        Ok(Self {
            connection,
            queue,
            batch: options.batch.max(1),
            log_pages: options.log_pages,
            counters,
            logged,
            checkpoint_at: options.log_pages,
            checkpoint_soon: Arc::default(),
            halted: None,
        })
    }

    /// What has the log copied after the next batch, however short it is.
    pub(crate) fn checkpoint_soon(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.checkpoint_soon)
    }

    /// Serves until every sender is gone and the queue is empty.
    pub(crate) fn run(mut self) {
        let mut waiting = VecDeque::with_capacity(self.batch);
        while let Ok(first) = self.queue.recv() {
            waiting.push_back(first);
            while waiting.len() < self.batch
                && let Ok(next) = self.queue.try_recv()
            {
                waiting.push_back(next);
            }
            self.counters.dequeued(waiting.len());
            while !waiting.is_empty() {
                self.serve(&mut waiting);
            }
            self.checkpoint_if_due();
        }
    }

    /// Runs jobs from the front of `waiting` in one transaction and answers those it ran: all of
    /// them, unless one brings the transaction down.
    fn serve(&mut self, waiting: &mut VecDeque<Box<dyn Job>>) {
        let mut served = Vec::with_capacity(waiting.len());
        let fate = match &self.halted {
            Some(halted) => {
                served.extend(waiting.drain(..));
                Err(halted.clone())
            }
            None => match self.transact(waiting, &mut served) {
                Ok(()) => Ok(()),
                Err(Failure::Undone(error)) => Err(error),
                Err(Failure::Unknown(cause)) => Err(self.halt(&cause)),
            },
        };
        for job in served {
            job.answer(fate.clone());
        }
    }

    fn transact(
        &self,
        waiting: &mut VecDeque<Box<dyn Job>>,
        served: &mut Vec<Box<dyn Job>>,
    ) -> Result<(), Failure> {
        let mut kept = 0;
        while let Some(mut job) = waiting.pop_front() {
            if let Err(error) = self.begin(kept) {
                // Where one cannot begin, nobody can: another program holds the file locked, or
                // it cannot be read. Trying with each would make each wait for its turn to fail.
                served.push(job);
                served.extend(waiting.drain(..));
                return Err(self.undo(error.into()));
            }
            let effect = job.run(&self.connection);
            served.push(job);
            if self.connection.is_autocommit() {
                return Err(Failure::Undone(StoreError::Aborted));
            }
            self.end(kept, effect)
                .map_err(|error| self.undo(error.into()))?;
            if effect == Effect::Keep {
                kept += 1;
            }
        }
        if kept == 0 {
            return Ok(());
        }
        self.execute("COMMIT").map_err(|error| self.judge(error))?;
        self.counters.committed(kept);
        Ok(())
    }

    /// Makes what the next closure does revocable. Only where something is worth keeping does
    /// that take a savepoint; else the whole transaction can go.
    fn begin(&self, kept: usize) -> rusqlite::Result<()> {
        self.execute(if kept == 0 {
            "BEGIN IMMEDIATE"
        } else {
            "SAVEPOINT closure"
        })
    }

    fn end(&self, kept: usize, effect: Effect) -> rusqlite::Result<()> {
        match (effect, kept) {
            (Effect::Keep, 0) => Ok(()),
            (Effect::Discard, 0) => self.execute("ROLLBACK"),
            (Effect::Keep, _) => self.execute("RELEASE closure"),
            (Effect::Discard, _) => {
                self.execute("ROLLBACK TO closure")?;
                self.execute("RELEASE closure")
            }
        }
    }

    fn execute(&self, sql: &str) -> rusqlite::Result<()> {
        self.connection.prepare_cached(sql)?.execute([]).map(drop)
    }

    /// Undoes a transaction that did not come to its commit.
    fn undo(&self, error: StoreError) -> Failure {
        if self.connection.is_autocommit() {
            return Failure::Undone(error);
        }
        match self.execute("ROLLBACK") {
            Ok(()) => Failure::Undone(error),
            Err(worse) if self.connection.is_autocommit() => {
                tracing::warn!(error = %worse, "SQLite undid a transaction with an error");
                Failure::Undone(error)
            }
            Err(worse) => Failure::Unknown(worse),
        }
    }

    /// What a commit that failed leaves. A full disk is found out while the log is written, before
    /// the flush; a constraint, before anything is; after a flush that failed nothing is certain.
    fn judge(&self, error: rusqlite::Error) -> Failure {
        match error.sqlite_error_code() {
            Some(
                ErrorCode::DiskFull
                | ErrorCode::ConstraintViolation
                | ErrorCode::DatabaseBusy
                | ErrorCode::OutOfMemory,
            ) => self.undo(error.into()),
            _ => Failure::Unknown(error),
        }
    }

    /// Stops writing for good.
    fn halt(&mut self, cause: &rusqlite::Error) -> StoreError {
        tracing::error!(%cause, "the store stops writing: the disk failed");
        // Closing must not take what is in the log for durable either and copy it into the file.
        if let Err(error) = self
            .connection
            .set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)
        {
            tracing::warn!(%error, "closing the store will copy its log");
        }
        let cause = cause.to_string().into();
        self.halted.insert(StoreError::Halted { cause }).clone()
    }

    /// Copies the log into the file once it is long, so that it can start over. This happens
    /// between batches, after the answers: nobody waits for it but the next batch.
    fn checkpoint_if_due(&mut self) {
        let logged = self.logged.load(Ordering::Relaxed);
        let asked = self.checkpoint_soon.swap(false, Ordering::Relaxed);
        if (logged < self.checkpoint_at && !asked) || self.halted.is_some() {
            return;
        }
        let sql = if logged < self.log_pages.saturating_mul(PATIENCE) {
            "PRAGMA wal_checkpoint(PASSIVE)"
        } else {
            "PRAGMA wal_checkpoint(RESTART)"
        };
        let held_up = self.connection.query_row(sql, [], |row| {
            Ok(row.get::<_, bool>(0)? || row.get::<_, i64>(1)? != row.get::<_, i64>(2)?)
        });
        match held_up {
            Ok(false) => {
                self.counters.checkpointed();
                self.logged.store(0, Ordering::Relaxed);
                self.checkpoint_at = self.log_pages;
            }
            // Readers held it up. Trying again after every commit would cost a flush each.
            Ok(true) => self.checkpoint_at = logged + self.log_pages,
            // The log still has everything; there is only no room to grow the file.
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::DiskFull) => {
                tracing::warn!("the disk is full: the store's log cannot be copied into its file");
                self.checkpoint_at = logged + self.log_pages;
            }
            Err(error) => {
                self.halt(&error);
            }
        }
    }
}
