//! `lambdalab version`.

use serde::Serialize;

use crate::context::Context;
use crate::error::CliError;
use crate::exit::ExitCode;
use crate::output::Render;

#[derive(Debug, Serialize)]
struct Version {
    version: &'static str,
}

impl Render for Version {
    fn text(&self) -> String {
        format!("lambdalab {}", self.version)
    }
}

pub(crate) fn run(context: &Context) -> Result<ExitCode, CliError> {
    context.console.result(&Version {
        version: env!("CARGO_PKG_VERSION"),
    })?;
    Ok(ExitCode::Yes)
}
