//! Points in time inside a JSON document.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A timestamp member of a JSON document: seconds since the epoch, with a fraction.
///
/// Other protocols and HTTP headers write other forms (ISO 8601, RFC 9110 dates); they will be
/// types of their own, so that a shape's member says which one it is.
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

#[cfg(test)]
mod tests {
    use super::*;

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
