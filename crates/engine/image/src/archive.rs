//! Archives that images are imported from: those of the OCI's layout and those of `docker save`.
//!
//! Newer ones of Docker's are both. The layout is preferred, for it says by which digest a registry
//! would know the image.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek as _, SeekFrom};
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::Arc;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use store::{Blobs, Digest};

use crate::document::{Configuration, Descriptor, Document, Index, Manifest};
use crate::error::ImageError;
use crate::layer::decompress;
use crate::limits::{ARCHIVE_BYTES, DOCUMENT_BYTES};
use crate::tarball::{self, Kind};

/// Marks an archive of the OCI's layout.
const LAYOUT_MARK: &str = "oci-layout";
const LAYOUT_INDEX: &str = "index.json";
/// What `docker save` says about its archive.
const DOCKER_INDEX: &str = "manifest.json";

/// How many links inside an archive are followed.
const LINKS: usize = 8;

/// An archive on the disk, uncompressed.
#[derive(Debug)]
pub(crate) struct Archive {
    file: Arc<File>,
    places: HashMap<String, Place>,
}

#[derive(Debug, Clone)]
enum Place {
    File {
        offset: u64,
        size: u64,
    },
    /// Older versions of Docker save equal layers once.
    Link(String),
}

/// An image whose blobs have been stored.
#[derive(Debug)]
pub(crate) struct Loaded {
    /// The digest of its manifest.
    pub(crate) digest: Digest,
    pub(crate) manifest: Manifest,
    /// Its architecture, as images call it.
    pub(crate) architecture: String,
}

/// One image of [`DOCKER_INDEX`].
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Saved {
    config: String,
    layers: Vec<String>,
}

impl Archive {
    /// Writes an archive down, in a file of the folder `staging` that goes with the value.
    pub(crate) fn receive(source: impl Read, staging: &Path) -> Result<Self, ImageError> {
        let written =
            |error: &io::Error| ImageError::archive(format!("it cannot be read: {error}"));
        let spool = |source: &mut dyn Read| {
            let mut file = nameless(staging)?;
            let length = io::copy(&mut source.take(ARCHIVE_BYTES + 1), &mut file);
            let length = length.map_err(|error| written(&error))?;
            if length > ARCHIVE_BYTES {
                let reason = format!("it holds more than {ARCHIVE_BYTES} bytes");
                return Err(ImageError::archive(reason));
            }
            file.seek(SeekFrom::Start(0))
                .map_err(ImageError::at(staging))?;
            Ok(file)
        };
        let mut source = source;
        let compressed = spool(&mut source)?;
        let mut content = decompress(compressed).map_err(|error| written(&error))?;
        let file = spool(&mut content)?;
        let places = places(&file).map_err(|error| ImageError::archive(error.to_string()))?;
        Ok(Self {
            file: Arc::new(file),
            places,
        })
    }

    /// Stores what belongs to the image, once for each platform.
    pub(crate) fn load(&self, blobs: &Blobs) -> Result<Vec<Loaded>, ImageError> {
        let images = if self.places.contains_key(LAYOUT_MARK) {
            self.load_layout(blobs)?
        } else if self.places.contains_key(DOCKER_INDEX) {
            vec![self.load_saved(blobs)?]
        } else {
            return Err(ImageError::archive(
                "it has neither the OCI's `oci-layout` nor Docker's `manifest.json`",
            ));
        };
        let twice = images.iter().enumerate().any(|(number, image)| {
            let others = images.iter().take(number);
            others
                .into_iter()
                .any(|other| other.architecture == image.architecture)
        });
        match images.is_empty() {
            true => Err(ImageError::archive("it holds no image")),
            false if twice => Err(ImageError::archive(
                "it holds several images: save the one that is wanted",
            )),
            false => Ok(images),
        }
    }

    fn load_layout(&self, blobs: &Blobs) -> Result<Vec<Loaded>, ImageError> {
        let top: Index = self.document(LAYOUT_INDEX)?;
        let mut images = Vec::new();
        for descriptor in top.manifests {
            let document = self.blob_bytes(&descriptor)?;
            match Document::parse(&document)? {
                Document::Manifest(manifest) => {
                    images.push(self.load_image(&document, manifest, blobs)?);
                }
                Document::Index(index) => {
                    for descriptor in index.manifests {
                        images.extend(self.load_one_of(&descriptor, blobs)?);
                    }
                }
            }
        }
        Ok(images)
    }

    /// One of the images of an index; `None` where it is not in the archive, as those for other
    /// platforms often are not, or no image, as what attests another.
    fn load_one_of(
        &self,
        descriptor: &Descriptor,
        blobs: &Blobs,
    ) -> Result<Option<Loaded>, ImageError> {
        let attests = descriptor
            .platform
            .as_ref()
            .is_some_and(|platform| platform.os == "unknown");
        if attests || !self.has(descriptor) {
            return Ok(None);
        }
        let document = self.blob_bytes(descriptor)?;
        match Document::parse(&document)? {
            Document::Manifest(manifest) if manifest.blobs().all(|blob| self.has(blob)) => {
                self.load_image(&document, manifest, blobs).map(Some)
            }
            _ => Ok(None),
        }
    }

    fn load_image(
        &self,
        document: &[u8],
        manifest: Manifest,
        blobs: &Blobs,
    ) -> Result<Loaded, ImageError> {
        let configuration = self.blob_bytes(&manifest.config)?;
        let (configuration, _) = Configuration::parse(&configuration, manifest.layers.len())?;
        for blob in manifest.blobs() {
            if blobs.contains(&blob.digest) {
                continue;
            }
            let (found, _) = blobs.put_reader(self.open(&blob_name(blob))?)?;
            if found != blob.digest {
                return Err(ImageError::Damaged {
                    expected: blob.digest,
                    found,
                });
            }
        }
        Ok(Loaded {
            digest: blobs.put_blocking(document)?,
            manifest,
            architecture: configuration.platform.architecture,
        })
    }

    fn load_saved(&self, blobs: &Blobs) -> Result<Loaded, ImageError> {
        let saved: Vec<Saved> = self.document(DOCKER_INDEX)?;
        let [image] = saved.as_slice() else {
            return Err(ImageError::archive(format!(
                "it holds {} images: save one",
                saved.len()
            )));
        };
        let configuration = self.bytes(&image.config)?;
        let size = configuration.len() as u64;
        let config = (blobs.put_blocking(&configuration)?, size);
        let (configuration, _) = Configuration::parse(&configuration, image.layers.len())?;
        let layers: Result<Vec<_>, ImageError> = image
            .layers
            .iter()
            .map(|layer| Ok(blobs.put_reader(self.open(layer)?)?))
            .collect();
        let manifest = Manifest::made_up(config, layers?);
        let document = serde_json::to_vec(&manifest);
        let document = document.map_err(|error| ImageError::archive(error.to_string()))?;
        Ok(Loaded {
            digest: blobs.put_blocking(&document)?,
            manifest,
            architecture: configuration.platform.architecture,
        })
    }

    fn has(&self, blob: &Descriptor) -> bool {
        self.places.contains_key(&blob_name(blob))
    }

    /// A document among the blobs, checked against its digest.
    fn blob_bytes(&self, blob: &Descriptor) -> Result<Vec<u8>, ImageError> {
        let bytes = self.bytes(&blob_name(blob))?;
        let found = Digest::of(&bytes);
        if found == blob.digest {
            Ok(bytes)
        } else {
            Err(ImageError::Damaged {
                expected: blob.digest,
                found,
            })
        }
    }

    fn document<T: DeserializeOwned>(&self, name: &str) -> Result<T, ImageError> {
        serde_json::from_slice(&self.bytes(name)?)
            .map_err(|error| ImageError::archive(format!("`{name}`: {error}")))
    }

    fn bytes(&self, name: &str) -> Result<Vec<u8>, ImageError> {
        let mut bytes = Vec::new();
        let read = self
            .open(name)?
            .take(DOCUMENT_BYTES + 1)
            .read_to_end(&mut bytes);
        read.map_err(|error| ImageError::archive(format!("`{name}`: {error}")))?;
        if bytes.len() as u64 > DOCUMENT_BYTES {
            return Err(ImageError::archive(format!("`{name}` is too large")));
        }
        Ok(bytes)
    }

    fn open(&self, name: &str) -> Result<Piece, ImageError> {
        let mut name = name.to_owned();
        for _ in 0..LINKS {
            match self.places.get(&name) {
                Some(Place::File { offset, size }) => {
                    return Ok(Piece {
                        file: Arc::clone(&self.file),
                        position: *offset,
                        end: offset + size,
                    });
                }
                Some(Place::Link(target)) => name.clone_from(target),
                None => break,
            }
        }
        Err(ImageError::archive(format!("`{name}` is missing in it")))
    }
}

/// Where a layout has a blob.
fn blob_name(blob: &Descriptor) -> String {
    format!("blobs/sha256/{}", blob.digest)
}

/// Where the files of an archive begin.
fn places(file: &File) -> Result<HashMap<String, Place>, crate::error::LayerError> {
    let mut places = HashMap::new();
    tarball::read(io::BufReader::new(file), |entry| {
        let name = plain(&String::from_utf8_lossy(&entry.name));
        let place = match entry.kind {
            Kind::File => Place::File {
                offset: entry.offset,
                size: entry.size,
            },
            Kind::Hardlink(target) => Place::Link(plain(&String::from_utf8_lossy(&target))),
            Kind::Symlink(target) => Place::Link(beside(&name, &String::from_utf8_lossy(&target))),
            Kind::Folder | Kind::Special => return Ok(()),
        };
        places.insert(name, place);
        Ok(())
    })?;
    Ok(places)
}

/// A name without what changes nothing about it.
fn plain(name: &str) -> String {
    let parts = name.split('/').filter(|part| !["", "."].contains(part));
    parts.collect::<Vec<_>>().join("/")
}

/// Where a link leads that lies at `name`. It names a file of the archive or nothing.
fn beside(name: &str, target: &str) -> String {
    let mut way: Vec<&str> = name.split('/').collect();
    way.pop();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(way.pop()),
            part => way.push(part),
        }
    }
    way.join("/")
}

/// A file that is gone when it is closed.
fn nameless(folder: &Path) -> Result<File, ImageError> {
    let path = folder.join(format!("archive-{}", unique()));
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create_new(true)
        .open(&path)
        .map_err(ImageError::at(&path))?;
    fs::remove_file(&path).map_err(ImageError::at(&path))?;
    Ok(file)
}

/// A number that no other file of this process has.
fn unique() -> u64 {
    use std::sync::atomic::{AtomicU64, Ordering};
    static NEXT: AtomicU64 = AtomicU64::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// A file of an archive.
struct Piece {
    file: Arc<File>,
    position: u64,
    end: u64,
}

impl Read for Piece {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.end - self.position).unwrap_or(usize::MAX);
        let length = left.min(buffer.len());
        let read = self
            .file
            .read_at(buffer.get_mut(..length).unwrap_or_default(), self.position)?;
        self.position += read as u64;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_lead_to_files_of_the_archive() {
        assert_eq!(beside("abc/layer.tar", "../def/layer.tar"), "def/layer.tar");
        assert_eq!(beside("a", "../../../etc/passwd"), "etc/passwd");
        assert_eq!(plain("./blobs//sha256/x"), "blobs/sha256/x");
    }

    #[test]
    fn what_is_no_archive_is_told_so() {
        let staging = tempfile::tempdir().unwrap();
        let blobs = Blobs::open(staging.path().join("blobs")).unwrap();
        let refused = |bytes: &[u8]| {
            let archive = Archive::receive(bytes, staging.path());
            let loaded = archive.and_then(|archive| archive.load(&blobs));
            loaded.unwrap_err().to_string()
        };
        assert!(refused(b"").contains("neither"));
        let text = refused(&[b'x'; 2_000]);
        assert!(text.contains("not an archive"), "{text}");
        let mut builder = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_gnu();
        header.set_size(2);
        builder
            .append_data(&mut header, "manifest.json", &b"[]"[..])
            .unwrap();
        assert!(refused(&builder.into_inner().unwrap()).contains("holds 0 images"));
    }
}
