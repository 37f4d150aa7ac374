//! What tags a resource may have.
//!
//! Source: <https://docs.aws.amazon.com/lambda/latest/dg/configuration-tags.html>.

use std::collections::BTreeMap;

use wire::ServiceError;
use wire::lambda::errors;

/// The most tags that a resource may have, those of AWS's own not counted.
const LIMIT: usize = 50;
/// What keys of AWS's own begin with.
const RESERVED: &str = "aws:";

/// Values by key.
pub(crate) type Tags = BTreeMap<String, String>;

/// Whether a resource may be created with these tags.
pub(crate) fn check(tags: &Tags) -> Result<(), ServiceError> {
    check_owner(tags)?;
    check_number(tags)
}

/// Refuses more than a resource may have.
pub(crate) fn check_number(tags: &Tags) -> Result<(), ServiceError> {
    if tags.len() <= LIMIT {
        return Ok(());
    }
    Err(errors::invalid_parameter_value_exception(
        "Number of tags exceeds resource tag limit.",
    ))
}

/// Refuses keys of AWS's own.
pub(crate) fn check_owner(tags: &Tags) -> Result<(), ServiceError> {
    let reserved = |key: &&String| {
        let prefix = key.get(..RESERVED.len());
        prefix.is_some_and(|prefix| prefix.eq_ignore_ascii_case(RESERVED))
    };
    match tags.keys().find(reserved) {
        Some(key) => Err(errors::invalid_parameter_value_exception(format!(
            "The tag key {key} is reserved: keys that begin with {RESERVED} are AWS's own."
        ))),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tags(entries: impl IntoIterator<Item = (String, String)>) -> Result<(), ServiceError> {
        check(&entries.into_iter().collect())
    }

    #[test]
    fn fifty_are_the_most() {
        let numbered = |count: usize| (0..count).map(|n| (n.to_string(), String::new()));
        assert!(tags(numbered(50)).is_ok());
        let error = tags(numbered(51)).unwrap_err();
        assert_eq!(
            error.message.as_deref(),
            Some("Number of tags exceeds resource tag limit.")
        );
    }

    #[test]
    fn keys_of_awss_own_are_refused() {
        let one = |key: &str| tags([(key.to_owned(), "aws:x".to_owned())]).is_ok();
        assert!(one("k"));
        assert!(one("team:aws:x"));
        assert!(!one("aws:cloudformation:stack-name"));
        assert!(!one("AWS:x"));
    }
}
