//! Errors on the way to the caller.

use store::StoreError;
use wire::ServiceError;
use wire::logs::errors;

use crate::archive::ArchiveError;
use crate::filter::FilterError;

impl From<ArchiveError> for ServiceError {
    fn from(error: ArchiveError) -> Self {
        let message = error.to_string();
        match error {
            ArchiveError::NoGroup | ArchiveError::NoStream => {
                errors::resource_not_found_exception(message)
            }
            ArchiveError::GroupExists | ArchiveError::StreamExists => {
                errors::resource_already_exists_exception(message)
            }
            ArchiveError::Protected(_) => errors::validation_exception(message),
            ArchiveError::TooManyTags => errors::too_many_tags_exception(message),
            ArchiveError::Store(StoreError::Busy { .. }) => unavailable("Rate exceeded"),
            ArchiveError::Store(StoreError::Full) => unavailable("The engine's disk is full."),
            ArchiveError::Store(_) | ArchiveError::Tags(_) => {
                tracing::error!(error = message, "the logs cannot be used");
                unavailable("The engine could not access its logs.")
            }
        }
    }
}

fn unavailable(message: &str) -> ServiceError {
    let mut error = errors::service_unavailable_exception(message);
    error.status = http::StatusCode::SERVICE_UNAVAILABLE;
    error
}

impl From<FilterError> for ServiceError {
    fn from(error: FilterError) -> Self {
        invalid(error.to_string())
    }
}

/// 400: a parameter that the model's constraints do not rule out, but the operation does.
pub(crate) fn invalid(message: impl Into<String>) -> ServiceError {
    errors::invalid_parameter_exception(message)
}
