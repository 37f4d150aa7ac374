//! The handle that callers hold.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::thread::{self, JoinHandle};

use rusqlite::Connection;

use crate::connection::open_writer;
use crate::counters::Counters;
use crate::job::{Answer, Effect, Job, request, request_then};
use crate::readers::{Readers, join};
use crate::writer::Writer;
use crate::{OpenError, Stats, StoreError, StoreOptions};

/// One SQLite file, open.
///
/// Clones are handles on the same file. Dropping the last one finishes what is queued, copies the
/// log into the file and closes it, which blocks for as long as that takes.
///
/// # Closures
/// They run on the store's threads, so they should compute little and never wait. They get a
/// connection inside a transaction and must not end that transaction. Foreign keys are enforced;
/// a deferred one that is violated fails every write of the batch. `prepare_cached` pays off:
/// the connections live as long as the store. An error type that is to carry SQLite's errors out
/// by `?` implements `From<rusqlite::Error>`, best by way of [`StoreError`], which tells a full
/// disk from the rest.
///
/// ```
/// use store::{Migration, Schema, Store, StoreError, StoreOptions};
///
/// const SCHEMA: Schema = Schema {
///     component: "notes",
///     migrations: &[Migration {
///         name: "make the note table",
///         sql: "CREATE TABLE note (text TEXT NOT NULL) STRICT;",
///     }],
/// };
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = tempfile::tempdir()?;
/// # tokio::runtime::Runtime::new()?.block_on(async {
/// let store = Store::open(StoreOptions::new(folder.path(), "notes.db", vec![SCHEMA]))?;
/// store
///     .write(|c| Ok::<_, StoreError>(c.execute("INSERT INTO note VALUES ('durable')", [])?))
///     .await?;
/// let notes: i64 = store
///     .read(|c| Ok::<_, StoreError>(c.query_row("SELECT count(*) FROM note", [], |r| r.get(0))?))
///     .await?;
/// assert_eq!(notes, 1);
/// # Ok(()) })
/// # }
/// ```
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    /// `None` where reads go with the writes. Dropped first: the connection that closes last
    /// copies the log.
    readers: Option<Readers>,
    /// `None` only while dropping.
    writes: Option<SyncSender<Box<dyn Job>>>,
    writer: Option<JoinHandle<()>>,
    counters: Arc<Counters>,
    /// Has the writer copy the log into the file, however short it is.
    checkpoint_soon: Arc<AtomicBool>,
    options: StoreOptions,
}

impl Store {
    /// Opens the file, making or migrating it as needed. Blocks the calling thread.
    ///
    /// # Errors
    /// See [`OpenError`]. A file that is refused is left as it was.
    pub fn open(options: StoreOptions) -> Result<Self, OpenError> {
        let connection = open_writer(&options)?;
        let readers = match options.readers {
            0 => None,
            _ => Some(Readers::start(&options)?),
        };
        let counters = Arc::new(Counters::default());
        let (writes, queue) = sync_channel(options.queue);
        let path = options.path();
        let writer =
            Writer::new(connection, queue, &options, Arc::clone(&counters)).map_err(|source| {
                let path = path.clone();
                OpenError::Sqlite { path, source }
            })?;
        let checkpoint_soon = writer.checkpoint_soon();
        let writer = thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || writer.run())
            .map_err(|source| OpenError::Thread { path, source })?;
        Ok(Self {
            inner: Arc::new(Inner {
                readers,
                writes: Some(writes),
                writer: Some(writer),
                counters,
                checkpoint_soon,
                options,
            }),
        })
    }

    /// Writes. The closure is queued by the time this returns, whether or not the future is ever
    /// polled; the future resolves once what the closure did is as durable as
    /// [`StoreOptions::durability`] says. If the closure fails, nothing of it stays.
    ///
    /// # Errors
    /// The closure's own, or a [`StoreError`]: [`Busy`](StoreError::Busy) at once when the queue
    /// is full.
    pub fn write<F, T, E>(
        &self,
        work: F,
    ) -> impl Future<Output = Result<T, E>> + Send + use<F, T, E>
    where
        F: FnOnce(&Connection) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        wait(self.inner.submit_write(Effect::Keep, work))
    }

    /// Writes, and hands the result to `then` on the store's thread. Of several writes the results
    /// come in the order in which they were queued, and before anybody who waits for a later one
    /// learns of his: for whoever keeps in memory what is in the file, and must do it in its order.
    ///
    /// `then` runs outside of every transaction and holds up all writes, so it must not wait. It is
    /// dropped without having been called when the store goes before the write's turn comes.
    ///
    /// # Errors
    /// The write is not queued: [`Busy`](StoreError::Busy) or [`Closed`](StoreError::Closed).
    pub fn write_then<F, T, E>(
        &self,
        work: F,
        then: impl FnOnce(Result<T, E>) + Send + 'static,
    ) -> Result<(), StoreError>
    where
        F: FnOnce(&Connection) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let job = request_then(Effect::Keep, work, then);
        self.inner.queue_write(job)
    }

    /// As [`Store::write`], blocking the calling thread, which must not be one that runs
    /// asynchronous tasks.
    ///
    /// # Errors
    /// As [`Store::write`].
    pub fn write_blocking<F, T, E>(&self, work: F) -> Result<T, E>
    where
        F: FnOnce(&Connection) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        self.inner.submit_write(Effect::Keep, work)?.wait_blocking()
    }

    /// Reads. The closure sees one moment of the file, with every write that was acknowledged
    /// before this was called.
    ///
    /// # Errors
    /// The closure's own, or a [`StoreError`]; an attempt to write is one.
    pub fn read<F, T, E>(&self, work: F) -> impl Future<Output = Result<T, E>> + Send + use<F, T, E>
    where
        F: FnOnce(&Connection) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        wait(self.inner.submit_read(work))
    }

    /// As [`Store::read`], blocking the calling thread, which must not be one that runs
    /// asynchronous tasks.
    ///
    /// # Errors
    /// As [`Store::read`].
    pub fn read_blocking<F, T, E>(&self, work: F) -> Result<T, E>
    where
        F: FnOnce(&Connection) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        self.inner.submit_read(work)?.wait_blocking()
    }

    /// Gives up to `pages` of the file's free pages back to the disk, as long as more than `keep` are
    /// free; answers whether there are more to give. The file gets shorter at the checkpoint that the last
    /// of them brings about. Without [`StoreOptions::shrinks`] it does nothing. Some hundred pages at a
    /// time cost least: SQLite writes fewer of those that stay to its log then.
    ///
    /// # Errors
    /// As [`Store::write`].
    pub fn give_back(
        &self,
        pages: u32,
        keep: u32,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send + use<> {
        let checkpoint_soon = Arc::clone(&self.inner.checkpoint_soon);
        self.write(move |connection| {
            let free = || -> rusqlite::Result<u32> {
                connection.pragma_query_value(None, "freelist_count", |row| row.get(0))
            };
            let before = free()?;
            let wanted = before.saturating_sub(keep).min(pages);
            if wanted == 0 {
                return Ok(false);
            }
            // One row for each page: it is done when they have all been asked for.
            let mut vacuum = connection.prepare(&format!("PRAGMA incremental_vacuum({wanted})"))?;
            let mut rows = vacuum.query([])?;
            while rows.next()?.is_some() {}
            let left = free()?;
            let more = left > keep && left < before;
            checkpoint_soon.store(!more, Ordering::Relaxed);
            Ok(more)
        })
    }

    /// What has been counted since the store was opened.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.inner.counters.read()
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store")
            .field("path", &self.inner.options.path())
            .finish_non_exhaustive()
    }
}

async fn wait<T, E: From<StoreError>>(submitted: Result<Answer<T, E>, E>) -> Result<T, E> {
    submitted?.wait().await
}

impl Inner {
    fn submit_write<F, T, E>(&self, on_success: Effect, work: F) -> Result<Answer<T, E>, E>
    where
        F: FnOnce(&Connection) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let (job, answer) = request(on_success, work);
        self.queue_write(job)?;
        Ok(answer)
    }

    fn queue_write(&self, job: Box<dyn Job>) -> Result<(), StoreError> {
        let Some(writes) = &self.writes else {
            return Err(StoreError::Closed);
        };
        self.counters.queueing();
        let refusal = match writes.try_send(job) {
            Ok(()) => return Ok(()),
            Err(TrySendError::Full(_)) => {
                self.counters.refused();
                let capacity = self.options.queue;
                StoreError::Busy { capacity }
            }
            Err(TrySendError::Disconnected(_)) => StoreError::Closed,
        };
        self.counters.dequeued(1);
        Err(refusal)
    }

    fn submit_read<F, T, E>(&self, work: F) -> Result<Answer<T, E>, E>
    where
        F: FnOnce(&Connection) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let Some(readers) = &self.readers else {
            return self.submit_write(Effect::Discard, work);
        };
        let (job, answer) = request(Effect::Discard, work);
        readers.submit(job).map(|()| answer).map_err(|error| {
            if matches!(error, StoreError::Busy { .. }) {
                self.counters.refused();
            }
            error.into()
        })
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.readers = None;
        self.writes = None;
        if let Some(writer) = self.writer.take() {
            join(writer);
        }
    }
}
