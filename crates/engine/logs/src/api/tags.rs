//! Tags of groups, by ARN and, as it used to be, by name.

use std::collections::BTreeMap;

use wire::logs::{
    ListTagsForResourceRequest, ListTagsForResourceResponse, ListTagsLogGroupRequest,
    ListTagsLogGroupResponse, TagLogGroupRequest, TagResourceRequest, UntagLogGroupRequest,
    UntagResourceRequest,
};
use wire::{Caller, ServiceError};

use super::names::{named, of_arn};
use crate::archive::groups::{self, GroupKey};
use crate::service::Inner;

impl Inner {
    pub(crate) async fn tag_resource(
        &self,
        caller: &Caller,
        input: TagResourceRequest,
    ) -> Result<(), ServiceError> {
        let key = of_arn(caller, &input.resource_arn.unwrap_or_default())?;
        self.tag(key, input.tags).await
    }

    pub(crate) async fn untag_resource(
        &self,
        caller: &Caller,
        input: UntagResourceRequest,
    ) -> Result<(), ServiceError> {
        let key = of_arn(caller, &input.resource_arn.unwrap_or_default())?;
        self.untag(key, input.tag_keys).await
    }

    pub(crate) async fn list_tags_for_resource(
        &self,
        caller: &Caller,
        input: ListTagsForResourceRequest,
    ) -> Result<ListTagsForResourceResponse, ServiceError> {
        let key = of_arn(caller, &input.resource_arn.unwrap_or_default())?;
        let tags = Some(self.tags(key).await?);
        Ok(ListTagsForResourceResponse { tags })
    }

    pub(crate) async fn tag_log_group(
        &self,
        caller: &Caller,
        input: TagLogGroupRequest,
    ) -> Result<(), ServiceError> {
        self.tag(named(caller, input.log_group_name), input.tags)
            .await
    }

    pub(crate) async fn untag_log_group(
        &self,
        caller: &Caller,
        input: UntagLogGroupRequest,
    ) -> Result<(), ServiceError> {
        self.untag(named(caller, input.log_group_name), input.tags)
            .await
    }

    pub(crate) async fn list_tags_log_group(
        &self,
        caller: &Caller,
        input: ListTagsLogGroupRequest,
    ) -> Result<ListTagsLogGroupResponse, ServiceError> {
        let tags = Some(self.tags(named(caller, input.log_group_name)).await?);
        Ok(ListTagsLogGroupResponse { tags })
    }

    async fn tag(
        &self,
        key: GroupKey,
        tags: Option<BTreeMap<String, String>>,
    ) -> Result<(), ServiceError> {
        let tags = tags.unwrap_or_default();
        self.write(move |c| groups::change_tags(c, &key, |present| present.extend(tags)))
            .await
    }

    async fn untag(&self, key: GroupKey, names: Option<Vec<String>>) -> Result<(), ServiceError> {
        let names = names.unwrap_or_default();
        self.write(move |c| {
            groups::change_tags(c, &key, |present| {
                present.retain(|name, _| !names.contains(name));
            })
        })
        .await
    }

    async fn tags(&self, key: GroupKey) -> Result<BTreeMap<String, String>, ServiceError> {
        self.read(move |connection| groups::tags(connection, &key))
            .await
    }
}
