//! The comparisons of Choice states in JSONPath: all 39 of them.

use std::cmp::Ordering;
use std::sync::Arc;

use crate::jsonpath::Path;
use crate::time;
use crate::value::Value;

/// A comparison of a rule, without its `Variable`.
#[derive(Debug, Clone)]
pub enum Comparison {
    /// `StringEquals` and its like: the values are of one type and in that order.
    Order {
        /// The type that both have.
        domain: Domain,
        /// How the variable stands to the operand.
        relation: Relation,
        /// With what it is compared.
        operand: Operand,
    },
    /// `StringMatches`.
    Matches(Pattern),
    /// `IsString` and its like.
    Is {
        /// What it is asked to be.
        domain: Domain,
        /// Whether it is asked to be, or not to be.
        expected: bool,
    },
    /// `IsNull`.
    IsNull(bool),
    /// `IsPresent`.
    IsPresent(bool),
}

/// With what a variable is compared.
#[derive(Debug, Clone)]
pub enum Operand {
    /// A value of the definition.
    Value(Value),
    /// A path, in the operators whose names end with `Path`.
    Path(Path),
}

/// The types that can be compared and asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Domain {
    /// Strings, by their UTF-16 code units.
    String,
    /// Numbers, exactly.
    Numeric,
    /// Booleans.
    Boolean,
    /// Strings that are timestamps, by the moment that they mean.
    Timestamp,
}

/// How two values stand to one another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is the relation that its name says")]
pub enum Relation {
    Equals,
    LessThan,
    GreaterThan,
    LessThanEquals,
    GreaterThanEquals,
}

impl Relation {
    fn holds(self, ordering: Ordering) -> bool {
        match self {
            Self::Equals => ordering.is_eq(),
            Self::LessThan => ordering.is_lt(),
            Self::GreaterThan => ordering.is_gt(),
            Self::LessThanEquals => ordering.is_le(),
            Self::GreaterThanEquals => ordering.is_ge(),
        }
    }
}

impl Domain {
    /// What a value of this type is called in messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::String => "string",
            Self::Numeric => "number",
            Self::Boolean => "boolean",
            Self::Timestamp => "timestamp",
        }
    }

    /// Whether a value is of this type.
    pub fn contains(self, value: &Value) -> bool {
        match self {
            Self::String => value.as_str().is_some(),
            Self::Numeric => value.as_number().is_some(),
            Self::Boolean => value.as_bool().is_some(),
            Self::Timestamp => value.as_str().and_then(time::parse).is_some(),
        }
    }

    /// How two values stand to one another; nothing where they are not both of this type.
    fn compare(self, left: &Value, right: &Value) -> Option<Ordering> {
        match self {
            Self::String => Some(
                left.as_str()?
                    .encode_utf16()
                    .cmp(right.as_str()?.encode_utf16()),
            ),
            Self::Numeric => Some(left.as_number()?.cmp(right.as_number()?)),
            Self::Boolean => Some(left.as_bool()?.cmp(&right.as_bool()?)),
            Self::Timestamp => {
                Some(time::parse(left.as_str()?)?.cmp(&time::parse(right.as_str()?)?))
            }
        }
    }
}

/// An operator by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    /// Compares with a value.
    Order(Domain, Relation),
    /// Compares with what a path leads to.
    OrderPath(Domain, Relation),
    /// `StringMatches`.
    Matches,
    /// Asks for a type.
    Is(Domain),
    /// `IsNull`.
    IsNull,
    /// `IsPresent`.
    IsPresent,
}

impl Operator {
    /// The operator that a field of a rule names.
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "StringMatches" => return Some(Self::Matches),
            "IsNull" => return Some(Self::IsNull),
            "IsPresent" => return Some(Self::IsPresent),
            "IsString" => return Some(Self::Is(Domain::String)),
            "IsNumeric" => return Some(Self::Is(Domain::Numeric)),
            "IsBoolean" => return Some(Self::Is(Domain::Boolean)),
            "IsTimestamp" => return Some(Self::Is(Domain::Timestamp)),
            _ => {}
        }
        let (stem, path) = match name.strip_suffix("Path") {
            Some(stem) => (stem, true),
            None => (name, false),
        };
        let domains = [
            ("String", Domain::String),
            ("Numeric", Domain::Numeric),
            ("Boolean", Domain::Boolean),
            ("Timestamp", Domain::Timestamp),
        ];
        let (domain, rest) = domains
            .into_iter()
            .find_map(|(prefix, domain)| Some((domain, stem.strip_prefix(prefix)?)))?;
        let relation = match rest {
            "Equals" => Relation::Equals,
            "LessThan" => Relation::LessThan,
            "GreaterThan" => Relation::GreaterThan,
            "LessThanEquals" => Relation::LessThanEquals,
            "GreaterThanEquals" => Relation::GreaterThanEquals,
            _ => return None,
        };
        if domain == Domain::Boolean && relation != Relation::Equals {
            return None;
        }
        Some(if path {
            Self::OrderPath(domain, relation)
        } else {
            Self::Order(domain, relation)
        })
    }
}

impl Comparison {
    /// Whether it holds for a value that is there, beside the value of the operand's path.
    ///
    /// A value of another type than the operator's compares as false.
    pub fn holds(&self, value: &Value, operand: Option<&Value>) -> bool {
        match self {
            Self::Order {
                domain,
                relation,
                operand: fixed,
            } => {
                let right = match fixed {
                    Operand::Value(value) => Some(value),
                    Operand::Path(_) => operand,
                };
                right
                    .and_then(|right| domain.compare(value, right))
                    .is_some_and(|it| relation.holds(it))
            }
            Self::Matches(pattern) => value.as_str().is_some_and(|text| pattern.matches(text)),
            Self::Is { domain, expected } => domain.contains(value) == *expected,
            Self::IsNull(expected) => value.is_null() == *expected,
            Self::IsPresent(expected) => *expected,
        }
    }
}

/// The pattern of `StringMatches`: `*` is any text, `\*` a star, `\\` a backslash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    /// The pieces between the stars: a text matches that has them in order, the first at its
    /// beginning and the last at its end.
    pieces: Vec<Arc<str>>,
}

impl Pattern {
    /// Reads a pattern; `None` where a backslash stands before something else.
    pub fn parse(text: &str) -> Option<Self> {
        let mut pieces = Vec::new();
        let mut piece = String::new();
        let mut characters = text.chars();
        while let Some(character) = characters.next() {
            match character {
                '*' => pieces.push(std::mem::take(&mut piece).into()),
                '\\' => match characters.next() {
                    Some(escaped @ ('*' | '\\')) => piece.push(escaped),
                    _ => return None,
                },
                other => piece.push(other),
            }
        }
        pieces.push(piece.into());
        Some(Self { pieces })
    }

    /// Whether the whole of a text matches. The time grows with the text's length alone: each piece is
    /// taken at its first place, which is never worse than a later one.
    pub fn matches(&self, text: &str) -> bool {
        let (Some(first), Some(last)) = (self.pieces.first(), self.pieces.last()) else {
            return text.is_empty();
        };
        if self.pieces.len() == 1 {
            return text == &**first;
        }
        let Some(mut rest) = text.strip_prefix(&**first) else {
            return false;
        };
        for piece in &self.pieces[1..self.pieces.len() - 1] {
            match rest.find(&**piece) {
                Some(at) => rest = &rest[at + piece.len()..],
                None => return false,
            }
        }
        rest.ends_with(&**last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_39_operators() {
        let domains = ["String", "Numeric", "Boolean", "Timestamp"];
        let relations = [
            "Equals",
            "LessThan",
            "GreaterThan",
            "LessThanEquals",
            "GreaterThanEquals",
        ];
        let mut count = 0;
        for domain in domains {
            for relation in relations {
                for suffix in ["", "Path"] {
                    count += usize::from(
                        Operator::named(&format!("{domain}{relation}{suffix}")).is_some(),
                    );
                }
            }
            count += usize::from(Operator::named(&format!("Is{domain}")).is_some());
        }
        count += ["StringMatches", "IsNull", "IsPresent"]
            .iter()
            .filter(|name| Operator::named(name).is_some())
            .count();
        assert_eq!(count, 39);
        assert_eq!(Operator::named("StringMatchesPath"), None);
        assert_eq!(Operator::named("And"), None);
    }

    #[test]
    fn values_of_other_types_compare_as_false() {
        let comparison = |domain, relation, operand: Value| Comparison::Order {
            domain,
            relation,
            operand: Operand::Value(operand),
        };
        let less = comparison(Domain::Numeric, Relation::LessThan, Value::from(2));
        assert!(less.holds(
            &Value::parse("1.999999999999999999999").expect("a number"),
            None
        ));
        assert!(!less.holds(&Value::from("1"), None));
        let moment = comparison(
            Domain::Timestamp,
            Relation::Equals,
            Value::from("2020-01-01T00:00:00Z"),
        );
        assert!(moment.holds(&Value::from("2020-01-01T02:00:00.000+02:00"), None));
        assert!(!moment.holds(&Value::from("2020"), None));
    }

    #[test]
    fn patterns_match_as_documented() {
        let matches =
            |pattern: &str, text: &str| Pattern::parse(pattern).expect(pattern).matches(text);
        assert!(matches("foo*.log", "foo23.log"));
        assert!(matches("*.log", "zebra.log"));
        assert!(matches("foo*.*", "foobar.zebra"));
        assert!(matches("a*b*c", "a-b-b-c"));
        assert!(!matches("a*a", "a"));
        assert!(matches(r"\*\\*", r"*\x"));
        assert!(!matches(r"\*", "x"));
        assert_eq!(Pattern::parse(r"a\b"), None);
    }
}
