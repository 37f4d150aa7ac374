//! What a command can fail with, what to do about it, and the exit code that says so.

use std::io;
use std::path::PathBuf;

use lab_aws::{
    ArchiveError, CallError, CallFailure, ControlError, EngineError, SessionError, TargetError,
};
use miette::Diagnostic;

use crate::engine_failure::EngineFailure;
use crate::exit::ExitCode;
use crate::settings::SettingsError;

/// A command's failure.
#[derive(Debug, thiserror::Error, Diagnostic)]
pub(crate) enum CliError {
    #[error(transparent)]
    #[diagnostic(transparent)]
    Settings(#[from] SettingsError),
    #[error(transparent)]
    Target(#[from] TargetError),
    #[error("`{command}` works on the engine of this machine: {flag} has no meaning for it")]
    #[diagnostic(help("leave {flag} out"))]
    NoTarget {
        command: &'static str,
        flag: &'static str,
    },
    #[error("images are kept by an engine of this machine, and {0} is none")]
    #[diagnostic(help(
        "leave the target out, or name an engine on loopback: --endpoint-url http://127.0.0.1:PORT"
    ))]
    NoImagesThere(String),
    #[error("no engine runs for {0}")]
    #[diagnostic(help("`lambdalab up` starts it; --data-dir or --endpoint-url name another"))]
    NoEngine(PathBuf),
    #[error(transparent)]
    #[diagnostic(help(
        "put what the function needs into the folder, or pass a ready package with --zip"
    ))]
    Archive(#[from] ArchiveError),
    #[error("cannot read {what}: {source}")]
    Input { what: String, source: io::Error },
    #[error("the payload is no JSON: {0}")]
    #[diagnostic(help(
        "quote it for the shell, as in --payload '{{\"n\": 20}}', or use --payload-file"
    ))]
    Payload(serde_json::Error),
    #[error("this build is not optimised: what it measures says nothing about the machine")]
    #[diagnostic(help("run a release build of lambdalab"))]
    Unoptimised,
    #[error("on AWS a function needs a role")]
    #[diagnostic(help("pass --role with the ARN of an execution role"))]
    RoleNeeded,
    #[error("nothing to change")]
    #[diagnostic(help(
        "say what: --zip or --dir for the code, --memory, --timeout, --env, … for the configuration"
    ))]
    NothingToChange,
    #[error("cannot use the data folder {path}: {source}")]
    DataDir { path: PathBuf, source: io::Error },
    /// What the background process said, as it said it.
    #[error("{0}")]
    Detached(String, ExitCode),
    #[error("the engine ended before it answered ({status})\n{log}")]
    #[diagnostic(help("the whole log is in {path}"))]
    EngineEnded {
        status: String,
        log: String,
        path: String,
    },
    #[error(transparent)]
    #[diagnostic(transparent)]
    Engine(#[from] EngineFailure),
    #[error(transparent)]
    Finding(#[from] EngineError),
    #[error(transparent)]
    Control(#[from] ControlError),
    #[error("AWS needs a region, and neither the profile nor the environment names one")]
    #[diagnostic(help("name it with --region or AWS_REGION"))]
    NoRegion,
    #[error(transparent)]
    Call(#[from] CallError),
    #[error("the function failed: {0}")]
    FunctionFailed(String),
    #[error("interrupted")]
    Interrupted,
    #[error("cannot write the result: {0}")]
    Output(io::Error),
    #[error("cannot start: {0}")]
    Start(io::Error),
}

impl From<SessionError> for CliError {
    fn from(error: SessionError) -> Self {
        match error {
            SessionError::Engine(error) => Self::Finding(error),
            SessionError::NoRegion => Self::NoRegion,
        }
    }
}

impl CliError {
    /// The exit code that goes with it.
    pub(crate) fn exit_code(&self) -> ExitCode {
        match self {
            Self::Settings(_)
            | Self::Target(_)
            | Self::NoTarget { .. }
            | Self::NoImagesThere(_)
            | Self::Archive(_)
            | Self::Input { .. }
            | Self::Payload(_)
            | Self::RoleNeeded
            | Self::NothingToChange
            | Self::NoRegion => ExitCode::Usage,
            Self::Engine(failure) => failure.exit_code(),
            Self::FunctionFailed(_) => ExitCode::No,
            Self::Call(error) => of_call(&error.failure),
            Self::Detached(_, code) => *code,
            Self::Control(ControlError::Refused(_)) => ExitCode::No,
            Self::Control(ControlError::Archive(_)) => ExitCode::Usage,
            Self::Interrupted | Self::Unoptimised => ExitCode::Unknown,
            Self::DataDir { .. }
            | Self::NoEngine(_)
            | Self::EngineEnded { .. }
            | Self::Finding(_)
            | Self::Control(_)
            | Self::Output(_)
            | Self::Start(_) => ExitCode::TargetFailed,
        }
    }
}

fn of_call(failure: &CallFailure) -> ExitCode {
    match failure {
        CallFailure::Service { status: 429, .. } | CallFailure::Unreadable(_) => ExitCode::Unknown,
        CallFailure::Service {
            status: 400..=499, ..
        }
        | CallFailure::State(_) => ExitCode::No,
        CallFailure::NotSent(_) => ExitCode::Usage,
        CallFailure::Service { .. } | CallFailure::Unreachable(_) | CallFailure::TimedOut(_) => {
            ExitCode::TargetFailed
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(status: u16) -> CallFailure {
        CallFailure::Service {
            code: "SomeException".into(),
            message: "some message".into(),
            status,
            request_id: None,
        }
    }

    #[test]
    fn who_is_at_fault_decides_the_exit_code() {
        let cases = [
            (answered(400), ExitCode::No),
            (answered(404), ExitCode::No),
            (answered(429), ExitCode::Unknown),
            (answered(500), ExitCode::TargetFailed),
            (
                CallFailure::Unreachable("refused".into()),
                ExitCode::TargetFailed,
            ),
            (CallFailure::TimedOut("late".into()), ExitCode::TargetFailed),
            (CallFailure::Unreadable("html".into()), ExitCode::Unknown),
            (
                CallFailure::NotSent("no credentials".into()),
                ExitCode::Usage,
            ),
            (CallFailure::State("Failed".into()), ExitCode::No),
        ];
        for (failure, expected) in cases {
            assert_eq!(of_call(&failure), expected, "{failure:?}");
        }
        assert_eq!(CliError::NothingToChange.exit_code(), ExitCode::Usage);
        assert_eq!(CliError::Interrupted.exit_code(), ExitCode::Unknown);
        assert_eq!(
            CliError::Detached(String::new(), ExitCode::Usage).exit_code(),
            ExitCode::Usage
        );
    }
}
