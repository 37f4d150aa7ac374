//! Policies in line: those that belong to one role or user.

use policy::Policy;
use wire::Caller;
use wire::iam::{
    DeleteRolePolicyRequest, DeleteUserPolicyRequest, GetRolePolicyRequest, GetRolePolicyResponse,
    GetUserPolicyRequest, GetUserPolicyResponse, ListRolePoliciesRequest, ListRolePoliciesResponse,
    ListUserPoliciesRequest, ListUserPoliciesResponse, PutRolePolicyRequest, PutUserPolicyRequest,
};

use crate::document::{check_inline, encoded};
use crate::error::{ApiError, no_such_entity};
use crate::page::{Page, Paged};
use crate::record::Kind;
use crate::service::{Inner, found_owner};
use crate::tables::Owner;

/// The role or user that an operation is about.
pub(crate) fn owner(caller: &Caller, kind: Kind, name: Option<String>) -> Owner {
    Owner {
        account: caller.account.to_string(),
        kind,
        name: name.unwrap_or_default(),
    }
}

fn no_such(kind: Kind, name: &str) -> ApiError {
    no_such_entity(format!(
        "The {} policy with name {name} cannot be found.",
        kind.text()
    ))
}

impl Inner {
    async fn put_inline(
        &self,
        owner: Owner,
        name: Option<String>,
        document: Option<String>,
    ) -> Result<(), ApiError> {
        let (name, document) = (name.unwrap_or_default(), document.unwrap_or_default());
        self.write(move |tables| {
            found_owner(tables, &owner, true)?;
            let others = tables
                .inlines(&owner)?
                .iter()
                .filter(|(known, _)| *known != name)
                .map(|(_, document)| Policy::size(document))
                .sum();
            check_inline(&document, others, owner.kind, &owner.name)?;
            tables.put_inline(&owner, &name, &document)
        })
        .await
    }

    async fn get_inline(&self, owner: Owner, name: String) -> Result<String, ApiError> {
        self.read(move |tables| {
            found_owner(tables, &owner, false)?;
            let document = tables.inline(&owner, &name)?;
            let document = document.ok_or_else(|| no_such(owner.kind, &name))?;
            Ok(encoded(&document))
        })
        .await
    }

    async fn list_inline(
        &self,
        owner: Owner,
        marker: Option<String>,
        max_items: Option<i32>,
    ) -> Result<Paged<String>, ApiError> {
        let page = Page::asked(marker.as_deref(), max_items)?;
        self.read(move |tables| {
            found_owner(tables, &owner, false)?;
            let policies = tables.inlines(&owner)?;
            let names = policies.into_iter().map(|(name, _)| name).collect();
            Ok(page.of(names, Clone::clone))
        })
        .await
    }

    async fn delete_inline(&self, owner: Owner, name: Option<String>) -> Result<(), ApiError> {
        let name = name.unwrap_or_default();
        self.write(move |tables| {
            found_owner(tables, &owner, true)?;
            if !tables.remove_inline(&owner, &name)? {
                return Err(no_such(owner.kind, &name));
            }
            Ok(())
        })
        .await
    }

    pub(crate) async fn put_role_policy(
        &self,
        caller: &Caller,
        input: PutRolePolicyRequest,
    ) -> Result<(), ApiError> {
        let owner = owner(caller, Kind::Role, input.role_name);
        self.put_inline(owner, input.policy_name, input.policy_document)
            .await
    }

    pub(crate) async fn put_user_policy(
        &self,
        caller: &Caller,
        input: PutUserPolicyRequest,
    ) -> Result<(), ApiError> {
        let owner = owner(caller, Kind::User, input.user_name);
        self.put_inline(owner, input.policy_name, input.policy_document)
            .await
    }

    pub(crate) async fn get_role_policy(
        &self,
        caller: &Caller,
        input: GetRolePolicyRequest,
    ) -> Result<GetRolePolicyResponse, ApiError> {
        let owner = owner(caller, Kind::Role, input.role_name);
        let name = input.policy_name.unwrap_or_default();
        Ok(GetRolePolicyResponse {
            role_name: Some(owner.name.clone()),
            policy_name: Some(name.clone()),
            policy_document: Some(self.get_inline(owner, name).await?),
        })
    }

    pub(crate) async fn get_user_policy(
        &self,
        caller: &Caller,
        input: GetUserPolicyRequest,
    ) -> Result<GetUserPolicyResponse, ApiError> {
        let owner = owner(caller, Kind::User, input.user_name);
        let name = input.policy_name.unwrap_or_default();
        Ok(GetUserPolicyResponse {
            user_name: Some(owner.name.clone()),
            policy_name: Some(name.clone()),
            policy_document: Some(self.get_inline(owner, name).await?),
        })
    }

    pub(crate) async fn list_role_policies(
        &self,
        caller: &Caller,
        input: ListRolePoliciesRequest,
    ) -> Result<ListRolePoliciesResponse, ApiError> {
        let owner = owner(caller, Kind::Role, input.role_name);
        let paged = self
            .list_inline(owner, input.marker, input.max_items)
            .await?;
        Ok(ListRolePoliciesResponse {
            is_truncated: Some(paged.truncated()),
            marker: paged.marker,
            policy_names: Some(paged.items),
        })
    }

    pub(crate) async fn list_user_policies(
        &self,
        caller: &Caller,
        input: ListUserPoliciesRequest,
    ) -> Result<ListUserPoliciesResponse, ApiError> {
        let owner = owner(caller, Kind::User, input.user_name);
        let paged = self
            .list_inline(owner, input.marker, input.max_items)
            .await?;
        Ok(ListUserPoliciesResponse {
            is_truncated: Some(paged.truncated()),
            marker: paged.marker,
            policy_names: Some(paged.items),
        })
    }

    pub(crate) async fn delete_role_policy(
        &self,
        caller: &Caller,
        input: DeleteRolePolicyRequest,
    ) -> Result<(), ApiError> {
        let owner = owner(caller, Kind::Role, input.role_name);
        self.delete_inline(owner, input.policy_name).await
    }

    pub(crate) async fn delete_user_policy(
        &self,
        caller: &Caller,
        input: DeleteUserPolicyRequest,
    ) -> Result<(), ApiError> {
        let owner = owner(caller, Kind::User, input.user_name);
        self.delete_inline(owner, input.policy_name).await
    }
}
