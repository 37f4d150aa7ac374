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

use super::{code_signing, configure, image, runtime_name};
use crate::error::ApiError;
use crate::function::key::FunctionKey;
use crate::function::record::{ImageSource, LATEST, VersionRecord};
use crate::function::settings::Settings;
use crate::function::target::Target;
use crate::function::{status, tags};
use crate::package::archive::ArchiveError;
use crate::package::error::CodeError;
use crate::service::Inner;

/// The longest bare function name: the model's constraint covers whole ARNs.
const NAME_LIMIT: usize = 64;

/// What a new function runs, which is kept for it until it is written down.
#[derive(Debug)]
enum Taken {
    Package(Digest),
    Image(image::Chosen),
}

impl Taken {
    fn source(&self) -> Option<ImageSource> {
        match self {
            Self::Package(_) => None,
            Self::Image(chosen) => Some(chosen.source.clone()),
        }
    }

    /// There will be no such function. An image goes of itself.
    fn let_go(&self, inner: &Inner) {
        if let Self::Package(code) = self {
            inner.code.reconsider(*code);
        }
    }
}

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
        self.check_dead_letters_permitted(&key, &configuration)
            .await?;
        let code = input.code.unwrap_or_default();
        let taken = if image::is_image(&configuration) {
            self.take_image(caller, code, &mut configuration).await?
        } else {
            let layers = input.layers.unwrap_or_default();
            self.take_package(caller, code, layers, &mut configuration)
                .await?
        };
        configuration.function_name = Some(key.name.to_string());
        configuration.function_arn = Some(key.arn());
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
            image: taken.source(),
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
            .inspect_err(|_| taken.let_go(self))?;
        self.settle(key.clone(), LATEST, Duration::ZERO);
        if let Some(number) = first {
            self.settle(key, number, Duration::ZERO);
        }
        Ok(shown)
    }

    /// Keeps the package of a new function, if it may have it with these layers.
    async fn take_package(
        &self,
        caller: &Caller,
        code: FunctionCode,
        layers: Vec<String>,
        configuration: &mut FunctionConfiguration,
    ) -> Result<Taken, ServiceError> {
        let layers = self.attach(caller, layers).await?;
        let (code, size) = self.take_code(code).await?;
        self.check_size(code, &layers)
            .await
            .inspect_err(|_| self.code.reconsider(code))?;
        configuration.layers = layers.shown();
        configuration.code_sha256 = Some(code.base64());
        configuration.code_size = Some(size);
        Ok(Taken::Package(code))
    }

    /// Finds the image of a new function.
    async fn take_image(
        &self,
        caller: &Caller,
        code: FunctionCode,
        configuration: &mut FunctionConfiguration,
    ) -> Result<Taken, ServiceError> {
        let Some(uri) = code.image_uri else {
            return Err(errors::invalid_parameter_value_exception(
                "Please provide ImageUri when creating a function with packageType Image.",
            ));
        };
        let chosen = self.choose_image(caller, &uri, configuration).await?;
        configuration.code_sha256 = Some(chosen.code_sha256());
        configuration.code_size = Some(0);
        Ok(Taken::Image(chosen))
    }

    /// Keeps a package that came by value.
    pub(super) async fn take_code(
        &self,
        code: FunctionCode,
    ) -> Result<(Digest, i64), ServiceError> {
        if code.image_uri.is_some() {
            return Err(errors::invalid_parameter_value_exception(
                "Please don't provide ImageUri when creating a function with packageType Zip.",
            ));
        }
        if code.s3_bucket.is_some() {
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
    let from_image = input.package_type == Some(PackageType::Image);
    configure::refuse_unserved([
        ("DurableConfig", input.durable_config.is_some()),
        ("TenancyConfig", input.tenancy_config.is_some()),
        (
            "CapacityProviderConfig",
            input.capacity_provider_config.is_some(),
        ),
    ])?;
    match (&input.runtime, &input.handler) {
        _ if from_image => {
            let layers = input
                .layers
                .as_ref()
                .is_some_and(|layers| !layers.is_empty());
            image::refuse_runtime(layers || input.runtime.is_some() || input.handler.is_some())?;
        }
        (Some(runtime), Some(_)) => runtime_name::check(runtime)?,
        _ => return Err(runtime_name::mandatory()),
    }
    if !from_image && input.image_config.is_some() {
        return Err(errors::invalid_parameter_value_exception(
            "Please don't provide ImageConfig when the intended function PackageType is Zip.",
        ));
    }
    let architectures = configure::architectures(input.architectures.clone())?;
    let environment = input
        .environment
        .clone()
        .map(|e| e.variables.unwrap_or_default());
    let tracing = input.tracing_config.as_ref().and_then(|t| t.mode.clone());
    let vpc = input.vpc_config.clone();
    let mut configuration = FunctionConfiguration {
        runtime: input.runtime.clone(),
        role: input.role.clone(),
        handler: input.handler.clone(),
        image_config_response: image::shown(input.image_config.clone()),
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
        package_type: input.package_type.clone().or(Some(PackageType::Zip)),
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
