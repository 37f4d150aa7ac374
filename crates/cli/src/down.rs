//! `lambdalab down`: stops the engine of the data folder.

use std::time::Duration;

use lab_aws::RunningEngine;
use serde::Serialize;

use crate::context::Context;
use crate::error::CliError;
use crate::exit::ExitCode;
use crate::output::Render;
use crate::progress::watched;

/// The engine lets running invocations end, but not for ever.
const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Debug, Serialize)]
struct Down {
    data_dir: String,
    stopped: Option<Stopped>,
}

#[derive(Debug, Serialize)]
struct Stopped {
    endpoint: String,
    pid: u32,
}

impl Render for Down {
    fn text(&self) -> String {
        match &self.stopped {
            Some(engine) => format!(
                "stopped the engine at {} ({})",
                engine.endpoint, self.data_dir
            ),
            None => format!("no engine runs for {}", self.data_dir),
        }
    }
}

/// Asks the engine to stop and waits until it has; that none runs is fine.
pub(crate) async fn run(context: &Context) -> Result<ExitCode, CliError> {
    crate::target::refuse(&context.settings, "down")?;
    let data_dir = &context.settings.data_dir.value;
    let stopped = match RunningEngine::find(data_dir).await? {
        Some(engine) => {
            let stopping = engine.stop(PATIENCE);
            watched(
                &*context.clock,
                context.console.quiet,
                "stopping the engine",
                stopping,
            )
            .await?;
            Some(Stopped {
                endpoint: engine.endpoint,
                pid: engine.pid,
            })
        }
        None => None,
    };
    context.console.result(&Down {
        data_dir: data_dir.display().to_string(),
        stopped,
    })?;
    Ok(ExitCode::Yes)
}
