//! `served.toml`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::Deserialize;

/// What is generated.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The version of botocore whose models are read.
    pub botocore: String,
    /// The services, by their signing name.
    pub service: BTreeMap<String, Service>,
}

/// What is generated of one service.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Service {
    /// The model, where it is called otherwise than the service.
    pub model: Option<String>,
    /// The folder of the model.
    pub api_version: String,
    /// What the service calls an input that breaks the model's constraints, where the protocol
    /// leaves that to it.
    #[serde(default = "validation_exception")]
    pub validation_code: String,
    /// The operations that are served.
    pub served: BTreeSet<String>,
    /// Corrections of shapes, by name.
    #[serde(default)]
    pub shape: BTreeMap<String, Correction>,
    /// Members (`Shape.Member`) whose constraints the service checks itself.
    #[serde(default)]
    pub unchecked: BTreeSet<String>,
    /// What a service that speaks `json` and `query` is called in the latter.
    pub query: Option<QueryNames>,
}

/// What a model no longer says of the query protocol that its service once had.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QueryNames {
    /// The namespace of the answers.
    pub namespace: String,
    /// What the elements of flattened lists and maps are called, by the name of the member.
    pub elements: BTreeMap<String, Element>,
    /// Errors that go by another code there, by the code of `json`.
    pub errors: BTreeMap<String, QueryError>,
}

/// An element of a flattened list or map.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Element {
    /// Its name; `*` stands for the operation's.
    pub name: String,
    /// What the key of an entry is called.
    #[serde(default = "name")]
    pub key: String,
}

/// An error in the query protocol.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QueryError {
    /// Its code.
    pub code: String,
    /// Its message, where that is another one too.
    pub message: Option<String>,
}

fn name() -> String {
    "Name".to_owned()
}

fn validation_exception() -> String {
    "ValidationException".to_owned()
}

/// What replaces parts of a shape. What is absent stays as the model has it.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Correction {
    /// The least value or length.
    pub min: Option<f64>,
    /// The greatest value or length.
    pub max: Option<f64>,
    /// The pattern.
    pub pattern: Option<String>,
    /// The enum's values, in the order in which AWS prints them.
    #[serde(rename = "enum")]
    pub values: Option<Vec<String>>,
}

/// Settings that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The file cannot be read.
    #[error("cannot read {0}: {1}")]
    Read(String, std::io::Error),
    /// The file is no settings file.
    #[error("{0}: {1}")]
    Parse(String, toml::de::Error),
}

impl Settings {
    /// Reads the file.
    ///
    /// # Errors
    /// When it cannot be read or has entries that mean nothing.
    pub fn read(path: &Path) -> Result<Self, SettingsError> {
        let name = path.display().to_string();
        let text = std::fs::read_to_string(path)
            .map_err(|error| SettingsError::Read(name.clone(), error))?;
        toml::from_str(&text).map_err(|error| SettingsError::Parse(name, error))
    }
}
