//! What this host lets the sandbox do.

use serde::{Deserialize, Serialize};

use crate::spec::Egress;

/// What this host lets the sandbox do, measure by measure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Capabilities {
    /// Killing at the memory limit.
    pub memory: Measure,
    /// CPU in proportion to memory.
    pub cpu: Measure,
    /// A limit on processes and threads.
    pub pids: Measure,
    /// Stopping an idle environment, so that it uses no CPU between invocations.
    pub freeze: Measure,
    /// Killing an environment with all that it started.
    pub kill: Measure,
    /// Keeping the host's files, processes and users out of its functions' sight and reach.
    pub isolation: Measure,
    /// A `/tmp` of its own, of limited size, which does not count as memory.
    pub scratch: Measure,
    /// Keeping the network that the host is part of out of its functions' reach.
    pub network: Measure,
    /// Making environments with a clone of a process that was initialised already.
    pub clones: Measure,
    /// The most that functions reach.
    pub egress: Egress,
}

/// One measure: by which means it is taken, and what would improve it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Measure {
    /// By which means.
    pub means: Means,
    /// What is missing and how to get it; nothing when the measure is complete.
    pub remedy: Option<String>,
}

/// The kernel's facility behind a measure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Means {
    /// The unified control group hierarchy.
    CgroupV2,
    /// A control group hierarchy of the first version.
    CgroupV1,
    /// A limit on each process by itself.
    Rlimit,
    /// A look at its processes from time to time.
    Samples,
    /// Signals to the process group and to descendants.
    Signals,
    /// The end of a process table, which is that of all processes in it.
    ProcessTable,
    /// Namespaces with a root file system and a user of their own, and a filter of system calls.
    Namespaces,
    /// The same for a user without root's rights, in a user namespace of the engine's.
    UserNamespaces,
    /// A file system in a file.
    LoopDevice,
    /// A file system in memory.
    MemoryFileSystem,
    /// A folder.
    Folder,
    /// None: the measure is not taken.
    None,
}

impl Capabilities {
    /// The measures with their names, for tables.
    #[must_use]
    pub fn measures(&self) -> [(&'static str, &Measure); 9] {
        [
            ("memory", &self.memory),
            ("cpu", &self.cpu),
            ("pids", &self.pids),
            ("freeze", &self.freeze),
            ("kill", &self.kill),
            ("isolation", &self.isolation),
            ("scratch", &self.scratch),
            ("network", &self.network),
            ("clones", &self.clones),
        ]
    }

    /// Whether functions are kept apart from the host.
    #[must_use]
    pub fn isolates(&self) -> bool {
        matches!(
            self.isolation.means,
            Means::Namespaces | Means::UserNamespaces
        )
    }

    /// Whether the engine clones the mounts that an environment shows. Without root's rights that
    /// falls to the environment's own process.
    pub(crate) fn engine_mounts(&self) -> bool {
        self.isolation.means == Means::Namespaces
    }

    /// Whether initialised processes can be cloned.
    #[must_use]
    pub fn can_clone(&self) -> bool {
        self.clones.means == Means::Namespaces
    }

    /// Whether every measure is complete.
    #[must_use]
    pub fn complete(&self) -> bool {
        self.measures()
            .iter()
            .all(|(_, measure)| measure.remedy.is_none())
    }
}

impl Measure {
    /// A measure that is taken in full.
    pub(crate) fn full(means: Means) -> Self {
        Self {
            means,
            remedy: None,
        }
    }

    /// A measure that falls short, with what to do about it.
    pub(crate) fn short(means: Means, remedy: impl Into<String>) -> Self {
        Self {
            means,
            remedy: Some(remedy.into()),
        }
    }
}
