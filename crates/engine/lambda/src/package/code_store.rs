//! Packages as they were uploaded (blobs) and unpacked (folders), both named by their content.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use ids::SharedEntropy;
use store::{BlobError, Blobs, Digest};

use super::archive::{self, ArchiveError};

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

/// Where packages lie.
#[derive(Debug, Clone)]
pub(crate) struct CodeStore {
    blobs: Blobs,
    folder: Arc<Path>,
    entropy: SharedEntropy,
}

impl CodeStore {
    /// Packages in `blobs`, unpacked below `folder`.
    pub(crate) fn open(
        blobs: Blobs,
        folder: PathBuf,
        entropy: SharedEntropy,
    ) -> Result<Self, CodeError> {
        let io = |source| CodeError::Io {
            path: folder.clone(),
            source,
        };
        fs::create_dir_all(&folder).map_err(io)?;
        // Drafts that a crash left behind.
        for entry in fs::read_dir(&folder).map_err(io)? {
            let path = entry.map_err(io)?.path();
            if path.extension().is_some_and(|extension| extension == "new") {
                fs::remove_dir_all(&path).map_err(io)?;
            }
        }
        Ok(Self {
            blobs,
            folder: folder.into(),
            entropy,
        })
    }

    /// Checks a package and keeps it.
    pub(crate) async fn put(&self, package: Bytes) -> Result<Digest, CodeError> {
        let this = self.clone();
        off_thread(move || {
            archive::check(&package)?;
            Ok(this.blobs.put_blocking(&package)?)
        })
        .await
    }

    /// The folder with the package unpacked; it is unpacked on first need.
    pub(crate) async fn unpacked(&self, code: Digest) -> Result<PathBuf, CodeError> {
        let folder = self.path(&code);
        if folder.is_dir() {
            return Ok(folder);
        }
        let this = self.clone();
        off_thread(move || this.unpack(&code, &folder).map(|()| folder)).await
    }

    fn unpack(&self, code: &Digest, folder: &Path) -> Result<(), CodeError> {
        let draft = self
            .folder
            .join(format!("{code}-{:x}.new", self.entropy.bits()));
        let io = |source| CodeError::Io {
            path: draft.clone(),
            source,
        };
        fs::create_dir(&draft).map_err(io)?;
        let unpacked = archive::unpack(self.blobs.open_blob(code)?, &draft);
        if let Err(error) = unpacked {
            fs::remove_dir_all(&draft).map_err(io)?;
            return Err(error.into());
        }
        match fs::rename(&draft, folder) {
            Ok(()) => Ok(()),
            // Somebody else unpacked the same content meanwhile.
            Err(_) if folder.is_dir() => fs::remove_dir_all(&draft).map_err(io),
            Err(source) => Err(CodeError::Io {
                path: folder.to_owned(),
                source,
            }),
        }
    }

    /// The package as it was uploaded.
    pub(crate) async fn package(&self, code: Digest) -> Result<Bytes, CodeError> {
        let blobs = self.blobs.clone();
        off_thread(move || Ok(blobs.get_blocking(&code)?)).await
    }

    /// Forgets a package that no function has any more.
    pub(crate) async fn remove(&self, code: Digest) -> Result<(), CodeError> {
        let this = self.clone();
        off_thread(move || {
            this.blobs.remove(&code)?;
            let folder = this.path(&code);
            match fs::remove_dir_all(&folder) {
                Err(source) if source.kind() != io::ErrorKind::NotFound => Err(CodeError::Io {
                    path: folder,
                    source,
                }),
                _ => Ok(()),
            }
        })
        .await
    }

    fn path(&self, code: &Digest) -> PathBuf {
        self.folder.join(code.to_string())
    }
}

async fn off_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, CodeError> + Send + 'static,
) -> Result<T, CodeError> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|error| {
            Err(CodeError::Io {
                path: PathBuf::new(),
                source: io::Error::other(error),
            })
        })
}
