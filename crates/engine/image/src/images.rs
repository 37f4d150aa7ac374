//! The images of a data folder.
//!
//! ```text
//! images/blobs     manifests, configurations and layers, by SHA-256
//! images/roots     images unpacked, by the digest of their manifest
//! images/staging   what is on its way
//! ```
//!
//! Which image has which blobs and names is in the store. An image is recorded before it counts on a
//! blob, and a blob is removed only while nobody records one, so that what one image leaves behind is
//! not taken from under another.
//!
//! Unpacked folders are not flushed to the disk: after a power cut they may hold less than they
//! should, so those of an earlier boot are unpacked again.

mod inner;

use std::collections::HashSet;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use ids::SharedEntropy;
use parking_lot::Mutex;
use store::{Blobs, Digest, Store};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use inner::{Hold, Inner, blobs_of, discard, off_thread};

use crate::architecture::Architecture;
use crate::archive::Archive;
use crate::credentials::Credentials;
use crate::document::{Document, Manifest, Settings};
use crate::error::ImageError;
use crate::reference::Reference;
use crate::registry::{Registries, check_size};
use crate::tables::{NameRow, Tables};

/// Where the running kernel tells one boot from another.
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// How often blobs that vanish while they are imported are stored again.
const ATTEMPTS: usize = 3;

/// What images stand on.
#[derive(Debug)]
pub struct ImagesOptions {
    /// Holds [`crate::SCHEMA`].
    pub store: Store,
    /// Images lie in it; nobody else writes there.
    pub folder: PathBuf,
    /// For registries that want some.
    pub credentials: Credentials,
    /// Randomness.
    pub entropy: SharedEntropy,
}

/// The images of a data folder. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Images {
    inner: Arc<Inner>,
}

/// An image that a name stands for. It stays as long as this is held.
#[derive(Debug)]
pub struct Resolved {
    /// The same image by its digest.
    pub reference: Reference,
    /// The digest of its manifest.
    pub digest: Digest,
    _hold: Hold,
}

/// An unpacked image, which stays as long as this is held.
#[derive(Debug)]
pub struct ImageLease {
    root: PathBuf,
    settings: Settings,
    architecture: Option<Architecture>,
    _hold: Hold,
}

impl ImageLease {
    /// The folder that is its root.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// What it says about how it is run.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// What it is for, where functions have that architecture.
    #[must_use]
    pub fn architecture(&self) -> Option<Architecture> {
        self.architecture
    }
}

/// Whether an image that is not here may be pulled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pulling {
    /// It may.
    Allowed,
    /// It may not: whoever asks shall not have the engine call where it cannot call itself.
    Refused,
}

/// An image that was imported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// The name that functions have it by.
    pub name: String,
    /// Its architecture, as images call it.
    pub architecture: String,
    /// The digest of its manifest.
    pub digest: Digest,
    /// The bytes of its blobs, as they are kept.
    pub size: u64,
}

impl From<NameRow> for Named {
    fn from(row: NameRow) -> Self {
        Self {
            name: row.name,
            architecture: row.architecture,
            digest: row.image,
            size: row.size,
        }
    }
}

impl Images {
    /// The images in a folder. The receiver hears of images that somebody let go of.
    ///
    /// # Errors
    /// The folder cannot be used.
    pub fn open(options: ImagesOptions) -> Result<(Self, UnboundedReceiver<Digest>), ImageError> {
        let folder = options.folder;
        let (roots, staging) = (folder.join("roots"), folder.join("staging"));
        discard(&staging)?;
        let boot = fs::read(BOOT_ID).unwrap_or_default();
        let stamp = folder.join(".boot");
        if boot.is_empty() || !fs::read(&stamp).is_ok_and(|stamped| stamped == boot) {
            discard(&roots)?;
        }
        for made in [&folder, &roots, &staging] {
            fs::create_dir_all(made).map_err(ImageError::at(made))?;
        }
        fs::write(&stamp, boot).map_err(ImageError::at(&stamp))?;
        let (doubtful, listener) = unbounded_channel();
        let inner = Inner {
            store: options.store,
            blobs: Blobs::open(folder.join("blobs"))?,
            roots,
            staging,
            registries: Registries::new(options.credentials),
            entropy: options.entropy,
            holds: Mutex::default(),
            gone: tokio::sync::Notify::new(),
            ledger: tokio::sync::Mutex::default(),
            preparing: Mutex::default(),
            doubtful,
        };
        let images = Self {
            inner: Arc::new(inner),
        };
        Ok((images, listener))
    }

    /// Imports the image of an archive under a name, which then stands for it alone. One for several
    /// platforms has one entry each.
    ///
    /// # Errors
    /// [`ImageError::Archive`], [`ImageError::Damaged`], [`ImageError::Unsupported`], or the disk's.
    pub async fn import(
        &self,
        archive: impl Read + Send + 'static,
        name: &Reference,
    ) -> Result<Vec<Named>, ImageError> {
        let staging = self.inner.staging.clone();
        let archive = off_thread(move || Archive::receive(archive, &staging)).await?;
        let archive = Arc::new(archive);
        for _ in 0..ATTEMPTS {
            let (again, blobs) = (Arc::clone(&archive), self.inner.blobs.clone());
            let loaded = off_thread(move || again.load(&blobs)).await?;
            let mut holds = Vec::new();
            let mut whole = true;
            for image in &loaded {
                holds.push(self.inner.hold(image.digest).await);
                self.inner
                    .record(image.digest, None, &image.manifest)
                    .await?;
                let mut needed = blobs_of(image.digest, &image.manifest).into_iter();
                whole &= needed.all(|(blob, _)| self.inner.blobs.contains(&blob));
            }
            // Another image that had some of these blobs may have gone just now.
            if !whole {
                continue;
            }
            let images: Vec<_> = loaded
                .into_iter()
                .map(|image| (image.architecture, image.digest))
                .collect();
            let text = name.to_string();
            let named = self.inner.store.write(move |connection| {
                let tables = Tables(connection);
                let before = tables.put_name(&text, &images)?;
                Ok::<_, ImageError>((before, tables.names(Some(&text))?))
            });
            let (before, named) = named.await?;
            before
                .into_iter()
                .for_each(|image| self.inner.reconsider(image));
            return Ok(named.into_iter().map(Named::from).collect());
        }
        Err(ImageError::archive("its blobs are removed again and again"))
    }

    /// Every image that has a name.
    ///
    /// # Errors
    /// [`ImageError::Store`].
    pub async fn names(&self) -> Result<Vec<Named>, ImageError> {
        let read = self
            .inner
            .store
            .read(|connection| Tables(connection).names(None));
        Ok(read.await?.into_iter().map(Named::from).collect())
    }

    /// Takes a name from its image, which then goes unless somebody uses it. Says whether there was
    /// such a name.
    ///
    /// # Errors
    /// [`ImageError::Store`].
    pub async fn unname(&self, name: &Reference) -> Result<bool, ImageError> {
        let name = name.to_string();
        let write = self
            .inner
            .store
            .write(move |connection| Tables(connection).remove_name(&name));
        let images = write.await?;
        let was_there = !images.is_empty();
        images
            .into_iter()
            .for_each(|image| self.inner.reconsider(image));
        Ok(was_there)
    }

    /// The image that a name stands for now: one that was imported, or else what its registry has.
    /// Layers are not fetched yet. An index is resolved to `architecture`; an image for one platform
    /// is taken as it is, as on AWS.
    ///
    /// # Errors
    /// [`ImageError::NotFound`] and its like.
    pub async fn resolve(
        &self,
        reference: &Reference,
        architecture: Architecture,
        pulling: Pulling,
    ) -> Result<Resolved, ImageError> {
        if let Some(digest) = self.find(reference, architecture).await? {
            let hold = self.inner.hold(digest).await;
            if self.inner.is_usable(digest).await? {
                return Ok(Resolved {
                    reference: reference.with_digest(digest),
                    digest,
                    _hold: hold,
                });
            }
        }
        if reference.is_local() {
            return Err(ImageError::NotFound {
                reference: reference.to_string(),
            });
        }
        if pulling == Pulling::Refused {
            return Err(ImageError::NotPulled {
                reference: reference.to_string(),
            });
        }
        let (document, manifest) = self.pull_manifest(reference, architecture).await?;
        let digest = Digest::of(&document);
        let hold = self.inner.hold(digest).await;
        let pinned = reference.with_digest(digest);
        let origin = Some(pinned.to_string());
        self.inner.record(digest, origin, &manifest).await?;
        self.inner.blobs.put(document).await?;
        self.inner.fetch(&pinned, &manifest.config).await?;
        self.inner.configuration(&manifest).await?;
        Ok(Resolved {
            reference: pinned,
            digest,
            _hold: hold,
        })
    }

    /// What was imported under a name, or is here by its digest.
    async fn find(
        &self,
        reference: &Reference,
        architecture: Architecture,
    ) -> Result<Option<Digest>, ImageError> {
        if let Some(digest) = reference.digest() {
            let here = self.inner.is_recorded(digest).await?;
            return Ok(here.then_some(digest));
        }
        let name = reference.to_string();
        let read = self
            .inner
            .store
            .read(move |connection| Tables(connection).names(Some(&name)));
        let rows = read.await?;
        match rows.as_slice() {
            [] => Ok(None),
            [only] => Ok(Some(only.image)),
            several => {
                let fits = |row: &&NameRow| row.architecture == architecture.in_images();
                let platforms = || several.iter().map(|row| row.architecture.as_str());
                several
                    .iter()
                    .find(fits)
                    .map(|row| Some(row.image))
                    .ok_or_else(|| ImageError::NoPlatform {
                        wanted: architecture,
                        found: platforms().collect::<Vec<_>>().join(", "),
                    })
            }
        }
    }

    async fn pull_manifest(
        &self,
        reference: &Reference,
        architecture: Architecture,
    ) -> Result<(Bytes, Manifest), ImageError> {
        let registries = &self.inner.registries;
        let document = registries.document(reference).await?;
        check_size(&document)?;
        let index = match Document::parse(&document)? {
            Document::Manifest(manifest) => return Ok((document, manifest)),
            Document::Index(index) => index,
        };
        let image = index
            .of(architecture)
            .ok_or_else(|| ImageError::NoPlatform {
                wanted: architecture,
                found: index.platforms(),
            })?;
        let document = registries
            .document(&reference.with_digest(image.digest))
            .await?;
        check_size(&document)?;
        match Document::parse(&document)? {
            Document::Manifest(manifest) => Ok((document, manifest)),
            Document::Index(_) => Err(ImageError::unsupported(
                "the manifest",
                "an index of indexes",
            )),
        }
    }

    /// The image of that digest, unpacked. What is missing is fetched from where it came, and
    /// unpacked on first need.
    ///
    /// # Errors
    /// [`ImageError::Layer`], [`ImageError::NotFound`] where it is nowhere any more, and their like.
    pub async fn root(&self, digest: Digest) -> Result<ImageLease, ImageError> {
        let hold = self.inner.hold(digest).await;
        let manifest = self.inner.manifest(digest).await?;
        let (configuration, contents) = self.inner.configuration(&manifest).await?;
        let root = self.inner.roots.join(digest.to_string());
        self.inner
            .prepare(digest, &manifest, contents, &root)
            .await?;
        let architecture = configuration.architecture();
        Ok(ImageLease {
            root,
            settings: configuration.config.unwrap_or_default(),
            architecture,
            _hold: hold,
        })
    }

    /// Somebody let go of an image.
    pub fn reconsider(&self, digest: Digest) {
        self.inner.reconsider(digest);
    }

    /// Removes what no image has: what a crash left behind, and what came instead of what was asked
    /// for. Returns the images that there are.
    ///
    /// # Errors
    /// The store or the folder cannot be read.
    pub async fn sweep(&self) -> Result<Vec<Digest>, ImageError> {
        let images = self
            .inner
            .store
            .read(|connection| Tables(connection).images());
        let images = images.await?;
        let _nobody_records = self.inner.ledger.lock().await;
        let (blobs, roots) = (self.inner.blobs.clone(), self.inner.roots.clone());
        let known: HashSet<String> = images.iter().map(ToString::to_string).collect();
        let listed = off_thread(move || {
            for entry in fs::read_dir(&roots).map_err(ImageError::at(&roots))? {
                let entry = entry.map_err(ImageError::at(&roots))?;
                if !known.contains(&*entry.file_name().to_string_lossy()) {
                    discard(&entry.path())?;
                }
            }
            Ok(blobs.list()?)
        });
        for blob in listed.await? {
            let used = self
                .inner
                .store
                .read(move |connection| Tables(connection).uses_blob(&blob));
            if !used.await? {
                self.inner.blobs.remove(&blob)?;
            }
        }
        Ok(images)
    }

    /// Removes an image, unless it has a name, somebody holds it, or `used` says that it is needed.
    /// Nobody gets hold of it between that answer and its end.
    ///
    /// # Errors
    /// The store or the folder cannot be used.
    pub async fn remove_unless(
        &self,
        digest: Digest,
        used: impl Future<Output = bool>,
    ) -> Result<(), ImageError> {
        let Some(_going) = self.inner.go(digest) else {
            return Ok(());
        };
        if used.await {
            return Ok(());
        }
        let nobody_records = self.inner.ledger.lock().await;
        let write = self.inner.store.write(move |connection| {
            let tables = Tables(connection);
            if tables.is_named(&digest)? {
                return Ok(None);
            }
            Ok::<_, ImageError>(Some(tables.remove_image(&digest)?))
        });
        let Some(orphans) = write.await? else {
            return Ok(());
        };
        let blobs = self.inner.blobs.clone();
        off_thread(move || {
            for blob in orphans {
                blobs.remove(&blob)?;
            }
            Ok(())
        })
        .await?;
        drop(nobody_records);
        let root = self.inner.roots.join(digest.to_string());
        off_thread(move || discard(&root)).await
    }
}
