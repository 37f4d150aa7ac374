//! The list of what is served, operation by operation.

use wire::iam::IamApi;
use wire::sts::StsApi;
use wire::{Caller, ServiceError, iam, sts};

use crate::Iam;

/// Each operation is a method of the same name of `Inner`.
macro_rules! operations {
    ($api:ident: $($name:ident($input:ty) -> $output:ty;)+) => {
        impl $api for Iam {$(
            async fn $name(
                &self,
                caller: &Caller,
                input: $input,
            ) -> Result<$output, ServiceError> {
                Ok(self.inner.$name(caller, input).await?)
            }
        )+}
    };
}

operations! { IamApi:
    attach_role_policy(iam::AttachRolePolicyRequest) -> ();
    attach_user_policy(iam::AttachUserPolicyRequest) -> ();
    create_access_key(iam::CreateAccessKeyRequest) -> iam::CreateAccessKeyResponse;
    create_policy(iam::CreatePolicyRequest) -> iam::CreatePolicyResponse;
    create_policy_version(iam::CreatePolicyVersionRequest) -> iam::CreatePolicyVersionResponse;
    create_role(iam::CreateRoleRequest) -> iam::CreateRoleResponse;
    create_service_linked_role(iam::CreateServiceLinkedRoleRequest) -> iam::CreateServiceLinkedRoleResponse;
    create_user(iam::CreateUserRequest) -> iam::CreateUserResponse;
    delete_access_key(iam::DeleteAccessKeyRequest) -> ();
    delete_policy(iam::DeletePolicyRequest) -> ();
    delete_policy_version(iam::DeletePolicyVersionRequest) -> ();
    delete_role(iam::DeleteRoleRequest) -> ();
    delete_role_permissions_boundary(iam::DeleteRolePermissionsBoundaryRequest) -> ();
    delete_role_policy(iam::DeleteRolePolicyRequest) -> ();
    delete_user(iam::DeleteUserRequest) -> ();
    delete_user_policy(iam::DeleteUserPolicyRequest) -> ();
    detach_role_policy(iam::DetachRolePolicyRequest) -> ();
    detach_user_policy(iam::DetachUserPolicyRequest) -> ();
    get_account_summary(()) -> iam::GetAccountSummaryResponse;
    get_policy(iam::GetPolicyRequest) -> iam::GetPolicyResponse;
    get_policy_version(iam::GetPolicyVersionRequest) -> iam::GetPolicyVersionResponse;
    get_role(iam::GetRoleRequest) -> iam::GetRoleResponse;
    get_role_policy(iam::GetRolePolicyRequest) -> iam::GetRolePolicyResponse;
    get_user(iam::GetUserRequest) -> iam::GetUserResponse;
    get_user_policy(iam::GetUserPolicyRequest) -> iam::GetUserPolicyResponse;
    list_access_keys(iam::ListAccessKeysRequest) -> iam::ListAccessKeysResponse;
    list_account_aliases(iam::ListAccountAliasesRequest) -> iam::ListAccountAliasesResponse;
    list_attached_role_policies(iam::ListAttachedRolePoliciesRequest) -> iam::ListAttachedRolePoliciesResponse;
    list_attached_user_policies(iam::ListAttachedUserPoliciesRequest) -> iam::ListAttachedUserPoliciesResponse;
    list_entities_for_policy(iam::ListEntitiesForPolicyRequest) -> iam::ListEntitiesForPolicyResponse;
    list_instance_profiles_for_role(iam::ListInstanceProfilesForRoleRequest) -> iam::ListInstanceProfilesForRoleResponse;
    list_policies(iam::ListPoliciesRequest) -> iam::ListPoliciesResponse;
    list_policy_tags(iam::ListPolicyTagsRequest) -> iam::ListPolicyTagsResponse;
    list_policy_versions(iam::ListPolicyVersionsRequest) -> iam::ListPolicyVersionsResponse;
    list_role_policies(iam::ListRolePoliciesRequest) -> iam::ListRolePoliciesResponse;
    list_role_tags(iam::ListRoleTagsRequest) -> iam::ListRoleTagsResponse;
    list_roles(iam::ListRolesRequest) -> iam::ListRolesResponse;
    list_user_policies(iam::ListUserPoliciesRequest) -> iam::ListUserPoliciesResponse;
    list_users(iam::ListUsersRequest) -> iam::ListUsersResponse;
    put_role_permissions_boundary(iam::PutRolePermissionsBoundaryRequest) -> ();
    put_role_policy(iam::PutRolePolicyRequest) -> ();
    put_user_policy(iam::PutUserPolicyRequest) -> ();
    set_default_policy_version(iam::SetDefaultPolicyVersionRequest) -> ();
    simulate_custom_policy(iam::SimulateCustomPolicyRequest) -> iam::SimulatePolicyResponse;
    simulate_principal_policy(iam::SimulatePrincipalPolicyRequest) -> iam::SimulatePolicyResponse;
    tag_policy(iam::TagPolicyRequest) -> ();
    tag_role(iam::TagRoleRequest) -> ();
    untag_policy(iam::UntagPolicyRequest) -> ();
    untag_role(iam::UntagRoleRequest) -> ();
    update_access_key(iam::UpdateAccessKeyRequest) -> ();
    update_assume_role_policy(iam::UpdateAssumeRolePolicyRequest) -> ();
    update_role(iam::UpdateRoleRequest) -> iam::UpdateRoleResponse;
    update_role_description(iam::UpdateRoleDescriptionRequest) -> iam::UpdateRoleDescriptionResponse;
}

operations! { StsApi:
    assume_role(sts::AssumeRoleRequest) -> sts::AssumeRoleResponse;
    get_access_key_info(sts::GetAccessKeyInfoRequest) -> sts::GetAccessKeyInfoResponse;
    get_caller_identity(sts::GetCallerIdentityRequest) -> sts::GetCallerIdentityResponse;
    get_session_token(sts::GetSessionTokenRequest) -> sts::GetSessionTokenResponse;
}
