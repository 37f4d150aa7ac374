//! Where interpreters lie.

use std::cmp::Reverse;
use std::collections::HashSet;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use super::{Language, Version};

/// A program that may be an interpreter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Candidate {
    pub(super) program: PathBuf,
    /// What its name or folder says of its version.
    pub(super) hint: Option<Version>,
}

/// Where a version manager, or the system, has one folder for each version.
struct Versions {
    language: Language,
    /// The variable that names `root` in the place of `home`.
    variable: Option<&'static str>,
    /// The root below the home folder; absolute where it is the system's.
    home: &'static str,
    /// The folder of versions, below the root.
    folder: &'static str,
    /// The interpreter, below a version's folder.
    program: &'static str,
}

const fn versions(
    language: Language,
    variable: Option<&'static str>,
    home: &'static str,
    folder: &'static str,
    program: &'static str,
) -> Versions {
    Versions {
        language,
        variable,
        home,
        folder,
        program,
    }
}

/// The version managers in use. Packages of a distribution, deadsnakes' among them, lie on the search
/// path or in [`SYSTEM`].
#[rustfmt::skip]
const VERSIONS: [Versions; 25] = {
    use Language::{Java, Node, Python, Ruby};
    [
        versions(Python, Some("PYENV_ROOT"), ".pyenv", "versions", "bin/python3"),
        versions(Python, Some("UV_PYTHON_INSTALL_DIR"), ".local/share/uv/python", "", "bin/python3"),
        versions(Python, Some("ASDF_DATA_DIR"), ".asdf", "installs/python", "bin/python3"),
        versions(Python, Some("MISE_DATA_DIR"), ".local/share/mise", "installs/python", "bin/python3"),
        versions(Python, None, "/opt/hostedtoolcache/Python", "", "x64/bin/python3"),
        versions(Node, Some("NVM_DIR"), ".nvm", "versions/node", "bin/node"),
        versions(Node, Some("FNM_DIR"), ".local/share/fnm", "node-versions", "installation/bin/node"),
        versions(Node, None, ".fnm", "node-versions", "installation/bin/node"),
        versions(Node, Some("VOLTA_HOME"), ".volta", "tools/image/node", "bin/node"),
        versions(Node, Some("N_PREFIX"), "/usr/local", "n/versions/node", "bin/node"),
        versions(Node, Some("ASDF_DATA_DIR"), ".asdf", "installs/nodejs", "bin/node"),
        versions(Node, Some("MISE_DATA_DIR"), ".local/share/mise", "installs/node", "bin/node"),
        versions(Node, None, "/opt/hostedtoolcache/node", "", "x64/bin/node"),
        versions(Ruby, Some("RBENV_ROOT"), ".rbenv", "versions", "bin/ruby"),
        versions(Ruby, Some("rvm_path"), ".rvm", "rubies", "bin/ruby"),
        versions(Ruby, None, ".rubies", "", "bin/ruby"),
        versions(Ruby, None, "/opt/rubies", "", "bin/ruby"),
        versions(Ruby, Some("ASDF_DATA_DIR"), ".asdf", "installs/ruby", "bin/ruby"),
        versions(Ruby, Some("MISE_DATA_DIR"), ".local/share/mise", "installs/ruby", "bin/ruby"),
        versions(Java, None, "/usr/lib/jvm", "", "bin/java"),
        versions(Java, None, "/Library/Java/JavaVirtualMachines", "", "Contents/Home/bin/java"),
        versions(Java, Some("SDKMAN_DIR"), ".sdkman", "candidates/java", "bin/java"),
        versions(Java, None, ".jdks", "", "bin/java"),
        versions(Java, Some("ASDF_DATA_DIR"), ".asdf", "installs/java", "bin/java"),
        versions(Java, Some("MISE_DATA_DIR"), ".local/share/mise", "installs/java", "bin/java"),
    ]
};

/// Where programs lie that the search path leaves out.
const SYSTEM: [&str; 3] = ["/usr/local/bin", "/usr/bin", "/opt/homebrew/bin"];

/// Every place where an interpreter of `language` may be, those that the user has chosen first.
pub(super) fn candidates(language: Language) -> Vec<Candidate> {
    let variable = |name: &str| env::var_os(name).map(PathBuf::from);
    let path = env::var_os("PATH").unwrap_or_default();
    let mut all = Vec::new();
    if language == Language::Java
        && let Some(home) = variable("JAVA_HOME")
    {
        let program = home.join("bin/java");
        all.push(Candidate {
            program,
            hint: None,
        });
    }
    let folders = || env::split_paths(&path).chain(SYSTEM.map(PathBuf::from));
    all.extend(named(language, folders()));
    all.extend(folders().map(|folder| Candidate {
        program: folder.join(language.program()),
        hint: None,
    }));
    let home = variable("HOME");
    for place in VERSIONS.iter().filter(|place| place.language == language) {
        let root = place.variable.and_then(variable).or_else(|| {
            let absolute = Path::new(place.home).is_absolute();
            let base = if absolute {
                Some(PathBuf::from("/"))
            } else {
                home.clone()
            };
            base.map(|base| base.join(place.home))
        });
        let folder = root.map(|root| root.join(place.folder));
        all.extend(folder.into_iter().flat_map(|folder| kept(place, &folder)));
    }
    let mut seen = HashSet::new();
    all.retain(|candidate| candidate.program.is_file() && seen.insert(candidate.program.clone()));
    all
}

/// Programs whose name tells their version, such as `python3.12`.
fn named(language: Language, folders: impl Iterator<Item = PathBuf>) -> Vec<Candidate> {
    let names: Vec<(String, Version)> = super::super::Runtime::ALL
        .into_iter()
        .filter_map(super::super::Runtime::interpreter)
        .filter(|(of, _)| *of == language && language.counts_minors())
        .map(|(_, version)| {
            let name = language.program().trim_end_matches(char::is_numeric);
            (format!("{name}{version}"), version)
        })
        .collect();
    folders
        .flat_map(|folder| {
            names
                .iter()
                .map(|(name, version)| Candidate {
                    program: folder.join(name),
                    hint: Some(*version),
                })
                .collect::<Vec<_>>()
        })
        .collect()
}

/// The versions in `folder`, the newest first.
fn kept(place: &Versions, folder: &Path) -> Vec<Candidate> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut found: Vec<(Vec<u32>, Candidate)> = entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| place.language != Language::Python || is_cpython(name))
        .filter_map(|name| {
            let candidate = Candidate {
                program: folder.join(&name).join(place.program),
                hint: Some(place.language.version(&name)?),
            };
            Some((numbers(&name), candidate))
        })
        .collect();
    found.sort_by(|(left, _), (right, _)| Reverse(left).cmp(&Reverse(right)));
    found.into_iter().map(|(_, candidate)| candidate).collect()
}

/// Whether a folder's name is one of CPython proper: not `PyPy`, not a build without the lock.
fn is_cpython(name: &str) -> bool {
    let numbered = name.strip_prefix("cpython-").unwrap_or(name);
    let released = numbered.starts_with(|c: char| c.is_ascii_digit());
    released && !name.ends_with('t') && !name.contains("freethreaded")
}

fn numbers(name: &str) -> Vec<u32> {
    name.split(|c: char| !c.is_ascii_digit())
        .filter_map(|number| number.parse().ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(language: Language, program: &'static str) -> Versions {
        versions(language, None, "", "", program)
    }

    fn folders(names: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for name in names {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        folder
    }

    #[test]
    fn the_newest_release_of_a_version_comes_first() {
        let folder = folders(&["v22.9.0", "v22.14.1", "v18.20.4", "lts"]);
        let found = kept(&place(Language::Node, "bin/node"), folder.path());
        let names: Vec<_> = found
            .iter()
            .map(|candidate| candidate.program.strip_prefix(folder.path()).unwrap())
            .collect();
        let expected = ["v22.14.1", "v22.9.0", "v18.20.4"];
        assert_eq!(names, expected.map(|name| Path::new(name).join("bin/node")));
        assert_eq!(found[0].hint, Some(Version::from(22)));
    }

    #[test]
    fn other_pythons_than_cpython_are_left_out() {
        let folder = folders(&[
            "3.12.1",
            "3.13.0t",
            "cpython-3.14.0+freethreaded-linux-x86_64-gnu",
            "cpython-3.9.20-linux-x86_64-gnu",
            "pypy3.10-7.3.12",
            "venv-3.11",
        ]);
        let found = kept(&place(Language::Python, "bin/python3"), folder.path());
        let hints: Vec<_> = found
            .iter()
            .filter_map(|candidate| candidate.hint)
            .collect();
        let version = |minor| Version { major: 3, minor };
        assert_eq!(hints, [version(12), version(9)]);
    }

    #[test]
    fn programs_on_the_path_are_found_once() {
        let all = candidates(Language::Python);
        let distinct: HashSet<_> = all.iter().map(|candidate| &candidate.program).collect();
        assert_eq!(all.len(), distinct.len());
        assert!(all.iter().all(|candidate| candidate.program.is_file()));
    }
}
