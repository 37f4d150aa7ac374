//! The threads that read.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::{self, JoinHandle};

use parking_lot::Mutex;
use rusqlite::Connection;

use crate::connection::open_reader;
use crate::job::Job;
use crate::{OpenError, StoreError, StoreOptions};

/// Threads with a read-only connection each, over one queue.
#[derive(Debug)]
pub(crate) struct Readers {
    /// `None` only while dropping.
    queue: Option<SyncSender<Box<dyn Job>>>,
    capacity: usize,
    threads: Vec<JoinHandle<()>>,
}

impl Readers {
    pub(crate) fn start(options: &StoreOptions) -> Result<Self, OpenError> {
        let (queue, jobs) = sync_channel(options.queue);
        let jobs = Arc::new(Mutex::new(jobs));
        let mut readers = Self {
            queue: Some(queue),
            capacity: options.queue,
            threads: Vec::with_capacity(options.readers),
        };
        for number in 0..options.readers {
            let connection = open_reader(options)?;
            let jobs = Arc::clone(&jobs);
            let thread = thread::Builder::new()
                .name(format!("store-reader-{number}"))
                .spawn(move || serve(&connection, &jobs))
                .map_err(|source| OpenError::Thread {
                    path: options.path(),
                    source,
                })?;
            readers.threads.push(thread);
        }
        Ok(readers)
    }

    /// Queues a read.
    pub(crate) fn submit(&self, job: Box<dyn Job>) -> Result<(), StoreError> {
        let Some(queue) = &self.queue else {
            return Err(StoreError::Closed);
        };
        queue.try_send(job).map_err(|error| match error {
            TrySendError::Full(_) => StoreError::Busy {
                capacity: self.capacity,
            },
            TrySendError::Disconnected(_) => StoreError::Closed,
        })
    }
}

impl Drop for Readers {
    fn drop(&mut self) {
        self.queue = None;
        for thread in self.threads.drain(..) {
            join(thread);
        }
    }
}

/// Waits for a thread to end, unless it is the one that runs this: a closure may hold, and drop,
/// the last handle on the store.
pub(crate) fn join(thread: JoinHandle<()>) {
    if thread.thread().id() != thread::current().id() && thread.join().is_err() {
        tracing::error!("a thread of the store panicked");
    }
}

fn serve(connection: &Connection, jobs: &Mutex<Receiver<Box<dyn Job>>>) {
    loop {
        // One idle thread waits in the queue, the others for the lock.
        let job = jobs.lock().recv();
        let Ok(mut job) = job else { return };
        let fate = read(connection, job.as_mut());
        job.answer(fate.map_err(StoreError::from));
    }
}

/// Runs a read in a transaction of its own, so that all its statements see one moment.
fn read(connection: &Connection, job: &mut dyn Job) -> rusqlite::Result<()> {
    connection.prepare_cached("BEGIN")?.execute([])?;
    job.run(connection);
    if !connection.is_autocommit() {
        connection.prepare_cached("ROLLBACK")?.execute([])?;
    }
    Ok(())
}
