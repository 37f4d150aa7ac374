//! How callers name a Lambda function.
//!
//! Lambda takes a name (`my-fn`), a name with a qualifier (`my-fn:prod`), a partial ARN
//! (`123456789012:function:my-fn`, `function:my-fn`) or a full ARN, each with or without a qualifier.
//! Source: the `FunctionName` parameter of
//! <https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html>.

use std::fmt;
use std::str::FromStr;

use crate::Arn;

/// Which version of a function is meant.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Qualifier {
    /// `$LATEST`, the unpublished version.
    Latest,
    /// A published version: `1`, `2`, ….
    Version(u64),
    /// An alias, by name.
    Alias(String),
}

impl Qualifier {
    /// Reads a qualifier; digits alone are a version, everything else but `$LATEST` an alias.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        if text == "$LATEST" {
            return Self::Latest;
        }
        match text.parse() {
            Ok(version) if text.bytes().all(|b| b.is_ascii_digit()) => Self::Version(version),
            _ => Self::Alias(text.to_owned()),
        }
    }
}

impl fmt::Display for Qualifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Latest => f.write_str("$LATEST"),
            Self::Version(version) => version.fmt(f),
            Self::Alias(name) => f.write_str(name),
        }
    }
}

/// A function as a caller names it: account, region and qualifier only where the caller gave them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FunctionRef {
    /// The region, where a full ARN was given.
    pub region: Option<String>,
    /// The account, where an ARN or partial ARN was given.
    pub account: Option<String>,
    /// The bare name.
    pub name: String,
    /// The qualifier, as written.
    pub qualifier: Option<String>,
}

/// A text that names no function.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` names no function: expected a name, a partial ARN or a function ARN")]
pub struct FunctionRefError(pub String);

impl FunctionRef {
    fn from_tail(text: &str, tail: &str) -> Result<Self, FunctionRefError> {
        let (name, qualifier) = match tail.split_once(':') {
            Some((name, qualifier)) => (name, Some(qualifier.to_owned())),
            None => (tail, None),
        };
        let bad = |part: &str| part.is_empty() || part.contains(':');
        if bad(name) || qualifier.as_deref().is_some_and(bad) {
            return Err(FunctionRefError(text.to_owned()));
        }
        Ok(Self {
            region: None,
            account: None,
            name: name.to_owned(),
            qualifier,
        })
    }
}

impl FromStr for FunctionRef {
    type Err = FunctionRefError;

    fn from_str(text: &str) -> Result<Self, FunctionRefError> {
        let err = || FunctionRefError(text.to_owned());
        if text.starts_with("arn:") {
            let arn: Arn = text.parse().map_err(|_| err())?;
            let tail = arn.resource.strip_prefix("function:").ok_or_else(err)?;
            if arn.service != "lambda" {
                return Err(err());
            }
            let found = Self::from_tail(text, tail)?;
            return Ok(Self {
                region: Some(arn.region),
                account: Some(arn.account),
                ..found
            });
        }
        if let Some(tail) = text.strip_prefix("function:") {
            return Self::from_tail(text, tail);
        }
        if let Some((account, rest)) = text.split_once(':')
            && let Some(tail) = rest.strip_prefix("function:")
        {
            if account.len() != 12 || !account.bytes().all(|b| b.is_ascii_digit()) {
                return Err(err());
            }
            return Ok(Self {
                account: Some(account.to_owned()),
                ..Self::from_tail(text, tail)?
            });
        }
        Self::from_tail(text, text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parsed(text: &str) -> (Option<String>, Option<String>, String, Option<String>) {
        let f: FunctionRef = text.parse().unwrap();
        (f.region, f.account, f.name, f.qualifier)
    }

    #[test]
    fn every_form_that_lambda_takes() {
        let some = |text: &str| Some(text.to_owned());
        let name = || "my-fn".to_owned();
        assert_eq!(parsed("my-fn"), (None, None, name(), None));
        assert_eq!(parsed("my-fn:prod"), (None, None, name(), some("prod")));
        assert_eq!(parsed("function:my-fn"), (None, None, name(), None));
        assert_eq!(
            parsed("123456789012:function:my-fn:7"),
            (None, some("123456789012"), name(), some("7"))
        );
        assert_eq!(
            parsed("arn:aws:lambda:eu-west-1:123456789012:function:my-fn:$LATEST"),
            (
                some("eu-west-1"),
                some("123456789012"),
                name(),
                some("$LATEST")
            )
        );
    }

    #[test]
    fn what_names_no_function() {
        for text in [
            "",
            ":",
            "a:",
            "a:b:c",
            "12:function:f",
            "arn:aws:s3:::bucket",
            "arn:aws:lambda",
        ] {
            assert!(text.parse::<FunctionRef>().is_err(), "{text}");
        }
    }

    #[test]
    fn qualifiers() {
        assert_eq!(Qualifier::parse("$LATEST"), Qualifier::Latest);
        assert_eq!(Qualifier::parse("12"), Qualifier::Version(12));
        assert_eq!(Qualifier::parse("+12"), Qualifier::Alias("+12".into()));
        assert_eq!(Qualifier::parse("prod"), Qualifier::Alias("prod".into()));
    }

    proptest! {
        #[test]
        fn never_panics(text in ".{0,60}") {
            let _ = text.parse::<FunctionRef>();
        }
    }
}
