//! Values that a condition compares with.

use super::regex::Regex;

/// How a value is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// The right side of a comparison.
#[derive(Debug)]
pub(super) enum Value {
    Text(Wildcard),
    Number { text: Wildcard, number: f64 },
    Regex(Regex),
}

/// A text that may begin and end with an asterisk, which stands for anything. Further inside it
/// stands for itself.
#[derive(Debug)]
pub(super) struct Wildcard {
    text: String,
    open_start: bool,
    open_end: bool,
}

impl Wildcard {
    fn new(text: &str) -> Self {
        let without_start = text.strip_prefix('*');
        let inner = without_start.unwrap_or(text);
        let without_end = inner.strip_suffix('*');
        Self {
            text: without_end.unwrap_or(inner).to_owned(),
            open_start: without_start.is_some(),
            // A lone asterisk is open at both ends.
            open_end: without_end.is_some() || text == "*",
        }
    }

    pub(super) fn matches(&self, text: &str) -> bool {
        match (self.open_start, self.open_end) {
            (false, false) => text == self.text,
            (true, false) => text.ends_with(&self.text),
            (false, true) => text.starts_with(&self.text),
            (true, true) => text.contains(&self.text),
        }
    }
}

impl Value {
    pub(super) fn quoted(text: &str) -> Self {
        Self::Text(Wildcard::new(text))
    }

    /// A value without quotes, which may be a number.
    pub(super) fn bare(text: &str) -> Self {
        let wildcard = Wildcard::new(text);
        match number(text) {
            Some(number) => Self::Number {
                text: wildcard,
                number,
            },
            None => Self::Text(wildcard),
        }
    }

    /// Whether it can stand in `comparison`: only numbers have an order.
    pub(super) fn fits(&self, comparison: Comparison) -> bool {
        matches!(comparison, Comparison::Equal | Comparison::NotEqual)
            || matches!(self, Self::Number { .. })
    }

    /// Compares a value of a message, given as text and, where it is one, as a number.
    pub(super) fn holds(&self, comparison: Comparison, text: &str, actual: Option<f64>) -> bool {
        let ordered = |holds: fn(&f64, &f64) -> bool| match (self, actual) {
            (Self::Number { number, .. }, Some(actual)) => holds(&actual, number),
            _ => false,
        };
        match comparison {
            Comparison::Equal => self.equals(text, actual),
            Comparison::NotEqual => !self.equals(text, actual),
            Comparison::Less => ordered(f64::lt),
            Comparison::LessOrEqual => ordered(f64::le),
            Comparison::Greater => ordered(f64::gt),
            Comparison::GreaterOrEqual => ordered(f64::ge),
        }
    }

    fn equals(&self, text: &str, actual: Option<f64>) -> bool {
        match self {
            Self::Text(wildcard) => wildcard.matches(text),
            Self::Regex(regex) => regex.matches(text),
            Self::Number {
                text: wildcard,
                number,
            } => match actual {
                // Integers beyond 2^53 differ in their digits before they differ as numbers.
                Some(_) if is_integer(text) && is_integer(&wildcard.text) => {
                    text == wildcard.text.trim_start_matches('+')
                }
                #[expect(clippy::float_cmp, reason = "the pattern asks for equality")]
                Some(actual) => actual == *number,
                None => wildcard.matches(text),
            },
        }
    }
}

fn is_integer(text: &str) -> bool {
    let digits = text.trim_start_matches(['+', '-']);
    !digits.is_empty() && !digits.starts_with('0') && digits.bytes().all(|b| b.is_ascii_digit())
}

/// A decimal number with an optional sign and exponent, and nothing else that Rust would read, such
/// as `inf`.
pub(super) fn number(text: &str) -> Option<f64> {
    let digits = text.trim_start_matches(['+', '-']);
    let numeric = digits.starts_with(|c: char| c.is_ascii_digit() || c == '.')
        && digits
            .bytes()
            .all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'e' | b'E' | b'+' | b'-'));
    numeric.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn asterisks_open_the_ends_alone() {
        for (pattern, yes, no) in [
            ("*Event", "PutEvent", "Events"),
            ("Event*", "EventId", "PutEvent"),
            ("*html*", "a.html?x", "a.htm"),
            ("Ev*ent", "Ev*ent", "Event"),
            ("*", "", "never"),
        ] {
            let wildcard = Wildcard::new(pattern);
            assert!(wildcard.matches(yes), "{pattern} should match {yes}");
            assert!(
                !wildcard.matches(no) || pattern == "*",
                "{pattern} should not match {no}"
            );
        }
    }

    #[test]
    fn numbers_with_sign_and_exponent() {
        for (text, expected) in [
            ("400", Some(400.0)),
            ("-1.5", Some(-1.5)),
            ("+1000", Some(1000.0)),
            ("10e3", Some(10_000.0)),
            ("10e-3", Some(0.01)),
            ("inf", None),
            ("NaN", None),
            ("1.2.3", None),
            ("4*", None),
            ("", None),
        ] {
            assert_eq!(number(text), expected, "{text}");
        }
    }

    #[test]
    fn large_integers_compare_exactly() {
        let value = Value::bare("9007199254740993");
        let near = "9007199254740992";
        assert!(!value.holds(Comparison::Equal, near, number(near)));
        let same = "9007199254740993";
        assert!(value.holds(Comparison::Equal, same, number(same)));
    }

    #[test]
    fn numbers_equal_however_they_are_written() {
        assert!(Value::bare("1e2").holds(Comparison::Equal, "100", Some(100.0)));
        assert!(Value::bare("100").holds(Comparison::Equal, "100.0", Some(100.0)));
        assert!(Value::bare("+5").holds(Comparison::Equal, "5", Some(5.0)));
    }
}
