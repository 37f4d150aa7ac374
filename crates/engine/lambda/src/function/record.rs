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
        match self
            .configuration
            .function_version
            .as_deref()
            .map(Qualifier::parse)
        {
            Some(Qualifier::Version(number)) => number,
            _ => LATEST,
        }
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
