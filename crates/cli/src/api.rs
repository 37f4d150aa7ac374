//! `lambdalab api`: which AWS operations the engine serves.

use control::ServedOperation;
use serde::Serialize;

use crate::context::Context;
use crate::engine;
use crate::error::CliError;
use crate::exit::ExitCode;
use crate::output::{Render, lines, table};

#[derive(Debug, Serialize)]
#[serde(transparent)]
struct Coverage(Vec<ServedOperation>);

impl Render for Coverage {
    fn text(&self) -> String {
        let mut table = table(["service", "operation", "served"]);
        for operation in &self.0 {
            let served = if operation.served { "yes" } else { "no" };
            table.add_row([&operation.service, &operation.operation, served]);
        }
        lines(&table)
    }
}

/// The table is compiled in: it is the one that routes requests.
pub(crate) fn run(context: &Context, all: bool) -> Result<ExitCode, CliError> {
    crate::target::refuse(&context.settings, "api")?;
    let operations = engine::operations();
    let known = operations.len();
    let served = operations.iter().filter(|it| it.served).count();
    let shown = operations
        .into_iter()
        .filter(|it| all || it.served)
        .collect();
    context.console.result(&Coverage(shown))?;
    context
        .console
        .note(&format!("{served} of {known} operations are served"))?;
    Ok(ExitCode::Yes)
}
