//! What the engine of this process can fail with, and what to do about it.

use lambda::runtime::install::RuntimeError;
use miette::Diagnostic;
use sandbox::SandboxError;
use server::{RunError, StartError};

use crate::exit::ExitCode;
use crate::settings::Origin;

/// The engine did not start, or not stay.
#[derive(Debug, thiserror::Error, Diagnostic)]
pub(crate) enum EngineFailure {
    #[error("the engine cannot start: {0}")]
    Start(#[source] StartError, #[help] Option<&'static str>),
    #[error("the engine stopped: {0}")]
    Run(#[from] RunError),
    #[error("isolation is required, but {0}")]
    #[diagnostic(help("`lambdalab doctor` shows what this host lacks"))]
    NotIsolated(String),
    #[error("{origin} lets functions reach `{asked}` and nothing more, but {reason}")]
    #[diagnostic(help(
        "leave --egress out and functions reach what this host can hold them to, with a warning; \
         `lambdalab doctor` shows what it lacks"
    ))]
    Egress {
        asked: String,
        origin: Origin,
        reason: String,
    },
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
}

impl EngineFailure {
    pub(crate) fn start(error: StartError) -> Self {
        let help = match &error {
            StartError::DataDir(_) => Some(
                "`lambdalab down` stops the engine that has it; --data-dir names another folder",
            ),
            StartError::Listen { .. } => {
                Some("--listen 127.0.0.1:0 picks a free port, --or-free-port only where it must")
            }
            _ => None,
        };
        Self::Start(error, help)
    }

    /// The exit code that goes with it.
    pub(crate) fn exit_code(&self) -> ExitCode {
        match self {
            Self::Start(
                StartError::BeyondLoopback(_)
                | StartError::EnforceWithoutAuth
                | StartError::Keys(_)
                | StartError::Registries(_)
                | StartError::Tracer(_),
                _,
            )
            | Self::Runtime(RuntimeError::NotServed { .. }) => ExitCode::Usage,
            Self::Runtime(RuntimeError::NoInterpreter { .. }) => ExitCode::No,
            _ => ExitCode::TargetFailed,
        }
    }
}
