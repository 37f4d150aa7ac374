//! What hinders a start.

/// Why no spans can be sent.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The collector's address is none.
    #[error("cannot send spans to {endpoint}: {reason}; give a URL such as http://127.0.0.1:4318")]
    Endpoint {
        /// As it was given.
        endpoint: String,
        /// What is wrong with it.
        reason: String,
    },
    /// There is no client for it.
    #[error("cannot send spans: {0}")]
    Client(#[from] reqwest::Error),
}
