//! What every command is given.

use std::path::PathBuf;

use ids::SharedClock;

use crate::output::Console;
use crate::settings::Settings;

/// What every command is given.
#[derive(Debug)]
pub(crate) struct Context {
    pub settings: Settings,
    /// The configuration file, where it was named on the command line.
    pub config: Option<PathBuf>,
    pub console: Console,
    pub clock: SharedClock,
    pub verbose: u8,
}
