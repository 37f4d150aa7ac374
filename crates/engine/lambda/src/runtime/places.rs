//! Where the paths lie that AWS documents: `/var/task`, `/var/runtime`, `/var/lang` and `/opt`.
//!
//! An isolated environment has them where AWS has them. Elsewhere each of them is a folder of the
//! host's. Everything that names such a path, to a function or for one, goes through here.

use std::path::{Path, PathBuf};

use sandbox::Shown;

use super::identity::Identity;
use super::install::Installed;
use crate::deployment::{Code, Deployment};

/// All of them, where the function brings its own root.
const ROOT: &str = "/";
const TASK: &str = "/var/task";
const RUNTIME: &str = "/var/runtime";
const LAYERS: &str = "/opt";
/// The interpreter with its library.
const LANGUAGE: &str = "/var/lang";
/// What starts the client.
const STARTER: &str = "/var/rapid";

/// What every environment shows of the system at its own place, but for what the host's owner has
/// installed beside it.
const SYSTEM: [&str; 3] = ["/usr", "/nix/store", "/gnu/store"];
const BESIDE_SYSTEM: &str = "/usr/local";

/// What stands for AWS's folders in an environment of one deployment.
#[derive(Debug, Clone)]
pub(super) struct Places {
    folders: Vec<(&'static str, PathBuf)>,
    isolated: bool,
}

impl Places {
    pub(super) fn of(deployment: &Deployment, isolated: bool) -> Self {
        let mut folders = match &deployment.code {
            Code::Package { task, opt } => vec![
                (TASK, task.path().to_owned()),
                (LAYERS, opt.path().to_owned()),
            ],
            Code::Image(container) => vec![(ROOT, container.root().to_owned())],
        };
        if let Some(client) = &deployment.client {
            folders.push((RUNTIME, client.site()));
            folders.push((STARTER, client.folder.clone()));
            let home = home_of(&client.interpreter);
            folders.extend(home.map(|home| (LANGUAGE, home.to_owned())));
        }
        Self { folders, isolated }
    }

    /// Where the function finds a path of AWS's.
    pub(super) fn path(&self, path: impl AsRef<Path>) -> PathBuf {
        if self.isolated {
            path.as_ref().to_owned()
        } else {
            self.host(path)
        }
    }

    /// Where a path of AWS's lies on the host.
    pub(super) fn host(&self, path: impl AsRef<Path>) -> PathBuf {
        let path = path.as_ref();
        let inside = |(folder, place): &(&str, PathBuf)| {
            let rest = path.strip_prefix(folder).ok()?;
            // Joining an empty path would leave a slash behind.
            let whole = rest.as_os_str().is_empty();
            Some(if whole {
                place.clone()
            } else {
                place.join(rest)
            })
        };
        let found = self.folders.iter().find_map(inside);
        found.unwrap_or_else(|| path.to_owned())
    }

    /// The same as [`Places::path`] as text, for environment variables and arguments.
    pub(super) fn text(&self, path: &str) -> String {
        self.path(path).to_string_lossy().into_owned()
    }

    /// A list of such paths, divided by colons.
    pub(super) fn list(&self, paths: &str) -> String {
        let paths: Vec<String> = paths.split(':').map(|path| self.text(path)).collect();
        paths.join(":")
    }

    /// How AWS would name a path of ours.
    pub(super) fn shown(&self, path: &Path) -> String {
        let name = |(folder, place): &(&str, PathBuf)| {
            let rest = path.strip_prefix(place).ok()?;
            Some(Path::new(folder).join(rest))
        };
        let found = self.folders.iter().find_map(name);
        found
            .unwrap_or_else(|| path.to_owned())
            .to_string_lossy()
            .into_owned()
    }

    /// The interpreter, as the function sees it.
    pub(super) fn interpreter(&self, client: &Installed) -> PathBuf {
        let home = self.folders.iter().find(|(folder, _)| *folder == LANGUAGE);
        let inside = home.and_then(|(_, home)| client.interpreter.strip_prefix(home).ok());
        match inside {
            Some(inside) if self.isolated => Path::new(LANGUAGE).join(inside),
            _ => client.interpreter.clone(),
        }
    }

    /// Whether the interpreter lies where AWS has it.
    pub(super) fn has_language(&self) -> bool {
        self.isolated && self.folders.iter().any(|(folder, _)| *folder == LANGUAGE)
    }

    /// A file of ours that starts the client, as the function sees it.
    pub(super) fn starter(&self, client: &Installed, name: &str) -> String {
        let file = if self.isolated {
            Path::new(STARTER).join(name)
        } else {
            client.file(name)
        };
        file.to_string_lossy().into_owned()
    }

    /// The folder that stands in for `/tmp`, where there is no such of the environment's own.
    pub(super) fn temporary(&self, identity: &Identity) -> Option<String> {
        let folder = identity.folder.join("tmp");
        (!self.isolated).then(|| folder.to_string_lossy().into_owned())
    }

    /// What an isolated environment must show. The interpreter lies at its own place too: programs
    /// know by its whole path where their libraries are.
    pub(super) fn shows(&self) -> Vec<Shown> {
        let mut shows = Vec::new();
        if !self.isolated {
            return shows;
        }
        for (folder, place) in &self.folders {
            shows.push(Shown {
                source: place.clone(),
                target: (*folder).into(),
            });
            let taken = |folder: &str| place.starts_with(folder);
            if *folder == LANGUAGE
                && (taken(BESIDE_SYSTEM) || !SYSTEM.into_iter().any(taken))
                && !RESERVED.into_iter().any(taken)
            {
                shows.push(Shown {
                    source: place.clone(),
                    target: place.clone(),
                });
            }
        }
        shows
    }
}

/// Where an isolated environment has something else than the host.
const RESERVED: [&str; 12] = [
    TASK, RUNTIME, LAYERS, LANGUAGE, STARTER, "/dev", "/etc", "/proc", "/run", "/sys", "/tmp",
    "/var/tmp",
];

/// The folder that an interpreter was installed into, `…/bin/python3` below it; `None` where that
/// holds more than the interpreter: the whole host, or somebody's home.
fn home_of(interpreter: &Path) -> Option<&Path> {
    let programs = interpreter.parent()?;
    let home = programs.parent()?;
    let of_its_own = home.components().count() > 2 || SYSTEM.contains(&home.to_str()?);
    let somebodys = std::env::home_dir().is_some_and(|theirs| theirs.starts_with(home));
    (programs.ends_with("bin") && of_its_own && !somebodys).then_some(home)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::runtime) fn places() -> Places {
        Places {
            folders: vec![
                (TASK, "/code".into()),
                (LAYERS, "/layers".into()),
                (RUNTIME, "/node".into()),
            ],
            isolated: false,
        }
    }

    #[test]
    fn awss_paths_lie_elsewhere() {
        let places = places();
        assert_eq!(places.path("/var/task"), Path::new("/code"));
        assert_eq!(places.path("/opt/lib/x"), Path::new("/layers/lib/x"));
        assert_eq!(places.path("/optional"), Path::new("/optional"));
        assert_eq!(
            places.list("/opt/nodejs:/var/runtime:/usr/bin:/var/task"),
            "/layers/nodejs:/node:/usr/bin:/code"
        );
        assert_eq!(places.shows(), []);
    }

    #[test]
    fn isolated_environments_have_awss_paths() {
        let mut places = places();
        places.isolated = true;
        places
            .folders
            .push((LANGUAGE, "/home/me/python/3.13".into()));
        assert_eq!(places.path("/opt/lib/x"), Path::new("/opt/lib/x"));
        assert_eq!(places.host("/opt/lib/x"), Path::new("/layers/lib/x"));
        let targets: Vec<_> = places.shows().into_iter().map(|it| it.target).collect();
        let expected = [
            "/var/task",
            "/opt",
            "/var/runtime",
            "/var/lang",
            "/home/me/python/3.13",
        ];
        assert_eq!(targets, expected.map(PathBuf::from));
        places.folders.pop();
        places.folders.push((LANGUAGE, "/usr".into()));
        assert_eq!(places.shows().len(), 4, "the system is shown anyway");
        places.folders.pop();
        places.folders.push((LANGUAGE, "/usr/local/python".into()));
        let beside = places.shows().pop();
        assert_eq!(beside.unwrap().target, Path::new("/usr/local/python"));
    }

    #[test]
    fn an_interpreter_does_not_bring_the_host_along() {
        let home = |path: &'static str| home_of(Path::new(path));
        let own = Some(Path::new("/opt/python/3.13"));
        assert_eq!(home("/opt/python/3.13/bin/python3.13"), own);
        assert_eq!(home("/usr/bin/node"), Some(Path::new("/usr")));
        assert_eq!(home("/bin/node"), None);
        assert_eq!(home("/python/python3"), None);
        assert_eq!(home("/home/bin/node"), None);
    }

    #[test]
    fn ours_are_shown_as_awss() {
        let places = places();
        assert_eq!(
            places.shown(Path::new("/code/bootstrap")),
            "/var/task/bootstrap"
        );
        assert_eq!(places.shown(Path::new("/bin/sh")), "/bin/sh");
    }
}
