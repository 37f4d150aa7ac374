//! What is kept of a version and of an alias.

use ids::{Qualifier, RequestId};
use serde::{Deserialize, Serialize};
use wire::lambda::{AliasConfiguration, FunctionConfiguration};

/// The number under which `$LATEST` is kept.
pub(crate) const LATEST: u64 = 0;

/// `$LATEST`, or a published version, as it is kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct VersionRecord {
    /// What the API shows.
    pub(crate) configuration: FunctionConfiguration,
    /// What invocations run.
    pub(crate) deployment: RequestId,
    /// While an update is in progress: what invocations run until it has succeeded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) before_update: Option<Box<Live>>,
    /// Of a published version: the description that `$LATEST` had when it was published.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) source_description: Option<String>,
    /// Of a function from a container image: which one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) image: Option<ImageSource>,
}

/// The container image of a version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ImageSource {
    /// As it was asked for.
    pub(crate) uri: String,
    /// The same by its digest.
    pub(crate) resolved: String,
}

/// The configuration under which invocations run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Live {
    pub(crate) configuration: FunctionConfiguration,
    pub(crate) deployment: RequestId,
}

impl AliasRecord {
    /// The number of the version that it points to.
    pub(crate) fn version_number(&self) -> u64 {
        let version = self.configuration.function_version.as_deref();
        number(version.unwrap_or_default())
    }

    /// The number of the version that one invocation runs: `draw`, a random number from 0 up to 1,
    /// falls into the share of an additional version, or else the alias's own version runs.
    pub(crate) fn route(&self, draw: f64) -> u64 {
        let routing = self.configuration.routing_config.as_ref();
        let weights = routing.and_then(|routing| routing.additional_version_weights.as_ref());
        let mut share = 0.0;
        for (version, weight) in weights.into_iter().flatten() {
            share += weight;
            if draw < share {
                return number(version);
            }
        }
        self.version_number()
    }
}

fn number(version: &str) -> u64 {
    match Qualifier::parse(version) {
        Qualifier::Version(number) => number,
        _ => LATEST,
    }
}

impl VersionRecord {
    /// The packages that it needs, as `CodeSha256` names them: its own, and that of before an update
    /// which is in progress.
    pub(crate) fn code(&self) -> [Option<&str>; 2] {
        let before = self.before_update.as_ref();
        [
            self.configuration.code_sha256.as_deref(),
            before.and_then(|live| live.configuration.code_sha256.as_deref()),
        ]
    }

    /// The configurations that it needs packages for: its own, and that of before an update which
    /// is in progress.
    pub(crate) fn configurations(&self) -> impl Iterator<Item = &FunctionConfiguration> {
        let before = self.before_update.as_ref().map(|live| &live.configuration);
        [&self.configuration].into_iter().chain(before)
    }

    /// What invocations run now.
    pub(crate) fn live(&self) -> (&FunctionConfiguration, RequestId) {
        match &self.before_update {
            Some(live) => (&live.configuration, live.deployment),
            None => (&self.configuration, self.deployment),
        }
    }
}

/// An alias, as it is kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct AliasRecord {
    /// What the API shows.
    pub(crate) configuration: AliasConfiguration,
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use wire::lambda::AliasRoutingConfiguration;

    use super::*;

    #[test]
    fn weights_are_shares() {
        let alias = AliasRecord {
            configuration: AliasConfiguration {
                function_version: Some("1".to_owned()),
                routing_config: Some(AliasRoutingConfiguration {
                    additional_version_weights: Some(BTreeMap::from([("2".to_owned(), 0.25)])),
                }),
                ..AliasConfiguration::default()
            },
        };
        assert_eq!(alias.route(0.0), 2);
        assert_eq!(alias.route(0.249), 2);
        assert_eq!(alias.route(0.25), 1);
        assert_eq!(alias.version_number(), 1);
    }
}
