//! What a roster keeps under its lock: the members, and who waits for what of them.

use bytes::Bytes;
use ids::RequestId;
use tokio::sync::oneshot;

use super::Complaint;
use super::member::{Member, State};
use crate::invoke::failure::Failure;

/// What is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Until {
    /// Every external extension has registered.
    Registered,
    /// All of them wait for an event.
    Resting,
    /// Those that were told of the shutdown have ended.
    Gone,
}

/// Resolves when that has come true, or an extension was lost before.
pub(crate) type Awaited = oneshot::Receiver<Result<(), Failure>>;

/// The members of one environment, and what is the case with all of them.
#[derive(Debug)]
pub(super) struct Book {
    pub(super) members: Vec<Member>,
    /// Whether the init phase goes on, in which extensions register.
    pub(super) open: bool,
    /// The first that was lost, and how.
    pub(super) failure: Option<Failure>,
    /// Whether it was lost when nobody waited for them: whoever takes note of that must see to the
    /// environment.
    pub(super) deserted: bool,
    pub(super) waiting: Vec<(Until, oneshot::Sender<Result<(), Failure>>)>,
    /// Whether the runtime waits for its next event, and the environment for its extensions.
    pub(super) runtime_waits: bool,
    /// Whether their ends are expected.
    pub(super) closing: bool,
    /// What those are told of it that ask for an event.
    pub(super) farewell: Option<Bytes>,
}

impl Book {
    /// That of an init phase which begins with these.
    pub(super) fn new(members: Vec<Member>) -> Self {
        Self {
            members,
            open: true,
            failure: None,
            deserted: false,
            waiting: Vec::new(),
            runtime_waits: false,
            closing: false,
            farewell: None,
        }
    }

    /// The extension with that identifier.
    pub(super) fn member(&mut self, id: RequestId) -> Result<&mut Member, Complaint> {
        let mut members = self.members.iter_mut();
        members
            .find(|member| member.id == Some(id))
            .ok_or(Complaint::Unknown)
    }

    pub(super) fn named(&mut self, name: &str) -> Option<&mut Member> {
        let mut members = self.members.iter_mut();
        members.find(|member| member.external && member.name == name)
    }

    pub(super) fn is(&self, until: Until) -> bool {
        self.members.iter().all(|member| match until {
            Until::Registered => !matches!(member.state, State::Started),
            Until::Resting => matches!(member.state, State::Ready(_)),
            Until::Gone => {
                let told = member.external && member.interests.shutdown;
                !told || matches!(member.state, State::Ended | State::Failed(_))
            }
        })
    }

    /// Tells those who wait for what has come true.
    pub(super) fn settle(&mut self) {
        for (until, sender) in std::mem::take(&mut self.waiting) {
            let outcome = match &self.failure {
                Some(failure) => Err(failure.clone()),
                None if self.is(until) => Ok(()),
                None => {
                    self.waiting.push((until, sender));
                    continue;
                }
            };
            let _gave_up = sender.send(outcome);
        }
    }

    /// The environment is lost. Returns the reason, which is the first that there was.
    pub(super) fn lose(&mut self, failure: Failure) -> Failure {
        if self.failure.is_none() {
            self.deserted = self.waiting.is_empty() && !self.closing;
        }
        let failure = self.failure.get_or_insert(failure).clone();
        self.settle();
        failure
    }
}
