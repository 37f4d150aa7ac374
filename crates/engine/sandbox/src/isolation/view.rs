//! What a child sees: its own copy of the template's mount namespace, and what is mounted into it.

use std::fs;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use nix::sched::{CloneFlags, setns, unshare};
use rustix::mount::MountAttrFlags;

use super::mounts::{self, Allows, EMPTY};
use super::realm::{self, Realm};
use super::user::{self, User};
use super::{Isolation, helper, local, memory, network, pid_space};
use crate::protocol::Refused;
use crate::spec::{Egress, Shown};
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

/// Where another root is put before it becomes the root.
const STAGE: &str = "/run";

/// By what hosts are found, whatever the root is.
const NAME_FILES: [&str; 2] = ["/etc/hosts", "/etc/resolv.conf"];

/// Files of the kernel's that are about the whole host, or about all that its user does, and no
/// business of a function's: how it was started and built, its devices and disks, where things lie in
/// its memory. They are shown empty, where the kernel has them.
const MASKED: [&str; 14] = [
    "/proc/cmdline",
    "/proc/config.gz",
    "/proc/diskstats",
    "/proc/interrupts",
    "/proc/kallsyms",
    "/proc/keys",
    "/proc/key-users",
    "/proc/latency_stats",
    "/proc/locks",
    "/proc/modules",
    "/proc/partitions",
    "/proc/sched_debug",
    "/proc/swaps",
    "/proc/timer_list",
];

/// Folders of the same kind.
const MASKED_FOLDERS: [&str; 6] = [
    "/proc/acpi",
    "/proc/bus",
    "/proc/driver",
    "/proc/irq",
    "/proc/scsi",
    "/proc/tty",
];

/// The calling process's own view, still open for mounts.
#[derive(Debug)]
pub(crate) struct View<'a> {
    /// Where the host's files can be seen, and the way back: where the engine cannot clone mounts
    /// the view does.
    outside: Option<(&'a Realm, OwnedFd)>,
    user: User,
}

impl<'a> View<'a> {
    /// Leaves the host's files, names and inter-process communication behind.
    pub(crate) fn enter(
        isolation: &'a Isolation,
        user: User,
        egress: Egress,
    ) -> Result<Self, Refused> {
        // Made while the host's own is in sight: the kernel asks for that where root does not ask.
        let proc = proc()?;
        setns(isolation.template.as_fd(), CloneFlags::CLONE_NEWNS)
            .map_err(Refused::to("enter the root of environments"))?;
        unshare(NAMESPACES).map_err(Refused::to("make namespaces"))?;
        nix::unistd::sethostname(HOST_NAME).map_err(Refused::to("name the host"))?;
        furnish_proc(&proc)?;
        user.introduce()?;
        if egress != isolation.egress() {
            network::show_resolv_conf(egress, user)?;
        }
        let outside = match &isolation.realm {
            Some(realm) => Some((realm, realm::name("mnt")?)),
            None => None,
        };
        Ok(Self { outside, user })
    }

    /// What it must keep open until it is sealed.
    pub(crate) fn descriptors(&self) -> Vec<BorrowedFd<'_>> {
        self.outside
            .iter()
            .flat_map(|(realm, inside)| realm.descriptors().into_iter().chain([inside.as_fd()]))
            .collect()
    }

    /// Attaches a mount; what is missing on the way to `target` is made.
    pub(crate) fn show(&self, mount: &OwnedFd, target: &Path) -> Result<(), Refused> {
        if target == Path::new("/") {
            return change_root(mount, self.user);
        }
        let folder = local::place(target);
        fs::create_dir_all(&folder).map_err(Refused::to(format!("make {}", target.display())))?;
        mounts::attach(mount, target)?;
        local::hide_again(target)
    }

    /// Shows what a command needs and what the environment has at `/tmp`, of `scratch_mb` MiB in its
    /// folder `work_dir`, where the engine has not cloned the mounts already.
    pub(crate) fn fetch(
        &self,
        shows: &[Shown],
        (work_dir, scratch_mb): (&Path, u32),
    ) -> Result<(), Refused> {
        let Some((realm, inside)) = &self.outside else {
            return Ok(());
        };
        realm.look_out()?;
        let mounts: Vec<OwnedFd> = shows
            .iter()
            .map(|shown| mounts::clone_of(&shown.source, Allows::Reading))
            .collect::<Result<_, _>>()?;
        let scratch = memory::scratch(work_dir, scratch_mb)?;
        setns(inside, CloneFlags::CLONE_NEWNS).map_err(Refused::to("come back to the view"))?;
        for (mount, shown) in mounts.iter().zip(shows) {
            self.show(mount, &shown.target)?;
        }
        self.show(&scratch, Path::new(SCRATCH))
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

/// A `/proc` of the process table in which this process is. Processes of other users, the init among
/// them, stay out of sight.
pub(super) fn proc() -> Result<OwnedFd, Refused> {
    mounts::new(
        "proc",
        &[("hidepid", Some("2"))],
        MountAttrFlags::MOUNT_ATTR_NODEV | MountAttrFlags::MOUNT_ATTR_NOEXEC,
    )
}

/// Puts a `/proc` in its place.
pub(super) fn furnish_proc(proc: &OwnedFd) -> Result<(), Refused> {
    mounts::attach(proc, Path::new("/proc"))?;
    for (masked, nothing, allows) in MASKED
        .iter()
        .map(|file| (file, "/dev/null", Allows::Devices))
        .chain(
            MASKED_FOLDERS
                .iter()
                .map(|folder| (folder, EMPTY, Allows::Reading)),
        )
    {
        let masked = Path::new(masked);
        if masked.exists() {
            mounts::attach(mounts::clone_of(nothing.as_ref(), allows)?, masked)?;
        }
    }
    Ok(())
}

/// Makes a mount the root, with what every view has: `/proc`, the devices, the files by which hosts are
/// found, and the user. It has the folders and files that these lie over.
fn change_root(mount: &OwnedFd, user: User) -> Result<(), Refused> {
    let stage = Path::new(STAGE);
    mounts::attach(mount, stage)?;
    let devices = mounts::clone_of("/dev".as_ref(), Allows::Devices)?;
    // So far it was part of the root that is sealed.
    sys::set_own_mount_attributes(
        &devices,
        MountAttributes::READ_ONLY | MountAttributes::NO_SUID,
    )
    .map_err(Refused::to("seal the devices"))?;
    mounts::attach(devices, &stage.join("dev"))?;
    let proc = mounts::clone_of("/proc".as_ref(), Allows::Devices)?;
    mounts::attach(proc, &stage.join("proc"))?;
    for file in NAME_FILES.map(Path::new) {
        // Shown anew: what has no name any more cannot be mounted once more.
        if let (Ok(text), Ok(name)) = (fs::read_to_string(file), file.strip_prefix("/")) {
            user.shows(&text, &stage.join(name))?;
        }
    }
    user::introduce_to(stage, user)?;
    std::env::set_current_dir(stage).map_err(Refused::to("enter the new root"))?;
    mounts::pivot_here()
}

/// Has a process do once what every child will do, so that what this host refuses is known at the
/// start.
pub(super) fn rehearse(isolation: &Isolation) -> Result<(), Refused> {
    helper::make(|| {
        isolation.join()?;
        let clone = mounts::clone_of(Path::new("/usr"), Allows::Reading)?;
        pid_space::open()?;
        helper::make(|| {
            let view = View::enter(isolation, User::of(0), isolation.egress())?;
            view.show(&clone, Path::new("/var/task"))?;
            view.seal()?;
            User::of(0).become_it(isolation, None)?;
            isolation.filters().apply()?;
            Ok(Vec::new())
        })
    })
    .map(drop)
}
