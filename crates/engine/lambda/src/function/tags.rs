//! What tags a resource may have.
//!
//! Source: <https://docs.aws.amazon.com/lambda/latest/dg/configuration-tags.html>.

use std::collections::BTreeMap;

use sandbox::Egress;
use wire::ServiceError;
use wire::lambda::errors;

/// The most tags that a resource may have, those of AWS's own not counted.
const LIMIT: usize = 50;
/// What keys of AWS's own begin with.
const RESERVED: &str = "aws:";

/// The tag by which a function asks to reach less by the network than others do. On AWS it is a tag
/// like any other.
pub(crate) const EGRESS: &str = "lambdalab:egress";

/// Values by key.
pub(crate) type Tags = BTreeMap<String, String>;

/// Whether a resource may be created with these tags.
pub(crate) fn check(tags: &Tags) -> Result<(), ServiceError> {
    check_owner(tags)?;
    check_egress(tags)?;
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

/// Refuses values of ours that mean nothing: a function that is to reach less must not reach more
/// because of a slip.
pub(crate) fn check_egress(tags: &Tags) -> Result<(), ServiceError> {
    let Some(value) = tags.get(EGRESS) else {
        return Ok(());
    };
    match read_egress(value) {
        Some(_) => Ok(()),
        None => Err(errors::invalid_parameter_value_exception(format!(
            "The tag {EGRESS} takes one of the values none, nat and host, but not {value:?}."
        ))),
    }
}

/// The most that a function with these tags may reach; without the tag, what all may.
pub(crate) fn egress(tags: &Tags) -> Egress {
    let value = tags.get(EGRESS);
    value.map_or(Egress::Host, |value| {
        // Only a checked value is kept.
        read_egress(value).unwrap_or(Egress::None)
    })
}

fn read_egress(value: &str) -> Option<Egress> {
    match value {
        "none" => Some(Egress::None),
        "nat" => Some(Egress::Nat),
        "host" => Some(Egress::Host),
        _ => None,
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
    fn a_slip_does_not_open_the_network() {
        let one = |value: &str| Tags::from([(EGRESS.to_owned(), value.to_owned())]);
        assert_eq!(egress(&one("none")), Egress::None);
        assert_eq!(egress(&one("nat")), Egress::Nat);
        assert_eq!(egress(&Tags::new()), Egress::Host);
        for slip in ["", "None", "nothing"] {
            assert!(check(&one(slip)).is_err(), "{slip}");
            assert_eq!(egress(&one(slip)), Egress::None, "{slip}");
        }
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
