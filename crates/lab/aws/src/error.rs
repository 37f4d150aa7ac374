//! What can go wrong with a call, with AWS's own words kept.

use aws_sdk_lambda::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use aws_sdk_lambda::operation::RequestId as _;
use aws_smithy_runtime_api::http::Response;

/// A call of the AWS API that got no answer of the wanted kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{operation} on {target}: {failure}")]
pub struct CallError {
    /// What was called: `CreateFunction`.
    pub operation: &'static str,
    /// Where: `engine at http://127.0.0.1:4566 (.lambdalab)`.
    pub target: String,
    /// What happened.
    pub failure: CallFailure,
}

/// What happened to a call.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallFailure {
    /// The service answered with an error.
    #[error("{message} ({code}, HTTP {status})")]
    Service {
        /// AWS's error code: `ResourceConflictException`.
        code: String,
        /// AWS's message.
        message: String,
        /// The HTTP status.
        status: u16,
        /// The service's id of the request, where it gave one.
        request_id: Option<String>,
    },
    /// Nobody answered.
    #[error("no answer: {0}")]
    Unreachable(String),
    /// No answer in time.
    #[error("no answer in time: {0}")]
    TimedOut(String),
    /// An answer came that is not of this API.
    #[error("the answer cannot be understood: {0}")]
    Unreadable(String),
    /// The call was never sent: its input or the client's configuration do not allow it.
    #[error("it was not sent: {0}")]
    NotSent(String),
    /// The function did not come to the state that was waited for.
    #[error("{0}")]
    State(String),
}

impl CallError {
    /// AWS's error code, where the service answered.
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        match &self.failure {
            CallFailure::Service { code, .. } => Some(code),
            _ => None,
        }
    }

    /// Whether the service answered, so that the fault lies in what was asked, not in the target.
    #[must_use]
    pub fn is_refusal(&self) -> bool {
        matches!(
            self.failure,
            CallFailure::Service {
                status: 400..=499,
                ..
            }
        )
    }
}

impl CallFailure {
    pub(crate) fn of<E>(error: &SdkError<E, Response>) -> Self
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        let told = DisplayErrorContext(error).to_string();
        match error {
            SdkError::ServiceError(context) => {
                let metadata = context.err().meta();
                Self::Service {
                    code: metadata.code().unwrap_or("UnknownError").to_owned(),
                    message: metadata.message().unwrap_or("no message").to_owned(),
                    status: context.raw().status().as_u16(),
                    request_id: metadata.request_id().map(str::to_owned),
                }
            }
            SdkError::DispatchFailure(failure) if failure.is_timeout() => {
                Self::TimedOut(cause(failure.as_connector_error()))
            }
            SdkError::DispatchFailure(failure) if failure.is_io() => {
                Self::Unreachable(cause(failure.as_connector_error()))
            }
            // No credentials, mostly: nothing was sent.
            SdkError::DispatchFailure(failure) => {
                Self::NotSent(cause(failure.as_connector_error()))
            }
            SdkError::TimeoutError(_) => Self::TimedOut(told),
            SdkError::ResponseError(_) => Self::Unreadable(told),
            _ => Self::NotSent(told),
        }
    }
}

/// The innermost reason: `Connection refused (os error 111)` rather than four layers around it.
fn cause<E: std::error::Error>(error: Option<&E>) -> String {
    let Some(error) = error else {
        return "the connection failed".to_owned();
    };
    let mut reason: &dyn std::error::Error = error;
    while let Some(source) = reason.source() {
        reason = source;
    }
    reason.to_string()
}
