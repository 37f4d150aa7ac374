//! The environments of one deployment.
//!
//! An invocation takes the environment that was idle for the shortest time, so that the others can
//! freeze and be reaped. Where none is idle it waits in line, and an environment is started for
//! it; whichever comes first — a warm one that gets free or the new one — serves the head of the
//! line.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use ids::SharedClock;
use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot};

use super::demand::{Demand, Line, Verdict};
use crate::deployment::Deployment;
use crate::environment::Environment;
use crate::invoke::failure::Failure;

/// How many invocations of one deployment may wait for an environment.
pub(crate) const QUEUE_LIMIT: usize = 10_000;

/// How long the head of the line waits for the host's memory.
pub(super) const MEMORY_PATIENCE: Duration = Duration::from_secs(30);

/// How long one that is provisioned waits for it: whoever asked for it is told soon, and it is tried
/// again later.
pub(super) const PROVISION_PATIENCE: Duration = Duration::from_secs(10);

/// Why no environment can be had.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum NoEnvironment {
    /// The line is full.
    #[error("more than {QUEUE_LIMIT} invocations of this function wait for an environment")]
    TooMany,
    /// The host's memory is promised to others.
    #[error("no memory became free for another environment: what this host has is promised")]
    NoMemory,
    /// An environment could not be made.
    #[error("an execution environment could not be created: {0}")]
    Failed(String),
    /// It could not be restored from its snapshot.
    #[error("the snapshot could not be restored: {0}")]
    NotRestored(Failure),
    /// The engine stops.
    #[error("the engine is shutting down")]
    Closed,
}

type Handover = oneshot::Sender<Result<Grant, NoEnvironment>>;

/// An environment on its way to an invocation. Where that is no longer there to take it, it goes
/// back.
#[derive(Debug)]
pub(crate) struct Grant(Option<Arc<Environment>>);

impl Grant {
    /// Takes the environment, which counts as occupied until it is given back.
    pub(crate) fn take(mut self) -> Option<Arc<Environment>> {
        self.0.take()
    }
}

impl Drop for Grant {
    fn drop(&mut self) {
        if let Some(environment) = self.0.take() {
            environment.give_back();
        }
    }
}

/// An invocation that waits for an environment.
#[derive(Debug)]
struct Waiter {
    since: Duration,
    handover: Handover,
}

/// What an invocation gets at first.
pub(super) enum Entry {
    /// An environment.
    Served(Arc<Environment>),
    /// A place in the line. With `needs_starter`, somebody must see to it that an environment
    /// comes.
    Queued {
        waiting: oneshot::Receiver<Result<Grant, NoEnvironment>>,
        needs_starter: bool,
    },
}

/// What became of an environment that was given back.
pub(super) enum Returned {
    /// It serves the next in line.
    HandedOver,
    /// It is idle.
    Resting(Arc<Environment>),
    /// It is to be ended.
    Surplus(Arc<Environment>),
}

/// The environments of one deployment.
#[derive(Debug)]
pub(crate) struct Pool {
    pub(crate) deployment: Arc<Deployment>,
    clock: SharedClock,
    state: Mutex<State>,
    /// The most memory that any of its environments was seen to use, in bytes.
    peak: AtomicU64,
    /// Told when the peak becomes known: those that wait for memory need less from then on.
    pub(super) learned: Notify,
    /// How many environments have answered and are about to ask for the next event.
    finishing: Arc<AtomicUsize>,
}

#[derive(Debug, Default)]
struct State {
    /// The most recently used last.
    idle: Vec<Arc<Environment>>,
    line: VecDeque<Waiter>,
    /// Tasks that will start an environment, or find that it is not needed.
    starters: usize,
    /// Environments that are being started.
    coming: usize,
    demand: Demand,
    alive: usize,
    /// Whether any of them ever was provisioned.
    provisioned: bool,
    closed: bool,
}

impl State {
    /// The idle environment that was used last; those that are provisioned go first.
    fn take_newest(&mut self) -> Option<Arc<Environment>> {
        if self.provisioned {
            let mut idle = self.idle.iter();
            let provisioned = idle.rposition(|idle| idle.provision().is_some());
            if let Some(place) = provisioned {
                return Some(self.idle.remove(place));
            }
        }
        self.idle.pop()
    }
}

impl Pool {
    pub(crate) fn new(deployment: Arc<Deployment>, clock: SharedClock) -> Arc<Self> {
        Arc::new(Self {
            deployment,
            clock,
            state: Mutex::default(),
            peak: AtomicU64::new(0),
            learned: Notify::new(),
            finishing: Arc::default(),
        })
    }

    /// Takes an idle environment, or a place in the line.
    pub(super) fn enter(&self) -> Result<Entry, NoEnvironment> {
        let mut state = self.state.lock();
        if state.closed {
            return Err(NoEnvironment::Closed);
        }
        if let Some(environment) = state.take_newest() {
            return Ok(Entry::Served(environment));
        }
        if state.line.len() >= QUEUE_LIMIT {
            state.line.retain(|waiter| !waiter.handover.is_closed());
            if state.line.len() >= QUEUE_LIMIT {
                return Err(NoEnvironment::TooMany);
            }
        }
        let (handover, waiting) = oneshot::channel();
        state.line.push_back(Waiter {
            since: self.now(),
            handover,
        });
        let needs_starter = state.starters < state.line.len();
        if needs_starter {
            state.starters += 1;
        }
        Ok(Entry::Queued {
            waiting,
            needs_starter,
        })
    }

    /// A starter has made an environment, which took so long.
    pub(super) fn started(&self, took: Duration) {
        let mut state = self.state.lock();
        state.starters -= 1;
        state.coming -= 1;
        state.alive += 1;
        state.demand.saw_start(took);
    }

    /// A starter could not make one: whoever has waited longest is told.
    pub(super) fn failed(&self, error: &NoEnvironment) {
        let mut state = self.state.lock();
        state.starters -= 1;
        while let Some(waiter) = state.line.pop_front() {
            if waiter.handover.send(Err(error.clone())).is_ok() {
                return;
            }
        }
    }

    /// Whether to start an environment now. One that is to be started counts as coming; a starter
    /// that hears that nobody waits is none any more.
    pub(super) fn verdict(&self, few: usize) -> Verdict {
        let mut state = self.state.lock();
        while state
            .line
            .front()
            .is_some_and(|waiter| waiter.handover.is_closed())
        {
            state.line.pop_front();
        }
        let Some(head) = state.line.front().filter(|_| !state.closed) else {
            // In the same breath: whoever joins the line next must find one starter less.
            state.starters -= 1;
            return Verdict::Nobody;
        };
        let verdict = state.demand.verdict(Line {
            length: state.line.len(),
            head_age: self.now().saturating_sub(head.since),
            alive: state.alive,
            coming: state.coming,
            finishing: self.finishing.load(Ordering::SeqCst),
            few,
        });
        if verdict == Verdict::Start {
            state.coming += 1;
        }
        verdict
    }

    /// One that was to be started is not.
    pub(super) fn gave_up(&self) {
        self.state.lock().coming -= 1;
    }

    fn now(&self) -> Duration {
        self.clock.monotonic()
    }

    /// Takes an environment back and hands it to the head of the line. Where nobody waits it
    /// rests, unless the pool is closed or `keep` says no.
    pub(super) fn take_back(
        &self,
        mut environment: Arc<Environment>,
        keep: impl FnOnce() -> bool,
    ) -> Returned {
        let mut state = self.state.lock();
        while let Some(waiter) = state.line.pop_front() {
            match waiter.handover.send(Ok(Grant(Some(environment)))) {
                Ok(()) => return Returned::HandedOver,
                Err(Ok(grant)) => match grant.take() {
                    Some(unwanted) => environment = unwanted,
                    None => return Returned::HandedOver,
                },
                // What was sent comes back as it was.
                Err(Err(_)) => return Returned::HandedOver,
            }
        }
        environment.vacate();
        let keeps = match environment.provision() {
            Some(provision) => {
                let is_wanted = provision.ready() <= provision.requested();
                is_wanted && !provision.is_ended() && !environment.is_down()
            }
            None => keep(),
        };
        if state.closed || !keeps {
            state.alive -= 1;
            return Returned::Surplus(environment);
        }
        state.idle.push(Arc::clone(&environment));
        Returned::Resting(environment)
    }

    /// Takes idle environments out that `which` picks.
    pub(crate) fn take_idle(&self, which: impl Fn(&Environment) -> bool) -> Vec<Arc<Environment>> {
        let mut state = self.state.lock();
        let taken: Vec<_> = state.idle.extract_if(.., |idle| which(idle)).collect();
        state.alive -= taken.len();
        taken
    }

    /// For how long that environment has been idle that was so for the longest time, of those that
    /// are not provisioned.
    pub(crate) fn longest_idle(&self) -> Option<Duration> {
        let state = self.state.lock();
        let mut on_demand = state.idle.iter().filter(|idle| idle.provision().is_none());
        on_demand.next().map(|idle| idle.idle_for())
    }

    /// Takes that environment out.
    pub(crate) fn take_longest_idle(&self) -> Option<Arc<Environment>> {
        let mut state = self.state.lock();
        let mut idle = state.idle.iter();
        let oldest = idle.position(|idle| idle.provision().is_none())?;
        state.alive -= 1;
        Some(state.idle.remove(oldest))
    }

    /// Takes up to `count` idle environments of a provision out.
    pub(crate) fn take_provisioned(&self, count: usize) -> Vec<Arc<Environment>> {
        let mut state = self.state.lock();
        let of_provision = state.idle.extract_if(.., |idle| idle.provision().is_some());
        let taken: Vec<_> = of_provision.take(count).collect();
        state.alive -= taken.len();
        taken
    }

    /// An environment was made that no invocation had asked for.
    pub(super) fn provided(&self, took: Duration) {
        let mut state = self.state.lock();
        state.alive += 1;
        state.provisioned = true;
        state.demand.saw_start(took);
    }

    /// Whether its deployment is served no more.
    pub(crate) fn is_closed(&self) -> bool {
        self.state.lock().closed
    }

    /// No more invocations: those that wait are told, those that run finish, and environments go
    /// as they get idle. Returns the ones that are idle now.
    pub(crate) fn close(&self) -> Vec<Arc<Environment>> {
        let mut state = self.state.lock();
        state.closed = true;
        for waiter in state.line.drain(..) {
            let _caller_gave_up = waiter.handover.send(Err(NoEnvironment::Closed));
        }
        let idle = std::mem::take(&mut state.idle);
        state.alive -= idle.len();
        idle
    }

    /// The count of environments that are about to be free.
    pub(crate) fn finishing(&self) -> Arc<AtomicUsize> {
        Arc::clone(&self.finishing)
    }

    /// Whether it has no environment and none on the way.
    pub(crate) fn is_empty(&self) -> bool {
        let state = self.state.lock();
        state.alive == 0 && state.starters == 0 && state.line.is_empty()
    }

    /// What to set aside for one more environment, in MB.
    pub(crate) fn reservation_mb(&self) -> u32 {
        let size = self.deployment.memory_mb;
        match self.peak.load(Ordering::Relaxed) {
            0 => size,
            peak => seen_need_mb(peak).min(size),
        }
    }

    /// Learns from an invocation: how long it took, and what its environment was seen to use, if
    /// anybody counts that. Returns what its environment should keep set aside, in MB.
    pub(crate) fn learn(&self, took: Duration, peak_bytes: Option<u64>) -> Option<u32> {
        self.state.lock().demand.saw_invocation(took);
        self.learn_peak(peak_bytes)
    }

    /// Learns what an environment was seen to use so far.
    pub(crate) fn learn_peak(&self, peak_bytes: Option<u64>) -> Option<u32> {
        let bytes = peak_bytes.filter(|bytes| *bytes > 0)?;
        let before = self.peak.fetch_max(bytes, Ordering::Relaxed);
        if before == 0 {
            self.learned.notify_waiters();
        }
        Some(seen_need_mb(before.max(bytes)).min(self.deployment.memory_mb))
    }
}

/// Twice the peak, and at least 32 MB: a function's next event may be a larger one.
pub(super) fn seen_need_mb(peak_bytes: u64) -> u32 {
    u32::try_from((peak_bytes >> 20).saturating_mul(2).max(32)).unwrap_or(u32::MAX)
}
