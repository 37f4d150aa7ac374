//! Access keys that somebody has been given.

use std::sync::Arc;

use iam::{Credential, Iam, Identity, Secret};
use lambda::{FunctionIdentity, Lambda};
use wire::Principal;

/// An access key that is known, and where it is from.
#[derive(Clone)]
pub(crate) enum Known {
    /// From the keys file, IAM or STS.
    Credential(Arc<Credential>),
    /// From the environment of a function.
    Function(Arc<FunctionIdentity>),
}

impl std::fmt::Debug for Known {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Known(…)")
    }
}

impl Known {
    /// The key of that id.
    pub(crate) fn find(iam: &Iam, lambda: &Lambda, access_key_id: &str) -> Option<Self> {
        match iam.credential(access_key_id) {
            Some(credential) => Some(Self::Credential(credential)),
            None => lambda.function_of(access_key_id).map(Self::Function),
        }
    }

    pub(super) fn secret(&self) -> &str {
        match self {
            Self::Credential(credential) => credential.secret.reveal(),
            Self::Function(function) => &function.secret_access_key,
        }
    }

    pub(super) fn token(&self) -> Option<&str> {
        match self {
            Self::Credential(credential) => credential.token.as_ref().map(Secret::reveal),
            Self::Function(function) => Some(&function.session_token),
        }
    }

    pub(super) fn identity(&self) -> Identity {
        match self {
            Self::Credential(credential) => credential.identity.clone(),
            Self::Function(function) => Identity::of_function(&function.arn, &function.role),
        }
    }

    /// The account that its calls are for, and who makes them.
    pub(crate) fn caller(&self) -> (Arc<str>, Principal) {
        match self {
            Self::Credential(credential) => {
                let principal = Principal::Account {
                    access_key_id: Arc::clone(&credential.access_key_id),
                };
                (Arc::clone(&credential.identity.account), principal)
            }
            Self::Function(function) => {
                let account = function.arn.split(':').nth(4).unwrap_or_default().into();
                let principal = Principal::Function {
                    arn: Arc::clone(&function.arn),
                    role: Arc::clone(&function.role),
                };
                (account, principal)
            }
        }
    }
}
