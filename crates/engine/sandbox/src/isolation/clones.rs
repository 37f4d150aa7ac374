//! Clones of a process that was initialised already.
//!
//! What a clone is to live in cannot be made ahead and entered by it: only root may enter namespaces
//! of root's. So the process to be cloned, the template, gets one right, and what is made with it is
//! looked at from outside before the clone is of any use:
//!
//! - The template's user is alone in a user namespace, in which it has the capability to make other
//!   namespaces (`CAP_SYS_ADMIN`) and no other one. Networks that it makes are not its own to
//!   configure: that is another capability.
//! - Its system call filter is that of all functions, but for the one call that makes exactly the
//!   namespaces of a clone ([`NAMESPACES`]). Mounting stays forbidden, as does everything else that
//!   the capability would allow.
//! - Of each kind of these there may be so many at a time as clones ([`MOST_CLONES`]), and none of any
//!   other kind.
//! - A clone lets go of the capability and can never get it back: it may not make user namespaces.
//!   The spawner takes no clone of which the kernel says otherwise ([`Claimant`]).
//! - Mounts, loopback and listeners come from outside ([`dress`]).

use std::fs;
use std::io;
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;

use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::prctl;
use nix::sys::signal::Signal;
use nix::unistd::{Pid, getgid, getuid};
use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::process::{PidfdFlags, pidfd_open, pidfd_send_signal};
use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, configure_capability_in_ambient_set,
    set_capabilities,
};

use super::user::User;
use super::{Isolation, helper, mounts, namespaces, network, rights, view};
use crate::protocol::Refused;

/// The right to make namespaces.
const RIGHT: CapabilitySet = CapabilitySet::SYS_ADMIN;

/// The namespaces that a clone makes for itself.
pub(crate) const NAMESPACES: CloneFlags = CloneFlags::CLONE_NEWNS
    .union(CloneFlags::CLONE_NEWPID)
    .union(CloneFlags::CLONE_NEWNET)
    .union(CloneFlags::CLONE_NEWIPC)
    .union(CloneFlags::CLONE_NEWUTS)
    .union(CloneFlags::CLONE_NEWCGROUP);

/// The same, as the kernel's limits call them.
const KINDS: [&str; 6] = ["mnt", "pid", "net", "ipc", "uts", "cgroup"];

/// The clones that one template may have at a time, those that are ending included. An account runs a
/// thousand invocations at once unless it is given more
/// (<https://docs.aws.amazon.com/lambda/latest/dg/lambda-concurrency.html>), and more environments of
/// one version than this are initialised one by one.
const MOST_CLONES: u32 = 4_096;

/// Makes this process the user that a template is, with the right to make a clone's namespaces.
pub(crate) fn become_template(user: User) -> Result<(), Refused> {
    // Clones are of the same user, whose processes are counted together: none gets the limit that
    // others have (`rlimits`). Each one's control group limits it.
    prctl::set_keepcaps(true).map_err(Refused::to("keep capabilities"))?;
    user.take_ids()?;
    prctl::set_pdeathsig(Signal::SIGKILL).map_err(Refused::to("tie the process to its parent"))?;
    let granted = || -> io::Result<()> {
        let permitted = capabilities(None)?.permitted;
        set(permitted, permitted, CapabilitySet::empty())?;
        let (uid, gid) = (getuid(), getgid());
        unshare(CloneFlags::CLONE_NEWUSER)?;
        // Else what is in /proc of this process is root's.
        prctl::set_dumpable(true)?;
        fs::write("/proc/self/setgroups", "deny")?;
        fs::write("/proc/self/uid_map", format!("{uid} {uid} 1"))?;
        fs::write("/proc/self/gid_map", format!("{gid} {gid} 1"))?;
        namespaces::limit(&KINDS, MOST_CLONES)?;
        rights::bound_but(RIGHT)?;
        set(RIGHT, RIGHT, RIGHT)?;
        // So that it is kept by the program.
        configure_capability_in_ambient_set(RIGHT, true)?;
        Ok(())
    };
    granted().map_err(Refused::to("grant the right to make namespaces"))
}

fn set(
    effective: CapabilitySet,
    permitted: CapabilitySet,
    inheritable: CapabilitySet,
) -> io::Result<()> {
    Ok(set_capabilities(
        None,
        CapabilitySets {
            effective,
            permitted,
            inheritable,
        },
    )?)
}

/// A process that claims to be part of a clone.
///
/// It is looked at by one descriptor of its folder in `/proc`, which means it alone: once it has ended
/// there is nothing to be found any more, also where its number means another process.
#[derive(Debug)]
pub(crate) struct Claimant {
    pid: Pid,
    folder: OwnedFd,
}

impl Claimant {
    /// Whoever has this number now. That it is the one which was meant, what follows must show.
    pub(crate) fn of(pid: Pid) -> Result<Self, Refused> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let folder = openat(CWD, format!("/proc/{pid}"), flags, Mode::empty())
            .map_err(Refused::to(format!("find process {pid} of a clone")))?;
        Ok(Self { pid, folder })
    }

    fn open(&self, name: &str) -> Result<fs::File, Refused> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        let file = openat(&self.folder, name, flags, Mode::empty());
        let doing = || format!("open {name} of process {} of a clone", self.pid);
        Ok(file.map_err(Refused::to(doing()))?.into())
    }

    fn status(&self) -> Result<String, Refused> {
        let mut text = String::new();
        let doing = || format!("read the status of process {} of a clone", self.pid);
        let read = self.open("status")?.read_to_string(&mut text);
        read.map_err(Refused::to(doing()))?;
        Ok(text)
    }

    /// Looks at it as the kernel sees it: a child of `parent` that has no capability left and cannot
    /// gain any, and in its groups as `is_held` says. It lives when that was asked, so that its number
    /// meant nobody else.
    pub(crate) fn check(&self, parent: Pid, is_held: impl FnOnce() -> bool) -> Result<(), Refused> {
        let held = is_held();
        let status = self.status()?;
        match unfit(&status, parent) {
            None if held => Ok(()),
            None => Err(self.refused("outside of the clone's groups")),
            Some(line) => Err(self.refused(line)),
        }
    }

    /// Looks whether it is the first of a process table of its own.
    pub(crate) fn check_init(&self) -> Result<(), Refused> {
        match is_init(&self.status()?) {
            true => Ok(()),
            false => Err(self.refused("no init")),
        }
    }

    /// A handle of it for as long as the clone lives.
    pub(crate) fn trusted(&self) -> Result<Trusted, Refused> {
        let doing = || Refused::to(format!("hold process {} of a clone", self.pid));
        let number = rustix::process::Pid::from_raw(self.pid.as_raw());
        let number = number.ok_or_else(|| self.refused("without a number"))?;
        let handle = pidfd_open(number, PidfdFlags::empty()).map_err(doing())?;
        // It is still there, so that its number meant it when that was opened.
        self.status()?;
        Ok(Trusted {
            pid: self.pid,
            handle,
        })
    }

    /// That it cannot be trusted, and why.
    pub(crate) fn refused(&self, reason: &str) -> Refused {
        Refused {
            doing: format!("trust process {} of a clone ({reason})", self.pid),
            source: io::ErrorKind::PermissionDenied.into(),
        }
    }
}

/// A clone's process that was looked at. It is no child of the spawner's, so that its number may mean
/// another one once it has ended, and has been reaped by its parent; its handle never does.
#[derive(Debug)]
pub(crate) struct Trusted {
    /// Its number, for as long as it lives.
    pub(crate) pid: Pid,
    handle: OwnedFd,
}

impl Trusted {
    /// Asks it to end, unless it has.
    pub(crate) fn terminate(&self) -> io::Result<()> {
        match pidfd_send_signal(&self.handle, rustix::process::Signal::TERM) {
            Err(rustix::io::Errno::SRCH) => Ok(()),
            sent => Ok(sent?),
        }
    }
}

/// Whether a status is that of the first process of the innermost of its process tables.
fn is_init(status: &str) -> bool {
    let numbers = status
        .lines()
        .find_map(|line| line.strip_prefix("NSpid:\t"));
    numbers.is_some_and(|numbers| numbers.split_whitespace().next_back() == Some("1"))
}

/// The first line of a status that is not as a clone's must be.
fn unfit(status: &str, parent: Pid) -> Option<&str> {
    const NONE: &str = "0000000000000000";
    status.lines().find(|line| {
        let (key, value) = line.split_once(":\t").unwrap_or((line, ""));
        match key {
            "PPid" => value.parse() != Ok(parent.as_raw()),
            "State" => value.starts_with(['Z', 'X']),
            "CapInh" | "CapPrm" | "CapEff" | "CapAmb" => value != NONE,
            "NoNewPrivs" => value != "1",
            "Seccomp" => value != "2",
            // Rights are a thread's own, and this tells those of one.
            "Threads" => value != "1",
            _ => false,
        }
    })
}

/// Furnishes the namespaces of a clone: a `/proc` of its own, the mounts that come along, and the
/// loopback, and what leads out, if it is to. Returns the listeners in there, and then the other end
/// of the way out.
pub(crate) fn dress(
    clone: &Claimant,
    shown: &[(OwnedFd, PathBuf)],
    leads_out: bool,
) -> Result<Vec<OwnedFd>, Refused> {
    let (pids, files, network) = (
        clone.open("ns/pid")?,
        clone.open("ns/mnt")?,
        clone.open("ns/net")?,
    );
    let mut made = helper::make(|| {
        let enter = |namespace: &fs::File, kind| {
            setns(namespace.as_fd(), kind).map_err(Refused::to("enter a clone's namespaces"))
        };
        // Which processes a /proc shows is decided by who makes it; this one's children are inside.
        enter(&pids, CloneFlags::CLONE_NEWPID)?;
        helper::make(|| {
            // Made outside: inside, the template's is in sight, of which parts are masked.
            let proc = view::proc()?;
            enter(&files, CloneFlags::CLONE_NEWNS)?;
            view::furnish_proc(&proc)?;
            shown
                .iter()
                .try_for_each(|(mount, target)| mounts::attach(mount, target))?;
            Ok(Vec::new())
        })?;
        enter(&network, CloneFlags::CLONE_NEWNET)?;
        network::furnish(leads_out)
    })?;
    // The first is the network's name.
    made.drain(..1);
    Ok(made)
}

/// Does once what a template and its clones will do, as far as that can be told without a program.
pub(super) fn rehearse(isolation: &Isolation) -> Result<(), Refused> {
    helper::make(|| {
        become_template(User::of(0))?;
        isolation.filters().apply_to_template()?;
        unshare(NAMESPACES).map_err(Refused::to("make a clone's namespaces"))?;
        Ok(Vec::new())
    })
    .map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATUS: &str = "Name:\tpython3\nState:\tS (sleeping)\nPPid:\t7\nThreads:\t1\nCapInh:\t0000000000000000\n\
         CapPrm:\t0000000000000000\nCapEff:\t0000000000000000\nCapBnd:\t0000000000200000\n\
         CapAmb:\t0000000000000000\nNoNewPrivs:\t1\nSeccomp:\t2\nSeccomp_filters:\t2\n";

    #[test]
    fn clones_that_kept_a_right_are_not_trusted() {
        let parent = Pid::from_raw(7);
        assert_eq!(unfit(STATUS, parent), None);
        for (good, bad) in [
            ("PPid:\t7", "PPid:\t1"),
            ("State:\tS (sleeping)", "State:\tZ (zombie)"),
            ("CapPrm:\t0000000000000000", "CapPrm:\t0000000000200000"),
            ("CapAmb:\t0000000000000000", "CapAmb:\t0000000000200000"),
            ("NoNewPrivs:\t1", "NoNewPrivs:\t0"),
            ("Seccomp:\t2", "Seccomp:\t0"),
            ("Threads:\t1", "Threads:\t2"),
        ] {
            assert_eq!(unfit(&STATUS.replace(good, bad), parent), Some(bad));
        }
    }

    #[test]
    fn who_is_trusted_is_signalled_as_long_as_it_lives() {
        let start = || {
            let child = std::process::Command::new("sleep").arg("60").spawn();
            let child = child.unwrap();
            let pid = Pid::from_raw(child.id().cast_signed());
            (child, Claimant::of(pid).unwrap())
        };
        let (mut child, claimant) = start();
        let trusted = claimant.trusted().unwrap();
        trusted.terminate().unwrap();
        let status = std::os::unix::process::ExitStatusExt::signal(&child.wait().unwrap());
        assert_eq!(status, Some(libc::SIGTERM));
        trusted.terminate().unwrap();
        claimant.trusted().unwrap_err();

        let (mut child, claimant) = start();
        child.kill().unwrap();
        child.wait().unwrap();
        claimant.trusted().unwrap_err();
    }

    #[test]
    fn an_init_is_the_first_of_its_own_process_table() {
        assert!(is_init("NSpid:\t712\t3\t1\n"));
        for another in ["NSpid:\t712\t3\n", "NSpid:\t1\t11\n", "Pid:\t1\n", ""] {
            assert!(!is_init(another), "{another}");
        }
    }
}
