//! Who code inside an environment is to the rest of the engine.

use std::fmt;
use std::sync::Arc;

/// The identity of one environment, by the credentials that its function was given.
#[derive(Clone, PartialEq, Eq)]
pub struct FunctionIdentity {
    /// The function, unqualified.
    pub arn: Arc<str>,
    /// The role that it runs as, whether or not there is one of that ARN.
    pub role: Arc<str>,
    /// The secret half of its access key.
    pub secret_access_key: String,
    /// What goes with the key in every request.
    pub session_token: String,
}

impl fmt::Debug for FunctionIdentity {
    /// Leaves the secrets out.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FunctionIdentity")
            .field("arn", &self.arn)
            .field("role", &self.role)
            .finish_non_exhaustive()
    }
}
