//! A process table of an environment's own.
//!
//! The kernel gives the first process of such a table an init's duties: it is immune to signals from
//! inside, it inherits orphans, and with it all the others end. A function cannot play that part, so
//! a process of ours does. The function's process is the second; its parent is the spawner all the
//! same, which thereby learns how it ended.

use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};

use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::prctl;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::Isolation;
use crate::protocol::Refused;
use crate::sys;

/// The process table of this process.
pub(super) fn own() -> Result<OwnedFd, Refused> {
    let own = File::open("/proc/self/ns/pid").map_err(Refused::to("name the process table"))?;
    Ok(own.into())
}

/// A new process table, of which the next process that is forked will be the init.
#[derive(Debug)]
pub(crate) struct PidSpace<'a> {
    isolation: &'a Isolation,
}

impl<'a> PidSpace<'a> {
    /// Has children be forked into a new process table, until [`PidSpace::leave`].
    pub(crate) fn enter(isolation: &'a Isolation) -> Result<Self, Refused> {
        unshare(CloneFlags::CLONE_NEWPID).map_err(Refused::to("make a process table"))?;
        Ok(Self { isolation })
    }

    /// Has children be forked beside this process again.
    pub(crate) fn leave(self) -> Result<(), Refused> {
        setns(self.isolation.own_pids.as_fd(), CloneFlags::CLONE_NEWPID)
            .map_err(Refused::to("go back to the own process table"))
    }
}

/// The init's life: it ends when it is killed, and with it all processes of its table.
pub(crate) fn init() -> Result<(), Refused> {
    let refused = || Refused::to("set up an init process");
    sys::silence(0..=2).map_err(refused())?;
    sys::close_all_but(&[]).map_err(refused())?;
    let settle = || {
        prctl::set_name(c"lambdalab-init")?;
        nix::unistd::setsid()?;
        prctl::set_pdeathsig(Signal::SIGKILL)?;
        // What it holds of the spawner's is nobody's business inside.
        prctl::set_dumpable(false)?;
        nix::unistd::chdir("/")?;
        sys::reset_signals()?;
        // Orphans are reaped by the kernel where nobody wants to know of their end.
        sys::ignore_signals(&[Signal::SIGCHLD])
    };
    settle().map_err(|error: nix::errno::Errno| refused()(error.into()))?;
    loop {
        nix::unistd::pause();
    }
}

/// Ends an init process that has nothing to look after.
pub(crate) fn dismiss(init: Pid) {
    let _ended = kill(init, Signal::SIGKILL);
}
