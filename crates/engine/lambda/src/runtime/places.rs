//! Where the paths lie that AWS documents: `/var/task`, `/var/runtime` and `/opt`.
//!
//! Environments have no root of their own yet, so each of these is a folder of the host's. Everything
//! that names such a path, to a function or for one, goes through here.

use std::path::{Path, PathBuf};

use super::install::Installed;
use crate::deployment::Deployment;

const TASK: &str = "/var/task";
const RUNTIME: &str = "/var/runtime";
const LAYERS: &str = "/opt";

/// What stands for AWS's folders in an environment of one deployment.
#[derive(Debug, Clone)]
pub(super) struct Places {
    folders: [(&'static str, PathBuf); 3],
}

impl Places {
    pub(super) fn of(deployment: &Deployment) -> Self {
        let runtime = deployment.client.as_ref();
        let runtime = runtime.map_or_else(|| PathBuf::from(RUNTIME), Installed::site);
        let task = deployment.code.path().to_owned();
        Self::new(task, runtime, deployment.opt.path().to_owned())
    }

    fn new(task: PathBuf, runtime: PathBuf, layers: PathBuf) -> Self {
        let folders = [(TASK, task), (RUNTIME, runtime), (LAYERS, layers)];
        Self { folders }
    }

    /// Where a path of AWS's lies here.
    pub(super) fn path(&self, path: impl AsRef<Path>) -> PathBuf {
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

    /// The same as text, for environment variables and arguments.
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
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::runtime) fn places() -> Places {
        Places::new("/code".into(), "/node".into(), "/layers".into())
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
