//! Roles, users and managed policies.

use iam::Iam;
use wire::{Caller, ServiceError};

use super::Resource;
use crate::auth::fields::Fields;

/// Operations about what they make.
const ABOUT_NEW: [&str; 4] = [
    "CreatePolicy",
    "CreateRole",
    "CreateServiceLinkedRole",
    "CreateUser",
];

/// Those about all of a kind.
const ABOUT_ALL: [&str; 3] = ["ListPolicies", "ListRoles", "ListUsers"];

/// Those about a role.
const ABOUT_ROLES: [&str; 18] = [
    "AttachRolePolicy",
    "DeleteRole",
    "DeleteRolePermissionsBoundary",
    "DeleteRolePolicy",
    "DetachRolePolicy",
    "GetRole",
    "GetRolePolicy",
    "ListAttachedRolePolicies",
    "ListInstanceProfilesForRole",
    "ListRolePolicies",
    "ListRoleTags",
    "PutRolePermissionsBoundary",
    "PutRolePolicy",
    "TagRole",
    "UntagRole",
    "UpdateAssumeRolePolicy",
    "UpdateRole",
    "UpdateRoleDescription",
];

/// Those about a user.
const ABOUT_USERS: [&str; 8] = [
    "AttachUserPolicy",
    "DeleteUser",
    "DeleteUserPolicy",
    "DetachUserPolicy",
    "GetUserPolicy",
    "ListAttachedUserPolicies",
    "ListUserPolicies",
    "PutUserPolicy",
];

/// Those about a user, or without a name about whoever calls.
const ABOUT_USERS_OR_CALLERS: [&str; 5] = [
    "CreateAccessKey",
    "DeleteAccessKey",
    "GetUser",
    "ListAccessKeys",
    "UpdateAccessKey",
];

/// Those about a managed policy.
const ABOUT_POLICIES: [&str; 11] = [
    "CreatePolicyVersion",
    "DeletePolicy",
    "DeletePolicyVersion",
    "GetPolicy",
    "GetPolicyVersion",
    "ListEntitiesForPolicy",
    "ListPolicyTags",
    "ListPolicyVersions",
    "SetDefaultPolicyVersion",
    "TagPolicy",
    "UntagPolicy",
];

/// Those about whose policies are asked.
const ABOUT_SOURCES: [&str; 1] = ["SimulatePrincipalPolicy"];

pub(super) async fn of(
    operation: &str,
    fields: &Fields<'_>,
    caller: &Caller,
    iam: &Iam,
) -> Result<Resource, ServiceError> {
    let account = &caller.account;
    let text = |name: &str| fields.text(name).unwrap_or_default();
    let is = |table: &[&str]| table.contains(&operation);
    let arn = if is(&ABOUT_ROLES) {
        iam.role_arn(account, &text("RoleName")).await?
    } else if is(&ABOUT_USERS) {
        iam.user_arn(account, &text("UserName")).await?
    } else if is(&ABOUT_USERS_OR_CALLERS) {
        match fields.text("UserName") {
            Some(user) => iam.user_arn(account, &user).await?,
            None => iam.own_arn(caller).await?,
        }
    } else if is(&ABOUT_POLICIES) {
        text("PolicyArn")
    } else if is(&ABOUT_SOURCES) {
        text("PolicySourceArn")
    } else if is(&ABOUT_NEW) {
        new(operation, fields, account)
    } else if is(&ABOUT_ALL) {
        let kind = match operation {
            "ListRoles" => "role",
            "ListUsers" => "user",
            _ => "policy",
        };
        format!("arn:aws:iam::{account}:{kind}/")
    } else {
        "*".to_owned()
    };
    Ok(Resource::new(arn))
}

/// The ARN that something new will have.
fn new(operation: &str, fields: &Fields<'_>, account: &str) -> String {
    let text = |name: &str| fields.text(name).unwrap_or_default();
    let (kind, name) = match operation {
        "CreateRole" => ("role", text("RoleName")),
        "CreateUser" => ("user", text("UserName")),
        "CreatePolicy" => ("policy", text("PolicyName")),
        _ => {
            let service = text("AWSServiceName");
            return format!("arn:aws:iam::{account}:role/aws-service-role/{service}/*");
        }
    };
    let path = fields.text("Path").unwrap_or_else(|| "/".to_owned());
    format!("arn:aws:iam::{account}:{kind}{path}{name}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::resource::tests::assert_complete;
    use wire::Service;

    /// All others, which are about no resource.
    const ABOUT_NONE: [&str; 3] = [
        "GetAccountSummary",
        "ListAccountAliases",
        "SimulateCustomPolicy",
    ];

    #[test]
    fn every_operation_stands_in_one_table() {
        let tables: [&[&str]; 8] = [
            &ABOUT_NONE,
            &ABOUT_NEW,
            &ABOUT_ALL,
            &ABOUT_ROLES,
            &ABOUT_USERS,
            &ABOUT_USERS_OR_CALLERS,
            &ABOUT_POLICIES,
            &ABOUT_SOURCES,
        ];
        assert_complete(Service::Iam, &tables);
    }
}
