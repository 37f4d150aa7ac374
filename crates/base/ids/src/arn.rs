//! Amazon Resource Names.
//!
//! Source: <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference-arns.html>.

use std::fmt;
use std::str::FromStr;

/// `arn:partition:service:region:account:resource`.
///
/// The resource keeps its own colons and slashes; what they mean is up to the service.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Arn {
    /// `aws`, `aws-cn`, `aws-us-gov`, …
    pub partition: String,
    /// `lambda`, `states`, …
    pub service: String,
    /// `us-east-1`; empty for global services.
    pub region: String,
    /// Twelve digits; empty for S3.
    pub account: String,
    /// Everything behind the fifth colon.
    pub resource: String,
}

/// A text that is no ARN.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an ARN: expected arn:partition:service:region:account:resource")]
pub struct ArnError(pub String);

impl Arn {
    /// An ARN in the partition `aws`.
    #[must_use]
    pub fn new(service: &str, region: &str, account: &str, resource: impl Into<String>) -> Self {
        Self {
            partition: "aws".to_owned(),
            service: service.to_owned(),
            region: region.to_owned(),
            account: account.to_owned(),
            resource: resource.into(),
        }
    }
}

impl fmt::Display for Arn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            partition,
            service,
            region,
            account,
            resource,
        } = self;
        write!(f, "arn:{partition}:{service}:{region}:{account}:{resource}")
    }
}

impl FromStr for Arn {
    type Err = ArnError;

    fn from_str(text: &str) -> Result<Self, ArnError> {
        let mut parts = text.splitn(6, ':');
        let mut next = || {
            parts
                .next()
                .map(str::to_owned)
                .ok_or_else(|| ArnError(text.to_owned()))
        };
        if next()? != "arn" {
            return Err(ArnError(text.to_owned()));
        }
        let arn = Self {
            partition: next()?,
            service: next()?,
            region: next()?,
            account: next()?,
            resource: next()?,
        };
        if arn.partition.is_empty() || arn.service.is_empty() || arn.resource.is_empty() {
            return Err(ArnError(text.to_owned()));
        }
        Ok(arn)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn keeps_the_resource_whole() {
        let arn: Arn = "arn:aws:lambda:eu-west-1:123456789012:function:f:prod"
            .parse()
            .unwrap();
        assert_eq!(arn.resource, "function:f:prod");
        assert_eq!(
            arn.to_string(),
            "arn:aws:lambda:eu-west-1:123456789012:function:f:prod"
        );
    }

    #[test]
    fn says_what_is_wrong() {
        let error = "arn:aws:lambda".parse::<Arn>().unwrap_err();
        assert!(error.to_string().contains("`arn:aws:lambda`"), "{error}");
    }

    proptest! {
        #[test]
        fn any_text_parses_or_errs(text in ".{0,80}") {
            if let Ok(arn) = text.parse::<Arn>() {
                prop_assert_eq!(arn.to_string(), text);
            }
        }
    }
}
