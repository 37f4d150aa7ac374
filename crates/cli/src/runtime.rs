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
    match &state.client {
        _ if state.custom => "none needed".to_owned(),
        Some(client) => client.clone(),
        None if state.wanted.is_none() => "none; not run here".to_owned(),
        None if state.by_hand => "none; `runtime install` says where it is looked for".to_owned(),
        None => "on first use".to_owned(),
    }
}

pub(crate) async fn run(context: &Context, command: RuntimeCommand) -> Result<ExitCode, CliError> {
    crate::target::refuse(&context.settings, "runtime")?;
    let folder = context.settings.runtimes_dir();
    if let RuntimeCommand::Install { runtimes } = command {
        let strict = context.settings.strict_runtimes.value;
        let asked_for = !runtimes.is_empty();
        for runtime in engine::chosen_runtimes(&runtimes).await? {
            let message = format!("installing the client of {runtime}");
            let installing = engine::install(folder.clone(), strict, runtime);
            let watching = watched(&*context.clock, context.console.quiet, message, installing);
            let note = match watching.await {
                Ok(None) => format!("{runtime} is ready"),
                Ok(Some(substitution)) => format!("{runtime} is ready; {substitution}"),
                Err(error) if asked_for => return Err(error.into()),
                // Of all that this machine has, one that fails must not stop the rest.
                Err(error) => format!("warning: {error}"),
            };
            context.console.note(&note)?;
        }
    }
    context
        .console
        .result(&States(engine::runtimes(folder).await))?;
    Ok(ExitCode::Yes)
}
