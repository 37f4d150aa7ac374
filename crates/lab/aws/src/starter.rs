//! Starting the engine when none runs.
//!
//! The engine never runs inside another program: the starter runs `lambdalab up --detach`, whose
//! process ends once the engine answers, or says why it does not. Of two starters at once, one
//! waits inside that command for the other and then finds the same engine.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use crate::engine::{EngineError, RunningEngine};

/// How the engine of a data folder is started.
#[derive(Debug, Clone)]
pub struct EngineStarter {
    program: PathBuf,
    data_dir: PathBuf,
    idle_exit: String,
    arguments: Vec<OsString>,
}

/// An engine, and whether it had to be started.
#[derive(Debug, Clone)]
pub struct Ensured {
    /// The engine.
    pub engine: RunningEngine,
    /// Whether this call started it.
    pub started: bool,
}

impl EngineStarter {
    /// A starter that runs `program` (a `lambdalab` binary) for a data folder.
    #[must_use]
    pub fn new(program: impl Into<PathBuf>, data_dir: impl Into<PathBuf>) -> Self {
        Self {
            program: program.into(),
            data_dir: data_dir.into(),
            idle_exit: "10m".to_owned(),
            arguments: Vec::new(),
        }
    }

    /// How long the engine stays when nobody needs it, as `--idle-exit` takes it.
    #[must_use]
    pub fn idle_exit(mut self, idle_exit: impl Into<String>) -> Self {
        self.idle_exit = idle_exit.into();
        self
    }

    /// A further argument of `up`.
    #[must_use]
    pub fn argument(mut self, argument: impl Into<OsString>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// The data folder.
    #[must_use]
    pub fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    /// Finds the engine, or starts it.
    ///
    /// # Errors
    /// It neither runs nor starts.
    pub async fn ensure(&self) -> Result<Ensured, EngineError> {
        if let Some(engine) = RunningEngine::find(&self.data_dir).await? {
            return Ok(Ensured {
                engine,
                started: false,
            });
        }
        self.start().await?;
        match RunningEngine::find(&self.data_dir).await? {
            Some(engine) => Ok(Ensured {
                engine,
                started: true,
            }),
            None => Err(self.not_started("it answered and was gone at once".to_owned())),
        }
    }

    async fn start(&self) -> Result<(), EngineError> {
        tracing::debug!(data_dir = %self.data_dir.display(), "starting the engine");
        let mut command = tokio::process::Command::new(&self.program);
        // Ctrl-C at the terminal is for the caller, who may have things to take away first.
        #[cfg(unix)]
        command.process_group(0);
        let ended = command
            .arg("up")
            .arg("--detach")
            .arg("--or-free-port")
            .args(["--idle-exit", &self.idle_exit])
            .arg("--data-dir")
            .arg(&self.data_dir)
            .args(&self.arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .output()
            .await
            .map_err(|source| EngineError::Program {
                program: self.program.clone(),
                source,
            })?;
        if ended.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&ended.stderr).trim().to_owned();
        Err(self.not_started(if said.is_empty() {
            ended.status.to_string()
        } else {
            said
        }))
    }

    fn not_started(&self, reason: String) -> EngineError {
        EngineError::NotStarted {
            data_dir: self.data_dir.clone(),
            reason,
        }
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_program_that_fails_is_quoted() {
        let folder = tempfile::tempdir().unwrap();
        // `ls` knows no --detach: it says so on stderr and fails, as an engine does that cannot
        // start.
        let error = EngineStarter::new("ls", folder.path())
            .ensure()
            .await
            .unwrap_err();
        let text = error.to_string();
        assert!(matches!(error, EngineError::NotStarted { .. }), "{text}");
        assert!(text.contains("detach"), "{text}");
    }

    #[tokio::test]
    async fn a_program_that_succeeds_without_an_engine_is_no_success() {
        let folder = tempfile::tempdir().unwrap();
        let error = EngineStarter::new("true", folder.path())
            .ensure()
            .await
            .unwrap_err();
        assert!(matches!(error, EngineError::NotStarted { .. }), "{error}");
    }

    #[tokio::test]
    async fn a_program_that_is_not_there_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let absent = folder.path().join("absent");
        let error = EngineStarter::new(&absent, folder.path())
            .ensure()
            .await
            .unwrap_err();
        assert!(error.to_string().contains("absent"), "{error}");
    }
}
