//! What a request is signed for, and the key for that.

use std::fmt;

use hmac::digest::Key;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};

/// What a request says to be signed for: `AKID/20261122/us-east-1/lambda/aws4_request`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Scope {
    /// The access key.
    pub access_key_id: String,
    /// The day, as `20261122`.
    pub date: String,
    /// The region.
    pub region: String,
    /// The service's signing name.
    pub service: String,
}

impl Scope {
    /// Reads a scope. An access key id may itself hold slashes, the other parts may not.
    pub(super) fn parse(credential: &str) -> Option<Self> {
        let mut parts = credential.rsplitn(5, '/');
        let terminator = parts.next()?;
        let (service, region, date) = (parts.next()?, parts.next()?, parts.next()?);
        let access_key_id = parts.next()?;
        (terminator == "aws4_request" && !access_key_id.is_empty()).then(|| Self {
            access_key_id: access_key_id.to_owned(),
            date: date.to_owned(),
            region: region.to_owned(),
            service: service.to_owned(),
        })
    }

    /// The scope without the access key, as it is signed.
    pub(super) fn suffix(&self) -> String {
        let Self {
            date,
            region,
            service,
            ..
        } = self;
        format!("{date}/{region}/{service}/aws4_request")
    }

    /// S3 has rules of its own for paths and bodies.
    pub(super) fn is_s3(&self) -> bool {
        matches!(self.service.as_str(), "s3" | "s3express")
    }
}

/// The key of one access key for one day, region and service. It is as secret as the secret itself.
#[derive(Clone)]
pub struct SigningKey([u8; 32]);

impl SigningKey {
    /// The key that belongs to the secret access key `secret`.
    #[must_use]
    pub fn derive(secret: &str, scope: &Scope) -> Self {
        let secret = format!("AWS4{secret}");
        let parts = [&scope.date, &scope.region, &scope.service, "aws4_request"];
        let day = sign(secret.as_bytes(), parts[0]);
        Self(parts[1..].iter().fold(day, |key, part| sign(&key, part)))
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey(<redacted>)")
    }
}

fn sign(key: &[u8], part: &str) -> [u8; 32] {
    mac(key, part.as_bytes()).finalize().into_bytes().into()
}

/// The code of `message`, ready to be taken or compared.
pub(super) fn mac(key: &[u8], message: &[u8]) -> Hmac<Sha256> {
    // What HMAC does to a key that is no block: pad the short, hash the long.
    let mut block = Key::<Hmac<Sha256>>::default();
    match block.get_mut(..key.len()) {
        Some(start) => start.copy_from_slice(key),
        None => block
            .iter_mut()
            .zip(Sha256::digest(key))
            .for_each(|(place, byte)| *place = byte),
    }
    let mut mac = Hmac::new(&block);
    mac.update(message);
    mac
}
