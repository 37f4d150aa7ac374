//! Whether the resource policy of a function lets a caller do something to it.
//!
//! A service that calls in its own name has no other permission than that policy's. Callers of the
//! account have those of their identity, which the server judges where it is told to; what this
//! crate itself invokes, it invokes as the function's role, and does not come this way.

use std::sync::Arc;

use ids::{Arn, Qualifier};
use policy::{Context, Decision, Policy, Request, evaluate, key};
use wire::{Caller, Principal, ServiceError};

use crate::error::ApiError;
use crate::function::key::FunctionKey;
use crate::function::registry::Registry;
use crate::function::target::Target;
use crate::layer::key::LayerKey;
use crate::service::Lambda;

/// What a caller of Invoke needs to be allowed.
pub(crate) const INVOKE: &str = "lambda:InvokeFunction";

impl Lambda {
    /// The resource policy of the function, version, alias or layer version of that ARN, where it
    /// has one.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn resource_policy(&self, arn: &Arn) -> Result<Option<Arc<Policy>>, ServiceError> {
        if let Some((key, number)) = LayerKey::version_of_arn(&arn.to_string()) {
            let policy = self
                .inner
                .registry
                .read(move |tables| tables.layer_policy(&key, number))
                .await?;
            return Ok(policy.and_then(|policy| policy.parsed()).map(Arc::new));
        }
        let mut parts = arn.resource.split(':').skip(1);
        let key = FunctionKey {
            account: arn.account.as_str().into(),
            region: arn.region.as_str().into(),
            name: parts.next().unwrap_or_default().into(),
        };
        let qualifier = parts.next().map_or(Qualifier::Latest, Qualifier::parse);
        let registry = &self.inner.registry;
        Ok(registry.resource_policy(&key, &qualifier).await?)
    }
}

impl Registry {
    /// What a caller means who is going to do `action` to it: a function of its own account, or
    /// one of another account whose policy allows that.
    pub(crate) async fn target(
        &self,
        caller: &Caller,
        function: &str,
        qualifier: Option<String>,
        action: &str,
    ) -> Result<Target, ServiceError> {
        let target = Target::read_of_any_account(caller, function, qualifier)?;
        if target.key.account == caller.account {
            return Ok(target);
        }
        let principal = policy::Principal::Root {
            account: caller.account.to_string(),
        };
        let mut context = Context::new();
        principal.describe(&mut context);
        let decision = self.judge(&principal, &target, action, &context).await?;
        if decision.allowed() {
            Ok(target)
        } else {
            Err(ServiceError::access_denied(None))
        }
    }

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
        let policy = self.resource_policy(&target.key, &target.meaning()).await?;
        let request = Request {
            principal,
            action,
            resource: &target.arn(),
            context,
        };
        Ok(evaluate(&request, policy.as_deref().as_slice()))
    }
}

#[cfg(test)]
mod tests {
    use ids::{DEFAULT_ACCOUNT, DEFAULT_REGION, RequestId, SeededEntropy};
    use store::{Store, StoreOptions};
    use wire::ServicePrincipal;
    use wire::lambda::AddPermissionRequest;

    use super::*;
    use crate::function::resource_policy::{ResourcePolicy, Statement};

    /// S3, on behalf of that bucket.
    fn s3(bucket: &str) -> Caller {
        Caller {
            account: DEFAULT_ACCOUNT.into(),
            region: DEFAULT_REGION.into(),
            principal: Principal::Service(ServicePrincipal {
                name: "s3.amazonaws.com".into(),
                source_arn: Some(format!("arn:aws:s3:::{bucket}").into()),
                source_account: Some(DEFAULT_ACCOUNT.into()),
            }),
            host: None,
            trace: None,
            request_id: RequestId::draw(&SeededEntropy::new(1)),
        }
    }

    /// Function `f`, whose alias `live` S3 may invoke on behalf of buckets that begin with `in-`.
    async fn registry(folder: &std::path::Path) -> Registry {
        let store = StoreOptions::new(folder, "control.db", vec![crate::SCHEMA]);
        let registry = Registry::new(Store::open(store).unwrap());
        let live = Target::read(&s3("any"), "f:live", None).unwrap();
        let input = AddPermissionRequest {
            statement_id: Some("s3".to_owned()),
            action: Some(INVOKE.to_owned()),
            principal: Some("s3.amazonaws.com".to_owned()),
            source_arn: Some("arn:aws:s3:::in-*".to_owned()),
            source_account: Some(DEFAULT_ACCOUNT.to_owned()),
            ..AddPermissionRequest::default()
        };
        let policy = ResourcePolicy {
            revision: "1".to_owned(),
            statements: vec![Statement::new(input, live.arn()).unwrap()],
        };
        let key = live.key.clone();
        registry
            .write(&key, move |tables| {
                tables.add_function(&live.key, "{}")?;
                tables.put_resource_policy(&live.key, &live.meaning(), &policy)
            })
            .await
            .unwrap();
        registry
    }

    #[tokio::test]
    async fn a_service_may_do_what_the_policy_of_what_it_names_says() {
        let folder = tempfile::tempdir().unwrap();
        let registry = registry(folder.path()).await;
        let outcome = async |caller: Caller, function: &str, action: &str| {
            let target = Target::read(&caller, function, None).unwrap();
            registry.authorize(&caller, &target, action).await
        };
        assert!(outcome(s3("in-box"), "f:live", INVOKE).await.is_ok());
        assert!(outcome(s3("outbox"), "f:live", INVOKE).await.is_err());
        assert!(outcome(s3("in-box"), "f:other", INVOKE).await.is_err());
        assert!(
            outcome(s3("in-box"), "f:live", "lambda:GetFunction")
                .await
                .is_err()
        );
        let refusal = outcome(s3("in-box"), "f", INVOKE).await.unwrap_err();
        assert_eq!(
            (refusal.status.as_u16(), &*refusal.code),
            (403, "AccessDeniedException")
        );
        assert_eq!(
            refusal.message.as_deref(),
            Some(
                "User: s3.amazonaws.com is not authorized to perform: lambda:InvokeFunction on \
                 resource: arn:aws:lambda:us-east-1:000000000000:function:f because no \
                 resource-based policy allows the lambda:InvokeFunction action"
            )
        );
    }

    #[tokio::test]
    async fn callers_of_the_account_are_not_asked_here() {
        let folder = tempfile::tempdir().unwrap();
        let registry = registry(folder.path()).await;
        let caller = Caller {
            principal: Principal::Account {
                access_key_id: "AKID".into(),
            },
            ..s3("any")
        };
        let target = Target::read(&caller, "f", None).unwrap();
        assert!(registry.authorize(&caller, &target, INVOKE).await.is_ok());
    }
}
