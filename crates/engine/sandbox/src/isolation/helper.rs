//! Processes that do one thing for another: what they do to their own namespaces, user or rights must
//! not touch those of the process that they do it for.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use nix::sys::wait::waitpid;
use nix::unistd::ForkResult;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::protocol::{Failure, Refused, decode};
use crate::{SandboxError, channel, forked, sys};

/// What a helper says in the end. What it made comes along.
#[derive(Debug, Serialize, Deserialize)]
enum Outcome<T> {
    Done(T),
    Failed(Failure),
}

/// What a helper found out, and the descriptors of what it made.
pub(crate) type Made<T> = Result<(T, Vec<OwnedFd>), Refused>;

/// Has a helper do something, and takes what comes of it.
pub(crate) fn run<T: Serialize + DeserializeOwned>(work: impl FnOnce() -> Made<T>) -> Made<T> {
    let (ours, theirs) = channel::pair().map_err(Refused::to("make a socket pair"))?;
    match sys::fork_single_threaded().map_err(Refused::to("fork a helper"))? {
        ForkResult::Child => forked::run(|| {
            drop(ours);
            let (outcome, made) = match work() {
                Ok((told, made)) => (Outcome::Done(told), made),
                Err(refused) => (Outcome::Failed(refused.into()), Vec::new()),
            };
            let text = serde_json::to_vec(&outcome).map_err(Refused::to("write a word"))?;
            channel::send(theirs.as_fd(), &text, &made).map_err(Refused::to("tell of the work"))
        }),
        ForkResult::Parent { child } => {
            drop(theirs);
            let told = listen(&ours);
            let _reaped = waitpid(child, None);
            told
        }
    }
}

/// The same for work that brings descriptors alone.
pub(crate) fn make(
    work: impl FnOnce() -> Result<Vec<OwnedFd>, Refused>,
) -> Result<Vec<OwnedFd>, Refused> {
    run(|| Ok(((), work()?))).map(|((), made)| made)
}

fn listen<T: DeserializeOwned>(channel: &OwnedFd) -> Made<T> {
    let mut buffer = [0; 8 * 1024];
    let received = channel::receive(channel.as_fd(), &mut buffer, true)
        .map_err(Refused::to("hear of a helper"))?
        .ok_or_else(|| Refused {
            doing: "hear of a helper, which ended without a word".to_owned(),
            source: io::ErrorKind::UnexpectedEof.into(),
        })?;
    let text = buffer.get(..received.length).unwrap_or_default();
    match decode(text).map_err(Refused::to("understand a helper"))? {
        Outcome::Done(told) => Ok((told, received.descriptors)),
        Outcome::Failed(failure) => Err(match SandboxError::from(failure) {
            SandboxError::Os { doing, source } => Refused { doing, source },
            other => Refused {
                doing: other.to_string(),
                source: io::ErrorKind::Other.into(),
            },
        }),
    }
}
