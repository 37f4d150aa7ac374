//! Each request put to the policies.

use std::net::IpAddr;
use std::sync::Arc;

use iam::{Authority, Iam, Identity};
use ids::{Arn, SharedClock};
use lambda::Lambda;
use policy::{Context, Outcome, Policies, Policy, Request as Question, authorize, key};
use wire::lambda::{LambdaApi, ListTagsRequest};
use wire::protocol::Request;
use wire::{Caller, Service, ServiceError};

use super::fields::Fields;
use super::resource::Resource;
use super::{action, circumstances, resource};

/// A role that an operation hands to a service: the member that names it, and the service.
const PASSED_ROLES: [(Service, &str, &str, &str); 4] = [
    (
        Service::Lambda,
        "CreateFunction",
        "Role",
        "lambda.amazonaws.com",
    ),
    (
        Service::Lambda,
        "UpdateFunctionConfiguration",
        "Role",
        "lambda.amazonaws.com",
    ),
    (
        Service::States,
        "CreateStateMachine",
        "roleArn",
        "states.amazonaws.com",
    ),
    (
        Service::States,
        "UpdateStateMachine",
        "roleArn",
        "states.amazonaws.com",
    ),
];

/// Puts requests to the policies.
#[derive(Debug, Clone)]
pub(crate) struct Enforcer {
    iam: Iam,
    lambda: Lambda,
    clock: SharedClock,
}

/// A request whose caller is known.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked<'r> {
    pub(crate) service: Service,
    pub(crate) operation: &'static str,
    pub(crate) request: &'r Request<'r>,
    pub(crate) caller: &'r Caller,
    pub(crate) identity: &'r Identity,
    pub(crate) peer: IpAddr,
}

impl Enforcer {
    pub(crate) fn new(iam: Iam, lambda: Lambda, clock: SharedClock) -> Self {
        Self { iam, lambda, clock }
    }

    /// Refuses what the caller may not do.
    ///
    /// # Errors
    /// The denial in AWS's words, or the policies cannot be read.
    pub(crate) async fn check(&self, asked: Asked<'_>) -> Result<(), ServiceError> {
        let Some(action) = action::of(asked.service, asked.operation) else {
            return Ok(());
        };
        let authority = self.iam.authority(asked.identity).await?;
        // An event may be 6 MB, and nothing of it is a member.
        let is_payload = asked.operation.starts_with("Invoke");
        let fields = Fields::of(asked.service, asked.request, !is_payload);
        let mut context = circumstances::of(
            asked.service,
            &fields,
            asked.caller,
            &authority,
            asked.request.parts,
            asked.peer,
            self.clock.now(),
        );
        let resources = resource::of(
            asked.service,
            asked.operation,
            &fields,
            asked.caller,
            &self.iam,
        )
        .await?;
        for resource in &resources {
            let policy = self.resource_policy(resource).await?;
            self.learn_tags(
                &authority,
                policy.as_deref(),
                resource,
                asked.caller,
                &mut context,
            )
            .await?;
            judge(&authority, &action, resource, policy.as_deref(), &context)?;
        }
        let passes = PASSED_ROLES.iter().find(|(service, operation, ..)| {
            (*service, *operation) == (asked.service, asked.operation)
        });
        if let Some((_, _, member, service)) = passes
            && let Some(role) = fields.text(member)
        {
            context.set(key::PASSED_TO_SERVICE, [*service]);
            let role = Resource {
                arn: role,
                also: Vec::new(),
            };
            judge(&authority, "iam:PassRole", &role, None, &context)?;
            if !self.iam.trusts(&role.arn, service).await? {
                return Err(not_trusted(asked.service));
            }
        }
        Ok(())
    }

    /// The policy that the resource itself has: functions and versions of layers have one.
    async fn resource_policy(
        &self,
        resource: &Resource,
    ) -> Result<Option<Arc<Policy>>, ServiceError> {
        let Some(arn) = lambda_arn(resource) else {
            return Ok(None);
        };
        let parts: Vec<&str> = arn.resource.split(':').collect();
        match parts.as_slice() {
            ["function", ..] | ["layer", _, _] => self.lambda.resource_policy(&arn).await,
            _ => Ok(None),
        }
    }

    /// Tells `context` the resource's tags, where a policy asks for them.
    async fn learn_tags(
        &self,
        authority: &Authority,
        resource_policy: Option<&Policy>,
        resource: &Resource,
        caller: &Caller,
        context: &mut Context,
    ) -> Result<(), ServiceError> {
        let Policies {
            identity,
            boundary,
            session,
            ..
        } = authority.policies();
        let mut policies = identity
            .into_iter()
            .chain(boundary)
            .chain(session)
            .chain(resource_policy);
        let function = lambda_arn(resource).filter(|arn| arn.resource.starts_with("function:"));
        let Some(function) = function else {
            return Ok(());
        };
        if !policies.any(|policy| policy.mentions(key::RESOURCE_TAG)) {
            return Ok(());
        }
        // Tags are the function's, whatever its version.
        let whole = function.resource.splitn(3, ':').take(2);
        let whole = whole.collect::<Vec<_>>().join(":");
        let input = ListTagsRequest {
            resource: Arn {
                resource: whole,
                ..function
            }
            .to_string(),
        };
        if let Ok(found) = self.lambda.list_tags(caller, input).await {
            for (tag, value) in found.tags.unwrap_or_default() {
                context.set(format!("{}{tag}", key::RESOURCE_TAG), [value]);
            }
        }
        Ok(())
    }
}

/// The answer where a role does not exist or does not let the service assume it.
fn not_trusted(service: Service) -> ServiceError {
    match service {
        Service::States => ServiceError::access_denied(Some(
            "Neither the global service principal states.amazonaws.com, nor the regional one is \
             authorized to assume the provided role."
                .to_owned(),
        )),
        _ => wire::lambda::errors::invalid_parameter_value_exception(
            "The role defined for the function cannot be assumed by Lambda.",
        ),
    }
}

fn lambda_arn(resource: &Resource) -> Option<Arn> {
    let arn: Arn = resource.arn.parse().ok()?;
    (arn.service == "lambda").then_some(arn)
}

/// Refuses where the policies do. Of the forms that a resource goes by, one permitted is enough and
/// one forbidden too many.
fn judge(
    authority: &Authority,
    action: &str,
    resource: &Resource,
    resource_policy: Option<&Policy>,
    context: &Context,
) -> Result<(), ServiceError> {
    let owner = resource.arn.split(':').nth(4);
    let mut policies = authority.policies();
    policies.resource.extend(resource_policy);
    // What has no account in its ARN, such as AWS's own policies, is judged as the caller's.
    policies.resource_account = owner.filter(|owner| !owner.is_empty() && *owner != "aws");
    let decisions: Vec<_> = resource
        .names()
        .map(|name| {
            let question = Question {
                principal: &authority.principal,
                action,
                resource: name,
                context,
            };
            authorize(&question, &policies)
        })
        .collect();
    let forbidden = decisions
        .iter()
        .find(|decision| decision.outcome == Outcome::ExplicitDeny);
    let refusal = match forbidden {
        Some(forbidden) => forbidden,
        None if decisions.iter().any(policy::Decision::allowed) => return Ok(()),
        None => match decisions.first() {
            Some(first) => first,
            None => return Ok(()),
        },
    };
    let who = authority.principal.arn();
    let message = refusal.denial(&who, action, &resource.arn);
    Err(ServiceError::access_denied(Some(message)))
}
