//! Execution environments, from the engine's side.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ids::EnvironmentId;
use nix::fcntl::OFlag;
use nix::unistd::pipe2;

use crate::SandboxError;
use crate::cgroup::EnvironmentGroups;
use crate::channel::MAX_DESCRIPTORS;
use crate::client::{Reply, Sandbox};
use crate::freezer::Freezer;
use crate::isolation::mounts::{self, Allows};
use crate::isolation::{SCRATCH, Scratch};
use crate::lives::Lives;
use crate::memory_use::{MemoryPeaks, MemoryUse};
use crate::process::Process;
use crate::protocol::{Ask, Done, GroupSignal, Refused};
use crate::scales::{Root, Scales};
use crate::spec::{Command, Egress, EnvironmentSpec, Limits, Shown, Throttling};
use crate::tunnel::Tunnel;

/// The most folders that a command may show: each is a descriptor of one message, beside three
/// outputs, a channel for clones and `/tmp`.
const MAX_SHOWN: usize = MAX_DESCRIPTORS - 5;

/// What a process may still take after its init phase, however much it had by then.
const HEADROOM: u64 = 1 << 20;

/// An execution environment: limits, a private directory, and one process at a time, or several beside
/// one another, with all that they start. Dropping it destroys it.
///
/// Freezing, killing and the figures go to the kernel directly; only what makes and ends things
/// goes through the spawner.
#[derive(Debug)]
pub struct Environment {
    sandbox: Sandbox,
    id: EnvironmentId,
    work_dir: PathBuf,
    groups: EnvironmentGroups,
    freezer: Option<Freezer>,
    memory_bytes: u64,
    memory: MemoryUse,
    lives: Lives,
    /// Limits the memory where no control group does.
    scales: Option<Arc<Scales>>,
    /// What it has at `/tmp`, with isolation.
    scratch: Option<Arc<Scratch>>,
    listener: TcpListener,
    /// Whether its process is a clone, which sees already what it is to see.
    is_clone: bool,
    /// What its functions reach.
    egress: Egress,
    /// Where the engine's API is to be served inside, where it has a network of its own.
    door: Option<TcpListener>,
    /// The other end of its way to other machines, where it has one.
    tunnel: Option<OwnedFd>,
    address: SocketAddr,
    destroyed: AtomicBool,
}

impl Sandbox {
    /// Makes an environment: its control groups with their limits, and its Runtime API listener.
    ///
    /// # Errors
    /// [`SandboxError::InvalidLimits`]; [`SandboxError::Os`] when the system refuses a step;
    /// [`SandboxError::SpawnerGone`].
    pub async fn create(&self, spec: EnvironmentSpec) -> Result<Environment, SandboxError> {
        spec.limits.validate()?;
        let id = spec.id;
        let (work_dir, scratch_mb) = (spec.work_dir.clone(), spec.scratch_mb);
        let memory_bytes = spec.limits.memory_bytes();
        // Should the caller lose interest half way, the environment must not stay.
        let mut abandoned = Abandoned {
            sandbox: self,
            id: Some(id),
        };
        let reply = match self.ask(Ask::Create(spec), Vec::new()).await {
            Ok(reply) => reply,
            Err(error) => {
                abandoned.id = None;
                return Err(error);
            }
        };
        let mut environment = Environment::new(self.clone(), id, (work_dir, memory_bytes), reply)?;
        abandoned.id = None;
        if self.capabilities().engine_mounts() {
            let (kit, at) = (Arc::clone(self.scratch()), environment.work_dir.clone());
            let made = off_thread(move || kit.make(&at, scratch_mb)).await?;
            environment.scratch = Some(Arc::new(made));
        }
        Ok(environment)
    }
}

impl Sandbox {
    /// Makes an environment whose process is a clone of the one that runs in `template`, as far as that
    /// has come. It waits to be given its variables and outputs: [`Environment::start`] does that, once.
    /// Of the command's program it is taken for granted that it is the template's.
    ///
    /// The template must have been started as [`Command::cloneable`], wait to be asked for clones, and
    /// not be frozen. Its clones end with it. What it has at `/tmp` is copied.
    ///
    /// # Errors
    /// As for [`Sandbox::create`]; also when the process is no template, or does not behave like one.
    pub async fn clone_of(
        &self,
        template: &Environment,
        spec: EnvironmentSpec,
    ) -> Result<Environment, SandboxError> {
        spec.limits.validate()?;
        let (id, work_dir) = (spec.id, spec.work_dir.clone());
        let memory_bytes = spec.limits.memory_bytes();
        let (mut scratch, mut mounts, mut targets) = (None, Vec::new(), Vec::new());
        if let Some(original) = template.scratch.clone() {
            let at = work_dir.clone();
            let copied = off_thread(move || {
                let copy = original.copy(&at)?;
                Ok((mounts_of(&[], &copy)?, copy))
            });
            let (shown, copy) = copied.await?;
            (mounts, targets) = shown;
            scratch = Some(Arc::new(copy));
        }
        let mut abandoned = Abandoned {
            sandbox: self,
            id: Some(id),
        };
        let ask = Ask::Clone {
            template: template.id,
            spec,
            mounts: targets,
        };
        let reply = match self.ask(ask, mounts).await {
            Ok(reply) => reply,
            Err(error) => {
                abandoned.id = None;
                return Err(error);
            }
        };
        let mut environment = Environment::new(self.clone(), id, (work_dir, memory_bytes), reply)?;
        abandoned.id = None;
        environment.scratch = scratch;
        environment.is_clone = true;
        Ok(environment)
    }
}

/// Destroys an environment whose creation nobody waits for any more.
struct Abandoned<'a> {
    sandbox: &'a Sandbox,
    id: Option<EnvironmentId>,
}

impl Drop for Abandoned<'_> {
    fn drop(&mut self) {
        if let Some(id) = self.id {
            // A spawner that is gone has taken it along.
            let _gone = self.sandbox.tell(Ask::Destroy { id });
        }
    }
}

impl Environment {
    pub(crate) fn new(
        sandbox: Sandbox,
        id: EnvironmentId,
        (work_dir, memory_bytes): (PathBuf, u64),
        reply: Reply,
    ) -> Result<Self, SandboxError> {
        let Reply {
            done: Done::Created { groups, egress },
            descriptors,
        } = reply
        else {
            return Err(out_of_step());
        };
        let mut doors = descriptors.into_iter();
        let listener: TcpListener = doors.next().ok_or_else(out_of_step)?.into();
        let door = doors.next().map(TcpListener::from);
        let tunnel = doors.next();
        let address = listener
            .local_addr()
            .map_err(Refused::to("name the Runtime API's address"))?;
        let freezer = groups
            .unified
            .as_deref()
            .map(Freezer::open)
            .transpose()
            .map_err(Refused::to("open the environment's freezer"))?;
        let charged = groups
            .memory_peak()
            .map_err(Refused::to("open the environment's memory use"))?;
        let weighs = groups.memory.is_none();
        let scales = weighs.then(|| Arc::new(Scales::new(memory_bytes)));
        Ok(Self {
            sandbox,
            id,
            work_dir,
            groups,
            freezer,
            memory_bytes,
            memory: MemoryUse::new(charged),
            lives: Lives::default(),
            scales,
            scratch: None,
            is_clone: false,
            listener,
            egress,
            door,
            tunnel,
            address,
            destroyed: AtomicBool::new(false),
        })
    }

    /// Its name.
    #[must_use]
    pub fn id(&self) -> EnvironmentId {
        self.id
    }

    /// Its private directory.
    #[must_use]
    pub fn work_dir(&self) -> &Path {
        &self.work_dir
    }

    /// Where its Runtime API is to be served: a listener of its own, non-blocking, which only this
    /// environment is told of.
    ///
    /// # Errors
    /// [`SandboxError::Os`] when there are no descriptors left.
    pub fn listener(&self) -> Result<TcpListener, SandboxError> {
        let listener = self.listener.try_clone();
        Ok(listener.map_err(Refused::to("hand out the Runtime API's listener"))?)
    }

    /// Where the engine's own API is to be served to this environment alone, non-blocking: on
    /// [`ENGINE_PORT`](crate::ENGINE_PORT) inside. `None` where it shares the host's network, and once
    /// it was taken.
    pub fn take_door(&mut self) -> Option<TcpListener> {
        self.door.take()
    }

    /// What its functions reach.
    #[must_use]
    pub fn egress(&self) -> Egress {
        self.egress
    }

    /// Its way to other machines, where it has one and that was not taken yet. Unless somebody
    /// serves it, it leads nowhere. To be called inside a tokio runtime.
    ///
    /// # Errors
    /// [`SandboxError::Os`] when the runtime cannot watch it.
    pub fn take_tunnel(&mut self) -> Result<Option<Tunnel>, SandboxError> {
        self.tunnel.take().map(Tunnel::watch).transpose()
    }

    /// Where the function finds its Runtime API: the value of `AWS_LAMBDA_RUNTIME_API`.
    #[must_use]
    pub fn runtime_api_address(&self) -> SocketAddr {
        self.address
    }

    /// Runs a command, and returns once the program has been executed. May be called again when the
    /// process has ended: files and limits stay as they are. A frozen environment is thawed.
    ///
    /// # Errors
    /// [`SandboxError::Exec`] and [`SandboxError::WorkingDirectory`] when the program cannot run;
    /// [`SandboxError::Busy`] while another one does; [`SandboxError::CommandTooLarge`] and
    /// [`SandboxError::InvalidCommand`]; [`SandboxError::SpawnerGone`].
    pub async fn start(&self, command: Command) -> Result<Process, SandboxError> {
        self.run(command, false).await
    }

    /// Does the same for a command that others may run beside, which are started by this too. They
    /// share what the first of them shows, and can signal one another. Each one's end is told by
    /// itself; with the last one ends all that they left running. In a clone it is
    /// [`Environment::start`].
    ///
    /// # Errors
    /// As for [`Environment::start`]; [`SandboxError::Busy`] while one runs that was started alone.
    pub async fn start_beside(&self, command: Command) -> Result<Process, SandboxError> {
        self.run(command, true).await
    }

    async fn run(&self, command: Command, beside: bool) -> Result<Process, SandboxError> {
        check(&command)?;
        self.thaw()?;
        self.limit_memory(self.memory_bytes)?;
        let (mounts, targets) = match &self.scratch {
            Some(scratch) if !self.is_clone => {
                let (shows, scratch) = (command.shows.clone(), Arc::clone(scratch));
                off_thread(move || mounts_of(&shows, &scratch)).await?
            }
            _ => (Vec::new(), Vec::new()),
        };
        let pipe = || pipe2(OFlag::O_CLOEXEC).map_err(Refused::to("make a pipe"));
        let (stdout, its_stdout) = pipe()?;
        let (stderr, its_stderr) = pipe()?;
        let mut outputs = vec![its_stdout, its_stderr];
        let mut telemetry = None;
        if command.telemetry {
            let (records, its_records) = pipe()?;
            outputs.push(its_records);
            telemetry = Some(records);
        }
        outputs.extend(mounts);
        let starting = self.lives.start();
        let ask = Ask::Start {
            id: self.id,
            command,
            mounts: targets,
            beside,
            afresh: starting.killed,
        };
        let (reply, start, exit) = self.sandbox.ask_to_start(ask, outputs).await?;
        let Done::Started { pid, init } = reply.done else {
            return Err(out_of_step());
        };
        starting.runs(exit.clone());
        self.memory.follow(pid.unsigned_abs());
        if let Some(scales) = &self.scales {
            let processes = std::iter::once(pid).chain(init);
            let root = Root {
                start,
                processes: processes.map(i32::unsigned_abs).collect(),
                exit: exit.clone(),
            };
            scales.put(root, &self.sandbox, self.id);
        }
        Ok(Process {
            stdout: Some(stdout),
            stderr: Some(stderr),
            telemetry,
            pid: pid.unsigned_abs(),
            exit,
            start,
        })
    }

    /// Asks one of its processes to end (SIGTERM), without waiting. Nothing happens where it has ended.
    ///
    /// # Errors
    /// [`SandboxError::SpawnerGone`], with which it ends as well.
    pub fn terminate(&self, process: &Process) -> Result<(), SandboxError> {
        self.sandbox.tell(Ask::Terminate {
            id: self.id,
            start: process.start,
        })
    }

    /// Begins to connect to a port of its own loopback: a socket that does not block. Once it can be
    /// written to it is connected, or tells why not.
    ///
    /// # Errors
    /// [`SandboxError::Os`] when there is nothing to connect to, or a clone has made the network by
    /// itself; [`SandboxError::SpawnerGone`].
    pub async fn connect(&self, port: u16) -> Result<TcpStream, SandboxError> {
        let ask = Ask::Connect { id: self.id, port };
        let reply = self.sandbox.ask(ask, Vec::new()).await?;
        let socket = reply.descriptors.into_iter().next();
        socket.map(TcpStream::from).ok_or_else(out_of_step)
    }

    /// Changes its share of the CPU, also while processes run; nothing where there is no quota.
    ///
    /// # Errors
    /// [`SandboxError::InvalidLimits`] and [`SandboxError::Os`].
    pub fn set_cpus(&self, vcpus: f64) -> Result<(), SandboxError> {
        let limits = Limits {
            memory_mb: 1,
            cpu_vcpus: vcpus,
            pids: 1,
        };
        limits.validate()?;
        let limited = self.groups.limit_cpu(vcpus);
        Ok(limited.map_err(Refused::to("limit the environment's CPU"))?)
    }

    /// Stops all of its processes where they are, and returns once they stand. Returns early when
    /// [`Environment::thaw`] overtakes it.
    ///
    /// # Errors
    /// [`SandboxError::Os`] when the kernel refuses; [`SandboxError::SpawnerGone`] where the spawner
    /// must do it.
    pub async fn freeze(&self) -> Result<(), SandboxError> {
        self.stand_still(true);
        match &self.freezer {
            Some(freezer) => {
                let frozen = freezer.freeze().await;
                Ok(frozen.map_err(Refused::to("freeze the environment"))?)
            }
            None => self.signal(GroupSignal::Stop).await,
        }
    }

    /// Lets its processes go on. They run when this returns, or in an instant.
    ///
    /// # Errors
    /// As for [`Environment::freeze`].
    pub fn thaw(&self) -> Result<(), SandboxError> {
        self.stand_still(false);
        match &self.freezer {
            Some(freezer) => Ok(freezer
                .thaw()
                .map_err(Refused::to("thaw the environment"))?),
            None => self.sandbox.tell(Ask::Signal {
                id: self.id,
                signal: GroupSignal::Continue,
            }),
        }
    }

    fn stand_still(&self, still: bool) {
        if let Some(scales) = &self.scales {
            scales.stand_still(still);
        }
    }

    /// Kills all of its processes, frozen ones too. Their end is told by [`Process::exit`]. Where that was
    /// told of all, there are none.
    ///
    /// # Errors
    /// As for [`Environment::freeze`].
    pub fn kill_all(&self) -> Result<(), SandboxError> {
        if !self.lives.kill() {
            return Ok(());
        }
        let killed = self.groups.kill();
        if killed.map_err(Refused::to("kill the environment"))? {
            return Ok(());
        }
        self.sandbox.tell(Ask::Signal {
            id: self.id,
            signal: GroupSignal::Kill,
        })
    }

    /// Says that its process has initialised. From here on, what that has in memory and shares with
    /// others counts towards the limit, as it does in [`Environment::memory_peak`].
    ///
    /// # Errors
    /// [`SandboxError::Os`] when the figures cannot be read or the limit cannot be set.
    pub fn settle_memory(&self) -> Result<(), SandboxError> {
        let charged = self.groups.charged();
        let charged = charged.map_err(Refused::to("read the environment's memory use"))?;
        let borrowed = self.memory.settle(charged);
        // One that has more already is not ended for what it had when nobody minded.
        let least = charged.map_or(0, |charged| charged.total.saturating_add(HEADROOM));
        let limit = self.memory_bytes.saturating_sub(borrowed).max(least);
        self.limit_memory(limit.min(self.memory_bytes))
    }

    fn limit_memory(&self, bytes: u64) -> Result<(), SandboxError> {
        let limited = self.groups.limit_memory(bytes);
        Ok(limited.map_err(Refused::to("limit the environment's memory"))?)
    }

    /// The most memory that it had at one time of its life. See `memory_use`. Where no control group holds
    /// it to its size, that may be more.
    ///
    /// # Errors
    /// [`SandboxError::Os`] when the figures cannot be read.
    pub fn memory_peak(&self) -> Result<MemoryPeaks, SandboxError> {
        let cached = || {
            let charged = self.groups.charged().ok().flatten();
            charged.map_or(0, |charged| charged.cached)
        };
        let peak = self.memory.peak(cached);
        let peak = peak.map_err(Refused::to("read the environment's memory use"))?;
        let used = match &self.scales {
            Some(scales) => peak.used.max(scales.heaviest()),
            // It cannot have had more, whatever the figures count twice.
            None => peak.used.map(|used| used.min(self.memory_bytes)),
        };
        Ok(MemoryPeaks { used, ..peak })
    }

    /// One of its processes was ended because memory had run out: what it used is its limit.
    pub fn ran_out_of_memory(&self) {
        self.memory.ran_out(self.memory_bytes);
    }

    /// The CPU time that it used so far; `None` where nobody counts it.
    ///
    /// # Errors
    /// [`SandboxError::Os`] when the figure cannot be read.
    pub fn cpu_time(&self) -> Result<Option<Duration>, SandboxError> {
        let time = self.groups.cpu_time();
        Ok(time.map_err(Refused::to("read the environment's CPU time"))?)
    }

    /// How often its CPU quota held it back so far; `None` where there is no quota.
    ///
    /// # Errors
    /// [`SandboxError::Os`] when the figure cannot be read.
    pub fn throttling(&self) -> Result<Option<Throttling>, SandboxError> {
        let throttling = self.groups.throttling();
        Ok(throttling.map_err(Refused::to("read the environment's CPU figures"))?)
    }

    /// How many of its processes were killed at its memory limit so far; `None` where nobody counts.
    ///
    /// # Errors
    /// [`SandboxError::Os`] when the figure cannot be read.
    pub fn oom_events(&self) -> Result<Option<u64>, SandboxError> {
        let kills = self.groups.oom_kills();
        Ok(kills.map_err(Refused::to("read the environment's memory events"))?)
    }

    /// Kills what runs in it, waits until that has ended, and removes what it was made of. The
    /// private directory stays.
    ///
    /// # Errors
    /// [`SandboxError::SpawnerGone`], which ends the environment as well.
    pub async fn destroy(&self) -> Result<(), SandboxError> {
        self.destroyed.store(true, Ordering::SeqCst);
        self.sandbox
            .ask(Ask::Destroy { id: self.id }, Vec::new())
            .await
            .map(|_| ())
    }

    async fn signal(&self, signal: GroupSignal) -> Result<(), SandboxError> {
        let ask = Ask::Signal {
            id: self.id,
            signal,
        };
        self.sandbox.ask(ask, Vec::new()).await.map(|_| ())
    }
}

impl Drop for Environment {
    fn drop(&mut self) {
        if !self.destroyed.load(Ordering::SeqCst) {
            // A spawner that is gone has taken it along.
            let _gone = self.sandbox.tell(Ask::Destroy { id: self.id });
        }
    }
}

/// The mounts that a command is to see, and where.
fn mounts_of(shows: &[Shown], scratch: &Scratch) -> Result<(Vec<OwnedFd>, Vec<PathBuf>), Refused> {
    let mut mounts = Vec::new();
    let mut targets = Vec::new();
    for Shown { source, target } in shows {
        mounts.push(mounts::clone_of(source, Allows::Reading)?);
        targets.push(target.clone());
    }
    mounts.push(scratch.mount()?);
    targets.push(SCRATCH.into());
    Ok((mounts, targets))
}

/// Does what may take the kernel a millisecond where it holds nobody up.
async fn off_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Refused> + Send + 'static,
) -> Result<T, SandboxError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => Ok(result?),
        Err(error) => {
            Err(Refused::to("work beside the others")(std::io::Error::other(error)).into())
        }
    }
}

/// What would only fail in the child, where it is harder to tell.
fn check(command: &Command) -> Result<(), SandboxError> {
    let holds_nul = |text: &str| text.contains('\0');
    let reason = if command.args.iter().any(|argument| holds_nul(argument)) {
        "an argument holds a NUL byte".to_owned()
    } else if let Some((name, _)) = command
        .env
        .iter()
        .find(|(name, value)| holds_nul(name) || holds_nul(value))
    {
        format!("the environment variable {name:?} holds a NUL byte")
    } else if let Some((name, _)) = command
        .env
        .iter()
        .find(|(name, _)| name.is_empty() || name.contains('='))
    {
        format!("{name:?} cannot be the name of an environment variable")
    } else if command.shows.len() > MAX_SHOWN {
        format!("it shows more than {MAX_SHOWN} folders")
    } else if let Some(shown) = command
        .shows
        .iter()
        .find(|shown| !shown.target.is_absolute())
    {
        format!("{} is no absolute path", shown.target.display())
    } else {
        return Ok(());
    };
    Err(SandboxError::InvalidCommand { reason })
}

/// The spawner is forked from this very program, so only a defect brings another kind of reply.
fn out_of_step() -> SandboxError {
    SandboxError::Os {
        doing: "understand the spawner's reply".into(),
        source: std::io::ErrorKind::InvalidData.into(),
    }
}
