//! The memory of an environment that no control group limits: what its processes have is looked at from
//! time to time, and where that is more than its size, they end as they would at a limit.
//!
//! It is an approximation, in these ways. What is taken and given back between two looks goes unseen;
//! a limit on each process by itself bounds that. Files in a `/tmp` in memory are nobody's. Processes
//! that share pages share their weight, too: the largest counts in full, of the others only their part.
//! Without a process table of its own, who leaves its parent leaves the scales.

use std::collections::HashSet;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ids::{Clock, EnvironmentId, SystemClock};

use crate::client::Sandbox;
use crate::process::ExitReceiver;
use crate::protocol::Ask;

/// How often to look.
const EVERY: Duration = Duration::from_millis(100);

/// What weighs one environment.
#[derive(Debug)]
pub(crate) struct Scales {
    limit: u64,
    /// The most so far, in bytes.
    heaviest: AtomicU64,
    /// Whether its processes stand still.
    still: AtomicBool,
    weighed: Mutex<Weighed>,
}

#[derive(Debug, Default)]
struct Weighed {
    roots: Vec<Root>,
    /// Whether somebody looks.
    watched: bool,
}

/// A process that was started, with all that comes of it.
#[derive(Debug)]
pub(crate) struct Root {
    /// The number of the request that started it.
    pub(crate) start: u64,
    /// Its own, and that of the init which inherits its orphans.
    pub(crate) processes: Vec<u32>,
    pub(crate) exit: ExitReceiver,
}

impl Scales {
    /// Weighs against `limit` bytes.
    pub(crate) fn new(limit: u64) -> Self {
        Self {
            limit,
            heaviest: AtomicU64::new(0),
            still: AtomicBool::new(false),
            weighed: Mutex::default(),
        }
    }

    /// The most that was seen so far, in bytes; `None` before the first look.
    pub(crate) fn heaviest(&self) -> Option<u64> {
        Some(self.heaviest.load(Ordering::Relaxed)).filter(|heaviest| *heaviest > 0)
    }

    /// Its processes stand, or go on: those that stand take no more.
    pub(crate) fn stand_still(&self, still: bool) {
        self.still.store(still, Ordering::Relaxed);
    }

    /// Weighs what comes of this process too, until it has ended.
    pub(crate) fn put(self: &Arc<Self>, root: Root, sandbox: &Sandbox, id: EnvironmentId) {
        let mut weighed = self.weighed();
        weighed.roots.push(root);
        if !std::mem::replace(&mut weighed.watched, true) {
            tokio::spawn(watch(Arc::clone(self), sandbox.clone(), id));
        }
    }

    fn weighed(&self) -> MutexGuard<'_, Weighed> {
        self.weighed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whatever still runs: the number by which it was started, and the processes to begin with.
    fn living(&self) -> Option<(u64, Vec<u32>)> {
        let mut weighed = self.weighed();
        // A sender that is gone says that the spawner is, with all that it had started.
        let ended = |root: &Root| root.exit.borrow().is_some() || root.exit.has_changed().is_err();
        weighed.roots.retain(|root| !ended(root));
        let start = weighed.roots.first().map(|root| root.start);
        weighed.watched = start.is_some();
        let processes = weighed.roots.iter().flat_map(|root| &root.processes);
        start.map(|start| (start, processes.copied().collect()))
    }

    /// Looks once. Says whether it is too much.
    fn look(&self, processes: &[u32]) -> bool {
        let weights = weights(&with_descendants(processes));
        let most: u64 = weights.iter().map(|(_, weight)| weight).sum();
        let known = self.heaviest.load(Ordering::Relaxed).min(self.limit);
        if most <= known {
            return false;
        }
        let weight = together(&weights);
        self.heaviest.fetch_max(weight, Ordering::Relaxed);
        weight > self.limit
    }
}

/// Looks for as long as anything runs.
async fn watch(scales: Arc<Scales>, sandbox: Sandbox, id: EnvironmentId) {
    let clock = SystemClock::new();
    loop {
        clock.sleep(EVERY).await;
        let Some((start, processes)) = scales.living() else {
            return;
        };
        if scales.still.load(Ordering::Relaxed) {
            continue;
        }
        let looking = Arc::clone(&scales);
        let looked = tokio::task::spawn_blocking(move || looking.look(&processes)).await;
        if looked.is_ok_and(|too_much| too_much) {
            // A spawner that is gone has ended them.
            let _gone = sandbox.tell(Ask::EndForMemory { id, start });
        }
    }
}

/// These processes and all that descend from them.
fn with_descendants(processes: &[u32]) -> HashSet<u32> {
    let mut found: HashSet<u32> = processes.iter().copied().collect();
    let mut open: Vec<u32> = found.iter().copied().collect();
    while let Some(parent) = open.pop() {
        // Children are their thread's. Who has ended since has none.
        let threads = fs::read_dir(format!("/proc/{parent}/task"));
        for thread in threads.into_iter().flatten().flatten() {
            let children = fs::read_to_string(thread.path().join("children"));
            let children = children.unwrap_or_default();
            let new = children.split_whitespace().filter_map(|it| it.parse().ok());
            open.extend(new.filter(|child| found.insert(*child)));
        }
    }
    found
}

/// What each has in memory, in bytes, with what it shares.
fn weights(processes: &HashSet<u32>) -> Vec<(u32, u64)> {
    let weight = |pid: &u32| Some((*pid, figure(*pid, "status", "VmRSS:")?));
    processes.iter().filter_map(weight).collect()
}

/// What they have in memory together: the largest in full, and of the others what is theirs.
fn together(weights: &[(u32, u64)]) -> u64 {
    let Some((largest, weight)) = weights.iter().max_by_key(|(_, weight)| *weight) else {
        return 0;
    };
    let others = weights.iter().filter(|(pid, _)| pid != largest);
    let part = |(pid, weight): &(u32, u64)| figure(*pid, "smaps_rollup", "Pss:").unwrap_or(*weight);
    others.map(part).sum::<u64>().saturating_add(*weight)
}

/// A figure that the kernel gives in kB, in bytes.
fn figure(pid: u32, file: &str, key: &str) -> Option<u64> {
    let text = fs::read_to_string(Path::new("/proc").join(pid.to_string()).join(file)).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(key))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn descendants_are_found_and_weighed() {
        let own = std::process::id();
        let mut child = Command::new("sh")
            .args(["-c", "cat; true"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        // By its echo the grandchild is there.
        use std::io::{Read, Write};
        child.stdin.as_mut().unwrap().write_all(b"x").unwrap();
        child.stdout.as_mut().unwrap().read_exact(&mut [0]).unwrap();
        let found = with_descendants(&[own]);
        let below = with_descendants(&[child.id()]);
        assert!(found.is_superset(&below), "{found:?} {below:?}");
        assert_eq!(below.len(), 2, "{below:?}");
        let weights = weights(&below);
        let sum: u64 = weights.iter().map(|(_, weight)| weight).sum();
        let together = together(&weights);
        assert!((1 << 18..sum).contains(&together), "{together} of {sum}");
        drop(child.stdin.take());
        child.wait().unwrap();
        assert!(!with_descendants(&[own]).contains(&child.id()));
    }

    #[test]
    fn it_tells_too_much_from_enough_and_keeps_the_most() {
        let own = std::process::id();
        let roomy = Scales::new(u64::MAX);
        assert_eq!(roomy.heaviest(), None);
        assert!(!roomy.look(&[own]));
        let seen = roomy.heaviest().unwrap();
        assert!(seen > 1 << 20, "{seen}");
        assert!(Scales::new(seen / 2).look(&[own]));
        assert!(!roomy.look(&[]), "nothing is left");
        assert_eq!(roomy.heaviest(), Some(seen));
    }
}
