//! By what an environment is known.

use std::path::PathBuf;
use std::sync::Arc;

use ids::{Clock, Entropy, EnvironmentId};
use trace::{Header, SpanId};

use super::settings::Settings;
use crate::deployment::Deployment;
use crate::identity::FunctionIdentity;

/// An environment that is made ahead of invocations.
pub(crate) const PROVISIONED: &str = "provisioned-concurrency";

/// By what an environment is known to the engine and to its function.
#[derive(Clone)]
pub(crate) struct Identity {
    pub(crate) access_key_id: String,
    pub(super) secret_access_key: String,
    pub(super) session_token: String,
    pub(crate) log_stream: String,
    /// The trace in which the runtime starts; each invocation brings one of its own.
    pub(super) trace_id: String,
    /// Where it reaches the engine.
    pub(crate) endpoint: String,
    /// The environment's own folder.
    pub(crate) folder: PathBuf,
    /// Whether it sees AWS's paths rather than the host's.
    pub(super) isolated: bool,
    /// Why it is initialised, as `AWS_LAMBDA_INITIALIZATION_TYPE` says it, where its deployment does
    /// not say it.
    pub(crate) initialization: Option<&'static str>,
}

impl Identity {
    /// A new identity, with credentials that are nobody else's.
    pub(crate) fn new(
        id: EnvironmentId,
        deployment: &Deployment,
        settings: &Settings,
        clock: &dyn Clock,
        entropy: &dyn Entropy,
    ) -> Self {
        let hex = |entropy: &dyn Entropy| format!("{:032X}", entropy.bits());
        let day = clock.now().civil().strftime("%Y/%m/%d").to_string();
        Self {
            access_key_id: format!("ASIA{}", &hex(entropy)[..16]),
            secret_access_key: format!("{}{}", hex(entropy), &hex(entropy)[..8]),
            session_token: format!("{}{}", hex(entropy), hex(entropy)),
            log_stream: format!("{day}/[{}]{id}", deployment.version),
            trace_id: trace_id(clock, entropy),
            endpoint: settings.endpoint.clone(),
            folder: settings.environments.join(id.to_string()),
            isolated: settings.isolated,
            initialization: None,
        }
    }

    /// The same as the rest of the engine sees it.
    pub(crate) fn of(&self, deployment: &Deployment) -> FunctionIdentity {
        FunctionIdentity {
            arn: Arc::clone(&deployment.arn),
            role: Arc::clone(&deployment.role),
            secret_access_key: self.secret_access_key.clone(),
            session_token: self.session_token.clone(),
        }
    }
}

/// The header of a new trace, of which nothing is recorded.
fn trace_id(clock: &dyn Clock, entropy: &dyn Entropy) -> String {
    let mut header = Header::of(None, clock, entropy);
    header.parent = Some(SpanId::draw(entropy));
    header.sampled = Some(false);
    header.to_string()
}
