//! The spawner's loop: requests from the engine, exits of children, and room for blanks.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::fs::DirBuilder;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::time::Duration;

use ids::{EnvironmentId, SystemClock};
use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid, waitpid};
use nix::unistd::Pid;

use super::child::{self, Order, Past};
use super::guard::{Guard, Post};
use super::resident::{Resident, Running, listen, would_block};
use super::tree;
use crate::cgroup::{EngineGroups, Hierarchies, sweep};
use crate::channel::{self, MAX_MESSAGE};
use crate::protocol::{Ask, Done, Failure, GroupSignal, Message, Refused, Request, decode};
use crate::spec::{Command, EnvironmentSpec, ExitStatus};
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
/// The first number of an environment. Each watches two things: its child's channel and its memory.
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
}

/// The spawner's life: until the engine closes its end of the channel.
pub(super) fn run(setup: Setup) -> Result<(), Refused> {
    // Standard error stays, for the message of a panic.
    sys::silence(0..=1).map_err(Refused::to("open /dev/null"))?;
    sys::close_all_but(&[setup.channel.as_fd(), setup.engine_lifeline.as_fd()])
        .map_err(Refused::to("close inherited files"))?;
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
    directories: Vec<PathBuf>,
    epoll: Epoll,
    children: SignalFd,
    guard: Guard,
    residents: BTreeMap<u64, Resident>,
    by_id: HashMap<EnvironmentId, u64>,
    by_pid: HashMap<Pid, u64>,
    blanks: VecDeque<u64>,
    wanted_blanks: usize,
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
            directories,
            epoll,
            children,
            guard,
            residents: BTreeMap::new(),
            by_id: HashMap::new(),
            by_pid: HashMap::new(),
            blanks: VecDeque::new(),
            wanted_blanks: setup.blanks,
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
            let short_of_blanks = self.refill && self.blanks.len() < self.wanted_blanks;
            let leaving = self
                .residents
                .values()
                .any(|resident| resident.leaving.is_some());
            let timeout = if short_of_blanks {
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
            if ready == 0 && short_of_blanks {
                self.refill = self.add_blank();
            }
            for event in events.iter().take(ready) {
                match event.data() {
                    CHANNEL => self.take_requests(&mut buffer)?,
                    CHILDREN => self.reap()?,
                    token if token % 2 == 0 => self.child_spoke(token / 2),
                    token => self.memory_ran_out(token / 2),
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
                Ask::Start { id, command } => {
                    match self.start(number, id, command, &received.descriptors) {
                        // The answer follows when the program has been executed, or could not be.
                        Ok(()) => continue,
                        Err(failure) => Err(failure),
                    }
                }
                Ask::Signal { id, signal } => self.signal(id, signal),
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

    fn create(&mut self, spec: &EnvironmentSpec) -> Result<(Done, Vec<OwnedFd>), Failure> {
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
        let listener = listen()?;
        self.refill = true;
        let number = match self.blanks.pop_front() {
            Some(number) => number,
            None => self.prepare()?,
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
        let groups = resident.groups.clone();
        Ok((Done::Created { groups }, vec![listener]))
    }

    /// Starts a command in the blank that waits, or else in a new child.
    fn start(
        &mut self,
        start: u64,
        id: EnvironmentId,
        command: Command,
        outputs: &[OwnedFd],
    ) -> Result<(), Failure> {
        let number = self.number_of(id)?;
        let missing = || Failure::NoSuchEnvironment { id };
        let resident = self.residents.get_mut(&number).ok_or_else(missing)?;
        if resident.running.is_some() {
            return Err(Failure::Busy { id });
        }
        let order = Order {
            command,
            data_limit: resident.data_limit,
        };
        let order = serde_json::to_vec(&order).map_err(Refused::to("write a command"))?;
        let waiting = resident.blank.take();
        let child = match waiting {
            Some(child) => child,
            None => child::fork(&resident.groups, Past::Killed)?,
        };
        let pid = child.pid;
        self.by_pid.insert(pid, number);
        let event = EpollEvent::new(EpollFlags::EPOLLIN, number * 2);
        if let Err(error) = self.epoll.add(&child.channel, event) {
            resident.blank = Some(child);
            return Err(Refused::to("watch a child")(error).into());
        }
        resident.out_of_memory = false;
        let oom_kills_before = resident.groups.oom_kills().ok().flatten().unwrap_or(0);
        // A child that has died tells so by its channel and its exit, like any other.
        let _died = channel::send(child.channel.as_fd(), &order, outputs);
        resident.running = Some(Running {
            start,
            pid,
            executing: Some(child.channel),
            oom_kills_before,
        });
        if !self.groups.kills() {
            self.guard.started(pid);
        }
        Ok(())
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

    fn destroy(&mut self, request: u64, id: EnvironmentId) -> Result<(), Failure> {
        let number = self.number_of(id)?;
        self.dismiss(number, vec![request]);
        Ok(())
    }

    fn number_of(&self, id: EnvironmentId) -> Result<u64, Failure> {
        let number = self.by_id.get(&id).copied();
        number.ok_or(Failure::NoSuchEnvironment { id })
    }

    /// Makes control groups with a blank in them.
    fn prepare(&mut self) -> Result<u64, Refused> {
        let number = self.next_number;
        self.next_number += 1;
        let resident = Resident::prepare(&self.groups, number)?;
        if let Some(memory) = &resident.memory_watch {
            self.watch(memory, number * 2 + 1)?;
        }
        for pid in resident.pids() {
            self.by_pid.insert(pid, number);
            if !self.groups.kills() {
                self.guard.started(pid);
            }
        }
        self.residents.insert(number, resident);
        Ok(number)
    }

    fn add_blank(&mut self) -> bool {
        match self.prepare() {
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

    /// Takes note of every child that has ended.
    fn reap(&mut self) -> Result<(), Refused> {
        while let Ok(Some(_)) = self.children.read_signal() {}
        loop {
            // First only looked at: until it is reaped its number means nobody else, so what it
            // leaves behind can be found by it.
            let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
            let (pid, code, signal) = match waitid(Id::All, flags) {
                Ok(WaitStatus::Exited(pid, code)) => (pid, Some(code), None),
                Ok(WaitStatus::Signaled(pid, signal, _)) => (pid, None, Some(signal as i32)),
                Ok(_) | Err(Errno::ECHILD) => return Ok(()),
                Err(Errno::EINTR) => continue,
                Err(error) => return Err(Refused::to("wait for children")(error)),
            };
            if pid == self.guard.pid {
                waitpid(pid, None).map_err(Refused::to("reap the guard"))?;
                self.replace_guard()?;
                continue;
            }
            if let Some(number) = self.by_pid.remove(&pid) {
                self.ended(number, pid, code, signal)?;
            }
            waitpid(pid, None).map_err(Refused::to("reap a child"))?;
            if !self.groups.kills() {
                self.guard.ended(pid);
            }
        }
    }

    fn replace_guard(&mut self) -> Result<(), Refused> {
        let leaders = if self.groups.kills() {
            HashSet::new()
        } else {
            self.by_pid.keys().map(|pid| pid.as_raw()).collect()
        };
        self.guard = Guard::fork(&Post {
            engine_lifeline: &self.engine_lifeline,
            directories: &self.directories,
            leftovers: None,
            leaders: &leaders,
        })?;
        Ok(())
    }

    /// A child has ended that was an environment's blank or its process.
    fn ended(
        &mut self,
        number: u64,
        pid: Pid,
        code: Option<i32>,
        signal: Option<i32>,
    ) -> Result<(), Refused> {
        // What it said before it ended comes first.
        self.child_spoke(number);
        let Some(resident) = self.residents.get_mut(&number) else {
            return Ok(());
        };
        if resident
            .running
            .as_ref()
            .is_some_and(|running| running.pid == pid)
        {
            // Nothing of it may meet the next process in this environment.
            resident.signal(GroupSignal::Kill)?;
            let Some(running) = resident.running.take() else {
                return Ok(());
            };
            let oom_killed = resident.ran_out_of_memory(&running);
            let status = ExitStatus {
                code,
                signal,
                oom_killed,
            };
            return self.tell(
                &Message::Exited {
                    start: running.start,
                    status,
                },
                &[],
            );
        }
        if resident
            .blank
            .as_ref()
            .is_some_and(|blank| blank.pid == pid)
        {
            resident.blank = None;
            if resident.id.is_none() {
                self.blanks.retain(|blank| *blank != number);
                self.dismiss(number, Vec::new());
            }
        }
        Ok(())
    }

    /// The channel of a child that was given a command: a failure, or the end that means success.
    fn child_spoke(&mut self, number: u64) {
        let Some(running) = self
            .residents
            .get_mut(&number)
            .and_then(|resident| resident.running.as_mut())
        else {
            return;
        };
        let Some(channel) = &running.executing else {
            return;
        };
        let start = running.start;
        let mut buffer = vec![0; 8 * 1024];
        let message = match channel::receive(channel.as_fd(), &mut buffer, false) {
            Err(error) if would_block(&error) => return,
            Ok(Some(received)) => {
                let bytes = buffer.get(..received.length).unwrap_or_default();
                let failure = decode(bytes).unwrap_or(Failure::System {
                    doing: "understand the child".into(),
                    errno: libc::EPROTO,
                });
                if let Some(resident) = self.residents.get_mut(&number) {
                    resident.running = None;
                }
                Message::Failed {
                    number: start,
                    failure,
                }
            }
            // Closed by executing the program, or by the child's death, which is told as its exit.
            Ok(None) | Err(_) => {
                running.executing = None;
                let pid = running.pid.as_raw();
                Message::Done {
                    number: start,
                    done: Done::Started { pid },
                }
            }
        };
        if self.tell(&message, &[]).is_err() {
            self.engine_gone = true;
        }
    }

    /// Version 1 control groups have one process killed; the others are of no use without it.
    fn memory_ran_out(&mut self, number: u64) {
        let Some(resident) = self.residents.get_mut(&number) else {
            return;
        };
        let Some(watch) = &resident.memory_watch else {
            return;
        };
        let _counter = nix::unistd::read(watch, &mut [0; 8]);
        if resident.running.is_some() {
            resident.out_of_memory = true;
            // Should this fail, the one that the kernel chose is killed all the same.
            let _one_only = resident.signal(GroupSignal::Kill);
        }
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
