//! Provisioned concurrency: Put-, Get-, Delete- and ListProvisionedConcurrencyConfig(s).
//!
//! Source: AWS's answers and
//! <https://docs.aws.amazon.com/lambda/latest/dg/provisioned-concurrency.html>.

use std::sync::Arc;

use ids::{Qualifier, Timestamp};
use wire::lambda::{
    DeleteProvisionedConcurrencyConfigRequest, GetProvisionedConcurrencyConfigRequest,
    GetProvisionedConcurrencyConfigResponse, ListProvisionedConcurrencyConfigsRequest,
    ListProvisionedConcurrencyConfigsResponse, ProvisionedConcurrencyConfigListItem,
    ProvisionedConcurrencyStatusEnum as Status, PutProvisionedConcurrencyConfigRequest,
    PutProvisionedConcurrencyConfigResponse, errors,
};
use wire::{Caller, ServiceError};

use super::concurrency::{unreserved_minimum, untyped};
use super::configure::is_snap_started;
use super::list;
use crate::error::ApiError;
use crate::function::key::FunctionKey;
use crate::function::provisioned::Provisioned;
use crate::function::record::LATEST;
use crate::function::tables::Tables;
use crate::function::target::Target;
use crate::schedule::provision::Progress;
use crate::service::Inner;

impl Inner {
    pub(crate) async fn put_provisioned_concurrency_config(
        self: &Arc<Self>,
        caller: &Caller,
        input: PutProvisionedConcurrencyConfigRequest,
    ) -> Result<PutProvisionedConcurrencyConfigResponse, ServiceError> {
        let target = Target::read(caller, &input.function_name, input.qualifier)?;
        if target.meaning() == Qualifier::Latest {
            return Err(errors::invalid_parameter_value_exception(
                "Provisioned Concurrency Configs cannot be applied to unpublished function \
                 versions.",
            ));
        }
        let requested = input.provisioned_concurrent_executions.unwrap_or(1);
        let config = Provisioned {
            requested: requested.unsigned_abs(),
            last_modified: self.clock.now(),
        };
        let (key, limit) = (target.key.clone(), self.concurrency.limit());
        let qualifier = target.meaning().to_string();
        let kept = qualifier.clone();
        self.registry
            .write(&key, move |tables| {
                check_target(tables, &target)?;
                check_amount(tables, &target.key, &kept, config.requested, limit)?;
                tables.put_provisioned(&target.key, &kept, &config)
            })
            .await?;
        self.align_concurrency(&key).await?;
        let shown = self.shown_provisioned(&key, qualifier, config);
        Ok(PutProvisionedConcurrencyConfigResponse {
            requested_provisioned_concurrent_executions: shown
                .requested_provisioned_concurrent_executions,
            allocated_provisioned_concurrent_executions: shown
                .allocated_provisioned_concurrent_executions,
            available_provisioned_concurrent_executions: shown
                .available_provisioned_concurrent_executions,
            status: shown.status,
            status_reason: shown.status_reason,
            last_modified: shown.last_modified,
        })
    }

    pub(crate) async fn get_provisioned_concurrency_config(
        &self,
        caller: &Caller,
        input: GetProvisionedConcurrencyConfigRequest,
    ) -> Result<GetProvisionedConcurrencyConfigResponse, ServiceError> {
        let target = published(caller, &input.function_name, input.qualifier)?;
        let (key, qualifier) = (target.key.clone(), target.meaning().to_string());
        let (config, qualifier) = self
            .registry
            .read(move |tables| {
                check_existence(tables, &target)?;
                let config = tables.provisioned(&target.key, &qualifier)?;
                Ok((config.ok_or_else(not_configured)?, qualifier))
            })
            .await?;
        let shown = self.shown_provisioned(&key, qualifier, config);
        Ok(GetProvisionedConcurrencyConfigResponse {
            requested_provisioned_concurrent_executions: shown
                .requested_provisioned_concurrent_executions,
            available_provisioned_concurrent_executions: shown
                .available_provisioned_concurrent_executions,
            allocated_provisioned_concurrent_executions: shown
                .allocated_provisioned_concurrent_executions,
            status: shown.status,
            status_reason: shown.status_reason,
            last_modified: shown.last_modified,
        })
    }

    pub(crate) async fn list_provisioned_concurrency_configs(
        &self,
        caller: &Caller,
        input: ListProvisionedConcurrencyConfigsRequest,
    ) -> Result<ListProvisionedConcurrencyConfigsResponse, ServiceError> {
        let target = Target::read(caller, &input.function_name, None)?;
        let key = target.key.clone();
        let limit = list::page_size(input.max_items);
        let from = list::begin(input.marker.as_deref())?;
        let mut page = self
            .registry
            .read(move |tables| {
                let function = tables.version(&target.key, LATEST)?;
                function.ok_or_else(|| target.not_found())?;
                tables.provisioned_of(&target.key, &from, limit + 1)
            })
            .await?;
        let next = (page.len() > limit).then(|| page.pop()).flatten();
        let configs = page
            .into_iter()
            .map(|(qualifier, config)| self.shown_provisioned(&key, qualifier, config));
        Ok(ListProvisionedConcurrencyConfigsResponse {
            provisioned_concurrency_configs: Some(configs.collect()),
            next_marker: next.map(|(qualifier, _)| list::marker(&qualifier)),
        })
    }

    pub(crate) async fn delete_provisioned_concurrency_config(
        self: &Arc<Self>,
        caller: &Caller,
        input: DeleteProvisionedConcurrencyConfigRequest,
    ) -> Result<(), ServiceError> {
        let target = published(caller, &input.function_name, input.qualifier)?;
        let key = target.key.clone();
        self.registry
            .write(&key, move |tables| {
                check_existence(tables, &target)?;
                // Deleting what is not there succeeds, as elsewhere.
                tables.remove_provisioned(&target.key, &target.meaning().to_string())
            })
            .await?;
        self.align_concurrency(&key).await?;
        Ok(())
    }

    /// A configuration, and how far it has come.
    fn shown_provisioned(
        &self,
        key: &FunctionKey,
        qualifier: String,
        config: Provisioned,
    ) -> ProvisionedConcurrencyConfigListItem {
        let function_arn = Some(key.qualified_arn(&qualifier));
        let provision = self.provisions.configured(&(key.clone(), qualifier));
        let (ready, progress) = provision.map_or((0, Progress::Underway), |provision| {
            (provision.ready(), provision.progress())
        });
        let whole = |count: u32| Some(i32::try_from(count).unwrap_or(i32::MAX));
        let (status, status_reason) = match progress {
            Progress::Underway => (Status::InProgress, None),
            Progress::Ready => (Status::Ready, None),
            Progress::Failed(reason) => (Status::Failed, Some(reason)),
        };
        ProvisionedConcurrencyConfigListItem {
            function_arn,
            requested_provisioned_concurrent_executions: whole(config.requested),
            available_provisioned_concurrent_executions: whole(ready),
            allocated_provisioned_concurrent_executions: whole(ready),
            status: Some(status),
            status_reason,
            last_modified: Some(seconds(config.last_modified)),
        }
    }
}

/// Date and time as these operations show it.
fn seconds(time: Timestamp) -> String {
    time.civil().strftime("%Y-%m-%dT%H:%M:%S+0000").to_string()
}

/// What is asked about, which must be an alias or a version.
fn published(
    caller: &Caller,
    name: &str,
    qualifier: Option<String>,
) -> Result<Target, ServiceError> {
    let target = Target::read(caller, name, qualifier)?;
    match target.meaning() {
        Qualifier::Latest => Err(errors::invalid_parameter_value_exception(
            "The function resource provided must be an alias or a published version.",
        )),
        _ => Ok(target),
    }
}

fn not_configured() -> ServiceError {
    errors::provisioned_concurrency_config_not_found_exception(
        "No Provisioned Concurrency Config found for this function",
    )
}

fn check_existence(tables: &Tables<'_>, target: &Target) -> Result<(), ApiError> {
    match target.meaning() {
        Qualifier::Alias(name) if tables.alias(&target.key, &name)?.is_none() => {
            let message = format!("Cannot find alias arn: {}", target.arn());
            Err(errors::resource_not_found_exception(message).into())
        }
        Qualifier::Version(number) if tables.version(&target.key, number)?.is_none() => {
            Err(target.not_found().into())
        }
        _ => Ok(()),
    }
}

/// A version has one configuration: its own or that of one alias.
fn check_target(tables: &Tables<'_>, target: &Target) -> Result<(), ApiError> {
    check_existence(tables, target)?;
    let key = &target.key;
    let own = target.meaning();
    let (number, message) = match &own {
        Qualifier::Alias(name) => {
            let alias = tables.alias(key, name)?;
            let number = alias.map_or(LATEST, |alias| alias.version_number());
            if number == LATEST {
                return Err(errors::invalid_parameter_value_exception(
                    "Provisioned Concurrency Configs cannot be applied to unpublished function \
                     versions.",
                )
                .into());
            }
            (
                number,
                "Alias can't be used for Provisioned Concurrency configuration on an already \
                 Provisioned version",
            )
        }
        Qualifier::Version(number) => (
            *number,
            "Version is pointed by a Provisioned Concurrency alias",
        ),
        Qualifier::Latest => return Ok(()),
    };
    let version = tables.version(key, number)?;
    if version.is_some_and(|version| is_snap_started(&version.configuration)) {
        // The rule: <https://docs.aws.amazon.com/lambda/latest/dg/snapstart.html>.
        return Err(errors::invalid_parameter_value_exception(
            "Provisioned Concurrency is not supported for SnapStart enabled functions.",
        )
        .into());
    }
    let of_version = tables.provisioned(key, &number.to_string())?.is_some();
    let mut is_taken = of_version && own != Qualifier::Version(number);
    for name in tables.aliases_of_version(key, number)? {
        let is_other = own != Qualifier::Alias(name.clone());
        is_taken |= is_other && tables.provisioned(key, &name)?.is_some();
    }
    match is_taken {
        true => Err(errors::resource_conflict_exception(message).into()),
        false => Ok(()),
    }
}

/// Whether so much may be provisioned: of the function's reservation, or of what is left for all.
fn check_amount(
    tables: &Tables<'_>,
    key: &FunctionKey,
    qualifier: &str,
    requested: u32,
    limit: u32,
) -> Result<(), ApiError> {
    let now = tables.provisioned(key, qualifier)?;
    let now = now.map_or(0, |config| config.requested);
    let settings = tables.settings(key)?.unwrap_or_default();
    if let Some(reserved) = settings.reserved_concurrency {
        let total = tables.provisioned_total(key)?.saturating_sub(now);
        if total.saturating_add(requested) > reserved {
            return Err(errors::invalid_parameter_value_exception(
                "Requested Provisioned Concurrency should not be greater than the \
                 reservedConcurrentExecution for function",
            )
            .into());
        }
        return Ok(());
    }
    let set_aside = tables.set_aside(&key.account, &key.region)?;
    let unreserved = limit.saturating_sub(set_aside.saturating_sub(now));
    if requested > unreserved {
        return Err(untyped(format!(
            "Specified ConcurrentExecutions for function is greater than account's unreserved \
             concurrency [{unreserved}]."
        ))
        .into());
    }
    let minimum = unreserved_minimum(limit);
    if unreserved - requested < minimum {
        return Err(untyped(format!(
            "Specified ConcurrentExecutions for function decreases account's \
             UnreservedConcurrentExecution below its minimum value of [{minimum}]."
        ))
        .into());
    }
    Ok(())
}
