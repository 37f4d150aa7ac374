//! A process table of an environment's own.
//!
//! The kernel gives the first process of such a table an init's duties: it is immune to signals from
//! inside, it inherits orphans, and with it all the others end. A function cannot play that part, so
//! a process of ours does. The function's process is the second; its parent is the spawner all the
//! same, which thereby learns how it ended.

use nix::sched::{CloneFlags, unshare};
use nix::sys::prctl;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::protocol::Refused;
use crate::sys;

/// Has this process fork into a new process table, of which its next child will be the init. It
/// stays where it is, and there is no way back: for processes that do nothing else.
pub(crate) fn open() -> Result<(), Refused> {
    unshare(CloneFlags::CLONE_NEWPID).map_err(Refused::to("make a process table"))
}

/// What an init does first: it holds nothing of whoever forked it.
pub(crate) fn let_go() -> Result<(), Refused> {
    let refused = || Refused::to("close what an init has inherited");
    sys::silence(0..=2).map_err(refused())?;
    sys::close_all_but(&[]).map_err(refused())
}

/// The init's life: it ends when it is killed, and with it all processes of its table.
pub(crate) fn init() -> Result<(), Refused> {
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
    settle().map_err(|error: nix::errno::Errno| Refused::to("set up an init process")(error))?;
    loop {
        nix::unistd::pause();
    }
}

/// Ends an init process that has nothing to look after.
pub(crate) fn dismiss(init: Pid) {
    let _ended = kill(init, Signal::SIGKILL);
}
