//! The file system that an environment has at `/tmp` where it may have no loop device: one in
//! memory, of the configured size.
//!
//! It is mounted over a folder of the environment's own on the host, but only in the realm: there it
//! outlives the processes of the environment. The kernel takes it off when the folder is removed.

use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::mount::MountAttrFlags;

use super::mounts::{self, Allows};
use crate::protocol::Refused;

/// As many as the other kind of file system has room for.
const FILES_PER_MB: u32 = 256;

/// A mount of the file system below `work_dir`, which is made when it is not there.
pub(super) fn scratch(work_dir: &Path, mb: u32) -> Result<OwnedFd, Refused> {
    let folder = work_dir.join("tmp");
    let refused = || Refused::to(format!("make {}", folder.display()));
    fs::create_dir_all(&folder).map_err(refused())?;
    let device = |path: &Path| fs::metadata(path).map(|metadata| metadata.dev());
    let mounted = device(&folder).map_err(refused())? != device(work_dir).map_err(refused())?;
    if !mounted {
        let (size, files) = (
            format!("{mb}m"),
            mb.saturating_mul(FILES_PER_MB).to_string(),
        );
        let options = [
            ("size", Some(size.as_str())),
            ("nr_inodes", Some(&files)),
            ("mode", Some("1777")),
        ];
        let made = mounts::new("tmpfs", &options, MountAttrFlags::MOUNT_ATTR_NODEV)?;
        mounts::attach(made, &folder)?;
    }
    mounts::clone_of(&folder, Allows::Writing)
}
