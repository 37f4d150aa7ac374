//! Numbers that keep what was written.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

/// A JSON number.
///
/// One that is handed through comes out as it went in, digit by digit: `1.10` stays `1.10` and a
/// number of forty digits keeps them all. Comparing is by value, exactly, whatever the spelling.
#[derive(Clone)]
pub struct Number(Repr);

#[derive(Clone)]
enum Repr {
    /// Spelled as Rust spells it.
    Whole(i64),
    /// Everything else, as it was written.
    Spelled(Arc<str>),
}

impl Number {
    /// A number that JSON has: `None` for infinities and what is no number.
    ///
    /// It is spelled with the fewest digits that mean it: whole below 10^21 without a point, the
    /// very large and very small with an exponent, as JavaScript spells numbers.
    #[must_use]
    pub fn from_f64(value: f64) -> Option<Self> {
        if !value.is_finite() {
            return None;
        }
        // Above, neighbours are more than one apart, and not every digit is meant.
        const EXACT: f64 = 9_007_199_254_740_992.0;
        #[expect(clippy::cast_possible_truncation, reason = "guarded by the bound")]
        if value.fract() == 0.0 && value.abs() < EXACT {
            return Some(Self(Repr::Whole(value as i64)));
        }
        let magnitude = value.abs();
        Some(Self(Repr::Spelled(
            if (1e-6..1e21).contains(&magnitude) {
                value.to_string()
            } else {
                let text = format!("{value:e}");
                match text.split_once('e') {
                    Some((digits, exponent)) if !exponent.starts_with('-') => {
                        format!("{digits}e+{exponent}")
                    }
                    _ => text,
                }
            }
            .into(),
        )))
    }

    /// What the reader found; `text` is a number by JSON's grammar.
    pub(super) fn from_text(text: &str) -> Self {
        // JSON has no leading zeros, so an i64's text is its only spelling; but `-0` becomes `0`,
        // as it does in Step Functions.
        match text.parse() {
            Ok(whole) => Self(Repr::Whole(whole)),
            Err(_) => Self(Repr::Spelled(text.into())),
        }
    }

    /// The value, where it is whole and fits: `2`, `2.0` and `2e0` alike.
    #[must_use]
    pub fn as_i64(&self) -> Option<i64> {
        match &self.0 {
            Repr::Whole(whole) => Some(*whole),
            Repr::Spelled(text) => {
                let decimal = Decimal::of(text);
                let digits = decimal.whole_digits(19)?;
                let sign = if decimal.negative { "-" } else { "" };
                format!("{sign}{digits}").parse().ok()
            }
        }
    }

    /// The value, where it is spelled as a whole number and fits.
    pub(super) fn as_i64_spelling(&self) -> Option<i64> {
        match &self.0 {
            Repr::Whole(whole) => Some(*whole),
            Repr::Spelled(_) => None,
        }
    }

    /// Whether it is spelled without point and exponent.
    #[must_use]
    pub fn is_integer(&self) -> bool {
        match &self.0 {
            Repr::Whole(_) => true,
            Repr::Spelled(text) => !text.contains(['.', 'e', 'E']),
        }
    }

    /// The nearest floating-point number, infinite beyond its range.
    #[must_use]
    pub fn as_f64(&self) -> f64 {
        match &self.0 {
            #[expect(clippy::cast_precision_loss, reason = "the nearest is asked for")]
            Repr::Whole(whole) => *whole as f64,
            Repr::Spelled(text) => text.parse().unwrap_or(f64::NAN),
        }
    }

    /// The text.
    #[must_use]
    pub fn spelling(&self) -> Cow<'_, str> {
        match &self.0 {
            Repr::Whole(whole) => Cow::Owned(whole.to_string()),
            Repr::Spelled(text) => Cow::Borrowed(text),
        }
    }

    pub(super) fn size(&self) -> usize {
        match &self.0 {
            Repr::Whole(whole) => {
                let digits = whole.unsigned_abs().checked_ilog10().unwrap_or(0) + 1;
                digits as usize + usize::from(*whole < 0)
            }
            Repr::Spelled(text) => text.len(),
        }
    }

    pub(super) fn write_to(&self, text: &mut String) {
        match &self.0 {
            Repr::Whole(whole) => {
                let mut digits = [0_u8; 20];
                let mut at = digits.len();
                let mut rest = whole.unsigned_abs();
                loop {
                    at -= 1;
                    digits[at] = b'0' + (rest % 10) as u8;
                    rest /= 10;
                    if rest == 0 {
                        break;
                    }
                }
                if *whole < 0 {
                    text.push('-');
                }
                text.extend(digits[at..].iter().map(|digit| char::from(*digit)));
            }
            Repr::Spelled(spelled) => text.push_str(spelled),
        }
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.spelling())
    }
}

impl fmt::Debug for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Number({self})")
    }
}

impl PartialEq for Number {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Number {}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Number {
    fn cmp(&self, other: &Self) -> Ordering {
        match (&self.0, &other.0) {
            (Repr::Whole(a), Repr::Whole(b)) => a.cmp(b),
            (Repr::Spelled(a), Repr::Spelled(b)) if a == b => Ordering::Equal,
            _ => Decimal::of(&self.spelling()).cmp(&Decimal::of(&other.spelling())),
        }
    }
}

impl From<i64> for Number {
    fn from(value: i64) -> Self {
        Self(Repr::Whole(value))
    }
}

impl From<usize> for Number {
    fn from(value: usize) -> Self {
        match i64::try_from(value) {
            Ok(whole) => whole.into(),
            Err(_) => Self(Repr::Spelled(value.to_string().into())),
        }
    }
}

impl From<&serde_json::Number> for Number {
    fn from(number: &serde_json::Number) -> Self {
        Self::from_text(&number.to_string())
    }
}

impl From<&Number> for serde_json::Value {
    fn from(number: &Number) -> Self {
        match &number.0 {
            Repr::Whole(whole) => Self::from(*whole),
            // Not by serde_json's own reader, whose last digit may be off.
            Repr::Spelled(text) => match text.parse::<u64>() {
                Ok(whole) => Self::from(whole),
                Err(_) => Self::from(number.as_f64()),
            },
        }
    }
}

/// A number's value: `0.d₁d₂d₃… × 10^exponent`, the first and the last digit not zero.
#[derive(PartialEq, Eq)]
struct Decimal {
    negative: bool,
    digits: Vec<u8>,
    exponent: i64,
}

impl Decimal {
    fn of(text: &str) -> Self {
        let (negative, text) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
        // An exponent beyond i64 has the sign that matters.
        let exponent = exponent
            .trim_start_matches('+')
            .parse()
            .unwrap_or(if exponent.starts_with('-') {
                i64::MIN / 4
            } else {
                i64::MAX / 4
            })
            .clamp(i64::MIN / 4, i64::MAX / 4);
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let mut digits: Vec<u8> = whole.bytes().chain(fraction.bytes()).collect();
        let zeros = digits.iter().take_while(|digit| **digit == b'0').count();
        digits.drain(..zeros);
        while digits.last() == Some(&b'0') {
            digits.pop();
        }
        if digits.is_empty() {
            return Self {
                negative: false,
                digits,
                exponent: 0,
            };
        }
        let point = i64::try_from(whole.len()).unwrap_or(i64::MAX / 4)
            - i64::try_from(zeros).unwrap_or(i64::MAX / 4);
        Self {
            negative,
            digits,
            exponent: exponent.saturating_add(point),
        }
    }

    /// The digits of a whole number of at most `limit` digits.
    fn whole_digits(&self, limit: usize) -> Option<String> {
        if self.digits.is_empty() {
            return Some("0".to_owned());
        }
        let length = usize::try_from(self.exponent).ok()?;
        if length > limit || length < self.digits.len() {
            return None;
        }
        let mut digits = self.digits.clone();
        digits.resize(length, b'0');
        String::from_utf8(digits).ok()
    }

    fn magnitude(&self, other: &Self) -> Ordering {
        // Without digits it is zero, below everything else.
        self.digits
            .is_empty()
            .cmp(&other.digits.is_empty())
            .reverse()
            .then_with(|| self.exponent.cmp(&other.exponent))
            .then_with(|| self.digits.cmp(&other.digits))
    }

    fn cmp(&self, other: &Self) -> Ordering {
        match (self.negative, other.negative) {
            (false, false) => self.magnitude(other),
            (true, true) => other.magnitude(self),
            (false, true) => Ordering::Greater,
            (true, false) => Ordering::Less,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn number(text: &str) -> Number {
        Number::from_text(text)
    }

    #[test]
    fn spelling_is_kept_and_value_compared() {
        for text in [
            "1.10",
            "1E5",
            "-0.0",
            "0.1e-7",
            "123456789012345678901234567890",
        ] {
            assert_eq!(number(text).to_string(), text);
            assert_eq!(number(text).size(), text.len());
        }
        assert_eq!(number("1.10"), number("1.1"));
        assert_eq!(number("1e3"), number("1000"));
        assert_eq!(number("-0"), number("0"));
        assert_eq!(number("0e5"), number("0.000"));
        assert!(number("9007199254740993") > number("9007199254740992.0"));
        assert!(number("-1e400") < number("-1e399"));
        assert!(number("1e-400") > number("0"));
        assert!(number("-1") < number("1e-5"));
        assert!(number("1e99999999999999999999") > number("1e400"));
        assert!(number("1e-99999999999999999999") < number("1e-400"));
    }

    #[test]
    fn whole_values_are_told_from_others() {
        assert_eq!(number("2.0").as_i64(), Some(2));
        assert_eq!(number("-2.50e1").as_i64(), Some(-25));
        assert_eq!(number("0.0").as_i64(), Some(0));
        assert_eq!(number("1.5").as_i64(), None);
        assert_eq!(number("9223372036854775808").as_i64(), None);
        assert_eq!(number("1e400").as_i64(), None);
        assert_eq!(number("-9223372036854775808").as_i64(), Some(i64::MIN));
        assert!(!number("2.0").is_integer());
        assert!(number("9223372036854775808").is_integer());
    }

    #[test]
    fn floats_are_spelled_as_javascript_does() {
        let spelled = |value| Number::from_f64(value).map(|number| number.to_string());
        assert_eq!(spelled(3.0).as_deref(), Some("3"));
        assert_eq!(spelled(0.1).as_deref(), Some("0.1"));
        assert_eq!(
            spelled(1_152_921_504_606_846_976.0).as_deref(),
            Some("1152921504606847000")
        );
        assert_eq!(spelled(1e20).as_deref(), Some("100000000000000000000"));
        assert_eq!(spelled(1e21).as_deref(), Some("1e+21"));
        assert_eq!(spelled(1.5e-7).as_deref(), Some("1.5e-7"));
        assert_eq!(spelled(0.000_001).as_deref(), Some("0.000001"));
        assert_eq!(spelled(f64::NAN), None);
    }

    proptest! {
        #[test]
        fn order_is_that_of_floats(a in -1e9_f64..1e9, b in -1e9_f64..1e9) {
            let (x, y) = (Number::from_f64(a).unwrap(), Number::from_f64(b).unwrap());
            prop_assert_eq!(x.cmp(&y), a.total_cmp(&b));
        }
    }
}
