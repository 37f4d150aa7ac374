//! Signature Version 4: whether a request was signed with the secret that belongs to its access key.
//!
//! [`Claim::read`] takes from a request who says to have signed it and for what, from the header
//! `Authorization` or from the query of a presigned URL, and [`Claim::signature`] how. Whoever knows
//! the secret of that access key derives a [`SigningKey`] (the same for a whole day, region and
//! service: worth keeping) and asks [`Signature::verify`].
//!
//! Only the verifying half exists here: the canonical request is built from what arrived, not from
//! what somebody is about to send, and every doubt is a mismatch. The crate `aws-sigv4` signs and
//! does not expose the canonical form; the tests hold this half against it.
//!
//! Sources: <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html>,
//! for S3 <https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html>, and for the
//! messages <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-troubleshooting.html>.

mod canonical;
mod error;
mod key;
mod read;
mod time;

use std::borrow::Cow;
use std::time::Duration;

use hmac::Mac as _;
use http::request::Parts;
use ids::Timestamp;
use sha2::{Digest as _, Sha256};

use self::canonical::{Pairs, canonical_request};
use self::key::mac;

pub use error::SignatureError;
pub use key::{Scope, SigningKey};
pub use read::Claim;

/// How far the clocks of caller and engine may be apart.
const SKEW: Duration = Duration::from_micros(SKEW_MICROS.unsigned_abs());
const SKEW_MICROS: i64 = 15 * 60 * 1_000_000;

/// How long a presigned URL may be good for: a week.
const LONGEST: Duration = Duration::from_secs(604_800);

const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// The signature of a request, as the request states it. Nothing of it is true before
/// [`verify`](Self::verify) said so.
#[derive(Debug)]
pub struct Signature<'r> {
    parts: &'r Parts,
    query: Pairs<'r>,
    scope: Scope,
    signed_headers: Vec<Cow<'r, str>>,
    signature: [u8; 32],
    at: Timestamp,
    /// How long a presigned URL is good for; none for a header.
    expires: Option<Duration>,
    session_token: Option<Cow<'r, str>>,
}

/// The body that a signature is held against.
#[derive(Debug, Clone, Copy)]
pub enum Payload<'b> {
    /// The whole body.
    Body(&'b [u8]),
    /// The body's SHA-256, computed while it was read.
    Sha256([u8; 32]),
    /// The body has not been read: what the request says of it is taken as true, and whoever reads
    /// the body holds it against [`Signature::declared`]. S3 alone has such requests.
    Declared,
}

/// What a request to S3 says of its body, in `x-amz-content-sha256`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Declared {
    /// Its SHA-256.
    Sha256([u8; 32]),
    /// Nothing.
    Unsigned,
    /// Its chunks are signed one by one, or have a checksum behind them; the value says how.
    Streaming(&'static str),
}

impl<'r> Signature<'r> {
    /// The access key, day, region and service that the request says to be signed for.
    #[must_use]
    pub fn scope(&self) -> &Scope {
        &self.scope
    }

    /// The session token, which temporary credentials come with.
    #[must_use]
    pub fn session_token(&self) -> Option<&str> {
        self.session_token.as_deref()
    }

    /// Whether it is a presigned URL's.
    #[must_use]
    pub fn is_presigned(&self) -> bool {
        self.expires.is_some()
    }

    /// Whether the request was signed with `key`, at a time that is near `now`, for what arrived.
    ///
    /// # Errors
    /// What is wrong, in AWS's words.
    pub fn verify(
        &self,
        payload: Payload<'_>,
        key: &SigningKey,
        now: Timestamp,
    ) -> Result<(), SignatureError> {
        self.check_head(now)?;
        let hash = self.payload_hash(payload)?;
        let request = canonical_request(self, &hash);
        let digest = Sha256::digest(request.as_bytes());
        let at = time::basic(self.at);
        let scope = &self.scope;
        let to_sign = format!("{ALGORITHM}\n{at}\n{}\n{}", scope.suffix(), hex(&digest));
        // In constant time.
        mac(key.bytes(), to_sign.as_bytes())
            .verify_slice(&self.signature)
            .map_err(|_| SignatureError::Mismatch)
    }

    /// What can be told before the body has come and without the secret: whether the request is of
    /// its time, and whether what must be signed says to be. [`verify`](Self::verify) asks again.
    ///
    /// # Errors
    /// What is wrong, in AWS's words.
    pub fn check_head(&self, now: Timestamp) -> Result<(), SignatureError> {
        self.check_time(now)?;
        self.check_signed_headers()
    }

    fn check_time(&self, now: Timestamp) -> Result<(), SignatureError> {
        let day = time::basic(self.at).chars().take(8).collect::<String>();
        if day != self.scope.date {
            return Err(SignatureError::OtherDay {
                scope: self.scope.date.clone(),
                at: time::basic(self.at),
            });
        }
        let latest = now.plus(SKEW);
        if self.at > latest {
            return Err(SignatureError::NotYet {
                at: self.at,
                latest,
                now,
            });
        }
        let good_for = self.expires.unwrap_or(SKEW);
        if self.at.plus(good_for) < now {
            return Err(match self.expires {
                Some(_) => SignatureError::PresignedExpired {
                    until: self.at.plus(good_for),
                    now,
                },
                None => SignatureError::Expired {
                    at: self.at,
                    earliest: Timestamp(now.0.saturating_sub(SKEW_MICROS)),
                    now,
                },
            });
        }
        Ok(())
    }

    /// What speaks to the service must be signed: otherwise who passes a signed request on could
    /// change it.
    fn check_signed_headers(&self) -> Result<(), SignatureError> {
        let signed = |name: &str| self.signed_headers.iter().any(|header| header == name);
        if !signed("host") && !signed(":authority") {
            return Err(SignatureError::HostNotSigned);
        }
        let names = self.parts.headers.keys();
        let unsigned = names
            .map(http::HeaderName::as_str)
            .find(|name| name.starts_with("x-amz-") && !signed(name));
        unsigned.map_or(Ok(()), |name| {
            Err(SignatureError::HeaderNotSigned(name.to_owned()))
        })
    }

    /// The last line of the canonical request.
    fn payload_hash(&self, payload: Payload<'_>) -> Result<Cow<'static, str>, SignatureError> {
        let body = match payload {
            Payload::Body(body) => Some(Sha256::digest(body).into()),
            Payload::Sha256(hash) => Some(hash),
            Payload::Declared => None,
        };
        if !self.scope.is_s3() {
            let hash: [u8; 32] = body.ok_or(SignatureError::Mismatch)?;
            return Ok(hex(&hash).into());
        }
        match self.declared()? {
            Declared::Sha256(hash) if body.is_some_and(|body| body != hash) => {
                Err(SignatureError::OtherPayload)
            }
            Declared::Sha256(hash) => Ok(hex(&hash).into()),
            Declared::Unsigned => Ok(UNSIGNED.into()),
            Declared::Streaming(how) => Ok(how.into()),
        }
    }

    /// What a request to S3 says of its body.
    ///
    /// # Errors
    /// When it says nothing that S3 knows.
    pub fn declared(&self) -> Result<Declared, SignatureError> {
        let header = self.parts.headers.get("x-amz-content-sha256");
        let value = match header.map(http::HeaderValue::as_bytes) {
            Some(value) => Cow::Borrowed(value),
            None if self.is_presigned() => match self.query.get("X-Amz-Content-Sha256") {
                Some(value) => Cow::Owned(value.as_bytes().to_vec()),
                None => return Ok(Declared::Unsigned),
            },
            None => return Err(SignatureError::PayloadNotDeclared),
        };
        let text = std::str::from_utf8(&value).unwrap_or_default();
        if text == UNSIGNED {
            return Ok(Declared::Unsigned);
        }
        if let Some(how) = STREAMING.into_iter().find(|how| *how == text) {
            return Ok(Declared::Streaming(how));
        }
        unhex(text)
            .map(Declared::Sha256)
            .ok_or(SignatureError::PayloadNotDeclared)
    }
}

const UNSIGNED: &str = "UNSIGNED-PAYLOAD";

const STREAMING: [&str; 3] = [
    "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
    "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
    "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
];

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// 32 bytes from 64 lower-case digits.
fn unhex(text: &str) -> Option<[u8; 32]> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let mut bytes = [0; 32];
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if pairs.len() != bytes.len() || !rest.is_empty() {
        return None;
    }
    for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
        *byte = digit(*high)? << 4 | digit(*low)?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests;
