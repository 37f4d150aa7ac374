//! Secrets, which are not shown.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A text that must not get into logs: the secret half of an access key.
///
/// Signatures are made with the secret itself, so it cannot be kept as a digest.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// Covers `text`.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_not_shown() {
        let shown = format!("{:?}", Some(Secret::new("wJalrXUtnFEMI")));
        assert!(!shown.contains("wJalr"), "{shown}");
    }
}
