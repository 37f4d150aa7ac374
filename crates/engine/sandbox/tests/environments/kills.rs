//! Nothing outlives the engine, however it ends.

use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use sandbox::Means;

use crate::harness::{Harness, eventually, group_directories, processes, role};

/// An engine in a process of its own.
struct Engine {
    process: Child,
    output: BufReader<ChildStdout>,
    spawner: u32,
    marker: String,
    /// Its control groups, except in the bare mode.
    groups: String,
}

impl Engine {
    /// Starts one, and waits until it has its two trees.
    fn start(harness: &Harness, mode: &str) -> Self {
        let marker = format!("marker-{}", harness.spec().id);
        let command = role(&["engine", mode, &marker]);
        let mut process = Command::new(command.program)
            .args(command.args)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut output = BufReader::new(process.stdout.take().unwrap());
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        let spawner = line.trim().parse().expect("its spawner's number");
        let groups = format!("lambdalab-{}-", process.id());
        Self {
            process,
            output,
            spawner,
            marker,
            groups,
        }
    }

    async fn assert_alive(&self) {
        // In each tree the root, its child, and the grandchild that left.
        eventually("both trees have grown", || {
            processes(&self.marker).len() == 6
        })
        .await;
        assert!(!group_directories(&self.groups).is_empty());
    }

    fn guard(&self) -> Option<u32> {
        let spawner = self.spawner;
        let children = format!("/proc/{spawner}/task/{spawner}/children");
        let children = std::fs::read_to_string(children).ok()?;
        children
            .split_whitespace()
            .find(|pid| {
                std::fs::read_to_string(format!("/proc/{pid}/comm"))
                    .is_ok_and(|name| name.trim() == "lambdalab-guard")
            })?
            .parse()
            .ok()
    }

    fn kill_engine(&mut self) {
        self.process.kill().unwrap();
    }

    fn reap(&mut self) {
        self.process.wait().unwrap();
    }

    async fn assert_gone(&self) {
        eventually("all processes end", || processes(&self.marker).is_empty()).await;
        eventually("the control groups are removed", || {
            group_directories(&self.groups).is_empty()
        })
        .await;
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        // For tests that failed half way; the rest follows from the engine's death.
        let _ended = self.process.kill();
        let _reaped = self.process.wait();
    }
}

fn signal(pid: u32, signal: Signal) {
    kill(Pid::from_raw(i32::try_from(pid).unwrap()), signal).unwrap();
}

/// Whether engines have control groups here by which they are swept.
fn swept(harness: &Harness) -> bool {
    let swept = harness.grouped.capabilities().kill.means == Means::CgroupV2;
    if !swept {
        harness.skip("no cgroup v2 directory can be made here");
    }
    swept
}

pub(crate) async fn engine(harness: Arc<Harness>) {
    if !swept(&harness) {
        return;
    }
    let mut engine = Engine::start(&harness, "grouped");
    engine.assert_alive().await;
    engine.kill_engine();
    engine.reap();
    engine.assert_gone().await;
}

pub(crate) async fn spawner(harness: Arc<Harness>) {
    if !swept(&harness) {
        return;
    }
    let mut engine = Engine::start(&harness, "grouped");
    engine.assert_alive().await;
    signal(engine.spawner, Signal::SIGKILL);
    let mut line = String::new();
    engine.output.read_line(&mut line).unwrap();
    assert_eq!(line.trim(), "Err(SpawnerGone) Err(SpawnerGone)");
    engine.reap();
    engine.assert_gone().await;
}

pub(crate) async fn both(harness: Arc<Harness>) {
    if !swept(&harness) {
        return;
    }
    for spawner_first in [true, false] {
        let mut engine = Engine::start(&harness, "grouped");
        engine.assert_alive().await;
        if spawner_first {
            signal(engine.spawner, Signal::SIGKILL);
            engine.kill_engine();
        } else {
            engine.kill_engine();
            signal(engine.spawner, Signal::SIGKILL);
        }
        engine.reap();
        engine.assert_gone().await;
    }
}

pub(crate) async fn stuck_spawner(harness: Arc<Harness>) {
    if !swept(&harness) {
        return;
    }
    let mut engine = Engine::start(&harness, "grouped");
    signal(engine.spawner, Signal::SIGSTOP);
    engine.kill_engine();
    engine.reap();
    engine.assert_gone().await;
}

/// An engine that was killed with all that would have cleared up behind it.
async fn all_killed(harness: &Harness) -> Engine {
    let mut engine = Engine::start(harness, "grouped");
    engine.assert_alive().await;
    let guard = engine.guard().expect("a guard");
    // None of them may act on the death of another.
    for pid in [engine.spawner, guard] {
        signal(pid, Signal::SIGSTOP);
    }
    for pid in [guard, engine.spawner] {
        signal(pid, Signal::SIGKILL);
    }
    engine.kill_engine();
    engine.reap();
    eventually("the spawner ends", || {
        !std::path::Path::new(&format!("/proc/{}", engine.spawner)).exists()
    })
    .await;
    engine
}

pub(crate) async fn all(harness: Arc<Harness>) {
    /// Any engine that starts on this host sweeps, which one of another test run's may do first.
    const ATTEMPTS: usize = 5;
    if !swept(&harness) {
        return;
    }
    let mut left = None;
    for _ in 0..ATTEMPTS {
        let engine = all_killed(&harness).await;
        if !processes(&engine.marker).is_empty() && !group_directories(&engine.groups).is_empty() {
            left = Some(engine);
            break;
        }
        engine.assert_gone().await;
    }
    let engine = left.expect("what left its parent is still there");

    let mut next = Engine::start(&harness, "grouped");
    engine.assert_gone().await;
    next.assert_alive().await;
    next.kill_engine();
    next.reap();
    next.assert_gone().await;
}

pub(crate) async fn guard(harness: Arc<Harness>) {
    if !swept(&harness) {
        return;
    }
    let mut engine = Engine::start(&harness, "grouped");
    let first = engine.guard().expect("a guard");
    signal(first, Signal::SIGKILL);
    eventually("there is another guard", || {
        engine.guard().is_some_and(|guard| guard != first)
    })
    .await;
    engine.assert_alive().await;
    signal(engine.spawner, Signal::SIGKILL);
    engine.kill_engine();
    engine.reap();
    engine.assert_gone().await;
}

pub(crate) async fn bare(harness: Arc<Harness>) {
    let mut engine = Engine::start(&harness, "bare");
    eventually("both trees have grown", || {
        processes(&engine.marker).len() == 6
    })
    .await;
    engine.kill_engine();
    engine.reap();
    eventually("all processes end", || processes(&engine.marker).is_empty()).await;

    // Without the spawner to inherit them, those that left their session are out of reach.
    let mut engine = Engine::start(&harness, "bare");
    signal(engine.spawner, Signal::SIGKILL);
    engine.kill_engine();
    engine.reap();
    eventually("all but two processes end", || {
        processes(&engine.marker).len() == 2
    })
    .await;
    for pid in processes(&engine.marker) {
        signal(pid, Signal::SIGKILL);
    }
    eventually("they end", || processes(&engine.marker).is_empty()).await;
}

pub(crate) async fn isolated(harness: Arc<Harness>) {
    if !harness.isolated.capabilities().isolates() {
        harness.skip("this host lets nothing be isolated");
        return;
    }
    for spawner_too in [false, true] {
        let mut engine = Engine::start(&harness, "isolated");
        eventually("both trees have grown", || {
            processes(&engine.marker).len() == 6
        })
        .await;
        if spawner_too {
            // The init of each process table ends with its parent, and all others with it.
            signal(engine.spawner, Signal::SIGKILL);
        }
        engine.kill_engine();
        engine.reap();
        engine.assert_gone().await;
    }
}
