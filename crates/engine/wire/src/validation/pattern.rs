//! Regular expressions of the models.

use std::sync::OnceLock;

use fancy_regex::{Regex, RegexBuilder};

/// Steps that a match may take back before the value counts as no match. A value comes from
/// outside and must not be able to keep a core busy.
const BACKTRACK_LIMIT: usize = 50_000;

/// A pattern as the model writes it: in Java's dialect, and matched against the whole value.
#[derive(Debug)]
pub struct Pattern {
    source: &'static str,
    compiled: OnceLock<Option<Regex>>,
}

impl Pattern {
    /// A pattern. Compiled when it is first used.
    #[must_use]
    pub const fn new(source: &'static str) -> Self {
        Self {
            source,
            compiled: OnceLock::new(),
        }
    }

    /// As the model, and AWS's messages, write it.
    #[must_use]
    pub const fn source(&self) -> &'static str {
        self.source
    }

    /// Whether the whole of `text` matches. A pattern that does not compile (a test proves that
    /// all do) lets everything pass.
    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        self.compiled()
            .is_none_or(|regex| regex.is_match(text).unwrap_or(false))
    }

    fn compiled(&self) -> Option<&Regex> {
        self.compiled
            .get_or_init(|| {
                // Java's classes are ASCII unless asked otherwise; here they are Unicode.
                let ascii = self
                    .source
                    .replace(r"\d", "[0-9]")
                    .replace(r"\s", r"[ \t\n\x0B\f\r]")
                    .replace(r"\w", "[a-zA-Z0-9_]");
                RegexBuilder::new(&format!(r"\A(?:{ascii})\z"))
                    .backtrack_limit(BACKTRACK_LIMIT)
                    .build()
                    .ok()
            })
            .as_ref()
    }

    /// Whether the pattern is one.
    #[cfg(test)]
    pub(crate) fn compiles(&self) -> bool {
        self.compiled().is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_value_counts() {
        let digits = Pattern::new("[0-9]+|x");
        assert!(digits.matches("12") && digits.matches("x"));
        assert!(!digits.matches("12a") && !digits.matches("a12") && !digits.matches("12\n"));
    }

    #[test]
    fn classes_are_ascii() {
        let pattern = Pattern::new(r"\d{2}[^\s]");
        assert!(pattern.matches("12x"));
        assert!(!pattern.matches("٣٤x") && !pattern.matches("12 "));
    }

    #[test]
    fn look_around_works() {
        let alias = Pattern::new("(?!^[0-9]+$)([a-zA-Z0-9-_]+)");
        assert!(alias.matches("v1") && alias.matches("a-_9") && !alias.matches("17"));
        let bucket = Pattern::new(r"[0-9A-Za-z\.\-_]*(?<!\.)");
        assert!(bucket.matches("a.b") && !bucket.matches("a."));
    }

    #[test]
    fn catastrophic_values_end() {
        let nested = Pattern::new("(?!z)(([a-z]+)+)+!");
        assert!(nested.compiles());
        assert!(!nested.matches(&"a".repeat(50_000)));
    }
}
