//! The namespaces that the processes of one environment share: whoever is started beside others enters
//! what the first of them has made.
//!
//! The first one hands them out itself, just before it becomes its program. From outside they would
//! take the right to trace it by then, for it has become another user.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::sched::{CloneFlags, setns};

use super::realm;
use crate::protocol::Refused;

/// In the order in which they are handed out and entered. The files come last: what is named outside
/// is not in sight any more from then on. The network is the spawner's to know.
const KINDS: [(&str, CloneFlags); 4] = [
    ("uts", CloneFlags::CLONE_NEWUTS),
    ("ipc", CloneFlags::CLONE_NEWIPC),
    ("cgroup", CloneFlags::CLONE_NEWCGROUP),
    ("mnt", CloneFlags::CLONE_NEWNS),
];

/// The namespaces of an environment in which a process runs.
#[derive(Debug)]
pub(crate) struct Quarters {
    processes: OwnedFd,
    others: Vec<OwnedFd>,
}

impl Quarters {
    /// Those of this process, to be handed out.
    pub(crate) fn own() -> Result<Vec<OwnedFd>, Refused> {
        let kinds = KINDS.iter().map(|(kind, _)| *kind);
        std::iter::once("pid")
            .chain(kinds)
            .map(realm::name)
            .collect()
    }

    /// What a process has handed out; nothing where it has none to share.
    pub(crate) fn received(descriptors: Vec<OwnedFd>) -> Option<Self> {
        let mut descriptors = descriptors.into_iter();
        let processes = descriptors.next()?;
        let others: Vec<OwnedFd> = descriptors.collect();
        (others.len() == KINDS.len()).then_some(Self { processes, others })
    }

    /// Has this process fork into the process table. It stays where it is, and there is no way back:
    /// for processes that do nothing else.
    pub(crate) fn open(&self) -> Result<(), Refused> {
        setns(&self.processes, CloneFlags::CLONE_NEWPID)
            .map_err(Refused::to("enter a process table"))
    }

    /// Enters all the others.
    pub(crate) fn enter(&self) -> Result<(), Refused> {
        let mut others = self.others.iter().zip(KINDS);
        others.try_for_each(|(namespace, (kind, flag))| {
            setns(namespace, flag).map_err(Refused::to(format!("enter the {kind} namespace")))
        })
    }

    /// What a process that shall enter them must keep open.
    pub(crate) fn descriptors(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.others.iter().map(AsFd::as_fd)
    }
}
