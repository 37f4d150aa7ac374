//! Runtimes: which ones run here, by which interpreter and client, and how a process of theirs is
//! started.
//!
//! - [`Runtime`]: a name such as `nodejs22.x`, taken apart.
//! - [`interpreter`]: the interpreters of this host.
//! - [`install`]: AWS's runtime interface clients, and what AWS's runtimes bundle.
//! - `container`: what a function from a container image starts instead, and `container_start` how.
//! - `launch`, `variables` and `places`: program, arguments and environment of a process, and where
//!   the paths lie that AWS documents.

pub(crate) mod container;
mod container_start;
pub(crate) mod identity;
pub mod install;
pub mod interpreter;
pub(crate) mod launch;
mod places;
pub(crate) mod settings;
mod variables;

use std::fmt;

use interpreter::{Language, Version};

/// A runtime that functions can be created with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Runtime {
    /// `python3.MINOR`, under AWS's client `awslambdaric`.
    Python {
        /// 8 to 14.
        minor: u16,
    },
    /// `nodejsMAJOR.x`, under AWS's client `aws-lambda-ric`.
    Node {
        /// 16 to 24.
        major: u16,
    },
    /// `rubyMAJOR.MINOR`, under AWS's client `aws_lambda_ric`.
    Ruby {
        /// The language's version.
        version: Version,
    },
    /// `javaMAJOR`, under AWS's client `aws-lambda-java-runtime-interface-client`.
    Java {
        /// 8 to 25.
        major: u16,
    },
    /// `dotnetMAJOR`. Its functions are known and shown, and do not run here.
    Dotnet {
        /// 6 to 10.
        major: u16,
    },
    /// `provided.al2` and `provided.al2023`: the function brings its own `bootstrap`.
    Provided {
        /// `al2` or `al2023`.
        base: &'static str,
    },
    /// What a container image brings. It has no name that functions could be created with.
    Image,
}

const fn ruby(major: u16, minor: u16) -> Runtime {
    Runtime::Ruby {
        version: Version { major, minor },
    }
}

impl Runtime {
    /// Every runtime that functions can be created with, oldest first within a language.
    pub const ALL: [Self; 26] = [
        Self::Python { minor: 8 },
        Self::Python { minor: 9 },
        Self::Python { minor: 10 },
        Self::Python { minor: 11 },
        Self::Python { minor: 12 },
        Self::Python { minor: 13 },
        Self::Python { minor: 14 },
        Self::Node { major: 16 },
        Self::Node { major: 18 },
        Self::Node { major: 20 },
        Self::Node { major: 22 },
        Self::Node { major: 24 },
        ruby(3, 2),
        ruby(3, 3),
        ruby(3, 4),
        ruby(4, 0),
        Self::Java { major: 8 },
        Self::Java { major: 11 },
        Self::Java { major: 17 },
        Self::Java { major: 21 },
        Self::Java { major: 25 },
        Self::Dotnet { major: 6 },
        Self::Dotnet { major: 8 },
        Self::Dotnet { major: 10 },
        Self::Provided { base: "al2" },
        Self::Provided { base: "al2023" },
    ];

    /// The runtime of that name, where there is one.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|runtime| runtime.to_string() == name)
    }

    /// The language and the version of it that functions of this runtime are written for; `None`
    /// where they need no interpreter of the host.
    #[must_use]
    pub fn interpreter(self) -> Option<(Language, Version)> {
        match self {
            Self::Python { minor } => Some((Language::Python, Version { major: 3, minor })),
            Self::Node { major } => Some((Language::Node, Version::from(major))),
            Self::Ruby { version } => Some((Language::Ruby, version)),
            Self::Java { major } => Some((Language::Java, Version::from(major))),
            Self::Dotnet { .. } | Self::Provided { .. } | Self::Image => None,
        }
    }

    /// Whether its versions can be restored from snapshots.
    /// Source: <https://docs.aws.amazon.com/lambda/latest/dg/snapstart.html>.
    pub(crate) fn has_snap_start(self) -> bool {
        match self {
            Self::Python { minor } => minor >= 12,
            Self::Java { major } => major >= 11,
            Self::Dotnet { major } => major >= 8,
            Self::Node { .. } | Self::Ruby { .. } | Self::Provided { .. } | Self::Image => false,
        }
    }

    /// Whether the function brings its own program.
    #[must_use]
    pub fn is_custom(self) -> bool {
        matches!(self, Self::Provided { .. } | Self::Image)
    }

    /// The runtime's version, as `INIT_START` names it. The engine's runtimes have no releases of
    /// their own, so it is always the first.
    pub(crate) fn version(self) -> String {
        let name = match self {
            Self::Python { minor } => format!("python:3.{minor}"),
            Self::Node { major } => format!("nodejs:{major}"),
            Self::Ruby { version } => format!("ruby:{version}"),
            Self::Java { major: 8 } => "java:8.al2".to_owned(),
            Self::Java { major } => format!("java:{major}"),
            Self::Dotnet { major } => format!("dotnet:{major}"),
            Self::Provided { base } => format!("provided:{base}"),
            Self::Image => "image".to_owned(),
        };
        format!("{name}.v1")
    }

    /// `AWS_EXECUTION_ENV`, which custom runtimes do not have.
    pub(crate) fn execution_env(self) -> Option<String> {
        match self {
            Self::Provided { .. } => None,
            other => Some(format!("AWS_Lambda_{other}")),
        }
    }
}

impl fmt::Display for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Python { minor } => write!(f, "python3.{minor}"),
            Self::Node { major } => write!(f, "nodejs{major}.x"),
            Self::Ruby { version } => write!(f, "ruby{version}"),
            Self::Java { major: 8 } => f.write_str("java8.al2"),
            Self::Java { major } => write!(f, "java{major}"),
            Self::Dotnet { major } => write!(f, "dotnet{major}"),
            Self::Provided { base } => write!(f, "provided.{base}"),
            Self::Image => f.write_str("Image"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_back() {
        for runtime in Runtime::ALL {
            assert_eq!(Runtime::parse(&runtime.to_string()), Some(runtime));
        }
        assert_eq!(Runtime::parse("python3.7"), None);
        assert_eq!(Runtime::parse("cobol"), None);
    }

    #[test]
    fn names_are_those_of_awss_model() {
        for runtime in Runtime::ALL {
            let name = wire::lambda::Runtime::from(runtime.to_string());
            assert!(wire::StringEnum::is_known(&name), "{name}");
        }
    }
}
