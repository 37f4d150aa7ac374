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

impl<'r> Signature<'r> {
    /// Reads the signature that a request carries. Nothing is verified.
    ///
    /// # Errors
    /// When there is none, or none that can be read.
    pub fn read(parts: &'r Parts) -> Result<Self, SignatureError> {
        let query = Pairs::of(parts.uri.query());
        match parts.headers.get(AUTHORIZATION) {
            Some(header) => match header.to_str() {
                Ok(text) => Self::from_header(parts, query, text),
                Err(_) => incomplete("Authorization header is not ASCII."),
            },
            None if query.get("X-Amz-Signature").is_some()
                || query.get("X-Amz-Algorithm").is_some() =>
            {
                Self::from_query(parts, query)
            }
            None => Err(SignatureError::Missing),
        }
    }

    fn from_header(
        parts: &'r Parts,
        query: Pairs<'r>,
        authorization: &'r str,
    ) -> Result<Self, SignatureError> {
        let Some(rest) = authorization.strip_prefix(ALGORITHM) else {
            return incomplete(format!(
                "Unsupported AWS 'algorithm': the Authorization header requires {ALGORITHM}."
            ));
        };
        let (mut credential, mut headers, mut signature) = (None, None, None);
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
            match name {
                "Credential" => credential = Some(value),
                "SignedHeaders" => headers = Some(value),
                "Signature" => signature = Some(value),
                _ => {}
            }
        }
        let at = header_time(&parts.headers)?;
        let (Some(credential), Some(headers), Some(signature), Some(at)) =
            (credential, headers, signature, at)
        else {
            let parameter = |name| format!("Authorization header requires '{name}' parameter.");
            let missing = [
                (credential.is_none(), parameter("Credential")),
                (signature.is_none(), parameter("Signature")),
                (headers.is_none(), parameter("SignedHeaders")),
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
            return incomplete(missing.join(" "));
        };
        let token = parts.headers.get("x-amz-security-token");
        Ok(Self {
            parts,
            query,
            scope: scope(credential)?,
            signed_headers: headers.split(';').map(Cow::Borrowed).collect(),
            signature: unhex(signature).ok_or(SignatureError::Mismatch)?,
            at,
            expires: None,
            session_token: token
                .and_then(|token| token.to_str().ok())
                .map(Cow::Borrowed),
        })
    }

    fn from_query(parts: &'r Parts, query: Pairs<'r>) -> Result<Self, SignatureError> {
        let required = |name: &str| match query.get(name) {
            Some(value) => Ok(value),
            None => incomplete(format!("The query requires '{name}'.")),
        };
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
        Ok(Self {
            parts,
            scope: scope(required("X-Amz-Credential")?)?,
            signed_headers: headers.split(';').map(|h| h.to_owned().into()).collect(),
            signature: unhex(required("X-Amz-Signature")?).ok_or(SignatureError::Mismatch)?,
            at,
            expires: Some(expires),
            session_token: query
                .get("X-Amz-Security-Token")
                .map(|token| token.to_owned().into()),
            query,
        })
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
