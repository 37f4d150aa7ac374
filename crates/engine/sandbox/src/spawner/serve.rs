//! The spawner's loop: requests from the engine, exits of children, and room for blanks.

mod clones;
mod exits;
mod starts;

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::fs::DirBuilder;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use ids::{EnvironmentId, SystemClock};
use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use super::guard::{Guard, Post};
use super::resident::{Resident, would_block};
use super::tree;
use super::watched::Source;
use crate::cgroup::{EngineGroups, Hierarchies, sweep};
use crate::channel::{self, MAX_MESSAGE};
use crate::isolation::Isolation;
use crate::protocol::{Ask, Done, Failure, GroupSignal, Message, Refused, Request, decode};
use crate::spec::{Egress, EnvironmentSpec};
use crate::sys;

/// How long nobody may want anything before blanks are made: a start that follows its environment's
/// creation must not wait behind them.
const IDLE: u16 = 2;
/// How often to look at environments that are ending, beside each exit of a child.
const LOOK_AGAIN: u16 = 10;
/// How long the processes of a dead engine may take to end before the guard is left to wait.
const SWEEP_PATIENCE: Duration = Duration::from_secs(1);

const CHANNEL: u64 = 0;
const CHILDREN: u64 = 1;
/// The first number of an environment: none of its tokens is one of these.
const FIRST_NUMBER: u64 = 1;

/// What the spawner is given at its fork.
#[derive(Debug)]
pub(super) struct Setup {
    pub(super) engine: Pid,
    pub(super) channel: OwnedFd,
    pub(super) engine_lifeline: OwnedFd,
    pub(super) groups: EngineGroups,
    pub(super) hierarchies: Hierarchies,
    pub(super) blanks: usize,
    pub(super) isolation: Option<Isolation>,
}

/// The spawner's life: until the engine closes its end of the channel.
pub(super) fn run(setup: Setup) -> Result<(), Refused> {
    // Standard error stays, for the message of a panic.
    sys::silence(0..=1).map_err(Refused::to("open /dev/null"))?;
    let mut kept = vec![setup.channel.as_fd(), setup.engine_lifeline.as_fd()];
    kept.extend(setup.isolation.iter().flat_map(Isolation::descriptors));
    sys::close_all_but(&kept).map_err(Refused::to("close inherited files"))?;
    nix::unistd::setsid().map_err(Refused::to("start a session"))?;
    super::settle(c"lambdalab-spawn")?;
    nix::sys::prctl::set_child_subreaper(true).map_err(Refused::to("become a reaper"))?;
    if let Ok((_, most)) = getrlimit(Resource::RLIMIT_NOFILE) {
        // Each environment takes a descriptor; with fewer, fewer environments fit.
        let _fewer = setrlimit(Resource::RLIMIT_NOFILE, most, most);
    }
    let mut spawner = Spawner::new(setup)?;
    let result = spawner.serve();
    spawner.end();
    result
}

struct Spawner {
    channel: OwnedFd,
    engine_lifeline: OwnedFd,
    groups: EngineGroups,
    isolation: Option<Isolation>,
    directories: Vec<PathBuf>,
    epoll: Rc<Epoll>,
    children: SignalFd,
    guard: Guard,
    residents: BTreeMap<u64, Resident>,
    by_id: HashMap<EnvironmentId, u64>,
    by_pid: HashMap<Pid, u64>,
    blanks: VecDeque<u64>,
    wanted_blanks: usize,
    /// The environments whose process has ended, and which are likely to be used again.
    bereft: VecDeque<u64>,
    /// Cleared when a blank could not be made, until the next environment is asked for.
    refill: bool,
    next_number: u64,
    engine_gone: bool,
}

impl Spawner {
    fn new(setup: Setup) -> Result<Self, Refused> {
        let mut mask = SigSet::empty();
        mask.add(Signal::SIGCHLD);
        mask.thread_block().map_err(Refused::to("block signals"))?;
        let flags = SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK;
        let children = SignalFd::with_flags(&mask, flags)
            .map_err(Refused::to("watch for exits of children"))?;
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)
            .map_err(Refused::to("make an epoll instance"))?;
        let directories = setup.groups.directories();
        let guard = Guard::fork(&Post {
            engine_lifeline: &setup.engine_lifeline,
            directories: &directories,
            leftovers: Some(&setup.hierarchies),
            leaders: &HashSet::new(),
        })?;
        let spawner = Self {
            channel: setup.channel,
            engine_lifeline: setup.engine_lifeline,
            groups: setup.groups,
            isolation: setup.isolation,
            directories,
            epoll: Rc::new(epoll),
            children,
            guard,
            residents: BTreeMap::new(),
            by_id: HashMap::new(),
            by_pid: HashMap::new(),
            blanks: VecDeque::new(),
            wanted_blanks: setup.blanks,
            bereft: VecDeque::new(),
            refill: true,
            next_number: FIRST_NUMBER,
            engine_gone: nix::unistd::getppid() != setup.engine,
        };
        spawner.watch(&spawner.channel, CHANNEL)?;
        spawner.watch(&spawner.children, CHILDREN)?;
        Ok(spawner)
    }

    fn watch(&self, fd: impl AsFd, token: u64) -> Result<(), Refused> {
        self.epoll
            .add(fd, EpollEvent::new(EpollFlags::EPOLLIN, token))
            .map_err(Refused::to("watch a descriptor"))
    }

    fn serve(&mut self) -> Result<(), Refused> {
        let mut buffer = vec![0; MAX_MESSAGE];
        let mut events = [EpollEvent::empty(); 64];
        while !self.engine_gone {
            let wants_blank =
                self.refill && (!self.bereft.is_empty() || self.blanks.len() < self.wanted_blanks);
            let leaving = self
                .residents
                .values()
                .any(|resident| resident.leaving.is_some());
            let timeout = if wants_blank {
                EpollTimeout::from(IDLE)
            } else if leaving {
                EpollTimeout::from(LOOK_AGAIN)
            } else {
                EpollTimeout::NONE
            };
            let ready = match self.epoll.wait(&mut events, timeout) {
                Ok(ready) => ready,
                Err(Errno::EINTR) => continue,
                Err(error) => return Err(Refused::to("wait for events")(error)),
            };
            if ready == 0 && wants_blank {
                self.refill = self.furnish_bereft() || self.add_blank();
            }
            for event in events.iter().take(ready) {
                match event.data() {
                    CHANNEL => self.take_requests(&mut buffer)?,
                    CHILDREN => self.reap()?,
                    token => match Source::of(token) {
                        Source::Child(number) => self.child_spoke(number)?,
                        Source::Memory(number) => self.memory_ran_out(number),
                    },
                }
            }
            if leaving || ready > 0 {
                self.let_go()?;
            }
        }
        Ok(())
    }

    /// Carries out what the engine asks for, until it asks for nothing more at the moment.
    fn take_requests(&mut self, buffer: &mut [u8]) -> Result<(), Refused> {
        loop {
            let received = match channel::receive(self.channel.as_fd(), buffer, false) {
                Ok(Some(received)) => received,
                Ok(None) => {
                    self.engine_gone = true;
                    return Ok(());
                }
                Err(error) if would_block(&error) => return Ok(()),
                Err(error) => return Err(Refused::to("receive a request")(error)),
            };
            let bytes = buffer.get(..received.length).unwrap_or_default();
            let Request { number, what } = decode(bytes).map_err(Refused::to("read a request"))?;
            let done = match what {
                Ask::Create(spec) => self.create(&spec),
                Ask::Start {
                    id,
                    command,
                    mounts,
                    beside,
                    afresh,
                } => {
                    if afresh {
                        self.discard_prepared(id);
                    }
                    let what = (command, mounts, beside);
                    match self.start(number, id, what, received.descriptors) {
                        // The answer follows when the program has been executed, or could not be.
                        Ok(()) => continue,
                        Err(failure) => Err(failure),
                    }
                }
                Ask::Clone {
                    template,
                    spec,
                    mounts,
                } => {
                    let shown = received.descriptors.into_iter().zip(mounts).collect();
                    match self.clone_of(number, template, &spec, shown) {
                        // The answer follows when its processes have reported.
                        Ok(()) => continue,
                        Err(failure) => Err(failure),
                    }
                }
                Ask::Signal { id, signal } => self.signal(id, signal),
                Ask::EndForMemory { id, start } => self.end_for_memory(id, start),
                Ask::Terminate { id, start } => self.terminate(id, start),
                Ask::Connect { id, port } => self.connect(id, port),
                Ask::Destroy { id } => {
                    match self.destroy(number, id) {
                        // The answer follows when it has ended.
                        Ok(()) => continue,
                        Err(failure) => Err(failure),
                    }
                }
            };
            match done {
                Ok((done, descriptors)) => {
                    self.tell(&Message::Done { number, done }, &descriptors)?;
                }
                Err(failure) => self.tell(&Message::Failed { number, failure }, &[])?,
            }
        }
    }

    fn tell(&mut self, message: &Message, descriptors: &[OwnedFd]) -> Result<(), Refused> {
        let bytes = serde_json::to_vec(message).map_err(Refused::to("write a message"))?;
        match channel::send(self.channel.as_fd(), &bytes, descriptors) {
            Err(error) if error.raw_os_error() == Some(libc::EPIPE) => {
                self.engine_gone = true;
                Ok(())
            }
            result => result.map_err(Refused::to("send a message")),
        }
    }

    /// Makes sure that an environment can be made as asked for.
    fn check(&self, spec: &EnvironmentSpec) -> Result<(), Failure> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&spec.work_dir)
            .map_err(Refused::to(format!("make {}", spec.work_dir.display())))?;
        if self.by_id.contains_key(&spec.id) {
            return Err(Failure::System {
                doing: format!("create environment {} twice", spec.id),
                errno: libc::EEXIST,
            });
        }
        Ok(())
    }

    fn create(&mut self, spec: &EnvironmentSpec) -> Result<(Done, Vec<OwnedFd>), Failure> {
        self.check(spec)?;
        self.refill = true;
        let isolation = self.isolation.as_ref();
        let egress = isolation.map_or(Egress::Host, |isolation| isolation.granted(spec.egress));
        let number = match self.take_blank(egress) {
            Some(number) => number,
            None => self.prepare(egress)?,
        };
        let Some(resident) = self.residents.get_mut(&number) else {
            return Err(Failure::NoSuchEnvironment { id: spec.id });
        };
        resident.id = Some(spec.id);
        self.by_id.insert(spec.id, number);
        if let Err(error) = resident.groups.limit(&spec.limits) {
            self.dismiss(number, Vec::new());
            return Err(Refused::to("set the environment's limits")(error).into());
        }
        if resident.groups.memory.is_none() {
            resident.data_limit = Some(spec.limits.memory_bytes());
        }
        if resident.groups.pids.is_none() {
            resident.process_limit = Some(spec.limits.pids);
        }
        resident.scratch = (spec.work_dir.clone(), spec.scratch_mb);
        let groups = resident.groups.clone();
        match resident.take_doors(egress) {
            Ok(doors) => Ok((Done::Created { groups, egress }, doors)),
            Err(refused) => {
                self.dismiss(number, Vec::new());
                Err(refused.into())
            }
        }
    }

    fn signal(
        &mut self,
        id: EnvironmentId,
        signal: GroupSignal,
    ) -> Result<(Done, Vec<OwnedFd>), Failure> {
        let number = self.number_of(id)?;
        if let Some(resident) = self.residents.get(&number) {
            resident.signal(signal)?;
        }
        Ok((Done::Signalled, Vec::new()))
    }

    /// What a control group does at its limit, where there is none.
    fn end_for_memory(
        &mut self,
        id: EnvironmentId,
        start: u64,
    ) -> Result<(Done, Vec<OwnedFd>), Failure> {
        let number = self.number_of(id)?;
        let resident = self.residents.get_mut(&number);
        if let Some(resident) = resident.filter(|it| it.running(start).is_some()) {
            resident.out_of_memory = true;
            resident.signal(GroupSignal::Kill)?;
        }
        Ok((Done::Signalled, Vec::new()))
    }

    fn terminate(
        &mut self,
        id: EnvironmentId,
        start: u64,
    ) -> Result<(Done, Vec<OwnedFd>), Failure> {
        let number = self.number_of(id)?;
        if let Some(resident) = self.residents.get(&number) {
            resident.terminate(start)?;
        }
        Ok((Done::Signalled, Vec::new()))
    }

    fn connect(&mut self, id: EnvironmentId, port: u16) -> Result<(Done, Vec<OwnedFd>), Failure> {
        let number = self.number_of(id)?;
        let resident = self.residents.get(&number);
        let resident = resident.ok_or(Failure::NoSuchEnvironment { id })?;
        let socket = resident.connect(self.isolation.as_ref(), port)?;
        Ok((Done::Connected, vec![socket]))
    }

    fn destroy(&mut self, request: u64, id: EnvironmentId) -> Result<(), Failure> {
        let number = self.number_of(id)?;
        self.clone_failed(number, clones::ended())?;
        self.dismiss(number, vec![request]);
        Ok(())
    }

    fn number_of(&self, id: EnvironmentId) -> Result<u64, Failure> {
        let number = self.by_id.get(&id).copied();
        number.ok_or(Failure::NoSuchEnvironment { id })
    }

    /// The blank that has waited longest of those that can reach exactly that.
    fn take_blank(&mut self, egress: Egress) -> Option<u64> {
        let fits = |number: &u64| {
            let resident = self.residents.get(number);
            resident.is_some_and(|resident| resident.fits(egress))
        };
        let place = self.blanks.iter().position(fits)?;
        self.blanks.remove(place)
    }

    /// Makes control groups with a blank in them, which reaches what `egress` says.
    fn prepare(&mut self, egress: Egress) -> Result<u64, Refused> {
        let number = self.next_number;
        self.next_number += 1;
        let isolation = self.isolation.as_ref();
        let resident = Resident::prepare(&self.groups, isolation, &self.epoll, (number, egress))?;
        if let Some(blank) = &resident.blank {
            self.adopt(number, blank);
        }
        self.residents.insert(number, resident);
        Ok(number)
    }

    fn add_blank(&mut self) -> bool {
        let isolation = self.isolation.as_ref();
        match self.prepare(isolation.map_or(Egress::Host, Isolation::egress)) {
            Ok(number) => {
                self.blanks.push_back(number);
                true
            }
            Err(_) => false,
        }
    }

    /// Kills what runs in an environment and lets it go when that has ended.
    fn dismiss(&mut self, number: u64, waiting: Vec<u64>) {
        let Some(resident) = self.residents.get_mut(&number) else {
            return;
        };
        if let Some(id) = resident.id.take() {
            self.by_id.remove(&id);
        }
        resident.clones = None;
        // What cannot be killed now is killed with the engine's whole group in the end.
        let _later = resident.signal(GroupSignal::Kill);
        resident.leaving.get_or_insert_default().extend(waiting);
    }

    /// Removes the environments that have ended.
    fn let_go(&mut self) -> Result<(), Refused> {
        let ended: Vec<u64> = self
            .residents
            .iter()
            .filter(|(_, resident)| resident.leaving.is_some() && resident.vanish())
            .map(|(number, _)| *number)
            .collect();
        for number in ended {
            let resident = self.residents.remove(&number);
            for number in resident
                .and_then(|resident| resident.leaving)
                .unwrap_or_default()
            {
                self.tell(
                    &Message::Done {
                        number,
                        done: Done::Destroyed,
                    },
                    &[],
                )?;
            }
        }
        Ok(())
    }

    /// Ends everything, because the engine has ended.
    fn end(&mut self) {
        let clock = SystemClock::new();
        if !self.groups.kills() {
            while tree::kill_descendants(Some(self.guard.pid)).unwrap_or(false) {
                let _again = self
                    .epoll
                    .wait(&mut [EpollEvent::empty()], EpollTimeout::from(LOOK_AGAIN));
                while self
                    .children
                    .read_signal()
                    .is_ok_and(|signal| signal.is_some())
                {}
                reap_all();
            }
        }
        // What takes longer is the guard's.
        sweep(&self.directories, &clock, SWEEP_PATIENCE);
        reap_all();
    }
}

/// Reaps every child that has ended, whoever it was.
fn reap_all() {
    while matches!(
        waitpid(None, Some(WaitPidFlag::WNOHANG)),
        Ok(WaitStatus::Exited(..) | WaitStatus::Signaled(..))
    ) {}
}
