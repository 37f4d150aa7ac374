//! Tags: TagResource, UntagResource and ListTags, for functions and code signing configurations.
//!
//! Source: AWS's answers and
//! <https://docs.aws.amazon.com/lambda/latest/dg/configuration-tags.html>.

use ids::Arn;
use wire::lambda::{
    ListTagsRequest, ListTagsResponse, TagResourceRequest, UntagResourceRequest, errors,
};
use wire::{Caller, ServiceError};

use super::code_signing;
use crate::error::ApiError;
use crate::function::code_signing::ConfigKey;
use crate::function::tables::Tables;
use crate::function::tags::{self, Tags};
use crate::function::target::Target;
use crate::service::Inner;

impl Inner {
    pub(crate) async fn tag_resource(
        &self,
        caller: &Caller,
        input: TagResourceRequest,
    ) -> Result<(), ServiceError> {
        let resource = Tagged::read(caller, &input.resource)?;
        let added = input.tags.unwrap_or_default();
        if added.is_empty() {
            return Err(errors::invalid_parameter_value_exception(
                "An error occurred and the request cannot be processed.",
            ));
        }
        tags::check_owner(&added)?;
        tags::check_egress(&added)?;
        self.retag(resource, |tags| {
            tags.extend(added);
            tags::check_number(tags)
        })
        .await
    }

    pub(crate) async fn untag_resource(
        &self,
        caller: &Caller,
        input: UntagResourceRequest,
    ) -> Result<(), ServiceError> {
        let resource = Tagged::read(caller, &input.resource)?;
        let removed = input.tag_keys.unwrap_or_default();
        self.retag(resource, move |tags| {
            for key in &removed {
                tags.remove(key);
            }
            Ok(())
        })
        .await
    }

    pub(crate) async fn list_tags(
        &self,
        caller: &Caller,
        input: ListTagsRequest,
    ) -> Result<ListTagsResponse, ServiceError> {
        let resource = Tagged::read(caller, &input.resource)?;
        let tags = self
            .registry
            .read(move |tables| resource.tags(tables))
            .await?;
        Ok(ListTagsResponse { tags: Some(tags) })
    }

    async fn retag(
        &self,
        resource: Tagged,
        change: impl FnOnce(&mut Tags) -> Result<(), ServiceError> + Send + 'static,
    ) -> Result<(), ServiceError> {
        let function = match &resource {
            Tagged::Function(target) => Some(target.key.clone()),
            Tagged::CodeSigningConfig(_) => None,
        };
        let work = move |tables: &Tables<'_>| {
            let mut tags = resource.tags(tables)?;
            change(&mut tags)?;
            resource.put_tags(tables, &tags)
        };
        match function {
            Some(key) => self.registry.write(&key, work).await?,
            None => self.registry.write_apart(work).await?,
        }
        Ok(())
    }
}

/// What can be tagged.
#[derive(Debug)]
enum Tagged {
    Function(Target),
    CodeSigningConfig(ConfigKey),
}

impl Tagged {
    fn read(caller: &Caller, resource: &str) -> Result<Self, ServiceError> {
        let absent = |what: &str| {
            errors::resource_not_found_exception(format!("{what} not found: {resource}"))
        };
        let arn: Arn = resource.parse().map_err(|_| absent("Resource"))?;
        match arn.resource.split(':').next().unwrap_or_default() {
            "function" => {
                let target = Target::read(caller, resource, None)?;
                if target.qualifier.is_some() {
                    return Err(errors::invalid_parameter_value_exception(
                        "Tags on function aliases and versions are not supported. Please specify \
                         a function ARN.",
                    ));
                }
                Ok(Self::Function(target))
            }
            "code-signing-config" => code_signing::key(caller, resource)
                .map(Self::CodeSigningConfig)
                .ok_or_else(|| code_signing::no_such_config(resource)),
            "event-source-mapping" => Err(absent("Event source mapping")),
            _ => Err(errors::resource_not_found_exception(
                "The resource you requested does not exist.",
            )),
        }
    }

    fn tags(&self, tables: &Tables<'_>) -> Result<Tags, ApiError> {
        let tags = match self {
            Self::Function(target) => {
                let tags = tables.tags(&target.key)?;
                tags.ok_or_else(|| target.not_found())?
            }
            Self::CodeSigningConfig(key) => {
                let tags = tables.code_signing_tags(key)?;
                tags.ok_or_else(|| code_signing::no_such_config(&key.arn()))?
            }
        };
        Ok(serde_json::from_str(&tags)?)
    }

    fn put_tags(&self, tables: &Tables<'_>, tags: &Tags) -> Result<(), ApiError> {
        let tags = serde_json::to_string(tags)?;
        match self {
            Self::Function(target) => tables.put_tags(&target.key, &tags),
            Self::CodeSigningConfig(key) => tables.put_code_signing_tags(key, &tags),
        }
    }
}
