//! Several processes in one environment, and connections into it.

use std::io::{Read, Write};
use std::sync::Arc;

use sandbox::{Environment, RUNTIME_API_PORT, SandboxError};

use crate::harness::{Harness, eventually, output, role, within};
use crate::isolation;

/// Each one ends by itself, and what runs alone is not disturbed.
pub(crate) async fn ends(harness: Arc<Harness>) {
    for sandbox in harness.both() {
        let environment = harness.environment(sandbox).await;
        let first = environment.start_beside(role(&["sleep"])).await.unwrap();
        let mut second = environment
            .start_beside(role(&["print", "beside"]))
            .await
            .unwrap();
        assert_eq!(output(&mut second).await.trim(), "beside");
        assert_eq!(within(second.exit()).await.unwrap().code, Some(0));
        let alone = environment.start(role(&["sleep"])).await;
        assert!(matches!(alone, Err(SandboxError::Busy { .. })), "{alone:?}");
        let third = environment.start_beside(role(&["sleep"])).await.unwrap();
        environment.terminate(&third).unwrap();
        assert_eq!(within(third.exit()).await.unwrap().signal, Some(15));
        environment.kill_all().unwrap();
        assert_eq!(within(first.exit()).await.unwrap().signal, Some(9));
        // Nothing happens to what has ended.
        environment.terminate(&first).unwrap();

        let alone = environment.start(role(&["sleep"])).await.unwrap();
        let beside = environment.start_beside(role(&["sleep"])).await;
        assert!(
            matches!(beside, Err(SandboxError::Busy { .. })),
            "{beside:?}"
        );
        environment.kill_all().unwrap();
        within(alone.exit()).await.unwrap();
        environment.destroy().await.unwrap();
    }
}

/// The namespaces in which a process of an environment runs.
async fn namespaces(environment: &Environment) -> String {
    let role = isolation::role(&["namespaces"]);
    let mut process = environment.start_beside(role).await.unwrap();
    let text = output(&mut process).await;
    assert_eq!(
        within(process.exit()).await.unwrap().code,
        Some(0),
        "{text}"
    );
    text
}

/// They share what the first one made, and have no more rights than it has.
pub(crate) async fn shares(harness: Arc<Harness>) {
    let Some(environment) = isolation::sized(&harness, harness.spec()).await else {
        return;
    };
    let first = environment
        .start_beside(isolation::role(&["sleep"]))
        .await
        .unwrap();
    let seen = namespaces(&environment).await;
    assert_eq!(namespaces(&environment).await, seen);
    assert!(seen.contains("CapEff:\t0000000000000000"), "{seen}");
    assert!(seen.contains("Seccomp:\t2"), "{seen}");
    environment.kill_all().unwrap();
    within(first.exit()).await.unwrap();
    assert_ne!(namespaces(&environment).await, seen, "all were gone");
    environment.destroy().await.unwrap();
}

/// What connects is inside, wherever it is held.
pub(crate) async fn connects(harness: Arc<Harness>) {
    let Some(environment) = isolation::sized(&harness, harness.spec()).await else {
        return;
    };
    let listener = environment.listener().unwrap();
    let mut inside = environment.connect(RUNTIME_API_PORT).await.unwrap();
    let mut accepted = None;
    eventually("a connection is accepted", || {
        accepted = listener.accept().ok();
        accepted.is_some()
    })
    .await;
    let (mut outside, peer) = accepted.unwrap();
    assert!(peer.ip().is_loopback());
    inside.set_nonblocking(false).unwrap();
    outside.set_nonblocking(false).unwrap();
    outside.write_all(b"heard").unwrap();
    let mut text = [0; 5];
    inside.read_exact(&mut text).unwrap();
    assert_eq!(&text, b"heard");
    environment.destroy().await.unwrap();
}
