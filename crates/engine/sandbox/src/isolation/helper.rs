//! Processes that do one thing at the engine's start and end: what they try must not touch the
//! engine's own namespaces, user or rights.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use nix::sys::wait::waitpid;
use nix::unistd::ForkResult;
use serde::{Deserialize, Serialize};

use crate::protocol::{Failure, Refused, decode};
use crate::{SandboxError, channel, sys};

/// What a helper says in the end. What it made comes along.
#[derive(Debug, Serialize, Deserialize)]
enum Outcome {
    Done,
    Failed(Failure),
}

/// Has a helper do something, and takes the descriptors that come of it.
pub(super) fn run(
    work: impl FnOnce() -> Result<Vec<OwnedFd>, Refused>,
) -> Result<Vec<OwnedFd>, Refused> {
    let (ours, theirs) = channel::pair().map_err(Refused::to("make a socket pair"))?;
    match sys::fork_single_threaded().map_err(Refused::to("fork a helper"))? {
        ForkResult::Child => crate::spawner::run(|| {
            let (outcome, made) = match work() {
                Ok(made) => (Outcome::Done, made),
                Err(refused) => (Outcome::Failed(refused.into()), Vec::new()),
            };
            let text = serde_json::to_vec(&outcome).map_err(Refused::to("write a word"))?;
            channel::send(theirs.as_fd(), &text, &made).map_err(Refused::to("tell the engine"))
        }),
        ForkResult::Parent { child } => {
            drop(theirs);
            let told = listen(&ours);
            let _reaped = waitpid(child, None);
            told
        }
    }
}

fn listen(channel: &OwnedFd) -> Result<Vec<OwnedFd>, Refused> {
    let mut buffer = [0; 8 * 1024];
    let received = channel::receive(channel.as_fd(), &mut buffer, true)
        .map_err(Refused::to("hear of a helper"))?
        .ok_or_else(|| Refused {
            doing: "hear of a helper, which ended without a word".to_owned(),
            source: io::ErrorKind::UnexpectedEof.into(),
        })?;
    let text = buffer.get(..received.length).unwrap_or_default();
    match decode(text).map_err(Refused::to("understand a helper"))? {
        Outcome::Done => Ok(received.descriptors),
        Outcome::Failed(failure) => Err(match SandboxError::from(failure) {
            SandboxError::Os { doing, source } => Refused { doing, source },
            other => Refused {
                doing: other.to_string(),
                source: io::ErrorKind::Other.into(),
            },
        }),
    }
}
