//! Which interpreters this host has: on the search path, in the system's folders, and where version
//! managers keep theirs, selected or not.

mod places;

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::process::Command;
use tokio::task::JoinSet;

/// An interpreter that has not told its version by then is none.
const PROBE_LIMIT: Duration = Duration::from_secs(20);

/// A language whose functions run under an interpreter of the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Language {
    /// CPython.
    Python,
    /// Node.js.
    Node,
    /// CRuby.
    Ruby,
    /// A Java runtime.
    Java,
}

impl Language {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Python, Self::Node, Self::Ruby, Self::Java];

    /// The name of the interpreter's program.
    #[must_use]
    pub fn program(self) -> &'static str {
        match self {
            Self::Python => "python3",
            Self::Node => "node",
            Self::Ruby => "ruby",
            Self::Java => "java",
        }
    }

    /// `Python 3.14`, `Node 22`, …
    #[must_use]
    pub fn with_version(self, version: Version) -> String {
        let name = match self {
            Self::Python => "Python",
            Self::Node => "Node",
            Self::Ruby => "Ruby",
            Self::Java => "Java",
        };
        match self {
            Self::Python | Self::Ruby => format!("{name} {version}"),
            Self::Node | Self::Java => format!("{name} {}", version.major),
        }
    }

    /// Whether a minor version is another version of the language.
    fn counts_minors(self) -> bool {
        matches!(self, Self::Python | Self::Ruby)
    }

    /// The oldest version that a runtime could need or be served by.
    fn oldest(self) -> Version {
        match self {
            Self::Python => Version { major: 3, minor: 8 },
            Self::Node => Version::from(16),
            Self::Ruby => Version { major: 3, minor: 0 },
            Self::Java => Version::from(8),
        }
    }

    /// The version in `text`, such as `v22.1.0`, `3.11.4`, `1.8.0_422` or `17.0.15`.
    fn version(self, text: &str) -> Option<Version> {
        let digits = text.trim_start_matches(|c: char| !c.is_ascii_digit());
        let mut numbers = digits
            .split(|c: char| !c.is_ascii_digit())
            .map_while(|number| number.parse().ok());
        let major = numbers.next()?;
        let minor = numbers.next();
        Some(match (self, major, minor) {
            (Self::Java, 1, Some(major)) => Version::from(major),
            (Self::Node | Self::Java, major, _) => Version::from(major),
            (_, major, minor) => Version {
                major,
                minor: minor?,
            },
        })
    }
}

/// A version of a language, as far as it tells runtimes apart: of Node and Java only the major one
/// does, and the minor one is 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Version {
    /// The first number.
    pub major: u16,
    /// The second one.
    pub minor: u16,
}

impl From<u16> for Version {
    fn from(major: u16) -> Self {
        Self { major, minor: 0 }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

impl From<Version> for String {
    fn from(version: Version) -> Self {
        version.to_string()
    }
}

/// A text that is not `MAJOR.MINOR`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no version")]
pub struct NoVersion(String);

impl FromStr for Version {
    type Err = NoVersion;

    fn from_str(text: &str) -> Result<Self, NoVersion> {
        let none = || NoVersion(text.to_owned());
        let (major, minor) = text.split_once('.').ok_or_else(none)?;
        let number = |text: &str| text.parse().map_err(|_| none());
        Ok(Self {
            major: number(major)?,
            minor: number(minor)?,
        })
    }
}

impl TryFrom<String> for Version {
    type Error = NoVersion;

    fn try_from(text: String) -> Result<Self, NoVersion> {
        text.parse()
    }
}

/// The interpreter of exactly that version, where this host has one.
pub async fn find(language: Language, version: Version) -> Option<PathBuf> {
    for candidate in places::candidates(language) {
        let may_be = candidate.hint.is_none_or(|hint| hint == version);
        if may_be
            && let Some((found, path)) = probe(language, candidate.program).await
            && found == version
        {
            return Some(path);
        }
    }
    None
}

/// Every interpreter of `language` that this host has, the first of each version.
pub async fn find_all(language: Language) -> BTreeMap<Version, PathBuf> {
    let mut probes = JoinSet::new();
    for (rank, candidate) in places::candidates(language).into_iter().enumerate() {
        probes.spawn(async move { (rank, probe(language, candidate.program).await) });
    }
    let mut answers = probes.join_all().await;
    answers.sort_by_key(|(rank, _)| *rank);
    let mut found = BTreeMap::new();
    for (version, path) in answers.into_iter().filter_map(|(_, answer)| answer) {
        if version >= language.oldest() {
            found.entry(version).or_insert(path);
        }
    }
    found
}

/// The interpreter nearest to that version, a newer one before an older one.
pub async fn find_nearest(language: Language, version: Version) -> Option<(Version, PathBuf)> {
    let found = find_all(language).await;
    nearest(version, found)
}

/// The one of `found` that is nearest to `version`.
pub(super) fn nearest<T>(version: Version, found: BTreeMap<Version, T>) -> Option<(Version, T)> {
    let ordinal = |version: &Version| u32::from(version.major) * 1_000 + u32::from(version.minor);
    let distance = |other: &Version| (ordinal(other).abs_diff(ordinal(&version)), *other < version);
    found.into_iter().min_by_key(|(other, _)| distance(other))
}

/// The version of the interpreter at `program`, and where it really lies: behind shims, links and
/// virtual environments.
async fn probe(language: Language, program: PathBuf) -> Option<(Version, PathBuf)> {
    let arguments: &[&str] = match language {
        Language::Python => &[
            "-I",
            "-c",
            "import os, sys\n\
             exe = getattr(sys, '_base_executable', None) or sys.executable\n\
             print('%d.%d' % sys.version_info[:2])\n\
             print(os.path.realpath(exe))",
        ],
        Language::Node => &["-p", "process.version + '\\n' + process.execPath"],
        Language::Ruby => &["-e", "puts RUBY_VERSION, RbConfig.ruby"],
        Language::Java => &["-XshowSettings:properties", "-version"],
    };
    let mut command = Command::new(&program);
    command
        .args(arguments)
        .env_remove("NODE_OPTIONS")
        .env_remove("RUBYOPT")
        .env_remove("JAVA_TOOL_OPTIONS")
        .kill_on_drop(true);
    let output = tokio::time::timeout(PROBE_LIMIT, command.output())
        .await
        .ok()?
        .ok()?;
    if !output.status.success() {
        return None;
    }
    if language == Language::Java {
        return java(&String::from_utf8_lossy(&output.stderr));
    }
    let text = String::from_utf8(output.stdout).ok()?;
    let mut lines = text.lines().map(str::trim);
    let version = language.version(lines.next()?)?;
    Some((version, PathBuf::from(lines.next()?)))
}

/// Version and program from the properties that `java -XshowSettings` prints.
fn java(settings: &str) -> Option<(Version, PathBuf)> {
    let property = |name: &str| {
        settings.lines().find_map(|line| {
            let (key, value) = line.split_once('=')?;
            (key.trim() == name).then(|| value.trim())
        })
    };
    let version = Language::Java.version(property("java.version")?)?;
    let home = Path::new(property("java.home")?);
    Some((version, home.join("bin/java")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(major: u16, minor: u16) -> Version {
        Version { major, minor }
    }

    #[test]
    fn versions_are_read_as_their_languages_count_them() {
        let read = |language: Language, text| language.version(text);
        assert_eq!(read(Language::Node, "v22.14.0"), Some(version(22, 0)));
        assert_eq!(read(Language::Python, "3.11"), Some(version(3, 11)));
        assert_eq!(
            read(Language::Python, "cpython-3.9.18-linux"),
            Some(version(3, 9))
        );
        assert_eq!(read(Language::Python, "3"), None);
        assert_eq!(read(Language::Java, "1.8.0_422"), Some(version(8, 0)));
        assert_eq!(read(Language::Java, "17.0.15"), Some(version(17, 0)));
        assert_eq!(read(Language::Java, "25"), Some(version(25, 0)));
        assert_eq!(read(Language::Ruby, "ruby-3.4.1"), Some(version(3, 4)));
        assert_eq!(read(Language::Ruby, "system"), None);
    }

    #[test]
    fn a_newer_interpreter_is_nearer_than_an_older_one() {
        let found = |versions: &[Version]| versions.iter().map(|v| (*v, ())).collect();
        let choose = |wanted, versions: &[Version]| nearest(wanted, found(versions)).unwrap().0;
        let (twelve, fourteen) = (version(3, 12), version(3, 14));
        assert_eq!(choose(version(3, 13), &[twelve, fourteen]), fourteen);
        assert_eq!(choose(version(3, 9), &[twelve, fourteen]), twelve);
        assert_eq!(
            choose(version(4, 0), &[version(3, 2), version(3, 4)]),
            version(3, 4)
        );
        assert_eq!(nearest::<()>(twelve, BTreeMap::new()), None);
    }

    #[test]
    fn javas_settings_tell_version_and_home() {
        let settings = "Property settings:\n    java.home = /opt/jdk\n    java.version = 17.0.15\n";
        let expected = (version(17, 0), PathBuf::from("/opt/jdk/bin/java"));
        assert_eq!(java(settings), Some(expected));
        assert_eq!(java("nothing"), None);
    }

    #[tokio::test]
    async fn what_is_no_interpreter_is_not_taken_for_one() {
        assert_eq!(probe(Language::Node, "/bin/false".into()).await, None);
        assert_eq!(probe(Language::Node, "/nonexistent".into()).await, None);
        assert_eq!(probe(Language::Python, "/bin/echo".into()).await, None);
    }
}
