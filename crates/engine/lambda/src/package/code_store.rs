//! Packages as they were uploaded (blobs) and unpacked (folders), both named by their content.
//!
//! A package stays while a function or a layer names it or a [`CodeLease`] holds it. Whoever lets
//! go of one says so by [`CodeStore::reconsider`]; the service then looks whether anybody still
//! needs it. What several layers make together lies among the unpacked packages, under a name of
//! its own (see [`opt`]).

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io::{self, Cursor};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use ids::SharedEntropy;
use parking_lot::Mutex;
use store::{Blobs, Digest};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::error::CodeError;
use super::{archive, opt};

/// Where packages lie.
#[derive(Debug, Clone)]
pub(crate) struct CodeStore {
    blobs: Blobs,
    folder: Arc<Path>,
    empty: Arc<Path>,
    entropy: SharedEntropy,
    leases: Arc<Leases>,
}

#[derive(Debug)]
struct Leases {
    counts: Mutex<HashMap<Digest, usize>>,
    doubtful: UnboundedSender<Digest>,
}

/// An unpacked package that stays as long as this is held.
#[derive(Debug)]
pub(crate) struct CodeLease {
    code: Digest,
    path: PathBuf,
    leases: Arc<Leases>,
}

impl CodeLease {
    /// The folder.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

/// What lies at `/opt`, which stays as long as this is held.
#[derive(Debug)]
pub(crate) enum OptLease {
    /// No layers: an empty folder.
    Empty(Arc<Path>),
    /// The folder of one layer, or of several merged.
    Layers(CodeLease),
}

impl OptLease {
    /// The folder.
    pub(crate) fn path(&self) -> &Path {
        match self {
            Self::Empty(path) => path,
            Self::Layers(lease) => lease.path(),
        }
    }
}

impl Drop for CodeLease {
    fn drop(&mut self) {
        let mut counts = self.leases.counts.lock();
        if let Some(count) = counts.get_mut(&self.code) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.code);
                // Nobody listens any more only while the engine stops.
                let _stopping = self.leases.doubtful.send(self.code);
            }
        }
    }
}

/// What lies at `/opt` without layers: an empty folder beside that of the packages.
const EMPTY: &str = "empty";

/// Where the running kernel tells one boot from another.
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

impl CodeStore {
    /// Packages in `blobs`, unpacked below `folder`. The receiver hears of packages that somebody
    /// let go of.
    ///
    /// Unpacked folders are not flushed to disk: after a power cut they may hold less than they
    /// should, so those of an earlier boot are unpacked again.
    pub(crate) fn open(
        blobs: Blobs,
        folder: PathBuf,
        entropy: SharedEntropy,
    ) -> Result<(Self, UnboundedReceiver<Digest>), CodeError> {
        let io = |source| CodeError::Io {
            path: folder.clone(),
            source,
        };
        let boot = fs::read(BOOT_ID).unwrap_or_default();
        let stamp = folder.join(".boot");
        let same_boot = !boot.is_empty() && fs::read(&stamp).is_ok_and(|stamped| stamped == boot);
        if !same_boot && folder.exists() {
            fs::remove_dir_all(&folder).map_err(io)?;
        }
        fs::create_dir_all(&folder).map_err(io)?;
        let empty = folder.with_file_name(EMPTY);
        fs::create_dir_all(&empty).map_err(io)?;
        fs::write(&stamp, boot).map_err(io)?;
        // Drafts that a crash left behind.
        for entry in fs::read_dir(&folder).map_err(io)? {
            let path = entry.map_err(io)?.path();
            if path.extension().is_some_and(|extension| extension == "new") {
                fs::remove_dir_all(&path).map_err(io)?;
            }
        }
        let (doubtful, listener) = unbounded_channel();
        let leases = Leases {
            counts: Mutex::default(),
            doubtful,
        };
        let store = Self {
            blobs,
            folder: folder.into(),
            empty: empty.into(),
            entropy,
            leases: Arc::new(leases),
        };
        Ok((store, listener))
    }

    /// Everything that is kept, as it was uploaded or as a folder.
    pub(crate) async fn kept(&self) -> Result<HashSet<Digest>, CodeError> {
        let this = self.clone();
        off_thread(move || {
            let mut kept: HashSet<Digest> = this.blobs.list()?.into_iter().collect();
            let io = |source| CodeError::Io {
                path: this.folder.to_path_buf(),
                source,
            };
            for entry in fs::read_dir(&this.folder).map_err(io)? {
                let name = entry.map_err(io)?.file_name();
                kept.extend(name.to_str().and_then(|name| name.parse::<Digest>().ok()));
            }
            Ok(kept)
        })
        .await
    }

    /// Somebody let go of a package.
    pub(crate) fn reconsider(&self, code: Digest) {
        let _stopping = self.leases.doubtful.send(code);
    }

    /// Whether anybody holds a lease on a package.
    pub(crate) fn is_leased(&self, code: &Digest) -> bool {
        self.leases.counts.lock().contains_key(code)
    }

    /// Checks a package and keeps it.
    pub(crate) async fn put(&self, package: Bytes) -> Result<Digest, CodeError> {
        let this = self.clone();
        off_thread(move || {
            archive::check(Cursor::new(&package))?;
            Ok(this.blobs.put_blocking(&package)?)
        })
        .await
    }

    /// How many bytes a package holds unpacked.
    pub(crate) async fn unzipped_size(&self, code: Digest) -> Result<u64, CodeError> {
        let blobs = self.blobs.clone();
        off_thread(move || Ok(archive::check(blobs.open_blob(&code)?)?)).await
    }

    /// The first file of a package, if there is one, that AWS would not let functions read.
    pub(crate) async fn private_file(&self, code: Digest) -> Result<Option<String>, CodeError> {
        let blobs = self.blobs.clone();
        off_thread(move || Ok(archive::private_file(blobs.open_blob(&code)?)?)).await
    }

    /// The package unpacked; it is unpacked on first need.
    pub(crate) async fn unpacked(&self, code: Digest) -> Result<CodeLease, CodeError> {
        let lease = self.lease(code);
        if !lease.path.is_dir() {
            let (this, path) = (self.clone(), lease.path.clone());
            off_thread(move || {
                this.publish(&code, &path, |draft| {
                    let package = this.blobs.open_blob(&code)?;
                    Ok(archive::unpack(package, draft)?)
                })
            })
            .await?;
        }
        Ok(lease)
    }

    /// What the packages of these layers, in their order, make together at `/opt`. It is made on
    /// first need.
    pub(crate) async fn opt(&self, layers: &[Digest]) -> Result<OptLease, CodeError> {
        let lease = match layers {
            [] => return Ok(OptLease::Empty(Arc::clone(&self.empty))),
            [only] => self.unpacked(*only).await?,
            several => self.merged(several).await?,
        };
        Ok(OptLease::Layers(lease))
    }

    async fn merged(&self, layers: &[Digest]) -> Result<CodeLease, CodeError> {
        let merged = opt::merged_name(layers);
        let lease = self.lease(merged);
        if !lease.path.is_dir() {
            let mut unpacked = Vec::new();
            for layer in layers {
                unpacked.push(self.unpacked(*layer).await?);
            }
            let (this, path) = (self.clone(), lease.path.clone());
            off_thread(move || {
                let layers = unpacked.iter().map(CodeLease::path);
                this.publish(&merged, &path, |draft| opt::merge(layers, draft))
            })
            .await?;
        }
        Ok(lease)
    }

    fn lease(&self, code: Digest) -> CodeLease {
        *self.leases.counts.lock().entry(code).or_default() += 1;
        CodeLease {
            code,
            path: self.path(&code),
            leases: Arc::clone(&self.leases),
        }
    }

    /// Fills a draft, which becomes `folder` as a whole or not at all.
    fn publish(
        &self,
        code: &Digest,
        folder: &Path,
        fill: impl FnOnce(&Path) -> Result<(), CodeError>,
    ) -> Result<(), CodeError> {
        let draft = self
            .folder
            .join(format!("{code}-{:x}.new", self.entropy.bits()));
        let io = |source| CodeError::Io {
            path: draft.clone(),
            source,
        };
        fs::create_dir(&draft).map_err(io)?;
        if let Err(error) = fill(&draft) {
            fs::remove_dir_all(&draft).map_err(io)?;
            return Err(error);
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
