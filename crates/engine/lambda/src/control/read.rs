//! GetFunction and GetFunctionConfiguration.

use std::sync::Arc;

use ids::Qualifier;
use store::Digest;
use wire::lambda::{
    FunctionCodeLocation, FunctionConfiguration, GetFunctionConfigurationRequest,
    GetFunctionRequest, GetFunctionResponse,
};
use wire::{Caller, ServiceError};

use super::concurrency;
use crate::error::ApiError;
use crate::function::record::LATEST;
use crate::function::registry::CachedVersion;
use crate::function::target::Target;
use crate::service::Inner;

impl Inner {
    pub(crate) async fn get_function(
        &self,
        caller: &Caller,
        input: GetFunctionRequest,
    ) -> Result<GetFunctionResponse, ServiceError> {
        let target = self
            .registry
            .target(
                caller,
                &input.function_name,
                input.qualifier,
                "lambda:GetFunction",
            )
            .await?;
        let (version, number) = self.find(&target).await?;
        let configuration = self.shown(&target, &version);
        let settings = self.registry.settings(&target.key).await?;
        let reserved = settings.and_then(|settings| settings.reserved_concurrency);
        let key = target.key.clone();
        let tags = self.registry.read(move |tables| tables.tags(&key)).await?;
        let tags: std::collections::BTreeMap<String, String> = match tags {
            Some(text) if number == LATEST => {
                serde_json::from_str(&text).map_err(ApiError::from)?
            }
            _ => Default::default(),
        };
        let digest = configuration
            .code_sha256
            .as_deref()
            .and_then(|text| Digest::from_base64(text).ok());
        Ok(GetFunctionResponse {
            configuration: Some(configuration),
            code: Some(match &version.record.image {
                Some(image) => FunctionCodeLocation {
                    repository_type: Some("ECR".to_owned()),
                    image_uri: Some(image.uri.clone()),
                    resolved_image_uri: Some(image.resolved.clone()),
                    ..FunctionCodeLocation::default()
                },
                None => FunctionCodeLocation {
                    repository_type: Some("S3".to_owned()),
                    location: digest.map(|digest| self.location(caller, &digest)),
                    ..FunctionCodeLocation::default()
                },
            }),
            tags: (!tags.is_empty()).then_some(tags),
            concurrency: reserved.map(concurrency::shown),
            ..GetFunctionResponse::default()
        })
    }

    pub(crate) async fn get_function_configuration(
        &self,
        caller: &Caller,
        input: GetFunctionConfigurationRequest,
    ) -> Result<FunctionConfiguration, ServiceError> {
        let target = self
            .registry
            .target(
                caller,
                &input.function_name,
                input.qualifier,
                "lambda:GetFunctionConfiguration",
            )
            .await?;
        let (version, _) = self.find(&target).await?;
        Ok(self.shown(&target, &version))
    }

    /// The version that `target` names, with its number.
    pub(crate) async fn find(
        &self,
        target: &Target,
    ) -> Result<(Arc<CachedVersion>, u64), ServiceError> {
        let number = match target.meaning() {
            Qualifier::Latest => LATEST,
            Qualifier::Version(number) => number,
            Qualifier::Alias(name) => {
                let alias = self.registry.alias(&target.key, &name).await?;
                alias.ok_or_else(|| target.not_found())?.version_number()
            }
        };
        let version = self.registry.version(&target.key, number).await?;
        Ok((version.ok_or_else(|| target.not_found())?, number))
    }

    /// The configuration as the caller of `target` sees it: under the ARN by which it was asked for,
    /// and with what this host lacks for it.
    fn shown(&self, target: &Target, version: &CachedVersion) -> FunctionConfiguration {
        let mut configuration = version.record.configuration.clone();
        if target.qualifier.is_some() {
            configuration.function_arn = Some(target.arn());
        }
        self.on_this_host(configuration)
    }

    /// A configuration as it is shown where what this host lacks for it belongs to it.
    pub(super) fn on_this_host(
        &self,
        mut configuration: FunctionConfiguration,
    ) -> FunctionConfiguration {
        self.host.tell(&mut configuration, &self.runtimes);
        configuration
    }

    /// Where a package can be fetched without a signature, by who was told: at the endpoint that he
    /// uses himself.
    pub(super) fn location(&self, caller: &Caller, digest: &Digest) -> String {
        let token = self.location_token(digest);
        let host = caller.host.as_ref().and_then(|host| host.to_str().ok());
        let endpoint = host.map_or_else(|| self.endpoint.clone(), |host| format!("http://{host}"));
        format!("{endpoint}/_lambdalab/v1/code/{digest}?token={token}")
    }
}
