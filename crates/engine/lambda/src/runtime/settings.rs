//! What holds of every environment of an engine.

use std::path::PathBuf;

use crate::door::Doors;

/// Where environments are made and what their functions talk to.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// The engine's endpoint on the host.
    pub(crate) endpoint: String,
    /// Below it each environment has a folder of its own.
    pub(crate) environments: PathBuf,
    /// Whether functions see AWS's paths rather than the host's.
    pub(crate) isolated: bool,
    /// Takes the listeners by which functions reach the engine from networks of their own.
    pub(crate) doors: Doors,
}
