//! What an invocation runs: one state of a function's code and configuration, frozen.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use ids::RequestId;
use sandbox::Egress;

use crate::function::key::FunctionKey;
use crate::function::tags;
use crate::logging::settings::LogSettings;
use crate::package::code_store::{CodeLease, OptLease};
use crate::runtime::Runtime;
use crate::runtime::container::Container;
use crate::runtime::install::Installed;

/// One state of a function's code and configuration. Environments belong to a deployment: an update
/// makes a new one, and a published version has its own.
pub(crate) struct Deployment {
    /// Its identity; never reused.
    pub(crate) id: RequestId,
    /// The function.
    pub(crate) key: FunctionKey,
    /// `$LATEST` or the version's number.
    pub(crate) version: Arc<str>,
    /// The function's ARN, unqualified.
    pub(crate) arn: Arc<str>,
    /// The ARN of the role that its functions run as.
    pub(crate) role: Arc<str>,
    pub(crate) runtime: Runtime,
    /// The ARN of the runtime's version, as the configuration shows it.
    pub(crate) runtime_version_arn: String,
    /// The interpreter and client, where the runtime has them.
    pub(crate) client: Option<Installed>,
    pub(crate) handler: String,
    pub(crate) memory_mb: u32,
    /// The size of `/tmp`.
    pub(crate) scratch_mb: u32,
    pub(crate) timeout: Duration,
    /// The most that its functions may reach by the network.
    pub(crate) egress: Egress,
    /// The function's own environment variables.
    pub(crate) variables: BTreeMap<String, String>,
    /// A file of its package that AWS would not let it read.
    pub(crate) private_file: Option<String>,
    pub(crate) code: Code,
    /// Whether its environments are restored from a snapshot: that of a published version with
    /// SnapStart.
    pub(crate) snap_start: bool,
    /// Whether invocations are traced of which their callers have not decided it.
    pub(crate) is_traced: bool,
    /// Where its environments log, and how.
    pub(crate) logging: LogSettings,
}

/// What environments find where they run: it stays as long as this is held.
#[derive(Debug)]
pub(crate) enum Code {
    /// A package, unpacked, and its layers, merged: what lies at `/opt`.
    Package { task: CodeLease, opt: OptLease },
    /// A container image.
    Image(Container),
}

/// Which environments may serve a deployment: those that reach by the network what the function may
/// now, which its tags change at any time.
pub(crate) type PoolKey = (RequestId, Egress);

impl Deployment {
    /// Which environments may serve it.
    pub(crate) fn pool_key(&self) -> PoolKey {
        (self.id, self.egress)
    }

    /// The container that it runs in place of a runtime and a package, where it does.
    pub(crate) fn container(&self) -> Option<&Container> {
        match &self.code {
            Code::Image(container) => Some(container),
            Code::Package { .. } => None,
        }
    }

    /// How its environments come to be initialised, as `AWS_LAMBDA_INITIALIZATION_TYPE` names it.
    pub(crate) fn initialization_type(&self) -> &'static str {
        if self.snap_start {
            "snap-start"
        } else {
            "on-demand"
        }
    }

    /// In which ways it runs otherwise than on AWS, or than it asks for, where its functions reach
    /// `reach` by the network; for its log.
    pub(crate) fn warnings(&self, reach: Egress) -> impl Iterator<Item = String> {
        let client = self.client.as_ref();
        let substitution = client.and_then(|client| client.substitution(self.runtime));
        let private = self.private_file.as_ref().map(|name| {
            format!(
                "the package keeps {name} from all users but its owner: on AWS the function could \
                 not read it; set its permissions to 644, or 755 for programs, before you ship it"
            )
        });
        let wide = (reach > self.egress).then(|| {
            format!(
                "the tag {} asks for less, but this host cannot keep the function from the network \
                 that it is part of itself; `lambdalab doctor` says why",
                tags::EGRESS
            )
        });
        let architecture = self.container().and_then(Container::warning);
        let own = private.into_iter().chain(wide).chain(architecture);
        substitution.into_iter().chain(own)
    }
}

impl std::fmt::Debug for Deployment {
    /// Leaves the environment variables out: they hold secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Deployment")
            .field("id", &self.id)
            .field("arn", &self.arn)
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}
