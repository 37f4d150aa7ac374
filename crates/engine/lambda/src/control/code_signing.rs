//! Code signing configurations, and the functions that they are given to.
//!
//! They are checked, kept and shown. Signatures of packages are not: nothing here signs one.
//! Source: AWS's answers and
//! <https://docs.aws.amazon.com/lambda/latest/dg/configuration-codesigning.html>.

use ids::Arn;
use wire::lambda::{
    CodeSigningConfig, CodeSigningPolicies, CodeSigningPolicy, CreateCodeSigningConfigRequest,
    CreateCodeSigningConfigResponse, DeleteCodeSigningConfigRequest,
    DeleteCodeSigningConfigResponse, DeleteFunctionCodeSigningConfigRequest,
    GetCodeSigningConfigRequest, GetCodeSigningConfigResponse, GetFunctionCodeSigningConfigRequest,
    GetFunctionCodeSigningConfigResponse, ListCodeSigningConfigsRequest,
    ListCodeSigningConfigsResponse, ListFunctionsByCodeSigningConfigRequest,
    ListFunctionsByCodeSigningConfigResponse, PutFunctionCodeSigningConfigRequest,
    PutFunctionCodeSigningConfigResponse, UpdateCodeSigningConfigRequest,
    UpdateCodeSigningConfigResponse, errors,
};
use wire::{Caller, ServiceError};

use super::concurrency::whole_function;
use super::list;
use crate::error::ApiError;
use crate::function::code_signing::ConfigKey;
use crate::function::key::FunctionKey;
use crate::function::tables::Tables;
use crate::function::tags;
use crate::function::target::Target;
use crate::service::Inner;

impl Inner {
    pub(crate) async fn create_code_signing_config(
        &self,
        caller: &Caller,
        input: CreateCodeSigningConfigRequest,
    ) -> Result<CreateCodeSigningConfigResponse, ServiceError> {
        let tags = input.tags.unwrap_or_default();
        tags::check(&tags)?;
        let tags = serde_json::to_string(&tags).map_err(ApiError::from)?;
        let key = ConfigKey {
            account: caller.account.to_string(),
            region: caller.region.to_string(),
            id: format!("csc-{:017x}", self.entropy.bits() >> (128 - 4 * 17)),
        };
        let config = CodeSigningConfig {
            code_signing_config_id: Some(key.id.clone()),
            code_signing_config_arn: Some(key.arn()),
            description: input.description,
            allowed_publishers: input.allowed_publishers,
            code_signing_policies: Some(policies(input.code_signing_policies)),
            last_modified: Some(self.clock.now().iso_millis()),
        };
        let kept = config.clone();
        self.registry
            .write_apart(move |tables| tables.add_code_signing_config(&key, &kept, &tags))
            .await?;
        Ok(CreateCodeSigningConfigResponse {
            code_signing_config: Some(config),
        })
    }

    pub(crate) async fn get_code_signing_config(
        &self,
        caller: &Caller,
        input: GetCodeSigningConfigRequest,
    ) -> Result<GetCodeSigningConfigResponse, ServiceError> {
        let (key, missing) = named(caller, &input.code_signing_config_arn)?;
        let config = self
            .registry
            .read(move |tables| tables.code_signing_config(&key))
            .await?
            .ok_or(missing)?;
        Ok(GetCodeSigningConfigResponse {
            code_signing_config: Some(config),
        })
    }

    pub(crate) async fn update_code_signing_config(
        &self,
        caller: &Caller,
        input: UpdateCodeSigningConfigRequest,
    ) -> Result<UpdateCodeSigningConfigResponse, ServiceError> {
        let (key, missing) = named(caller, &input.code_signing_config_arn)?;
        let now = self.clock.now().iso_millis();
        let config = self
            .registry
            .write_apart(move |tables| {
                let mut config = tables.code_signing_config(&key)?.ok_or(missing)?;
                config.description = input.description.or(config.description);
                config.allowed_publishers = input.allowed_publishers.or(config.allowed_publishers);
                let policies = input.code_signing_policies;
                config.code_signing_policies = policies.or(config.code_signing_policies);
                config.last_modified = Some(now);
                tables.put_code_signing_config(&key, &config)?;
                Ok::<_, ApiError>(config)
            })
            .await?;
        Ok(UpdateCodeSigningConfigResponse {
            code_signing_config: Some(config),
        })
    }

    pub(crate) async fn delete_code_signing_config(
        &self,
        caller: &Caller,
        input: DeleteCodeSigningConfigRequest,
    ) -> Result<DeleteCodeSigningConfigResponse, ServiceError> {
        let (key, missing) = named(caller, &input.code_signing_config_arn)?;
        self.registry
            .write_apart(move |tables| {
                tables.code_signing_config(&key)?.ok_or(missing)?;
                let place = (key.account.as_str(), key.region.as_str());
                if let Some(name) = tables.functions_signed_by(place, &key.id, "", 1)?.pop() {
                    return Err(errors::resource_conflict_exception(format!(
                        "The code signing configuration {} is in use by function {name}. Remove \
                         it from every function before you delete it.",
                        key.arn()
                    ))
                    .into());
                }
                tables.remove_code_signing_config(&key)
            })
            .await?;
        Ok(DeleteCodeSigningConfigResponse {})
    }

    pub(crate) async fn list_code_signing_configs(
        &self,
        caller: &Caller,
        input: ListCodeSigningConfigsRequest,
    ) -> Result<ListCodeSigningConfigsResponse, ServiceError> {
        let limit = list::page_size(input.max_items);
        let from = list::begin(input.marker.as_deref())?;
        let (account, region) = (caller.account.clone(), caller.region.clone());
        let mut page = self
            .registry
            .read(move |tables| tables.code_signing_configs((&account, &region), &from, limit + 1))
            .await?;
        let next = (page.len() > limit).then(|| page.pop()).flatten();
        let next = next.and_then(|config| config.code_signing_config_id);
        Ok(ListCodeSigningConfigsResponse {
            next_marker: next.map(|id| list::marker(&id)),
            code_signing_configs: Some(page),
        })
    }

    pub(crate) async fn list_functions_by_code_signing_config(
        &self,
        caller: &Caller,
        input: ListFunctionsByCodeSigningConfigRequest,
    ) -> Result<ListFunctionsByCodeSigningConfigResponse, ServiceError> {
        let (key, missing) = named(caller, &input.code_signing_config_arn)?;
        let limit = list::page_size(input.max_items);
        let from = list::begin(input.marker.as_deref())?;
        let mut names = self
            .registry
            .read(move |tables| {
                tables.code_signing_config(&key)?.ok_or(missing)?;
                let place = (key.account.as_str(), key.region.as_str());
                tables.functions_signed_by(place, &key.id, &from, limit + 1)
            })
            .await?;
        let next = (names.len() > limit).then(|| names.pop()).flatten();
        let arns = names.iter().map(|name| FunctionKey::of(caller, name).arn());
        Ok(ListFunctionsByCodeSigningConfigResponse {
            next_marker: next.map(|name| list::marker(&name)),
            function_arns: Some(arns.collect()),
        })
    }

    pub(crate) async fn put_function_code_signing_config(
        &self,
        caller: &Caller,
        input: PutFunctionCodeSigningConfigRequest,
    ) -> Result<PutFunctionCodeSigningConfigResponse, ServiceError> {
        let target = whole_function(caller, &input.function_name)?;
        let name = target.key.name.to_string();
        let arn = input.code_signing_config_arn.unwrap_or_default();
        self.sign_by(caller, target, Some(arn.clone())).await?;
        Ok(PutFunctionCodeSigningConfigResponse {
            code_signing_config_arn: Some(arn),
            function_name: Some(name),
        })
    }

    pub(crate) async fn get_function_code_signing_config(
        &self,
        caller: &Caller,
        input: GetFunctionCodeSigningConfigRequest,
    ) -> Result<GetFunctionCodeSigningConfigResponse, ServiceError> {
        let target = whole_function(caller, &input.function_name)?;
        let settings = self.registry.settings(&target.key).await?;
        let settings = settings.ok_or_else(|| target.not_found())?;
        let Some(id) = settings.code_signing_config.clone() else {
            return Ok(GetFunctionCodeSigningConfigResponse::default());
        };
        let key = ConfigKey {
            account: target.key.account.to_string(),
            region: target.key.region.to_string(),
            id,
        };
        Ok(GetFunctionCodeSigningConfigResponse {
            code_signing_config_arn: Some(key.arn()),
            function_name: Some(target.key.name.to_string()),
        })
    }

    pub(crate) async fn delete_function_code_signing_config(
        &self,
        caller: &Caller,
        input: DeleteFunctionCodeSigningConfigRequest,
    ) -> Result<(), ServiceError> {
        let target = whole_function(caller, &input.function_name)?;
        self.sign_by(caller, target, None).await
    }

    /// Gives a function a code signing configuration, or takes its own away.
    async fn sign_by(
        &self,
        caller: &Caller,
        target: Target,
        arn: Option<String>,
    ) -> Result<(), ServiceError> {
        let (key, caller) = (target.key.clone(), caller.clone());
        self.registry
            .write(&key, move |tables| {
                let id = arn.map(|arn| id_of(tables, &caller, &arn)).transpose()?;
                let settings = tables.settings(&target.key)?;
                let mut settings = settings.ok_or_else(|| target.not_found())?;
                settings.code_signing_config = id;
                tables.put_settings(&target.key, &settings)
            })
            .await?;
        Ok(())
    }
}

/// The id of the configuration of that ARN, for a function that is to have it.
pub(super) fn id_of(tables: &Tables<'_>, caller: &Caller, arn: &str) -> Result<String, ApiError> {
    if let Some(key) = key(caller, arn)
        && tables.code_signing_config(&key)?.is_some()
    {
        return Ok(key.id);
    }
    Err(errors::code_signing_config_not_found_exception(format!(
        "The code signing configuration cannot be found. Check that the provided configuration is \
         not deleted: {arn}."
    ))
    .into())
}

/// The configuration of that ARN, if it is of the caller's account and region.
pub(super) fn key(caller: &Caller, arn: &str) -> Option<ConfigKey> {
    let arn: Arn = arn.parse().ok()?;
    let (_, id) = arn.resource.split_once(':')?;
    let here = arn.account == *caller.account && arn.region == *caller.region;
    here.then(|| ConfigKey {
        id: id.to_owned(),
        account: arn.account,
        region: arn.region,
    })
}

/// That there is no configuration of that ARN.
pub(super) fn no_such_config(arn: &str) -> ServiceError {
    errors::resource_not_found_exception(format!(
        "The Lambda code signing configuration {arn} can not be found."
    ))
}

fn named(caller: &Caller, arn: &str) -> Result<(ConfigKey, ServiceError), ServiceError> {
    let key = key(caller, arn).ok_or_else(|| no_such_config(arn))?;
    Ok((key, no_such_config(arn)))
}

fn policies(asked: Option<CodeSigningPolicies>) -> CodeSigningPolicies {
    let asked = asked.and_then(|policies| policies.untrusted_artifact_on_deployment);
    CodeSigningPolicies {
        untrusted_artifact_on_deployment: asked.or(Some(CodeSigningPolicy::Warn)),
    }
}
