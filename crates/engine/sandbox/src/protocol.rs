//! What the engine and the spawner say to one another: JSON, one message a packet.

use std::io;
use std::path::PathBuf;

use ids::EnvironmentId;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::SandboxError;
use crate::cgroup::EnvironmentGroups;
use crate::channel::MAX_MESSAGE;
use crate::spec::{Command, Egress, EnvironmentSpec, ExitStatus};

/// From the engine to the spawner.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Request {
    /// Ties the reply to it. The number of a start also names that process in [`Message::Exited`].
    pub(crate) number: u64,
    pub(crate) what: Ask,
}

/// What the engine asks for.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Ask {
    /// Make an environment. The reply carries its Runtime API listener; where it has a network of its
    /// own, one for the engine's API; and where that leads further, its tunnel.
    Create(EnvironmentSpec),
    /// Run a command in it. The request carries the write ends of its output pipes: stdout,
    /// stderr, and telemetry when the command wants it. After them come mounts that are attached
    /// nowhere yet, one for each of `mounts`, which says where they go.
    Start {
        id: EnvironmentId,
        command: Command,
        mounts: Vec<PathBuf>,
        /// Whether others may run beside it. Where one does, the mounts are not used: it sees what
        /// that one sees.
        beside: bool,
        /// Whether a kill may have reached what was prepared for it.
        afresh: bool,
    },
    /// End all processes as if the kernel had run out of memory for them, where the one that was
    /// started by request `start` still runs.
    EndForMemory { id: EnvironmentId, start: u64 },
    /// Ask the process that was started by request `start` to end.
    Terminate { id: EnvironmentId, start: u64 },
    /// Connect to a port of its loopback. The reply carries the socket, whose connection may not be
    /// made yet.
    Connect { id: EnvironmentId, port: u16 },
    /// Make an environment whose process is a clone of the process in another one. The request
    /// carries mounts for the paths of `mounts`; the reply is that of a creation.
    Clone {
        template: EnvironmentId,
        spec: EnvironmentSpec,
        mounts: Vec<PathBuf>,
    },
    /// Signal all of its processes: where there is no cgroup v2, by which the engine does it alone.
    Signal {
        id: EnvironmentId,
        signal: GroupSignal,
    },
    /// Kill all of its processes and remove what it was made of.
    Destroy { id: EnvironmentId },
}

/// The signals that are sent to whole environments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum GroupSignal {
    Stop,
    Continue,
    Kill,
}

/// From the spawner to the engine.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Message {
    /// The request of that number was carried out.
    Done { number: u64, done: Done },
    /// The request of that number failed.
    Failed { number: u64, failure: Failure },
    /// The process that was started by the request of that number has ended.
    Exited { start: u64, status: ExitStatus },
}

/// How a request was carried out.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Done {
    Created {
        groups: EnvironmentGroups,
        /// What its functions reach.
        egress: Egress,
    },
    Started {
        pid: i32,
        /// The init process of its process table, where that is not the spawner's.
        init: Option<i32>,
    },
    Signalled,
    Connected,
    Destroyed,
}

/// Why a request was not carried out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Failure {
    /// The system refused something in the spawner or in the child before it ran the command.
    System { doing: String, errno: i32 },
    /// The program could not be executed.
    Exec { program: PathBuf, errno: i32 },
    /// The working directory could not be entered.
    WorkingDirectory { directory: PathBuf, errno: i32 },
    /// It still runs a process.
    Busy { id: EnvironmentId },
    /// There is none of that name.
    NoSuchEnvironment { id: EnvironmentId },
}

impl From<Failure> for SandboxError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::System { doing, errno } => Self::Os {
                doing,
                source: io::Error::from_raw_os_error(errno),
            },
            Failure::Exec { program, errno } => Self::Exec {
                program,
                source: io::Error::from_raw_os_error(errno),
            },
            Failure::WorkingDirectory { directory, errno } => Self::WorkingDirectory {
                directory,
                source: io::Error::from_raw_os_error(errno),
            },
            Failure::Busy { id } => Self::Busy { id },
            Failure::NoSuchEnvironment { id } => Self::NoSuchEnvironment { id },
        }
    }
}

/// A step that the system refused.
#[derive(Debug, thiserror::Error)]
#[error("cannot {doing}: {source}")]
pub(crate) struct Refused {
    pub(crate) doing: String,
    pub(crate) source: io::Error,
}

impl Refused {
    /// For `map_err`: names the step that failed.
    pub(crate) fn to<E: Into<io::Error>>(doing: impl Into<String>) -> impl FnOnce(E) -> Self {
        move |source| Self {
            doing: doing.into(),
            source: source.into(),
        }
    }
}

impl From<Refused> for Failure {
    fn from(refused: Refused) -> Self {
        Self::System {
            doing: refused.doing,
            errno: refused.source.raw_os_error().unwrap_or(libc::EIO),
        }
    }
}

impl From<Refused> for SandboxError {
    fn from(refused: Refused) -> Self {
        Self::Os {
            doing: refused.doing,
            source: refused.source,
        }
    }
}

/// Writes a message down.
pub(crate) fn encode(message: &impl Serialize) -> Result<Vec<u8>, SandboxError> {
    let bytes = serde_json::to_vec(message).map_err(|error| SandboxError::InvalidCommand {
        reason: error.to_string(),
    })?;
    if bytes.len() > MAX_MESSAGE {
        return Err(SandboxError::CommandTooLarge {
            bytes: bytes.len(),
            limit: MAX_MESSAGE,
        });
    }
    Ok(bytes)
}

/// Reads a message.
pub(crate) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> io::Result<T> {
    serde_json::from_slice(bytes).map_err(io::Error::from)
}
