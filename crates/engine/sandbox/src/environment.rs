//! Execution environments, from the engine's side.

mod figures;
mod making;
mod starting;

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ids::EnvironmentId;

use crate::SandboxError;
use crate::cgroup::EnvironmentGroups;
use crate::client::Sandbox;
use crate::freezer::Freezer;
use crate::isolation::mounts::{self, Allows};
use crate::isolation::{SCRATCH, Scratch};
use crate::lives::Lives;
use crate::memory_use::MemoryUse;
use crate::process::Process;
use crate::protocol::{Ask, GroupSignal, Refused};
use crate::scales::Scales;
use crate::spec::{Egress, Limits, Shown};
use crate::tunnel::Tunnel;

/// An execution environment: limits, a private directory, and one process at a time, or several beside
/// one another, with all that they start. Dropping it destroys it.
///
/// Freezing, killing and the figures go to the kernel directly; only what makes and ends things
/// goes through the spawner.
#[derive(Debug)]
pub struct Environment {
    sandbox: Sandbox,
    id: EnvironmentId,
    work_dir: PathBuf,
    groups: EnvironmentGroups,
    freezer: Option<Freezer>,
    memory_bytes: u64,
    memory: MemoryUse,
    lives: Lives,
    /// Limits the memory where no control group does.
    scales: Option<Arc<Scales>>,
    /// What it has at `/tmp`, with isolation.
    scratch: Option<Arc<Scratch>>,
    listener: TcpListener,
    /// Whether its process is a clone, which sees already what it is to see.
    is_clone: bool,
    /// What its functions reach.
    egress: Egress,
    /// Where the engine's API is to be served inside, where it has a network of its own.
    door: Option<TcpListener>,
    /// The other end of its way to other machines, where it has one.
    tunnel: Option<OwnedFd>,
    address: SocketAddr,
    destroyed: AtomicBool,
}

impl Environment {
    /// Its name.
    #[must_use]
    pub fn id(&self) -> EnvironmentId {
        self.id
    }

    /// Its private directory.
    #[must_use]
    pub fn work_dir(&self) -> &Path {
        &self.work_dir
    }

    /// Where its Runtime API is to be served: a listener of its own, non-blocking, which only this
    /// environment is told of.
    ///
    /// # Errors
    /// [`SandboxError::Os`] when there are no descriptors left.
    pub fn listener(&self) -> Result<TcpListener, SandboxError> {
        let listener = self.listener.try_clone();
        Ok(listener.map_err(Refused::to("hand out the Runtime API's listener"))?)
    }

    /// Where the engine's own API is to be served to this environment alone, non-blocking: on
    /// [`ENGINE_PORT`](crate::ENGINE_PORT) inside. `None` where it shares the host's network, and once
    /// it was taken.
    pub fn take_door(&mut self) -> Option<TcpListener> {
        self.door.take()
    }

    /// What its functions reach.
    #[must_use]
    pub fn egress(&self) -> Egress {
        self.egress
    }

    /// Its way to other machines, where it has one and that was not taken yet. Unless somebody
    /// serves it, it leads nowhere. To be called inside a tokio runtime.
    ///
    /// # Errors
    /// [`SandboxError::Os`] when the runtime cannot watch it.
    pub fn take_tunnel(&mut self) -> Result<Option<Tunnel>, SandboxError> {
        self.tunnel.take().map(Tunnel::watch).transpose()
    }

    /// Where the function finds its Runtime API: the value of `AWS_LAMBDA_RUNTIME_API`.
    #[must_use]
    pub fn runtime_api_address(&self) -> SocketAddr {
        self.address
    }

    /// Asks one of its processes to end (SIGTERM), without waiting. Nothing happens where it has ended.
    ///
    /// # Errors
    /// [`SandboxError::SpawnerGone`], with which it ends as well.
    pub fn terminate(&self, process: &Process) -> Result<(), SandboxError> {
        self.sandbox.tell(Ask::Terminate {
            id: self.id,
            start: process.start,
        })
    }

    /// Begins to connect to a port of its own loopback: a socket that does not block. Once it can be
    /// written to it is connected, or tells why not.
    ///
    /// # Errors
    /// [`SandboxError::Os`] when there is nothing to connect to, or a clone has made the network by
    /// itself; [`SandboxError::SpawnerGone`].
    pub async fn connect(&self, port: u16) -> Result<TcpStream, SandboxError> {
        let ask = Ask::Connect { id: self.id, port };
        let reply = self.sandbox.ask(ask, Vec::new()).await?;
        let socket = reply.descriptors.into_iter().next();
        socket.map(TcpStream::from).ok_or_else(out_of_step)
    }

    /// Changes its share of the CPU, also while processes run; nothing where there is no quota.
    ///
    /// # Errors
    /// [`SandboxError::InvalidLimits`] and [`SandboxError::Os`].
    pub fn set_cpus(&self, vcpus: f64) -> Result<(), SandboxError> {
        let limits = Limits {
            memory_mb: 1,
            cpu_vcpus: vcpus,
            pids: 1,
        };
        limits.validate()?;
        let limited = self.groups.limit_cpu(vcpus);
        Ok(limited.map_err(Refused::to("limit the environment's CPU"))?)
    }

    /// Stops all of its processes where they are, and returns once they stand. Returns early when
    /// [`Environment::thaw`] overtakes it.
    ///
    /// # Errors
    /// [`SandboxError::Os`] when the kernel refuses; [`SandboxError::SpawnerGone`] where the spawner
    /// must do it.
    pub async fn freeze(&self) -> Result<(), SandboxError> {
        self.stand_still(true);
        match &self.freezer {
            Some(freezer) => {
                let frozen = freezer.freeze().await;
                Ok(frozen.map_err(Refused::to("freeze the environment"))?)
            }
            None => self.signal(GroupSignal::Stop).await,
        }
    }

    /// Lets its processes go on. They run when this returns, or in an instant.
    ///
    /// # Errors
    /// As for [`Environment::freeze`].
    pub fn thaw(&self) -> Result<(), SandboxError> {
        self.stand_still(false);
        match &self.freezer {
            Some(freezer) => Ok(freezer
                .thaw()
                .map_err(Refused::to("thaw the environment"))?),
            None => self.sandbox.tell(Ask::Signal {
                id: self.id,
                signal: GroupSignal::Continue,
            }),
        }
    }

    fn stand_still(&self, still: bool) {
        if let Some(scales) = &self.scales {
            scales.stand_still(still);
        }
    }

    /// Kills all of its processes, frozen ones too. Their end is told by [`Process::exit`]. Where that was
    /// told of all, there are none.
    ///
    /// # Errors
    /// As for [`Environment::freeze`].
    pub fn kill_all(&self) -> Result<(), SandboxError> {
        if !self.lives.kill() {
            return Ok(());
        }
        let killed = self.groups.kill();
        if killed.map_err(Refused::to("kill the environment"))? {
            return Ok(());
        }
        self.sandbox.tell(Ask::Signal {
            id: self.id,
            signal: GroupSignal::Kill,
        })
    }

    /// Kills what runs in it, waits until that has ended, and removes what it was made of. The
    /// private directory stays.
    ///
    /// # Errors
    /// [`SandboxError::SpawnerGone`], which ends the environment as well.
    pub async fn destroy(&self) -> Result<(), SandboxError> {
        self.destroyed.store(true, Ordering::SeqCst);
        self.sandbox
            .ask(Ask::Destroy { id: self.id }, Vec::new())
            .await
            .map(|_| ())
    }

    async fn signal(&self, signal: GroupSignal) -> Result<(), SandboxError> {
        let ask = Ask::Signal {
            id: self.id,
            signal,
        };
        self.sandbox.ask(ask, Vec::new()).await.map(|_| ())
    }
}

impl Drop for Environment {
    fn drop(&mut self) {
        if !self.destroyed.load(Ordering::SeqCst) {
            // A spawner that is gone has taken it along.
            let _gone = self.sandbox.tell(Ask::Destroy { id: self.id });
        }
    }
}

/// The mounts that a command is to see, and where.
fn mounts_of(shows: &[Shown], scratch: &Scratch) -> Result<(Vec<OwnedFd>, Vec<PathBuf>), Refused> {
    let mut mounts = Vec::new();
    let mut targets = Vec::new();
    for Shown { source, target } in shows {
        mounts.push(mounts::clone_of(source, Allows::Reading)?);
        targets.push(target.clone());
    }
    mounts.push(scratch.mount()?);
    targets.push(SCRATCH.into());
    Ok((mounts, targets))
}

/// Does what may take the kernel a millisecond where it holds nobody up.
async fn off_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Refused> + Send + 'static,
) -> Result<T, SandboxError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => Ok(result?),
        Err(error) => {
            Err(Refused::to("work beside the others")(std::io::Error::other(error)).into())
        }
    }
}

/// The spawner is forked from this very program, so only a defect brings another kind of reply.
fn out_of_step() -> SandboxError {
    SandboxError::Os {
        doing: "understand the spawner's reply".into(),
        source: std::io::ErrorKind::InvalidData.into(),
    }
}
