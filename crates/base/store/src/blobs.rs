//! Files named by what is in them.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use bytes::Bytes;
use sha2::{Digest as _, Sha256};

use crate::Digest;
use crate::disk::sync_folder;

/// How much of a blob is read at a time while it is checked, in bytes.
const READ_AT_A_TIME: usize = 64 << 10;

/// A folder of immutable files, `ab/cdef…` for the digest `abcdef…`.
///
/// A blob is written aside, flushed, renamed into place, and its folder flushed, before its
/// digest is handed out: whoever has the digest has the blob, also after a power cut. There is
/// no count of references; whoever keeps digests removes what it no longer names.
#[derive(Debug, Clone)]
pub struct Blobs {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    root: PathBuf,
    /// Numbers the files being written. One process at a time writes here (see
    /// [`DataDir`](crate::DataDir)) and clears what the last one left, so a counter is unique.
    next: AtomicU64,
    /// Which of the 256 sub-folders are known to survive a power cut themselves.
    durable_shards: [AtomicBool; 256],
}

/// Why a blob could not be stored or fetched.
#[derive(Debug, thiserror::Error)]
pub enum BlobError {
    /// No blob has this digest.
    #[error("there is no blob {0}")]
    Missing(Digest),
    /// The file's content is not what its name says: the disk has damaged it.
    #[error("blob {expected} is damaged: its content has the digest {found}")]
    Damaged {
        /// The digest that names it.
        expected: Digest,
        /// The digest of what is there.
        found: Digest,
    },
    /// The disk is full. Nothing was stored (HTTP 503).
    #[error("the disk that holds the blobs is full; free some space and try again")]
    Full,
    /// The source that was to be stored could not be read.
    #[error("cannot read what is to be stored: {0}")]
    Source(#[source] io::Error),
    /// The runtime is shutting down.
    #[error("the program is shutting down")]
    Closed,
    /// The file system refused.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

fn failed<'a>(action: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> BlobError + 'a {
    move |source| match source.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => BlobError::Full,
        _ => BlobError::Io {
            action,
            path: path.to_owned(),
            source,
        },
    }
}

impl Blobs {
    /// Opens or makes the folder, and removes what an interrupted [`Blobs::put`] left.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn open(root: impl Into<PathBuf>) -> Result<Self, BlobError> {
        let root = root.into();
        let unfinished = root.join("tmp");
        fs::create_dir_all(&unfinished).map_err(failed("create the folder", &unfinished))?;
        for entry in fs::read_dir(&unfinished).map_err(failed("list", &unfinished))? {
            let path = entry.map_err(failed("list", &unfinished))?.path();
            fs::remove_file(&path).map_err(failed("remove", &path))?;
        }
        if let Some(parent) = root.parent() {
            sync_folder(parent).map_err(failed("flush", parent))?;
        }
        Ok(Self {
            inner: Arc::new(Inner {
                root,
                next: AtomicU64::new(0),
                durable_shards: [const { AtomicBool::new(false) }; 256],
            }),
        })
    }

    /// Stores `bytes`. Storing what is there already costs no more than looking.
    ///
    /// # Errors
    /// [`BlobError::Full`] and whatever else the file system says; then nothing was stored.
    pub async fn put(&self, bytes: Bytes) -> Result<Digest, BlobError> {
        let blobs = self.clone();
        off_thread(move || blobs.put_blocking(&bytes)).await
    }

    /// As [`Blobs::put`], on the calling thread.
    ///
    /// # Errors
    /// As [`Blobs::put`].
    pub fn put_blocking(&self, bytes: &[u8]) -> Result<Digest, BlobError> {
        let digest = Digest::of(bytes);
        if self.is_stored(&digest, bytes.len() as u64)? {
            return Ok(digest);
        }
        let mut unfinished = self.begin()?;
        unfinished.write(bytes)?;
        self.finish(&unfinished, &digest)?;
        Ok(digest)
    }

    /// Stores what `source` yields, without holding it in memory, and says how long it is.
    /// Blocks the calling thread.
    ///
    /// # Errors
    /// As [`Blobs::put`], and [`BlobError::Source`].
    pub fn put_reader(&self, mut source: impl Read) -> Result<(Digest, u64), BlobError> {
        let mut unfinished = self.begin()?;
        let mut hasher = Sha256::new();
        let mut length = 0;
        let mut buffer = vec![0; 64 * 1024];
        loop {
            let read = match source.read(&mut buffer) {
                Ok(0) => break,
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(BlobError::Source(error)),
            };
            hasher.update(&buffer[..read]);
            unfinished.write(&buffer[..read])?;
            length += read as u64;
        }
        let digest = Digest::from_hasher(hasher);
        if !self.is_stored(&digest, length)? {
            self.finish(&unfinished, &digest)?;
        }
        Ok((digest, length))
    }

    /// Reads a whole blob and checks it against its digest.
    ///
    /// # Errors
    /// [`BlobError::Missing`], [`BlobError::Damaged`], or the file system's.
    pub async fn get(&self, digest: Digest) -> Result<Bytes, BlobError> {
        let blobs = self.clone();
        off_thread(move || blobs.get_blocking(&digest)).await
    }

    /// As [`Blobs::get`], on the calling thread.
    ///
    /// # Errors
    /// As [`Blobs::get`].
    pub fn get_blocking(&self, digest: &Digest) -> Result<Bytes, BlobError> {
        let mut bytes = Vec::new();
        self.open_blob(digest)?
            .read_to_end(&mut bytes)
            .map_err(failed("read", &self.path(digest)))?;
        check(digest, Digest::of(&bytes))?;
        Ok(bytes.into())
    }

    /// Opens a blob for reading, unchecked.
    ///
    /// # Errors
    /// [`BlobError::Missing`], or the file system's.
    pub fn open_blob(&self, digest: &Digest) -> Result<File, BlobError> {
        let path = self.path(digest);
        File::open(&path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => BlobError::Missing(*digest),
            _ => failed("open", &path)(error),
        })
    }

    /// Reads a blob through and checks it against its digest.
    ///
    /// # Errors
    /// As [`Blobs::get`].
    pub fn verify(&self, digest: &Digest) -> Result<(), BlobError> {
        let mut file = self.open_blob(digest)?;
        let mut hasher = Sha256::new();
        let mut buffer = vec![0; READ_AT_A_TIME];
        loop {
            match file.read(&mut buffer) {
                Ok(0) => return check(digest, Digest::from_hasher(hasher)),
                Ok(read) => hasher.update(&buffer[..read]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(failed("read", &self.path(digest))(error)),
            }
        }
    }

    /// Whether there is such a blob.
    #[must_use]
    pub fn contains(&self, digest: &Digest) -> bool {
        self.path(digest).is_file()
    }

    /// Removes a blob and says whether it was there.
    ///
    /// The removal is not flushed: after a power cut the blob may be back, as one that nobody
    /// names.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn remove(&self, digest: &Digest) -> Result<bool, BlobError> {
        let path = self.path(digest);
        match fs::remove_file(&path) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(failed("remove", &path)(error)),
        }
    }

    /// Every blob's digest, in no particular order: what a sweep compares with what is named.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn list(&self) -> Result<Vec<Digest>, BlobError> {
        let mut digests = Vec::new();
        for shard in list(&self.inner.root)? {
            if !shard.is_dir() || shard.ends_with("tmp") {
                continue;
            }
            for file in list(&shard)? {
                let name = |path: &Path| Some(path.file_name()?.to_str()?.to_owned());
                if let (Some(head), Some(tail)) = (name(&shard), name(&file))
                    && let Ok(digest) = format!("{head}{tail}").parse()
                {
                    digests.push(digest);
                }
            }
        }
        Ok(digests)
    }

    /// Where the blob is, or would be.
    #[must_use]
    pub fn path(&self, digest: &Digest) -> PathBuf {
        let hex = digest.to_string();
        let (shard, name) = hex.split_at(2);
        self.inner.root.join(shard).join(name)
    }

    /// Whether the blob is there, and durably: whoever renamed it may not have come to flush the
    /// folder. A file of another length is damaged and gets replaced.
    fn is_stored(&self, digest: &Digest, length: u64) -> Result<bool, BlobError> {
        match fs::metadata(self.path(digest)) {
            Ok(found) if found.len() == length => {
                self.sync_shard(digest)?;
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    fn begin(&self) -> Result<Unfinished, BlobError> {
        let number = self.inner.next.fetch_add(1, Ordering::Relaxed);
        let path = self.inner.root.join("tmp").join(number.to_string());
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(&path)
            .map_err(failed("create", &path))?;
        Ok(Unfinished { path, file })
    }

    fn finish(&self, unfinished: &Unfinished, digest: &Digest) -> Result<(), BlobError> {
        let target = self.path(digest);
        unfinished
            .file
            .sync_all()
            .map_err(failed("flush", &unfinished.path))?;
        if let Some(shard) = target.parent() {
            fs::create_dir_all(shard).map_err(failed("create the folder", shard))?;
        }
        fs::rename(&unfinished.path, &target).map_err(failed("move into place", &target))?;
        self.sync_shard(digest)
    }

    fn sync_shard(&self, digest: &Digest) -> Result<(), BlobError> {
        let path = self.path(digest);
        if let Some(shard) = path.parent() {
            sync_folder(shard).map_err(failed("flush", shard))?;
        }
        let durable = &self.inner.durable_shards[usize::from(digest.as_bytes()[0])];
        if !durable.load(Ordering::Acquire) {
            let root = &self.inner.root;
            sync_folder(root).map_err(failed("flush", root))?;
            durable.store(true, Ordering::Release);
        }
        Ok(())
    }
}

/// A file being written; gone with the value unless it was renamed.
struct Unfinished {
    path: PathBuf,
    file: File,
}

impl Unfinished {
    fn write(&mut self, bytes: &[u8]) -> Result<(), BlobError> {
        self.file
            .write_all(bytes)
            .map_err(failed("write", &self.path))
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        // Once renamed there is nothing here; what cannot be removed, the next open sweeps.
        let _ = fs::remove_file(&self.path);
    }
}

fn check(expected: &Digest, found: Digest) -> Result<(), BlobError> {
    if *expected == found {
        return Ok(());
    }
    let expected = *expected;
    Err(BlobError::Damaged { expected, found })
}

fn list(folder: &Path) -> Result<Vec<PathBuf>, BlobError> {
    fs::read_dir(folder)
        .and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect())
        .map_err(failed("list", folder))
}

async fn off_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, BlobError> + Send + 'static,
) -> Result<T, BlobError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => Err(BlobError::Closed),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blobs() -> (tempfile::TempDir, Blobs) {
        let folder = tempfile::tempdir().unwrap();
        let blobs = Blobs::open(folder.path().join("blobs")).unwrap();
        (folder, blobs)
    }

    fn unfinished(blobs: &Blobs) -> usize {
        list(&blobs.inner.root.join("tmp")).unwrap().len()
    }

    #[tokio::test]
    async fn put_and_get() {
        let (_folder, blobs) = blobs();
        let content = Bytes::from_static(b"content");
        let digest = blobs.put(content.clone()).await.unwrap();
        assert_eq!(digest, Digest::of(&content));
        assert_eq!(blobs.put(content.clone()).await.unwrap(), digest);
        assert_eq!(blobs.get(digest).await.unwrap(), content);
        assert_eq!(blobs.list().unwrap(), [digest]);
        assert_eq!(unfinished(&blobs), 0);
    }

    #[test]
    fn a_stream_is_stored_under_the_same_name() {
        let (_folder, blobs) = blobs();
        let content = vec![7; 200_000];
        let (digest, length) = blobs.put_reader(content.as_slice()).unwrap();
        assert_eq!((digest, length), (Digest::of(&content), 200_000));
        assert_eq!(blobs.put_blocking(&content).unwrap(), digest);
        assert_eq!(blobs.put_reader(content.as_slice()).unwrap().0, digest);
        assert_eq!(blobs.get_blocking(&digest).unwrap(), content);
        assert_eq!(unfinished(&blobs), 0);
    }

    #[test]
    fn a_source_that_fails_leaves_nothing() {
        struct Broken;
        impl Read for Broken {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::Error::other("the client went away"))
            }
        }
        let (_folder, blobs) = blobs();
        let error = blobs.put_reader(b"some".chain(Broken)).unwrap_err();
        assert!(matches!(error, BlobError::Source(_)), "{error}");
        assert_eq!(unfinished(&blobs), 0);
        assert_eq!(blobs.list().unwrap(), []);
    }

    #[test]
    fn missing_and_removed() {
        let (_folder, blobs) = blobs();
        let digest = blobs.put_blocking(b"x").unwrap();
        assert!(blobs.contains(&digest));
        assert!(blobs.remove(&digest).unwrap());
        assert!(!blobs.remove(&digest).unwrap());
        assert!(!blobs.contains(&digest));
        let error = blobs.get_blocking(&digest).unwrap_err();
        assert!(matches!(error, BlobError::Missing(d) if d == digest));
    }

    #[test]
    fn damage_is_noticed_and_a_short_file_is_replaced() {
        let (_folder, blobs) = blobs();
        let digest = blobs.put_blocking(b"content").unwrap();
        fs::write(blobs.path(&digest), b"c0ntent").unwrap();
        assert!(matches!(
            blobs.get_blocking(&digest),
            Err(BlobError::Damaged { .. })
        ));
        assert!(matches!(
            blobs.verify(&digest),
            Err(BlobError::Damaged { .. })
        ));
        fs::write(blobs.path(&digest), b"con").unwrap();
        blobs.put_blocking(b"content").unwrap();
        blobs.verify(&digest).unwrap();
    }

    #[test]
    fn opening_sweeps_what_was_left_unfinished() {
        let (folder, blobs) = blobs();
        let digest = blobs.put_blocking(b"kept").unwrap();
        let left = blobs.begin().unwrap();
        std::mem::forget(left);
        assert_eq!(unfinished(&blobs), 1);
        let reopened = Blobs::open(folder.path().join("blobs")).unwrap();
        assert_eq!(unfinished(&reopened), 0);
        reopened.verify(&digest).unwrap();
    }
}
