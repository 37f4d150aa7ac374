//! Layers of a function: which may be attached to it, and how large they may be together.

use store::Digest;
use wire::lambda::{Layer, errors};
use wire::{Caller, Principal, ServiceError};

use crate::error::ApiError;
use crate::function::record::LATEST;
use crate::function::tables::Tables;
use crate::function::target::Target;
use crate::layer::key::LayerKey;
use crate::layer::policy::GET_LAYER_VERSION;
use crate::layer::record::LayerVersionRecord;
use crate::package::archive::UNZIPPED_LIMIT;
use crate::package::error::CodeError;
use crate::service::Inner;

/// The most layers that a function may have.
/// Source: <https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html>.
const LAYER_LIMIT: usize = 5;

/// Layers that a function may have.
#[derive(Debug, Default)]
pub(super) struct Attached {
    layers: Vec<Layer>,
    /// How many bytes they hold unpacked, all together.
    unzipped_size: u64,
}

impl Attached {
    /// As a configuration shows them.
    pub(super) fn shown(self) -> Option<Vec<Layer>> {
        (!self.layers.is_empty()).then_some(self.layers)
    }
}

impl Inner {
    /// The layer versions of these ARNs, if the function may have them in this order.
    pub(super) async fn attach(
        &self,
        caller: &Caller,
        arns: Vec<String>,
    ) -> Result<Attached, ServiceError> {
        if arns.is_empty() {
            return Ok(Attached::default());
        }
        if arns.len() > LAYER_LIMIT {
            return Err(invalid(format!(
                "Cannot reference more than {LAYER_LIMIT} layers."
            )));
        }
        let caller = caller.clone();
        let attached = self
            .registry
            .read(move |tables| find_all(tables, &caller, &arns))
            .await?;
        if attached.unzipped_size > UNZIPPED_LIMIT {
            return Err(invalid(format!(
                "Layers consume more than the available size of {UNZIPPED_LIMIT} bytes"
            )));
        }
        Ok(attached)
    }

    /// The same for a function that there is already, whose code is taken into account.
    pub(super) async fn attach_to(
        &self,
        caller: &Caller,
        target: &Target,
        arns: Vec<String>,
    ) -> Result<Attached, ServiceError> {
        let attached = self.attach(caller, arns).await?;
        if let Some(latest) = self.registry.version(&target.key, LATEST).await? {
            let code = latest.record.configuration.code_sha256.as_deref();
            let code = Digest::from_base64(code.unwrap_or_default());
            if let Ok(code) = code {
                self.check_size(code, &attached).await?;
            }
        }
        Ok(attached)
    }

    /// Refuses where a new package for a function and the layers that it has are too large together.
    /// Layers count also where they are deleted meanwhile.
    pub(super) async fn check_size_with_layers(
        &self,
        target: &Target,
        code: Digest,
    ) -> Result<(), ServiceError> {
        let Some(latest) = self.registry.version(&target.key, LATEST).await? else {
            return Ok(());
        };
        let configuration = latest.record.configuration.clone();
        let Some(layers) = configuration.layers.clone() else {
            return Ok(());
        };
        let unzipped_size = self
            .registry
            .read(move |tables| tables.layers_unzipped_size(&configuration))
            .await?;
        let attached = Attached {
            layers,
            unzipped_size,
        };
        self.check_size(code, &attached).await
    }

    /// Refuses where the package and the layers are too large together.
    pub(super) async fn check_size(
        &self,
        code: Digest,
        attached: &Attached,
    ) -> Result<(), ServiceError> {
        if attached.layers.is_empty() {
            return Ok(());
        }
        let size = self.code.unzipped_size(code).await;
        let size = size.map_err(|error| unreadable(&error))?;
        let size = size.saturating_add(attached.unzipped_size);
        if size > UNZIPPED_LIMIT {
            return Err(invalid(format!(
                "Function code combined with layers exceeds the maximum allowed size of \
                 {UNZIPPED_LIMIT} bytes. The actual size is {size} bytes."
            )));
        }
        Ok(())
    }
}

fn invalid(message: impl Into<String>) -> ServiceError {
    errors::invalid_parameter_value_exception(message)
}

/// A package that was taken in good order, and cannot be read now.
pub(super) fn unreadable(error: &CodeError) -> ServiceError {
    tracing::error!(%error, "a package could not be read");
    errors::service_exception("The engine could not read the package.")
}

fn find_all(tables: &Tables<'_>, caller: &Caller, arns: &[String]) -> Result<Attached, ApiError> {
    let mut attached = Attached::default();
    let mut seen: Vec<(LayerKey, &String)> = Vec::new();
    for arn in arns {
        let (key, record) = find(tables, caller, arn)?;
        if let Some((_, first)) = seen.iter().find(|(other, _)| *other == key) {
            return Err(invalid(format!(
                "Two different versions of the same layer are not allowed to be referenced in the \
                 same function. {first} and {arn} are versions of the same layer."
            ))
            .into());
        }
        seen.push((key, arn));
        attached.unzipped_size += record.unzipped_size;
        attached.layers.push(Layer {
            arn: Some(arn.clone()),
            code_size: Some(record.code_size),
            ..Layer::default()
        });
    }
    Ok(attached)
}

/// The layer version of an ARN, if the caller may use it for his functions.
fn find(
    tables: &Tables<'_>,
    caller: &Caller,
    arn: &str,
) -> Result<(LayerKey, LayerVersionRecord), ApiError> {
    let missing = || invalid(format!("Layer version {arn} does not exist."));
    let (key, number) = LayerKey::version_of_arn(arn).ok_or_else(missing)?;
    if key.account != caller.account {
        let policy = tables.layer_policy(&key, number)?.unwrap_or_default();
        if !policy.allows(&caller.account, arn) {
            return Err(denied(caller, GET_LAYER_VERSION, arn).into());
        }
    }
    if key.region != caller.region {
        return Err(invalid(format!(
            "Layers are not in the same region as the function. Layers are expected to be in \
             region {}.",
            caller.region
        ))
        .into());
    }
    // The ARN of another partition reads alike, and is not that of a layer here.
    let record = tables
        .layer_version(&key, number)?
        .filter(|_| key.version_arn(number) == arn);
    Ok((key, record.ok_or_else(missing)?))
}

/// That the policy of a layer of another account does not let the caller do `action`.
pub(super) fn denied(caller: &Caller, action: &str, resource: &str) -> ServiceError {
    let who = match &caller.principal {
        Principal::Account { .. } => format!("arn:aws:iam::{}:root", caller.account),
        Principal::Function { role, .. } => role.to_string(),
        Principal::Service(service) => service.name.to_string(),
    };
    ServiceError::access_denied(Some(format!(
        "User: {who} is not authorized to perform: {action} on resource: {resource} because no \
         resource-based policy allows the {action} action"
    )))
}
