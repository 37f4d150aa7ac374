//! One value of a request against one value of a condition.

use std::cmp::Ordering;
use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::pattern::{Pattern, Reach};
use crate::{Context, PolicyError};

/// How two ordered values must stand to one another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    Equal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// What is compared, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Comparison {
    Text(Reach),
    TextIgnoringCase,
    Number(Order),
    Date(Order),
    Bool,
    Binary,
    Address,
}

/// A value of a condition, read once.
#[derive(Debug, Clone)]
pub(super) enum Operand {
    Pattern(Pattern),
    Number(f64),
    /// Microseconds since 1970.
    Date(i64),
    Bool(bool),
    Binary(Vec<u8>),
    /// An address and how many of its leading bits count.
    Network(IpAddr, u32),
    /// Nothing compares to it.
    Nothing,
}

impl Comparison {
    /// The comparison that an operator without its prefix and suffix names, and whether it is
    /// negated.
    pub(super) fn named(name: &str) -> Option<(Self, bool)> {
        let order = |of: fn(Order) -> Self, rest: &str| {
            Some(match rest {
                "Equals" => (of(Order::Equal), false),
                "NotEquals" => (of(Order::Equal), true),
                "LessThan" => (of(Order::Less), false),
                "LessThanEquals" => (of(Order::LessOrEqual), false),
                "GreaterThan" => (of(Order::Greater), false),
                "GreaterThanEquals" => (of(Order::GreaterOrEqual), false),
                _ => return None,
            })
        };
        Some(match name {
            "StringEquals" => (Self::Text(Reach::Literal), false),
            "StringNotEquals" => (Self::Text(Reach::Literal), true),
            "StringEqualsIgnoreCase" => (Self::TextIgnoringCase, false),
            "StringNotEqualsIgnoreCase" => (Self::TextIgnoringCase, true),
            "StringLike" => (Self::Text(Reach::Text), false),
            "StringNotLike" => (Self::Text(Reach::Text), true),
            "ArnEquals" | "ArnLike" => (Self::Text(Reach::Parts), false),
            "ArnNotEquals" | "ArnNotLike" => (Self::Text(Reach::Parts), true),
            "Bool" => (Self::Bool, false),
            "BinaryEquals" => (Self::Binary, false),
            "IpAddress" => (Self::Address, false),
            "NotIpAddress" => (Self::Address, true),
            _ => match name.strip_prefix("Numeric") {
                Some(rest) => order(Self::Number, rest)?,
                None => order(Self::Date, name.strip_prefix("Date")?)?,
            },
        })
    }

    /// Reads a value of a condition.
    pub(super) fn operand(self, text: &str, variables: bool) -> Result<Operand, PolicyError> {
        Ok(match self {
            Self::Text(reach) => Operand::Pattern(Pattern::parse(text, reach, variables)),
            Self::TextIgnoringCase => {
                Operand::Pattern(Pattern::parse(text, Reach::Literal, variables).ignoring_case())
            }
            Self::Number(_) => number(text).map_or(Operand::Nothing, Operand::Number),
            Self::Date(_) => date(text).map_or(Operand::Nothing, Operand::Date),
            Self::Bool => Operand::Bool(truth(text).ok_or(PolicyError::Syntax)?),
            Self::Binary => {
                Operand::Binary(STANDARD.decode(text).map_err(|_| PolicyError::Syntax)?)
            }
            Self::Address => {
                let (address, bits) = network(text).ok_or(PolicyError::Syntax)?;
                Operand::Network(address, bits)
            }
        })
    }

    /// Whether `value`, of the request, compares to `operand`, of the condition.
    pub(super) fn holds(self, value: &str, operand: &Operand, context: &Context) -> bool {
        match (self, operand) {
            (_, Operand::Pattern(pattern)) => pattern.matches(value, context),
            (Self::Number(order), Operand::Number(bound)) => number(value)
                .and_then(|value| value.partial_cmp(bound))
                .is_some_and(|found| order.admits(found)),
            (Self::Date(order), Operand::Date(bound)) => {
                date(value).is_some_and(|value| order.admits(value.cmp(bound)))
            }
            (_, Operand::Bool(expected)) => truth(value) == Some(*expected),
            (_, Operand::Binary(expected)) => {
                STANDARD.decode(value).is_ok_and(|value| value == *expected)
            }
            (_, Operand::Network(network, bits)) => value
                .parse()
                .is_ok_and(|address| within(address, *network, *bits)),
            _ => false,
        }
    }
}

impl Order {
    fn admits(self, found: Ordering) -> bool {
        match self {
            Self::Equal => found.is_eq(),
            Self::Less => found.is_lt(),
            Self::LessOrEqual => found.is_le(),
            Self::Greater => found.is_gt(),
            Self::GreaterOrEqual => found.is_ge(),
        }
    }
}

fn number(text: &str) -> Option<f64> {
    text.trim().parse().ok().filter(|n: &f64| n.is_finite())
}

fn truth(text: &str) -> Option<bool> {
    match text {
        _ if text.eq_ignore_ascii_case("true") => Some(true),
        _ if text.eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    }
}

/// A date in one of ISO 8601's forms, or seconds since 1970; in microseconds.
fn date(text: &str) -> Option<i64> {
    let text = text.trim();
    if text.len() > 4
        && let Ok(seconds) = text.parse::<i64>()
    {
        return seconds.checked_mul(1_000_000);
    }
    if let Ok(instant) = text.parse::<jiff::Timestamp>() {
        return Some(instant.as_microsecond());
    }
    let whole = match text.len() {
        4 => format!("{text}-01-01"),
        7 => format!("{text}-01"),
        _ => text.to_owned(),
    };
    let civil = whole.parse::<jiff::civil::DateTime>().ok()?;
    let instant = jiff::tz::Offset::UTC.to_timestamp(civil).ok()?;
    Some(instant.as_microsecond())
}

/// `10.0.0.0/8`, `2001:db8::/32`, or one address.
fn network(text: &str) -> Option<(IpAddr, u32)> {
    let (address, bits) = match text.split_once('/') {
        Some((address, bits)) => (address, Some(bits.parse::<u32>().ok()?)),
        None => (text, None),
    };
    let address: IpAddr = address.parse().ok()?;
    let all = if address.is_ipv4() { 32 } else { 128 };
    let bits = bits.unwrap_or(all);
    (bits <= all).then_some((address, bits))
}

fn within(address: IpAddr, network: IpAddr, bits: u32) -> bool {
    // Only the leading bits stay; all of them where a shift by none would overflow.
    match (address, network) {
        (IpAddr::V4(a), IpAddr::V4(b)) => {
            (a.to_bits() ^ b.to_bits())
                .checked_shr(32 - bits)
                .unwrap_or(0)
                == 0
        }
        (IpAddr::V6(a), IpAddr::V6(b)) => {
            (a.to_bits() ^ b.to_bits())
                .checked_shr(128 - bits)
                .unwrap_or(0)
                == 0
        }
        _ => false,
    }
}
