//! The process of an environment: started, initialised, reset, and ended.
//!
//! Starting and ending run in tasks of their own and one at a time: an invocation that runs out of
//! time while its process is being started leaves nothing half done. Each process has a server of
//! the Runtime API to itself, so that a late word of one that was killed is not taken for its
//! successor's.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use ids::Timestamp;
use sandbox::ExitStatus;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use super::stage::{InitOutcome, Stage};
use super::{Environment, Purpose, Site, lost, runtime_api};
use crate::invoke::failure::Failure;
use crate::logging::platform::PlatformEvent;
use crate::runtime::launch;

/// How long an init phase ahead of its first invocation may take.
/// Source: <https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html>.
pub(super) const INIT_LIMIT: Duration = Duration::from_secs(10);

/// How a process ended of which nobody can tell.
pub(super) const KILLED: ExitStatus = ExitStatus {
    code: None,
    signal: Some(9),
    oom_killed: false,
};

/// What an init phase gets at least. AWS does not throttle it by the memory size: up to 3008 MB it runs
/// on two vCPUs, as measured by <https://bitesizedserverless.com/bite/lambda-cold-start-bootstrap/>;
/// AWS itself documents no figure.
const INIT_VCPUS: f64 = 2.0;

/// An init phase ahead of an invocation.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Init {
    pub(crate) began: Timestamp,
    pub(crate) took: Duration,
}

impl Environment {
    /// Runs the init phase ahead of an invocation. A failed one is logged and leaves the
    /// environment down; the invocation that comes next tries again.
    pub(crate) async fn initialise(self: &Arc<Self>) {
        let (started, began) = (self.clock.monotonic(), self.clock.now());
        self.log.platform(&PlatformEvent::InitStart {
            deployment: &self.deployment,
            environment: self.id,
        });
        for warning in self.deployment.warnings(self.site().sandbox.egress()) {
            self.log.platform(&PlatformEvent::Warning(&warning));
        }
        let shortfalls = self.capacity.shortfalls(self.deployment.memory_mb);
        for (what, shortfall) in shortfalls.iter() {
            let warning = format!("{what} is less than on AWS: {shortfall}");
            self.log.platform(&PlatformEvent::Warning(&warning));
        }
        let outcome = self.boot_within(INIT_LIMIT).await;
        let took = self.clock.monotonic().saturating_sub(started);
        match outcome {
            Ok(()) => {
                *self.init.lock() = Some(Init { began, took });
                self.log.platform(&PlatformEvent::InitReport {
                    took,
                    phase: "init",
                    failure: None,
                });
            }
            Err(failure) => {
                self.condemn(&failure);
                self.reset().await;
                self.log.platform(&PlatformEvent::InitReport {
                    took,
                    phase: "init",
                    failure: Some(&failure),
                });
            }
        }
    }

    /// Does what [`Environment::boot`] does, but for no longer than `limit`.
    pub(super) async fn boot_within(self: &Arc<Self>, limit: Duration) -> InitOutcome {
        let late = self.clock.sleep(limit);
        tokio::select! {
            outcome = self.boot("init") => outcome,
            () = late => Err(Failure::TimedOut { timeout: limit }),
        }
    }

    /// Starts the extensions, then the runtime process, and waits until all of them ask for an event.
    /// `phase` is `init` ahead of an invocation, and `invoke` within one.
    ///
    /// An init phase gets [`INIT_VCPUS`] at least, whatever the memory size. That holds also for one
    /// within an invocation, or a short timeout could never be met again after a crash.
    pub(super) async fn boot(self: &Arc<Self>, phase: &'static str) -> InitOutcome {
        let cores = self.capacity.cores_of(self.deployment.memory_mb);
        self.set_cpus(cores.max(INIT_VCPUS * self.capacity.cpu_scale));
        let outcome = self.bring_up(phase).await;
        self.tell_of_extensions();
        self.set_cpus(cores);
        if outcome.is_ok()
            && let Err(error) = self.site().sandbox.settle_memory()
        {
            tracing::warn!(%error, environment = %self.id, "the memory limit is not what it should be");
        }
        outcome
    }

    async fn bring_up(self: &Arc<Self>, phase: &'static str) -> InitOutcome {
        self.bring_up_extensions().await?;
        let starting = tokio::spawn(Arc::clone(self).start());
        let outcome = starting.await.unwrap_or_else(|_| Err(lost()))?;
        let outcome = outcome.await.unwrap_or_else(|_| Err(lost()));
        if !matches!(self.purpose, Purpose::Restored(_)) {
            self.log.platform(&PlatformEvent::InitRuntimeDone {
                phase,
                failure: outcome.as_ref().err(),
            });
        }
        outcome?;
        self.extensions_at_rest().await
    }

    fn set_cpus(&self, cores: f64) {
        if let Err(error) = self.site().sandbox.set_cpus(cores) {
            tracing::warn!(%error, environment = %self.id, "the share of the CPU is not what it should be");
        }
    }

    async fn start(self: Arc<Self>) -> Result<oneshot::Receiver<InitOutcome>, Failure> {
        let _one_at_a_time = self.lifecycle.lock().await;
        let beside = self.is_accompanied();
        if !beside {
            self.move_on().await?;
        }
        let site = self.site();
        let address = site.sandbox.runtime_api_address().to_string();
        let mut command = launch::command(&self.deployment, &self.identity, &address)
            .inspect_err(|failure| self.tell_launch_error(failure))?;
        // What runs beside others cannot be cloned by itself.
        command.cloneable = !beside && matches!(self.purpose, Purpose::Snapshot);
        let program = command.program.clone();
        self.serve(&site)?;
        let (done, outcome) = oneshot::channel();
        self.step(|stage| stage.start(done));
        let started = match beside {
            true => site.sandbox.start_beside(command).await,
            false => site.sandbox.start(command).await,
        };
        let mut process = match started {
            Ok(process) => process,
            Err(error) => {
                self.step(|stage| *stage = Stage::Down);
                let failure = launch::not_started(&self.deployment, &program, &error);
                self.tell_launch_error(&failure);
                return Err(failure);
            }
        };
        if let Err(error) = self.log.attach(&mut process) {
            tracing::warn!(%error, environment = %self.id, "the function's output cannot be read");
        }
        let exit = process.exit();
        *self.runtime.lock() = Some(process);
        let environment = Arc::clone(&self);
        *self.supervisor.lock() = Some(tokio::spawn(async move {
            // Without the spawner nobody can tell how it ended; it has been killed.
            let status = exit.await.unwrap_or(KILLED);
            let log = || environment.log.cut();
            let freed = environment.step(|stage| stage.exited(status, log));
            if freed {
                environment.come_to_rest();
            }
        }));
        Ok(outcome)
    }

    /// Serves the Runtime API and the Extensions API to the processes of this start, if that is not done
    /// yet.
    pub(super) fn serve(self: &Arc<Self>, site: &Site) -> Result<(), Failure> {
        let mut api = self.api.lock();
        if api.is_none() {
            let listener = listen(site).map_err(|error| Failure::NotStarted {
                error_type: "Runtime.Unknown",
                reason: format!("the Runtime API cannot be served: {error}"),
            })?;
            *api = Some(tokio::spawn(runtime_api::serve(listener, Arc::clone(self))));
        }
        Ok(())
    }

    /// Says in the log what of an image was to be started, as AWS does.
    fn tell_launch_error(&self, failure: &Failure) {
        if let Some(container) = self.deployment.container() {
            let told = container.launch_error(failure);
            self.log.platform(&PlatformEvent::Warning(&told));
        }
    }

    /// Kills whatever runs inside, without waiting for its end.
    pub(crate) fn kill(&self) {
        if let Err(error) = self.site().sandbox.kill_all() {
            tracing::warn!(%error, environment = %self.id, "processes could not be killed");
        }
    }

    /// Ends whatever runs inside and waits until it is gone. The files stay. Extensions are told, and have
    /// their time.
    pub(crate) async fn reset(self: &Arc<Self>) {
        let environment = Arc::clone(self);
        let resetting = tokio::spawn(async move {
            let _one_at_a_time = environment.lifecycle.lock().await;
            let mut supervisor = environment.supervisor.lock().take();
            environment.take_leave(&mut supervisor).await;
            environment.kill();
            let extensions = std::mem::take(&mut *environment.extensions.lock());
            for process in supervisor.into_iter().chain(extensions) {
                let _ended = process.await;
            }
            environment.runtime.lock().take();
            environment.log.telemetry.start_anew();
            let api = environment.api.lock().take();
            if let Some(api) = api {
                api.abort();
                let _aborted = api.await;
            }
            environment.step(|stage| *stage = Stage::Down);
        });
        let _done = resetting.await;
    }

    /// Resets it and gives it back. Until then it counts as about to be free, so that a call that
    /// comes in between waits for it rather than for a new one.
    pub(crate) async fn recover(self: &Arc<Self>) {
        self.finishing.fetch_add(1, Ordering::SeqCst);
        self.reset().await;
        self.finishing.fetch_sub(1, Ordering::SeqCst);
        self.give_back();
    }

    /// Ends the environment for good: its process, its Runtime API and its place.
    pub(crate) async fn destroy(self: &Arc<Self>) {
        self.occupy();
        self.reset().await;
        self.log.last_words();
        self.log.telemetry.end();
        if let Err(error) = self.site().sandbox.destroy().await {
            tracing::warn!(%error, environment = %self.id, "the sandbox could not be removed");
        }
    }
}

fn listen(site: &Site) -> io::Result<TcpListener> {
    TcpListener::from_std(site.sandbox.listener().map_err(io::Error::other)?)
}
