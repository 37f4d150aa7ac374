//! What can be wrong with a signature.

use ids::Timestamp;

use super::time::basic;
use crate::ServiceError;

/// Why a request is not taken for what it says to be.
///
/// As a [`ServiceError`] it has the code that the REST and JSON protocols use; the query protocol
/// writes the same in its own way.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// There is no signature.
    #[error("Missing Authentication Token")]
    Missing,
    /// There is one that cannot be read.
    #[error("{0}")]
    Incomplete(String),
    /// Nobody has this access key, or the session token is not the one that came with it.
    #[error("The security token included in the request is invalid.")]
    UnknownKey,
    /// The temporary credentials are no longer good.
    #[error("The security token included in the request is expired")]
    ExpiredToken,
    /// It is not the signature of this request with this secret.
    #[error(
        "The request signature we calculated does not match the signature you provided. Check your \
         AWS Secret Access Key and signing method. Consult the service documentation for details."
    )]
    Mismatch,
    /// The scope is of another day than the request.
    #[error(
        "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: \
         '{scope}' != '{}', from '{at}'.", at.get(..8).unwrap_or_default()
    )]
    OtherDay {
        /// The day of the scope.
        scope: String,
        /// The time of the request.
        at: String,
    },
    /// The request is too old.
    #[error(
        "Signature expired: {} is now earlier than {} ({} - 15 min.)",
        basic(*at), basic(*earliest), basic(*now)
    )]
    Expired {
        /// When it was signed.
        at: Timestamp,
        /// When it might have been signed at the earliest.
        earliest: Timestamp,
        /// The engine's time.
        now: Timestamp,
    },
    /// The request is from the future.
    #[error(
        "Signature not yet current: {} is still later than {} ({} + 15 min.)",
        basic(*at), basic(*latest), basic(*now)
    )]
    NotYet {
        /// When it was signed.
        at: Timestamp,
        /// When it might have been signed at the latest.
        latest: Timestamp,
        /// The engine's time.
        now: Timestamp,
    },
    /// The presigned URL is no longer good.
    #[error("Signature expired: {} is now earlier than {}", basic(*until), basic(*now))]
    PresignedExpired {
        /// Until when it was.
        until: Timestamp,
        /// The engine's time.
        now: Timestamp,
    },
    /// The host is not among the signed headers.
    #[error("'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.")]
    HostNotSigned,
    /// A header that speaks to the service is not among the signed ones.
    #[error("There were headers present in the request which were not signed: {0}")]
    HeaderNotSigned(String),
    /// A request to S3 does not say what its body is.
    #[error(
        "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, a STREAMING-… value, or a valid sha256 value."
    )]
    PayloadNotDeclared,
    /// A request to S3 has another body than it says.
    #[error("The provided 'x-amz-content-sha256' header does not match what was computed.")]
    OtherPayload,
}

impl From<SignatureError> for ServiceError {
    fn from(error: SignatureError) -> Self {
        use SignatureError as E;
        let (code, status) = match &error {
            E::Missing => ("MissingAuthenticationTokenException", 403),
            E::Incomplete(_) => ("IncompleteSignatureException", 403),
            E::UnknownKey => ("UnrecognizedClientException", 403),
            E::ExpiredToken => ("ExpiredTokenException", 403),
            E::PayloadNotDeclared => ("InvalidArgument", 400),
            E::OtherPayload => ("XAmzContentSHA256Mismatch", 400),
            E::Mismatch
            | E::OtherDay { .. }
            | E::Expired { .. }
            | E::NotYet { .. }
            | E::PresignedExpired { .. }
            | E::HostNotSigned
            | E::HeaderNotSigned(_) => ("InvalidSignatureException", 403),
        };
        Self::new(code, status, error.to_string())
    }
}
