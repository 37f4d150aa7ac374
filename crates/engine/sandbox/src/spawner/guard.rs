//! The guard: a process that does nothing until the engine or the spawner has died, and then sees
//! to it that no function outlives them.

use std::collections::HashSet;
use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::time::Duration;

use ids::{Clock, SystemClock};
use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{ForkResult, Pid, pipe2};

use super::tree;
use crate::cgroup::{Hierarchies, remove_leftovers, sweep};
use crate::protocol::Refused;
use crate::sys;

/// How long the spawner may take to sweep after the engine's death, before it counts as stuck.
const SPAWNER_PATIENCE: u16 = 2_000;
/// How long to wait for processes to die that were killed: one in uninterruptible sleep ends only
/// when the disk or the network lets it.
const SWEEP_PATIENCE: Duration = Duration::from_secs(60);
/// How long the leftovers of dead engines are worked on before the guard turns to its post.
const LEFTOVER_PATIENCE: Duration = Duration::from_secs(5);

/// The spawner's hold on its guard.
#[derive(Debug)]
pub(super) struct Guard {
    pub(super) pid: Pid,
    /// Closes when the spawner dies. Carries the leaders of sessions that run, where no control
    /// group tells: their number when one starts, minus their number when it has ended.
    lifeline: OwnedFd,
}

/// What a guard needs to know.
#[derive(Debug, Clone, Copy)]
pub(super) struct Post<'a> {
    /// Closes when the engine dies.
    pub(super) engine_lifeline: &'a OwnedFd,
    /// The engine's control groups.
    pub(super) directories: &'a [PathBuf],
    /// Where to look for what dead engines left behind; the first guard does, its successors need
    /// not.
    pub(super) leftovers: Option<&'a Hierarchies>,
    /// The sessions that run already.
    pub(super) leaders: &'a HashSet<i32>,
}

impl Guard {
    /// Forks a guard.
    pub(super) fn fork(post: &Post<'_>) -> Result<Self, Refused> {
        let (watched, lifeline) =
            pipe2(OFlag::O_CLOEXEC).map_err(Refused::to("make the guard's pipe"))?;
        let spawner = Pid::this();
        match sys::fork_single_threaded().map_err(Refused::to("fork the guard"))? {
            ForkResult::Parent { child } => {
                sys::set_nonblocking(&lifeline).map_err(Refused::to("set up the guard's pipe"))?;
                Ok(Self {
                    pid: child,
                    lifeline,
                })
            }
            ForkResult::Child => crate::forked::run(|| watch(post, &watched, spawner)),
        }
    }

    /// Tells the guard of a session that runs.
    pub(super) fn started(&self, leader: Pid) {
        self.tell(leader.as_raw());
    }

    /// Tells the guard that a session's leader has ended.
    pub(super) fn ended(&self, leader: Pid) {
        self.tell(-leader.as_raw());
    }

    fn tell(&self, number: i32) {
        // When the guard is dead its successor is given the list.
        let _dead = nix::unistd::write(&self.lifeline, &number.to_le_bytes());
    }
}

/// The guard's life.
fn watch(post: &Post<'_>, spawner_lifeline: &OwnedFd, spawner: Pid) -> Result<(), Refused> {
    sys::silence(0..=2).map_err(Refused::to("open /dev/null"))?;
    sys::close_all_but(&[post.engine_lifeline.as_fd(), spawner_lifeline.as_fd()])
        .map_err(Refused::to("close inherited files"))?;
    super::settle(c"lambdalab-guard")?;
    let clock = SystemClock::new();
    if let Some(hierarchies) = post.leftovers {
        remove_leftovers(hierarchies, &clock, LEFTOVER_PATIENCE);
    }
    let mut leaders = post.leaders.clone();
    let mut notes = File::from(
        spawner_lifeline
            .try_clone()
            .map_err(Refused::to("keep the spawner's pipe"))?,
    );
    loop {
        match wait(post.engine_lifeline, spawner_lifeline)? {
            Event::Note => {
                if !note(&mut notes, &mut leaders) {
                    break;
                }
            }
            Event::EngineDied => {
                outlive_spawner(&mut notes, spawner_lifeline, &mut leaders, spawner, &clock)?;
                break;
            }
        }
    }
    for leader in leaders {
        // What is left of it may have ended by now.
        let _ended = tree::signal_tree(Pid::from_raw(leader), Signal::SIGKILL);
    }
    sweep(post.directories, &clock, SWEEP_PATIENCE);
    Ok(())
}

/// After the engine's death the spawner sweeps by itself and exits. One that does not is killed.
fn outlive_spawner(
    notes: &mut File,
    lifeline: &OwnedFd,
    leaders: &mut HashSet<i32>,
    spawner: Pid,
    clock: &SystemClock,
) -> Result<(), Refused> {
    let deadline = clock.monotonic() + Duration::from_millis(SPAWNER_PATIENCE.into());
    while clock.monotonic() < deadline {
        let mut watched = [PollFd::new(lifeline.as_fd(), PollFlags::POLLIN)];
        let ready = poll(&mut watched, PollTimeout::from(SPAWNER_PATIENCE));
        if ready.is_ok_and(|ready| ready > 0) && !note(notes, leaders) {
            return Ok(());
        }
    }
    // While it is the parent, its number cannot mean another process.
    if nix::unistd::getppid() == spawner {
        kill(spawner, Signal::SIGKILL).map_err(Refused::to("kill the spawner"))?;
    }
    Ok(())
}

enum Event {
    /// The spawner wrote, or died.
    Note,
    EngineDied,
}

/// Waits for either pipe.
fn wait(engine: &OwnedFd, spawner: &OwnedFd) -> Result<Event, Refused> {
    loop {
        let mut watched = [
            PollFd::new(spawner.as_fd(), PollFlags::POLLIN),
            PollFd::new(engine.as_fd(), PollFlags::POLLIN),
        ];
        match poll(&mut watched, PollTimeout::NONE) {
            Ok(_) => {}
            Err(nix::errno::Errno::EINTR) => continue,
            Err(error) => return Err(Refused::to("wait for the engine's end")(error)),
        }
        let ready = |index: usize| watched.get(index).is_some_and(|fd| fd.any() == Some(true));
        if ready(0) {
            return Ok(Event::Note);
        }
        if ready(1) {
            return Ok(Event::EngineDied);
        }
    }
}

/// Takes one note of the spawner's; `false` when it has died.
fn note(notes: &mut File, leaders: &mut HashSet<i32>) -> bool {
    let mut bytes = [0; 4];
    if notes.read_exact(&mut bytes).is_err() {
        return false;
    }
    let number = i32::from_le_bytes(bytes);
    if number > 0 {
        leaders.insert(number);
    } else {
        leaders.remove(&-number);
    }
    true
}
