//! `lambdalab runtime …`: AWS's runtime interface clients on this machine.

use serde::Serialize;

use crate::arguments::RuntimeCommand;
use crate::context::Context;
use crate::engine::{self, RuntimeState};
use crate::error::CliError;
use crate::exit::ExitCode;
use crate::output::{Render, lines, table};
use crate::progress::watched;

#[derive(Debug, Serialize)]
#[serde(transparent)]
struct States(Vec<RuntimeState>);

impl Render for States {
    fn text(&self) -> String {
        let mut table = table(["runtime", "interpreter", "client"]);
        for state in &self.0 {
            table.add_row([state.runtime.clone(), interpreter(state), client(state)]);
        }
        lines(&table)
    }
}

/// The interpreter, for people.
pub(crate) fn interpreter(state: &RuntimeState) -> String {
    match &state.interpreter {
        _ if state.custom => "the function's own".to_owned(),
        Some(path) if state.substituted => format!("{} (nearest)", path.display()),
        Some(path) => path.display().to_string(),
        None => "none".to_owned(),
    }
}

/// What is installed, for people.
pub(crate) fn client(state: &RuntimeState) -> String {
    const CLIENT: &str = "awslambdaric ";
    if state.custom {
        return "none needed".to_owned();
    }
    let client = state
        .packages
        .iter()
        .find(|package| package.starts_with(CLIENT));
    match client {
        Some(package) => package.clone(),
        None if state.packages.is_empty() => "on first use".to_owned(),
        None => "installed".to_owned(),
    }
}

pub(crate) async fn run(context: &Context, command: RuntimeCommand) -> Result<ExitCode, CliError> {
    crate::target::refuse(&context.settings, "runtime")?;
    let folder = context.settings.runtimes_dir();
    if let RuntimeCommand::Install { runtimes } = command {
        let strict = context.settings.strict_runtimes.value;
        for runtime in engine::chosen_runtimes(&runtimes).await? {
            let message = format!("installing the client of {runtime}");
            let installing = engine::install(folder.clone(), strict, runtime);
            watched(&*context.clock, context.console.quiet, message, installing).await?;
            context.console.note(&format!("{runtime} is ready"))?;
        }
    }
    context
        .console
        .result(&States(engine::runtimes(folder).await))?;
    Ok(ExitCode::Yes)
}
