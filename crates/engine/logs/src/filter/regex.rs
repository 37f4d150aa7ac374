//! Regular expressions: the part of their syntax that filter patterns admit.

use super::FilterError;

/// What a compiled expression may weigh, in bytes: repetitions of repetitions grow without end.
const SIZE_LIMIT: usize = 256 << 10;

/// Symbols that stand for themselves.
const SYMBOLS: &str = ":_#=@/;,-";

/// Symbols with a meaning. Parentheses are not among them, nor is the exclamation mark.
const OPERATORS: &str = "^$?[]{}|\\*+.";

/// A regular expression that matches in time linear to the message.
#[derive(Debug)]
pub(super) struct Regex(regex::bytes::Regex);

impl Regex {
    /// Reads what stands between two percent signs.
    pub(super) fn parse(source: &str) -> Result<Self, FilterError> {
        let admitted = |c: char| {
            c.is_ascii_alphanumeric() || c == ' ' || SYMBOLS.contains(c) || OPERATORS.contains(c)
        };
        if source.is_empty() || !source.chars().all(admitted) {
            return Err(FilterError::Malformed);
        }
        regex::bytes::RegexBuilder::new(source)
            .unicode(false)
            .size_limit(SIZE_LIMIT)
            .build()
            .map(Self)
            .map_err(|_| FilterError::Malformed)
    }

    pub(super) fn matches(&self, text: &str) -> bool {
        self.0.is_match(text.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documented_operators() {
        for (source, yes, no) in [
            ("^[hc]at", "hat on", "a hat"),
            ("[hc]at$", "a cat", "cats"),
            ("colou?r", "color", "colr"),
            ("a{3,5}", "aaaa", "aa"),
            ("gray|grey", "grey", "gry"),
            (r"10\.10\.0\.1", "10.10.0.1", "10x10.0.1"),
            (r"\d{4}-\d\d", "2024-01", "24-01"),
            (r"[^abc]", "abcd", "abc"),
        ] {
            let regex = Regex::parse(source).unwrap();
            assert!(regex.matches(yes), "{source} should match {yes}");
            assert!(!regex.matches(no), "{source} should not match {no}");
        }
    }

    #[test]
    fn what_is_not_admitted() {
        for source in ["", "something!", "(a)", "é", "a**{", "[a"] {
            assert!(Regex::parse(source).is_err(), "{source}");
        }
    }

    #[test]
    fn repetitions_do_not_explode() {
        assert!(Regex::parse("[a-z]{1000}{1000}").is_err());
    }
}
