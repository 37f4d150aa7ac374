//! Whether the policy of a queue lets a caller do something to it.
//!
//! A service that calls in its own name, and whoever calls from another account, has no other
//! permission than that policy's. Callers of the account have those of their identity, which the
//! server judges where it is told to.
//!
//! Source: <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-overview-of-managing-access.html>.

use policy::{Context, Request, evaluate, key};
use wire::{Caller, Principal, ServiceError};

use crate::queue::Queue;
use crate::service::Inner;

/// Operations that no policy can open to another account.
/// Source: <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-customer-managed-policy-examples.html>.
const NEVER_ACROSS_ACCOUNTS: [&str; 12] = [
    "AddPermission",
    "CancelMessageMoveTask",
    "CreateQueue",
    "DeleteQueue",
    "ListMessageMoveTasks",
    "ListQueues",
    "ListQueueTags",
    "RemovePermission",
    "SetQueueAttributes",
    "StartMessageMoveTask",
    "TagQueue",
    "UntagQueue",
];

impl Inner {
    /// Refuses who needs the queue's permission to do `action` and does not have it.
    pub(crate) fn authorize(
        &self,
        caller: &Caller,
        queue: &Queue,
        action: &str,
    ) -> Result<(), ServiceError> {
        let mut context = Context::new();
        let principal = match &caller.principal {
            Principal::Service(service) => {
                let known = [
                    (key::SOURCE_ARN, &service.source_arn),
                    (key::SOURCE_ACCOUNT, &service.source_account),
                ];
                for (name, value) in known {
                    if let Some(value) = value {
                        context.set(name, [&**value]);
                    }
                }
                policy::Principal::Service(service.name.to_string())
            }
            _ if caller.account == queue.key.account => return Ok(()),
            _ => {
                let principal = policy::Principal::Root {
                    account: caller.account.to_string(),
                };
                principal.describe(&mut context);
                principal
            }
        };
        let definition = queue.definition();
        let policy = definition.policy.as_deref();
        let policy = policy.filter(|_| !NEVER_ACROSS_ACCOUNTS.contains(&action));
        let (action, resource) = (format!("sqs:{action}"), queue.key.arn());
        let request = Request {
            principal: &principal,
            action: &action,
            resource: &resource,
            context: &context,
        };
        let decision = evaluate(&request, policy.as_slice());
        if decision.allowed() {
            return Ok(());
        }
        let message = decision.denial(&principal.arn(), &action, &resource);
        Err(ServiceError::access_denied(Some(message)))
    }
}
