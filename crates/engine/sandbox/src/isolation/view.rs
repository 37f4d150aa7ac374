//! What a child sees: its own copy of the template's mount namespace, and what is mounted into it.

use std::fs;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use nix::sched::{CloneFlags, setns, unshare};
use rustix::mount::MountAttrFlags;

use super::helper;
use super::mounts::{self, Allows};
use super::user::User;
use super::{Isolation, Network, PidSpace};
use crate::protocol::Refused;
use crate::sys::{self, MountAttributes};

/// What else a view does not share. The control groups' namespace hides where in the host's tree the
/// environment lies.
const NAMESPACES: CloneFlags = CloneFlags::CLONE_NEWNS
    .union(CloneFlags::CLONE_NEWUTS)
    .union(CloneFlags::CLONE_NEWIPC)
    .union(CloneFlags::CLONE_NEWCGROUP);

/// The name of the host, as an environment sees it.
const HOST_NAME: &str = "localhost";

/// Where the environment's own file system goes.
pub(crate) const SCRATCH: &str = "/tmp";

/// The calling process's own view, still open for mounts.
#[derive(Debug)]
pub(crate) struct View(());

impl View {
    /// Leaves the host's files, names and inter-process communication behind.
    pub(crate) fn enter(isolation: &Isolation, user: User) -> Result<Self, Refused> {
        setns(isolation.template.as_fd(), CloneFlags::CLONE_NEWNS)
            .map_err(Refused::to("enter the root of environments"))?;
        unshare(NAMESPACES).map_err(Refused::to("make namespaces"))?;
        nix::unistd::sethostname(HOST_NAME).map_err(Refused::to("name the host"))?;
        // Processes of other users, the init among them, stay out of sight.
        let proc = mounts::new(
            "proc",
            &[("hidepid", "2")],
            MountAttrFlags::MOUNT_ATTR_NODEV | MountAttrFlags::MOUNT_ATTR_NOEXEC,
        )?;
        mounts::attach(proc, Path::new("/proc"))?;
        user.introduce()?;
        Ok(Self(()))
    }

    /// Attaches a mount; what is missing on the way to `target` is made.
    pub(crate) fn show(&self, mount: &OwnedFd, target: &Path) -> Result<(), Refused> {
        fs::create_dir_all(target).map_err(Refused::to(format!("make {}", target.display())))?;
        mounts::attach(mount, target)
    }

    /// Lets nothing be changed any more but what is mounted for that.
    pub(crate) fn seal(self) -> Result<(), Refused> {
        let scratch = Path::new(SCRATCH);
        let refused = || Refused::to("open /tmp to everybody");
        fs::set_permissions(scratch, PermissionsExt::from_mode(0o1777)).map_err(refused())?;
        // A new file system brings it; only its checker would need it.
        let _not_there = fs::remove_dir(scratch.join("lost+found"));
        let root = fs::File::open("/").map_err(Refused::to("open the root"))?;
        let attributes = MountAttributes::READ_ONLY | MountAttributes::NO_SUID;
        sys::set_own_mount_attributes(&root, attributes).map_err(Refused::to("seal the root"))
    }
}

/// Has a process do once what every child will do, so that what this host refuses is known at the
/// start.
pub(super) fn rehearse(isolation: &Isolation) -> Result<(), Refused> {
    if isolation.own_networks() {
        helper::run(|| Network::make(isolation).map(|(_, doors)| doors))?;
    }
    let clone = mounts::clone_of(Path::new("/usr"), Allows::Reading)?;
    let space = PidSpace::enter(isolation)?;
    let rehearsed = helper::run(|| {
        let view = View::enter(isolation, User::of(0))?;
        view.show(&clone, Path::new("/var/task"))?;
        view.seal()?;
        User::of(0).become_it()?;
        isolation.filters().apply()?;
        Ok(Vec::new())
    });
    space.leave()?;
    rehearsed.map(drop)
}
