//! What the spawner knows of one environment.

use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::rc::Rc;

use ids::EnvironmentId;
use nix::errno::Errno;
use nix::sys::epoll::Epoll;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::child::{self, Child, Home, Past};
use super::tree;
use super::watched::{Source, Watched};
use crate::cgroup::{EngineGroups, EnvironmentGroups};
use crate::isolation::clones::Trusted;
use crate::isolation::{Isolation, Network, Quarters, User, network};
use crate::protocol::{GroupSignal, Refused};
use crate::spec::Egress;

/// An environment, or the makings of one: prepared control groups, and a blank that waits in them.
#[derive(Debug)]
pub(super) struct Resident {
    /// Its name; none while it is only prepared.
    pub(super) id: Option<EnvironmentId>,
    pub(super) groups: EnvironmentGroups,
    user: User,
    /// Its own network, where it has one.
    network: Option<Network>,
    /// What that reaches.
    pub(super) egress: Egress,
    /// The listeners in there, until the engine takes them.
    doors: Vec<OwnedFd>,
    /// The other end of its way out, where it has one, until the engine takes it.
    tunnel: Option<OwnedFd>,
    /// The init processes of its process tables: of the present one, and of those that are ending.
    pub(super) inits: Vec<Pid>,
    /// A child that has no command yet.
    pub(super) blank: Option<Child>,
    /// The processes that were started.
    pub(super) processes: Vec<Running>,
    /// What processes beside one another share, as long as one of them runs.
    pub(super) quarters: Option<Quarters>,
    /// Asks the process for clones, where it can be cloned.
    pub(super) clones: Option<OwnedFd>,
    /// Whether its process is a clone, so that no other one can take its place.
    pub(super) is_clone: bool,
    /// Of a clone: the function's process, which is no child of the spawner's.
    pub(super) function: Option<Trusted>,
    /// A clone that is on its way.
    pub(super) coming: Option<Coming>,
    /// Becomes readable when memory runs out, where the kernel does not kill the whole group.
    pub(super) memory_watch: Option<Watched>,
    /// Whether memory ran out since the process was started.
    pub(super) out_of_memory: bool,
    /// A limit for each process, in bytes, where none holds for all of them.
    pub(super) data_limit: Option<u64>,
    /// A limit on its processes and threads, where no control group counts them.
    pub(super) process_limit: Option<u32>,
    /// Its folder, and the size of what it may have at `/tmp` in MiB.
    pub(super) scratch: (PathBuf, u32),
    /// The requests that wait for its end, once it was asked to end.
    pub(super) leaving: Option<Vec<u64>>,
}

/// A process that was started.
#[derive(Debug)]
pub(super) struct Running {
    /// The number of the request that started it.
    pub(super) start: u64,
    pub(super) pid: Pid,
    /// Whether nothing may be started beside it.
    pub(super) alone: bool,
    /// Until it has executed its program, or could not.
    pub(super) executing: Option<Executing>,
    /// How many processes of the environment had been killed for memory before.
    pub(super) oom_kills_before: u64,
}

/// A child that is about to execute its program.
#[derive(Debug)]
pub(super) struct Executing {
    /// Closes when it has.
    pub(super) channel: Watched,
    /// Whether it has said that it is about to.
    pub(super) has_spoken: bool,
    /// Whether it hands out its namespaces with that.
    pub(super) hands_out: bool,
    /// The command and its outputs, for another child should this one turn out to have been dead.
    pub(super) again: Option<(Vec<u8>, Vec<OwnedFd>)>,
}

/// A clone that is on its way: its processes report, one after the other.
#[derive(Debug)]
pub(super) struct Coming {
    /// The number of the request for it.
    pub(super) request: u64,
    pub(super) channel: Watched,
    /// What it is to see beside what its template sees.
    pub(super) shown: Vec<(OwnedFd, PathBuf)>,
    /// Tells the spawner how the function's process ended: its parent, and the spawner's child.
    pub(super) keeper: Option<Pid>,
    /// The first process of its process table, a child of the spawner's too.
    pub(super) init: Option<Pid>,
}

impl Resident {
    /// Makes the control groups and a blank in them, which reaches what `egress` says.
    pub(super) fn prepare(
        engine: &EngineGroups,
        isolation: Option<&Isolation>,
        epoll: &Rc<Epoll>,
        (number, egress): (u64, Egress),
    ) -> Result<Self, Refused> {
        let mut resident = Self::new(engine, number, egress);
        let furnished = resident.furnish(isolation, epoll, number);
        resident.or_nothing(furnished)
    }

    /// Makes the control groups for a clone that is to reach what `egress` says.
    pub(super) fn for_clone(
        engine: &EngineGroups,
        epoll: &Rc<Epoll>,
        (number, egress): (u64, Egress),
    ) -> Result<Self, Refused> {
        let mut resident = Self::new(engine, number, egress);
        resident.is_clone = true;
        let grouped = resident.make_groups(epoll, number);
        resident.or_nothing(grouped)
    }

    fn new(engine: &EngineGroups, number: u64, egress: Egress) -> Self {
        Self {
            id: None,
            groups: engine.environment(number),
            user: User::of(number),
            network: None,
            egress,
            doors: Vec::new(),
            tunnel: None,
            inits: Vec::new(),
            blank: None,
            processes: Vec::new(),
            quarters: None,
            clones: None,
            is_clone: false,
            function: None,
            coming: None,
            memory_watch: None,
            out_of_memory: false,
            data_limit: None,
            process_limit: None,
            scratch: (PathBuf::new(), 0),
            leaving: None,
        }
    }

    /// What was made so far must not stay when something is missing.
    fn or_nothing(self, made: Result<(), Refused>) -> Result<Self, Refused> {
        if made.is_err() {
            // What was not made is not there to remove.
            let _partly = self.groups.remove();
        }
        made.map(|()| self)
    }

    fn make_groups(&mut self, epoll: &Rc<Epoll>, number: u64) -> Result<(), Refused> {
        self.groups
            .create()
            .map_err(Refused::to("make control groups"))?;
        let watch = self.groups.watch_memory();
        let watch = watch.map_err(Refused::to("watch the memory control group"))?;
        self.memory_watch = watch
            .map(|memory| Watched::new(epoll, memory, Source::Memory(number)))
            .transpose()?;
        Ok(())
    }

    fn furnish(
        &mut self,
        isolation: Option<&Isolation>,
        epoll: &Rc<Epoll>,
        number: u64,
    ) -> Result<(), Refused> {
        self.make_groups(epoll, number)?;
        if let Some(isolation) = isolation.filter(|_| self.egress.is_own_network()) {
            let leads_out = self.egress == Egress::Nat;
            let (network, doors) = isolation.make_network(leads_out)?;
            self.network = Some(network);
            self.doors = doors.listeners;
            self.tunnel = doors.tunnel;
        }
        self.blank = Some(self.fork(isolation, Past::Fresh)?);
        Ok(())
    }

    /// Forks a child that is to live in it.
    pub(super) fn fork(
        &mut self,
        isolation: Option<&Isolation>,
        past: Past,
    ) -> Result<Child, Refused> {
        let child = child::fork(self.home(isolation), past)?;
        self.inits.extend(child.init);
        Ok(child)
    }

    /// Lets go of the child that waits, with its init. Both are known until they have been reaped.
    pub(super) fn discard_blank(&mut self) {
        let Some(blank) = self.blank.take() else {
            return;
        };
        let init = blank.init.filter(|init| self.inits.contains(init));
        for pid in std::iter::once(blank.pid).chain(init) {
            let _ended = kill(pid, Signal::SIGKILL);
        }
    }

    /// Forgets what is known of the memory of who ran before: a word of it that comes now would be taken
    /// for one of who runs next.
    pub(super) fn begin_memory(&mut self) {
        self.out_of_memory = false;
        if let Some(watch) = &self.memory_watch {
            let _nothing = nix::unistd::read(watch, &mut [0; 8]);
        }
    }

    /// Forks a child that is to live in it beside those that do.
    pub(super) fn fork_beside(&self, isolation: Option<&Isolation>) -> Result<Child, Refused> {
        child::fork_beside(self.home(isolation), self.quarters.as_ref())
    }

    fn home<'a>(&'a self, isolation: Option<&'a Isolation>) -> Home<'a> {
        Home {
            groups: &self.groups,
            isolation: isolation.map(|isolation| (isolation, self.user)),
            network: self.network.as_ref(),
            egress: self.egress,
            quarters: None,
        }
    }

    /// Begins to connect to a port of its loopback.
    pub(super) fn connect(
        &self,
        isolation: Option<&Isolation>,
        port: u16,
    ) -> Result<OwnedFd, Refused> {
        match (isolation, &self.network) {
            (Some(isolation), Some(network)) => isolation.connect(network, port),
            _ if self.egress.is_own_network() => Err(Refused {
                doing: "connect to a network that a clone has made".to_owned(),
                source: std::io::ErrorKind::Unsupported.into(),
            }),
            _ => network::connect(port),
        }
    }

    /// Whether it can be made to reach exactly that: a way out that nobody serves is none.
    pub(super) fn fits(&self, egress: Egress) -> bool {
        self.egress == egress || (self.egress, egress) == (Egress::Nat, Egress::None)
    }

    /// What the engine serves inside; of the way out only what `egress` needs. Where it shares the
    /// host's network, a listener of its own there.
    pub(super) fn take_doors(&mut self, egress: Egress) -> Result<Vec<OwnedFd>, Refused> {
        self.egress = egress;
        let mut doors = std::mem::take(&mut self.doors);
        let tunnel = self.tunnel.take();
        doors.extend(tunnel.filter(|_| egress == Egress::Nat));
        if doors.is_empty() {
            doors.push(listen()?);
        }
        Ok(doors)
    }

    /// Whether nothing but init processes that are ending is left of its last process.
    pub(super) fn is_bereft(&self) -> bool {
        let empty = self.blank.is_none() && self.processes.is_empty();
        empty && self.leaving.is_none() && !self.is_clone
    }

    /// The process ids that are children of the spawner's in it.
    pub(super) fn pids(&self) -> impl Iterator<Item = Pid> {
        let blank = self.blank.as_ref().map(|blank| blank.pid);
        blank
            .into_iter()
            .chain(self.processes.iter().map(|running| running.pid))
            .chain(self.inits.iter().copied())
            .chain(self.coming.iter().flat_map(|it| it.keeper))
    }

    /// The process that was started by request `start`, while it runs.
    pub(super) fn running(&self, start: u64) -> Option<&Running> {
        let mut processes = self.processes.iter();
        processes.find(|running| running.start == start)
    }

    /// Asks that process to end, if it runs.
    pub(super) fn terminate(&self, start: u64) -> Result<(), Refused> {
        let Some(running) = self.running(start) else {
            return Ok(());
        };
        let asked = match &self.function {
            Some(function) => function.terminate(),
            // It is no other's number: a child that has ended is taken off the list before it is reaped.
            None => kill(running.pid, Signal::SIGTERM).map_err(Into::into),
        };
        asked.map_err(Refused::to("end a process"))
    }

    /// Signals all of its processes. Only for processes that were not reaped yet, whose numbers
    /// therefore still mean them.
    pub(super) fn signal(&self, signal: GroupSignal) -> Result<(), Refused> {
        let signal = match signal {
            GroupSignal::Stop => Signal::SIGSTOP,
            GroupSignal::Continue => Signal::SIGCONT,
            GroupSignal::Kill => Signal::SIGKILL,
        };
        if signal == Signal::SIGKILL {
            let refused = Refused::to("kill the environment");
            if self.groups.kill().map_err(refused)? {
                // A child that was forked a moment ago may not have entered its groups yet.
                self.pids().for_each(|pid| {
                    let _ended = kill(pid, signal);
                });
                return Ok(());
            }
        }
        self.pids()
            .try_for_each(|pid| tree::signal_tree(pid, signal))
            .map_err(Refused::to("signal the environment"))
    }

    /// Whether memory ran out since the process was started.
    pub(super) fn ran_out_of_memory(&self, running: &Running) -> bool {
        // Counters that cannot be read tell nothing.
        let kills = self.groups.oom_kills().ok().flatten().unwrap_or(0);
        self.out_of_memory || kills > running.oom_kills_before
    }

    /// Removes what it was made of, once nothing runs in it any more. `false` until then.
    pub(super) fn vanish(&self) -> bool {
        self.pids().next().is_none() && self.groups.remove().unwrap_or(false)
    }
}

/// The listener of an environment's Runtime API on the host's loopback, for environments that share
/// its network.
fn listen() -> Result<OwnedFd, Refused> {
    network::listen(0).map_err(Refused::to("listen for the Runtime API"))
}

/// Whether an error only says that there is nothing to do at the moment.
pub(super) fn would_block(error: &std::io::Error) -> bool {
    matches!(
        error.raw_os_error().map(Errno::from_raw),
        Some(Errno::EAGAIN | Errno::EINTR)
    )
}
