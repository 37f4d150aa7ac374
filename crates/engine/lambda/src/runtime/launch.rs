//! How a runtime process is started: program, arguments, environment variables and limits.
//!
//! The variables are those of
//! <https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html>.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ids::{Clock, Entropy, EnvironmentId};
use sandbox::{EnvironmentSpec, Limits, SandboxError};

use super::Runtime;
use crate::deployment::Deployment;
use crate::identity::FunctionIdentity;
use crate::invoke::failure::Failure;
use crate::schedule::admission::MB_PER_VCPU;

/// Processes and threads of one environment, as on Lambda.
/// Source: <https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html>.
const PROCESS_LIMIT: u32 = 1_024;

/// Where environments are made and what their functions talk to.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// The engine's endpoint as functions reach it.
    pub(crate) endpoint: String,
    /// Below it each environment has a folder of its own.
    pub(crate) environments: PathBuf,
}

/// By what an environment is known to the engine and to its function.
#[derive(Clone)]
pub(crate) struct Identity {
    pub(crate) access_key_id: String,
    secret_access_key: String,
    session_token: String,
    pub(crate) log_stream: String,
    endpoint: String,
    /// The environment's own folder.
    pub(crate) folder: PathBuf,
}

impl Identity {
    /// A new identity, with credentials that are nobody else's.
    pub(crate) fn new(
        id: EnvironmentId,
        deployment: &Deployment,
        settings: &Settings,
        clock: &dyn Clock,
        entropy: &dyn Entropy,
    ) -> Self {
        let hex = |entropy: &dyn Entropy| format!("{:032X}", entropy.bits());
        let day = clock.now().civil().strftime("%Y/%m/%d").to_string();
        Self {
            access_key_id: format!("ASIA{}", &hex(entropy)[..16]),
            secret_access_key: format!("{}{}", hex(entropy), &hex(entropy)[..8]),
            session_token: format!("{}{}", hex(entropy), hex(entropy)),
            log_stream: format!("{day}/[{}]{id}", deployment.version),
            endpoint: settings.endpoint.clone(),
            folder: settings.environments.join(id.to_string()),
        }
    }

    /// The same as the rest of the engine sees it.
    pub(crate) fn of(&self, deployment: &Deployment) -> FunctionIdentity {
        FunctionIdentity {
            arn: Arc::clone(&deployment.arn),
            role: Arc::clone(&deployment.role),
            secret_access_key: self.secret_access_key.clone(),
            session_token: self.session_token.clone(),
        }
    }
}

/// The place that an environment of `deployment` needs.
pub(crate) fn place(
    id: EnvironmentId,
    deployment: &Deployment,
    identity: &Identity,
) -> EnvironmentSpec {
    EnvironmentSpec {
        id,
        limits: Limits {
            memory_mb: deployment.memory_mb,
            cpu_vcpus: vcpus(deployment),
            pids: PROCESS_LIMIT,
        },
        work_dir: identity.folder.clone(),
    }
}

/// The CPU that belongs to the memory size of `deployment`.
pub(crate) fn vcpus(deployment: &Deployment) -> f64 {
    f64::from(deployment.memory_mb) / f64::from(MB_PER_VCPU)
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
    let (program, args) = program(deployment)?;
    Ok(sandbox::Command {
        program,
        args,
        env: variables(deployment, identity, runtime_api),
        cwd: deployment.code.path().to_owned(),
        telemetry: matches!(deployment.runtime, Runtime::Python { .. }),
    })
}

fn program(deployment: &Deployment) -> Result<(PathBuf, Vec<String>), Failure> {
    let Some(client) = &deployment.client else {
        let own = deployment.code.path().join("bootstrap");
        return [own, PathBuf::from("/opt/bootstrap")]
            .into_iter()
            .find(|bootstrap| bootstrap.is_file())
            .map(|bootstrap| (bootstrap, Vec::new()))
            .ok_or_else(|| Failure::NotStarted {
                error_type: "Runtime.InvalidEntrypoint",
                reason: "Couldn't find valid bootstrap(s): [/var/task/bootstrap /opt/bootstrap]"
                    .to_owned(),
            });
    };
    let text = |path: &Path| path.to_string_lossy().into_owned();
    let start = vec![
        // Nothing of the host's site-packages, and no byte code beside the function's files.
        "-S".to_owned(),
        "-B".to_owned(),
        text(&client.bootstrap()),
        deployment.handler.clone(),
    ];
    match deployment.variables.get("AWS_LAMBDA_EXEC_WRAPPER") {
        Some(wrapper) => {
            let mut args = vec![text(&client.interpreter)];
            args.extend(start);
            Ok((in_task(wrapper, deployment.code.path()), args))
        }
        None => Ok((client.interpreter.clone(), start)),
    }
}

/// Environments do not have a `/var/task` of their own: paths below it mean the code folder.
fn in_task(path: &str, code: &Path) -> PathBuf {
    match Path::new(path).strip_prefix("/var/task") {
        Ok(inside) => code.join(inside),
        Err(_) => PathBuf::from(path),
    }
}

fn variables(
    deployment: &Deployment,
    identity: &Identity,
    runtime_api: &str,
) -> Vec<(String, String)> {
    let text = |path: &Path| path.to_string_lossy().into_owned();
    let task = text(deployment.code.path());
    let mut path = "/usr/local/bin:/usr/bin:/bin:/opt/bin".to_owned();
    let mut own: Vec<(&str, String)> = Vec::new();
    if let Some(client) = &deployment.client {
        let site = text(&client.site());
        if let Some(folder) = client.interpreter.parent() {
            path = format!("{}:{path}", folder.display());
        }
        own.push(("LAMBDA_RUNTIME_DIR", site.clone()));
        own.push(("PYTHONPATH", site));
    } else {
        own.push(("LAMBDA_RUNTIME_DIR", "/var/runtime".to_owned()));
    }
    if let Some(environment) = deployment.runtime.execution_env() {
        own.push(("AWS_EXECUTION_ENV", environment));
    }
    let region = deployment.key.region.to_string();
    own.extend([
        ("LANG", "en_US.UTF-8".to_owned()),
        ("TZ", ":UTC".to_owned()),
        ("PATH", path),
        ("LD_LIBRARY_PATH", format!("{task}:{task}/lib:/opt/lib")),
        // The environment's own folder stands in for /tmp until it has a file system of its own.
        ("TMPDIR", text(&identity.folder.join("tmp"))),
        ("AWS_ENDPOINT_URL", identity.endpoint.clone()),
        ("AWS_XRAY_CONTEXT_MISSING", "LOG_ERROR".to_owned()),
        ("AWS_XRAY_DAEMON_ADDRESS", "169.254.79.129:2000".to_owned()),
        ("AWS_REGION", region.clone()),
        ("AWS_DEFAULT_REGION", region),
    ]);
    // What a function may set for itself, in place of the above.
    let mut all: std::collections::BTreeMap<String, String> = own
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect();
    all.extend(deployment.variables.clone());
    // What it may not.
    let reserved = [
        ("_HANDLER", deployment.handler.clone()),
        ("LAMBDA_TASK_ROOT", task),
        ("AWS_LAMBDA_RUNTIME_API", runtime_api.to_owned()),
        ("AWS_LAMBDA_FUNCTION_NAME", deployment.key.name.to_string()),
        (
            "AWS_LAMBDA_FUNCTION_VERSION",
            deployment.version.to_string(),
        ),
        (
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
            deployment.memory_mb.to_string(),
        ),
        ("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand".to_owned()),
        ("AWS_LAMBDA_LOG_GROUP_NAME", deployment.log_group.clone()),
        ("AWS_LAMBDA_LOG_STREAM_NAME", identity.log_stream.clone()),
        ("AWS_ACCESS_KEY_ID", identity.access_key_id.clone()),
        ("AWS_SECRET_ACCESS_KEY", identity.secret_access_key.clone()),
        ("AWS_SESSION_TOKEN", identity.session_token.clone()),
    ];
    all.extend(reserved.map(|(name, value)| (name.to_owned(), value)));
    all.into_iter().collect()
}

/// What the caller hears when the operating system would not start `program`.
pub(crate) fn not_started(program: &Path, error: &SandboxError) -> Failure {
    let reason = match error {
        SandboxError::Exec { source, .. } => {
            let name = program.file_name().unwrap_or_default().to_string_lossy();
            let shown = if name == "bootstrap" {
                "/var/task/bootstrap".to_owned()
            } else {
                program.display().to_string()
            };
            format!("fork/exec {shown}: {}", exec_reason(source))
        }
        other => other.to_string(),
    };
    Failure::NotStarted {
        error_type: "Runtime.InvalidEntrypoint",
        reason,
    }
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
