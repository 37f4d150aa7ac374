//! Freezing and thawing.

use std::sync::Arc;

use sandbox::Means;

use crate::harness::{Harness, eventually, line, role, within};

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
