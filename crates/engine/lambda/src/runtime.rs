//! Runtimes: which ones run here, by which interpreter and client, and how a process of theirs is
//! started.

pub mod install;
pub mod interpreter;
pub(crate) mod launch;

use std::fmt;

/// A runtime that this engine runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Runtime {
    /// `python3.MINOR`, under AWS's client `awslambdaric`.
    Python {
        /// 8 to 14.
        minor: u8,
    },
    /// `provided.al2` and `provided.al2023`: the function brings its own `bootstrap`.
    Provided {
        /// `al2` or `al2023`.
        base: &'static str,
    },
}

impl Runtime {
    /// Every runtime that this engine runs, oldest first.
    pub const ALL: [Self; 9] = [
        Self::Python { minor: 8 },
        Self::Python { minor: 9 },
        Self::Python { minor: 10 },
        Self::Python { minor: 11 },
        Self::Python { minor: 12 },
        Self::Python { minor: 13 },
        Self::Python { minor: 14 },
        Self::Provided { base: "al2" },
        Self::Provided { base: "al2023" },
    ];

    /// The runtime of that name, where this engine runs it.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|runtime| runtime.to_string() == name)
    }

    /// What `INIT_START` names: the runtime's version and the ARN of that version. The engine's
    /// runtimes have no releases of their own, so the version is always the first.
    pub(crate) fn version(self, region: &str) -> (String, String) {
        let version = match self {
            Self::Python { minor } => format!("python:3.{minor}.v1"),
            Self::Provided { base } => format!("provided:{base}.v1"),
        };
        (version, self.version_arn(region))
    }

    /// The ARN of the runtime version: a stable digest of its name stands where AWS has its own.
    pub(crate) fn version_arn(self, region: &str) -> String {
        let digest = store::Digest::of(self.to_string().as_bytes());
        format!("arn:aws:lambda:{region}::runtime:{digest}")
    }

    /// `AWS_EXECUTION_ENV`, which custom runtimes do not have.
    pub(crate) fn execution_env(self) -> Option<String> {
        match self {
            Self::Python { .. } => Some(format!("AWS_Lambda_{self}")),
            Self::Provided { .. } => None,
        }
    }
}

impl fmt::Display for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Python { minor } => write!(f, "python3.{minor}"),
            Self::Provided { base } => write!(f, "provided.{base}"),
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
}
