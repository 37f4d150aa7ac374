//! One execution environment: a place to run (`sandbox`), a runtime process in it, its log, and
//! where it stands.
//!
//! An environment belongs to one deployment and works on one invocation at a time. When its
//! process is lost (crash, timeout) the environment stays, files and all, and the next invocation
//! initialises it anew inside its own time, as AWS does.

mod answers;
mod extensions;
mod extensions_api;
mod frames;
mod handover;
mod idleness;
mod lifecycle;
pub(crate) mod log;
pub(crate) mod outlet;
mod prompt;
mod restore;
pub(crate) mod roster;
mod runtime_api;
pub(crate) mod stage;
mod streaming;
pub(crate) mod tail;
pub(crate) mod telemetry;
mod telemetry_api;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use control::Capacity;
use ids::{EnvironmentId, RequestId, SharedClock, SharedEntropy};
use parking_lot::{Mutex, RwLock};
use sandbox::{MemoryPeaks, Process};
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tokio::task::JoinHandle;

use crate::deployment::Deployment;
use crate::door::{self, Doors, Latch};
use crate::invoke::event::Event;
use crate::invoke::failure::Failure;
use crate::invoke::report::Restore;
use crate::logging::shipper::{Destination, Shipper};
use crate::logging::stream::StreamWriter;
use crate::runtime::identity::Identity;
use crate::schedule::admission::Admission;
use crate::schedule::provision::Provision;
use extensions::ShutdownReason;
use idleness::Power;
pub(crate) use lifecycle::Init;
use log::Log;
use outlet::Outlet;
pub(crate) use restore::{Origin, Spare};
use roster::Roster;
use stage::{Asked, Refusal, Stage};

/// Where an environment goes when it is free for its next invocation.
pub(crate) trait Home: std::fmt::Debug + Send + Sync {
    /// Takes it back.
    fn take_back(&self, environment: Arc<Environment>);
}

/// Where an environment's process runs.
#[derive(Debug)]
pub(crate) struct Site {
    pub(crate) sandbox: sandbox::Environment,
    /// Lets its functions reach the engine from a network of their own.
    _door: Option<Latch>,
}

impl Site {
    /// Opens the door that the place has, if it has one.
    pub(crate) fn open(mut sandbox: sandbox::Environment, doors: &Doors) -> Arc<Self> {
        let door = door::open(&mut sandbox, doors);
        Arc::new(Self {
            sandbox,
            _door: door,
        })
    }
}

/// What an environment is there for.
#[derive(Debug, Clone)]
pub(crate) enum Purpose {
    /// To serve invocations, initialised by itself.
    Invocations,
    /// The same, initialised ahead of them and kept.
    Provisioned(Arc<Provision>),
    /// To serve invocations, restored from a snapshot.
    Restored(Arc<dyn Origin>),
    /// To be the snapshot: its initialised process is cloned, and serves none.
    Snapshot,
}

/// What an environment needs besides its deployment.
pub(crate) struct Place {
    pub(crate) site: Arc<Site>,
    pub(crate) purpose: Purpose,
    pub(crate) home: Box<dyn Home>,
    /// Counts the environments of its pool that have answered and are about to be free.
    pub(crate) finishing: Arc<AtomicUsize>,
    pub(crate) clock: SharedClock,
    pub(crate) entropy: SharedEntropy,
    /// The share of the host's memory that is set aside for it.
    pub(crate) memory: OwnedSemaphorePermit,
    /// What the host gives.
    pub(crate) capacity: Capacity,
    pub(crate) identity: Identity,
    /// Takes its log.
    pub(crate) logs: Shipper,
}

/// One execution environment.
pub(crate) struct Environment {
    pub(crate) id: EnvironmentId,
    pub(crate) deployment: Arc<Deployment>,
    pub(crate) log: Arc<Log>,
    capacity: Capacity,
    /// Another one after a process that was restored is lost.
    site: RwLock<Arc<Site>>,
    purpose: Purpose,
    /// Whether a process was started at the site.
    used: AtomicBool,
    /// Why its process cannot be cloned, if it cannot.
    unfit: Mutex<Option<String>>,
    identity: Identity,
    clock: SharedClock,
    entropy: SharedEntropy,
    home: Box<dyn Home>,
    finishing: Arc<AtomicUsize>,
    stage: Mutex<Stage>,
    /// The init phase that ran ahead of the first invocation, until that has reported it.
    init: Mutex<Option<Init>>,
    /// The restore ahead of the first invocation, likewise.
    restore: Mutex<Option<Restore>>,
    /// The extensions of the processes that run now.
    roster: RwLock<Arc<Roster>>,
    /// Whether there are any, for the many environments that ask nothing else.
    accompanied: AtomicBool,
    /// Watch the extensions' processes.
    extensions: Mutex<Vec<JoinHandle<()>>>,
    /// Why it is shut down, once it is.
    reason: Mutex<ShutdownReason>,
    /// The runtime's process.
    runtime: Mutex<Option<Process>>,
    /// Watches the process that runs now.
    supervisor: Mutex<Option<JoinHandle<()>>>,
    /// Serves the Runtime API to the process that runs now.
    api: Mutex<Option<JoinHandle<()>>>,
    /// Held while a process is started or ended.
    lifecycle: tokio::sync::Mutex<()>,
    /// When the present invocation's time is over, in microseconds of the monotonic clock.
    deadline: AtomicU64,
    memory: Mutex<OwnedSemaphorePermit>,
    power: Mutex<Power>,
    busy: AtomicBool,
    /// Whether it stands in the janitor's queue.
    watched: AtomicBool,
    /// When it last became idle, in microseconds of the monotonic clock.
    idle_since: AtomicU64,
}

impl std::fmt::Debug for Environment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Environment")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

impl Environment {
    /// An environment without a process yet.
    pub(crate) fn new(id: EnvironmentId, deployment: Arc<Deployment>, place: Place) -> Arc<Self> {
        let Place {
            site,
            purpose,
            home,
            finishing,
            clock,
            entropy,
            memory,
            capacity,
            identity,
            logs,
        } = place;
        let destination = Destination::of(id, &deployment, identity.log_stream.clone());
        let writer = StreamWriter::new(destination, logs);
        let log = Log::new(writer, deployment.logging.clone(), Arc::clone(&clock));
        Arc::new(Self {
            id,
            log: Arc::new(log),
            deployment,
            capacity,
            site: RwLock::new(site),
            purpose,
            used: AtomicBool::new(false),
            unfit: Mutex::default(),
            identity,
            clock,
            entropy,
            home,
            finishing,
            stage: Mutex::new(Stage::Down),
            init: Mutex::new(None),
            restore: Mutex::new(None),
            roster: RwLock::new(Arc::new(Roster::new(std::iter::empty()))),
            accompanied: AtomicBool::new(false),
            extensions: Mutex::default(),
            reason: Mutex::default(),
            runtime: Mutex::new(None),
            supervisor: Mutex::new(None),
            api: Mutex::new(None),
            lifecycle: tokio::sync::Mutex::default(),
            deadline: AtomicU64::new(0),
            memory: Mutex::new(memory),
            power: Mutex::new(Power::Running),
            busy: AtomicBool::new(true),
            watched: AtomicBool::new(false),
            idle_since: AtomicU64::new(0),
        })
    }

    /// Whether the runtime has answered but let its invocation's time pass without asking for
    /// another event; if so it must be reset.
    pub(crate) fn is_overdue(&self) -> bool {
        let late = || micros(self.clock.monotonic()) > self.deadline.load(Ordering::SeqCst);
        // Who waits for extensions sees to it. Asked once more where nothing changes meanwhile: another
        // invocation, with a deadline of its own, may have been answered since.
        late() && self.roster().is_resting() && self.step(|stage| late() && stage.overdue())
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
    pub(crate) fn take_init(&self) -> Option<Init> {
        self.init.lock().take()
    }

    /// The restore to report, once.
    pub(crate) fn take_restore(&self) -> Option<Restore> {
        self.restore.lock().take()
    }

    /// The most memory that it used, and took of the host's, so far; nothing where nobody counts.
    pub(crate) fn peak_memory(&self) -> MemoryPeaks {
        self.site().sandbox.memory_peak().unwrap_or_default()
    }

    /// Where its process runs now.
    pub(crate) fn site(&self) -> Arc<Site> {
        Arc::clone(&self.site.read())
    }

    /// Sets its share of the host's memory to what its function was seen to need: gives back what
    /// is too much, and takes more where more is free.
    pub(crate) fn adjust_reservation(&self, need_mb: u32, admission: &Admission) {
        let mut permit = self.memory.lock();
        let need = need_mb as usize;
        let has = permit.num_permits();
        if need < has {
            drop(permit.split(has - need));
        } else if let Some(more) =
            admission.try_memory(need_mb - u32::try_from(has).unwrap_or(need_mb))
        {
            permit.merge(more);
        }
    }

    /// Offers the environment for the next invocation.
    pub(crate) fn give_back(self: &Arc<Self>) {
        self.home.take_back(Arc::clone(self));
    }

    /// What it is kept for, where it is provisioned.
    pub(crate) fn provision(&self) -> Option<&Arc<Provision>> {
        match &self.purpose {
            Purpose::Provisioned(provision) => Some(provision),
            Purpose::Invocations | Purpose::Restored(_) | Purpose::Snapshot => None,
        }
    }

    /// Whether it has no process: the next invocation would have to initialise it.
    pub(crate) fn is_down(&self) -> bool {
        matches!(*self.stage.lock(), Stage::Down)
    }

    /// The access key id that its function was given.
    pub(crate) fn access_key_id(&self) -> &str {
        &self.identity.access_key_id
    }

    /// Its log stream, by whose name functions tell environments apart.
    pub(crate) fn log_stream(&self) -> &str {
        &self.identity.log_stream
    }

    /// Its own folder.
    pub(crate) fn folder(&self) -> PathBuf {
        self.site().sandbox.work_dir().to_owned()
    }

    // What the Runtime API calls.

    async fn next_event(self: &Arc<Self>) -> Result<Event, Refusal> {
        let (next, waiting) = oneshot::channel();
        let asked = self.step(|stage| stage.next(next))?;
        if asked == Asked::Free {
            self.come_to_rest();
        }
        waiting.await.map_err(|_| Refusal::WrongState)
    }

    fn is_starting(&self) -> bool {
        self.stage.lock().is_starting()
    }

    fn check(&self, id: RequestId) -> Result<(), Refusal> {
        self.stage.lock().check(id)
    }

    fn respond(&self, id: RequestId, payload: Bytes) -> Result<(), Refusal> {
        self.step(|stage| stage.respond(id, payload, || self.log.cut()))
    }

    fn open_stream(&self, id: RequestId) -> Result<Option<Outlet>, Refusal> {
        self.stage.lock().open(id)
    }

    fn fail(&self, id: RequestId, failure: Failure) -> Result<(), Refusal> {
        self.step(|stage| stage.fail(id, failure, || self.log.cut()))
    }

    /// The runtime is initialised, and would be restored from a snapshot now. `clones` is what it says
    /// of being cloned, where it knows that word.
    async fn restore_next(&self, clones: Option<&str>) -> Result<(), Refusal> {
        if let Purpose::Snapshot = self.purpose {
            *self.unfit.lock() = match clones {
                Some(runtime_api::READY) => None,
                Some(reason) => Some(format!("SnapStart: {reason}; {EACH}")),
                None => Some(format!("SnapStart: this process cannot be cloned; {EACH}")),
            };
            self.step(Stage::snapped)?;
            if clones.is_none() {
                // It is not restored, and must not go on as if it was.
                std::future::pending::<()>().await;
            }
            return Ok(());
        }
        // Here that is one and the same: the snapshot was this process.
        if self.is_starting() {
            Ok(())
        } else {
            Err(Refusal::WrongState)
        }
    }

    fn init_error(&self, failure: Failure) -> Result<(), Refusal> {
        self.step(|stage| stage.init_error(failure))
    }
}

/// What is done where no process can be cloned.
const EACH: &str = "each environment is initialised when it starts, and runs its hooks then";

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
