//! How long a request's body may be.
//!
//! Sources: <https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html> for the
//! payloads of `Invoke`; the limit for code is the one that AWS's own error message names.

use http::HeaderMap;

use crate::ServiceError;
use crate::lambda::LambdaOperation;

/// A synchronous invocation's payload: 6 MiB.
const SYNCHRONOUS_PAYLOAD: usize = 6 * 1024 * 1024;
/// An asynchronous invocation's event: 1 MiB.
const ASYNCHRONOUS_PAYLOAD: usize = 1024 * 1024;
/// A zip file of 50 MiB in base64, and what surrounds it.
const CODE: usize = 70_167_211;
/// Everything else is a small document.
const DOCUMENT: usize = 1024 * 1024;

impl LambdaOperation {
    /// How many bytes a body of this operation may have, given the request's headers.
    ///
    /// A server stops reading there and answers [`Self::too_large`].
    #[must_use]
    pub fn body_limit(self, headers: &HeaderMap) -> usize {
        match self {
            Self::Invoke | Self::InvokeWithResponseStream => {
                match headers.get("x-amz-invocation-type") {
                    Some(kind) if kind == "Event" => ASYNCHRONOUS_PAYLOAD,
                    _ => SYNCHRONOUS_PAYLOAD,
                }
            }
            Self::InvokeAsync => ASYNCHRONOUS_PAYLOAD,
            Self::CreateFunction | Self::UpdateFunctionCode | Self::PublishLayerVersion => CODE,
            _ => DOCUMENT,
        }
    }

    /// The error for a body above [`Self::body_limit`].
    #[must_use]
    pub fn too_large(self, headers: &HeaderMap) -> ServiceError {
        let action = match self {
            Self::Invoke => "InvokeFunction",
            other => other.name(),
        };
        ServiceError::too_large(action, self.body_limit(headers))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_smaller_than_a_payload() {
        let mut headers = HeaderMap::new();
        assert_eq!(LambdaOperation::Invoke.body_limit(&headers), 6_291_456);
        assert_eq!(
            LambdaOperation::Invoke
                .too_large(&headers)
                .message
                .as_deref(),
            Some("Request must be smaller than 6291456 bytes for the InvokeFunction operation")
        );
        headers.insert("x-amz-invocation-type", "Event".parse().unwrap());
        assert_eq!(LambdaOperation::Invoke.body_limit(&headers), 1_048_576);
    }

    #[test]
    fn code_may_be_large() {
        let error = LambdaOperation::CreateFunction.too_large(&HeaderMap::new());
        assert_eq!(error.status, 413);
        assert_eq!(
            error.message.as_deref(),
            Some("Request must be smaller than 70167211 bytes for the CreateFunction operation")
        );
    }
}
