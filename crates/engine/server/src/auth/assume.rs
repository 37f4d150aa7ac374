//! Whether a role may be assumed: by its trust policy, which must allow it, and by the caller's own
//! policies.
//!
//! What a session is given beside that is asked for as actions of their own:
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/id_session-tags.html>.

use iam::{Authority, Iam};
use policy::{Context, Principal, Request, authorize};
use wire::{Service, ServiceError};

use super::fields::Fields;

/// The operation that this is about.
pub(super) const OPERATION: (Service, &str) = (Service::Sts, "AssumeRole");

/// Refuses what the caller may not do.
///
/// # Errors
/// The denial in AWS's words, or the policies cannot be read.
pub(super) async fn check(
    iam: &Iam,
    authority: &Authority,
    fields: &Fields<'_>,
    context: &Context,
) -> Result<(), ServiceError> {
    if matches!(authority.principal, Principal::Root { .. }) {
        let message = "Roles may not be assumed by root accounts.".to_owned();
        return Err(ServiceError::new("AccessDenied", 403, message));
    }
    let role = fields.text("RoleArn").unwrap_or_default();
    let trust = iam.trust(&role).await?;
    let mut policies = authority.policies();
    policies.resource = trust.iter().collect();
    policies.resource_account = role.split(':').nth(4);
    policies.resource_must_allow = true;
    for action in actions(fields) {
        let request = Request {
            principal: &authority.principal,
            action,
            resource: &role,
            context,
        };
        if !authorize(&request, &policies).allowed() {
            let who = authority.principal.arn();
            return Err(ServiceError::new(
                "AccessDenied",
                403,
                format!("User: {who} is not authorized to perform: {action} on resource: {role}"),
            ));
        }
    }
    Ok(())
}

/// What is asked for.
fn actions(fields: &Fields<'_>) -> Vec<&'static str> {
    let mut actions = vec!["sts:AssumeRole"];
    if !fields.tags("Tags").is_empty() || !fields.texts("TransitiveTagKeys").is_empty() {
        actions.push("sts:TagSession");
    }
    if fields.text("SourceIdentity").is_some() {
        actions.push("sts:SetSourceIdentity");
    }
    actions
}
