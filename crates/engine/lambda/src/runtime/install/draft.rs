//! Folders that are being filled.
//!
//! A draft is locked for as long as somebody fills it, so that what a killed process has left can be
//! told from what another engine, perhaps in a container of its own, is busy with.

use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// What the names of drafts hold, between the name of what they become and a number.
const MARK: &str = ".new-";

/// How often a draft is begun anew because another process was faster.
const ATTEMPTS: u32 = 1_000;

/// A folder of one's own beside those of the runtimes.
#[derive(Debug)]
pub(super) struct Draft {
    path: PathBuf,
    /// The folder itself; locked.
    _held: File,
}

impl Draft {
    /// An empty folder beside `folder`, whose place it is to take.
    pub(super) fn beside(folder: &Path) -> io::Result<Self> {
        if let Some(parent) = folder.parent() {
            fs::create_dir_all(parent)?;
        }
        let name = folder.file_name().unwrap_or_default().to_string_lossy();
        for number in 0..ATTEMPTS {
            let path = folder.with_file_name(format!("{name}{MARK}{number}"));
            match fs::create_dir(&path) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
                Ok(()) => {
                    if let Some(held) = lock(&path)? {
                        return Ok(Self { path, _held: held });
                    }
                }
            }
        }
        Err(io::ErrorKind::AlreadyExists.into())
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Puts it in the place of `folder`; what was there goes.
    pub(super) fn replace(self, folder: &Path) -> io::Result<()> {
        if fs::symlink_metadata(folder).is_ok() {
            // Moved aside first: removing takes a while, and may be interrupted.
            let aside = Self::beside(folder)?;
            fs::rename(folder, &aside.path)?;
            fs::rename(&self.path, folder)?;
            return aside.discard();
        }
        fs::rename(&self.path, folder)
    }

    /// Removes it with all that it holds.
    pub(super) fn discard(self) -> io::Result<()> {
        fs::remove_dir_all(&self.path)
    }
}

/// Removes the drafts in `runtimes` that nobody fills any more.
pub(super) fn sweep(runtimes: &Path) -> io::Result<()> {
    for entry in fs::read_dir(runtimes)? {
        let entry = entry?;
        let is_draft = entry.file_name().to_string_lossy().contains(MARK);
        if is_draft && lock(&entry.path())?.is_some() {
            fs::remove_dir_all(entry.path())?;
        }
    }
    Ok(())
}

/// Locks the folder at `path`; `None` where another process holds it, or has removed it.
fn lock(path: &Path) -> io::Result<Option<File>> {
    let folder = match File::open(path) {
        Ok(folder) => folder,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    match folder.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Ok(None),
        Err(TryLockError::Error(error)) => return Err(error),
    }
    let same = |there: fs::Metadata, held: &fs::Metadata| {
        (there.dev(), there.ino()) == (held.dev(), held.ino())
    };
    let held = folder.metadata()?;
    let is_there = fs::symlink_metadata(path).is_ok_and(|there| same(there, &held));
    Ok(is_there.then_some(folder))
}

#[cfg(test)]
mod tests {
    use super::super::names;
    use super::*;

    #[test]
    fn what_nobody_fills_any_more_goes() {
        let runtimes = tempfile::tempdir().unwrap();
        let folder = runtimes.path().join("python3.12");
        let filled = Draft::beside(&folder).unwrap();
        let left = Draft::beside(&folder).unwrap().path().to_owned();
        fs::write(left.join("file"), "").unwrap();
        fs::create_dir(runtimes.path().join("python3.11")).unwrap();
        sweep(runtimes.path()).unwrap();
        let kept = filled.path().file_name().unwrap().to_str().unwrap();
        assert_eq!(names(runtimes.path()), ["python3.11", kept]);
    }

    #[test]
    fn a_draft_takes_the_place_of_what_was_there() {
        let runtimes = tempfile::tempdir().unwrap();
        let folder = runtimes.path().join("nodejs22.x");
        for content in ["one", "two"] {
            let draft = Draft::beside(&folder).unwrap();
            fs::write(draft.path().join(content), "").unwrap();
            draft.replace(&folder).unwrap();
            assert_eq!(names(&folder), [content]);
        }
        assert_eq!(names(runtimes.path()), ["nodejs22.x"]);
    }

    #[test]
    fn drafts_of_one_runtime_do_not_meet() {
        let runtimes = tempfile::tempdir().unwrap();
        let folder = runtimes.path().join("nodejs22.x");
        let [one, two] = [(); 2].map(|()| Draft::beside(&folder).unwrap());
        assert_ne!(one.path(), two.path());
        one.discard().unwrap();
        assert!(two.path().is_dir());
    }
}
