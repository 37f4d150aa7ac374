//! The only place that knows the engine's crates, with what they call confinement and failures.
//!
//! Everything else of this program talks to a target as any AWS client does.

use std::collections::BTreeMap;
use std::path::PathBuf;

use control::ServedOperation;
use image::Reference;
use lambda::runtime::Runtime;
use lambda::runtime::install::{RuntimeError, Runtimes};
use lambda::runtime::interpreter::{self, Language, Version};
use sandbox::{Capabilities, Spawner, SpawnerOptions};
use serde::Serialize;
use server::Engine;

pub(crate) use server::EngineOptions;

use crate::confinement::{Egress, IsolationMode};
use crate::engine_failure::EngineFailure;
use crate::error::CliError;
use crate::exit::ExitCode;
use crate::settings::value::SettingValue;
use crate::settings::{Origin, Settings};
use crate::signals::Stop;

/// What this host must give, or the engine does not start.
#[derive(Debug)]
pub(crate) struct Demands {
    pub isolation: IsolationMode,
    /// What functions may reach at most, and who said so; nothing where nobody did.
    pub egress: Option<(Egress, Origin)>,
}

impl Demands {
    /// Those that the settings make.
    pub(crate) fn of(settings: &Settings) -> Self {
        let egress = &settings.egress;
        Self {
            isolation: settings.isolation.value,
            egress: egress
                .is_said()
                .then(|| (egress.value, egress.origin.clone())),
        }
    }

    /// Refuses a host that falls short of them.
    ///
    /// # Errors
    /// What is demanded and not there.
    pub(crate) fn check(&self, capabilities: &Capabilities) -> Result<(), EngineFailure> {
        if self.isolation == IsolationMode::Required && !capabilities.isolates() {
            let reason = capabilities.isolation.remedy.clone().unwrap_or_default();
            return Err(EngineFailure::NotIsolated(reason));
        }
        match &self.egress {
            Some((asked, origin)) if *asked != capabilities.egress => Err(EngineFailure::Egress {
                asked: asked.show(),
                origin: origin.clone(),
                reason: capabilities.network.remedy.clone().unwrap_or_default(),
            }),
            _ => Ok(()),
        }
    }
}

/// Runs an engine in this process until Ctrl-C, SIGTERM or idleness ends it. Must be called while
/// the process has one thread: the spawner is forked first.
pub(crate) fn serve(
    options: EngineOptions,
    demands: &Demands,
    ready: impl FnOnce(&str) -> Result<(), CliError>,
) -> Result<(), CliError> {
    let sandbox_options = sandbox_options(demands.isolation, options.egress);
    let link = Spawner::fork(&sandbox_options).map_err(EngineFailure::from)?;
    demands.check(link.capabilities())?;
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

/// A name as images are imported under, refused here where none can have it.
pub(crate) fn image_name(text: &str) -> Result<String, ImageNameError> {
    // Which registry a name without one belongs to is the engine's to say, and all do for this.
    let named = Reference::named(text, "localhost");
    named.map(|_| text.to_owned()).map_err(|_| ImageNameError)
}

/// A text that no image can be called.
#[derive(Debug, thiserror::Error)]
#[error(
    "expected repository:tag or registry/repository:tag: the repository in small letters, digits and \
     single . _ - between them, its parts set apart by /"
)]
pub(crate) struct ImageNameError;

/// What this host lets the sandbox do.
pub(crate) fn capabilities(
    isolation: IsolationMode,
    egress: Egress,
) -> Result<Capabilities, EngineFailure> {
    Ok(sandbox::probe(&sandbox_options(isolation, egress))?)
}

fn sandbox_options(isolation: IsolationMode, egress: Egress) -> SpawnerOptions {
    SpawnerOptions {
        isolation: isolation != IsolationMode::None,
        egress,
        ..SpawnerOptions::default()
    }
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
    /// The language and version that the runtime's name says; `None` where no interpreter serves.
    pub wanted: Option<String>,
    /// Whether that interpreter is of another version than the runtime's name says.
    pub substituted: bool,
    /// Whether the function brings its own program.
    pub custom: bool,
    /// Whether its client is looked for rather than installed.
    pub by_hand: bool,
    /// The runtime interface client that is there.
    pub client: Option<String>,
    /// The packages beside it.
    pub packages: Vec<String>,
}

impl RuntimeState {
    /// Whether functions can run now, without anything being installed first.
    pub(crate) fn is_ready(&self) -> bool {
        self.custom || self.client.is_some()
    }
}

/// Every runtime of the engine, with what this machine has for it.
pub(crate) async fn runtimes(folder: PathBuf) -> Vec<RuntimeState> {
    let found = interpreters().await;
    let runtimes = Runtimes::new(folder, false);
    let state = |runtime: &Runtime| {
        let installed = runtimes.installed(*runtime);
        let wanted = runtime.interpreter();
        let exact = wanted.and_then(|wanted| found.get(&wanted).cloned());
        let substitution = installed.as_ref().and_then(|it| it.substitution(*runtime));
        let substituted = exact.is_none() && substitution.is_some();
        RuntimeState {
            runtime: runtime.to_string(),
            interpreter: exact.or_else(|| installed.as_ref().map(|it| it.interpreter.clone())),
            wanted: wanted.map(|(language, version)| language.with_version(version)),
            substituted,
            custom: runtime.is_custom(),
            by_hand: wanted.is_some() && !from_registry(runtime),
            client: installed.as_ref().map(|it| it.client().to_owned()),
            packages: installed
                .map(|it| it.packages().to_vec())
                .unwrap_or_default(),
        }
    };
    Runtime::ALL.iter().map(state).collect()
}

/// Whether the client of a runtime comes from a package registry when it is first needed.
fn from_registry(runtime: &Runtime) -> bool {
    matches!(runtime, Runtime::Python { .. } | Runtime::Node { .. })
}

/// The interpreters of this machine.
async fn interpreters() -> BTreeMap<(Language, Version), PathBuf> {
    let [python, node, ruby, java] = Language::ALL.map(|language| async move {
        let found = interpreter::find_all(language).await;
        found
            .into_iter()
            .map(move |(version, path)| ((language, version), path))
    });
    let (python, node, ruby, java) = tokio::join!(python, node, ruby, java);
    python.chain(node).chain(ruby).chain(java).collect()
}

/// The runtimes of those names; without a name, those of the interpreters of this machine whose
/// client comes from a registry.
pub(crate) async fn chosen_runtimes(names: &[String]) -> Result<Vec<Runtime>, EngineFailure> {
    if names.is_empty() {
        let found = interpreters().await;
        let fits = |runtime: &Runtime| {
            let interpreter = runtime.interpreter();
            from_registry(runtime) && interpreter.is_some_and(|wanted| found.contains_key(&wanted))
        };
        return Ok(Runtime::ALL.into_iter().filter(fits).collect());
    }
    let parse =
        |name: &String| Runtime::parse(name).ok_or_else(|| RuntimeError::unknown(name).into());
    names.iter().map(parse).collect()
}

/// Installs the client of a runtime, if it is not there. Says so where another interpreter than its
/// own stands in.
pub(crate) async fn install(
    folder: PathBuf,
    strict: bool,
    runtime: Runtime,
) -> Result<Option<String>, EngineFailure> {
    let installed = Runtimes::new(folder, strict).ensure(runtime).await?;
    Ok(installed.and_then(|installed| installed.substitution(runtime)))
}

/// The Python runtime that is ready soonest: the newest one whose client is installed in `folder`, or
/// else the newest interpreter of this machine.
pub(crate) async fn handiest_python(folder: PathBuf) -> Option<String> {
    let runtimes = Runtimes::new(folder, true);
    let is_python = |runtime: &Runtime| matches!(runtime, Runtime::Python { .. });
    let is_installed = |runtime: &Runtime| runtimes.installed(*runtime).is_some();
    let pythons = || Runtime::ALL.into_iter().filter(is_python);
    if let Some(runtime) = pythons().rfind(is_installed) {
        return Some(runtime.to_string());
    }
    let found = interpreter::find_all(Language::Python).await;
    let fits = |runtime: &Runtime| {
        let wanted = runtime.interpreter();
        wanted.is_some_and(|(_, version)| found.contains_key(&version))
    };
    pythons().rfind(fits).map(|runtime| runtime.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_required_must_be_there() {
        let open = capabilities(IsolationMode::None, Egress::default()).unwrap();
        let check = |isolation, egress: Option<Egress>| {
            let egress = egress.map(|egress| (egress, Origin::Flag("egress")));
            Demands { isolation, egress }.check(&open)
        };
        assert!(check(IsolationMode::Auto, None).is_ok());
        assert!(check(IsolationMode::None, Some(Egress::Host)).is_ok());
        let refused = check(IsolationMode::Required, None).unwrap_err();
        assert!(refused.to_string().starts_with("isolation is required"));
        for (egress, named) in [(Egress::Nat, "`nat`"), (Egress::None, "`none`")] {
            let refused = check(IsolationMode::Auto, Some(egress)).unwrap_err();
            let message = refused.to_string();
            assert!(message.contains(named), "{message}");
            assert!(message.contains("--egress"), "{message}");
            assert!(message.contains("without isolation"), "{message}");
        }
    }
}
