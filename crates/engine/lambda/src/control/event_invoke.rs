//! How asynchronous invocations are retried and where their outcomes go:
//! Put-, Update-, Get-, List- and DeleteFunctionEventInvokeConfig(s).
//!
//! Source: AWS's answers and
//! <https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-configuring.html>.

use ids::{Arn, FunctionRef, Qualifier, Timestamp};
use wire::lambda::{
    DeleteFunctionEventInvokeConfigRequest, DestinationConfig, FunctionEventInvokeConfig,
    GetFunctionEventInvokeConfigRequest, ListFunctionEventInvokeConfigsRequest,
    ListFunctionEventInvokeConfigsResponse, OnFailure, OnSuccess,
    PutFunctionEventInvokeConfigRequest, UpdateFunctionEventInvokeConfigRequest, errors,
};
use wire::{Caller, EpochSeconds, ServiceError};

use super::list;
use crate::error::ApiError;
use crate::function::event_invoke::EventInvoke;
use crate::function::key::FunctionKey;
use crate::function::record::LATEST;
use crate::function::tables::Tables;
use crate::function::target::Target;
use crate::service::Inner;

/// What may get records of events. A bucket takes those of events that were given up only.
/// Source: <https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html>.
const DESTINATIONS: [&str; 5] = ["sqs", "sns", "lambda", "events", "s3"];

/// What a caller wants changed.
struct Change {
    retries: Option<i32>,
    age: Option<i32>,
    destinations: Option<DestinationConfig>,
}

impl Inner {
    pub(crate) async fn put_function_event_invoke_config(
        &self,
        caller: &Caller,
        input: PutFunctionEventInvokeConfigRequest,
    ) -> Result<FunctionEventInvokeConfig, ServiceError> {
        let target = Target::read(caller, &input.function_name, input.qualifier)?;
        let change = Change {
            retries: input.maximum_retry_attempts,
            age: input.maximum_event_age_in_seconds,
            destinations: input.destination_config,
        };
        self.configure_events(target, change, |_, _| Ok(EventInvoke::default()))
            .await
    }

    pub(crate) async fn update_function_event_invoke_config(
        &self,
        caller: &Caller,
        input: UpdateFunctionEventInvokeConfigRequest,
    ) -> Result<FunctionEventInvokeConfig, ServiceError> {
        let target = Target::read(caller, &input.function_name, input.qualifier)?;
        let change = Change {
            retries: input.maximum_retry_attempts,
            age: input.maximum_event_age_in_seconds,
            destinations: input.destination_config,
        };
        self.configure_events(target, change, |tables, target| {
            let kept = tables.event_invoke(&target.key, &target.meaning().to_string())?;
            kept.ok_or_else(|| not_configured(target).into())
        })
        .await
    }

    /// Writes what becomes of `change` made to what `begin` says.
    async fn configure_events(
        &self,
        target: Target,
        change: Change,
        begin: impl FnOnce(&Tables<'_>, &Target) -> Result<EventInvoke, ApiError> + Send + 'static,
    ) -> Result<FunctionEventInvokeConfig, ServiceError> {
        if change.retries.is_none() && change.age.is_none() && change.destinations.is_none() {
            return Err(errors::invalid_parameter_value_exception(
                "You must specify at least one of error handling or destination setting.",
            ));
        }
        self.check_permitted(&target, change.destinations.as_ref())
            .await?;
        let (key, now) = (target.key.clone(), self.clock.now());
        let shown = self
            .registry
            .write(&key, move |tables| {
                if !exists(tables, &target.key, &target.meaning())? {
                    return Err(no_function().into());
                }
                let mut config = begin(tables, &target)?;
                if let Some(destinations) = &change.destinations {
                    check_destinations(tables, &target.key, destinations)?;
                }
                config.apply(change, now);
                let qualifier = target.meaning().to_string();
                tables.put_event_invoke(&target.key, &qualifier, &config)?;
                Ok(shown(&target.key, &qualifier, config))
            })
            .await?;
        Ok(shown)
    }

    /// Refuses destinations that the function's role may not call. What is no function or no
    /// destination is found afterwards.
    async fn check_permitted(
        &self,
        target: &Target,
        destinations: Option<&DestinationConfig>,
    ) -> Result<(), ServiceError> {
        let Some(destinations) = destinations else {
            return Ok(());
        };
        let Ok((version, _)) = self.find(target).await else {
            return Ok(());
        };
        let on_success = destinations.on_success.as_ref();
        let on_failure = destinations.on_failure.as_ref();
        let named = on_success.and_then(|side| side.destination.as_deref());
        let named = named.into_iter();
        let named = named.chain(on_failure.and_then(|side| side.destination.as_deref()));
        let configuration = &version.record.configuration;
        self.check_destinations_permitted(&target.key, configuration, named)
            .await
    }

    pub(crate) async fn get_function_event_invoke_config(
        &self,
        caller: &Caller,
        input: GetFunctionEventInvokeConfigRequest,
    ) -> Result<FunctionEventInvokeConfig, ServiceError> {
        let target = Target::read(caller, &input.function_name, input.qualifier)?;
        let (key, qualifier) = (target.key.clone(), target.meaning().to_string());
        let found = self
            .registry
            .read(move |tables| Ok((tables.event_invoke(&key, &qualifier)?, qualifier)))
            .await?;
        let (Some(config), qualifier) = found else {
            return Err(not_configured(&target));
        };
        Ok(shown(&target.key, &qualifier, config))
    }

    pub(crate) async fn list_function_event_invoke_configs(
        &self,
        caller: &Caller,
        input: ListFunctionEventInvokeConfigsRequest,
    ) -> Result<ListFunctionEventInvokeConfigsResponse, ServiceError> {
        let key = Target::read(caller, &input.function_name, None)?.key;
        let limit = list::page_size(input.max_items);
        let from = list::begin(input.marker.as_deref())?;
        let place = key.clone();
        let mut page = self
            .registry
            .read(move |tables| {
                tables.version(&place, LATEST)?.ok_or_else(no_function)?;
                tables.event_invokes(&place, &from, limit + 1)
            })
            .await?;
        let next = (page.len() > limit).then(|| page.pop()).flatten();
        let configs = page
            .into_iter()
            .map(|(qualifier, config)| shown(&key, &qualifier, config));
        Ok(ListFunctionEventInvokeConfigsResponse {
            function_event_invoke_configs: Some(configs.collect()),
            next_marker: next.map(|(qualifier, _)| list::marker(&qualifier)),
        })
    }

    pub(crate) async fn delete_function_event_invoke_config(
        &self,
        caller: &Caller,
        input: DeleteFunctionEventInvokeConfigRequest,
    ) -> Result<(), ServiceError> {
        let target = Target::read(caller, &input.function_name, input.qualifier)?;
        let key = target.key.clone();
        self.registry
            .write(&key, move |tables| {
                let qualifier = target.meaning().to_string();
                match tables.remove_event_invoke(&target.key, &qualifier)? {
                    true => Ok(()),
                    false => Err(not_configured(&target).into()),
                }
            })
            .await?;
        Ok(())
    }
}

impl EventInvoke {
    /// Takes over what is given; an empty destination is none.
    fn apply(&mut self, change: Change, now: Timestamp) {
        let set = |to: &mut Option<u32>, given: Option<i32>| {
            if let Some(given) = given {
                *to = Some(given.unsigned_abs());
            }
        };
        set(&mut self.retries, change.retries);
        set(&mut self.age, change.age);
        if let Some(destinations) = change.destinations {
            if let Some(side) = destinations.on_success {
                self.on_success = side.destination.filter(|arn| !arn.is_empty());
            }
            if let Some(side) = destinations.on_failure {
                self.on_failure = side.destination.filter(|arn| !arn.is_empty());
            }
        }
        self.last_modified = now;
    }
}

fn shown(key: &FunctionKey, qualifier: &str, config: EventInvoke) -> FunctionEventInvokeConfig {
    let whole = |number: Option<u32>| number.map(|n| i32::try_from(n).unwrap_or(i32::MAX));
    FunctionEventInvokeConfig {
        last_modified: Some(EpochSeconds(config.last_modified)),
        function_arn: Some(key.qualified_arn(qualifier)),
        maximum_retry_attempts: whole(config.retries),
        maximum_event_age_in_seconds: whole(config.age),
        destination_config: Some(DestinationConfig {
            on_success: Some(OnSuccess {
                destination: config.on_success,
            }),
            on_failure: Some(OnFailure {
                destination: config.on_failure,
            }),
        }),
    }
}

fn no_function() -> ServiceError {
    errors::resource_not_found_exception("The function doesn't exist.")
}

fn not_configured(target: &Target) -> ServiceError {
    errors::resource_not_found_exception(format!(
        "The function {} doesn't have an EventInvokeConfig",
        target.key.qualified_arn(&target.meaning().to_string())
    ))
}

/// Whether there is such a function, with such a version or alias.
pub(super) fn exists(
    tables: &Tables<'_>,
    key: &FunctionKey,
    qualifier: &Qualifier,
) -> Result<bool, ApiError> {
    Ok(match qualifier {
        Qualifier::Latest => tables.version(key, LATEST)?.is_some(),
        Qualifier::Version(number) => tables.version(key, *number)?.is_some(),
        Qualifier::Alias(name) => tables.alias(key, name)?.is_some(),
    })
}

/// Refuses destinations that cannot be any.
fn check_destinations(
    tables: &Tables<'_>,
    key: &FunctionKey,
    config: &DestinationConfig,
) -> Result<(), ApiError> {
    let on_success = config.on_success.as_ref();
    let on_success = on_success.and_then(|side| side.destination.as_deref());
    let on_failure = config.on_failure.as_ref();
    let on_failure = on_failure.and_then(|side| side.destination.as_deref());
    for (arn, is_failure) in [(on_success, false), (on_failure, true)] {
        let Some(arn) = arn.filter(|arn| !arn.is_empty()) else {
            continue;
        };
        let parsed: Option<Arn> = arn.parse().ok();
        let service = parsed.as_ref().map(|arn| arn.service.as_str());
        let is_possible = service.is_some_and(|service| {
            DESTINATIONS.contains(&service) && (is_failure || service != "s3")
        });
        if !is_possible {
            return Err(invalid_config(config).into());
        }
        match (service, &parsed) {
            (Some("lambda"), _) => check_function(tables, key, arn)?,
            // Source: <https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html>:
            // only standard queues.
            (Some("sqs"), Some(queue)) if queue.resource.ends_with(".fifo") => {
                return Err(invalid_destination(arn).into());
            }
            _ => {}
        }
    }
    Ok(())
}

/// Refuses a function as a destination that is the function itself, or that does not exist.
fn check_function(tables: &Tables<'_>, key: &FunctionKey, arn: &str) -> Result<(), ApiError> {
    let invalid = || invalid_destination(arn);
    let named: FunctionRef = arn.parse().map_err(|_| invalid())?;
    let destination = FunctionKey {
        account: named.account.as_deref().unwrap_or(&key.account).into(),
        region: named.region.as_deref().unwrap_or(&key.region).into(),
        name: named.name.as_str().into(),
    };
    if destination == *key {
        let message = "You can't specify the function as a destination for itself.";
        return Err(errors::invalid_parameter_value_exception(message).into());
    }
    let qualifier = named.qualifier.as_deref();
    let qualifier = qualifier.map_or(Qualifier::Latest, Qualifier::parse);
    // What another account has is asked for when a record goes there.
    let is_near = destination.account == key.account;
    let is_there = !is_near || exists(tables, &destination, &qualifier)?;
    if destination.region != key.region || !is_there {
        return Err(invalid().into());
    }
    Ok(())
}

fn invalid_destination(arn: &str) -> ServiceError {
    errors::invalid_parameter_value_exception(format!("The destination ARN {arn} is invalid."))
}

/// That no such thing can be a destination, in the words of AWS, which prints its own objects.
fn invalid_config(config: &DestinationConfig) -> ServiceError {
    let side = |kind: &str, destination: Option<&Option<String>>| match destination {
        Some(destination) => {
            let destination = destination.as_deref().unwrap_or("null");
            format!("{kind}(destination={destination})")
        }
        None => "null".to_owned(),
    };
    let on_success = config.on_success.as_ref().map(|side| &side.destination);
    let on_failure = config.on_failure.as_ref().map(|side| &side.destination);
    errors::invalid_parameter_value_exception(format!(
        "The provided destination config DestinationConfig(onSuccess={}, onFailure={}) is invalid.",
        side("OnSuccess", on_success),
        side("OnFailure", on_failure)
    ))
}
