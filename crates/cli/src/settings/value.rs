//! How the text of a setting becomes its value, and how a value is shown.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use lab_aws::TargetName;

use crate::confinement::{Egress, IsolationMode};
use crate::format::Format;

/// A value that a setting can have. What is not allowed gives `None`: the setting's definition
/// says what would be.
pub(crate) trait SettingValue: Sized {
    /// From what somebody wrote.
    fn read(texts: &[String]) -> Option<Self>;
    /// As it is shown.
    fn show(&self) -> String;
}

/// A value that is one text.
trait OneText: Sized {
    fn read_one(text: &str) -> Option<Self>;
    fn show_one(&self) -> String;
}

impl<T: OneText> SettingValue for T {
    fn read(texts: &[String]) -> Option<Self> {
        match texts {
            [text] => T::read_one(text.trim()),
            _ => None,
        }
    }

    fn show(&self) -> String {
        self.show_one()
    }
}

impl OneText for PathBuf {
    fn read_one(text: &str) -> Option<Self> {
        (!text.is_empty()).then(|| Self::from(text))
    }

    fn show_one(&self) -> String {
        self.display().to_string()
    }
}

impl OneText for SocketAddr {
    fn read_one(text: &str) -> Option<Self> {
        text.parse().ok()
    }

    fn show_one(&self) -> String {
        self.to_string()
    }
}

impl OneText for bool {
    fn read_one(text: &str) -> Option<Self> {
        match text {
            "true" | "1" | "yes" => Some(true),
            "false" | "0" | "no" => Some(false),
            _ => None,
        }
    }

    fn show_one(&self) -> String {
        self.to_string()
    }
}

impl OneText for IsolationMode {
    fn read_one(text: &str) -> Option<Self> {
        match text {
            "auto" => Some(Self::Auto),
            "required" => Some(Self::Required),
            "none" => Some(Self::None),
            _ => None,
        }
    }

    fn show_one(&self) -> String {
        match self {
            Self::Auto => "auto".to_owned(),
            Self::Required => "required".to_owned(),
            Self::None => "none".to_owned(),
        }
    }
}

impl OneText for Egress {
    fn read_one(text: &str) -> Option<Self> {
        match text {
            "nat" => Some(Self::Nat),
            "none" => Some(Self::None),
            "host" => Some(Self::Host),
            _ => None,
        }
    }

    fn show_one(&self) -> String {
        match self {
            Self::Host => "host".to_owned(),
            Self::Nat => "nat".to_owned(),
            Self::None => "none".to_owned(),
        }
    }
}

impl OneText for Format {
    fn read_one(text: &str) -> Option<Self> {
        match text {
            "table" => Some(Self::Table),
            "json" => Some(Self::Json),
            _ => None,
        }
    }

    fn show_one(&self) -> String {
        match self {
            Self::Table => "table".to_owned(),
            Self::Json => "json".to_owned(),
        }
    }
}

impl OneText for TargetName {
    fn read_one(text: &str) -> Option<Self> {
        text.parse().ok()
    }

    fn show_one(&self) -> String {
        self.to_string()
    }
}

/// Free text.
impl OneText for String {
    fn read_one(text: &str) -> Option<Self> {
        (!text.is_empty()).then(|| text.to_owned())
    }

    fn show_one(&self) -> String {
        self.clone()
    }
}

/// A region's name: letters, digits and dashes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Region(pub String);

impl OneText for Region {
    fn read_one(text: &str) -> Option<Self> {
        let shaped = (3..=40).contains(&text.len())
            && text.contains('-')
            && text
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        shaped.then(|| Self(text.to_owned()))
    }

    fn show_one(&self) -> String {
        self.0.clone()
    }
}

/// The address of a server, for HTTP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Address(pub String);

impl OneText for Address {
    fn read_one(text: &str) -> Option<Self> {
        let mut schemes = ["http://", "https://"].into_iter();
        let host = schemes.find_map(|scheme| text.strip_prefix(scheme))?;
        let named = host.starts_with(|first: char| first.is_ascii_alphanumeric() || first == '[');
        named.then(|| Self(text.to_owned()))
    }

    fn show_one(&self) -> String {
        self.0.clone()
    }
}

/// An account's number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Account(pub String);

impl OneText for Account {
    fn read_one(text: &str) -> Option<Self> {
        let shaped = text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit());
        shaped.then(|| Self(text.to_owned()))
    }

    fn show_one(&self) -> String {
        self.0.clone()
    }
}

/// An amount of memory, in MB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Megabytes(pub u64);

impl OneText for Megabytes {
    fn read_one(text: &str) -> Option<Self> {
        text.parse()
            .ok()
            .filter(|mb| (128..=16_777_216).contains(mb))
            .map(Self)
    }

    fn show_one(&self) -> String {
        format!("{} MB", self.0)
    }
}

/// A factor around 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Scale(pub f64);

impl OneText for Scale {
    fn read_one(text: &str) -> Option<Self> {
        text.parse()
            .ok()
            .filter(|factor| (0.1..=10.0).contains(factor))
            .map(Self)
    }

    fn show_one(&self) -> String {
        self.0.to_string()
    }
}

/// How many invocations an account may have at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Concurrency(pub u32);

impl OneText for Concurrency {
    fn read_one(text: &str) -> Option<Self> {
        let count = text.parse().ok();
        count
            .filter(|count| (1..=1_000_000).contains(count))
            .map(Self)
    }

    fn show_one(&self) -> String {
        self.0.to_string()
    }
}

/// A span of time such as `1h30m`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span(pub Duration);

const UNITS: [(&str, u64); 4] = [("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)];

impl OneText for Span {
    fn read_one(text: &str) -> Option<Self> {
        let mut seconds = 0_u64;
        let mut rest = text;
        let mut smallest = u64::MAX;
        while !rest.is_empty() {
            let digits = rest.find(|c: char| !c.is_ascii_digit())?;
            let (amount, tail) = rest.split_at(digits);
            let (unit, length) = UNITS.into_iter().find(|(unit, _)| tail.starts_with(unit))?;
            if length >= smallest {
                return None;
            }
            smallest = length;
            seconds = amount
                .parse::<u64>()
                .ok()?
                .checked_mul(length)?
                .checked_add(seconds)?;
            rest = &tail[unit.len()..];
        }
        (1..=30 * 86_400)
            .contains(&seconds)
            .then_some(Self(Duration::from_secs(seconds)))
    }

    fn show_one(&self) -> String {
        let mut left = self.0.as_secs();
        let mut text = String::new();
        for (unit, length) in UNITS {
            if left >= length {
                text.push_str(&format!("{}{unit}", left / length));
                left %= length;
            }
        }
        text
    }
}

/// Web origins: scheme, host and perhaps a port.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Origins(pub Vec<String>);

impl SettingValue for Origins {
    fn read(texts: &[String]) -> Option<Self> {
        let origin = |text: &String| {
            let text = text.trim();
            let host = text
                .strip_prefix("http://")
                .or_else(|| text.strip_prefix("https://"))?;
            let plain = !host.is_empty()
                && !host.contains(|c: char| c == '/' || c == '*' || c.is_whitespace());
            plain.then(|| text.to_owned())
        };
        texts.iter().map(origin).collect::<Option<_>>().map(Self)
    }

    fn show(&self) -> String {
        self.0.join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read<T: SettingValue>(text: &str) -> Option<T> {
        T::read(&[text.to_owned()])
    }

    #[test]
    fn spans() {
        let seconds = |text| read::<Span>(text).map(|span| span.0.as_secs());
        assert_eq!(seconds("30s"), Some(30));
        assert_eq!(seconds("10m"), Some(600));
        assert_eq!(seconds("1h30m"), Some(5_400));
        assert_eq!(seconds("30d"), Some(2_592_000));
        for wrong in [
            "",
            "0s",
            "10",
            "m",
            "10x",
            "-1s",
            "1.5h",
            "30m1h",
            "31d",
            "1s1s",
            "99999999999999999999s",
            "18446744073709551615d",
            "10 m",
        ] {
            assert_eq!(seconds(wrong), None, "{wrong}");
        }
        assert_eq!(read::<Span>("90m").unwrap().show(), "1h30m");
    }

    #[test]
    fn accounts_regions_and_amounts() {
        assert!(read::<Account>("123456789012").is_some());
        for wrong in ["12345678901", "1234567890123", "12345678901x"] {
            assert_eq!(read::<Account>(wrong), None, "{wrong}");
        }
        assert!(read::<Region>("eu-west-1").is_some());
        for wrong in ["", "eu", "EU-WEST-1", "eu west-1", "europe"] {
            assert_eq!(read::<Region>(wrong), None, "{wrong}");
        }
        assert_eq!(read::<Concurrency>("10"), Some(Concurrency(10)));
        for wrong in ["0", "-1", "1000001", "many"] {
            assert_eq!(read::<Concurrency>(wrong), None, "{wrong}");
        }
        assert_eq!(read::<Megabytes>("128"), Some(Megabytes(128)));
        for wrong in ["127", "-1", "1.5", "16777217", "much"] {
            assert_eq!(read::<Megabytes>(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn origins() {
        let many = [
            "http://localhost:3000".to_owned(),
            "https://lab.example".to_owned(),
        ];
        assert_eq!(Origins::read(&many).unwrap().0, many);
        for wrong in [
            "localhost:3000",
            "http://",
            "http://a/b",
            "*",
            "https://*.example",
        ] {
            assert_eq!(read::<Origins>(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn one_value_is_one_value() {
        assert_eq!(bool::read(&["true".to_owned(), "false".to_owned()]), None);
        assert_eq!(read::<bool>("perhaps"), None);
    }
}
