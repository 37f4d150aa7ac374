//! What is kept of a layer version.

use serde::{Deserialize, Serialize};
use wire::lambda::{
    Architecture, GetLayerVersionResponse, LayerVersionContentOutput, LayerVersionsListItem,
    Runtime,
};

use super::key::LayerKey;

/// A layer version, as it is kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct LayerVersionRecord {
    /// The package's digest, as `CodeSha256` shows it.
    pub(crate) code_sha256: String,
    /// The package's size in bytes.
    pub(crate) code_size: i64,
    /// How many bytes it holds unpacked.
    pub(crate) unzipped_size: u64,
    pub(crate) description: String,
    pub(crate) created_date: String,
    pub(crate) compatible_architectures: Option<Vec<Architecture>>,
    pub(crate) compatible_runtimes: Option<Vec<Runtime>>,
    pub(crate) license_info: Option<String>,
}

impl LayerVersionRecord {
    /// The whole of it, with the place where its package can be fetched.
    pub(crate) fn shown(
        self,
        key: &LayerKey,
        number: u64,
        location: Option<String>,
    ) -> GetLayerVersionResponse {
        GetLayerVersionResponse {
            content: Some(LayerVersionContentOutput {
                location,
                code_sha256: Some(self.code_sha256),
                code_size: Some(self.code_size),
                ..LayerVersionContentOutput::default()
            }),
            layer_arn: Some(key.arn()),
            layer_version_arn: Some(key.version_arn(number)),
            description: Some(self.description),
            created_date: Some(self.created_date),
            version: i64::try_from(number).ok(),
            compatible_architectures: self.compatible_architectures,
            compatible_runtimes: self.compatible_runtimes,
            license_info: self.license_info,
        }
    }

    /// Its line in a list.
    pub(crate) fn listed(self, key: &LayerKey, number: u64) -> LayerVersionsListItem {
        LayerVersionsListItem {
            layer_version_arn: Some(key.version_arn(number)),
            version: i64::try_from(number).ok(),
            description: Some(self.description),
            created_date: Some(self.created_date),
            compatible_architectures: self.compatible_architectures,
            compatible_runtimes: self.compatible_runtimes,
            license_info: self.license_info,
        }
    }
}
