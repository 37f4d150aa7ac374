//! One execution environment: a place to run (`sandbox`), a runtime process in it, its log, and
//! where it stands.
//!
//! An environment belongs to one deployment and works on one invocation at a time. When its
//! process is lost (crash, timeout) the environment stays, files and all, and the next invocation
//! initialises it anew inside its own time, as AWS does.

pub(crate) mod frames;
pub(crate) mod log;
mod runtime_api;
pub(crate) mod stage;
pub(crate) mod tail;

use std::future::{Future, poll_fn};
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use ids::{EnvironmentId, RequestId, SharedClock};
use parking_lot::Mutex;
use sandbox::ExitStatus;
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tokio::task::{AbortHandle, JoinHandle};

use crate::deployment::Deployment;
use crate::invoke::event::Event;
use crate::invoke::failure::Failure;
use crate::invoke::report;
use crate::runtime::launch;
use log::Log;
use stage::{Answer, Asked, InitOutcome, Refusal, Stage};

/// How long an init phase ahead of its first invocation may take.
pub(crate) const INIT_LIMIT: Duration = Duration::from_secs(10);

/// Where an environment goes when it is free for its next invocation.
pub(crate) trait Home: std::fmt::Debug + Send + Sync {
    /// Takes it back.
    fn take_back(&self, environment: Arc<Environment>);
}

/// What an environment needs besides its deployment.
pub(crate) struct Place {
    pub(crate) sandbox: sandbox::Environment,
    pub(crate) home: Box<dyn Home>,
    /// Counts the environments of its pool that have answered and are about to be free.
    pub(crate) finishing: Arc<AtomicUsize>,
    pub(crate) clock: SharedClock,
    /// The share of the host's memory that is set aside for it.
    pub(crate) memory: OwnedSemaphorePermit,
    pub(crate) identity: launch::Identity,
}

/// One execution environment.
pub(crate) struct Environment {
    pub(crate) id: EnvironmentId,
    pub(crate) deployment: Arc<Deployment>,
    pub(crate) log: Arc<Log>,
    sandbox: sandbox::Environment,
    identity: launch::Identity,
    clock: SharedClock,
    home: Box<dyn Home>,
    finishing: Arc<AtomicUsize>,
    stage: Mutex<Stage>,
    /// The init phase that ran ahead of the first invocation, until that has reported it.
    init: Mutex<Option<Duration>>,
    /// Watches the process that runs now.
    supervisor: Mutex<Option<JoinHandle<()>>>,
    api: Mutex<Option<AbortHandle>>,
    memory: Mutex<OwnedSemaphorePermit>,
    power: Mutex<Power>,
    busy: AtomicBool,
    /// Whether it stands in the janitor's queue.
    watched: AtomicBool,
    /// When it last became idle, in microseconds of the monotonic clock.
    idle_since: AtomicU64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Power {
    Running,
    Frozen,
}

impl std::fmt::Debug for Environment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Environment")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

impl Environment {
    /// An environment with its Runtime API serving and no process yet.
    ///
    /// # Errors
    /// The listener of the sandbox cannot be used.
    pub(crate) fn new(
        id: EnvironmentId,
        deployment: Arc<Deployment>,
        place: Place,
    ) -> io::Result<Arc<Self>> {
        let Place {
            sandbox,
            home,
            finishing,
            clock,
            memory,
            identity,
        } = place;
        let listener = sandbox.listener().map_err(io::Error::other)?;
        let listener = tokio::net::TcpListener::from_std(listener)?;
        let environment = Arc::new(Self {
            id,
            log: Arc::new(Log::new(identity.log_stream.clone())),
            deployment,
            sandbox,
            identity,
            clock,
            home,
            finishing,
            stage: Mutex::new(Stage::Down),
            init: Mutex::new(None),
            supervisor: Mutex::new(None),
            api: Mutex::new(None),
            memory: Mutex::new(memory),
            power: Mutex::new(Power::Running),
            busy: AtomicBool::new(true),
            watched: AtomicBool::new(false),
            idle_since: AtomicU64::new(0),
        });
        let api = tokio::spawn(runtime_api::serve(listener, Arc::clone(&environment)));
        *environment.api.lock() = Some(api.abort_handle());
        Ok(environment)
    }

    /// Runs the init phase ahead of an invocation. A failed one is logged and leaves the
    /// environment down; the invocation that comes next tries again.
    pub(crate) async fn initialise(self: &Arc<Self>) {
        let started = self.clock.monotonic();
        let (version, arn) = self.deployment.runtime.version(&self.deployment.key.region);
        self.log.platform(&report::init_start(&version, &arn));
        let limit = self.clock.sleep(INIT_LIMIT);
        let outcome = tokio::select! {
            outcome = self.boot() => outcome,
            () = limit => Err(Failure::TimedOut { timeout: INIT_LIMIT }),
        };
        let took = self.clock.monotonic().saturating_sub(started);
        match outcome {
            Ok(()) => *self.init.lock() = Some(took),
            Err(failure) => {
                self.reset().await;
                self.log
                    .platform(&report::init_report(took, "init", &failure));
            }
        }
    }

    /// Starts the runtime process and waits until it asks for an event.
    async fn boot(self: &Arc<Self>) -> InitOutcome {
        let command = launch::command(
            &self.deployment,
            &self.identity,
            &self.sandbox.runtime_api_address().to_string(),
        )?;
        let program = command.program.clone();
        let (done, outcome) = oneshot::channel();
        self.step(|stage| stage.start(done));
        let mut process = match self.sandbox.start(command).await {
            Ok(process) => process,
            Err(error) => {
                self.step(|stage| *stage = Stage::Down);
                return Err(launch::not_started(&program, &error));
            }
        };
        if let Err(error) = self.log.attach(&mut process, &self.clock) {
            tracing::warn!(%error, environment = %self.id, "the function's output cannot be read");
        }
        let environment = Arc::clone(self);
        let exit = process.exit();
        *self.supervisor.lock() = Some(tokio::spawn(async move {
            // Without the spawner nobody can tell how it ended; it has been killed.
            let killed = ExitStatus {
                code: None,
                signal: Some(9),
                oom_killed: false,
            };
            let status = exit.await.unwrap_or(killed);
            let freed = environment.step(|stage| stage.exited(status));
            if freed {
                environment.give_back();
            }
        }));
        outcome.await.unwrap_or_else(|_| Err(lost()))
    }

    /// Hands over `event` and waits for the answer, no longer than `timeout`; where the process was
    /// lost, it is initialised first, within the same time.
    pub(crate) async fn run(self: &Arc<Self>, event: Event, timeout: Duration) -> Answer {
        let mut deadline = self.clock.sleep(timeout);
        let out_of_time = || Err(Failure::TimedOut { timeout });
        let mut answer = tokio::select! {
            biased;
            answer = self.hand_over(event) => answer?,
            () = &mut deadline => return out_of_time(),
        };
        tokio::select! {
            biased;
            answer = &mut answer => return answer.unwrap_or_else(|_| Err(lost())),
            () = deadline => {}
        }
        if self.step(Stage::give_up) {
            return out_of_time();
        }
        answer.await.unwrap_or_else(|_| Err(lost()))
    }

    async fn hand_over(
        self: &Arc<Self>,
        event: Event,
    ) -> Result<oneshot::Receiver<Answer>, Failure> {
        let offered = self.step(|stage| stage.assign(event));
        let event = match offered {
            Ok(answer) => return Ok(answer),
            Err(event) => event,
        };
        self.reset().await;
        if let Err(failure) = self.boot().await {
            self.reset().await;
            return Err(failure);
        }
        self.step(|stage| stage.assign(event)).map_err(|_| lost())
    }

    /// Ends whatever runs inside and waits until it is gone. The files stay.
    pub(crate) async fn reset(&self) {
        if let Err(error) = self.sandbox.kill_all() {
            tracing::warn!(%error, environment = %self.id, "processes could not be killed");
        }
        let supervisor = self.supervisor.lock().take();
        if let Some(supervisor) = supervisor {
            let _cancelled_only_at_shutdown = supervisor.await;
        }
        self.step(|stage| *stage = Stage::Down);
    }

    /// Moves the stage on, and counts the environment as long as it is about to be free.
    fn step<T>(&self, change: impl FnOnce(&mut Stage) -> T) -> T {
        let mut stage = self.stage.lock();
        let before = stage.is_answered();
        let outcome = change(&mut stage);
        match (before, stage.is_answered()) {
            (false, true) => drop(self.finishing.fetch_add(1, Ordering::SeqCst)),
            (true, false) => drop(self.finishing.fetch_sub(1, Ordering::SeqCst)),
            _ => {}
        }
        outcome
    }

    /// The init phase to report, once.
    pub(crate) fn take_init(&self) -> Option<Duration> {
        self.init.lock().take()
    }

    /// The most memory it was seen to use, in bytes.
    pub(crate) fn peak_memory(&self) -> u64 {
        self.sandbox
            .memory_peak()
            .ok()
            .flatten()
            .unwrap_or_default()
    }

    /// Gives back the part of the reserved memory that this function was not seen to need.
    pub(crate) fn shrink_reservation(&self, keep_mb: usize) {
        let mut permit = self.memory.lock();
        let surplus = permit.num_permits().saturating_sub(keep_mb);
        drop(permit.split(surplus));
    }

    /// Offers the environment for the next invocation.
    pub(crate) fn give_back(self: &Arc<Self>) {
        self.home.take_back(Arc::clone(self));
    }

    /// Marks the start of an invocation: it is thawed if it was frozen.
    pub(crate) fn occupy(&self) {
        self.busy.store(true, Ordering::SeqCst);
        let mut power = self.power.lock();
        if *power == Power::Frozen {
            if let Err(error) = self.sandbox.thaw() {
                tracing::warn!(%error, environment = %self.id, "cannot thaw");
            }
            *power = Power::Running;
            self.log.resume(&self.clock);
        }
    }

    /// Marks the end of an invocation.
    pub(crate) fn vacate(&self) {
        self.idle_since
            .store(micros(self.clock.monotonic()), Ordering::SeqCst);
        self.busy.store(false, Ordering::SeqCst);
    }

    /// Whether it waits for an invocation.
    pub(crate) fn is_idle(&self) -> bool {
        !self.busy.load(Ordering::SeqCst)
    }

    /// Enters the janitor's queue; returns whether it stood there already.
    pub(crate) fn start_watch(&self) -> bool {
        self.watched.swap(true, Ordering::SeqCst)
    }

    /// Leaves the janitor's queue.
    pub(crate) fn end_watch(&self) {
        self.watched.store(false, Ordering::SeqCst);
    }

    /// The access key id that its function was given.
    pub(crate) fn access_key_id(&self) -> &str {
        &self.identity.access_key_id
    }

    /// Its own folder.
    pub(crate) fn folder(&self) -> &std::path::Path {
        &self.identity.folder
    }

    /// Freezes it, unless it is busy.
    pub(crate) async fn freeze_if_idle(&self) {
        let mut freeze = pin!(self.sandbox.freeze());
        // The first poll asks the kernel. It happens under the lock, so that whoever occupies the
        // environment meanwhile either is seen here or thaws afterwards.
        let asked = poll_fn(|context| {
            let mut power = self.power.lock();
            if self.busy.load(Ordering::SeqCst) || *power == Power::Frozen {
                return Poll::Ready(None);
            }
            *power = Power::Frozen;
            Poll::Ready(Some(freeze.as_mut().poll(context)))
        });
        let outcome = match asked.await {
            None => return,
            Some(Poll::Ready(outcome)) => outcome,
            Some(Poll::Pending) => freeze.await,
        };
        if let Err(error) = outcome {
            tracing::debug!(%error, environment = %self.id, "cannot freeze");
        }
        self.rest();
    }

    /// Nobody need look at what it prints, unless it was occupied meanwhile.
    fn rest(&self) {
        let power = self.power.lock();
        if *power == Power::Frozen {
            self.log.pause();
        }
    }

    /// How long it has been idle; zero while it works.
    pub(crate) fn idle_for(&self) -> Duration {
        if self.busy.load(Ordering::SeqCst) {
            return Duration::ZERO;
        }
        let now = micros(self.clock.monotonic());
        Duration::from_micros(now.saturating_sub(self.idle_since.load(Ordering::SeqCst)))
    }

    /// Ends the environment for good: its process, its Runtime API and its place.
    pub(crate) async fn destroy(&self) {
        self.occupy();
        self.reset().await;
        if let Some(api) = self.api.lock().take() {
            api.abort();
        }
        if let Err(error) = self.sandbox.destroy().await {
            tracing::warn!(%error, environment = %self.id, "the sandbox could not be removed");
        }
    }

    // What the Runtime API calls.

    async fn next_event(self: &Arc<Self>) -> Result<Event, Refusal> {
        let (next, waiting) = oneshot::channel();
        let asked = self.step(|stage| stage.next(next))?;
        if asked == Asked::Free {
            self.give_back();
        }
        waiting.await.map_err(|_| Refusal::WrongState)
    }

    fn check(&self, id: RequestId) -> Result<(), Refusal> {
        self.stage.lock().check(id)
    }

    fn respond(&self, id: RequestId, payload: Bytes) -> Result<(), Refusal> {
        self.step(|stage| stage.respond(id, payload))
    }

    fn fail(&self, id: RequestId, failure: Failure) -> Result<(), Refusal> {
        self.step(|stage| stage.fail(id, failure))
    }

    fn init_error(&self, failure: Failure) -> Result<(), Refusal> {
        self.step(|stage| stage.init_error(failure))
    }
}

/// The runtime neither answered nor exited: it hung up.
fn lost() -> Failure {
    Failure::NotStarted {
        error_type: "Runtime.Unknown",
        reason: "the runtime stopped talking to its Runtime API".to_owned(),
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
