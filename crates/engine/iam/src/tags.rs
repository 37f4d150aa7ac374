//! Tags of roles and policies.

use wire::Caller;
use wire::iam::{
    ListPolicyTagsRequest, ListPolicyTagsResponse, ListRoleTagsRequest, ListRoleTagsResponse, Tag,
    TagPolicyRequest, TagRoleRequest, UntagPolicyRequest, UntagRoleRequest,
};

use crate::error::{ApiError, invalid, limit};
use crate::page::{Page, Paged};
use crate::policies::local_name;
use crate::record::{Entity, PolicyRecord, RoleRecord, Tags};
use crate::service::{Inner, found};

/// The most tags that one entity has.
const MOST: usize = 50;

/// The tags of a request, which must not name a key twice.
pub(crate) fn asked(tags: Option<Vec<Tag>>) -> Result<Tags, ApiError> {
    let mut asked = Tags::new();
    for tag in tags.unwrap_or_default() {
        let (key, value) = (tag.key.unwrap_or_default(), tag.value.unwrap_or_default());
        if asked
            .iter()
            .any(|(known, _)| known.eq_ignore_ascii_case(&key))
        {
            return Err(invalid(
                "Duplicate tag keys found. Please note that Tag keys are case insensitive.",
            ));
        }
        asked.push((key, value));
    }
    check_number(&asked)?;
    Ok(asked)
}

/// As shapes have them; `None` where there are none.
pub(crate) fn shown(tags: &Tags) -> Option<Vec<Tag>> {
    let tag = |(key, value): &(String, String)| Tag {
        key: Some(key.clone()),
        value: Some(value.clone()),
    };
    (!tags.is_empty()).then(|| tags.iter().map(tag).collect())
}

fn check_number(tags: &Tags) -> Result<(), ApiError> {
    if tags.len() > MOST {
        return Err(limit(format!(
            "The number of tags has reached the maximum limit of {MOST}."
        )));
    }
    Ok(())
}

fn merge(tags: &mut Tags, more: Tags) -> Result<(), ApiError> {
    for (key, value) in more {
        match tags
            .iter_mut()
            .find(|(known, _)| known.eq_ignore_ascii_case(&key))
        {
            Some(known) => *known = (key, value),
            None => tags.push((key, value)),
        }
    }
    check_number(tags)
}

fn without(tags: &mut Tags, keys: &[String]) {
    tags.retain(|(known, _)| !keys.iter().any(|key| key.eq_ignore_ascii_case(known)));
}

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
        let tags = shown(entity.tags()).unwrap_or_default();
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
        let more = asked(input.tags)?;
        let name = input.role_name.unwrap_or_default();
        self.change_tags::<RoleRecord>(caller, name, |tags| merge(tags, more))
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
            without(tags, &keys);
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
        let more = asked(input.tags)?;
        let name = local_name(caller, input.policy_arn)?;
        self.change_tags::<PolicyRecord>(caller, name, |tags| merge(tags, more))
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
            without(tags, &keys);
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
