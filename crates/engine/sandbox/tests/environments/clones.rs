//! Clones: what the spawner makes of templates and clones that do not do as they should. Those that do
//! are Python's, and tested with the engine; here they are honest but for one lie.

use std::io::{IoSlice, IoSliceMut};
use std::os::fd::{BorrowedFd, RawFd};
use std::process::exit;
use std::sync::Arc;
use std::time::Duration;

use nix::errno::Errno;
use nix::sched::{CloneFlags, unshare};
use nix::sys::socket::{ControlMessage, ControlMessageOwned, MsgFlags, recvmsg, sendmsg};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{Pid, close, pipe, read, write};
use rustix::thread::{CapabilitySet, CapabilitySets};
use sandbox::{Command, Environment, Means, Process, SandboxError};

use crate::harness::{Harness, line, output, within};
use crate::isolation::{role, serves};

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
    serves(&harness).await;
}

/// That a clone which is whole does not survive its first word, and harms nobody but itself.
async fn refused_later(harness: Arc<Harness>, how: &str) {
    let Some((environment, mut process)) = template(&harness, how).await else {
        return;
    };
    let cloned = harness.isolated.clone_of(&environment, harness.spec());
    let clone = within(cloned).await.unwrap();
    let error = within(clone.start(role(&[]))).await.unwrap_err();
    let told = error.to_string();
    assert!(told.contains("clone that has ended"), "{told}");
    let again = within(clone.start(role(&[]))).await.unwrap_err();
    assert!(matches!(again, SandboxError::Os { .. }), "{again}");
    within(clone.destroy()).await.unwrap();
    serves(&harness).await;
    // The template is as it was, and nobody else holds what its clones hand over.
    let another = harness.isolated.clone_of(&environment, harness.spec());
    drop(within(another).await.unwrap());
    environment.kill_all().unwrap();
    assert_eq!(output(&mut process).await, "");
}

pub(crate) async fn honest(harness: Arc<Harness>) {
    let Some((environment, _process)) = template(&harness, "honest").await else {
        return;
    };
    let cloned = harness.isolated.clone_of(&environment, harness.spec());
    let clone = within(cloned).await.unwrap();
    let mut process = within(clone.start(role(&[]))).await.unwrap();
    assert_eq!(line(&mut process).await, "restored");
    assert_eq!(within(process.exit()).await.unwrap().code, Some(0));
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

pub(crate) async fn is_its_own_init(harness: Arc<Harness>) {
    refused(harness, "alone", "another's already").await;
}

pub(crate) async fn has_no_init(harness: Arc<Harness>) {
    refused(harness, "in-the-table", "no init").await;
}

pub(crate) async fn stayed_outside(harness: Arc<Harness>) {
    refused(harness, "outside", "outside of the clone's groups").await;
}

pub(crate) async fn has_threads(harness: Arc<Harness>) {
    refused(harness, "threads", "Threads").await;
}

pub(crate) async fn says_garbage(harness: Arc<Harness>) {
    refused_later(harness, "garbage").await;
}

pub(crate) async fn hands_over_descriptors(harness: Arc<Harness>) {
    refused_later(harness, "descriptors").await;
}

pub(crate) async fn talks_on(harness: Arc<Harness>) {
    refused_later(harness, "floods").await;
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

/// An order that nobody takes costs whoever waits for it no more than the clone. That one too many does
/// not keep the spawner is tested with its channel.
pub(crate) async fn deaf(harness: Arc<Harness>) {
    let Some((environment, _process)) = template(&harness, "deaf").await else {
        return;
    };
    for _ in 0..3 {
        let clone = harness.isolated.clone_of(&environment, harness.spec());
        let answer = tokio::time::timeout(Duration::from_millis(200), clone).await;
        assert!(answer.is_err(), "nobody answers: {answer:?}");
    }
    serves(&harness).await;
}

/// What can be made of namespaces ends somewhere, where a process has a user namespace of its own.
pub(crate) async fn bounded(harness: Arc<Harness>) {
    let capabilities = harness.isolated.capabilities();
    let cloneable = capabilities.can_clone();
    if !cloneable && capabilities.isolation.means != Means::UserNamespaces {
        harness.skip("this host has neither clones nor user namespaces for functions");
        return;
    }
    let most = if cloneable { "4096" } else { "0" };
    for (kind, most) in [("user", "0"), ("time", "0"), ("net", most), ("mnt", most)] {
        let environment = harness.isolated.create(harness.spec()).await.unwrap();
        let file = format!("/proc/sys/user/max_{kind}_namespaces");
        let command = Command {
            cloneable,
            ..role(&["attempt", "read", &file])
        };
        let mut process = environment.start(command).await.unwrap();
        let told = output(&mut process).await;
        assert_eq!(told.trim(), format!("done {most}"), "{kind}");
    }
}

/// A template that takes orders.
pub(crate) fn play(how: &str) {
    let channel: RawFd = std::env::var("_LAMBDALAB_CLONES_FD")
        .unwrap()
        .parse()
        .unwrap();
    println!("ready");
    if how == "deaf" {
        park();
    }
    loop {
        let descriptors = hear(channel);
        let (report, entrances) = descriptors.split_first().unwrap();
        match how {
            "ends" => return,
            "keeps" => say(*report, "\"Keeper\"", &[]),
            "babbles" => say(*report, "{}", &[]),
            _ if fork(libc::CLONE_PARENT) == 0 => keep(*report, entrances, how),
            _ => {}
        }
        descriptors.iter().for_each(|it| close(*it).unwrap());
    }
}

fn park() -> ! {
    loop {
        std::thread::park();
    }
}

/// The first process of a clone.
fn keep(report: RawFd, entrances: &[RawFd], how: &str) -> ! {
    for entrance in entrances {
        if how != "outside" {
            write(borrowed(*entrance), b"0").unwrap();
        }
        close(*entrance).unwrap();
    }
    let namespaces = CloneFlags::CLONE_NEWNS
        | CloneFlags::CLONE_NEWPID
        | CloneFlags::CLONE_NEWNET
        | CloneFlags::CLONE_NEWIPC
        | CloneFlags::CLONE_NEWUTS
        | CloneFlags::CLONE_NEWCGROUP;
    if how != "in-the-table" {
        unshare(namespaces).unwrap();
    }
    rustix::thread::clear_ambient_capability_set().unwrap();
    let none = CapabilitySets {
        effective: CapabilitySet::empty(),
        permitted: CapabilitySet::empty(),
        inheritable: CapabilitySet::empty(),
    };
    rustix::thread::set_capabilities(None, none).unwrap();
    say(report, "\"Keeper\"", &[]);
    if how == "alone" {
        say(report, "\"Init\"", &[]);
        park();
    }
    let (told, tells) = pipe().unwrap();
    if fork(libc::CLONE_PARENT) == 0 {
        say(report, "\"Init\"", &[]);
        close(report).unwrap();
        drop((told, tells));
        park();
    }
    drop(tells);
    // Nothing is ever written: the end tells that the init has reported.
    read(&told, &mut [0]).unwrap();
    let function = fork(0);
    if function == 0 {
        be_function(report, how);
    }
    close(report).unwrap();
    match waitpid(Pid::from_raw(function), None) {
        Ok(WaitStatus::Exited(_, code)) => exit(code),
        _ => exit(70),
    }
}

fn be_function(report: RawFd, how: &str) -> ! {
    if how == "threads" {
        std::thread::spawn(|| park());
    }
    say(report, "\"Function\"", &[]);
    let outputs = hear(report);
    match how {
        "garbage" => say(report, "garbage", &[]),
        // The template's own output, which it has inherited.
        "descriptors" => say(report, "\"Executing\"", &[1; 200]),
        "floods" => loop {
            say(report, "\"Executing\"", &[]);
        },
        _ => {
            say(report, "\"Executing\"", &[]);
            write(borrowed(outputs[0]), b"restored\n").unwrap();
            exit(0);
        }
    }
    park()
}

/// The descriptors of a message.
fn hear(channel: RawFd) -> Vec<RawFd> {
    let mut buffer = vec![0; 192 * 1024];
    let mut slices = [IoSliceMut::new(&mut buffer)];
    let mut control = nix::cmsg_space!([RawFd; 16]);
    let none = MsgFlags::empty();
    let message = recvmsg::<()>(channel, &mut slices, Some(&mut control), none).unwrap();
    let mut parts = message.cmsgs().unwrap();
    let descriptors = parts.find_map(|part| match part {
        ControlMessageOwned::ScmRights(descriptors) => Some(descriptors),
        _ => None,
    });
    descriptors.unwrap_or_default()
}

fn say(channel: RawFd, word: &str, descriptors: &[RawFd]) {
    let slices = [IoSlice::new(word.as_bytes())];
    let rights = [ControlMessage::ScmRights(descriptors)];
    let rights = if descriptors.is_empty() {
        &[]
    } else {
        &rights[..]
    };
    match sendmsg::<()>(channel, &slices, rights, MsgFlags::MSG_NOSIGNAL, None) {
        // The spawner has heard enough.
        Err(Errno::EPIPE | Errno::ECONNRESET) => park(),
        sent => assert_eq!(sent, Ok(word.len())),
    }
}

#[expect(unsafe_code, reason = "what was received by number has no owner here")]
fn borrowed<'a>(descriptor: RawFd) -> BorrowedFd<'a> {
    // SAFETY: it was just received, and is not closed before this has been used.
    unsafe { BorrowedFd::borrow_raw(descriptor) }
}

/// Forks, also a sibling, for which there is no safe function. `0` in the child.
#[expect(
    unsafe_code,
    reason = "a clone's processes are its template's siblings"
)]
fn fork(flags: i32) -> i32 {
    // SAFETY: without a stack this is a fork, and this process has one thread.
    let pid = unsafe { libc::syscall(libc::SYS_clone, flags | libc::SIGCHLD, 0, 0, 0, 0) };
    i32::try_from(Errno::result(pid).unwrap()).unwrap()
}
