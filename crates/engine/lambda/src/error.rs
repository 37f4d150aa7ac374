//! Errors on the way to the caller.

use store::StoreError;
use wire::{ServiceError, lambda::errors};

/// What can stand in the way of a control operation.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ApiError {
    /// An answer that the API defines.
    #[error(transparent)]
    Service(#[from] ServiceError),
    /// The store cannot serve.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A policy that cannot be read: written by another release, or damaged.
    #[error("the store holds a policy that cannot be read: {0}")]
    Policy(#[from] policy::PolicyError),
    /// A record that cannot be read: written by another release, or damaged.
    #[error("the store holds a record that cannot be read: {0}")]
    Record(#[from] serde_json::Error),
}

impl From<rusqlite::Error> for ApiError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Store(error.into())
    }
}

impl From<ApiError> for ServiceError {
    fn from(error: ApiError) -> Self {
        match error {
            ApiError::Service(error) => error,
            ApiError::Store(StoreError::Busy { .. }) => {
                errors::too_many_requests_exception("Rate Exceeded.")
            }
            ApiError::Store(StoreError::Full) => {
                let mut full = errors::service_exception("The engine's disk is full.");
                full.status = http::StatusCode::SERVICE_UNAVAILABLE;
                full
            }
            other => {
                tracing::error!(error = %other, "the control data cannot be used");
                errors::service_exception("The engine could not access its store.")
            }
        }
    }
}
