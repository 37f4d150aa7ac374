//! Aliases: CreateAlias, GetAlias, ListAliases, UpdateAlias, DeleteAlias.

use std::collections::BTreeMap;
use std::sync::Arc;

use ids::Qualifier;
use wire::lambda::{
    AliasConfiguration, AliasRoutingConfiguration, CreateAliasRequest, DeleteAliasRequest,
    GetAliasRequest, ListAliasesRequest, ListAliasesResponse, UpdateAliasRequest, errors,
};
use wire::{Caller, ServiceError};

use super::list;
use super::publish::revision_mismatch;
use crate::error::ApiError;
use crate::function::key::FunctionKey;
use crate::function::record::AliasRecord;
use crate::function::record::LATEST;
use crate::function::tables::Tables;
use crate::function::target::{Target, not_found};
use crate::service::Inner;

impl Inner {
    pub(crate) async fn create_alias(
        &self,
        caller: &Caller,
        input: CreateAliasRequest,
    ) -> Result<AliasConfiguration, ServiceError> {
        let target = Target::read(caller, &input.function_name, None)?;
        let (key, missing) = (target.key.clone(), target.not_found());
        let name = input.name.unwrap_or_default();
        let version = input.function_version.unwrap_or_default();
        check_routing(&version, input.routing_config.as_ref())?;
        let configuration = AliasConfiguration {
            alias_arn: Some(key.qualified_arn(&name)),
            name: Some(name.clone()),
            function_version: Some(version),
            description: Some(input.description.unwrap_or_default()),
            routing_config: input.routing_config,
            revision_id: Some(self.draw_id().to_string()),
        };
        let stored = self
            .registry
            .write(&target.key, move |tables| {
                tables.version(&key, LATEST)?.ok_or(missing)?;
                check_versions(tables, &key, &configuration)?;
                if tables.alias(&key, &name)?.is_some() {
                    let arn = key.qualified_arn(&name);
                    let message = format!("Alias already exists: {arn}");
                    return Err(errors::resource_conflict_exception(message).into());
                }
                let record = AliasRecord { configuration };
                tables.put_alias(&key, &name, &record)?;
                Ok(record)
            })
            .await?;
        Ok(stored.configuration)
    }

    pub(crate) async fn get_alias(
        &self,
        caller: &Caller,
        input: GetAliasRequest,
    ) -> Result<AliasConfiguration, ServiceError> {
        let target = Target::read(caller, &input.function_name, None)?;
        let alias = self.registry.alias(&target.key, &input.name).await?;
        let alias = alias.ok_or_else(|| {
            let arn = target.key.qualified_arn(&input.name);
            errors::resource_not_found_exception(format!("Cannot find alias arn: {arn}"))
        })?;
        Ok(alias.configuration.clone())
    }

    pub(crate) async fn list_aliases(
        &self,
        caller: &Caller,
        input: ListAliasesRequest,
    ) -> Result<ListAliasesResponse, ServiceError> {
        let target = Target::read(caller, &input.function_name, None)?;
        let (key, missing) = (target.key.clone(), target.not_found());
        let limit = list::page_size(input.max_items);
        let from = list::begin(input.marker.as_deref())?;
        let only = input.function_version;
        let (aliases, next) = self
            .registry
            .read(move |tables| {
                tables.version(&key, LATEST)?.ok_or(missing)?;
                page(tables, &key, from, limit, only.as_deref())
            })
            .await?;
        Ok(ListAliasesResponse {
            next_marker: next.map(|name| list::marker(&name)),
            aliases: Some(aliases),
        })
    }

    pub(crate) async fn update_alias(
        self: &Arc<Self>,
        caller: &Caller,
        input: UpdateAliasRequest,
    ) -> Result<AliasConfiguration, ServiceError> {
        let target = Target::read(caller, &input.function_name, None)?;
        let key = target.key.clone();
        let revision = self.draw_id().to_string();
        let stored = self
            .registry
            .write(&target.key, move |tables| {
                let missing = || {
                    let arn = key.qualified_arn(&input.name);
                    errors::resource_not_found_exception(format!("Alias not found: {arn}"))
                };
                let mut record = tables.alias(&key, &input.name)?.ok_or_else(missing)?;
                let configuration = &mut record.configuration;
                if input.revision_id.is_some() && input.revision_id != configuration.revision_id {
                    return Err(revision_mismatch("GetFunction/GetAlias").into());
                }
                if input.function_version.is_some() {
                    configuration.function_version = input.function_version;
                }
                if input.description.is_some() {
                    configuration.description = input.description;
                }
                if let Some(routing) = input.routing_config {
                    let weights = routing.additional_version_weights.as_ref();
                    let none = weights.is_none_or(BTreeMap::is_empty);
                    configuration.routing_config = (!none).then_some(routing);
                }
                let version = configuration
                    .function_version
                    .as_deref()
                    .unwrap_or_default();
                check_routing(version, configuration.routing_config.as_ref())?;
                check_versions(tables, &key, configuration)?;
                configuration.revision_id = Some(revision);
                tables.put_alias(&key, &input.name, &record)?;
                Ok(record)
            })
            .await?;
        // What is provisioned for the alias moves with it.
        self.align_concurrency(&target.key).await?;
        Ok(stored.configuration)
    }

    pub(crate) async fn delete_alias(
        self: &Arc<Self>,
        caller: &Caller,
        input: DeleteAliasRequest,
    ) -> Result<(), ServiceError> {
        let target = Target::read(caller, &input.function_name, None)?;
        let (key, missing) = (target.key.clone(), target.not_found());
        self.registry
            .write(&target.key, move |tables| {
                tables.version(&key, LATEST)?.ok_or(missing)?;
                // Deleting what is not there succeeds, as on AWS.
                tables.remove_alias(&key, &input.name)?;
                tables.remove_event_invoke(&key, &input.name)?;
                tables.remove_provisioned(&key, &input.name)?;
                Ok::<_, ApiError>(())
            })
            .await?;
        self.align_concurrency(&target.key).await?;
        Ok(())
    }
}

/// Up to `limit` aliases from `from` on, those of version `only` if it is given, and the name that
/// the next page begins with.
fn page(
    tables: &Tables<'_>,
    key: &FunctionKey,
    mut from: String,
    limit: usize,
    only: Option<&str>,
) -> Result<(Vec<AliasConfiguration>, Option<String>), ApiError> {
    let mut found = Vec::new();
    loop {
        let mut chunk = tables.aliases(key, &from, limit + 1)?;
        let more = (chunk.len() > limit).then(|| chunk.pop()).flatten();
        let next = more.and_then(|record| record.configuration.name);
        for AliasRecord { configuration } in chunk {
            let wanted = only.is_none_or(|v| configuration.function_version.as_deref() == Some(v));
            if !wanted {
                continue;
            }
            if found.len() == limit {
                return Ok((found, configuration.name));
            }
            found.push(configuration);
        }
        match next {
            Some(name) if found.len() < limit => from = name,
            next => return Ok((found, next)),
        }
    }
}

/// Weights are shares of published versions.
/// Source: <https://docs.aws.amazon.com/lambda/latest/dg/configuring-alias-routing.html>.
fn check_routing(
    version: &str,
    routing: Option<&AliasRoutingConfiguration>,
) -> Result<(), ServiceError> {
    let weights = routing.and_then(|routing| routing.additional_version_weights.as_ref());
    let Some(weights) = weights.filter(|weights| !weights.is_empty()) else {
        return Ok(());
    };
    let refuse = |message: String| Err(errors::invalid_parameter_value_exception(message));
    if weights.len() > 1 {
        return refuse(
            "Number of items in AdditionalVersionWeights cannot be greater than 1".into(),
        );
    }
    if version == "$LATEST" || weights.contains_key("$LATEST") {
        return refuse(
            "$LATEST is not supported for an alias pointing to more than 1 version".into(),
        );
    }
    if weights.contains_key(version) {
        return refuse(format!(
            "Invalid function version {version}. Function version {version} is already included \
             in routing configuration."
        ));
    }
    match weights
        .values()
        .find(|weight| !(0.0..=1.0).contains(*weight))
    {
        Some(weight) => refuse(format!("The weight {weight} is not between 0.0 and 1.0.")),
        None => Ok(()),
    }
}

/// Every version that an alias names must exist.
fn check_versions(
    tables: &Tables<'_>,
    key: &FunctionKey,
    alias: &AliasConfiguration,
) -> Result<(), ApiError> {
    let routed = alias.routing_config.as_ref();
    let routed = routed.and_then(|routing| routing.additional_version_weights.as_ref());
    let names = alias
        .function_version
        .iter()
        .chain(routed.into_iter().flat_map(|w| w.keys()));
    for name in names {
        let number = match Qualifier::parse(name) {
            Qualifier::Latest => Some(LATEST),
            Qualifier::Version(number) => Some(number),
            Qualifier::Alias(_) => None,
        };
        let exists = match number {
            Some(number) => tables.version(key, number)?.is_some(),
            None => false,
        };
        if !exists {
            return Err(not_found(&key.qualified_arn(name)).into());
        }
    }
    Ok(())
}
