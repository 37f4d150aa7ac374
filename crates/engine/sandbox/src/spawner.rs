//! The spawner: a small process with one thread that makes environments, and ends them when the
//! engine ends.
//!
//! ```text
//! engine ── spawner ─┬─ guard      sweeps when the engine or the spawner dies
//!                    ├─ blank      a child in prepared control groups that waits for a command
//!                    └─ function   a blank that has executed its command
//! ```
//!
//! The engine cannot fork safely itself once it runs threads, and it is large. The spawner is forked
//! from it before that, stays small, and is the parent of every function: it learns of each exit,
//! and as a "child subreaper" it inherits what functions leave behind.

mod child;
mod guard;
mod resident;
mod serve;
mod tree;
mod watched;

use std::os::fd::OwnedFd;

use nix::errno::Errno;
use nix::sys::signal::Signal;
use nix::unistd::{ForkResult, Pid};

use crate::capabilities::{Capabilities, Means, Measure};
use crate::cgroup::{EngineGroups, EngineName, GroupMeasures, Hierarchies};
use crate::isolation::{self, Isolation, NotIsolated, ScratchKit};
use crate::protocol::Refused;
use crate::spec::Egress;
use crate::{SandboxError, channel, forked, sys};

/// How the spawner works.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpawnerOptions {
    /// How many children to keep prepared, so that a start need not wait for its control groups.
    pub blanks: usize,
    /// Whether to use control groups where the host has them. Without, the means of an
    /// unprivileged user are all there is; see [`Capabilities`].
    pub control_groups: bool,
    /// Whether to keep environments apart from the host where that is possible. Without, functions
    /// are processes of the engine's user that see what it sees.
    pub isolation: bool,
    /// What functions reach by the network.
    pub egress: Egress,
}

impl Default for SpawnerOptions {
    fn default() -> Self {
        Self {
            blanks: 2,
            control_groups: true,
            isolation: true,
            egress: Egress::default(),
        }
    }
}

/// Forks the spawner process.
#[derive(Debug)]
pub struct Spawner;

/// The engine's end of a spawner that was forked but not yet connected to.
#[derive(Debug)]
pub struct SpawnerLink {
    pub(crate) channel: OwnedFd,
    /// Closes when the engine ends, however it does: the guard watches the other end.
    pub(crate) lifeline: OwnedFd,
    pub(crate) pid: Pid,
    pub(crate) capabilities: Capabilities,
    pub(crate) scratch: ScratchKit,
}

impl Spawner {
    /// Forks the spawner off the calling process: first thing in `main`, before any thread starts.
    ///
    /// # Errors
    /// [`SandboxError::Threads`] when threads run already; [`SandboxError::Os`] when the system
    /// refuses the processes or channels.
    pub fn fork(options: &SpawnerOptions) -> Result<SpawnerLink, SandboxError> {
        let threads = sys::thread_count().map_err(Refused::to("count threads"))?;
        if threads != 1 {
            return Err(SandboxError::Threads { threads });
        }
        let hierarchies = hierarchies(options)?;
        let name = EngineName::of_this_process().map_err(Refused::to("read /proc/self"))?;
        let groups = EngineGroups::create(&hierarchies, &name);
        let isolation = isolation(options);
        let scratch = ScratchKit::find();
        let capabilities = capabilities(&groups, &isolation, &scratch, options.egress);
        let (ours, theirs) = channel::pair().map_err(Refused::to("make a socket pair"))?;
        let (watched, lifeline) =
            nix::unistd::pipe2(nix::fcntl::OFlag::O_CLOEXEC).map_err(Refused::to("make a pipe"))?;
        let engine = Pid::this();
        match sys::fork_single_threaded().map_err(Refused::to("fork the spawner"))? {
            ForkResult::Parent { child } => Ok(SpawnerLink {
                channel: ours,
                lifeline,
                pid: child,
                capabilities,
                scratch,
            }),
            ForkResult::Child => {
                drop((ours, lifeline));
                forked::run(|| {
                    let setup = serve::Setup {
                        engine,
                        channel: theirs,
                        engine_lifeline: watched,
                        groups,
                        hierarchies,
                        blanks: options.blanks,
                        isolation: isolation.ok(),
                    };
                    serve::run(setup)
                })
            }
        }
    }
}

impl SpawnerLink {
    /// What this host lets the sandbox do.
    #[must_use]
    pub fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }
}

/// Says what this host lets the sandbox do, without a spawner: makes control groups and namespaces
/// and removes them again, because that alone tells whether it may. To be called before any thread
/// starts; afterwards isolation counts as missing.
///
/// # Errors
/// [`SandboxError::Os`] when `/proc` cannot be read.
pub fn probe(options: &SpawnerOptions) -> Result<Capabilities, SandboxError> {
    let hierarchies = hierarchies(options)?;
    let name = EngineName::of_this_process().map_err(Refused::to("read /proc/self"))?;
    let groups = EngineGroups::create(&hierarchies, &name);
    let capabilities = capabilities(
        &groups,
        &isolation(options),
        &ScratchKit::find(),
        options.egress,
    );
    for directory in groups.directories() {
        std::fs::remove_dir(&directory)
            .map_err(Refused::to(format!("remove {}", directory.display())))?;
    }
    Ok(capabilities)
}

fn isolation(options: &SpawnerOptions) -> Result<Isolation, NotIsolated> {
    if !options.isolation {
        Err(NotIsolated::NotWanted)
    } else if sys::thread_count().is_ok_and(|threads| threads == 1) {
        Ok(Isolation::establish(options.egress)?)
    } else {
        Err(NotIsolated::TooLate)
    }
}

fn capabilities(
    groups: &EngineGroups,
    isolation: &Result<Isolation, NotIsolated>,
    scratch: &ScratchKit,
    egress: Egress,
) -> Capabilities {
    let GroupMeasures {
        memory,
        cpu,
        mut pids,
        freeze,
        mut kill,
    } = groups.measures();
    if isolation.is_ok() && kill.means == Means::Signals {
        // The kernel ends a process table with its init.
        kill = Measure::full(Means::ProcessTable);
    }
    let in_realm = isolation.as_ref().is_ok_and(Isolation::in_realm);
    if pids.means == Means::None && isolation.as_ref().is_ok_and(Isolation::counts_processes) {
        // Each environment's processes are of a user of their own.
        pids = Measure::full(Means::Rlimit);
    }
    let scratch = match isolation {
        Ok(_) if in_realm => Measure::short(
            Means::MemoryFileSystem,
            "what functions write to /tmp counts as memory, theirs and the host's: as root the \
             engine keeps it in files",
        ),
        Ok(_) => scratch.measure(),
        Err(_) => Measure::short(
            Means::Folder,
            "/tmp is the host's, and TMPDIR names a folder without a limit: it takes isolation",
        ),
    };
    let (reach, network) = isolation::measure_network(isolation.as_ref().ok(), egress);
    Capabilities {
        memory,
        cpu,
        pids,
        freeze,
        kill,
        network,
        egress: reach,
        clones: isolation::measure_clones(isolation.as_ref().ok()),
        isolation: isolation::measure(isolation.as_ref()),
        scratch,
    }
}

fn hierarchies(options: &SpawnerOptions) -> Result<Hierarchies, SandboxError> {
    if options.control_groups {
        Ok(Hierarchies::discover().map_err(Refused::to("read /proc/self/mountinfo"))?)
    } else {
        Ok(Hierarchies::default())
    }
}

/// What the spawner and the guard do alike at their start: leave the terminal's reach, so that
/// Ctrl-C ends the engine only and it can drain; ask to be spared when memory runs out.
fn settle(name: &std::ffi::CStr) -> Result<(), Refused> {
    let refused = |error: Errno| Refused::to("set up the process")(error);
    nix::sys::prctl::set_name(name).map_err(refused)?;
    sys::ignore_signals(&[
        Signal::SIGINT,
        Signal::SIGTERM,
        Signal::SIGHUP,
        Signal::SIGQUIT,
        Signal::SIGPIPE,
        Signal::SIGUSR1,
        Signal::SIGUSR2,
    ])
    .map_err(refused)?;
    // Only root may ask to be spared; others do without.
    let _not_permitted = std::fs::write("/proc/self/oom_score_adj", "-900");
    Ok(())
}
