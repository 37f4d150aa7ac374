//! The only place that knows the engine's crates.
//!
//! Everything else of this program talks to a target as any AWS client does.

use std::path::PathBuf;

use control::ServedOperation;
use lambda::runtime::Runtime;
use lambda::runtime::install::{RuntimeError, Runtimes};
use lambda::runtime::interpreter;
use sandbox::{Capabilities, Spawner, SpawnerOptions};
use serde::Serialize;
use server::Engine;

pub(crate) use server::EngineOptions;

use crate::engine_failure::EngineFailure;
use crate::error::CliError;
use crate::exit::ExitCode;
use crate::signals::Stop;

/// Runs an engine in this process until Ctrl-C, SIGTERM or idleness ends it. Must be called while
/// the process has one thread: the spawner is forked first.
pub(crate) fn serve(
    options: EngineOptions,
    ready: impl FnOnce(&str) -> Result<(), CliError>,
) -> Result<(), CliError> {
    let link = Spawner::fork(&SpawnerOptions::default()).map_err(EngineFailure::from)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(CliError::Start)?;
    runtime.block_on(async {
        let stop = Stop::listen().map_err(CliError::Start)?;
        let engine = Engine::start(options, link)
            .await
            .map_err(EngineFailure::start)?;
        ready(engine.endpoint())?;
        engine
            .run(asked_to_stop(stop))
            .await
            .map_err(EngineFailure::from)?;
        Ok(())
    })
}

/// Resolves at the first signal. A second one ends the process at once: the spawner and its guard
/// see to what is left.
async fn asked_to_stop(mut stop: Stop) {
    stop.next().await;
    tracing::info!("stopping; once more to stop at once");
    tokio::spawn(async move {
        stop.next().await;
        std::process::exit(i32::from(ExitCode::Unknown.number()));
    });
}

/// What this host lets the sandbox do.
pub(crate) fn capabilities() -> Result<Capabilities, EngineFailure> {
    Ok(sandbox::probe()?)
}

/// Every operation that the engine knows of.
pub(crate) fn operations() -> Vec<ServedOperation> {
    wire::operations()
        .map(|(service, operation, served)| ServedOperation {
            service: service.signing_name().to_owned(),
            operation: operation.to_owned(),
            served,
        })
        .collect()
}

/// A runtime of the engine, and what this machine has for it.
#[derive(Debug, Serialize)]
pub(crate) struct RuntimeState {
    pub runtime: String,
    /// The interpreter that functions run under; `None` where the machine has none, or where the
    /// function brings its own.
    pub interpreter: Option<PathBuf>,
    /// Whether that interpreter is of another version than the runtime's name says.
    pub substituted: bool,
    /// Whether the function brings its own program.
    pub custom: bool,
    /// The installed runtime interface client and the packages beside it.
    pub packages: Vec<String>,
}

impl RuntimeState {
    /// Whether functions can run now, without anything being installed first.
    pub(crate) fn is_ready(&self) -> bool {
        self.custom || !self.packages.is_empty()
    }
}

/// Every runtime of the engine, with what this machine has for it.
pub(crate) async fn runtimes(folder: PathBuf) -> Vec<RuntimeState> {
    let found = interpreter::find_all().await;
    let runtimes = Runtimes::new(folder, false);
    let state = |runtime: &Runtime| {
        let installed = runtimes.installed(*runtime);
        let exact = match runtime {
            Runtime::Python { minor } => found.get(minor).cloned(),
            Runtime::Provided { .. } => None,
        };
        let substituted = exact.is_none() && installed.is_some();
        RuntimeState {
            runtime: runtime.to_string(),
            interpreter: exact.or_else(|| installed.as_ref().map(|it| it.interpreter.clone())),
            substituted,
            custom: matches!(runtime, Runtime::Provided { .. }),
            packages: installed.map(|it| it.packages).unwrap_or_default(),
        }
    };
    Runtime::ALL.iter().map(state).collect()
}

/// The runtimes of those names; without a name, those of the interpreters of this machine.
pub(crate) async fn chosen_runtimes(names: &[String]) -> Result<Vec<Runtime>, EngineFailure> {
    if names.is_empty() {
        let found = interpreter::find_all().await;
        return Ok(found
            .into_keys()
            .map(|minor| Runtime::Python { minor })
            .collect());
    }
    let parse = |name: &String| {
        Runtime::parse(name).ok_or_else(|| RuntimeError::NotServed(name.clone()).into())
    };
    names.iter().map(parse).collect()
}

/// Installs the client of a runtime, if it is not there.
pub(crate) async fn install(
    folder: PathBuf,
    strict: bool,
    runtime: Runtime,
) -> Result<(), EngineFailure> {
    Runtimes::new(folder, strict).ensure(runtime).await?;
    Ok(())
}

/// The Python runtime that is ready soonest: the newest one whose client is installed in `folder`, or
/// else the newest interpreter of this machine.
pub(crate) async fn handiest_python(folder: PathBuf) -> Option<String> {
    let runtimes = Runtimes::new(folder, true);
    let is_installed_python = |runtime: &Runtime| runtimes.installed(*runtime).is_some();
    if let Some(runtime) = Runtime::ALL.into_iter().rfind(is_installed_python) {
        return Some(runtime.to_string());
    }
    let found = interpreter::find_all().await;
    let (minor, _) = found.last_key_value()?;
    Some(Runtime::Python { minor: *minor }.to_string())
}
