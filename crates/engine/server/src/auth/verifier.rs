//! Signatures, verified.
//!
//! Before the body is read, the key must be known, usable and have its own session token, and the
//! time must be right; after it, the signature must be that of what arrived. So nobody who does not
//! know a key's id makes the engine read more than a head.

use std::collections::HashMap;
use std::sync::Arc;

use http::request::Parts;
use iam::{Credential, Iam, Identity};
use ids::{SharedClock, Timestamp};
use lambda::Lambda;
use parking_lot::RwLock;
use wire::ServiceError;
use wire::sigv4::{Payload, Scope, Signature, SignatureError, SigningKey};

/// How many derived keys are kept. One caller needs one a day for each region and service.
const MOST_KEYS: usize = 512;

/// Verifies signatures.
#[derive(Debug, Clone)]
pub(crate) struct Verifier {
    iam: Iam,
    lambda: Lambda,
    clock: SharedClock,
    keys: Arc<RwLock<HashMap<Scope, SigningKey>>>,
}

/// A request whose key is good, and whose signature is still to be held against its body.
#[derive(Debug)]
pub(crate) struct Pending<'v> {
    verifier: &'v Verifier,
    signature: Signature<'v>,
    secret: Known,
    pub(crate) identity: Identity,
}

/// A secret and where it is from.
#[derive(Clone)]
enum Known {
    Credential(Arc<Credential>),
    Function(Arc<lambda::FunctionIdentity>),
}

impl std::fmt::Debug for Known {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Known(…)")
    }
}

impl Known {
    fn secret(&self) -> &str {
        match self {
            Self::Credential(credential) => credential.secret.reveal(),
            Self::Function(function) => &function.secret_access_key,
        }
    }

    fn token(&self) -> Option<&str> {
        match self {
            Self::Credential(credential) => credential.token.as_ref().map(iam::Secret::reveal),
            Self::Function(function) => Some(&function.session_token),
        }
    }
}

impl Verifier {
    pub(crate) fn new(iam: Iam, lambda: Lambda, clock: SharedClock) -> Self {
        Self {
            iam,
            lambda,
            clock,
            keys: Arc::default(),
        }
    }

    /// Reads the signature and finds its key.
    ///
    /// # Errors
    /// There is no signature that can be read, or its key is not good.
    pub(crate) fn begin<'v>(&'v self, parts: &'v Parts) -> Result<Pending<'v>, ServiceError> {
        let signature = Signature::read(parts)?;
        let now = self.clock.now();
        let id = &signature.scope().access_key_id;
        let (secret, identity) = if let Some(credential) = self.iam.credential(id) {
            check_usable(&credential, now)?;
            let identity = credential.identity.clone();
            (Known::Credential(credential), identity)
        } else if let Some(function) = self.lambda.function_of(id) {
            let identity = Identity::of_function(&function.arn, &function.role);
            (Known::Function(function), identity)
        } else {
            return Err(SignatureError::UnknownKey.into());
        };
        if signature.session_token() != secret.token() {
            return Err(SignatureError::UnknownKey.into());
        }
        signature.check_head(now)?;
        Ok(Pending {
            verifier: self,
            signature,
            secret,
            identity,
        })
    }
}

/// Whether a key that there is may be used at `now`.
fn check_usable(credential: &Credential, now: Timestamp) -> Result<(), SignatureError> {
    if !credential.active {
        return Err(SignatureError::UnknownKey);
    }
    match credential.expires {
        Some(end) if end <= now => Err(SignatureError::ExpiredToken),
        _ => Ok(()),
    }
}

impl Pending<'_> {
    /// Holds the signature against the request with this body.
    ///
    /// # Errors
    /// What is wrong, in AWS's words.
    pub(crate) fn verify(&self, body: &[u8]) -> Result<(), ServiceError> {
        let scope = self.signature.scope();
        let keys = &self.verifier.keys;
        let kept = keys.read().get(scope).cloned();
        let fresh = kept.is_none();
        let key = kept.unwrap_or_else(|| SigningKey::derive(self.secret.secret(), scope));
        let now = self.verifier.clock.now();
        self.signature.verify(Payload::Body(body), &key, now)?;
        if fresh {
            // Only what was good is kept, so that nobody without a secret fills the map.
            let mut keys = keys.write();
            if keys.len() >= MOST_KEYS {
                keys.clear();
            }
            keys.insert(scope.clone(), key);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use iam::{Holder, Secret};

    #[test]
    fn a_key_is_good_while_it_is_active_and_has_not_ended() {
        let key = |active, expires| Credential {
            access_key_id: "ASIAX".into(),
            secret: Secret::new("sesame-open"),
            token: None,
            expires,
            active,
            identity: Identity {
                account: "111122223333".into(),
                holder: Holder::Root,
            },
        };
        let end = Timestamp(1_000_000);
        let at = |active, expires, now| check_usable(&key(active, expires), Timestamp(now));
        assert_eq!(at(true, None, i64::MAX), Ok(()));
        assert_eq!(at(true, Some(end), 999_999), Ok(()));
        assert_eq!(
            at(true, Some(end), 1_000_000),
            Err(SignatureError::ExpiredToken)
        );
        assert_eq!(at(false, None, 0), Err(SignatureError::UnknownKey));
    }
}
