//! What the host can carry at once.
//!
//! A laptop is not a region. Init phases run as many at a time as there are cores; environments
//! share a budget of memory. An environment is charged its configured memory size until its
//! function was seen to need less. All waiting happens here, before an invocation's clock starts.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use control::Capacity;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Gates for what must not happen too often at once.
#[derive(Debug)]
pub(crate) struct Admission {
    inits: Arc<Semaphore>,
    memory: Arc<Semaphore>,
    /// How many wait for memory: as long as any does, idle environments give theirs up.
    hungry: AtomicUsize,
    /// What the host gives.
    pub(crate) capacity: Capacity,
    /// The CPU quotas of all running invocations, in thousandths of a core.
    load: AtomicI64,
    /// When the quotas last exceeded the cores, in microseconds of the monotonic clock, plus one.
    strained_at: AtomicU64,
}

impl Admission {
    /// Gates for a host that gives so much.
    pub(crate) fn new(capacity: Capacity) -> Self {
        Self {
            inits: Arc::new(Semaphore::new(capacity.cores.max(1) as usize)),
            memory: Arc::new(Semaphore::new(capacity.memory_mb as usize)),
            hungry: AtomicUsize::new(0),
            capacity,
            load: AtomicI64::new(0),
            strained_at: AtomicU64::new(0),
        }
    }

    /// How many environments of one function keep the cores busy: while one waits for its next event
    /// and another's answer is on its way, a third works.
    pub(crate) fn few(&self) -> usize {
        self.capacity.cores.max(1) as usize * 3
    }

    /// Waits for the right to run an init phase.
    pub(crate) async fn init(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.inits).acquire_owned().await.ok()
    }

    /// Waits for memory; a function larger than the whole budget gets all of it. Waiters are
    /// served in order.
    pub(crate) async fn memory(&self, mb: u32) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.memory)
            .acquire_many_owned(mb.min(self.capacity.memory_mb))
            .await
            .ok()
    }

    /// Counts the caller as one who waits for memory, until the guard is dropped. It must be held
    /// from before idle environments are looked for until the memory is there: an environment that
    /// gets idle in between must not rest.
    pub(crate) fn hunger(&self) -> Hungry<'_> {
        Hungry::new(&self.hungry)
    }

    /// Whether anybody waits for memory.
    pub(crate) fn is_hungry(&self) -> bool {
        self.hungry.load(Ordering::SeqCst) > 0
    }

    /// Takes memory only if it is free now.
    pub(crate) fn try_memory(&self, mb: u32) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.memory)
            .try_acquire_many_owned(mb.min(self.capacity.memory_mb))
            .ok()
    }

    /// Counts an invocation of a function of `memory_mb` as running until the guard is dropped.
    pub(crate) fn running(self: &Arc<Self>, memory_mb: u32, now: Duration) -> Running {
        let quota = thousandths(self.capacity.cores_of(memory_mb));
        let load = self.load.fetch_add(quota, Ordering::SeqCst) + quota;
        self.note(load, now);
        Running {
            admission: Arc::clone(self),
            quota,
            since: now,
        }
    }

    fn note(&self, load: i64, now: Duration) {
        if load > i64::from(self.capacity.cores.max(1)) * 1_000 {
            let now = u64::try_from(now.as_micros()).unwrap_or(u64::MAX);
            self.strained_at
                .fetch_max(now.saturating_add(1), Ordering::SeqCst);
        }
    }

    /// No one is admitted any more.
    pub(crate) fn close(&self) {
        self.inits.close();
        self.memory.close();
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "a float-to-integer cast saturates"
)]
fn thousandths(cores: f64) -> i64 {
    (cores * 1e3) as i64
}

/// Counts one who waits, also when the waiting is given up.
pub(crate) struct Hungry<'a>(&'a AtomicUsize);

impl<'a> Hungry<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(count)
    }
}

impl Drop for Hungry<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// One running invocation's share of the host's CPU.
#[derive(Debug)]
pub(crate) struct Running {
    admission: Arc<Admission>,
    quota: i64,
    since: Duration,
}

impl Running {
    /// Whether the quotas of all that ran exceeded the host's cores at any time since the start,
    /// so that the figures of this invocation say little about the function.
    pub(crate) fn oversubscribed(&self) -> bool {
        let strained = self.admission.strained_at.load(Ordering::SeqCst);
        let since = u64::try_from(self.since.as_micros()).unwrap_or(u64::MAX);
        strained > since
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.admission.load.fetch_sub(self.quota, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use control::MB_PER_VCPU;

    fn capacity(cores: u32, memory_mb: u32) -> Capacity {
        Capacity {
            cores,
            cpu_scale: 1.0,
            memory_mb,
        }
    }

    #[test]
    fn marks_whatever_overlapped_with_too_much() {
        let admission = Arc::new(Admission::new(capacity(2, 1_024)));
        let at = Duration::from_micros;
        let early = admission.running(MB_PER_VCPU, at(10));
        let second = admission.running(MB_PER_VCPU, at(20));
        assert!(!early.oversubscribed());
        let third = admission.running(MB_PER_VCPU, at(30));
        assert!(early.oversubscribed() && second.oversubscribed() && third.oversubscribed());
        drop((second, third));
        let late = admission.running(MB_PER_VCPU, at(40));
        assert!(
            !late.oversubscribed(),
            "what starts afterwards is not marked"
        );
    }

    #[tokio::test]
    async fn a_function_larger_than_the_budget_still_runs_alone() {
        let admission = Admission::new(capacity(1, 512));
        let all = admission.memory(10_240).await;
        assert!(all.is_some());
        assert!(admission.try_memory(1).is_none());
        drop(all);
        assert!(admission.try_memory(512).is_some());
    }
}
