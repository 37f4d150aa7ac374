//! Whether the resource policy of a function lets a caller do something to it.
//!
//! A service that calls in its own name has no other permission than that policy's. Callers of the
//! account have those of their identity, which the server judges where it is told to; the services of
//! this crate act as the function's role and do not come this way.

use std::sync::Arc;

use ids::{Arn, Qualifier};
use policy::{Context, Decision, Policy, Request, evaluate, key};
use wire::{Caller, Principal, ServiceError};

use crate::error::ApiError;
use crate::function::key::FunctionKey;
use crate::function::target::Target;
use crate::service::{Inner, Lambda};

/// What a caller of Invoke needs to be allowed.
pub(crate) const INVOKE: &str = "lambda:InvokeFunction";

impl Lambda {
    /// The resource policy of the function, version or alias of that ARN, where it has one.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn resource_policy(&self, arn: &Arn) -> Result<Option<Arc<Policy>>, ServiceError> {
        let mut parts = arn.resource.split(':').skip(1);
        let key = FunctionKey {
            account: arn.account.as_str().into(),
            region: arn.region.as_str().into(),
            name: parts.next().unwrap_or_default().into(),
        };
        let qualifier = parts.next().map_or(Qualifier::Latest, Qualifier::parse);
        Ok(self
            .inner
            .registry
            .resource_policy(&key, &qualifier)
            .await?)
    }
}

impl Inner {
    /// Refuses a service that calls in its own name and is not allowed to do `action` to what
    /// `target` names.
    pub(crate) async fn authorize(
        &self,
        caller: &Caller,
        target: &Target,
        action: &str,
    ) -> Result<(), ServiceError> {
        let Principal::Service(service) = &caller.principal else {
            return Ok(());
        };
        let mut context = Context::new();
        let known = [
            (key::SOURCE_ARN, &service.source_arn),
            (key::SOURCE_ACCOUNT, &service.source_account),
        ];
        for (name, value) in known {
            if let Some(value) = value {
                context.set(name, [&**value]);
            }
        }
        let principal = policy::Principal::Service(service.name.to_string());
        let decision = self.judge(&principal, target, action, &context).await?;
        if decision.allowed() {
            return Ok(());
        }
        let message = decision.denial(&principal.arn(), action, &target.arn());
        Err(ServiceError::access_denied(Some(message)))
    }

    /// What the resource policy of what `target` names says.
    pub(crate) async fn judge(
        &self,
        principal: &policy::Principal,
        target: &Target,
        action: &str,
        context: &Context,
    ) -> Result<Decision, ApiError> {
        let qualifier = target.meaning();
        let policy = self
            .registry
            .resource_policy(&target.key, &qualifier)
            .await?;
        let resource = target.arn();
        let request = Request {
            principal,
            action,
            resource: &resource,
            context,
        };
        Ok(evaluate(&request, policy.as_deref().as_slice()))
    }
}
