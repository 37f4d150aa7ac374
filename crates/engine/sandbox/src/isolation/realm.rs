//! Root's rights without root: a user namespace in which the engine's user may do what isolation
//! takes, to what it owns there and to nothing else.
//!
//! The engine and the spawner stay outside. Whoever makes something for an environment joins first;
//! what it makes then belongs to the realm, and ends with the last process or descriptor in it.
//! Ids mean in there what they mean outside, and only the engine's own are known: mapping more of
//! them would take root, or tools with root's rights that not every host has.

use std::fs::{self, File};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::sched::{CloneFlags, setns, unshare};
use nix::unistd::{getegid, geteuid};

use super::helper;
use crate::protocol::Refused;

/// Since this version of the kernel a limit on a user's processes counts those in each user namespace
/// by themselves (<https://git.kernel.org/torvalds/c/21d1c5e386bc>).
const COUNTS_PROCESSES: (u32, u32) = (5, 14);

/// The user namespace, and the host's files as they are seen from it.
#[derive(Debug)]
pub(crate) struct Realm {
    users: OwnedFd,
    files: OwnedFd,
    counts_processes: bool,
}

impl Realm {
    /// Makes it.
    pub(super) fn found() -> Result<Self, Refused> {
        let made = helper::make(|| {
            let (uid, gid) = (geteuid().as_raw(), getegid().as_raw());
            enter_new((uid, uid), (gid, gid))?;
            // What is mounted on the host later shows here too, for a mount namespace that is
            // copied to another user follows its original.
            unshare(CloneFlags::CLONE_NEWNS).map_err(Refused::to("make a mount namespace"))?;
            Ok(vec![name("user")?, name("mnt")?])
        })?;
        let [users, files] = <[OwnedFd; 2]>::try_from(made).map_err(|_| Refused {
            doing: "found a user namespace".to_owned(),
            source: std::io::ErrorKind::UnexpectedEof.into(),
        })?;
        let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        Ok(Self {
            users,
            files,
            counts_processes: at_least(&release, COUNTS_PROCESSES),
        })
    }

    /// Whether a limit on a user's processes counts those in one user namespace alone.
    pub(super) fn counts_processes(&self) -> bool {
        self.counts_processes
    }

    pub(super) fn descriptors(&self) -> [BorrowedFd<'_>; 2] {
        [self.users.as_fd(), self.files.as_fd()]
    }

    /// Has this process act in it from now on.
    pub(super) fn join(&self) -> Result<(), Refused> {
        setns(&self.users, CloneFlags::CLONE_NEWUSER)
            .map_err(Refused::to("join the user namespace"))?;
        self.look_out()
    }

    /// Has this process see the host's files, with the realm's rights.
    pub(super) fn look_out(&self) -> Result<(), Refused> {
        setns(&self.files, CloneFlags::CLONE_NEWNS).map_err(Refused::to("look at the host's files"))
    }
}

/// A descriptor of this process's namespace of a kind.
pub(super) fn name(kind: &str) -> Result<OwnedFd, Refused> {
    let file = File::open(format!("/proc/self/ns/{kind}"))
        .map_err(Refused::to(format!("name the {kind} namespace")))?;
    Ok(file.into())
}

/// Enters a new user namespace. `uid` and `gid` are pairs: an id as it is called inside, and what it
/// is called outside, which must be this process's.
pub(super) fn enter_new(uid: (u32, u32), gid: (u32, u32)) -> Result<(), Refused> {
    unshare(CloneFlags::CLONE_NEWUSER).map_err(Refused::to("make a user namespace"))?;
    // Without this the kernel lets nobody but root map a group.
    write("setgroups", "deny")?;
    write("uid_map", &format!("{} {} 1", uid.0, uid.1))?;
    write("gid_map", &format!("{} {} 1", gid.0, gid.1))
}

fn write(file: &str, text: &str) -> Result<(), Refused> {
    fs::write(format!("/proc/self/{file}"), text)
        .map_err(Refused::to(format!("write {file} of a user namespace")))
}

/// Whether a kernel's release is of that version or a newer one.
fn at_least(release: &str, version: (u32, u32)) -> bool {
    let mut numbers = release
        .split(|letter: char| !letter.is_ascii_digit())
        .map(|number| number.parse().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)) >= version
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_are_compared_by_number() {
        for (release, expected) in [
            ("5.14.0-rc1", true),
            ("6.1.0-13-amd64\n", true),
            ("5.9.16", false),
            ("4.18.0-553.el8", false),
            ("", false),
        ] {
            assert_eq!(at_least(release, (5, 14)), expected, "{release}");
        }
    }
}
