//! When the runtime of a version is updated: PutRuntimeManagementConfig and
//! GetRuntimeManagementConfig.
//!
//! Kept and shown; the engine has one version of each runtime, so that nothing is ever rolled out.
//! Source: <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-update.html>.

use ids::Qualifier;
use wire::lambda::{
    GetRuntimeManagementConfigRequest, GetRuntimeManagementConfigResponse,
    PutRuntimeManagementConfigRequest, PutRuntimeManagementConfigResponse, UpdateRuntimeOn, errors,
};
use wire::{Caller, ServiceError};

use crate::function::record::LATEST;
use crate::function::settings::RuntimeManagement;
use crate::function::target::Target;
use crate::service::Inner;

impl Inner {
    pub(crate) async fn put_runtime_management_config(
        &self,
        caller: &Caller,
        input: PutRuntimeManagementConfigRequest,
    ) -> Result<PutRuntimeManagementConfigResponse, ServiceError> {
        let target = Target::read(caller, &input.function_name, input.qualifier)?;
        let version = version_number(&target)?;
        let management = RuntimeManagement {
            update_on: input.update_runtime_on.unwrap_or(UpdateRuntimeOn::Auto),
            runtime_version: input.runtime_version_arn,
        };
        check(&management, &caller.region)?;
        let (key, arn, kept) = (target.key.clone(), target.arn(), management.clone());
        self.registry
            .write(&key, move |tables| {
                if tables.version(&target.key, version)?.is_none() {
                    return Err(target.not_found().into());
                }
                tables.put_runtime_management(&target.key, version, &kept)
            })
            .await?;
        Ok(PutRuntimeManagementConfigResponse {
            update_runtime_on: Some(management.update_on),
            function_arn: Some(arn),
            runtime_version_arn: management.runtime_version,
        })
    }

    pub(crate) async fn get_runtime_management_config(
        &self,
        caller: &Caller,
        input: GetRuntimeManagementConfigRequest,
    ) -> Result<GetRuntimeManagementConfigResponse, ServiceError> {
        let target = Target::read(caller, &input.function_name, input.qualifier)?;
        let version = version_number(&target)?;
        let arn = target.arn();
        let management = self
            .registry
            .read(move |tables| {
                let management = tables.runtime_management(&target.key, version)?;
                if management.is_none() && tables.version(&target.key, version)?.is_none() {
                    return Err(target.not_found().into());
                }
                Ok(management)
            })
            .await?;
        let (update_on, runtime_version) = match management {
            Some(management) => (management.update_on, management.runtime_version),
            None => (UpdateRuntimeOn::Auto, None),
        };
        Ok(GetRuntimeManagementConfigResponse {
            update_runtime_on: Some(update_on),
            function_arn: Some(arn),
            runtime_version_arn: runtime_version,
        })
    }
}

fn version_number(target: &Target) -> Result<u64, ServiceError> {
    match target.meaning() {
        Qualifier::Latest => Ok(LATEST),
        Qualifier::Version(number) => Ok(number),
        Qualifier::Alias(name) => Err(errors::invalid_parameter_value_exception(format!(
            "The runtime management configuration belongs to versions: name $LATEST or the number \
             of a published version instead of {name}."
        ))),
    }
}

/// A runtime's version is named where it is updated by hand, and only there.
fn check(management: &RuntimeManagement, region: &str) -> Result<(), ServiceError> {
    let refuse = |message: String| Err(errors::invalid_parameter_value_exception(message));
    let by_hand = management.update_on == UpdateRuntimeOn::Manual;
    match &management.runtime_version {
        None if by_hand => refuse(
            "RuntimeVersionArn is required when UpdateRuntimeOn is Manual: name the version of \
             the runtime that the function is to stay at."
                .to_owned(),
        ),
        Some(_) if !by_hand => refuse(format!(
            "RuntimeVersionArn is only supported when UpdateRuntimeOn is Manual, not {}.",
            management.update_on.as_str()
        )),
        Some(arn) if arn.split(':').nth(3) != Some(region) => refuse(format!(
            "The runtime version {arn} is not of this region ({region})."
        )),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_runtime_version_goes_with_manual_updates_only() {
        let arn = "arn:aws:lambda:us-east-1::runtime:0123";
        let outcome = |update_on, version: Option<&str>| {
            let runtime_version = version.map(str::to_owned);
            let management = RuntimeManagement {
                update_on,
                runtime_version,
            };
            check(&management, "us-east-1").is_ok()
        };
        assert!(outcome(UpdateRuntimeOn::Auto, None));
        assert!(outcome(UpdateRuntimeOn::FunctionUpdate, None));
        assert!(outcome(UpdateRuntimeOn::Manual, Some(arn)));
        assert!(!outcome(UpdateRuntimeOn::Manual, None));
        assert!(!outcome(UpdateRuntimeOn::Auto, Some(arn)));
        let elsewhere = "arn:aws:lambda:eu-west-1::runtime:0123";
        assert!(!outcome(UpdateRuntimeOn::Manual, Some(elsewhere)));
    }
}
