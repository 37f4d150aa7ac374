//! UpdateFunctionCode and UpdateFunctionConfiguration.
//!
//! Invocations go on with what ran before until the update has succeeded.

use std::sync::Arc;

use wire::lambda::{
    FunctionCode, FunctionConfiguration, State, TracingConfigResponse, UpdateFunctionCodeRequest,
    UpdateFunctionConfigurationRequest, errors,
};
use wire::{Caller, ServiceError};

use super::publish::{self, Preconditions};
use super::settle::SHORTEST_UPDATE;
use super::{configure, image, runtime_name};
use crate::function::record::LATEST;
use crate::function::record::{Live, VersionRecord};
use crate::function::status;
use crate::function::target::Target;
use crate::service::Inner;

impl Inner {
    pub(crate) async fn update_function_code(
        self: &Arc<Self>,
        caller: &Caller,
        input: UpdateFunctionCodeRequest,
    ) -> Result<FunctionConfiguration, ServiceError> {
        let target = Target::read(caller, &input.function_name, None)?;
        let architectures = input
            .architectures
            .map(|a| configure::architectures(Some(a)));
        let architectures = architectures.transpose()?;
        let latest = self.registry.version(&target.key, LATEST).await?;
        let latest = latest.ok_or_else(|| target.not_found())?;
        let latest = &latest.record.configuration;
        let preconditions = Preconditions {
            revision_id: input.revision_id,
            code_sha256: None,
        };
        let dry_run = input.dry_run.unwrap_or(false);
        let publish = input.publish.unwrap_or(false);
        match (image::is_image(latest), input.image_uri) {
            (true, None) => {
                return Err(errors::invalid_parameter_value_exception(
                    "Please provide ImageUri when updating a function with packageType Image.",
                ));
            }
            (false, Some(_)) => {
                return Err(errors::invalid_parameter_value_exception(
                    "Please don't provide ImageUri when updating a function with packageType Zip.",
                ));
            }
            (true, Some(uri)) => {
                let mut wanted = latest.clone();
                if architectures.is_some() {
                    wanted.architectures = architectures;
                }
                let chosen = self.choose_image(caller, &uri, &wanted).await?;
                let (code_sha256, source) = (chosen.code_sha256(), chosen.source.clone());
                let change = move |record: &mut VersionRecord| {
                    record.configuration.code_sha256 = Some(code_sha256);
                    record.configuration.architectures = wanted.architectures;
                    record.image = Some(source);
                    Ok(())
                };
                return self
                    .update(&target, preconditions, dry_run, publish, change)
                    .await;
            }
            (false, None) => {}
        }
        let _gate = self.code_gate.read().await;
        let code = FunctionCode {
            zip_file: input.zip_file,
            s3_bucket: input.s3_bucket,
            ..FunctionCode::default()
        };
        let (digest, size) = self.take_code(code).await?;
        self.check_size_with_layers(&target, digest)
            .await
            .inspect_err(|_| self.code.reconsider(digest))?;
        let code_sha256 = digest.base64();
        let change = move |record: &mut VersionRecord| {
            let configuration = &mut record.configuration;
            configuration.code_sha256 = Some(code_sha256);
            configuration.code_size = Some(size);
            if architectures.is_some() {
                configuration.architectures = architectures;
            }
            Ok(())
        };
        let outcome = self
            .update(&target, preconditions, dry_run, publish, change)
            .await;
        if dry_run || outcome.is_err() {
            self.code.reconsider(digest);
        }
        outcome
    }

    pub(crate) async fn update_function_configuration(
        self: &Arc<Self>,
        caller: &Caller,
        input: UpdateFunctionConfigurationRequest,
    ) -> Result<FunctionConfiguration, ServiceError> {
        let target = Target::read(caller, &input.function_name, None)?;
        let key = target.key.clone();
        configure::refuse_unserved([
            ("DurableConfig", input.durable_config.is_some()),
            (
                "CapacityProviderConfig",
                input.capacity_provider_config.is_some(),
            ),
        ])?;
        input
            .runtime
            .as_ref()
            .map(runtime_name::check)
            .transpose()?;
        let vpc = input.vpc_config.map(|vpc| configure::vpc(&key, vpc));
        let vpc = vpc.transpose()?;
        let environment = input
            .environment
            .map(|e| configure::variables(e.variables.unwrap_or_default()))
            .transpose()?;
        if input.role.is_some() || input.dead_letter_config.is_some() {
            let latest = self.registry.version(&key, LATEST).await?;
            let latest = latest.ok_or_else(|| target.not_found())?;
            let latest = &latest.record.configuration;
            let letters = input.dead_letter_config.as_ref();
            let wanted = FunctionConfiguration {
                role: input.role.clone().or_else(|| latest.role.clone()),
                dead_letter_config: letters.or(latest.dead_letter_config.as_ref()).cloned(),
                ..FunctionConfiguration::default()
            };
            self.check_dead_letters_permitted(&key, &wanted).await?;
        }
        // Layers that are deleted now stay until this is through.
        let _gate = self.code_gate.read().await;
        let layers = match input.layers {
            Some(arns) => Some(self.attach_to(caller, &target, arns).await?),
            None => None,
        };
        let preconditions = Preconditions {
            revision_id: input.revision_id,
            code_sha256: None,
        };
        let is_layered = layers.is_some();
        let change = move |record: &mut VersionRecord| {
            let to = &mut record.configuration;
            if image::is_image(to) {
                image::refuse_runtime(
                    is_layered || input.handler.is_some() || input.runtime.is_some(),
                )?;
                if input.image_config.is_some() {
                    to.image_config_response = image::shown(input.image_config);
                }
            } else if input.image_config.is_some() {
                return Err(errors::invalid_parameter_value_exception(
                    "Please don't provide ImageConfig when updating a function with packageType \
                     Zip.",
                ));
            }
            fn set<T>(to: &mut Option<T>, from: Option<T>) {
                if from.is_some() {
                    *to = from;
                }
            }
            set(&mut to.role, input.role);
            set(&mut to.handler, input.handler);
            set(&mut to.description, input.description);
            set(&mut to.timeout, input.timeout);
            set(&mut to.memory_size, input.memory_size);
            set(&mut to.vpc_config, vpc);
            set(&mut to.environment, environment);
            set(&mut to.runtime, input.runtime);
            if let Some(layers) = layers {
                to.layers = layers.shown();
            }
            set(&mut to.dead_letter_config, input.dead_letter_config);
            set(&mut to.kms_key_arn, input.kms_key_arn);
            configure::drop_empty(to);
            let tracing = input
                .tracing_config
                .map(|t| TracingConfigResponse { mode: t.mode });
            set(&mut to.tracing_config, tracing);
            set(&mut to.file_system_configs, input.file_system_configs);
            set(&mut to.ephemeral_storage, input.ephemeral_storage);
            set(
                &mut to.snap_start,
                input.snap_start.map(|s| configure::snap_start(Some(s))),
            );
            if let Some(asked) = input.logging_config {
                let logging =
                    configure::logging(&key.name, to.logging_config.as_ref(), Some(asked))?;
                to.logging_config = Some(logging);
            }
            Ok(())
        };
        self.update(&target, preconditions, false, false, change)
            .await
    }

    async fn update(
        self: &Arc<Self>,
        target: &Target,
        preconditions: Preconditions,
        dry_run: bool,
        publish: bool,
        change: impl FnOnce(&mut VersionRecord) -> Result<(), ServiceError> + Send + 'static,
    ) -> Result<FunctionConfiguration, ServiceError> {
        let key = target.key.clone();
        let (owned, missing) = (key.clone(), target.not_found());
        let (deployment, revision) = (self.draw_id(), self.draw_id().to_string());
        let ids = [self.draw_id(), self.draw_id()];
        let now = self.clock.now().iso_millis();
        let (shown, published) = self
            .registry
            .write(&key, move |tables| {
                let mut latest = tables.version(&owned, LATEST)?.ok_or(missing)?;
                preconditions.check(&latest.configuration)?;
                status::check_settled(&owned.arn(), &latest.configuration)?;
                let before = latest.clone();
                change(&mut latest)?;
                configure::check_file_systems(&latest.configuration)?;
                configure::check_snap_start(&latest.configuration)?;
                runtime_name::show_version(&owned.region, &mut latest.configuration);
                latest.configuration.last_modified = Some(now);
                latest.configuration.revision_id = Some(revision);
                if dry_run {
                    return Ok((latest.configuration, None));
                }
                begin(&mut latest, before);
                latest.deployment = deployment;
                tables.put_version(&owned, LATEST, &latest, true)?;
                if !publish {
                    return Ok((latest.configuration, None));
                }
                // A version that is published with the update is created with it.
                let mut fresh = latest.clone();
                fresh.before_update = None;
                status::begin_creation(&mut fresh.configuration);
                let [id, revision] = ids;
                let number = tables.take_version_number(&owned)?;
                let record = publish::version(&owned, &fresh, number, id, revision.to_string());
                tables.put_version(&owned, number, &record, true)?;
                Ok((record.configuration, Some(number)))
            })
            .await?;
        if !dry_run {
            self.settle(key.clone(), LATEST, SHORTEST_UPDATE);
        }
        if let Some(number) = published {
            self.settle(key, number, SHORTEST_UPDATE);
        }
        Ok(self.on_this_host(shown))
    }
}

/// Marks an update as begun: `before` is what invocations run until it has succeeded.
fn begin(latest: &mut VersionRecord, before: VersionRecord) {
    // A function that never became ready, or whose last update failed, keeps what ran before that.
    let live = match before.before_update {
        Some(live) => Some(live),
        None if before.configuration.state == Some(State::Active) => {
            let VersionRecord {
                configuration,
                deployment,
                ..
            } = before;
            Some(Box::new(Live {
                configuration,
                deployment,
            }))
        }
        None => None,
    };
    latest.before_update = live;
    status::begin_update(&mut latest.configuration);
}
