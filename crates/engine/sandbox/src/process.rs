//! A process that runs in an environment.

use std::os::fd::OwnedFd;

use tokio::sync::watch;

use crate::SandboxError;
use crate::spec::ExitStatus;

/// Where the spawner's word of a process's end arrives.
pub(crate) type ExitReceiver = watch::Receiver<Option<ExitStatus>>;

/// A process that was started in an environment. Dropping it does not end the process.
#[derive(Debug)]
pub struct Process {
    /// Where to read its standard output, until taken. `tokio::net::unix::pipe::Receiver` takes it.
    pub stdout: Option<OwnedFd>,
    /// Where to read its standard error, until taken.
    pub stderr: Option<OwnedFd>,
    /// Where to read its framed log records, if it was to write any.
    pub telemetry: Option<OwnedFd>,
    pub(crate) pid: u32,
    pub(crate) exit: ExitReceiver,
    /// The number of the request that started it.
    pub(crate) start: u64,
}

impl Process {
    /// Its process id, as the engine sees it.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Waits for its end. May be asked for often, and be moved elsewhere.
    ///
    /// With the process ends all that it left running in the environment; of several beside one
    /// another, with the last.
    ///
    /// # Errors
    /// [`SandboxError::SpawnerGone`], after which nobody can tell.
    pub fn exit(
        &self,
    ) -> impl Future<Output = Result<ExitStatus, SandboxError>> + Send + Sync + 'static {
        let mut exit = self.exit.clone();
        async move {
            let status = exit.wait_for(Option::is_some).await;
            status
                .ok()
                .and_then(|status| *status)
                .ok_or(SandboxError::SpawnerGone)
        }
    }
}
