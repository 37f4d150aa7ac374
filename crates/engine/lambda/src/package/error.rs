//! What can go wrong with a package.

use std::io;
use std::path::PathBuf;

use store::BlobError;

use super::archive::ArchiveError;

/// Why a package cannot be kept or unpacked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CodeError {
    /// The package itself.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// The blob store.
    #[error(transparent)]
    Blob(#[from] BlobError),
    /// The folder.
    #[error("cannot use {path}: {source}")]
    Io {
        /// Where.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
}
