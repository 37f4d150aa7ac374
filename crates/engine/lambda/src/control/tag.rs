//! Tags: TagResource, UntagResource and ListTags, for functions and code signing configurations.
//!
//! Source: AWS's answers and
//! <https://docs.aws.amazon.com/lambda/latest/dg/configuration-tags.html>.

use std::collections::BTreeMap;

use ids::Arn;
use wire::lambda::{
    ListTagsRequest, ListTagsResponse, TagResourceRequest, UntagResourceRequest, errors,
};
use wire::{Caller, ServiceError};

use super::code_signing;
use crate::error::ApiError;
use crate::function::code_signing::ConfigKey;
use crate::function::tables::Tables;
use crate::function::target::Target;
use crate::service::Inner;

/// The most tags that a resource may have, those of AWS's own not counted.
const LIMIT: usize = 50;
/// What keys of AWS's own begin with.
const RESERVED: &str = "aws:";

type Tags = BTreeMap<String, String>;

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
        check_owner(&added)?;
        self.retag(resource, |tags| {
            tags.extend(added);
            check_number(tags)
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

/// Whether a resource may be created with these tags.
pub(super) fn check(tags: &Tags) -> Result<(), ServiceError> {
    check_owner(tags)?;
    check_number(tags)
}

fn check_number(tags: &Tags) -> Result<(), ServiceError> {
    if tags.len() <= LIMIT {
        return Ok(());
    }
    Err(errors::invalid_parameter_value_exception(
        "Number of tags exceeds resource tag limit.",
    ))
}

fn check_owner(tags: &Tags) -> Result<(), ServiceError> {
    let reserved = |key: &&String| {
        let prefix = key.get(..RESERVED.len());
        prefix.is_some_and(|prefix| prefix.eq_ignore_ascii_case(RESERVED))
    };
    match tags.keys().find(reserved) {
        Some(key) => Err(errors::invalid_parameter_value_exception(format!(
            "The tag key {key} is reserved: keys that begin with {RESERVED} are AWS's own."
        ))),
        None => Ok(()),
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

#[cfg(test)]
mod tests {
    use super::*;

    fn tags(entries: impl IntoIterator<Item = (String, String)>) -> Result<(), ServiceError> {
        check(&entries.into_iter().collect())
    }

    #[test]
    fn fifty_are_the_most() {
        let numbered = |count: usize| (0..count).map(|n| (n.to_string(), String::new()));
        assert!(tags(numbered(50)).is_ok());
        let error = tags(numbered(51)).unwrap_err();
        assert_eq!(
            error.message.as_deref(),
            Some("Number of tags exceeds resource tag limit.")
        );
    }

    #[test]
    fn keys_of_awss_own_are_refused() {
        let one = |key: &str| tags([(key.to_owned(), "aws:x".to_owned())]).is_ok();
        assert!(one("k"));
        assert!(one("team:aws:x"));
        assert!(!one("aws:cloudformation:stack-name"));
        assert!(!one("AWS:x"));
    }
}
