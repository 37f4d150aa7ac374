//! Reading a signature out of a request.

use std::borrow::Cow;
use std::time::Duration;

use http::HeaderMap;
use http::header::{AUTHORIZATION, DATE};
use http::request::Parts;
use ids::Timestamp;

use super::canonical::Pairs;
use super::{ALGORITHM, LONGEST, Scope, Signature, SignatureError, time, unhex};

fn incomplete<T>(what: impl Into<String>) -> Result<T, SignatureError> {
    Err(SignatureError::Incomplete(what.into()))
}

/// Who a request says to have signed it, and for what.
///
/// Whoever routes a request and whoever verifies it must go by the same claim: this is the one place
/// that reads it, and a request that states any part of it twice has none.
#[derive(Debug)]
pub struct Claim<'r> {
    parts: &'r Parts,
    query: Pairs<'r>,
    scope: Scope,
    place: Place<'r>,
}

/// Where the signature stands.
#[derive(Debug)]
enum Place<'r> {
    Header(Authorization<'r>),
    Query,
}

/// The parameters of an `Authorization` header.
#[derive(Debug, Default)]
struct Authorization<'r> {
    credential: Option<&'r str>,
    signed_headers: Option<&'r str>,
    signature: Option<&'r str>,
}

/// The query parameters that a presigned URL says who signed it with.
const QUERY_PARAMETERS: [&str; 8] = [
    "X-Amz-Algorithm",
    "X-Amz-Content-Sha256",
    "X-Amz-Credential",
    "X-Amz-Date",
    "X-Amz-Expires",
    "X-Amz-Security-Token",
    "X-Amz-Signature",
    "X-Amz-SignedHeaders",
];

impl<'r> Claim<'r> {
    /// Reads what a request says of who signed it. Nothing is verified.
    ///
    /// # Errors
    /// When it says nothing of that, or nothing that can be read one way alone.
    pub fn read(parts: &'r Parts) -> Result<Self, SignatureError> {
        let query = Pairs::of(parts.uri.query());
        let mut headers = parts.headers.get_all(AUTHORIZATION).iter();
        let (credential, place) = match headers.next() {
            Some(_) if headers.next().is_some() => {
                return incomplete("There may be one Authorization header.");
            }
            Some(header) => {
                let Ok(text) = header.to_str() else {
                    return incomplete("Authorization header is not ASCII.");
                };
                let authorization = Authorization::read(text)?;
                let Some(credential) = authorization.credential else {
                    let at = header_time(&parts.headers)?;
                    return incomplete(authorization.missing(at));
                };
                (Cow::Borrowed(credential), Place::Header(authorization))
            }
            None if query.get("X-Amz-Signature").is_none()
                && query.get("X-Amz-Algorithm").is_none() =>
            {
                return Err(SignatureError::Missing);
            }
            None => {
                let repeated = QUERY_PARAMETERS
                    .into_iter()
                    .find(|name| query.repeats(name));
                if let Some(name) = repeated {
                    return incomplete(format!("The query has '{name}' more than once."));
                }
                let credential = required(&query, "X-Amz-Credential")?.to_owned();
                (Cow::Owned(credential), Place::Query)
            }
        };
        let scope = scope(&credential)?;
        Ok(Self {
            parts,
            query,
            scope,
            place,
        })
    }

    /// The access key, day, region and service that the request says to be signed for.
    #[must_use]
    pub fn scope(&self) -> &Scope {
        &self.scope
    }

    /// The signature that stands with it.
    ///
    /// # Errors
    /// When there is none that can be read.
    pub fn signature(self) -> Result<Signature<'r>, SignatureError> {
        match self.place {
            Place::Header(ref authorization) => {
                let at = header_time(&self.parts.headers)?;
                let (Some(headers), Some(signature), Some(at)) =
                    (authorization.signed_headers, authorization.signature, at)
                else {
                    return incomplete(authorization.missing(at));
                };
                let token = self.parts.headers.get("x-amz-security-token");
                Ok(Signature {
                    signed_headers: headers.split(';').map(Cow::Borrowed).collect(),
                    signature: unhex(signature).ok_or(SignatureError::Mismatch)?,
                    at,
                    expires: None,
                    session_token: token
                        .and_then(|token| token.to_str().ok())
                        .map(Cow::Borrowed),
                    parts: self.parts,
                    query: self.query,
                    scope: self.scope,
                })
            }
            Place::Query => self.presigned(),
        }
    }

    fn presigned(self) -> Result<Signature<'r>, SignatureError> {
        let required = |name| required(&self.query, name);
        if required("X-Amz-Algorithm")? != ALGORITHM {
            return incomplete(format!("X-Amz-Algorithm only supports \"{ALGORITHM}\"."));
        }
        let headers = required("X-Amz-SignedHeaders")?;
        let at = parse_time(required("X-Amz-Date")?)?;
        let expires = required("X-Amz-Expires")?.parse().map(Duration::from_secs);
        let expires = match expires {
            Ok(expires) if !expires.is_zero() && expires <= LONGEST => expires,
            _ => {
                return incomplete(
                    "X-Amz-Expires must be a number of seconds, at least 1 and at most 604800, \
                     which is a week.",
                );
            }
        };
        let token = self.query.get("X-Amz-Security-Token");
        Ok(Signature {
            signed_headers: headers.split(';').map(|h| h.to_owned().into()).collect(),
            signature: unhex(required("X-Amz-Signature")?).ok_or(SignatureError::Mismatch)?,
            at,
            expires: Some(expires),
            session_token: token.map(|token| token.to_owned().into()),
            parts: self.parts,
            query: self.query,
            scope: self.scope,
        })
    }
}

impl<'r> Signature<'r> {
    /// Reads the signature that a request carries. Nothing is verified.
    ///
    /// # Errors
    /// When there is none, or none that can be read.
    pub fn read(parts: &'r Parts) -> Result<Self, SignatureError> {
        Claim::read(parts)?.signature()
    }
}

impl<'r> Authorization<'r> {
    fn read(text: &'r str) -> Result<Self, SignatureError> {
        let Some(rest) = text.strip_prefix(ALGORITHM) else {
            return incomplete(format!(
                "Unsupported AWS 'algorithm': the Authorization header requires {ALGORITHM}."
            ));
        };
        let mut found = Self::default();
        for part in rest
            .split(',')
            .map(str::trim)
            .filter(|part| !part.is_empty())
        {
            let Some((name, value)) = part.split_once('=') else {
                return incomplete(format!(
                    "'{part}' not a valid key=value pair (missing equal-sign) in Authorization \
                     header."
                ));
            };
            let place = match name {
                "Credential" => &mut found.credential,
                "SignedHeaders" => &mut found.signed_headers,
                "Signature" => &mut found.signature,
                _ => continue,
            };
            if place.replace(value).is_some() {
                return incomplete(format!("Authorization header has '{name}' more than once."));
            }
        }
        Ok(found)
    }

    /// Says what is missing of it and of the time beside it.
    fn missing(&self, at: Option<Timestamp>) -> String {
        let parameter = |name| format!("Authorization header requires '{name}' parameter.");
        let missing = [
            (self.credential.is_none(), parameter("Credential")),
            (self.signature.is_none(), parameter("Signature")),
            (self.signed_headers.is_none(), parameter("SignedHeaders")),
            (
                at.is_none(),
                "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' \
                 header."
                    .to_owned(),
            ),
        ];
        let missing: Vec<String> = missing
            .into_iter()
            .filter_map(|(missing, message)| missing.then_some(message))
            .collect();
        missing.join(" ")
    }
}

fn required<'q>(query: &'q Pairs<'_>, name: &str) -> Result<&'q str, SignatureError> {
    match query.get(name) {
        Some(value) => Ok(value),
        None => incomplete(format!("The query requires '{name}'.")),
    }
}

fn scope(credential: &str) -> Result<Scope, SignatureError> {
    Scope::parse(credential).map_or_else(
        || {
            incomplete(format!(
                "Credential must have exactly 5 slash-delimited elements, e.g. \
                 keyid/date/region/service/term, got '{credential}'"
            ))
        },
        Ok,
    )
}

/// `X-Amz-Date`, or else `Date`.
fn header_time(headers: &HeaderMap) -> Result<Option<Timestamp>, SignatureError> {
    if let Some(date) = headers.get("x-amz-date") {
        return parse_time(date.to_str().unwrap_or_default()).map(Some);
    }
    let Some(date) = headers.get(DATE) else {
        return Ok(None);
    };
    let date = date.to_str().unwrap_or_default();
    match time::parse_date(date) {
        Some(at) => Ok(Some(at)),
        None => parse_time(date).map(Some),
    }
}

fn parse_time(text: &str) -> Result<Timestamp, SignatureError> {
    time::parse_basic(text).map_or_else(
        || {
            incomplete(format!(
                "Date must be in ISO-8601 'basic format'. Got '{text}'. See \
                 http://en.wikipedia.org/wiki/ISO_8601"
            ))
        },
        Ok,
    )
}
