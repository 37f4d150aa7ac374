//! From `Pending` to `Active`, and from `InProgress` to `Successful`.
//!
//! A created or updated function is made ready behind the caller's back: its runtime's client is
//! installed if need be, its code unpacked. What a crash interrupts is taken up at the next start.

use std::sync::Arc;

use ids::RequestId;
use store::Digest;
use wire::lambda::{
    FunctionConfiguration, LastUpdateStatus, LastUpdateStatusReasonCode, State, StateReasonCode,
};

use crate::deployment::Deployment;
use crate::error::ApiError;
use crate::function::key::FunctionKey;
use crate::function::record::VersionRecord;
use crate::function::tables::Tables;
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

    /// Makes a version ready in the background.
    pub(crate) fn settle(self: &Arc<Self>, key: FunctionKey, number: u64) {
        let this = Arc::clone(self);
        tokio::spawn(async move {
            if let Err(error) = this.settle_now(&key, number).await {
                tracing::error!(%error, function = &*key.name, "a function could not be made ready");
            }
        });
    }

    async fn settle_now(self: &Arc<Self>, key: &FunctionKey, number: u64) -> Result<(), ApiError> {
        let Some(version) = self.registry.version(key, number).await? else {
            return Ok(());
        };
        let deployment = version.record.deployment;
        let record = &version.record;
        let prepared = self
            .prepare(key, (&record.configuration, record.deployment))
            .await;
        let failure = match prepared {
            Ok(_ready) => None,
            Err(reason) => {
                tracing::warn!(function = &*key.name, reason, "the function is not ready");
                Some(reason)
            }
        };
        let (wanted, revision) = (key.clone(), self.draw_id().to_string());
        let retired = self
            .registry
            .write(key, move |tables| {
                let Some(mut record) = tables.version(&wanted, number)? else {
                    return Ok(None);
                };
                if record.deployment != deployment {
                    return Ok(None);
                }
                let retired = settled(&mut record, failure, revision);
                tables.put_version(&wanted, number, &record, false)?;
                Ok(retired)
            })
            .await?;
        if let Some(retired) = retired {
            self.fleet.retire(retired);
        }
        Ok(())
    }

    /// Everything that an invocation under this configuration needs, made ready.
    pub(crate) async fn prepare(
        &self,
        key: &FunctionKey,
        (configuration, id): (&FunctionConfiguration, RequestId),
    ) -> Result<Deployment, String> {
        let runtime = super::configure::runtime(configuration.runtime.as_ref())
            .map_err(|error| error.to_string())?;
        let client = self
            .runtimes
            .ensure(runtime)
            .await
            .map_err(|error| error.to_string())?;
        let code = configuration.code_sha256.as_deref().unwrap_or_default();
        let code = Digest::from_base64(code).map_err(|error| error.to_string())?;
        let code = self
            .code
            .unpacked(code)
            .await
            .map_err(|error| error.to_string())?;
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

/// Notes how it went. Returns the deployment that is served no longer.
fn settled(
    record: &mut VersionRecord,
    failure: Option<String>,
    revision: String,
) -> Option<RequestId> {
    let configuration = &mut record.configuration;
    configuration.revision_id = Some(revision);
    let was_pending = configuration.state == Some(State::Pending);
    match (failure, record.before_update.take()) {
        (None, before) => {
            configuration.state = Some(State::Active);
            configuration.state_reason = None;
            configuration.state_reason_code = None;
            configuration.last_update_status = Some(LastUpdateStatus::Successful);
            configuration.last_update_status_reason = None;
            configuration.last_update_status_reason_code = None;
            before.map(|live| live.deployment)
        }
        (Some(reason), before) => {
            if was_pending {
                configuration.state = Some(State::Failed);
                configuration.state_reason = Some(reason.clone());
                configuration.state_reason_code = Some(StateReasonCode::InvalidRuntime);
            }
            configuration.last_update_status = Some(LastUpdateStatus::Failed);
            configuration.last_update_status_reason = Some(reason);
            configuration.last_update_status_reason_code =
                Some(LastUpdateStatusReasonCode::InvalidRuntime);
            // What ran before the update goes on running.
            record.before_update = before;
            None
        }
    }
}
