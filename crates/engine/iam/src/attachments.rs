//! Managed policies attached to roles and users.

use wire::Caller;
use wire::iam::{
    AttachRolePolicyRequest, AttachUserPolicyRequest, AttachedPolicy, DetachRolePolicyRequest,
    DetachUserPolicyRequest, EntityType, ListAttachedRolePoliciesRequest,
    ListAttachedRolePoliciesResponse, ListAttachedUserPoliciesRequest,
    ListAttachedUserPoliciesResponse, ListEntitiesForPolicyRequest, ListEntitiesForPolicyResponse,
    PolicyRole, PolicyUser,
};

use crate::error::{ApiError, no_such_entity, quota};
use crate::inline::owner;
use crate::managed::{is_attachable, name_of, path_of, policy};
use crate::page::{Page, Paged};
use crate::record::{Entity, Kind, RoleRecord, UserRecord};
use crate::service::{Inner, found_owner};
use crate::tables::{Owner, Tables, key};

/// The most managed policies that a role or user has.
const MOST: usize = 10;

impl Inner {
    async fn attach(&self, owner: Owner, arn: Option<String>) -> Result<(), ApiError> {
        let arn = arn.unwrap_or_default();
        self.write(move |tables| {
            found_owner(tables, &owner, true)?;
            if !is_attachable(tables, &owner.account, &arn)? {
                return Err(no_such_entity(format!(
                    "Policy {arn} does not exist or is not attachable."
                )));
            }
            let attached = tables.attached(&owner)?;
            if attached.len() >= MOST && !attached.contains(&arn) {
                return Err(match owner.kind {
                    Kind::User => quota("PoliciesPerUser", MOST),
                    _ => quota("PoliciesPerRole", MOST),
                });
            }
            tables.attach(&owner, &arn)
        })
        .await
    }

    async fn detach(&self, owner: Owner, arn: Option<String>) -> Result<(), ApiError> {
        let arn = arn.unwrap_or_default();
        self.write(move |tables| {
            found_owner(tables, &owner, true)?;
            if !tables.detach(&owner, &arn)? {
                return Err(no_such_entity(format!("Policy {arn} was not found.")));
            }
            Ok(())
        })
        .await
    }

    async fn list_attached(
        &self,
        owner: Owner,
        prefix: Option<String>,
        page: Page,
    ) -> Result<Paged<AttachedPolicy>, ApiError> {
        let prefix = prefix.unwrap_or_else(|| "/".to_owned());
        self.read(move |tables| {
            found_owner(tables, &owner, false)?;
            let mut arns = tables.attached(&owner)?;
            arns.retain(|arn| path_of(arn).starts_with(&prefix));
            let paged = page.of(arns, Clone::clone);
            Ok(paged.map(|arn| AttachedPolicy {
                policy_name: Some(name_of(&arn).to_owned()),
                policy_arn: Some(arn),
            }))
        })
        .await
    }

    pub(crate) async fn attach_role_policy(
        &self,
        caller: &Caller,
        input: AttachRolePolicyRequest,
    ) -> Result<(), ApiError> {
        self.attach(owner(caller, Kind::Role, input.role_name), input.policy_arn)
            .await
    }

    pub(crate) async fn attach_user_policy(
        &self,
        caller: &Caller,
        input: AttachUserPolicyRequest,
    ) -> Result<(), ApiError> {
        self.attach(owner(caller, Kind::User, input.user_name), input.policy_arn)
            .await
    }

    pub(crate) async fn detach_role_policy(
        &self,
        caller: &Caller,
        input: DetachRolePolicyRequest,
    ) -> Result<(), ApiError> {
        self.detach(owner(caller, Kind::Role, input.role_name), input.policy_arn)
            .await
    }

    pub(crate) async fn detach_user_policy(
        &self,
        caller: &Caller,
        input: DetachUserPolicyRequest,
    ) -> Result<(), ApiError> {
        self.detach(owner(caller, Kind::User, input.user_name), input.policy_arn)
            .await
    }

    pub(crate) async fn list_attached_role_policies(
        &self,
        caller: &Caller,
        input: ListAttachedRolePoliciesRequest,
    ) -> Result<ListAttachedRolePoliciesResponse, ApiError> {
        let page = Page::asked(input.marker.as_deref(), input.max_items)?;
        let owner = owner(caller, Kind::Role, input.role_name);
        let paged = self.list_attached(owner, input.path_prefix, page).await?;
        Ok(ListAttachedRolePoliciesResponse {
            is_truncated: Some(paged.truncated()),
            marker: paged.marker,
            attached_policies: Some(paged.items),
        })
    }

    pub(crate) async fn list_attached_user_policies(
        &self,
        caller: &Caller,
        input: ListAttachedUserPoliciesRequest,
    ) -> Result<ListAttachedUserPoliciesResponse, ApiError> {
        let page = Page::asked(input.marker.as_deref(), input.max_items)?;
        let owner = owner(caller, Kind::User, input.user_name);
        let paged = self.list_attached(owner, input.path_prefix, page).await?;
        Ok(ListAttachedUserPoliciesResponse {
            is_truncated: Some(paged.truncated()),
            marker: paged.marker,
            attached_policies: Some(paged.items),
        })
    }

    pub(crate) async fn list_entities_for_policy(
        &self,
        caller: &Caller,
        input: ListEntitiesForPolicyRequest,
    ) -> Result<ListEntitiesForPolicyResponse, ApiError> {
        let page = Page::asked(input.marker.as_deref(), input.max_items)?;
        let account = caller.account.to_string();
        let arn = input.policy_arn.unwrap_or_default();
        let prefix = input.path_prefix.unwrap_or_else(|| "/".to_owned());
        let filter = input.entity_filter;
        let wants = |kind| filter.as_ref().is_none_or(|filter| *filter == kind);
        let (roles, users) = (wants(EntityType::Role), wants(EntityType::User));
        let paged = self
            .read(move |tables| {
                policy(tables, &account, &arn)?;
                let mut entities = Vec::new();
                if roles {
                    entities.extend(with(tables, &account, &arn, &prefix, Attached::Role)?);
                }
                if users {
                    entities.extend(with(tables, &account, &arn, &prefix, Attached::User)?);
                }
                Ok(page.of(entities, Attached::key))
            })
            .await?;
        let mut answer = ListEntitiesForPolicyResponse {
            policy_groups: Some(Vec::new()),
            is_truncated: Some(paged.truncated()),
            marker: paged.marker,
            ..ListEntitiesForPolicyResponse::default()
        };
        let (mut roles, mut users) = (Vec::new(), Vec::new());
        for entity in paged.items {
            match entity {
                Attached::Role(role) => roles.push(PolicyRole {
                    role_name: Some(role.name),
                    role_id: Some(role.id),
                }),
                Attached::User(user) => users.push(PolicyUser {
                    user_name: Some(user.name),
                    user_id: Some(user.id),
                }),
            }
        }
        answer.policy_roles = Some(roles);
        answer.policy_users = Some(users);
        Ok(answer)
    }
}

/// Somebody that a policy is attached to.
#[derive(Debug, Clone)]
enum Attached {
    Role(RoleRecord),
    User(UserRecord),
}

impl Attached {
    /// Roles come before users.
    fn key(&self) -> String {
        match self {
            Self::Role(role) => format!("role/{}", key(&role.name)),
            Self::User(user) => format!("user/{}", key(&user.name)),
        }
    }
}

fn with<E: Entity>(
    tables: &Tables<'_>,
    account: &str,
    arn: &str,
    prefix: &str,
    wrap: fn(E) -> Attached,
) -> Result<Vec<Attached>, ApiError> {
    let entities: Vec<E> = tables.attached_to(account, arn)?;
    let under = entities
        .into_iter()
        .filter(|entity| entity.path().starts_with(prefix));
    Ok(under.map(wrap).collect())
}
