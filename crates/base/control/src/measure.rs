//! By which measures an engine keeps functions apart from its host and within their limits.

use serde::{Deserialize, Serialize};

/// One of the list that is the answer of [`MEASURES_PATH`](crate::MEASURES_PATH).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Measure {
    /// Which one: `isolation`, `network`, `scratch`, `memory`, `cpu`, `pids`, `freeze` or `kill`.
    pub name: String,
    /// How far it falls short of AWS's and what would help; nothing where it does not.
    pub missing: Option<String>,
}
