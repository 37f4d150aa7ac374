//! CreateFunction.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use store::Digest;
use wire::lambda::{
    CreateFunctionRequest, EphemeralStorage, FunctionCode, FunctionConfiguration, PackageType,
    TracingConfigResponse, TracingMode, errors,
};
use wire::{Blob, Caller, ServiceError};

use super::{code_signing, configure, runtime_name};
use crate::error::ApiError;
use crate::function::key::FunctionKey;
use crate::function::record::LATEST;
use crate::function::record::VersionRecord;
use crate::function::settings::Settings;
use crate::function::target::Target;
use crate::function::{status, tags};
use crate::package::archive::ArchiveError;
use crate::package::error::CodeError;
use crate::service::Inner;

/// The longest bare function name: the model's constraint covers whole ARNs.
const NAME_LIMIT: usize = 64;

impl Inner {
    pub(crate) async fn create_function(
        self: &Arc<Self>,
        caller: &Caller,
        input: CreateFunctionRequest,
    ) -> Result<FunctionConfiguration, ServiceError> {
        let name = input.function_name.clone().unwrap_or_default();
        let target = Target::read(caller, &name, None)?;
        let key = target.key;
        if key.name.len() > NAME_LIMIT {
            return Err(errors::invalid_parameter_value_exception(format!(
                "1 validation error detected: Value '{}' at 'functionName' failed to satisfy \
                 constraint: Member must have length less than or equal to {NAME_LIMIT}",
                key.name
            )));
        }
        tags::check(input.tags.as_ref().unwrap_or(&BTreeMap::new()))?;
        let _gate = self.code_gate.read().await;
        let mut configuration = configuration(&key, &input)?;
        let layers = input.layers.unwrap_or_default();
        let layers = self.attach(caller, layers).await?;
        let (code, size) = self.take_code(input.code.unwrap_or_default()).await?;
        self.check_size(code, &layers)
            .await
            .inspect_err(|_| self.code.reconsider(code))?;
        configuration.layers = layers.shown();
        configuration.function_name = Some(key.name.to_string());
        configuration.function_arn = Some(key.arn());
        configuration.code_sha256 = Some(code.base64());
        configuration.code_size = Some(size);
        configuration.last_modified = Some(self.clock.now().iso_millis());
        configuration.revision_id = Some(self.draw_id().to_string());
        let tags =
            serde_json::to_string(&input.tags.unwrap_or_default()).map_err(ApiError::from)?;
        let publish = input.publish.unwrap_or(false);
        let latest = VersionRecord {
            configuration,
            deployment: self.draw_id(),
            before_update: None,
            source_description: None,
        };
        let published = publish.then(|| (self.draw_id(), self.draw_id().to_string()));
        let signed_by = input.code_signing_config_arn;
        let (owned, caller) = (key.clone(), caller.clone());
        let (shown, first) = self
            .registry
            .write(&key, move |tables| {
                if !tables.add_function(&owned, &tags)? {
                    return Err(errors::resource_conflict_exception(format!(
                        "Function already exist: {}",
                        owned.name
                    ))
                    .into());
                }
                if let Some(arn) = signed_by {
                    let settings = Settings {
                        code_signing_config: Some(code_signing::id_of(tables, &caller, &arn)?),
                        ..Settings::default()
                    };
                    tables.put_settings(&owned, &settings)?;
                }
                tables.put_version(&owned, LATEST, &latest, true)?;
                let Some((deployment, revision)) = published else {
                    return Ok((latest.configuration, None));
                };
                let number = tables.take_version_number(&owned)?;
                let record = super::publish::version(&owned, &latest, number, deployment, revision);
                tables.put_version(&owned, number, &record, true)?;
                // AWS answers the first version's number under the function's own ARN.
                let shown = FunctionConfiguration {
                    function_arn: latest.configuration.function_arn,
                    ..record.configuration
                };
                Ok((shown, Some(number)))
            })
            .await
            .inspect_err(|_| self.code.reconsider(code))?;
        self.settle(key.clone(), LATEST, Duration::ZERO);
        if let Some(number) = first {
            self.settle(key, number, Duration::ZERO);
        }
        Ok(shown)
    }

    /// Keeps a package that came by value.
    pub(super) async fn take_code(
        &self,
        code: FunctionCode,
    ) -> Result<(Digest, i64), ServiceError> {
        if code.image_uri.is_some() || code.s3_bucket.is_some() {
            return Err(errors::invalid_parameter_value_exception(
                "This engine takes code by value (ZipFile) only.",
            ));
        }
        let Some(Blob(package)) = code.zip_file else {
            return Err(errors::invalid_parameter_value_exception(
                "Please provide a source for function code.",
            ));
        };
        self.keep_package(package).await
    }

    /// Checks and keeps a package; returns its digest and size.
    pub(super) async fn keep_package(&self, package: Bytes) -> Result<(Digest, i64), ServiceError> {
        let size = i64::try_from(package.len()).unwrap_or(i64::MAX);
        match self.keep_unpacked(package).await {
            Ok(digest) => Ok((digest, size)),
            Err(CodeError::Archive(error @ (ArchiveError::Empty | ArchiveError::TooLarge))) => {
                Err(errors::invalid_parameter_value_exception(error.to_string()))
            }
            Err(CodeError::Archive(ArchiveError::Unreadable { reason })) => {
                tracing::info!(reason, "a package was refused");
                let error = ArchiveError::Unreadable { reason };
                Err(errors::invalid_parameter_value_exception(error.to_string()))
            }
            Err(error) => {
                tracing::error!(%error, "a package could not be kept");
                Err(errors::service_exception(
                    "The engine could not keep the package.",
                ))
            }
        }
    }

    /// Keeps a package and unpacks it: what is damaged is found now, not when it is needed.
    async fn keep_unpacked(&self, package: Bytes) -> Result<Digest, CodeError> {
        let digest = self.code.put(package).await?;
        match self.code.unpacked(digest).await {
            Ok(_lease) => Ok(digest),
            Err(error) => {
                self.code.reconsider(digest);
                Err(error)
            }
        }
    }
}

/// The configuration that a request asks for, with AWS's defaults.
fn configuration(
    key: &FunctionKey,
    input: &CreateFunctionRequest,
) -> Result<FunctionConfiguration, ServiceError> {
    if input.package_type == Some(PackageType::Image) {
        return Err(errors::invalid_parameter_value_exception(
            "This engine does not serve functions from container images yet.",
        ));
    }
    configure::refuse_unserved([
        ("DurableConfig", input.durable_config.is_some()),
        ("TenancyConfig", input.tenancy_config.is_some()),
        (
            "CapacityProviderConfig",
            input.capacity_provider_config.is_some(),
        ),
        ("ImageConfig", input.image_config.is_some()),
    ])?;
    let (Some(runtime), Some(handler)) = (&input.runtime, &input.handler) else {
        return Err(runtime_name::mandatory());
    };
    runtime_name::check(runtime)?;
    let architectures = configure::architectures(input.architectures.clone())?;
    let environment = input
        .environment
        .clone()
        .map(|e| e.variables.unwrap_or_default());
    let tracing = input.tracing_config.as_ref().and_then(|t| t.mode.clone());
    let vpc = input.vpc_config.clone();
    let mut configuration = FunctionConfiguration {
        runtime: Some(runtime.clone()),
        role: input.role.clone(),
        handler: Some(handler.clone()),
        description: Some(input.description.clone().unwrap_or_default()),
        timeout: Some(input.timeout.unwrap_or(3)),
        memory_size: Some(input.memory_size.unwrap_or(128)),
        version: Some("$LATEST".to_owned()),
        vpc_config: vpc.map(|vpc| configure::vpc(key, vpc)).transpose()?,
        dead_letter_config: input.dead_letter_config.clone(),
        environment: environment.map(configure::variables).transpose()?,
        kms_key_arn: input.kms_key_arn.clone(),
        tracing_config: Some(TracingConfigResponse {
            mode: tracing.or(Some(TracingMode::PassThrough)),
        }),
        file_system_configs: input.file_system_configs.clone(),
        package_type: Some(PackageType::Zip),
        ephemeral_storage: input
            .ephemeral_storage
            .clone()
            .or(Some(EphemeralStorage { size: Some(512) })),
        snap_start: Some(configure::snap_start(input.snap_start.clone())),
        architectures: Some(architectures),
        logging_config: Some(configure::logging(
            &key.name,
            None,
            input.logging_config.clone(),
        )?),
        ..FunctionConfiguration::default()
    };
    runtime_name::show_version(&key.region, &mut configuration);
    configure::drop_empty(&mut configuration);
    configure::check_file_systems(&configuration)?;
    configure::check_snap_start(&configuration)?;
    status::begin_creation(&mut configuration);
    Ok(configuration)
}
