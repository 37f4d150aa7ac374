//! How long a request's body may be.
//!
//! Sources: <https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html> for the
//! payloads of `Invoke`; the limit for code is the one that AWS's own error message names.

use http::HeaderMap;

use crate::iam::IamOperation;
use crate::lambda::LambdaOperation;
use crate::logs::LogsOperation;
use crate::sqs::SqsOperation;
use crate::sts::StsOperation;
use crate::{Named, ServiceError};

/// A synchronous invocation's payload: 6 MiB.
const SYNCHRONOUS_PAYLOAD: usize = 6 * 1024 * 1024;
/// An asynchronous invocation's event: 1 MiB.
const ASYNCHRONOUS_PAYLOAD: usize = 1024 * 1024;
/// A zip file of 50 MiB in base64, and what surrounds it.
const CODE: usize = 70_167_211;
/// A batch of log events. Its 1 MiB count text and 26 bytes an event; on the wire a character may
/// take six bytes (`\u0000`) and an event's keys and digits 50, of which there are up to 10,000.
const LOG_EVENTS: usize = 7 * 1024 * 1024;
/// Messages of SQS. Their 1 MiB count text and bytes; on the wire a character may take six bytes
/// (`\u0000`), or three in a form, a byte four thirds and three, and there are ten entries around them.
/// Source: <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html>.
const MESSAGES: usize = 7 * 1024 * 1024;
/// Everything else is a small document.
const DOCUMENT: usize = 1024 * 1024;

/// How long the bodies of a service's operations may be.
///
/// The operation is none where the body itself names it.
pub trait Limits: Named {
    /// How many bytes a body may have, given the request's headers.
    #[must_use]
    fn body_limit(_operation: Option<Self>, _headers: &HeaderMap) -> usize {
        DOCUMENT
    }

    /// The error for a body above [`Self::body_limit`].
    #[must_use]
    fn too_large(operation: Option<Self>, headers: &HeaderMap) -> ServiceError {
        let action = operation.map_or_else(|| Self::SERVICE.signing_name(), Self::name);
        ServiceError::too_large(action, Self::body_limit(operation, headers))
    }
}

impl Limits for LambdaOperation {
    fn body_limit(operation: Option<Self>, headers: &HeaderMap) -> usize {
        match operation {
            Some(Self::Invoke | Self::InvokeWithResponseStream) => {
                match headers.get("x-amz-invocation-type") {
                    Some(kind) if kind == "Event" => ASYNCHRONOUS_PAYLOAD,
                    _ => SYNCHRONOUS_PAYLOAD,
                }
            }
            Some(Self::InvokeAsync) => ASYNCHRONOUS_PAYLOAD,
            Some(Self::CreateFunction | Self::UpdateFunctionCode | Self::PublishLayerVersion) => {
                CODE
            }
            _ => DOCUMENT,
        }
    }

    fn too_large(operation: Option<Self>, headers: &HeaderMap) -> ServiceError {
        let action = match operation {
            Some(Self::Invoke) => "InvokeFunction",
            Some(other) => other.name(),
            None => "Lambda",
        };
        ServiceError::too_large(action, Self::body_limit(operation, headers))
    }
}

impl Limits for LogsOperation {
    fn body_limit(operation: Option<Self>, _: &HeaderMap) -> usize {
        match operation {
            Some(Self::PutLogEvents) => LOG_EVENTS,
            _ => DOCUMENT,
        }
    }
}

impl Limits for IamOperation {}

impl Limits for StsOperation {}

impl Limits for SqsOperation {
    fn body_limit(operation: Option<Self>, _: &HeaderMap) -> usize {
        match operation {
            // A form names its operation only in the body.
            Some(Self::SendMessage | Self::SendMessageBatch) | None => MESSAGES,
            Some(_) => DOCUMENT,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_smaller_than_a_payload() {
        let mut headers = HeaderMap::new();
        let invoke = Some(LambdaOperation::Invoke);
        assert_eq!(LambdaOperation::body_limit(invoke, &headers), 6_291_456);
        assert_eq!(
            LambdaOperation::too_large(invoke, &headers)
                .message
                .as_deref(),
            Some("Request must be smaller than 6291456 bytes for the InvokeFunction operation")
        );
        headers.insert("x-amz-invocation-type", "Event".parse().unwrap());
        assert_eq!(LambdaOperation::body_limit(invoke, &headers), 1_048_576);
    }

    #[test]
    fn code_may_be_large() {
        let create = Some(LambdaOperation::CreateFunction);
        let error = LambdaOperation::too_large(create, &HeaderMap::new());
        assert_eq!(error.status, 413);
        assert_eq!(
            error.message.as_deref(),
            Some("Request must be smaller than 70167211 bytes for the CreateFunction operation")
        );
    }

    #[test]
    fn a_form_has_the_limit_of_a_document() {
        let error = IamOperation::too_large(None, &HeaderMap::new());
        assert_eq!(
            error.message.as_deref(),
            Some("Request must be smaller than 1048576 bytes for the iam operation")
        );
    }
}
