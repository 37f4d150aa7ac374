//! The engine of a data folder: finding it, holding on to it, stopping it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use control::{EngineFile, EngineFileError, HEALTH_PATH, Health, LEASE_PATH};

use crate::control_client::{self, ControlError, OpenAnswer};
use crate::process;

/// An engine that answered when it was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunningEngine {
    /// `http://127.0.0.1:4566`.
    pub endpoint: String,
    /// Its process id.
    pub pid: u32,
    /// Its version.
    pub version: String,
    /// The data folder that it serves.
    pub data_dir: PathBuf,
}

/// Why an engine could not be found, started, held or stopped.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// `engine.json` is there but cannot be used.
    #[error(transparent)]
    File(#[from] EngineFileError),
    /// The control API gave no answer.
    #[error(transparent)]
    Control(#[from] ControlError),
    /// The program that starts the engine could not be run.
    #[error("cannot run {program}: {source}")]
    Program {
        /// The program.
        program: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// The engine did not come up.
    #[error("the engine for {data_dir} did not start:\n{reason}")]
    NotStarted {
        /// The data folder.
        data_dir: PathBuf,
        /// What the engine said.
        reason: String,
    },
    /// The engine was asked to stop and did not.
    #[error("the engine (process {pid}) did not stop within {patience:?}")]
    NotStopped {
        /// Its process id.
        pid: u32,
        /// How long it was waited for.
        patience: Duration,
    },
    /// The engine's process could not be signalled.
    #[error("cannot stop the engine (process {pid}): {source}")]
    Signal {
        /// Its process id.
        pid: u32,
        /// The system's reason.
        source: std::io::Error,
    },
}

impl RunningEngine {
    /// Finds the engine of a data folder; `None` where none runs.
    ///
    /// A file that an engine left behind when it was killed counts as none: the endpoint must
    /// answer, and with the process id of the file, for another engine may have the port by now.
    ///
    /// # Errors
    /// The file cannot be read, or what it names is there but silent.
    pub async fn find(data_dir: &Path) -> Result<Option<Self>, EngineError> {
        let Some(file) = EngineFile::read(data_dir)? else {
            return Ok(None);
        };
        let health: Health = match control_client::get(&file.endpoint, HEALTH_PATH).await {
            Ok(health) => health,
            Err(
                ControlError::NotThere(_)
                | ControlError::Foreign { .. }
                | ControlError::Broken { .. }
                | ControlError::Refused(_)
                | ControlError::Archive(_)
                | ControlError::BadAddress(_),
            ) => return Ok(None),
            Err(silent @ ControlError::Silent(_)) => return Err(silent.into()),
        };
        Ok((health.pid == file.pid).then(|| Self {
            endpoint: file.endpoint,
            pid: file.pid,
            version: health.version,
            data_dir: data_dir.to_owned(),
        }))
    }

    /// Keeps the engine from exiting for idleness until the lease is dropped.
    ///
    /// # Errors
    /// The engine has gone.
    pub async fn lease(&self) -> Result<Lease, EngineError> {
        let answer = control_client::open(&self.endpoint, LEASE_PATH).await?;
        Ok(Lease { _answer: answer })
    }

    /// Asks the engine to stop, and waits until its process has gone.
    ///
    /// # Errors
    /// It cannot be signalled, or is still there when `patience` is over.
    pub async fn stop(&self, patience: Duration) -> Result<(), EngineError> {
        let pid = self.pid;
        let signalled = tokio::task::spawn_blocking(move || process::terminate(pid, patience))
            .await
            .unwrap_or_else(|stopped| Err(std::io::Error::other(stopped)));
        match signalled {
            Ok(true) => Ok(()),
            Ok(false) => Err(EngineError::NotStopped { pid, patience }),
            Err(source) => Err(EngineError::Signal { pid, source }),
        }
    }
}

/// While it lives the engine does not exit for idleness. A client that dies loses it by itself:
/// it is an open connection.
#[derive(Debug)]
pub struct Lease {
    _answer: OpenAnswer,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Answer, LocalServer};

    fn folder_with(endpoint: &str, pid: u32) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let file = EngineFile {
            endpoint: endpoint.to_owned(),
            pid,
            version: "0.1.0".into(),
        };
        file.write(folder.path()).unwrap();
        folder
    }

    fn health(pid: u32) -> Answer {
        let health = Health {
            status: "ok".into(),
            version: "0.1.0".into(),
            pid,
            environments: 0,
            invocations: 0,
            events: 0,
            destination_delivery_failures: 0,
            log_events_removed: 0,
            spans_dropped: 0,
        };
        Answer::json(200, &serde_json::to_string(&health).unwrap())
    }

    #[tokio::test]
    async fn an_engine_that_answers_is_found() {
        let server = LocalServer::start(health(41)).await;
        let folder = folder_with(&server.url(), 41);
        let engine = RunningEngine::find(folder.path()).await.unwrap().unwrap();
        assert_eq!((engine.endpoint, engine.pid), (server.url(), 41));
    }

    #[tokio::test]
    async fn what_is_stale_is_not_found() {
        let nothing = tempfile::tempdir().unwrap();
        assert_eq!(RunningEngine::find(nothing.path()).await.unwrap(), None);

        let server = LocalServer::start(health(41)).await;
        let other_engine = folder_with(&server.url(), 40);
        assert_eq!(
            RunningEngine::find(other_engine.path()).await.unwrap(),
            None
        );

        let server = LocalServer::start(Answer::json(200, "\"hello\"")).await;
        let other_program = folder_with(&server.url(), 41);
        assert_eq!(
            RunningEngine::find(other_program.path()).await.unwrap(),
            None
        );

        let closed = server.stop().await;
        let killed = folder_with(&closed, 41);
        assert_eq!(RunningEngine::find(killed.path()).await.unwrap(), None);
    }

    #[tokio::test]
    async fn a_lease_is_a_connection_that_stays_and_ends_when_dropped() {
        let server = LocalServer::start(Answer::open(200)).await;
        let engine = RunningEngine {
            endpoint: server.url(),
            pid: 41,
            version: "0.1.0".into(),
            data_dir: PathBuf::from("unused"),
        };
        let lease = engine.lease().await.unwrap();
        assert_eq!(server.open_connections(), 1);
        drop(lease);
        server.all_closed().await;
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn stopping_waits_until_the_process_has_gone() {
        let mut child = tokio::process::Command::new("sleep")
            .arg("600")
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let engine = RunningEngine {
            endpoint: "http://127.0.0.1:1".into(),
            pid: child.id().unwrap(),
            version: "0.1.0".into(),
            data_dir: PathBuf::from("unused"),
        };
        engine.stop(Duration::from_secs(30)).await.unwrap();
        assert!(!child.wait().await.unwrap().success());
    }
}
