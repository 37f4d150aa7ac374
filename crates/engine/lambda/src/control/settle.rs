//! From `Pending` to `Active`, and from `InProgress` to `Successful`.
//!
//! A created or updated function is made ready behind the caller's back: its runtime's client is
//! installed if need be, its code unpacked. What a crash interrupts is taken up at the next start.

use std::sync::Arc;
use std::time::Duration;

use ids::RequestId;
use store::Digest;
use wire::lambda::{FunctionConfiguration, LastUpdateStatus, State};

use crate::deployment::Deployment;
use crate::error::ApiError;
use crate::function::key::FunctionKey;
use crate::function::record::{Live, VersionRecord};
use crate::function::tables::Tables;
use crate::package::code_store::CodeError;
use crate::runtime::install::RuntimeError;
use crate::service::Inner;

impl Inner {
    /// Takes up what a crash interrupted.
    pub(crate) async fn take_up(self: &Arc<Self>) -> Result<(), ApiError> {
        let unsettled = self
            .registry
            .read(|tables: &Tables<'_>| tables.unsettled())
            .await?;
        for (key, number) in unsettled {
            self.settle(key, number);
        }
        Ok(())
    }

    /// Makes a version ready in the background. A store that cannot take the outcome now is asked
    /// again: nobody else would ever settle the version.
    pub(crate) fn settle(self: &Arc<Self>, key: FunctionKey, number: u64) {
        let this = Arc::clone(self);
        tokio::spawn(async move {
            let mut pause = Duration::from_millis(100);
            while let Err(error) = this.settle_now(&key, number).await {
                tracing::warn!(%error, function = &*key.name, "a function could not be settled yet");
                if this.is_stopping() {
                    return;
                }
                this.clock.sleep(pause).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        });
    }

    async fn settle_now(self: &Arc<Self>, key: &FunctionKey, number: u64) -> Result<(), ApiError> {
        let Some(version) = self.registry.version(key, number).await? else {
            return Ok(());
        };
        let record = &version.record;
        let deployment = record.deployment;
        let prepared = self.prepare(key, (&record.configuration, deployment)).await;
        let failure = prepared.as_ref().err().cloned();
        if let Some(NotReady { reason, .. }) = &failure {
            tracing::warn!(function = &*key.name, reason, "the function is not ready");
        }
        let (wanted, revision) = (key.clone(), self.draw_id().to_string());
        let replaced = self
            .registry
            .write(key, move |tables| {
                let Some(mut record) = tables.version(&wanted, number)? else {
                    return Ok(None);
                };
                if record.deployment != deployment {
                    return Ok(None);
                }
                let replaced = settled(&mut record, failure, revision);
                tables.put_version(&wanted, number, &record, false)?;
                Ok(replaced)
            })
            .await?;
        if let Some(replaced) = replaced {
            self.fleet.retire(replaced.deployment);
            self.let_go([replaced.configuration.code_sha256.as_deref()]);
        }
        Ok(())
    }

    /// Everything that an invocation under this configuration needs, made ready.
    pub(crate) async fn prepare(
        &self,
        key: &FunctionKey,
        (configuration, id): (&FunctionConfiguration, RequestId),
    ) -> Result<Deployment, NotReady> {
        let runtime = super::configure::runtime(configuration.runtime.as_ref())
            .map_err(|error| NotReady::new("InvalidRuntime", &error))?;
        let client = self
            .runtimes
            .ensure(runtime)
            .await
            .map_err(|error| match error {
                RuntimeError::NotServed(_) | RuntimeError::NoInterpreter { .. } => {
                    NotReady::new("InvalidRuntime", &error)
                }
                RuntimeError::Install { .. } | RuntimeError::Io { .. } => {
                    NotReady::new("InternalError", &error)
                }
            })?;
        let code = configuration.code_sha256.as_deref().unwrap_or_default();
        let code =
            Digest::from_base64(code).map_err(|error| NotReady::new("InternalError", &error))?;
        // While it is unpacked nobody may take it for unused.
        let _gate = self.code_gate.read().await;
        let code = self
            .code
            .unpacked(code)
            .await
            .map_err(|error| match error {
                CodeError::Archive(_) => NotReady::new("InvalidZipFileException", &error),
                CodeError::Blob(_) | CodeError::Io { .. } => NotReady::new("InternalError", &error),
            })?;
        Ok(super::configure::deployment(
            key,
            id,
            configuration,
            runtime,
            client,
            code,
        ))
    }
}

/// The longest pause between two attempts to write an outcome.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Why a version cannot run.
#[derive(Debug, Clone)]
pub(crate) struct NotReady {
    /// AWS's name for it, which `StateReasonCode` and `LastUpdateStatusReasonCode` share.
    code: &'static str,
    pub(crate) reason: String,
}

impl NotReady {
    fn new(code: &'static str, reason: &impl ToString) -> Self {
        Self {
            code,
            reason: reason.to_string(),
        }
    }
}

/// Notes how it went. Returns what ran until now and is served no longer.
fn settled(
    record: &mut VersionRecord,
    failure: Option<NotReady>,
    revision: String,
) -> Option<Box<Live>> {
    let configuration = &mut record.configuration;
    configuration.revision_id = Some(revision);
    let Some(NotReady { code, reason }) = failure else {
        configuration.state = Some(State::Active);
        configuration.state_reason = None;
        configuration.state_reason_code = None;
        configuration.last_update_status = Some(LastUpdateStatus::Successful);
        configuration.last_update_status_reason = None;
        configuration.last_update_status_reason_code = None;
        return record.before_update.take();
    };
    if configuration.state == Some(State::Pending) {
        configuration.state = Some(State::Failed);
        configuration.state_reason = Some(reason.clone());
        configuration.state_reason_code = Some(code.to_owned().into());
    }
    configuration.last_update_status = Some(LastUpdateStatus::Failed);
    configuration.last_update_status_reason = Some(reason);
    configuration.last_update_status_reason_code = Some(code.to_owned().into());
    // What ran before the update goes on running.
    None
}
