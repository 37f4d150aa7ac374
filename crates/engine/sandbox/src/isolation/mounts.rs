//! Mounts that are attached nowhere yet: made where the host's files can be seen.

use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::CWD;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MoveMountFlags, OpenTreeFlags, UnmountFlags,
    fsconfig_create, fsconfig_set_flag, fsconfig_set_string, fsmount, fsopen, move_mount,
    open_tree, unmount,
};

use crate::protocol::Refused;
use crate::sys::{self, MountAttributes};

/// A folder of the root's in which nothing is: mounted over what is not to be seen.
pub(super) const EMPTY: &str = "/home";

/// Where files lie until they are mounted, out of the sight of other environments' functions.
pub(super) const DRAFTS: &str = "/var/drafts";

/// What a mount does not allow, besides being private to its namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Allows {
    /// Reading and executing.
    Reading,
    /// Writing too.
    Writing,
    /// Using it as a device.
    Devices,
}

/// A clone of the mount that shows `source`, with what is mounted below it.
pub(crate) fn clone_of(source: &Path, allows: Allows) -> Result<OwnedFd, Refused> {
    let doing = || format!("show {}", source.display());
    let flags = OpenTreeFlags::OPEN_TREE_CLONE
        | OpenTreeFlags::OPEN_TREE_CLOEXEC
        | OpenTreeFlags::AT_RECURSIVE;
    let tree = open_tree(CWD, source, flags).map_err(Refused::to(doing()))?;
    let mut set = MountAttributes::NO_SUID;
    if allows != Allows::Devices {
        set |= MountAttributes::NO_DEVICES;
    }
    if allows == Allows::Reading {
        set |= MountAttributes::READ_ONLY;
    }
    sys::set_mount_attributes(&tree, set).map_err(Refused::to(doing()))?;
    Ok(tree)
}

/// A new mount of a file system. Options have a value, or none.
pub(super) fn new(
    kind: &str,
    options: &[(&str, Option<&str>)],
    attributes: MountAttrFlags,
) -> Result<OwnedFd, Refused> {
    let made = || {
        let context = fsopen(kind, FsOpenFlags::FSOPEN_CLOEXEC)?;
        for (key, value) in options {
            match value {
                Some(value) => fsconfig_set_string(context.as_fd(), *key, *value)?,
                None => fsconfig_set_flag(context.as_fd(), *key)?,
            }
        }
        fsconfig_create(context.as_fd())?;
        fsmount(
            context.as_fd(),
            FsMountFlags::FSMOUNT_CLOEXEC,
            MountAttrFlags::MOUNT_ATTR_NOSUID | attributes,
        )
    };
    made().map_err(Refused::to(format!("mount a {kind} file system")))
}

/// Attaches a mount at `target`, which is there.
pub(super) fn attach(mount: impl AsFd, target: &Path) -> Result<(), Refused> {
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH;
    move_mount(mount.as_fd(), "", CWD, target, flags)
        .map_err(Refused::to(format!("mount {}", target.display())))
}

/// Makes the present folder the root, and lets go of the old one with all that is mounted in it.
pub(super) fn pivot_here() -> Result<(), Refused> {
    let refused = || Refused::to("change the root");
    nix::unistd::pivot_root(".", ".").map_err(|error| refused()(error.into()))?;
    // The old root lies over the new one now.
    unmount(".", UnmountFlags::DETACH).map_err(|error| refused()(error.into()))?;
    std::env::set_current_dir("/").map_err(refused())
}
