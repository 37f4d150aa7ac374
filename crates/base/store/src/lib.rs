//! What LambdaLab keeps on disk: SQLite with group commit, content-addressed blobs, and the
//! lock on the folder that holds both.
//!
//! - [`Store`]: one SQLite file. Writes are closures that one thread gathers into transactions
//!   and acknowledges once they are durable; reads run beside it on connections of their own.
//! - [`Schema`] and [`Migration`]: each component brings its own list of migrations; an older
//!   file is backed up and brought forward, a newer one is refused.
//! - [`Blobs`]: files named by the SHA-256 of their content ([`Digest`]), durable once put.
//! - [`DataDir`]: the folder, held by one process at a time.
//!
//! It is no object mapper and knows no table of its callers: closures get a
//! [`rusqlite::Connection`] and speak SQL.
//!
//! # What an acknowledgement means
//! With [`Durability::Full`], a write whose future resolves to `Ok` is on the disk: it outlives
//! the process and a power cut. A write that resolves to `Err` with its closure's own error left
//! nothing behind. A write whose future was dropped, or that ended in [`StoreError::Halted`] or
//! [`StoreError::Closed`], happened entirely or not at all.
//!
//! # Why one writer
//! SQLite admits one writer at a time, and a transaction costs one flush of the disk however much
//! is in it. So the writer takes everything that has queued up while the last flush ran and
//! commits it as one transaction: the more callers, the cheaper each write. There is no timer to
//! tune; a lone caller waits for nobody.

mod blobs;
mod connection;
mod counters;
mod data_dir;
mod digest;
mod disk;
mod error;
mod job;
mod options;
mod readers;
mod schema;
mod store;
mod writer;

pub use blobs::{BlobError, Blobs};
pub use counters::{BATCH_SIZES, Stats};
pub use data_dir::{DataDir, DataDirError};
pub use digest::{Digest, DigestError};
pub use error::{OpenError, StoreError};
pub use options::{Durability, StoreOptions};
pub use rusqlite;
pub use schema::{Migration, Schema};
pub use store::Store;
