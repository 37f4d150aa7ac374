//! Errors on the way to the caller, in IAM's words.

use store::StoreError;
use wire::{ServiceError, iam::errors};

use crate::record::Kind;

/// What can stand in the way of an operation.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ApiError {
    /// An answer that the API defines.
    #[error(transparent)]
    Service(#[from] ServiceError),
    /// The store cannot serve.
    #[error(transparent)]
    Store(#[from] StoreError),
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
                ServiceError::new("Throttling", 400, "Rate exceeded")
            }
            ApiError::Store(StoreError::Full) => {
                let mut full = errors::service_failure_exception("The engine's disk is full.");
                full.status = http::StatusCode::SERVICE_UNAVAILABLE;
                full
            }
            other => {
                tracing::error!(error = %other, "the identities cannot be used");
                errors::service_failure_exception("The engine could not access its store.")
            }
        }
    }
}

impl From<policy::PolicyError> for ApiError {
    fn from(error: policy::PolicyError) -> Self {
        errors::malformed_policy_document_exception(error.to_string()).into()
    }
}

pub(crate) fn no_such(kind: Kind, name: &str) -> ApiError {
    no_such_entity(format!(
        "The {} with name {name} cannot be found.",
        kind.text()
    ))
}

pub(crate) fn no_such_entity(message: String) -> ApiError {
    errors::no_such_entity_exception(message).into()
}

pub(crate) fn exists(kind: Kind, name: &str) -> ApiError {
    let message = match kind {
        Kind::Role => format!("Role with name {name} already exists."),
        Kind::User => format!("User with name {name} already exists."),
        Kind::Policy => {
            format!("A policy called {name} already exists. Duplicate names are not allowed.")
        }
    };
    errors::entity_already_exists_exception(message).into()
}

pub(crate) fn conflict(message: &str) -> ApiError {
    errors::delete_conflict_exception(message).into()
}

pub(crate) fn invalid(message: impl Into<String>) -> ApiError {
    errors::invalid_input_exception(message).into()
}

/// `quota` is the quota's name, as in `AccessKeysPerUser`.
pub(crate) fn quota(quota: &str, limit: usize) -> ApiError {
    errors::limit_exceeded_exception(format!("Cannot exceed quota for {quota}: {limit}")).into()
}

pub(crate) fn limit(message: String) -> ApiError {
    errors::limit_exceeded_exception(message).into()
}

/// A service's role is the service's to change.
pub(crate) fn unmodifiable(role: &str) -> ApiError {
    errors::unmodifiable_entity_exception(format!(
        "Cannot perform the operation on the protected role '{role}' - this role is only \
         modifiable by AWS"
    ))
    .into()
}

pub(crate) fn validation(message: impl Into<String>) -> ApiError {
    ServiceError::new("ValidationError", 400, message).into()
}
