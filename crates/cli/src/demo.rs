//! `lambdalab demo`: the main job on a real example, through the AWS API alone.
//!
//! It does what a numerical team's script does: invoke one function many times in parallel and
//! compare the answers. Once with a function whose answers must all be equal, once with one whose
//! answers differ between environments. It leaves nothing behind, also when it is interrupted:
//! its functions are deleted, and an engine that it started, in a folder of its own, is stopped.

mod fan_out;
mod package;
mod study;
mod view;

use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use clap::Args;
use ids::Entropy;
use lab_aws::{
    ConfigurationChange, EngineStarter, FunctionHandle, NewFunction, RunningEngine, Session, Target,
};
use tempfile::TempDir;

use crate::context::Context;
use crate::error::CliError;
use crate::exit::ExitCode;
use crate::function;
use crate::progress::watched;
use crate::signals::Stop;
use crate::{engine, target};
use study::Study;
use view::{Findings, Single};

const FIBONACCI: &str = "fibonacci";
const DIGEST: &str = "digest";
const UNSTABLE_DIGEST: &str = "unstable_digest";

const FIBONACCI_EVENT: &str = "{\"n\": 20}";
const DIGEST_EVENT: &str = "{\"seed\": 0.37, \"steps\": 20000}";

/// The runtime on targets whose interpreters are not this machine's.
const RUNTIME_ELSEWHERE: &str = "python3.13";

/// Where all invocations wait for the cores of one machine, the last one waits long.
const TIMEOUT_SECONDS: i32 = 60;

/// An engine that the demo started goes by itself, should the demo be killed.
const IDLE_EXIT: &str = "1m";
const STOP_PATIENCE: Duration = Duration::from_secs(60);

#[derive(Debug, Args)]
pub(crate) struct DemoArguments {
    /// How many invocations at once, 1 to 1000
    #[arg(
        long,
        value_name = "COUNT",
        default_value_t = 180,
        value_parser = runs,
        allow_hyphen_values = true
    )]
    runs: usize,
    /// Memory of the functions in MB, 128 to 10240; from 1769 on a function has a whole vCPU
    #[arg(
        long,
        value_name = "MB",
        default_value_t = 1769,
        value_parser = function::memory,
        allow_hyphen_values = true
    )]
    memory: i32,
    /// The runtime [default: the newest Python whose client is installed, or else of this machine]
    #[arg(long, value_name = "RUNTIME")]
    runtime: Option<String>,
    /// The ARN of the functions' execution role; needed on AWS
    #[arg(long, value_name = "ARN")]
    role: Option<String>,
}

fn runs(text: &str) -> Result<usize, String> {
    text.parse()
        .ok()
        .filter(|runs| (1..=1000).contains(runs))
        .ok_or_else(|| "expected 1 to 1000 invocations".to_owned())
}

/// What the demo works with, and what it must take away.
struct Stage {
    session: Session,
    fibonacci: FunctionHandle,
    digest: FunctionHandle,
    unstable_digest: FunctionHandle,
    /// The data folder of an engine that was started for the demo.
    own_folder: Option<TempDir>,
}

pub(crate) async fn run(context: &Context, arguments: DemoArguments) -> Result<ExitCode, CliError> {
    let role = function::role(context, arguments.role.clone())?;
    let zip = package::zip()?;
    // From here on a signal is an event, not an end: what is there by then is taken away.
    let mut interruption = Stop::listen().map_err(CliError::Start)?;
    let stage = Stage::set(context).await?;
    context
        .console
        .note(&format!("target: {}", stage.session.description()))?;
    let played = tokio::select! {
        played = stage.play(context, &arguments, role, zip) => played,
        () = interruption.next() => Err(CliError::Interrupted),
    };
    let cleared = stage.clear(context).await;
    let findings = played?;
    cleared?;
    context.console.result(&findings)?;
    Ok(if findings.as_expected {
        ExitCode::Yes
    } else {
        ExitCode::No
    })
}

impl Stage {
    /// Makes the target ready. Where the engine is the target and none runs, one is started in a
    /// folder of its own, so that the configured data folder stays as it is.
    async fn set(context: &Context) -> Result<Self, CliError> {
        let target = target::resolve(&context.settings)?;
        let data_dir = &context.settings.data_dir.value;
        let alone = target == Target::Engine && RunningEngine::find(data_dir).await?.is_none();
        let (session, own_folder) = if alone {
            let folder = tempfile::Builder::new()
                .prefix("lambdalab-demo-")
                .tempdir()
                .map_err(CliError::Start)?;
            let starter = own_engine(context, folder.path().to_owned())?;
            (target::open(context, target, starter).await?, Some(folder))
        } else {
            (
                target::open(context, target, target::starter(context)?).await?,
                None,
            )
        };
        let tag = ids::SystemEntropy.bits() >> 96;
        let function = |handler: &str| {
            session.function(format!(
                "lambdalab-demo-{tag:08x}-{}",
                handler.replace('_', "-")
            ))
        };
        Ok(Self {
            fibonacci: function(FIBONACCI),
            digest: function(DIGEST),
            unstable_digest: function(UNSTABLE_DIGEST),
            session,
            own_folder,
        })
    }

    fn functions(&self) -> [(&'static str, &FunctionHandle); 3] {
        [
            (FIBONACCI, &self.fibonacci),
            (DIGEST, &self.digest),
            (UNSTABLE_DIGEST, &self.unstable_digest),
        ]
    }

    async fn play(
        &self,
        context: &Context,
        arguments: &DemoArguments,
        role: String,
        zip: Vec<u8>,
    ) -> Result<Findings, CliError> {
        let runtime = match (&arguments.runtime, self.session.engine()) {
            (Some(runtime), _) => runtime.clone(),
            (None, Some(_)) => engine::handiest_python(context.settings.runtimes_dir())
                .await
                .unwrap_or_else(|| RUNTIME_ELSEWHERE.to_owned()),
            (None, None) => RUNTIME_ELSEWHERE.to_owned(),
        };
        for (handler, function) in self.functions() {
            let new = NewFunction {
                name: function.name().to_owned(),
                zip: zip.clone(),
                runtime: runtime.clone(),
                handler: format!("algorithms.handler.{handler}"),
                role: role.clone(),
                publish: false,
                rest: ConfigurationChange {
                    memory_size: Some(arguments.memory),
                    timeout: Some(TIMEOUT_SECONDS),
                    description: Some("lambdalab demo; may be deleted".to_owned()),
                    ..ConfigurationChange::default()
                },
            };
            self.session.create_function(new).await?;
            function::wait(context, function).await?;
        }
        let fibonacci = self.single().await?;
        let digest = self
            .study(context, DIGEST, &self.digest, arguments.runs)
            .await?;
        let unstable_digest = self
            .study(
                context,
                UNSTABLE_DIGEST,
                &self.unstable_digest,
                arguments.runs,
            )
            .await?;
        Ok(Findings {
            target: self.session.description().to_owned(),
            runtime,
            memory_mb: arguments.memory,
            fibonacci,
            as_expected: digest.is_stable()
                && unstable_digest.is_unstable()
                && unstable_digest.failures == 0,
            digest,
            unstable_digest,
        })
    }

    /// One invocation of the first function: its failure ends the demo, for nothing else would
    /// work.
    async fn single(&self) -> Result<Single, CliError> {
        let invoke = lab_aws::Invoke {
            payload: Bytes::from_static(FIBONACCI_EVENT.as_bytes()),
            ..lab_aws::Invoke::default()
        };
        let answer = self.fibonacci.invoke(invoke).await?;
        let payload = String::from_utf8_lossy(&answer.payload).into_owned();
        if answer.function_error.is_some() {
            return Err(CliError::FunctionFailed(payload));
        }
        Ok(Single {
            event: FIBONACCI_EVENT.to_owned(),
            answer: payload,
            round_trip_ms: answer.round_trip.as_secs_f64() * 1e3,
        })
    }

    async fn study(
        &self,
        context: &Context,
        handler: &'static str,
        function: &FunctionHandle,
        runs: usize,
    ) -> Result<Study, CliError> {
        let event = Bytes::from_static(DIGEST_EVENT.as_bytes());
        let begin = context.clock.monotonic();
        let message = format!("{runs} invocations of {handler}");
        let all = fan_out::invoke_all(function, &event, runs);
        let outcomes = watched(&*context.clock, context.console.quiet, message, all).await?;
        let wall = context.clock.monotonic().saturating_sub(begin);
        Ok(Study::new(handler, &outcomes, wall.as_secs_f64() * 1e3))
    }

    /// Takes everything away. Each part is tried, whatever becomes of the others.
    async fn clear(self, context: &Context) -> Result<(), CliError> {
        let mut failed = None;
        for (_, function) in self.functions() {
            match function.delete(None).await {
                Err(error) if error.code() != Some("ResourceNotFoundException") => {
                    context
                        .console
                        .tell(&format!("left behind: {}", function.name()))?;
                    failed.get_or_insert(CliError::from(error));
                }
                _ => {}
            }
        }
        if let (Some(folder), Some(ensured)) = (self.own_folder, self.session.engine()) {
            let stopping = ensured.engine.stop(STOP_PATIENCE);
            let quiet = context.console.quiet;
            let stopped = watched(&*context.clock, quiet, "stopping the engine", stopping).await;
            if let Err(error) = stopped {
                failed.get_or_insert(error.into());
            }
            if let Err(error) = folder.close() {
                failed.get_or_insert(CliError::Start(error));
            }
        }
        failed.map_or(Ok(()), Err)
    }
}

/// An engine of the demo's own. Runtime clients that are installed already are used, not
/// downloaded again.
fn own_engine(context: &Context, data_dir: PathBuf) -> Result<EngineStarter, CliError> {
    let program = std::env::current_exe().map_err(CliError::Start)?;
    let starter = EngineStarter::new(program, data_dir)
        .idle_exit(IDLE_EXIT)
        .argument("--listen")
        .argument("127.0.0.1:0");
    let runtimes = context.settings.runtimes_dir();
    let shared = context.settings.runtimes_dir.is_said() || runtimes.is_dir();
    Ok(if shared {
        starter.argument("--runtimes-dir").argument(runtimes)
    } else {
        starter
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_runs_is_limited() {
        assert_eq!((runs("1"), runs("1000")), (Ok(1), Ok(1000)));
        for wrong in ["0", "1001", "many"] {
            assert!(runs(wrong).unwrap_err().contains("1 to 1000"), "{wrong}");
        }
    }
}
