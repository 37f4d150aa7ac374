//! Runtime interface clients: AWS's own, installed once from their package registry with what AWS's
//! runtimes bundle (Python, Node), or found where somebody has put them (Ruby, Java).
//!
//! A runtime's folder, such as `<runtimes>/python3.11/`, holds what its language's module below lays
//! there, and `runtime.json`. It is filled elsewhere ([`draft`]) and put in place when it is whole.
//! Where another version of the interpreter stands in, its folder is one of its own, such as
//! `<runtimes>/python3.11-by-3.12/`: functions may still run from it when the right one has come up.
//! Everything that functions need of a runtime lies in
//! [`Installed::folder`] or belongs to the interpreter.

mod draft;
mod java;
mod node;
mod package_manager;
mod python;
mod ruby;

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;

pub(in crate::runtime) use java::MAIN as JAVA_MAIN;
pub(in crate::runtime) use node::BOOTSTRAP as NODE_BOOTSTRAP;
pub(in crate::runtime) use python::BOOTSTRAP as PYTHON_BOOTSTRAP;

use draft::Draft;

use super::Runtime;
use super::interpreter::{self, Language, Version};

/// Changes when a folder's layout does; older folders are made again.
const LAYOUT: u32 = 3;

/// Why a runtime cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum RuntimeError {
    /// There is no such runtime, or this engine does not run its functions.
    #[error("the runtime {name} is not run by this engine: {instead}")]
    NotServed {
        /// The runtime's name.
        name: String,
        /// What to do.
        instead: &'static str,
    },
    /// The host has no interpreter for it, or only another version and the caller is strict.
    #[error(
        "the runtime {runtime} needs {wanted}, which this host does not have{nearest}: install it, \
         by whatever version manager, or put it on the PATH of the engine"
    )]
    NoInterpreter {
        /// The runtime.
        runtime: Runtime,
        /// The language and its version.
        wanted: String,
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
    /// The client is not fetched from a registry, and is not where it is looked for.
    #[error("the runtime interface client for {runtime} is missing: {reason}")]
    NoClient {
        /// The runtime.
        runtime: Runtime,
        /// Where it is looked for, and how it gets there.
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

impl RuntimeError {
    /// A name that is no runtime's.
    #[must_use]
    pub fn unknown(name: &str) -> Self {
        Self::NotServed {
            name: name.to_owned(),
            instead: "`lambdalab runtime list` prints those that are",
        }
    }
}

/// A runtime that is ready to run functions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Installed {
    layout: u32,
    /// The interpreter.
    pub interpreter: PathBuf,
    /// Its version; differs from the runtime's where it had to be substituted.
    pub version: Version,
    #[serde(flatten)]
    contents: Contents,
    /// The folder.
    #[serde(skip)]
    pub folder: PathBuf,
}

/// What a language's module has installed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Contents {
    /// The client with its version.
    client: String,
    /// The packages beside it, with their versions.
    packages: Vec<String>,
    /// Arguments that the interpreter gets ahead of those of a function.
    #[serde(default)]
    flags: Vec<String>,
}

impl Installed {
    /// The runtime interface client and its version, as its package manager names them.
    #[must_use]
    pub fn client(&self) -> &str {
        &self.contents.client
    }

    /// The packages beside the client, with their versions.
    #[must_use]
    pub fn packages(&self) -> &[String] {
        &self.contents.packages
    }

    /// The folder that stands for `/var/runtime`: the bundled packages, and in some languages the
    /// client.
    pub(crate) fn site(&self) -> PathBuf {
        self.folder.join("site")
    }

    /// A file of ours beside it.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Arguments that the interpreter needs and understands.
    pub(crate) fn flags(&self) -> &[String] {
        &self.contents.flags
    }

    /// What to tell those who run `runtime` where another version of its interpreter stands in.
    #[must_use]
    pub fn substitution(&self, runtime: Runtime) -> Option<String> {
        let (language, wanted) = runtime.interpreter()?;
        (self.version != wanted).then(|| {
            let [wanted, instead] = [wanted, self.version].map(|v| language.with_version(v));
            format!("this host has no {wanted}: functions of {runtime} run under {instead}")
        })
    }
}

impl Installed {
    /// The same with the files of ours that belong to this engine: another version of it may have
    /// installed the folder. Where that cannot be written to, they stay.
    async fn refreshed(self, runtime: Runtime) -> Result<Self, RuntimeError> {
        let Runtime::Python { .. } = runtime else {
            return Ok(self);
        };
        blocking(move || {
            for (name, content) in python::FILES {
                if let Err(error) = self.refresh(name, content) {
                    tracing::warn!(%runtime, %error, "the runtime is that of another engine");
                }
            }
            Ok(self)
        })
        .await
    }

    /// Replaces a file, which others may be reading, as a whole.
    fn refresh(&self, name: &str, content: &[u8]) -> io::Result<()> {
        let path = self.file(name);
        if fs::read(&path).ok().as_deref() == Some(content) {
            return Ok(());
        }
        let draft = self.file(&format!(".{name}.{}", std::process::id()));
        fs::write(&draft, content)?;
        fs::rename(&draft, &path)
    }
}

type Accepted = parking_lot::Mutex<HashMap<Runtime, Arc<Mutex<bool>>>>;

/// The runtimes folder.
#[derive(Debug, Clone)]
pub struct Runtimes {
    folder: PathBuf,
    strict: bool,
    /// One installation of a runtime at a time, and whether its substitute has been looked into: a
    /// registry that does not answer holds up no other runtime.
    accepted: Arc<Accepted>,
}

impl Runtimes {
    /// The runtimes in `folder`. With `strict`, an interpreter of another version is no substitute.
    #[must_use]
    pub fn new(folder: PathBuf, strict: bool) -> Self {
        Self {
            folder,
            strict,
            accepted: Arc::default(),
        }
    }

    /// Whether a runtime whose interpreter is missing is refused.
    pub(crate) fn is_strict(&self) -> bool {
        self.strict
    }

    /// The runtime as it is installed now, if it is: with its own interpreter, or else with the
    /// nearest that stands in.
    #[must_use]
    pub fn installed(&self, runtime: Runtime) -> Option<Installed> {
        let (_, wanted) = runtime.interpreter()?;
        self.installed_with(runtime, wanted).or_else(|| {
            let begin = stand_in(runtime);
            let folders = names(&self.folder);
            let versions = folders.iter().filter_map(|name| name.strip_prefix(&begin));
            let found: BTreeMap<Version, Installed> = versions
                .filter_map(|version| version.parse().ok())
                .filter_map(|version| Some((version, self.installed_with(runtime, version)?)))
                .collect();
            interpreter::nearest(wanted, found).map(|(_, installed)| installed)
        })
    }

    /// The runtime as it is installed with that version of its interpreter.
    fn installed_with(&self, runtime: Runtime, version: Version) -> Option<Installed> {
        let folder = self.place(runtime, version);
        let text = fs::read(folder.join("runtime.json")).ok()?;
        let installed: Installed = serde_json::from_slice(&text).ok()?;
        let usable = installed.layout == LAYOUT
            && installed.version == version
            && installed.interpreter.is_file();
        usable.then_some(Installed {
            folder,
            ..installed
        })
    }

    /// Where the runtime lies, or will, with that version of its interpreter.
    fn place(&self, runtime: Runtime, version: Version) -> PathBuf {
        let own = runtime.interpreter().is_some_and(|(_, own)| own == version);
        self.folder.join(if own {
            runtime.to_string()
        } else {
            format!("{}{version}", stand_in(runtime))
        })
    }

    /// Removes what killed processes have left of installations.
    pub(crate) async fn sweep(&self) {
        let folder = self.folder.clone();
        let swept = blocking(move || match draft::sweep(&folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(io(&folder)(error)),
            _ => Ok(()),
        });
        if let Err(error) = swept.await {
            tracing::warn!(%error, "an interrupted installation could not be removed");
        }
    }

    /// Makes `runtime` ready, installing its client on first need. Custom runtimes need nothing.
    ///
    /// # Errors
    /// There is no interpreter for it, or its client cannot be installed.
    pub async fn ensure(&self, runtime: Runtime) -> Result<Option<Installed>, RuntimeError> {
        if runtime.is_custom() {
            return Ok(None);
        }
        let Some((language, wanted)) = runtime.interpreter() else {
            return Err(RuntimeError::NotServed {
                name: runtime.to_string(),
                instead: "AWS publishes no client for it that runs outside of its images; a \
                          self-contained executable with Amazon.Lambda.RuntimeSupport runs as \
                          provided.al2023",
            });
        };
        let exact = |installed: &Installed| installed.version == wanted;
        if let Some(installed) = self.installed(runtime).filter(exact) {
            return installed.refreshed(runtime).await.map(Some);
        }
        let accepted = Arc::clone(self.accepted.lock().entry(runtime).or_default());
        let mut accepted = accepted.lock().await;
        let installed = self.installed(runtime);
        if let Some(installed) = &installed
            && (exact(installed) || *accepted)
        {
            return installed.clone().refreshed(runtime).await.map(Some);
        }
        let own = interpreter::find(language, wanted).await;
        let installed = match (own, installed) {
            (Some(path), _) => self.install(runtime, wanted, path).await?,
            // A substitute goes on serving where a nearer one has come up meanwhile.
            (None, Some(substitute)) if !self.strict => substitute.refreshed(runtime).await?,
            (None, _) => {
                let (version, path) = self.substitute(runtime, language, wanted).await?;
                self.install(runtime, version, path).await?
            }
        };
        if let Some(substitution) = installed.substitution(runtime) {
            tracing::warn!(%runtime, "{substitution}");
            *accepted = true;
        }
        Ok(Some(installed))
    }

    /// The nearest interpreter, where that is good enough.
    async fn substitute(
        &self,
        runtime: Runtime,
        language: Language,
        wanted: Version,
    ) -> Result<(Version, PathBuf), RuntimeError> {
        match interpreter::find_nearest(language, wanted).await {
            Some(nearest) if !self.strict => Ok(nearest),
            nearest => Err(RuntimeError::NoInterpreter {
                runtime,
                wanted: language.with_version(wanted),
                nearest: nearest
                    .map(|(version, _)| {
                        format!(" (the nearest is {})", language.with_version(version))
                    })
                    .unwrap_or_default(),
            }),
        }
    }

    async fn install(
        &self,
        runtime: Runtime,
        version: Version,
        interpreter: PathBuf,
    ) -> Result<Installed, RuntimeError> {
        tracing::info!(
            %runtime,
            interpreter = %interpreter.display(),
            "installing the runtime interface client (once)"
        );
        let folder = self.place(runtime, version);
        let beside = folder.clone();
        let draft = blocking(move || Draft::beside(&beside).map_err(io(&beside))).await?;
        let order = Order {
            runtime,
            version,
            interpreter: &interpreter,
            runtimes: &self.folder,
            draft: draft.path(),
        };
        let contents = match runtime {
            Runtime::Python { .. } => python::install(&order).await,
            Runtime::Node { major } => node::install(&order, major).await,
            Runtime::Ruby { .. } => ruby::install(&order).await,
            Runtime::Java { .. } => java::install(&order),
            Runtime::Dotnet { .. } | Runtime::Provided { .. } | Runtime::Image => {
                Err(RuntimeError::unknown(&runtime.to_string()))
            }
        };
        let contents = match contents {
            Ok(contents) => contents,
            Err(error) => {
                blocking(move || draft.discard().map_err(io(&folder))).await?;
                return Err(error);
            }
        };
        let installed = Installed {
            layout: LAYOUT,
            interpreter: interpreter.clone(),
            version,
            contents,
            folder,
        };
        let description = serde_json::to_vec_pretty(&installed).unwrap_or_default();
        order.write("runtime.json", &description)?;
        let this = self.clone();
        blocking(move || this.settle(runtime, installed, draft)).await
    }

    /// Puts a draft in its place, unless another engine that shares the folder was faster: what it
    /// has installed serves as well, and may be in use.
    fn settle(
        &self,
        runtime: Runtime,
        installed: Installed,
        draft: Draft,
    ) -> Result<Installed, RuntimeError> {
        let place = installed.folder.clone();
        let theirs = || self.installed_with(runtime, installed.version);
        if let Some(theirs) = theirs() {
            draft.discard().map_err(io(&place))?;
            return Ok(theirs);
        }
        match draft.replace(&place) {
            Ok(()) => Ok(installed),
            // It came between the look and the move.
            Err(error) => theirs().ok_or_else(|| io(&place)(error)),
        }
    }
}

/// What the names of a runtime's folders begin with where another interpreter stands in.
fn stand_in(runtime: Runtime) -> String {
    format!("{runtime}-by-")
}

/// Runs what takes long in the file system.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, RuntimeError> + Send + 'static,
) -> Result<T, RuntimeError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| Err(io(Path::new("the runtimes folder"))(error.into())))
}

/// What is to be installed, and where.
struct Order<'a> {
    runtime: Runtime,
    /// The interpreter's version.
    version: Version,
    interpreter: &'a Path,
    /// The folder of all runtimes.
    runtimes: &'a Path,
    /// The folder to fill, which becomes the runtime's.
    draft: &'a Path,
}

impl Order<'_> {
    fn site(&self) -> PathBuf {
        self.draft.join("site")
    }

    /// Writes a file below the draft, with the folders on the way.
    fn write(&self, name: &str, content: &[u8]) -> Result<(), RuntimeError> {
        let path = self.draft.join(name);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(io(folder))?;
        }
        fs::write(&path, content).map_err(io(&path))
    }

    fn failed(&self, reason: impl Into<String>) -> RuntimeError {
        RuntimeError::Install {
            runtime: self.runtime,
            reason: reason.into(),
        }
    }

    fn no_client(&self, reason: impl Into<String>) -> RuntimeError {
        RuntimeError::NoClient {
            runtime: self.runtime,
            reason: reason.into(),
        }
    }
}

fn io(path: &Path) -> impl FnOnce(io::Error) -> RuntimeError {
    let path = path.to_owned();
    move |source| RuntimeError::Io { path, source }
}

/// The names in a folder; none where it is not there.
fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    let mut names: Vec<String> = entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .collect();
    names.sort();
    names
}

#[cfg(test)]
mod tests;
