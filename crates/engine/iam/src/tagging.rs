//! TagRole, TagPolicy and their kin.

use wire::Caller;
use wire::iam::{
    ListPolicyTagsRequest, ListPolicyTagsResponse, ListRoleTagsRequest, ListRoleTagsResponse, Tag,
    TagPolicyRequest, TagRoleRequest, UntagPolicyRequest, UntagRoleRequest,
};

use crate::error::ApiError;
use crate::managed::local_name;
use crate::page::{Page, Paged};
use crate::record::{Entity, PolicyRecord, RoleRecord, Tags};
use crate::service::{Inner, found};
use crate::tags;

impl Inner {
    async fn change_tags<E: Entity>(
        &self,
        caller: &Caller,
        name: String,
        change: impl FnOnce(&mut Tags) -> Result<(), ApiError> + Send + 'static,
    ) -> Result<(), ApiError> {
        let account = caller.account.to_string();
        self.write(move |tables| {
            let mut entity: E = found(tables, &account, &name)?;
            change(entity.tags())?;
            tables.replace(&account, &entity)
        })
        .await
    }

    async fn list_tags<E: Entity + Send + 'static>(
        &self,
        caller: &Caller,
        name: String,
        page: Page,
    ) -> Result<Paged<Tag>, ApiError> {
        let account = caller.account.to_string();
        let mut entity: E = self
            .read(move |tables| found(tables, &account, &name))
            .await?;
        let tags = tags::shown(entity.tags()).unwrap_or_default();
        let key = |tag: &Tag| tag.key.clone().unwrap_or_default();
        let mut tags = tags;
        tags.sort_by_key(key);
        Ok(page.of(tags, key))
    }

    pub(crate) async fn tag_role(
        &self,
        caller: &Caller,
        input: TagRoleRequest,
    ) -> Result<(), ApiError> {
        let more = tags::asked(input.tags)?;
        let name = input.role_name.unwrap_or_default();
        self.change_tags::<RoleRecord>(caller, name, |tags| tags::merge(tags, more))
            .await
    }

    pub(crate) async fn untag_role(
        &self,
        caller: &Caller,
        input: UntagRoleRequest,
    ) -> Result<(), ApiError> {
        let keys = input.tag_keys.unwrap_or_default();
        let name = input.role_name.unwrap_or_default();
        self.change_tags::<RoleRecord>(caller, name, move |tags| {
            tags::without(tags, &keys);
            Ok(())
        })
        .await
    }

    pub(crate) async fn list_role_tags(
        &self,
        caller: &Caller,
        input: ListRoleTagsRequest,
    ) -> Result<ListRoleTagsResponse, ApiError> {
        let page = Page::asked(input.marker.as_deref(), input.max_items)?;
        let name = input.role_name.unwrap_or_default();
        let paged = self.list_tags::<RoleRecord>(caller, name, page).await?;
        Ok(ListRoleTagsResponse {
            is_truncated: Some(paged.truncated()),
            marker: paged.marker,
            tags: Some(paged.items),
        })
    }

    pub(crate) async fn tag_policy(
        &self,
        caller: &Caller,
        input: TagPolicyRequest,
    ) -> Result<(), ApiError> {
        let more = tags::asked(input.tags)?;
        let name = local_name(caller, input.policy_arn)?;
        self.change_tags::<PolicyRecord>(caller, name, |tags| tags::merge(tags, more))
            .await
    }

    pub(crate) async fn untag_policy(
        &self,
        caller: &Caller,
        input: UntagPolicyRequest,
    ) -> Result<(), ApiError> {
        let keys = input.tag_keys.unwrap_or_default();
        let name = local_name(caller, input.policy_arn)?;
        self.change_tags::<PolicyRecord>(caller, name, move |tags| {
            tags::without(tags, &keys);
            Ok(())
        })
        .await
    }

    pub(crate) async fn list_policy_tags(
        &self,
        caller: &Caller,
        input: ListPolicyTagsRequest,
    ) -> Result<ListPolicyTagsResponse, ApiError> {
        let page = Page::asked(input.marker.as_deref(), input.max_items)?;
        let name = local_name(caller, input.policy_arn)?;
        let paged = self.list_tags::<PolicyRecord>(caller, name, page).await?;
        Ok(ListPolicyTagsResponse {
            is_truncated: Some(paged.truncated()),
            marker: paged.marker,
            tags: Some(paged.items),
        })
    }
}
