//! Runtime interface clients: AWS's own, installed once from the package registry.
//!
//! A runtime's folder `<runtimes>/python3.11/` holds `site/` (the client, and the packages that
//! AWS's runtime bundles), `bootstrap.py`, and `runtime.json`, which is written last: a folder
//! without it is an installation that was interrupted and is made again.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::process::Command;
use tokio::sync::Mutex;

use super::{Runtime, interpreter};

const BOOTSTRAP: &str = include_str!("bootstrap.py");
/// The client, and what AWS's Python runtimes bundle.
const PACKAGES: [&str; 2] = ["awslambdaric", "boto3"];
/// A registry that has not delivered by then will not.
const INSTALL_LIMIT: Duration = Duration::from_mins(10);
/// Changes when the folder's layout does; older folders are made again.
const LAYOUT: u32 = 1;

/// Why a runtime cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum RuntimeError {
    /// This engine does not run it.
    #[error(
        "the runtime {0} is not run by this engine; `lambdalab runtime list` prints those that are"
    )]
    NotServed(String),
    /// The host has no interpreter for it, or only another version and the caller is strict.
    #[error("this host has no interpreter for {runtime}{nearest}")]
    NoInterpreter {
        /// The runtime.
        runtime: Runtime,
        /// ` (the nearest is …)`, where there is one.
        nearest: String,
    },
    /// The package manager failed.
    #[error("the runtime interface client for {runtime} could not be installed: {reason}")]
    Install {
        /// The runtime.
        runtime: Runtime,
        /// The last words of the package manager.
        reason: String,
    },
    /// The runtimes folder cannot be used.
    #[error("cannot use {path}: {source}")]
    Io {
        /// The folder or file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
}

/// A runtime that is ready to run functions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Installed {
    layout: u32,
    /// The interpreter.
    pub interpreter: PathBuf,
    /// The minor version of that interpreter; differs from the runtime's where it had to be
    /// substituted.
    pub minor: u8,
    /// The packages with their versions, as the package manager names them.
    pub packages: Vec<String>,
    /// The folder.
    #[serde(skip)]
    pub folder: PathBuf,
}

impl Installed {
    /// The folder with the client and the bundled packages.
    #[must_use]
    pub fn site(&self) -> PathBuf {
        self.folder.join("site")
    }

    /// The script that starts the client.
    #[must_use]
    pub fn bootstrap(&self) -> PathBuf {
        self.folder.join("bootstrap.py")
    }
}

/// The runtimes folder.
#[derive(Debug, Clone)]
pub struct Runtimes {
    folder: PathBuf,
    strict: bool,
    /// One installation at a time.
    installing: Arc<Mutex<()>>,
}

impl Runtimes {
    /// The runtimes in `folder`. With `strict`, an interpreter of another version is no substitute.
    #[must_use]
    pub fn new(folder: PathBuf, strict: bool) -> Self {
        Self {
            folder,
            strict,
            installing: Arc::default(),
        }
    }

    /// Whether a runtime whose interpreter is missing is refused.
    pub(crate) fn is_strict(&self) -> bool {
        self.strict
    }

    /// The runtime as it is installed now, if it is.
    #[must_use]
    pub fn installed(&self, runtime: Runtime) -> Option<Installed> {
        let folder = self.folder.join(runtime.to_string());
        let text = fs::read(folder.join("runtime.json")).ok()?;
        let installed: Installed = serde_json::from_slice(&text).ok()?;
        let usable = installed.layout == LAYOUT && installed.interpreter.is_file();
        usable.then_some(Installed {
            folder,
            ..installed
        })
    }

    /// Makes `runtime` ready, installing its client on first need. Custom runtimes need nothing.
    ///
    /// # Errors
    /// There is no interpreter for it, or its client cannot be installed.
    pub async fn ensure(&self, runtime: Runtime) -> Result<Option<Installed>, RuntimeError> {
        let Runtime::Python { minor } = runtime else {
            return Ok(None);
        };
        if let Some(installed) = self.installed(runtime) {
            return Ok(Some(installed));
        }
        let _one_at_a_time = self.installing.lock().await;
        if let Some(installed) = self.installed(runtime) {
            return Ok(Some(installed));
        }
        let (found, interpreter) = self.interpreter(runtime, minor).await?;
        tracing::info!(
            %runtime,
            interpreter = %interpreter.display(),
            "installing the runtime interface client (once)"
        );
        self.install(runtime, found, interpreter).await.map(Some)
    }

    async fn interpreter(
        &self,
        runtime: Runtime,
        minor: u8,
    ) -> Result<(u8, PathBuf), RuntimeError> {
        if let Some(path) = interpreter::find(minor).await {
            return Ok((minor, path));
        }
        match interpreter::find_nearest(minor).await {
            Some((nearest, path)) if !self.strict => {
                tracing::warn!(
                    %runtime,
                    "this host has no python3.{minor}; functions run under python3.{nearest}"
                );
                Ok((nearest, path))
            }
            Some((nearest, _)) => Err(RuntimeError::NoInterpreter {
                runtime,
                nearest: format!(" (the nearest is python3.{nearest})"),
            }),
            None => Err(RuntimeError::NoInterpreter {
                runtime,
                nearest: String::new(),
            }),
        }
    }

    async fn install(
        &self,
        runtime: Runtime,
        minor: u8,
        interpreter: PathBuf,
    ) -> Result<Installed, RuntimeError> {
        let folder = self.folder.join(runtime.to_string());
        let draft = self
            .folder
            .join(format!("{runtime}.new-{}", std::process::id()));
        let io = |path: &Path| {
            let path = path.to_owned();
            move |source| RuntimeError::Io { path, source }
        };
        remove(&draft).map_err(io(&draft))?;
        fs::create_dir_all(&draft).map_err(io(&draft))?;
        let packages = match pip(runtime, minor, &interpreter, &draft.join("site")).await {
            Ok(packages) => packages,
            Err(error) => {
                remove(&draft).map_err(io(&draft))?;
                return Err(error);
            }
        };
        let installed = Installed {
            layout: LAYOUT,
            interpreter,
            minor,
            packages,
            folder: folder.clone(),
        };
        let write = |name: &str, content: &[u8]| {
            let path = draft.join(name);
            fs::write(&path, content).map_err(io(&path))
        };
        write("bootstrap.py", BOOTSTRAP.as_bytes())?;
        write(
            "runtime.json",
            &serde_json::to_vec_pretty(&installed).unwrap_or_default(),
        )?;
        remove(&folder).map_err(io(&folder))?;
        match fs::rename(&draft, &folder) {
            Ok(()) => Ok(installed),
            // Another engine that shares the folder was faster: its installation serves as well.
            Err(source) => match self.installed(runtime) {
                Some(theirs) => {
                    remove(&draft).map_err(io(&draft))?;
                    Ok(theirs)
                }
                None => Err(RuntimeError::Io {
                    path: folder,
                    source,
                }),
            },
        }
    }
}

fn remove(folder: &Path) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Installs [`PACKAGES`] into `site` for Python 3.`minor` and compiles them.
async fn pip(
    runtime: Runtime,
    minor: u8,
    interpreter: &Path,
    site: &Path,
) -> Result<Vec<String>, RuntimeError> {
    let own = run(
        runtime,
        Command::new(interpreter).args(["-m", "pip", "--version"]),
    )
    .await;
    let mut command = if own.is_ok() {
        let mut command = Command::new(interpreter);
        command.args(["-m", "pip", "install"]);
        command
    } else {
        // An interpreter without pip of its own: any other one's can fetch wheels for it.
        let mut command = Command::new("python3");
        command.args([
            "-m",
            "pip",
            "install",
            "--only-binary=:all:",
            "--implementation=cp",
        ]);
        command.arg(format!("--python-version=3.{minor}"));
        command
    };
    command.args(["--quiet", "--no-input", "--disable-pip-version-check"]);
    command.args([
        "--no-warn-script-location",
        "--root-user-action=ignore",
        "--target",
    ]);
    command
        .arg(site)
        .args(PACKAGES)
        .env_remove("PYTHONDONTWRITEBYTECODE");
    run(runtime, &mut command).await?;
    let mut compile = Command::new(interpreter);
    compile
        .args(["-m", "compileall", "-q"])
        .arg(site)
        .env_remove("PYTHONDONTWRITEBYTECODE");
    run(runtime, &mut compile).await?;
    let mut packages: Vec<String> = fs::read_dir(site)
        .map_err(|source| RuntimeError::Io {
            path: site.to_owned(),
            source,
        })?
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter_map(|name| {
            name.strip_suffix(".dist-info")
                .map(|name| name.replacen('-', " ", 1))
        })
        .collect();
    packages.sort();
    Ok(packages)
}

async fn run(runtime: Runtime, command: &mut Command) -> Result<(), RuntimeError> {
    let failed = |reason: String| RuntimeError::Install { runtime, reason };
    let output = tokio::time::timeout(INSTALL_LIMIT, command.kill_on_drop(true).output())
        .await
        .map_err(|_| failed(format!("no end after {} s", INSTALL_LIMIT.as_secs())))?
        .map_err(|error| failed(error.to_string()))?;
    if output.status.success() {
        return Ok(());
    }
    let words = String::from_utf8_lossy(&output.stderr);
    let last: Vec<&str> = words
        .lines()
        .rev()
        .filter(|line| !line.trim().is_empty())
        .take(3)
        .collect();
    Err(failed(
        last.into_iter().rev().collect::<Vec<_>>().join("; "),
    ))
}
