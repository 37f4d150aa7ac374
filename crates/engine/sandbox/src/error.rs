//! What can go wrong, and what to do about it.

use std::io;
use std::path::PathBuf;

use ids::EnvironmentId;

/// Why the sandbox could not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SandboxError {
    /// The spawner was to be forked from a program that already runs threads. A fork copies only
    /// the calling thread, so locks that others hold would stay locked for ever.
    #[error(
        "the spawner must be forked before any thread starts, but this process runs {threads} of them; fork it first thing in main"
    )]
    Threads {
        /// How many threads there are.
        threads: usize,
    },
    /// The operating system refused something that the sandbox cannot do without.
    #[error("cannot {doing}: {source}")]
    Os {
        /// What was attempted.
        doing: String,
        /// The refusal.
        source: io::Error,
    },
    /// The spawner process is no longer there, so nothing can be started any more.
    #[error(
        "the spawner process is gone, and the environments with it; restart the engine to run functions again"
    )]
    SpawnerGone,
    /// The program could not be executed inside the environment.
    #[error("cannot execute {}: {source}", program.display())]
    Exec {
        /// The program.
        program: PathBuf,
        /// `ENOENT`, `EACCES`, `ENOEXEC` and their like.
        source: io::Error,
    },
    /// The working directory of the command could not be entered.
    #[error("cannot enter the working directory {}: {source}", directory.display())]
    WorkingDirectory {
        /// The directory.
        directory: PathBuf,
        /// The refusal.
        source: io::Error,
    },
    /// The limits make no sense.
    #[error("invalid limits: {reason}")]
    InvalidLimits {
        /// Which, and why.
        reason: &'static str,
    },
    /// The command cannot be handed over: a NUL byte, or a path that is not UTF-8.
    #[error("invalid command: {reason}")]
    InvalidCommand {
        /// What is wrong with it.
        reason: String,
    },
    /// The command with its environment is larger than a message to the spawner may be.
    #[error("the command and its environment take {bytes} bytes; at most {limit} fit")]
    CommandTooLarge {
        /// Their size.
        bytes: usize,
        /// What fits.
        limit: usize,
    },
    /// An environment runs one command at a time.
    #[error("environment {id} still runs a process; wait for its exit or kill it first")]
    Busy {
        /// The environment.
        id: EnvironmentId,
    },
    /// The environment was destroyed, or never created.
    #[error("environment {id} does not exist")]
    NoSuchEnvironment {
        /// The environment.
        id: EnvironmentId,
    },
    /// This operating system has no execution environments.
    #[error("execution environments need Linux; on this system functions cannot run")]
    Unsupported,
}
