//! Freezing and thawing.

use std::sync::Arc;

use nix::unistd::geteuid;
use sandbox::Means;

use crate::harness::{Harness, eventually, line, role, within};
use crate::isolation;

pub(crate) async fn stands(harness: Arc<Harness>) {
    if harness.grouped.capabilities().freeze.means != Means::CgroupV2 {
        harness.skip("no cgroup v2 directory can be made here");
        return;
    }
    let environment = harness.environment(&harness.grouped).await;
    let mut process = environment.start(role(&["spin"])).await.unwrap();
    line(&mut process).await;
    let used = || environment.cpu_time().unwrap().unwrap();
    for _ in 0..3 {
        within(environment.freeze()).await.unwrap();
        let frozen = used();
        // Another one gets all that it wants meanwhile, so time does pass.
        let other = harness.environment(&harness.grouped).await;
        let process = other.start(role(&["exit", "0"])).await.unwrap();
        within(process.exit()).await.unwrap();
        assert_eq!(used(), frozen);
        environment.thaw().unwrap();
        eventually("it goes on", || used() > frozen).await;
    }
    within(environment.freeze()).await.unwrap();
    environment.destroy().await.unwrap();
}

pub(crate) async fn overtaken(harness: Arc<Harness>) {
    let environment = harness.environment(&harness.grouped).await;
    let mut process = environment.start(role(&["spin"])).await.unwrap();
    line(&mut process).await;
    for _ in 0..100 {
        let thaw = async { environment.thaw().unwrap() };
        let (frozen, ()) = within(async { tokio::join!(environment.freeze(), thaw) }).await;
        frozen.unwrap();
    }
    let before = environment.cpu_time().unwrap();
    eventually("it runs", || environment.cpu_time().unwrap() > before).await;
    environment.destroy().await.unwrap();
}

pub(crate) async fn killed(harness: Arc<Harness>) {
    for sandbox in harness.both() {
        let environment = harness.environment(sandbox).await;
        let process = environment.start(role(&["sleep"])).await.unwrap();
        within(environment.freeze()).await.unwrap();
        environment.kill_all().unwrap();
        assert_eq!(within(process.exit()).await.unwrap().signal, Some(9));
        // Starting thaws what was frozen.
        let process = environment.start(role(&["exit", "3"])).await.unwrap();
        assert_eq!(within(process.exit()).await.unwrap().code, Some(3));
        environment.destroy().await.unwrap();
    }
}

pub(crate) async fn by_signals(harness: Arc<Harness>) {
    let environment = harness.environment(&harness.bare).await;
    let mut process = environment.start(role(&["spin"])).await.unwrap();
    line(&mut process).await;
    let pid = process.pid();
    let state = || {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        stat.rsplit_once(") ").unwrap().1.chars().next().unwrap()
    };
    within(environment.freeze()).await.unwrap();
    eventually("it stops", || state() == 'T').await;
    environment.thaw().unwrap();
    eventually("it runs", || state() == 'R').await;
    environment.destroy().await.unwrap();
}

/// The children of the spawner that stand still, each with what it holds.
fn standing(spawner: u32) -> Vec<Vec<String>> {
    let children = format!("/proc/{spawner}/task/{spawner}/children");
    let children = std::fs::read_to_string(children).unwrap();
    let held = |pid: &str| {
        let groups = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?;
        let unified = groups.lines().find_map(|line| line.strip_prefix("0::/"))?;
        let events = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"]
            .map(|root| format!("{root}/{unified}/cgroup.events"));
        let mut events = events
            .iter()
            .filter_map(|at| std::fs::read_to_string(at).ok());
        if !events.next()?.contains("frozen 1") {
            return None;
        }
        let links = std::fs::read_dir(format!("/proc/{pid}/fd")).ok()?;
        let links = links.filter_map(|link| std::fs::read_link(link.ok()?.path()).ok());
        let held: Vec<String> = links.map(|link| link.display().to_string()).collect();
        // Who was killed has let go of everything.
        (!held.is_empty()).then_some(held)
    };
    children.split_whitespace().filter_map(held).collect()
}

/// What is prepared in an environment that stands still holds nothing of others: neither the spawner's
/// own, nor listeners and ways out.
pub(crate) async fn forked_into(harness: Arc<Harness>) {
    if !geteuid().is_root() || harness.isolated.capabilities().freeze.means != Means::CgroupV2 {
        harness.skip("it takes root to look, and cgroup v2 to freeze");
        return;
    }
    let Some(environment) = isolation::sized(&harness, harness.spec()).await else {
        return;
    };
    let process = environment.start(isolation::role(&["sleep"])).await;
    let process = process.unwrap();
    within(environment.freeze()).await.unwrap();
    environment.kill_all().unwrap();
    within(process.exit()).await.unwrap();
    let mut found = Vec::new();
    eventually("another one is prepared", || {
        found = standing(harness.isolated.spawner_pid());
        found.len() >= 2
    })
    .await;
    // The last one is what it has entered its group by.
    let own = ["/dev/null", "mnt:[", "socket:[", "/sys/fs/cgroup/"];
    let is_own = |link: &&String| own.iter().any(|own| link.starts_with(own));
    let foreign: Vec<_> = found.iter().flatten().filter(|it| !is_own(it)).collect();
    assert!(foreign.is_empty(), "{found:?}");
    // Of sockets, the channel of the one that waits for its command.
    let sockets = found.iter().flatten();
    let sockets = sockets.filter(|link| link.starts_with("socket:["));
    assert_eq!(sockets.count(), 1, "{found:?}");
    environment.destroy().await.unwrap();
}
