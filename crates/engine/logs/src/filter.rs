//! Filter patterns: which log events a caller wants to see.
//!
//! Syntax and meaning follow
//! <https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntax.html>. There are
//! three forms, told apart by their first character:
//!
//! - terms that a message contains or does not: `ERROR "a phrase" -retry ?either ?or`, or one
//!   regular expression between percent signs;
//! - `[ip, user, ..., status = 4*, bytes > 1000]`: conditions on the words of a message;
//! - `{ $.level = "ERROR" && $.latency > 100 }`: conditions on a message that is JSON.
//!
//! This is pure: a [`FilterPattern`] is parsed once and then asked about messages. What a caller can
//! make it cost is bounded by the length of a pattern (1,024 characters, which the API checks), by
//! [`lexer::MAX_DEPTH`], and by regular expressions that match in linear time.

mod fields;
mod json;
mod lexer;
mod regex;
mod terms;
mod value;

use std::collections::BTreeMap;

use fields::Fields;
use json::Json;
use terms::Terms;

/// A filter pattern, parsed.
#[derive(Debug)]
pub struct FilterPattern {
    form: Form,
}

#[derive(Debug)]
enum Form {
    /// No pattern at all, which every message matches.
    Everything,
    Terms(Terms),
    Fields(Fields),
    Json(Json),
}

/// What is wrong with a filter pattern, in the words of `InvalidParameterException`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FilterError {
    /// It is none of the three forms.
    #[error("Invalid filter pattern")]
    Malformed,
    /// A term has characters that need quotes.
    #[error("Invalid character(s) in term '{0}'")]
    Characters(String),
}

impl FilterPattern {
    /// Reads a pattern; one without any character but blanks matches everything.
    ///
    /// # Errors
    /// See [`FilterError`].
    pub fn parse(text: &str) -> Result<Self, FilterError> {
        let text = text.trim();
        let form = match text.chars().next() {
            None => Form::Everything,
            Some('{') => Form::Json(Json::parse(text)?),
            Some('[') => Form::Fields(Fields::parse(text)?),
            Some(_) => Form::Terms(Terms::parse(text)?),
        };
        Ok(Self { form })
    }

    /// Whether every message matches, so that none need be looked at.
    #[must_use]
    pub fn is_everything(&self) -> bool {
        matches!(self.form, Form::Everything)
    }

    /// Whether `message` matches.
    #[must_use]
    pub fn matches(&self, message: &str) -> bool {
        match &self.form {
            Form::Everything => true,
            Form::Terms(terms) => terms.matches(message),
            Form::Fields(fields) => fields.matches(message),
            Form::Json(json) => json.matches(message),
        }
    }

    /// Where `message` matches, the values that the pattern names: words by `$name` or, where they
    /// have none, by `$position`; JSON properties by their selector.
    #[must_use]
    pub fn extract(&self, message: &str) -> Option<BTreeMap<String, String>> {
        match &self.form {
            Form::Everything => Some(BTreeMap::new()),
            Form::Terms(terms) => terms.matches(message).then(BTreeMap::new),
            Form::Fields(fields) => fields.extract(message),
            Form::Json(json) => json.extract(message),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    pub(super) fn pattern(text: &str) -> FilterPattern {
        FilterPattern::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn no_pattern_matches_everything() {
        for text in ["", " ", "\t\n"] {
            assert!(pattern(text).is_everything());
            assert!(pattern(text).matches("anything"));
        }
    }

    /// Texts made of what patterns are made of reach further into the parsers than noise does.
    fn pattern_like() -> impl Strategy<Value = String> {
        let pieces = [
            "{",
            "}",
            "[",
            "]",
            "(",
            ")",
            "$.",
            "$",
            "[*]",
            "[0]",
            "a",
            "b.c",
            "=",
            "!=",
            ">=",
            "<",
            "&&",
            "||",
            "...",
            ",",
            "%",
            "%a+%",
            "\"",
            "\"x\"",
            "\\",
            "*",
            "-",
            "?",
            " ",
            "1e3",
            "IS NULL",
            "NOT EXISTS",
            "IS TRUE",
            "é",
        ];
        prop::collection::vec(prop::sample::select(pieces.to_vec()), 0..40)
            .prop_map(|parts| parts.concat())
    }

    proptest! {
        #[test]
        fn any_text_parses_or_errs(text in ".{0,200}", message in ".{0,100}") {
            if let Ok(filter) = FilterPattern::parse(&text) {
                prop_assert_eq!(filter.matches(&message), filter.extract(&message).is_some());
            }
        }

        #[test]
        fn any_text_of_pieces_parses_or_errs(
            text in pattern_like(),
            message in prop_oneof![pattern_like(), Just(r#"{"a": 1, "b": {"c": [1, "x"]}}"#.to_owned())],
        ) {
            if let Ok(filter) = FilterPattern::parse(&text) {
                prop_assert_eq!(filter.matches(&message), filter.extract(&message).is_some());
            }
        }
    }

    #[test]
    fn depth_is_bounded() {
        let deep =
            |depth: usize| format!("{{ {}$.a = 1{} }}", "(".repeat(depth), ")".repeat(depth));
        assert!(FilterPattern::parse(&deep(20)).is_ok());
        assert_eq!(
            FilterPattern::parse(&deep(5_000)).unwrap_err(),
            FilterError::Malformed
        );
    }
}
