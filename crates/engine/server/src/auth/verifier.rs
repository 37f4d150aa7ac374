//! Signatures, verified.
//!
//! Before the body is read, the key must be known, usable and have its own session token, and the
//! time must be right; after it, the signature must be that of what arrived. So nobody who does not
//! know a key's id makes the engine read more than a head.

use std::collections::HashMap;
use std::sync::Arc;

use iam::{Credential, Iam, Identity};
use ids::{SharedClock, Timestamp};
use lambda::Lambda;
use parking_lot::RwLock;
use wire::ServiceError;
use wire::sigv4::{Claim, Payload, Scope, Signature, SignatureError, SigningKey};

use super::known::Known;

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
    /// The key that it is signed with.
    pub(crate) known: Known,
    pub(crate) identity: Identity,
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

    /// Reads the signature of `claim` and finds its key.
    ///
    /// # Errors
    /// There is no signature that can be read, or its key is not good.
    pub(crate) fn begin<'v>(&'v self, claim: Claim<'v>) -> Result<Pending<'v>, ServiceError> {
        let signature = claim.signature()?;
        let now = self.clock.now();
        let id = &signature.scope().access_key_id;
        let Some(known) = Known::find(&self.iam, &self.lambda, id) else {
            return Err(SignatureError::UnknownKey.into());
        };
        if let Known::Credential(credential) = &known {
            check_usable(credential, now)?;
        }
        if signature.session_token() != known.token() {
            return Err(SignatureError::UnknownKey.into());
        }
        signature.check_head(now)?;
        Ok(Pending {
            verifier: self,
            signature,
            identity: known.identity(),
            known,
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
        let key = kept.unwrap_or_else(|| SigningKey::derive(self.known.secret(), scope));
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
