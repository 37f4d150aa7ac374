//! Policy documents on their way in and out.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use policy::{Kind, Policy};

use crate::error::{ApiError, limit, quota};

/// What RFC 3986 leaves as it is; IAM encodes the rest.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// The form in which IAM answers documents.
pub(crate) fn encoded(document: &str) -> String {
    utf8_percent_encode(document, ENCODED).to_string()
}

/// Checks a managed policy.
pub(crate) fn check_managed(document: &str) -> Result<(), ApiError> {
    Policy::parse(document, Kind::Identity)?;
    if Policy::size(document) > Policy::MANAGED_LIMIT {
        return Err(quota("PolicySize", Policy::MANAGED_LIMIT));
    }
    Ok(())
}

/// Checks who may assume a role.
pub(crate) fn check_trust(document: &str) -> Result<(), ApiError> {
    Policy::parse(document, Kind::Trust)?;
    if Policy::size(document) > Policy::TRUST_LIMIT {
        return Err(quota("ACLSizePerRole", Policy::TRUST_LIMIT));
    }
    Ok(())
}

/// Checks an inline policy of the role or user `owner`, which has `others` already.
pub(crate) fn check_inline(
    document: &str,
    others: usize,
    kind: crate::record::Kind,
    owner: &str,
) -> Result<(), ApiError> {
    Policy::parse(document, Kind::Identity)?;
    let most = match kind {
        crate::record::Kind::User => Policy::USER_INLINE_LIMIT,
        _ => Policy::ROLE_INLINE_LIMIT,
    };
    if Policy::size(document) + others > most {
        return Err(limit(format!(
            "Maximum policy size of {most} bytes exceeded for {} {owner}",
            kind.text()
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encodes_as_iam_does() {
        assert_eq!(
            encoded(r#"{"Version": "2012-10-17"}"#),
            "%7B%22Version%22%3A%20%222012-10-17%22%7D"
        );
    }
}
