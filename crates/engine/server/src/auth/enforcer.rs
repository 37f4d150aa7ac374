//! Each request put to the policies.

use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::StatusCode;
use http::request::Parts;
use iam::{Authority, Iam, Identity};
use ids::{Arn, SharedClock};
use lambda::{FunctionUrl, Lambda, URL_ACTIONS};
use policy::{Context, Outcome, Policies, Policy, Request as Question, authorize, key};
use sqs::Sqs;
use wire::lambda::{LambdaApi, ListTagsRequest};
use wire::protocol::Request;
use wire::route::Labels;
use wire::{Call, Caller, Principal, Service, ServiceError};

use super::fields::Fields;
use super::resource::Resource;
use super::{action, assume, circumstances, resource};

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

/// Operations that hand a function layers, which whoever does it must be permitted to get.
const ATTACH_LAYERS: [(Service, &str); 2] = [
    (Service::Lambda, "CreateFunction"),
    (Service::Lambda, "UpdateFunctionConfiguration"),
];

/// Puts requests to the policies.
#[derive(Debug, Clone)]
pub(crate) struct Enforcer {
    iam: Iam,
    lambda: Lambda,
    sqs: Sqs,
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
    pub(crate) fn new(iam: Iam, lambda: Lambda, sqs: Sqs, clock: SharedClock) -> Self {
        Self {
            iam,
            lambda,
            sqs,
            clock,
        }
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
        let context = circumstances::of(
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
        if (asked.service, asked.operation) == assume::OPERATION {
            return assume::check(&self.iam, &authority, &fields, &context).await;
        }
        for resource in &resources {
            let policy = self.resource_policy(resource).await?;
            let policy = policy.as_deref();
            let with_tags = self
                .with_tags(&authority, policy, resource, asked.caller, &context)
                .await?;
            let context = with_tags.as_ref().unwrap_or(&context);
            judge(&authority, &action, resource, policy, context)?;
        }
        self.check_passed_role(asked, &authority, &fields, &context)
            .await?;
        if ATTACH_LAYERS.contains(&(asked.service, asked.operation)) {
            for arn in fields.texts("Layers") {
                let layer = Resource::new(resource::layer_version(arn));
                let policy = self.resource_policy(&layer).await?;
                let action = "lambda:GetLayerVersion";
                judge(&authority, action, &layer, policy.as_deref(), &context)?;
            }
        }
        Ok(())
    }

    /// Whether the caller may call a function URL.
    ///
    /// # Errors
    /// The policies cannot be read.
    pub(crate) async fn may_call_url(
        &self,
        url: &FunctionUrl,
        caller: &Caller,
        identity: &Identity,
        parts: &Parts,
        peer: IpAddr,
    ) -> Result<bool, ServiceError> {
        let authority = self.iam.authority(identity).await?;
        let request = Request {
            parts,
            labels: Labels::default(),
            body: Bytes::new(),
        };
        // What the function is sent has no members.
        let fields = Fields::of(Service::Lambda, &request, false);
        let now = self.clock.now();
        let mut context = circumstances::of(
            Service::Lambda,
            &fields,
            caller,
            &authority,
            parts,
            peer,
            now,
        );
        url.describe(&mut context);
        let resource = Resource::new(url.arn());
        let policy = self.resource_policy(&resource).await?;
        let policy = policy.as_deref();
        let with_tags = self
            .with_tags(&authority, policy, &resource, caller, &context)
            .await?;
        let context = with_tags.as_ref().unwrap_or(&context);
        Ok(URL_ACTIONS
            .iter()
            .all(|action| judge(&authority, action, &resource, policy, context).is_ok()))
    }

    /// Refuses what a service does in the name of a function and the function's role may not do.
    /// What services do in their own name is for the policies of resources, which they ask
    /// themselves.
    ///
    /// # Errors
    /// As [`check`](Self::check).
    pub(crate) fn check_call<'e>(
        &'e self,
        call: &Call,
    ) -> impl Future<Output = Result<(), ServiceError>> + Send + use<'e> {
        let identity = match &call.caller.principal {
            Principal::Function { arn, role } => Some(Identity::of_function(arn, role)),
            Principal::Account { .. } | Principal::Service(_) => None,
        };
        let action = action::of(call.service, call.operation);
        let (caller, resource) = (call.caller.clone(), resource::of_call(call));
        async move {
            let (Some(identity), Some(action)) = (identity, action) else {
                return Ok(());
            };
            let authority = self.iam.authority(&identity).await?;
            let context = circumstances::within(&caller, &authority, self.clock.now());
            let policy = self.resource_policy(&resource).await?;
            let policy = policy.as_deref();
            let with_tags = self
                .with_tags(&authority, policy, &resource, &caller, &context)
                .await?;
            let context = with_tags.as_ref().unwrap_or(&context);
            judge(&authority, &action, &resource, policy, context)
        }
    }

    /// Refuses a role that the caller may not hand to a service, or that does not trust it.
    async fn check_passed_role(
        &self,
        asked: Asked<'_>,
        authority: &Authority,
        fields: &Fields<'_>,
        context: &Context,
    ) -> Result<(), ServiceError> {
        let passes = PASSED_ROLES.iter().find(|(service, operation, ..)| {
            (*service, *operation) == (asked.service, asked.operation)
        });
        let Some((_, _, member, service)) = passes else {
            return Ok(());
        };
        let Some(role) = fields.text(member) else {
            return Ok(());
        };
        let role = Resource::new(role);
        let context = context.clone().with(key::PASSED_TO_SERVICE, *service);
        judge(authority, "iam:PassRole", &role, None, &context)?;
        if !self.iam.trusts(&role.arn, service).await? {
            return Err(not_trusted(asked.service));
        }
        Ok(())
    }

    /// The policy that the resource itself has: functions, versions of layers and queues have one.
    async fn resource_policy(
        &self,
        resource: &Resource,
    ) -> Result<Option<Arc<Policy>>, ServiceError> {
        if let Some(queue) = arn_in("sqs", resource) {
            return Ok(self.sqs.resource_policy(&queue));
        }
        let Some(arn) = arn_in("lambda", resource) else {
            return Ok(None);
        };
        let parts: Vec<&str> = arn.resource.split(':').collect();
        match parts.as_slice() {
            ["function", ..] | ["layer", _, _] => self.lambda.resource_policy(&arn).await,
            _ => Ok(None),
        }
    }

    /// `context` and the resource's tags, where a policy asks for them.
    async fn with_tags(
        &self,
        authority: &Authority,
        resource_policy: Option<&Policy>,
        resource: &Resource,
        caller: &Caller,
        context: &Context,
    ) -> Result<Option<Context>, ServiceError> {
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
        let function =
            arn_in("lambda", resource).filter(|arn| arn.resource.starts_with("function:"));
        let queue = arn_in("sqs", resource);
        if function.is_none() && queue.is_none() {
            return Ok(None);
        }
        if !policies.any(|policy| policy.mentions(key::RESOURCE_TAG)) {
            return Ok(None);
        }
        let with = |tags: Vec<(String, String)>| {
            let mut context = context.clone();
            for (tag, value) in tags {
                context.set(format!("{}{tag}", key::RESOURCE_TAG), [value]);
            }
            context
        };
        let Some(function) = function else {
            return Ok(queue.map(|queue| with(self.sqs.tags(&queue))));
        };
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
        let found = found(self.lambda.list_tags(caller, input).await)?;
        let tags = found.and_then(|found| found.tags).unwrap_or_default();
        Ok(Some(with(tags.into_iter().collect())))
    }
}

/// What was asked for; `None` where there is no such thing. Whoever cannot tell must not be taken to
/// have found nothing.
fn found<T>(asked: Result<T, ServiceError>) -> Result<Option<T>, ServiceError> {
    match asked {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.status == StatusCode::NOT_FOUND => Ok(None),
        Err(error) => Err(error),
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

/// The resource's ARN, where it is one of that service.
fn arn_in(service: &str, resource: &Resource) -> Option<Arn> {
    let arn: Arn = resource.arn.parse().ok()?;
    (arn.service == service).then_some(arn)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_that_cannot_be_read_are_not_taken_for_none() {
        assert_eq!(found(Ok(1)).unwrap(), Some(1));
        let absent = ServiceError::new("ResourceNotFoundException", 404, "none");
        assert_eq!(found::<()>(Err(absent)).unwrap(), None);
        let busy = ServiceError::new("TooManyRequestsException", 429, "busy");
        assert_eq!(found::<()>(Err(busy)).unwrap_err().status, 429);
    }
}
