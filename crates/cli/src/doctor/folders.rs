//! The folders that the engine keeps things in: whether this user may write there.

use std::io;
use std::path::Path;

use rustix::fs::{Access, access};

use super::{Check, Subject};

/// One line for each of both folders.
pub(super) fn checks(data_dir: &Path, runtimes_dir: &Path) -> [Check; 2] {
    [data(data_dir), runtimes(runtimes_dir)]
}

/// Without it no engine starts.
fn data(folder: &Path) -> Check {
    const NAME: &str = "data folder";
    match writable(folder) {
        Ok(found) => Check::ok(Subject::Host, NAME, found),
        Err(refused) => {
            let remedy = "--data-dir or LAMBDALAB_HOME names a folder that you may write to";
            Check::missing(
                Subject::Host,
                NAME,
                refused.found(folder),
                remedy.to_owned(),
            )
        }
    }
}

/// What is installed there already can be used.
fn runtimes(folder: &Path) -> Check {
    const NAME: &str = "runtimes folder";
    match writable(folder) {
        Ok(found) => Check::ok(Subject::Host, NAME, found),
        Err(refused) => {
            let remedy = "clients that are not there yet cannot be installed: LAMBDALAB_RUNTIMES \
                          names a folder that you may write to; or have its owner run `lambdalab runtime \
                          install`";
            let found = refused.found(folder);
            Check::of(Subject::Host, NAME, found, Some(remedy.to_owned()))
        }
    }
}

/// Where and why nothing can be written.
struct Refused<'a> {
    at: &'a Path,
    error: io::Error,
}

impl Refused<'_> {
    fn found(&self, folder: &Path) -> String {
        let (at, error) = (self.at.display(), &self.error);
        if self.at == folder {
            format!("{at} cannot be written to: {error}")
        } else {
            let folder = folder.display();
            format!("{folder} cannot be made, for {at} cannot be written to: {error}")
        }
    }
}

/// Asks the kernel, which knows of more than permissions; nothing is written. A folder that is yet to
/// be made takes one that it can be made in.
fn writable(folder: &Path) -> Result<String, Refused<'_>> {
    let nearest = |folder: &&Path| folder.symlink_metadata().is_ok();
    let here = Path::new(".");
    let at = match folder.ancestors().find(nearest) {
        Some(there) => there,
        None => here,
    };
    let write = Access::WRITE_OK | Access::EXEC_OK;
    let refused = |error| Refused { at, error };
    if !at.is_dir() {
        return Err(refused(io::ErrorKind::NotADirectory.into()));
    }
    access(at, write).map_err(|error| refused(error.into()))?;
    Ok(if at == folder {
        folder.display().to_string()
    } else {
        format!("{}, made at the first start", folder.display())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::State;

    #[test]
    fn a_folder_that_is_there_or_can_be_made_is_fine() {
        let folder = tempfile::tempdir().unwrap();
        let [data, runtimes] = checks(folder.path(), &folder.path().join("not/yet"));
        assert_eq!((data.state, runtimes.state), (State::Ok, State::Ok));
        assert!(runtimes.found.contains("not/yet"), "{}", runtimes.found);
    }

    #[test]
    fn where_nothing_can_be_made_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, "").unwrap();
        let [data, runtimes] = checks(&file, &file.join("below"));
        assert_eq!((data.state, runtimes.state), (State::Missing, State::Short));
        for check in [data, runtimes] {
            let named = file.display().to_string();
            assert!(check.found.contains(&named), "{}", check.found);
            assert!(check.remedy.is_some());
        }
    }
}
