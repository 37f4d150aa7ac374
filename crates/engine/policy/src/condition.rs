//! Conditions: an operator, a key and the values it is compared with.
//!
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html>

mod compare;

use compare::{Comparison, Operand};

use crate::pattern::begins;
use crate::{Context, PolicyError};

/// Which of a request's values must satisfy the comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Quantifier {
    /// The one that there is. Where a key with several values is asked without a quantifier, any
    /// will do, and of a negated comparison all must.
    One,
    /// `ForAllValues:`, of which no value at all is one case.
    All,
    /// `ForAnyValue:`.
    Any,
}

#[derive(Debug, Clone)]
enum Test {
    /// `Null`: whether the key must be missing.
    Missing(Vec<bool>),
    Compare {
        comparison: Comparison,
        negated: bool,
        if_exists: bool,
        quantifier: Quantifier,
        operands: Vec<Operand>,
    },
}

/// One condition of a statement.
#[derive(Debug, Clone)]
pub(crate) struct Condition {
    key: String,
    test: Test,
}

impl Condition {
    /// `operator` is the whole of it: `ForAnyValue:StringLikeIfExists`.
    pub(crate) fn new(
        operator: &str,
        key: &str,
        values: &[String],
        variables: bool,
    ) -> Result<Self, PolicyError> {
        let (quantifier, name) = match operator.split_once(':') {
            None => (Quantifier::One, operator),
            Some(("ForAllValues", name)) => (Quantifier::All, name),
            Some(("ForAnyValue", name)) => (Quantifier::Any, name),
            Some(_) => return Err(PolicyError::Syntax),
        };
        if !key.contains(':') {
            return Err(PolicyError::NoVendor);
        }
        let test = if name == "Null" {
            let missing = values.iter().map(|value| match value.as_str() {
                "true" => Ok(true),
                "false" => Ok(false),
                _ => Err(PolicyError::Syntax),
            });
            Test::Missing(missing.collect::<Result<_, _>>()?)
        } else {
            let (base, if_exists) = match name.strip_suffix("IfExists") {
                Some(base) => (base, true),
                None => (name, false),
            };
            let (comparison, negated) = Comparison::named(base).ok_or(PolicyError::Syntax)?;
            let operands = values.iter().map(|v| comparison.operand(v, variables));
            Test::Compare {
                comparison,
                negated,
                if_exists,
                quantifier,
                operands: operands.collect::<Result<_, _>>()?,
            }
        };
        Ok(Self {
            key: key.to_owned(),
            test,
        })
    }

    pub(crate) fn mentions(&self, key: &str) -> bool {
        let in_values = match &self.test {
            Test::Missing(_) => false,
            Test::Compare { operands, .. } => operands.iter().any(
                |operand| matches!(operand, Operand::Pattern(pattern) if pattern.mentions(key)),
            ),
        };
        in_values || begins(&self.key, key)
    }

    pub(crate) fn holds(&self, context: &Context) -> bool {
        let found = context.get(&self.key);
        match &self.test {
            Test::Missing(missing) => missing.contains(&found.is_none_or(<[_]>::is_empty)),
            Test::Compare {
                comparison,
                negated,
                if_exists,
                quantifier,
                operands,
            } => {
                let equal = |value: &String| {
                    operands
                        .iter()
                        .any(|operand| comparison.holds(value, operand, context))
                };
                let passes = |value: &String| equal(value) != *negated;
                match (found, quantifier) {
                    (None | Some([]), Quantifier::All) => true,
                    (None | Some([]), Quantifier::Any) => *if_exists,
                    (None | Some([]), Quantifier::One) => *negated || *if_exists,
                    (Some(values), Quantifier::All) => values.iter().all(passes),
                    (Some(values), Quantifier::Any) => values.iter().any(passes),
                    (Some(values), Quantifier::One) if *negated => values.iter().all(passes),
                    (Some(values), Quantifier::One) => values.iter().any(passes),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(operator: &str, key: &str, values: &[&str]) -> bool {
        let context = Context::new()
            .with("aws:username", "Alice")
            .with("aws:CurrentTime", "2026-11-22T10:00:00Z")
            .with("aws:EpochTime", "1795341600")
            .with("aws:SourceIp", "10.1.2.3")
            .with("aws:SecureTransport", "false")
            .with("s3:max-keys", "10")
            .with("aws:SourceArn", "arn:aws:s3:::in-box")
            .with("x:Blob", "QmluYXJ5")
            .with_all("aws:TagKeys", ["env", "team"]);
        let values: Vec<String> = values.iter().map(|&v| v.to_owned()).collect();
        Condition::new(operator, key, &values, true)
            .unwrap()
            .holds(&context)
    }

    #[test]
    fn each_operator_holds_where_it_should_and_not_elsewhere() {
        for (operator, key, yes, no) in [
            ("StringEquals", "aws:username", "Alice", "alice"),
            ("StringNotEquals", "aws:username", "alice", "Alice"),
            ("StringEqualsIgnoreCase", "aws:username", "aLICE", "bob"),
            ("StringNotEqualsIgnoreCase", "aws:username", "bob", "ALICE"),
            ("StringEquals", "aws:username", "${aws:username}", "A*"),
            ("StringLike", "aws:username", "A?i*", "a*"),
            ("StringNotLike", "aws:username", "a*", "A*"),
            ("NumericEquals", "s3:max-keys", "10.0", "11"),
            ("NumericNotEquals", "s3:max-keys", "11", "10"),
            ("NumericLessThan", "s3:max-keys", "11", "10"),
            ("NumericLessThanEquals", "s3:max-keys", "10", "9"),
            ("NumericGreaterThan", "s3:max-keys", "9", "10"),
            ("NumericGreaterThanEquals", "s3:max-keys", "10", "11"),
            ("NumericEquals", "s3:max-keys", "10", "ten"),
            (
                "DateEquals",
                "aws:CurrentTime",
                "2026-11-22T11:00:00+01:00",
                "2026-11-22",
            ),
            ("DateGreaterThan", "aws:CurrentTime", "2026-11-22", "2027"),
            (
                "DateLessThan",
                "aws:EpochTime",
                "2026-11-22T10:00:01Z",
                "1795341600",
            ),
            ("Bool", "aws:SecureTransport", "false", "true"),
            ("BinaryEquals", "x:Blob", "QmluYXJ5", "QmluYXJ6"),
            ("IpAddress", "aws:SourceIp", "10.0.0.0/8", "10.2.0.0/16"),
            ("IpAddress", "aws:SourceIp", "10.1.2.3", "::/0"),
            (
                "NotIpAddress",
                "aws:SourceIp",
                "192.168.0.0/16",
                "0.0.0.0/0",
            ),
            (
                "ArnLike",
                "aws:SourceArn",
                "arn:aws:s3:::in-*",
                "arn:aws:s3:*",
            ),
            ("ArnEquals", "aws:SourceArn", "arn:*:s3:::in-box", "in-box"),
            ("ArnNotLike", "aws:SourceArn", "arn:aws:sns:*:*:*", "*"),
            ("Null", "aws:username", "false", "true"),
            ("Null", "aws:MultiFactorAuthAge", "true", "false"),
        ] {
            assert!(holds(operator, key, &[yes]), "{operator} {yes}");
            assert!(!holds(operator, key, &[no]), "{operator} {no}");
        }
    }

    #[test]
    fn several_values_are_alternatives_and_negated_none_of_them() {
        assert!(holds("StringEquals", "aws:username", &["Bob", "Alice"]));
        assert!(!holds("StringNotEquals", "aws:username", &["Bob", "Alice"]));
        assert!(!holds("StringEquals", "aws:username", &[]));
    }

    #[test]
    fn missing_keys_fail_unless_negated_or_optional() {
        let key = "aws:MultiFactorAuthPresent";
        assert!(!holds("Bool", key, &["true"]));
        assert!(holds("BoolIfExists", key, &["true"]));
        assert!(holds("StringNotEquals", key, &["true"]));
        assert!(holds("ForAllValues:StringEquals", key, &["true"]));
        assert!(!holds("ForAnyValue:StringEquals", key, &["true"]));
        assert!(!holds("StringEqualsIfExists", "aws:username", &["Bob"]));
    }

    #[test]
    fn quantifiers_look_at_every_value() {
        let tags = "aws:TagKeys";
        assert!(holds(
            "ForAllValues:StringEquals",
            tags,
            &["env", "team", "x"]
        ));
        assert!(!holds("ForAllValues:StringEquals", tags, &["env"]));
        assert!(holds("ForAnyValue:StringEquals", tags, &["env"]));
        assert!(!holds("ForAnyValue:StringEquals", tags, &["x"]));
        assert!(holds("ForAnyValue:StringNotEquals", tags, &["env"]));
        assert!(!holds("ForAllValues:StringNotLike", tags, &["te*"]));
    }

    #[test]
    fn what_is_no_condition_is_refused() {
        let values = ["x".to_owned()];
        for (operator, key) in [
            ("StringMatches", "aws:username"),
            ("ForSomeValues:StringEquals", "aws:username"),
            ("stringequals", "aws:username"),
            ("StringEquals", "username"),
            ("Null", "aws:username"),
            ("Bool", "aws:SecureTransport"),
            ("IpAddress", "aws:SourceIp"),
        ] {
            assert!(
                Condition::new(operator, key, &values, true).is_err(),
                "{operator}"
            );
        }
    }
}
