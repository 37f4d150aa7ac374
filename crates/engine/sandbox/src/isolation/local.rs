//! `/usr/local`: what the host's owner has installed beside the system.
//!
//! It is out of sight, but for libraries, which may be needed wherever an interpreter lies: the system's
//! linker looks there. An interpreter that lies in it is shown by itself.
//!
//! In its place stands a folder of the root's own. A mount that a command has there finds its place by
//! way of that.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::mounts::{self, Allows, EMPTY};
use crate::protocol::Refused;

/// The system's own, and what is hidden in it.
const SYSTEM: &str = "/usr";
const LOCAL: &str = "/usr/local";

/// What stands in its place, as the root names it.
const STANDS_FOR_IT: &str = "/var/local";

/// What of it is seen.
const LIBRARIES: [&str; 3] = ["lib", "lib32", "lib64"];

/// Hides it in a root that grows at `stage`.
pub(super) fn hide(stage: &Path) -> Result<(), Refused> {
    let inside = |path: &str| stage.join(path.trim_start_matches('/'));
    let local = inside(LOCAL);
    if !fs::symlink_metadata(&local).is_ok_and(|metadata| metadata.is_dir()) {
        return Ok(());
    }
    let instead = inside(STANDS_FOR_IT);
    let is_folder = |name: &&str| {
        let metadata = fs::symlink_metadata(Path::new(LOCAL).join(name));
        metadata.is_ok_and(|metadata| metadata.is_dir())
    };
    let libraries: Vec<&str> = LIBRARIES.into_iter().filter(is_folder).collect();
    for folder in
        std::iter::once(instead.clone()).chain(libraries.iter().map(|name| instead.join(name)))
    {
        fs::create_dir_all(&folder).map_err(Refused::to("hide /usr/local"))?;
    }
    mounts::attach(mounts::clone_of(&instead, Allows::Reading)?, &local)?;
    libraries.into_iter().try_for_each(|name| {
        let library = mounts::clone_of(&Path::new(LOCAL).join(name), Allows::Reading)?;
        mounts::attach(library, &local.join(name))
    })
}

/// Where a folder can be made that is to be found at `target`.
pub(super) fn place(target: &Path) -> PathBuf {
    match target.strip_prefix(LOCAL) {
        Ok(rest) if !target.exists() => Path::new(STANDS_FOR_IT).join(rest),
        _ => target.to_owned(),
    }
}

/// Hides it once more where the system is shown at another place too, as that of an interpreter.
pub(super) fn hide_again(target: &Path) -> Result<(), Refused> {
    let local = target.join("local");
    let is_system = || {
        let (shown, system) = (fs::metadata(target).ok()?, fs::metadata(SYSTEM).ok()?);
        Some((shown.dev(), shown.ino()) == (system.dev(), system.ino()))
    };
    if target != Path::new(SYSTEM) && is_system() == Some(true) && local.is_dir() {
        let nothing = mounts::clone_of(EMPTY.as_ref(), Allows::Reading)?;
        mounts::attach(nothing, &local)?;
    }
    Ok(())
}
