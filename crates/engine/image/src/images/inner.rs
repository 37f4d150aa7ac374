//! What images are kept with: who holds one, what is recorded of it, and its way into a folder.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ids::SharedEntropy;
use parking_lot::Mutex;
use store::{Blobs, Digest, Store};
use tokio::sync::Notify;
use tokio::sync::mpsc::UnboundedSender;

use crate::document::{Configuration, Descriptor, Document, Manifest};
use crate::error::ImageError;
use crate::layer;
use crate::reference::Reference;
use crate::registry::Registries;
use crate::tables::Tables;
use crate::tree::Tree;

#[derive(Debug)]
pub(super) struct Inner {
    pub(super) store: Store,
    pub(super) blobs: Blobs,
    pub(super) roots: PathBuf,
    pub(super) staging: PathBuf,
    pub(super) registries: Registries,
    pub(super) entropy: SharedEntropy,
    pub(super) holds: Mutex<Holds>,
    /// Something that was going has gone.
    pub(super) gone: Notify,
    /// Held while an image is recorded, and while blobs are removed that no image has.
    pub(super) ledger: tokio::sync::Mutex<()>,
    /// One preparation of an image at a time.
    pub(super) preparing: Mutex<HashMap<Digest, Arc<tokio::sync::Mutex<()>>>>,
    pub(super) doubtful: UnboundedSender<Digest>,
}

#[derive(Debug, Default)]
pub(super) struct Holds {
    counts: HashMap<Digest, usize>,
    /// Images that are being removed.
    going: HashSet<Digest>,
}

/// An image that stays as long as this is held.
#[derive(Debug)]
pub(super) struct Hold {
    digest: Digest,
    inner: Arc<Inner>,
}

impl Drop for Hold {
    fn drop(&mut self) {
        let mut holds = self.inner.holds.lock();
        if let Some(count) = holds.counts.get_mut(&self.digest) {
            *count -= 1;
            if *count == 0 {
                holds.counts.remove(&self.digest);
                self.inner.reconsider(self.digest);
            }
        }
    }
}

impl Inner {
    pub(super) fn reconsider(&self, digest: Digest) {
        // Nobody listens any more only while the engine stops.
        let _stopping = self.doubtful.send(digest);
    }

    /// Holds an image, once it is not being removed.
    pub(super) async fn hold(self: &Arc<Self>, digest: Digest) -> Hold {
        loop {
            let gone = self.gone.notified();
            {
                let mut holds = self.holds.lock();
                if !holds.going.contains(&digest) {
                    *holds.counts.entry(digest).or_default() += 1;
                    return Hold {
                        digest,
                        inner: Arc::clone(self),
                    };
                }
            }
            gone.await;
        }
    }

    /// Begins to remove an image; `None` where somebody holds it.
    pub(super) fn go(&self, digest: Digest) -> Option<Going<'_>> {
        let mut holds = self.holds.lock();
        let free = !holds.counts.contains_key(&digest) && holds.going.insert(digest);
        // Not made where it is not wanted: its end would take the lock again.
        free.then(|| Going {
            digest,
            inner: self,
        })
    }

    pub(super) async fn is_recorded(&self, digest: Digest) -> Result<bool, ImageError> {
        let read = self
            .store
            .read(move |connection| Tables(connection).image(&digest));
        Ok(read.await?.is_some())
    }

    /// Whether an image is here, as far as it must be to be resolved: a crash may have come in between.
    pub(super) async fn is_usable(&self, digest: Digest) -> Result<bool, ImageError> {
        if !self.is_recorded(digest).await? || !self.blobs.contains(&digest) {
            return Ok(false);
        }
        let manifest = self.manifest(digest).await?;
        Ok(self.blobs.contains(&manifest.config.digest))
    }

    pub(super) async fn record(
        &self,
        digest: Digest,
        origin: Option<String>,
        manifest: &Manifest,
    ) -> Result<(), ImageError> {
        let blobs = blobs_of(digest, manifest);
        let _nobody_removes = self.ledger.lock().await;
        let write = self.store.write(move |connection| {
            Tables(connection).put_image(&digest, origin.as_deref(), &blobs)
        });
        write.await
    }

    pub(super) async fn manifest(&self, digest: Digest) -> Result<Manifest, ImageError> {
        let document = self.blobs.get(digest).await?;
        match Document::parse(&document)? {
            Document::Manifest(manifest) => Ok(manifest),
            Document::Index(_) => Err(ImageError::unsupported("the manifest", "an index")),
        }
    }

    /// The configuration of an image, with the digests of its layers' contents.
    pub(super) async fn configuration(
        &self,
        manifest: &Manifest,
    ) -> Result<(Configuration, Vec<Digest>), ImageError> {
        let document = self.blobs.get(manifest.config.digest).await?;
        Configuration::parse(&document, manifest.layers.len())
    }

    /// Fetches a blob, unless it is here.
    pub(super) async fn fetch(
        &self,
        image: &Reference,
        blob: &Descriptor,
    ) -> Result<(), ImageError> {
        if self.blobs.contains(&blob.digest) {
            return Ok(());
        }
        self.registries.fetch(image, blob, &self.blobs).await
    }

    /// Makes sure that the image is unpacked in the folder `root`.
    pub(super) async fn prepare(
        &self,
        digest: Digest,
        manifest: &Manifest,
        contents: Vec<Digest>,
        root: &Path,
    ) -> Result<(), ImageError> {
        let turn = Arc::clone(self.preparing.lock().entry(digest).or_default());
        let _one_at_a_time = turn.lock().await;
        let _forget = Forget {
            preparing: &self.preparing,
            digest,
        };
        if root.is_dir() {
            return Ok(());
        }
        let origin = self
            .store
            .read(move |connection| Tables(connection).image(&digest));
        let origin = origin.await?.flatten();
        let origin: Option<Reference> = origin.and_then(|origin| origin.parse().ok());
        for layer in &manifest.layers {
            match &origin {
                Some(origin) => self.fetch(origin, layer).await?,
                None if self.blobs.contains(&layer.digest) => {}
                None => return Err(store::BlobError::Missing(layer.digest).into()),
            }
        }
        let layers = manifest
            .layers
            .iter()
            .map(|layer| layer.digest)
            .zip(contents);
        let layers: Vec<_> = layers.collect();
        let draft = self
            .staging
            .join(format!("{digest}-{:x}", self.entropy.bits()));
        let (blobs, root) = (self.blobs.clone(), root.to_owned());
        off_thread(move || {
            let unpacked = unpack(&blobs, &layers, &draft);
            let published =
                unpacked.and_then(|()| fs::rename(&draft, &root).map_err(ImageError::at(&root)));
            match published {
                Ok(()) => Ok(()),
                Err(error) => {
                    discard(&draft)?;
                    // Somebody who waits no longer has unpacked it all the same.
                    if root.is_dir() { Ok(()) } else { Err(error) }
                }
            }
        })
        .await
    }
}

/// An image that is being removed.
pub(super) struct Going<'a> {
    digest: Digest,
    inner: &'a Inner,
}

impl Drop for Going<'_> {
    fn drop(&mut self) {
        self.inner.holds.lock().going.remove(&self.digest);
        self.inner.gone.notify_waiters();
    }
}

/// Forgets whose turn it is, once nobody waits for one.
struct Forget<'a> {
    preparing: &'a Mutex<HashMap<Digest, Arc<tokio::sync::Mutex<()>>>>,
    digest: Digest,
}

impl Drop for Forget<'_> {
    fn drop(&mut self) {
        let mut preparing = self.preparing.lock();
        // One in the map, one with us.
        if preparing
            .get(&self.digest)
            .is_some_and(|turn| Arc::strong_count(turn) <= 2)
        {
            preparing.remove(&self.digest);
        }
    }
}

/// Everything that is kept for an image.
pub(super) fn blobs_of(digest: Digest, manifest: &Manifest) -> Vec<(Digest, u64)> {
    let itself = std::iter::once((digest, 0));
    itself
        .chain(manifest.blobs().map(|blob| (blob.digest, blob.size)))
        .collect()
}

/// Unpacks layers, each with the digest of its content, into a new folder.
fn unpack(blobs: &Blobs, layers: &[(Digest, Digest)], draft: &Path) -> Result<(), ImageError> {
    fs::create_dir(draft).map_err(ImageError::at(draft))?;
    let mut tree = Tree::open(draft)?;
    for (blob, content) in layers {
        // Should the disk have damaged it, its content tells.
        let file = blobs.open_blob(blob)?;
        layer::unpack(file, content, &mut tree).map_err(|source| ImageError::Layer {
            layer: *blob,
            source,
        })?;
    }
    tree.finish()
}

/// Removes a folder that need not be there.
pub(super) fn discard(folder: &Path) -> Result<(), ImageError> {
    match fs::remove_dir_all(folder) {
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => Err(ImageError::Io {
            path: folder.to_owned(),
            source,
        }),
        _ => Ok(()),
    }
}

pub(super) async fn off_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ImageError> + Send + 'static,
) -> Result<T, ImageError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or(Err(ImageError::Closed))
}
