//! Clones: what the spawner makes of templates that do not do as they should. Those that do are
//! Python's, and tested with the engine.

use std::io::IoSliceMut;
use std::os::fd::RawFd;
use std::sync::Arc;

use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg, send};
use sandbox::{Command, Environment, Process};

use crate::harness::{Harness, line, within};
use crate::isolation::role;

/// A template in one of the roles below; `None`, and said so, where nothing can be cloned.
async fn template(harness: &Harness, how: &str) -> Option<(Environment, Process)> {
    if !harness.isolated.capabilities().can_clone() {
        harness.skip("this host lets no process be cloned");
        return None;
    }
    let environment = harness.isolated.create(harness.spec()).await.unwrap();
    let command = Command {
        cloneable: true,
        ..role(&["template", how])
    };
    let mut process = environment.start(command).await.unwrap();
    assert_eq!(line(&mut process).await, "ready");
    Some((environment, process))
}

/// That no clone comes of it, and that others are served as before.
async fn refused(harness: Arc<Harness>, how: &str, why: &str) {
    let Some((environment, _process)) = template(&harness, how).await else {
        return;
    };
    let clone = harness.isolated.clone_of(&environment, harness.spec());
    let error = within(clone).await.unwrap_err().to_string();
    assert!(error.contains(why), "{error}");
    let other = harness.isolated.create(harness.spec()).await.unwrap();
    let mut process = other.start(role(&["print", "served"])).await.unwrap();
    assert_eq!(line(&mut process).await, "served");
}

pub(crate) async fn kept_its_rights(harness: Arc<Harness>) {
    refused(harness, "keeps", "CapInh").await;
}

pub(crate) async fn ended(harness: Arc<Harness>) {
    refused(harness, "ends", "clone that has ended").await;
}

pub(crate) async fn talks_nonsense(harness: Arc<Harness>) {
    refused(harness, "babbles", "clone that has ended").await;
}

pub(crate) async fn not_one(harness: Arc<Harness>) {
    let Some((_, _)) = template(&harness, "ends").await else {
        return;
    };
    let environment = harness.isolated.create(harness.spec()).await.unwrap();
    let _process = environment.start(role(&["sleep"])).await.unwrap();
    let clone = harness.isolated.clone_of(&environment, harness.spec());
    let error = within(clone).await.unwrap_err().to_string();
    assert!(error.contains("ask for a clone"), "{error}");
}

/// A template that takes one order, and answers it by itself.
pub(crate) fn play(how: &str) {
    let channel: RawFd = std::env::var("_LAMBDALAB_CLONES_FD")
        .unwrap()
        .parse()
        .unwrap();
    println!("ready");
    let mut buffer = [0; 1024];
    let mut slices = [IoSliceMut::new(&mut buffer)];
    let mut control = nix::cmsg_space!([RawFd; 16]);
    let order = recvmsg::<()>(channel, &mut slices, Some(&mut control), MsgFlags::empty()).unwrap();
    let report = order.cmsgs().unwrap().find_map(|part| match part {
        ControlMessageOwned::ScmRights(descriptors) => descriptors.first().copied(),
        _ => None,
    });
    let word: &[u8] = match how {
        "keeps" => b"\"Keeper\"",
        "babbles" => b"{}",
        _ => return,
    };
    send(report.unwrap(), word, MsgFlags::empty()).unwrap();
    loop {
        std::thread::park();
    }
}
