//! What can go wrong with an image.

use std::io;
use std::path::PathBuf;

use store::{BlobError, Digest, StoreError};

use crate::architecture::Architecture;

/// Why an image cannot be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImageError {
    /// Nobody has an image of that name.
    #[error("there is no image {reference}")]
    NotFound {
        /// The name.
        reference: String,
    },
    /// It is not here, and the caller may not have it pulled.
    #[error("the image {reference} has not been imported, and is not pulled for this caller")]
    NotPulled {
        /// The name.
        reference: String,
    },
    /// The registry asks for credentials that the engine does not have.
    #[error(
        "the registry does not let the engine have {reference}: log in there with `docker login`, \
         and start the engine with --registry-auth and the file that this writes"
    )]
    Denied {
        /// The name.
        reference: String,
    },
    /// The registry does not answer as one.
    #[error("{registry} does not serve {reference}: {reason}")]
    Registry {
        /// The registry's host.
        registry: String,
        /// The name.
        reference: String,
        /// What happened.
        reason: String,
    },
    /// What the name stands for is nothing that can be run.
    #[error("{what} is not supported: {reason}")]
    Unsupported {
        /// The manifest, the configuration or a layer.
        what: String,
        /// Why not.
        reason: String,
    },
    /// An image for several platforms has none for the one that is wanted.
    #[error("the image is for {found}, not for {wanted}")]
    NoPlatform {
        /// What is wanted.
        wanted: Architecture,
        /// What there is.
        found: String,
    },
    /// A layer cannot be unpacked.
    #[error("layer {layer} cannot be unpacked: {source}")]
    Layer {
        /// The layer's digest.
        layer: Digest,
        /// Why not.
        source: LayerError,
    },
    /// Something is not what its digest says.
    #[error("what came for {expected} has the digest {found}")]
    Damaged {
        /// The digest by which it was asked for.
        expected: Digest,
        /// The digest of what came.
        found: Digest,
    },
    /// What is imported is no archive of an image.
    #[error("not an archive of a container image: {reason}")]
    Archive {
        /// Why not.
        reason: String,
    },
    /// The blobs cannot be used.
    #[error(transparent)]
    Blob(#[from] BlobError),
    /// The store cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A file or folder cannot be used.
    #[error("cannot use {}: {source}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The runtime is shutting down.
    #[error("the program is shutting down")]
    Closed,
}

impl ImageError {
    /// For `map_err`: names the file or folder.
    pub(crate) fn at(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io {
            path: path.into(),
            source,
        }
    }

    pub(crate) fn unsupported(what: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Unsupported {
            what: what.into(),
            reason: reason.into(),
        }
    }

    pub(crate) fn archive(reason: impl Into<String>) -> Self {
        Self::Archive {
            reason: reason.into(),
        }
    }
}

impl From<rusqlite::Error> for ImageError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Store(error.into())
    }
}

/// Why a layer cannot be unpacked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LayerError {
    /// It cannot be read, or what it holds cannot be written.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// An entry's name, or the target of a hard link, leads out of the image.
    #[error("`{0}` leads out of the image")]
    Escapes(String),
    /// An entry's name, or what a link points to, is too long or no name.
    #[error("`{0}` cannot be the name of a file")]
    Name(String),
    /// The kernel refused an entry.
    #[error("`{name}`: {source}")]
    Entry {
        /// The entry's name.
        name: String,
        /// The kernel's reason.
        source: io::Error,
    },
    /// It uses a part of the format that nobody should need.
    #[error("`{name}`: {what} is not supported")]
    Unsupported {
        /// The entry's name.
        name: String,
        /// Which part.
        what: &'static str,
    },
    /// The image holds too much.
    #[error("the image holds more than {limit} {what} unpacked")]
    TooLarge {
        /// How much is allowed.
        limit: u64,
        /// Bytes, or files.
        what: &'static str,
    },
    /// Its content is not what the image's configuration says.
    #[error("its content has the digest {found} where the configuration has {expected}")]
    Damaged {
        /// What the configuration says.
        expected: Digest,
        /// What came.
        found: Digest,
    },
}
