//! Points in time inside a document.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A timestamp member of a JSON document: seconds since the epoch, with a fraction.
///
/// Other protocols and HTTP headers write other forms; each is a type of its own, so that a shape's
/// member says which one it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EpochSeconds(pub ids::Timestamp);

impl Serialize for EpochSeconds {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(self.0.as_seconds_f64())
    }
}

impl<'de> Deserialize<'de> for EpochSeconds {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let seconds = f64::deserialize(deserializer)?;
        #[expect(
            clippy::cast_possible_truncation,
            reason = "a float cast saturates, and the fraction below a microsecond has no meaning"
        )]
        let micros = (seconds * 1e6).round() as i64;
        Ok(Self(ids::Timestamp(micros)))
    }
}

/// A timestamp member of a query document: ISO 8601 in UTC, in whole seconds as IAM and STS write
/// it: `2026-11-22T09:31:40Z`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DateTime(pub ids::Timestamp);

impl Serialize for DateTime {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0.civil().strftime("%Y-%m-%dT%H:%M:%SZ"))
    }
}

impl<'de> Deserialize<'de> for DateTime {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let at: jiff::Timestamp = text
            .parse()
            .map_err(|_| D::Error::custom(format_args!("'{text}' is no ISO 8601 date-time")))?;
        Ok(Self(ids::Timestamp(at.as_microsecond())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_time_is_whole_seconds_in_utc() {
        let at = DateTime(ids::Timestamp(1_795_339_900_987_654));
        let text = serde_json::to_string(&at).unwrap();
        assert_eq!(text, r#""2026-11-22T09:31:40Z""#);
        let read: DateTime = serde_json::from_str(r#""2026-11-22T10:31:40.5+01:00""#).unwrap();
        assert_eq!(read, DateTime(ids::Timestamp(1_795_339_900_500_000)));
        let error = serde_json::from_str::<DateTime>(r#""now""#).unwrap_err();
        assert!(
            error.to_string().contains("'now' is no ISO 8601"),
            "{error}"
        );
    }

    #[test]
    fn keeps_its_microseconds() {
        let at = EpochSeconds(ids::Timestamp(1_795_339_900_123_456));
        let text = serde_json::to_string(&at).unwrap();
        assert_eq!(text, "1795339900.123456");
        assert_eq!(serde_json::from_str::<EpochSeconds>(&text).unwrap(), at);
    }

    #[test]
    fn takes_whole_seconds_and_any_size() {
        let at = |text| serde_json::from_str::<EpochSeconds>(text).unwrap().0;
        assert_eq!(at("7"), ids::Timestamp(7_000_000));
        assert_eq!(at("1e300"), ids::Timestamp(i64::MAX));
    }
}
