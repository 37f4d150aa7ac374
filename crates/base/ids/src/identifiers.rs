//! Identifiers that are drawn.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::Entropy;

/// The id of one request or invocation: a version 4 UUID, in lower case with dashes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RequestId(Uuid);

impl RequestId {
    /// Draws a new id.
    #[must_use]
    pub fn draw(entropy: &dyn Entropy) -> Self {
        Self(uuid::Builder::from_random_bytes(entropy.bits().to_be_bytes()).into_uuid())
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_hyphenated().fmt(f)
    }
}

impl FromStr for RequestId {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, uuid::Error> {
        Uuid::try_parse(text).map(Self)
    }
}

/// The id of one execution environment: 32 hexadecimal digits, as at the end of a log stream name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EnvironmentId(Uuid);

impl EnvironmentId {
    /// Draws a new id.
    #[must_use]
    pub fn draw(entropy: &dyn Entropy) -> Self {
        Self(Uuid::from_u128(entropy.bits()))
    }
}

impl fmt::Display for EnvironmentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_simple().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SeededEntropy;

    #[test]
    fn request_ids_are_version_4() {
        let id = RequestId::draw(&SeededEntropy::new(3)).to_string();
        assert_eq!(id.len(), 36);
        assert_eq!(id.as_bytes()[14], b'4');
        assert_eq!(id.parse::<RequestId>().unwrap().to_string(), id);
    }

    #[test]
    fn environment_ids_are_32_digits() {
        let id = EnvironmentId::draw(&SeededEntropy::new(3)).to_string();
        assert!(
            id.len() == 32 && id.bytes().all(|b| b.is_ascii_hexdigit()),
            "{id}"
        );
    }
}
