//! Errors on the way to the caller, in SQS's words.

use store::StoreError;
use wire::ServiceError;
use wire::sqs::errors;

/// Why something cannot be done with what is kept.
#[derive(Debug, thiserror::Error)]
pub(crate) enum JournalError {
    /// What was written is not what it should be.
    #[error("{what} of a queue cannot be read: {source}")]
    Content {
        /// Which part.
        what: &'static str,
        /// Why.
        source: serde_json::Error,
    },
    /// The store cannot serve.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<rusqlite::Error> for JournalError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Store(error.into())
    }
}

impl From<JournalError> for ServiceError {
    fn from(error: JournalError) -> Self {
        match error {
            JournalError::Store(StoreError::Busy { .. }) => {
                with_status(errors::request_throttled("Rate exceeded"), 403)
            }
            JournalError::Store(StoreError::Full) => unavailable("The engine's disk is full."),
            JournalError::Store(StoreError::Closed) => unavailable("The engine is stopping."),
            error => {
                tracing::error!(%error, "the queues cannot be used");
                unavailable("The engine could not access its queues.")
            }
        }
    }
}

/// 503: clients send it again.
pub(crate) fn unavailable(message: &str) -> ServiceError {
    ServiceError::new("ServiceUnavailable", 503, message)
}

/// 400: a parameter that cannot be.
pub(crate) fn invalid(message: impl Into<String>) -> ServiceError {
    ServiceError::new("InvalidParameterValueException", 400, message)
}

/// 400: this value of that parameter cannot be, for this reason.
pub(crate) fn invalid_value(value: &str, parameter: &str, reason: &str) -> ServiceError {
    invalid(format!(
        "Value {value} for parameter {parameter} is invalid. Reason: {reason}"
    ))
}

/// 400: a number outside of its range.
pub(crate) fn out_of_range(value: i32, parameter: &str, range: &str) -> ServiceError {
    invalid_value(&value.to_string(), parameter, range)
}

/// 400: a parameter that only the other kind of queue has.
pub(crate) fn wrong_kind(value: &str, parameter: &str) -> ServiceError {
    invalid_value(
        value,
        parameter,
        "The request include parameter that is not valid for this queue type.",
    )
}

/// 400: a parameter that must be there.
pub(crate) fn missing(parameter: &str) -> ServiceError {
    ServiceError::new(
        "MissingRequiredParameterException",
        400,
        format!("The request must contain the parameter {parameter}."),
    )
}

/// 400: there is no such queue.
pub(crate) fn no_queue() -> ServiceError {
    errors::queue_does_not_exist("The specified queue does not exist.")
}

/// 404: that is no URL of a queue.
pub(crate) fn no_address(url: &str) -> ServiceError {
    let message = format!("The address {url} is not valid for this endpoint.");
    with_status(errors::invalid_address(message), 404)
}

/// 404: that is no receipt handle of the queue.
pub(crate) fn no_handle(handle: &str) -> ServiceError {
    let message = format!("The input receipt handle \"{handle}\" is not a valid receipt handle.");
    with_status(errors::receipt_handle_is_invalid(message), 404)
}

/// 404: a task or a queue of one is not there.
pub(crate) fn not_found(message: impl Into<String>) -> ServiceError {
    with_status(errors::resource_not_found_exception(message), 404)
}

/// 403: too many messages are in flight.
pub(crate) fn over_limit(message: impl Into<String>) -> ServiceError {
    with_status(errors::over_limit(message), 403)
}

/// 403: the queue was purged a moment ago.
pub(crate) fn purging(queue: &str) -> ServiceError {
    let message = format!("Only one PurgeQueue operation on {queue} is allowed every 60 seconds.");
    with_status(errors::purge_queue_in_progress(message), 403)
}

/// 400: the message has characters that XML has not.
pub(crate) fn invalid_contents() -> ServiceError {
    errors::invalid_message_contents(
        "Invalid characters found. Valid unicode characters are #x9 | #xA | #xD | #x20 to #xD7FF | \
         #xE000 to #xFFFD | #x10000 to #x10FFFF",
    )
}

/// The model gives no statuses; these are what AWS answers.
fn with_status(mut error: ServiceError, status: u16) -> ServiceError {
    if let Ok(status) = http::StatusCode::from_u16(status) {
        error.status = status;
    }
    error
}
