//! How callers name a group.

use ids::Arn;
use wire::logs::errors;
use wire::{Caller, ServiceError};

use crate::archive::groups::GroupKey;
use crate::error::invalid;

/// The group of that name in the caller's account and region.
pub(super) fn named(caller: &Caller, name: Option<String>) -> GroupKey {
    GroupKey {
        account: caller.account.clone(),
        region: caller.region.clone(),
        name: name.unwrap_or_default(),
    }
}

/// The group that an identifier means: a name, or an ARN with or without `:*` behind it.
///
/// # Errors
/// 400 where it is an ARN of something else.
pub(super) fn identified(caller: &Caller, identifier: &str) -> Result<GroupKey, ServiceError> {
    if !identifier.starts_with("arn:") {
        return Ok(named(caller, Some(identifier.to_owned())));
    }
    of_arn(caller, identifier)
}

/// The group that an ARN means.
///
/// # Errors
/// 400 where it is no ARN of a group.
pub(super) fn of_arn(caller: &Caller, text: &str) -> Result<GroupKey, ServiceError> {
    let malformed = || invalid(format!("Invalid resource ARN: {text}"));
    let arn: Arn = text.parse().map_err(|_| malformed())?;
    let name = arn.resource.strip_prefix("log-group:");
    let name = name.map(|name| name.strip_suffix(":*").unwrap_or(name));
    let name = name.filter(|name| arn.service == "logs" && !name.contains(':'));
    let name = name.ok_or_else(malformed)?;
    if arn.account != *caller.account || arn.region != *caller.region {
        // Nobody shares groups with another account or region here.
        return Err(errors::resource_not_found_exception(
            "The specified log group does not exist.",
        ));
    }
    Ok(named(caller, Some(name.to_owned())))
}

/// The group that a request means by its name or, instead, an identifier.
///
/// # Errors
/// 400 where it gives both, or neither.
pub(super) fn either(
    caller: &Caller,
    name: Option<String>,
    identifier: Option<&str>,
) -> Result<GroupKey, ServiceError> {
    match (name, identifier) {
        (Some(_), Some(_)) => Err(invalid(
            "LogGroup name and LogGroup ARN are mutually exclusive parameters.",
        )),
        (Some(name), None) => Ok(named(caller, Some(name))),
        (None, Some(identifier)) => identified(caller, identifier),
        (None, None) => Err(invalid(
            "Either LogGroup name or LogGroup ARN must be specified.",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ids::{RequestId, SeededEntropy};
    use wire::Principal;

    fn caller() -> Caller {
        Caller {
            account: "123456789012".into(),
            region: "eu-west-1".into(),
            principal: Principal::Account {
                access_key_id: "test".into(),
            },
            host: None,
            trace: None,
            request_id: RequestId::draw(&SeededEntropy::new(1)),
        }
    }

    #[test]
    fn names_and_arns_mean_the_same() {
        let expected = named(&caller(), Some("/aws/lambda/f".to_owned()));
        for identifier in [
            "/aws/lambda/f",
            "arn:aws:logs:eu-west-1:123456789012:log-group:/aws/lambda/f",
            "arn:aws:logs:eu-west-1:123456789012:log-group:/aws/lambda/f:*",
        ] {
            assert_eq!(
                identified(&caller(), identifier).unwrap(),
                expected,
                "{identifier}"
            );
        }
        assert_eq!(
            identified(&caller(), &expected.arn_with_content()).unwrap(),
            expected
        );
    }

    #[test]
    fn other_arns_are_refused() {
        for (arn, code) in [
            (
                "arn:aws:logs:eu-west-1:123456789012:log-group:g:log-stream:s",
                "InvalidParameterException",
            ),
            ("arn:aws:s3:::bucket", "InvalidParameterException"),
            ("arn:aws", "InvalidParameterException"),
            (
                "arn:aws:logs:eu-west-1:999999999999:log-group:g",
                "ResourceNotFoundException",
            ),
            (
                "arn:aws:logs:us-east-1:123456789012:log-group:g",
                "ResourceNotFoundException",
            ),
        ] {
            assert_eq!(of_arn(&caller(), arn).unwrap_err().code, code, "{arn}");
        }
    }

    #[test]
    fn one_of_both() {
        let name = || Some("g".to_owned());
        assert!(either(&caller(), name(), None).is_ok());
        assert!(either(&caller(), None, Some("g")).is_ok());
        assert!(either(&caller(), name(), Some("g")).is_err());
        assert!(either(&caller(), None, None).is_err());
    }
}
