//! Control groups of either version: where they are, what they limit, how they are removed.
//!
//! Version 2 freezes and kills, wherever it is mounted: also the empty hierarchy that a host keeps
//! beside the version 1 controllers, because a process that version 1's freezer stopped cannot be
//! killed. CPU, memory and process counts are limited by version 2 where it holds those
//! controllers, else by version 1.
//!
//! Every engine owns one directory per hierarchy, every environment one directory in each of them:
//!
//! ```text
//! <mount>/lambdalab-<pid>-<start>-<pid namespace>-<sequence>/e<number>
//! ```

mod engine;
mod environment;
pub(crate) mod files;
mod memory_peak;
mod mounts;
mod name;
mod sweep;

pub(crate) use engine::{EngineGroups, GroupMeasures};
pub(crate) use environment::{Charged, EnvironmentGroups};
pub(crate) use memory_peak::MemoryPeak;
pub(crate) use mounts::Hierarchies;
pub(crate) use name::EngineName;
pub(crate) use sweep::{remove_leftovers, sweep};

use serde::{Deserialize, Serialize};

/// What can be limited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) enum Controller {
    Cpu,
    Memory,
    Pids,
}

impl Controller {
    pub(crate) const ALL: [Self; 3] = [Self::Cpu, Self::Memory, Self::Pids];

    /// The kernel's name for it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Memory => "memory",
            Self::Pids => "pids",
        }
    }
}
