//! How callers name a Lambda function.
//!
//! Lambda takes a name (`my-fn`), a name with a qualifier (`my-fn:prod`), a partial ARN
//! (`123456789012:function:my-fn`, `function:my-fn`) or a full ARN, each with or without a qualifier.
//! Source: the `FunctionName` parameter of
//! <https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html>.

use std::fmt;
use std::str::FromStr;

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

impl FromStr for FunctionRef {
    type Err = FunctionRefError;

    /// Every part but the name may be missing, each for itself, so that `function` alone is a name
    /// and `function:function` a function of that name.
    fn from_str(text: &str) -> Result<Self, FunctionRefError> {
        let err = || FunctionRefError(text.to_owned());
        let parts: Vec<&str> = text.split(':').collect();
        if parts.iter().any(|part| part.is_empty()) {
            return Err(err());
        }
        let mut rest = match parts.as_slice() {
            ["arn", partition, "lambda", rest @ ..] if partition.starts_with("aws") => rest,
            ["arn", _, _, ..] => return Err(err()),
            rest => rest,
        };
        // The last part is always left to be the name.
        let mut take = |is_wanted: fn(&str) -> bool| match rest {
            [first, more @ ..] if !more.is_empty() && is_wanted(first) => {
                rest = more;
                Some((*first).to_owned())
            }
            _ => None,
        };
        let region = take(is_region);
        let account = take(is_account);
        take(|part| part == "function");
        let (name, qualifier) = match rest {
            [name] => (*name, None),
            [name, qualifier] => (*name, Some((*qualifier).to_owned())),
            _ => return Err(err()),
        };
        Ok(Self {
            region,
            account,
            name: name.to_owned(),
            qualifier,
        })
    }
}

/// `us-east-1`, `us-gov-west-1`, …: words of small letters, and a digit.
fn is_region(part: &str) -> bool {
    let words: Vec<&str> = part.split('-').collect();
    match words.as_slice() {
        [words @ .., number] if words.len() >= 2 => {
            let is_word = |word: &&str| {
                !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase())
            };
            words.iter().all(is_word) && number.len() == 1 && number.bytes().all(is_digit)
        }
        _ => false,
    }
}

fn is_account(part: &str) -> bool {
    part.len() == 12 && part.bytes().all(is_digit)
}

fn is_digit(byte: u8) -> bool {
    byte.is_ascii_digit()
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
    fn every_part_but_the_name_may_be_missing() {
        let some = |text: &str| Some(text.to_owned());
        let function = || "function".to_owned();
        assert_eq!(parsed("function"), (None, None, function(), None));
        assert_eq!(parsed("function:function"), (None, None, function(), None));
        assert_eq!(
            parsed("arn:aws:lambda:us-gov-west-1:123456789012:function"),
            (
                some("us-gov-west-1"),
                some("123456789012"),
                function(),
                None
            )
        );
        assert_eq!(
            parsed("eu-west-1:f"),
            (some("eu-west-1"), None, "f".to_owned(), None)
        );
    }

    #[test]
    fn what_names_no_function() {
        for text in [
            "",
            ":",
            "a:",
            "a:b:c",
            "12:function:f:g",
            "arn:aws:s3:::bucket",
            "arn:aws:lambda",
            "arn:aws:lambda:us-east-1::function:f",
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
