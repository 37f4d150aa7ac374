//! How a runtime process is started: program, arguments and limits.

use std::io;
use std::path::{Path, PathBuf};

use ids::EnvironmentId;
use sandbox::{EnvironmentSpec, Limits, SandboxError};

use super::identity::Identity;
use super::install::{Installed, JAVA_MAIN, NODE_BOOTSTRAP, PYTHON_BOOTSTRAP};
use super::places::Places;
use super::{Runtime, container_start, variables};
use crate::deployment::Deployment;
use crate::invoke::failure::{Failure, INVALID_ENTRYPOINT, INVALID_WORKING_DIRECTORY};

/// Processes and threads of one environment, as on Lambda.
/// Source: <https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html>.
const PROCESS_LIMIT: u32 = 1_024;

/// The engine's endpoint as functions reach it from networks of their own.
pub(crate) fn endpoint_inside() -> String {
    format!("http://127.0.0.1:{}", sandbox::ENGINE_PORT)
}

/// The place that an environment of `deployment` needs, with `folder` for its own.
pub(crate) fn place(
    id: EnvironmentId,
    deployment: &Deployment,
    folder: PathBuf,
    cores: f64,
) -> EnvironmentSpec {
    EnvironmentSpec {
        id,
        limits: Limits {
            memory_mb: deployment.memory_mb,
            cpu_vcpus: cores,
            pids: PROCESS_LIMIT,
        },
        work_dir: folder,
        scratch_mb: deployment.scratch_mb,
        egress: deployment.egress,
    }
}

/// The command that starts the runtime of `deployment`.
///
/// # Errors
/// A custom runtime has no `bootstrap`, or the interpreter is not known.
pub(crate) fn command(
    deployment: &Deployment,
    identity: &Identity,
    runtime_api: &str,
) -> Result<sandbox::Command, Failure> {
    let places = Places::of(deployment, identity.isolated);
    if let Some(container) = deployment.container() {
        return container_start::command(container, deployment, &places, identity, runtime_api);
    }
    let (program, args) = match &deployment.client {
        Some(client) => managed(deployment, client, &places, identity),
        None => (bootstrap(&places)?, Vec::new()),
    };
    Ok(sandbox::Command {
        program,
        args,
        env: variables::all(deployment, &places, identity, runtime_api),
        cwd: places.path("/var/task"),
        telemetry: deployment.client.is_some(),
        shows: places.shows(),
        cloneable: false,
    })
}

/// Where external extensions lie.
const EXTENSIONS: &str = "/opt/extensions";

/// The runtime's variables that extensions do not get.
/// Source: <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-extensions-api.html>.
const RUNTIMES_OWN: [&str; 10] = [
    "_AWS_XRAY_DAEMON_ADDRESS",
    "_AWS_XRAY_DAEMON_PORT",
    "_HANDLER",
    "AWS_EXECUTION_ENV",
    "AWS_LAMBDA_LOG_GROUP_NAME",
    "AWS_LAMBDA_LOG_STREAM_NAME",
    "AWS_XRAY_CONTEXT_MISSING",
    "AWS_XRAY_DAEMON_ADDRESS",
    "LAMBDA_RUNTIME_DIR",
    "LAMBDA_TASK_ROOT",
];

/// A program in `/opt/extensions`.
#[derive(Debug)]
pub(crate) struct Extension {
    /// Its file's name, by which it registers.
    pub(crate) name: String,
    program: PathBuf,
}

/// The external extensions of `deployment`, by name: every file in `/opt/extensions`.
pub(crate) fn extensions(deployment: &Deployment, identity: &Identity) -> Vec<Extension> {
    let places = Places::of(deployment, identity.isolated);
    let names = match deployment.container() {
        Some(container) => container.files_in(EXTENSIONS),
        None => files_in(&places.host(EXTENSIONS)),
    };
    let at = |name: String| Extension {
        program: places.path(Path::new(EXTENSIONS).join(&name)),
        name,
    };
    names.into_iter().map(at).collect()
}

/// The names of all but folders in a folder, in their order.
fn files_in(folder: &Path) -> Vec<String> {
    // Mostly there is no such folder.
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    let files = entries
        .filter_map(Result::ok)
        .filter(|entry| entry.file_type().is_ok_and(|kind| !kind.is_dir()));
    let mut names: Vec<String> = files
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect();
    names.sort();
    names
}

impl Extension {
    /// The command that starts it, beside the runtime that `runtime` starts: it sees the same.
    pub(crate) fn command(&self, runtime: &sandbox::Command) -> sandbox::Command {
        let theirs = |(name, _): &&(String, String)| !RUNTIMES_OWN.contains(&name.as_str());
        sandbox::Command {
            program: self.program.clone(),
            args: Vec::new(),
            env: runtime.env.iter().filter(theirs).cloned().collect(),
            cwd: PathBuf::from("/"),
            telemetry: false,
            shows: runtime.shows.clone(),
            cloneable: false,
        }
    }

    /// Why it could not be started: the type of the error and its text.
    pub(crate) fn not_started(&self, error: &SandboxError) -> (&'static str, String) {
        match error {
            SandboxError::Exec { source, .. } => {
                let kind = match source.kind() {
                    io::ErrorKind::PermissionDenied => "PermissionDenied",
                    _ => "UnknownError",
                };
                let reason = exec_reason(source);
                (
                    kind,
                    format!("fork/exec {EXTENSIONS}/{}: {reason}", self.name),
                )
            }
            other => ("UnknownError", other.to_string()),
        }
    }
}

/// The program of a custom runtime.
fn bootstrap(places: &Places) -> Result<PathBuf, Failure> {
    ["/var/task/bootstrap", "/opt/bootstrap"]
        .into_iter()
        .find(|bootstrap| places.host(bootstrap).is_file())
        .map(|bootstrap| places.path(bootstrap))
        .ok_or_else(|| Failure::NotStarted {
            error_type: INVALID_ENTRYPOINT,
            reason: "Couldn't find valid bootstrap(s): [/var/task/bootstrap /opt/bootstrap]"
                .to_owned(),
        })
}

/// The interpreter with its client, behind the function's wrapper where it has one.
fn managed(
    deployment: &Deployment,
    client: &Installed,
    places: &Places,
    identity: &Identity,
) -> (PathBuf, Vec<String>) {
    let args = arguments(deployment, client, places, identity);
    let interpreter = places.interpreter(client);
    match deployment.variables.get("AWS_LAMBDA_EXEC_WRAPPER") {
        Some(wrapper) => {
            let interpreter = interpreter.to_string_lossy().into_owned();
            let args = std::iter::once(interpreter).chain(args).collect();
            (places.path(wrapper), args)
        }
        None => (interpreter, args),
    }
}

/// What the interpreter is called with.
fn arguments(
    deployment: &Deployment,
    client: &Installed,
    places: &Places,
    identity: &Identity,
) -> Vec<String> {
    let file = |name: &str| places.starter(client, name);
    let handler = deployment.handler.clone();
    let mut args = client.flags().to_vec();
    match deployment.runtime {
        Runtime::Python { .. } => args.extend([
            // Nothing of the host's site-packages, and no byte code beside the function's files.
            "-S".to_owned(),
            "-B".to_owned(),
            file(PYTHON_BOOTSTRAP),
            places.text("/opt"),
            handler,
        ]),
        Runtime::Node { .. } => {
            let asked = deployment.variables.get("NODE_OPTIONS");
            let asked: Vec<&str> = asked.iter().flat_map(|it| it.split_whitespace()).collect();
            args.retain(|flag| !asked.contains(&flag.replacen("--no-", "--", 1).as_str()));
            args.extend(node_heap(deployment.memory_mb));
            args.push(file(NODE_BOOTSTRAP));
        }
        Runtime::Java { .. } => {
            args.extend(java_heap(deployment.memory_mb));
            let temporary = places.temporary(identity);
            args.extend(temporary.map(|folder| format!("-Djava.io.tmpdir={folder}")));
            args.extend([
                "-cp".to_owned(),
                places.list("/var/runtime/*:/opt/java/lib/*"),
                JAVA_MAIN.to_owned(),
                handler,
            ]);
        }
        Runtime::Ruby { .. }
        | Runtime::Dotnet { .. }
        | Runtime::Provided { .. }
        | Runtime::Image => {
            args.push(handler);
        }
    }
    args
}

/// Nine tenths of the memory for what lives long and a twentieth for what is new, as on AWS: a heap
/// sized by the host's memory would outgrow the function's before it is ever cleaned.
fn node_heap(memory_mb: u32) -> [String; 3] {
    [
        "--expose-gc".to_owned(),
        format!("--max-semi-space-size={}", (memory_mb / 20).max(1)),
        format!("--max-old-space-size={}", memory_mb * 9 / 10),
    ]
}

/// Of the memory 85 % for the heap, 10 % for classes and 5 % for compiled code, and only the quick
/// compiler, as on AWS.
fn java_heap(memory_mb: u32) -> [String; 5] {
    let percent = |share: u32| u64::from(memory_mb) * 1_024 * u64::from(share) / 100;
    [
        format!("-XX:MaxHeapSize={}k", percent(85)),
        format!("-XX:MaxMetaspaceSize={}k", percent(10)),
        format!("-XX:ReservedCodeCacheSize={}k", percent(5)),
        "-XX:+UseSerialGC".to_owned(),
        "-XX:TieredStopAtLevel=1".to_owned(),
    ]
}

/// What the caller hears when the operating system would not start `program`.
pub(crate) fn not_started(
    deployment: &Deployment,
    program: &Path,
    error: &SandboxError,
) -> Failure {
    let (error_type, reason) = match error {
        SandboxError::Exec { source, .. } => {
            let shown = Places::of(deployment, false).shown(program);
            let reason = format!("fork/exec {shown}: {}", exec_reason(source));
            (INVALID_ENTRYPOINT, reason)
        }
        SandboxError::WorkingDirectory { directory, source } => {
            let directory = directory.display();
            let reason = match source.kind() {
                io::ErrorKind::NotFound => {
                    format!("the working directory doesn't exist: {directory}")
                }
                _ => format!("chdir {directory}: {}", exec_reason(source)),
            };
            (INVALID_WORKING_DIRECTORY, reason)
        }
        other => (INVALID_ENTRYPOINT, other.to_string()),
    };
    Failure::NotStarted { error_type, reason }
}

/// The words of Go's `syscall.Errno`, which AWS's messages carry.
fn exec_reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "no such file or directory".to_owned(),
        io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        _ if error.raw_os_error() == Some(8) => "exec format error".to_owned(),
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::places::tests::places;

    #[test]
    fn heaps_follow_the_memory_size() {
        assert_eq!(
            node_heap(1_536).join(" "),
            "--expose-gc --max-semi-space-size=76 --max-old-space-size=1382"
        );
        assert_eq!(node_heap(128)[1], "--max-semi-space-size=6");
        assert_eq!(java_heap(1_536)[0], "-XX:MaxHeapSize=1336934k");
    }

    #[test]
    fn a_missing_bootstrap_is_told_in_awss_words() {
        let failure = bootstrap(&places()).unwrap_err();
        assert_eq!(failure.error_type(), "Runtime.InvalidEntrypoint");
        assert_eq!(
            failure.to_string(),
            "Couldn't find valid bootstrap(s): [/var/task/bootstrap /opt/bootstrap]"
        );
    }

    #[test]
    fn the_systems_reasons_are_told_in_awss_words() {
        let reason = |code| exec_reason(&io::Error::from_raw_os_error(code));
        assert_eq!(reason(2), "no such file or directory");
        assert_eq!(reason(8), "exec format error");
        assert_eq!(reason(13), "permission denied");
    }
}
