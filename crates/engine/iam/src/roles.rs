//! Roles.

use wire::iam::{
    AttachedPermissionsBoundary, CreateRoleRequest, CreateRoleResponse,
    CreateServiceLinkedRoleRequest, CreateServiceLinkedRoleResponse,
    DeleteRolePermissionsBoundaryRequest, DeleteRoleRequest, GetRoleRequest, GetRoleResponse,
    ListInstanceProfilesForRoleRequest, ListInstanceProfilesForRoleResponse, ListRolesRequest,
    ListRolesResponse, PutRolePermissionsBoundaryRequest, Role, RoleLastUsed,
    UpdateAssumeRolePolicyRequest, UpdateRoleDescriptionRequest, UpdateRoleDescriptionResponse,
    UpdateRoleRequest, UpdateRoleResponse,
};
use wire::{Caller, DateTime};

use crate::document::{check_trust, encoded};
use crate::error::{ApiError, conflict, exists, invalid, no_such_entity, unmodifiable};
use crate::managed::is_attachable;
use crate::page::Page;
use crate::record::{Entity, Kind, RoleRecord};
use crate::service::{Inner, found};
use crate::tables::{Owner, Tables, key};
use crate::unique_id::{self, Prefix};
use crate::{service_linked, tags};

/// Seconds that a session lasts where the role does not say.
const DEFAULT_SESSION: i32 = 3_600;

/// How much of a role an answer shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum View {
    /// Everything: GetRole.
    Whole,
    /// What CreateRole answers.
    Created,
    /// Without tags, boundary and last use: ListRoles.
    Listed,
}

fn shown(role: &RoleRecord, account: &str, view: View) -> Role {
    let whole = view == View::Whole;
    let listed = view == View::Listed;
    Role {
        path: Some(role.path.clone()),
        role_name: Some(role.name.clone()),
        role_id: Some(role.id.clone()),
        arn: Some(role.arn(account)),
        create_date: Some(DateTime(role.created)),
        assume_role_policy_document: Some(encoded(&role.trust)),
        description: role.description.clone(),
        max_session_duration: (whole || listed).then_some(role.max_session),
        permissions_boundary: role.boundary.as_deref().filter(|_| !listed).map(boundary),
        tags: tags::shown(&role.tags).filter(|_| !listed),
        role_last_used: whole.then(RoleLastUsed::default),
        ..Role::default()
    }
}

/// As shapes have it.
pub(crate) fn boundary(arn: &str) -> AttachedPermissionsBoundary {
    AttachedPermissionsBoundary {
        // The model's only value is another one, which AWS does not answer.
        permissions_boundary_type: Some("Policy".into()),
        permissions_boundary_arn: Some(arn.to_owned()),
    }
}

/// Makes sure that there is a policy to limit somebody with.
pub(crate) fn check_boundary(
    tables: &Tables<'_>,
    account: &str,
    arn: Option<&str>,
) -> Result<(), ApiError> {
    match arn {
        Some(arn) if !is_attachable(tables, account, arn)? => Err(no_such_entity(format!(
            "Scope ARN: {arn} does not exist or is not attachable."
        ))),
        _ => Ok(()),
    }
}

impl Inner {
    pub(crate) async fn create_role(
        &self,
        caller: &Caller,
        input: CreateRoleRequest,
    ) -> Result<CreateRoleResponse, ApiError> {
        let trust = input.assume_role_policy_document.unwrap_or_default();
        check_trust(&trust)?;
        let role = RoleRecord {
            name: input.role_name.unwrap_or_default(),
            path: input.path.unwrap_or_else(|| "/".to_owned()),
            id: unique_id::draw(Prefix::Role, &*self.entropy),
            created: self.clock.now(),
            trust,
            description: input.description,
            max_session: input.max_session_duration.unwrap_or(DEFAULT_SESSION),
            boundary: input.permissions_boundary,
            tags: tags::asked(input.tags)?,
            service_linked: false,
        };
        let account = caller.account.to_string();
        let role = self
            .write(move |tables| {
                check_boundary(tables, &account, role.boundary.as_deref())?;
                if !tables.add(&account, &role)? {
                    return Err(exists(Kind::Role, &role.name));
                }
                Ok(shown(&role, &account, View::Created))
            })
            .await?;
        Ok(CreateRoleResponse { role: Some(role) })
    }

    pub(crate) async fn get_role(
        &self,
        caller: &Caller,
        input: GetRoleRequest,
    ) -> Result<GetRoleResponse, ApiError> {
        let account = caller.account.to_string();
        let name = input.role_name.unwrap_or_default();
        let role = self
            .read(move |tables| {
                let role = found(tables, &account, &name)?;
                Ok(shown(&role, &account, View::Whole))
            })
            .await?;
        Ok(GetRoleResponse { role: Some(role) })
    }

    pub(crate) async fn list_roles(
        &self,
        caller: &Caller,
        input: ListRolesRequest,
    ) -> Result<ListRolesResponse, ApiError> {
        let page = Page::asked(input.marker.as_deref(), input.max_items)?;
        let prefix = input.path_prefix.unwrap_or_else(|| "/".to_owned());
        let account = caller.account.to_string();
        let paged = self
            .read(move |tables| {
                let roles: Vec<RoleRecord> =
                    tables.entities(&account, &prefix, page.from(), page.wanted())?;
                let paged = page.cut(roles, |role| key(&role.name));
                Ok(paged.map(|role| shown(&role, &account, View::Listed)))
            })
            .await?;
        Ok(ListRolesResponse {
            is_truncated: Some(paged.truncated()),
            marker: paged.marker,
            roles: Some(paged.items),
        })
    }

    /// Changes a role that is not a service's, and answers it whole.
    async fn change_role(
        &self,
        caller: &Caller,
        name: Option<String>,
        change: impl FnOnce(&Tables<'_>, &mut RoleRecord) -> Result<(), ApiError> + Send + 'static,
    ) -> Result<Role, ApiError> {
        let account = caller.account.to_string();
        let name = name.unwrap_or_default();
        self.write(move |tables| {
            let mut role: RoleRecord = found(tables, &account, &name)?;
            if role.service_linked {
                return Err(unmodifiable(&role.name));
            }
            change(tables, &mut role)?;
            tables.replace(&account, &role)?;
            Ok(shown(&role, &account, View::Whole))
        })
        .await
    }

    pub(crate) async fn update_role(
        &self,
        caller: &Caller,
        input: UpdateRoleRequest,
    ) -> Result<UpdateRoleResponse, ApiError> {
        self.change_role(caller, input.role_name, move |_, role| {
            // What is not said goes back to the default: the operation replaces both.
            role.description = input.description;
            role.max_session = input.max_session_duration.unwrap_or(DEFAULT_SESSION);
            Ok(())
        })
        .await?;
        Ok(UpdateRoleResponse {})
    }

    pub(crate) async fn update_role_description(
        &self,
        caller: &Caller,
        input: UpdateRoleDescriptionRequest,
    ) -> Result<UpdateRoleDescriptionResponse, ApiError> {
        let role = self
            .change_role(caller, input.role_name, move |_, role| {
                role.description = input.description;
                Ok(())
            })
            .await?;
        Ok(UpdateRoleDescriptionResponse { role: Some(role) })
    }

    pub(crate) async fn update_assume_role_policy(
        &self,
        caller: &Caller,
        input: UpdateAssumeRolePolicyRequest,
    ) -> Result<(), ApiError> {
        let trust = input.policy_document.unwrap_or_default();
        check_trust(&trust)?;
        self.change_role(caller, input.role_name, move |_, role| {
            role.trust = trust;
            Ok(())
        })
        .await
        .map(|_| ())
    }

    pub(crate) async fn put_role_permissions_boundary(
        &self,
        caller: &Caller,
        input: PutRolePermissionsBoundaryRequest,
    ) -> Result<(), ApiError> {
        let account = caller.account.to_string();
        self.change_role(caller, input.role_name, move |tables, role| {
            check_boundary(tables, &account, input.permissions_boundary.as_deref())?;
            role.boundary = input.permissions_boundary;
            Ok(())
        })
        .await
        .map(|_| ())
    }

    pub(crate) async fn delete_role_permissions_boundary(
        &self,
        caller: &Caller,
        input: DeleteRolePermissionsBoundaryRequest,
    ) -> Result<(), ApiError> {
        self.change_role(caller, input.role_name, |_, role| {
            role.boundary = None;
            Ok(())
        })
        .await
        .map(|_| ())
    }

    pub(crate) async fn delete_role(
        &self,
        caller: &Caller,
        input: DeleteRoleRequest,
    ) -> Result<(), ApiError> {
        let owner = Owner {
            account: caller.account.to_string(),
            kind: Kind::Role,
            name: input.role_name.unwrap_or_default(),
        };
        self.write(move |tables| {
            let role: RoleRecord = found(tables, &owner.account, &owner.name)?;
            if role.service_linked {
                return Err(unmodifiable(&role.name));
            }
            check_free(tables, &owner)?;
            tables.remove(&owner.account, Kind::Role, &owner.name)
        })
        .await
    }

    /// There are no instance profiles: nothing here is a machine of EC2's.
    pub(crate) async fn list_instance_profiles_for_role(
        &self,
        caller: &Caller,
        input: ListInstanceProfilesForRoleRequest,
    ) -> Result<ListInstanceProfilesForRoleResponse, ApiError> {
        let account = caller.account.to_string();
        let name = input.role_name.unwrap_or_default();
        self.read(move |tables| found::<RoleRecord>(tables, &account, &name))
            .await?;
        Ok(ListInstanceProfilesForRoleResponse {
            instance_profiles: Some(Vec::new()),
            is_truncated: Some(false),
            marker: None,
        })
    }

    pub(crate) async fn create_service_linked_role(
        &self,
        caller: &Caller,
        input: CreateServiceLinkedRoleRequest,
    ) -> Result<CreateServiceLinkedRoleResponse, ApiError> {
        let service = input.aws_service_name.unwrap_or_default();
        let name = service_linked::role_name(&service, input.custom_suffix.as_deref())
            .ok_or_else(|| invalid("Service role name is not supported for this service."))?;
        let role = RoleRecord {
            path: format!("/aws-service-role/{service}/"),
            id: unique_id::draw(Prefix::Role, &*self.entropy),
            created: self.clock.now(),
            trust: service_linked::trust(&service),
            description: input.description,
            max_session: DEFAULT_SESSION,
            boundary: None,
            tags: Vec::new(),
            service_linked: true,
            name,
        };
        let account = caller.account.to_string();
        let role = self
            .write(move |tables| {
                if !tables.add(&account, &role)? {
                    return Err(invalid(format!(
                        "Service role name {} has been taken in this account, please try a \
                         different suffix.",
                        role.name
                    )));
                }
                Ok(shown(&role, &account, View::Created))
            })
            .await?;
        Ok(CreateServiceLinkedRoleResponse { role: Some(role) })
    }
}

/// Makes sure that nothing is attached to a role or user that is to go.
pub(crate) fn check_free(tables: &Tables<'_>, owner: &Owner) -> Result<(), ApiError> {
    if !tables.attached(owner)?.is_empty() {
        return Err(conflict(
            "Cannot delete entity, must detach all policies first.",
        ));
    }
    if !tables.inlines(owner)?.is_empty() {
        return Err(conflict(
            "Cannot delete entity, must delete policies first.",
        ));
    }
    Ok(())
}
