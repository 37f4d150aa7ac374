//! The data folder and its lock.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};

/// A data folder that this process holds until the value is dropped.
///
/// The lock is advisory (`flock` on Unix) and belongs to the open file: the kernel frees it
/// however the process ends, and a child made by `fork` alone shares it, so fork first.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    lock: File,
}

/// Why a data folder could not be taken.
#[derive(Debug, thiserror::Error)]
pub enum DataDirError {
    /// Another process holds it.
    #[error(
        "{} is in use by {}; stop it, or choose another data folder",
        path.display(),
        match pid { Some(pid) => format!("process {pid}"), None => "another process".to_owned() }
    )]
    InUse {
        /// The folder.
        path: PathBuf,
        /// Who holds it, where it has said so.
        pid: Option<u32>,
    },
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

fn failed<'a>(action: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> DataDirError + 'a {
    move |source| DataDirError::Io {
        action,
        path: path.to_owned(),
        source,
    }
}

impl DataDir {
    /// Makes the folder if need be: for its owner alone, and unseen by git, since it often lies in
    /// the middle of a project.
    ///
    /// # Errors
    /// [`DataDirError::Io`].
    pub fn make(path: &Path) -> Result<(), DataDirError> {
        let mut builder = DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        if path.is_dir() {
            return Ok(());
        }
        builder
            .create(path)
            .map_err(failed("create the folder", path))?;
        let ignore = path.join(".gitignore");
        fs::write(&ignore, "*\n").map_err(failed("write", &ignore))
    }

    /// Makes the folder if need be, and takes the lock without waiting.
    ///
    /// # Errors
    /// [`DataDirError::InUse`] names the process that holds it.
    pub fn lock(path: impl Into<PathBuf>) -> Result<Self, DataDirError> {
        let path = path.into();
        Self::make(&path)?;
        let file = path.join("lock");
        let mut lock = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&file)
            .map_err(failed("open", &file))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut text = String::new();
                // An unreadable or empty file leaves the holder unnamed; it holds nonetheless.
                let _ = lock.read_to_string(&mut text);
                let pid = text.trim().parse().ok();
                return Err(DataDirError::InUse { path, pid });
            }
            Err(TryLockError::Error(source)) => return Err(failed("lock", &file)(source)),
        }
        lock.set_len(0)
            .and_then(|()| lock.rewind())
            .and_then(|()| writeln!(lock, "{}", std::process::id()))
            .map_err(failed("write", &file))?;
        Ok(Self { path, lock })
    }

    /// The folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for DataDir {
    fn drop(&mut self) {
        // The file stays, since removing it would let two processes lock two files of one name;
        // but it no longer names a process. The kernel frees the lock whether this works or not.
        let _ = self.lock.set_len(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_folder_is_private_and_ignored() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("data");
        DataDir::make(&path).unwrap();
        DataDir::make(&path).unwrap();
        assert_eq!(fs::read_to_string(path.join(".gitignore")).unwrap(), "*\n");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(
                fs::metadata(&path).unwrap().permissions().mode() & 0o777,
                0o700
            );
        }
    }

    #[test]
    fn one_at_a_time_and_named() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("made/on/demand");
        let held = DataDir::lock(&path).unwrap();
        let error = DataDir::lock(&path).unwrap_err();
        assert!(
            matches!(error, DataDirError::InUse { pid: Some(pid), .. } if pid == std::process::id())
        );
        let text = error.to_string();
        assert!(
            text.contains(&format!("process {}", std::process::id())),
            "{text}"
        );
        drop(held);
        assert_eq!(DataDir::lock(&path).unwrap().path(), path);
    }

    #[cfg(unix)]
    #[test]
    fn closed_to_others() {
        use std::os::unix::fs::PermissionsExt as _;
        let parent = tempfile::tempdir().unwrap();
        let held = DataDir::lock(parent.path().join("data")).unwrap();
        let mode = fs::metadata(held.path()).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{mode:o}");
    }
}
