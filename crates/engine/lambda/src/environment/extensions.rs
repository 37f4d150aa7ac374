//! What an environment does with its extensions: starts them ahead of the runtime, hands them its
//! invocations, waits for them, and takes leave of them.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use ids::RequestId;
use sandbox::ExitStatus;
use serde_json::json;
use tokio::task::JoinHandle;

use super::Environment;
use super::roster::{Awaited, Complaint, Fault, Interests, LIMIT, Roster, Turn, Until};
use super::stage::{BrokenOff, InitOutcome};
use super::telemetry::Closed;
use super::telemetry::subscription::Subscription;
use crate::invoke::event::Event;
use crate::invoke::failure::Failure;
use crate::logging::platform::PlatformEvent;
use crate::runtime::launch::{self, Extension};

/// The part of the shutdown phase, in percent, that the runtime has before extensions are told.
const RUNTIMES_SHARE: u32 = 30;

/// Why an environment is shut down, as extensions are told.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum ShutdownReason {
    #[default]
    Spindown,
    Timeout,
    Failure,
}

impl ShutdownReason {
    fn name(self) -> &'static str {
        match self {
            Self::Spindown => "spindown",
            Self::Timeout => "timeout",
            Self::Failure => "failure",
        }
    }
}

impl Environment {
    /// The extensions of the processes that run now.
    pub(super) fn roster(&self) -> Arc<Roster> {
        Arc::clone(&self.roster.read())
    }

    /// Whether an extension is there to be asked or told: one look, which every invocation takes.
    pub(super) fn is_accompanied(&self) -> bool {
        self.accompanied.load(Ordering::Acquire)
    }

    /// The runtime has done with its invocation: gives the environment back, unless it waits for its
    /// extensions.
    pub(super) fn come_to_rest(self: &Arc<Self>) {
        let turn = match self.is_accompanied() {
            true => self.roster().runtime_waits(),
            false => Turn::Free,
        };
        match turn {
            Turn::Free => self.give_back(),
            Turn::Later => {}
            Turn::Lost => self.recover_unasked(),
        }
    }

    /// Recovers it where no invocation waits for that.
    fn recover_unasked(self: &Arc<Self>) {
        *self.reason.lock() = ShutdownReason::Failure;
        let environment = Arc::clone(self);
        tokio::spawn(async move { environment.recover().await });
    }

    pub(super) fn draw_id(&self) -> RequestId {
        RequestId::draw(&*self.entropy)
    }

    /// Starts the external extensions, if there are any, and waits until they have registered: the
    /// runtime is started behind them.
    pub(super) async fn bring_up_extensions(self: &Arc<Self>) -> InitOutcome {
        let extensions = launch::extensions(&self.deployment, &self.identity);
        let roster = Roster::new(extensions.iter().map(|extension| extension.name.clone()));
        let roster = Arc::new(roster);
        *self.roster.write() = Arc::clone(&roster);
        self.accompanied
            .store(!extensions.is_empty(), Ordering::Release);
        *self.reason.lock() = ShutdownReason::default();
        if extensions.is_empty() {
            return Ok(());
        }
        if extensions.len() > LIMIT {
            return Err(Failure::Extension {
                error_type: "Extension.TooManyExtensions",
                reason: format!("Extension limit ({LIMIT}) reached"),
            });
        }
        let registered = roster.wait(Until::Registered);
        let starting = tokio::spawn(Arc::clone(self).start_extensions(roster, extensions));
        starting.await.unwrap_or_else(|_| Err(super::lost()))?;
        outcome(registered).await
    }

    async fn start_extensions(
        self: Arc<Self>,
        roster: Arc<Roster>,
        extensions: Vec<Extension>,
    ) -> InitOutcome {
        let _one_at_a_time = self.lifecycle.lock().await;
        self.move_on().await?;
        let site = self.site();
        let address = site.sandbox.runtime_api_address().to_string();
        let runtime = launch::command(&self.deployment, &self.identity, &address)?;
        self.serve(&site)?;
        for extension in extensions {
            let command = extension.command(&runtime);
            let mut process = match site.sandbox.start_beside(command).await {
                Ok(process) => process,
                Err(error) => {
                    let (kind, reason) = extension.not_started(&error);
                    return Err(roster.not_launched(&extension.name, kind, reason));
                }
            };
            if let Err(error) = self.log.attach_extension(&mut process) {
                tracing::warn!(%error, environment = %self.id, "an extension's output cannot be read");
            }
            let exit = process.exit();
            let (environment, roster) = (Arc::clone(&self), Arc::clone(&roster));
            let watching = tokio::spawn(async move {
                // Without the spawner nobody can tell how it ended; it has been killed.
                let status = exit.await.unwrap_or(super::lifecycle::KILLED);
                environment.extension_ended(&roster, &extension.name, &status);
            });
            self.extensions.lock().push(watching);
        }
        Ok(())
    }

    /// Waits until every extension has asked for its first event; from then on nobody registers.
    pub(super) async fn extensions_at_rest(&self) -> InitOutcome {
        let roster = self.roster();
        let outcome = outcome(roster.wait(Until::Resting)).await;
        roster.close_registration();
        self.log.telemetry.close_subscription();
        outcome
    }

    /// Says in the log where each extension stands.
    pub(super) fn tell_of_extensions(&self) {
        for extension in self.roster().describe() {
            self.log.platform(&PlatformEvent::Extension(&extension));
        }
    }

    /// Hands an invocation to the extensions. What comes back tells when they have done with it.
    pub(super) fn begin_with_extensions(&self, event: &Event) -> Awaited {
        let told = json!({
            "eventType": "INVOKE",
            "deadlineMs": event.deadline.as_millis(),
            "requestId": event.id.to_string(),
            "invokedFunctionArn": &*event.invoked_arn,
            "tracing": {
                "type": "X-Amzn-Trace-Id",
                "value": event.trace_id.as_deref().unwrap_or_default(),
            },
        });
        self.roster().begin(&Bytes::from(told.to_string()))
    }

    // What the Extensions API calls.

    pub(super) fn register_extension(
        &self,
        name: &str,
        interests: Interests,
    ) -> Result<RequestId, Complaint> {
        let id = self.draw_id();
        self.roster().register(id, name, interests)?;
        self.accompanied.store(true, Ordering::Release);
        Ok(id)
    }

    pub(super) async fn next_extension_event(
        self: &Arc<Self>,
        id: RequestId,
    ) -> Result<Bytes, Complaint> {
        let (coming, free) = self.roster().next(id)?;
        if free {
            self.give_back();
        }
        coming.await.map_err(|_| Complaint::Unknown)
    }

    pub(super) fn extension_reports(
        self: &Arc<Self>,
        id: RequestId,
        fault: Fault,
        error_type: &str,
    ) -> Result<(), Complaint> {
        let failure = self.roster().report(id, fault, error_type)?;
        self.break_off(&failure);
        Ok(())
    }

    pub(super) fn subscribe(
        &self,
        id: RequestId,
        subscription: Subscription,
    ) -> Result<(), Closed> {
        let name = self.roster().name(id).ok_or(Closed)?;
        self.log
            .telemetry
            .subscribe(&name, subscription, self.site())
    }

    fn extension_ended(self: &Arc<Self>, roster: &Roster, name: &str, status: &ExitStatus) {
        if let Some(failure) = roster.ended(name, status) {
            self.break_off(&failure);
        }
    }

    /// An extension is lost, and the environment with it: tells whoever waits for the runtime or the
    /// extensions. Where nobody does, its processes are ended, and the next invocation initialises it.
    fn break_off(self: &Arc<Self>, failure: &Failure) {
        match self.step(|stage| stage.break_off(failure, || self.log.cut())) {
            BrokenOff::Attended => {}
            BrokenOff::Idleness => self.kill(),
            BrokenOff::Return => {
                if self.roster().take_deserted() {
                    self.recover_unasked();
                }
            }
        }
    }

    /// The environment is lost over an invocation: it will be shut down with that reason. Where there
    /// are no extensions to be told, it is killed at once.
    pub(crate) fn condemn(&self, failure: &Failure) {
        *self.reason.lock() = match failure {
            Failure::TimedOut { .. } => ShutdownReason::Timeout,
            _ => ShutdownReason::Failure,
        };
        if !self.is_accompanied() {
            self.kill();
        }
    }

    /// The shutdown phase: the runtime is asked to end, then the extensions are told, and have what is
    /// left of the time to end as well. Whoever does not is killed afterwards, which is the caller's.
    ///
    /// Limits: <https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html>.
    pub(super) async fn take_leave(&self, supervisor: &mut Option<JoinHandle<()>>) {
        let roster = self.roster();
        let budget = roster.close();
        if budget.is_zero() {
            return;
        }
        let began = self.clock.monotonic();
        let deadline = self.clock.now().plus(budget);
        let runtime = self.runtime.lock().take();
        if let (Some(process), Some(task)) = (runtime, supervisor.as_mut()) {
            if let Err(error) = self.site().sandbox.terminate(&process) {
                tracing::debug!(%error, environment = %self.id, "the runtime is not asked to end");
            }
            let ended = tokio::select! {
                _ended = task => true,
                () = self.clock.sleep(budget * RUNTIMES_SHARE / 100) => false,
            };
            if ended {
                *supervisor = None;
            }
        }
        let farewell = json!({
            "eventType": "SHUTDOWN",
            "shutdownReason": self.reason.lock().name(),
            "deadlineMs": deadline.as_millis(),
        });
        self.log.telemetry.flush();
        let gone = roster.take_leave(&Bytes::from(farewell.to_string()));
        let passed = self.clock.monotonic().saturating_sub(began);
        tokio::select! {
            _gone = gone => {}
            () = self.clock.sleep(budget.saturating_sub(passed)) => {}
        }
    }
}

/// How what was waited for came out. A roster that is gone took its processes along.
async fn outcome(awaited: Awaited) -> InitOutcome {
    awaited.await.unwrap_or_else(|_| Err(super::lost()))
}
