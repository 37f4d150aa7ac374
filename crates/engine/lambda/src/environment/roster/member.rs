//! One extension: what it is told of, and where it stands.

use bytes::Bytes;
use ids::RequestId;
use tokio::sync::oneshot;

use super::Complaint;

/// What an extension asks to be told of.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Interests {
    pub(crate) invoke: bool,
    pub(crate) shutdown: bool,
}

impl Interests {
    /// As the log names them.
    pub(crate) fn names(self) -> Vec<&'static str> {
        let invoke = self.invoke.then_some("INVOKE");
        invoke
            .into_iter()
            .chain(self.shutdown.then_some("SHUTDOWN"))
            .collect()
    }
}

/// What the log says of an extension.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Description {
    pub(crate) name: String,
    pub(crate) state: &'static str,
    pub(crate) interests: Interests,
    pub(crate) error_type: Option<String>,
}

/// One extension.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) id: Option<RequestId>,
    pub(super) name: String,
    pub(super) external: bool,
    pub(super) interests: Interests,
    pub(super) state: State,
    pub(super) error_type: Option<String>,
}

/// Where it stands.
#[derive(Debug)]
pub(super) enum State {
    Started,
    Registered,
    Ready(oneshot::Sender<Bytes>),
    Working,
    Failed(&'static str),
    Ended,
}

impl State {
    /// As AWS calls it.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Started => "Started",
            Self::Registered => "Registered",
            Self::Ready(_) => "Ready",
            Self::Working => "Running",
            Self::Failed(name) => name,
            Self::Ended => "Exited",
        }
    }
}

impl Member {
    /// An external one, which is about to be started.
    pub(super) fn started(name: String) -> Self {
        Self {
            id: None,
            name,
            external: true,
            interests: Interests::default(),
            state: State::Started,
            error_type: None,
        }
    }

    /// One in the runtime's process, which registers.
    pub(super) fn internal(id: RequestId, name: &str, interests: Interests) -> Self {
        Self {
            id: Some(id),
            name: name.to_owned(),
            external: false,
            interests,
            state: State::Registered,
            error_type: None,
        }
    }

    /// As the log tells of it.
    pub(super) fn describe(&self) -> Description {
        Description {
            name: self.name.clone(),
            state: self.state.name(),
            interests: self.interests,
            error_type: self.error_type.clone(),
        }
    }

    /// Hands it an event, if it wants such a one and waits.
    pub(super) fn tell(&mut self, wants: impl FnOnce(Interests) -> bool, event: &Bytes) {
        if !wants(self.interests) {
            return;
        }
        self.state = match std::mem::replace(&mut self.state, State::Working) {
            // Who has hung up dies, or asks again.
            State::Ready(waiting) => {
                let _hung_up = waiting.send(event.clone());
                State::Working
            }
            before => before,
        };
    }

    /// Why a call that would move it to `to` is refused.
    pub(super) fn misfit(&self, to: &'static str) -> Complaint {
        Complaint::WrongState {
            from: self.state.name(),
            to,
        }
    }
}
