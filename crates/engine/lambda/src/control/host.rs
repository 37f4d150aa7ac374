//! In which ways a function runs here with less than on AWS, told as the reason of its state.
//!
//! On AWS a function that is `Active` has no such reason. Whoever waits for one looks at the state
//! alone, and goes on. The reason is found when it is shown: a data folder moves between hosts, and
//! what a host has changes.

use control::Capacity;
use sandbox::{Capabilities, Means};
use wire::lambda::{FunctionConfiguration, Runtime as RuntimeName, State};

use crate::runtime::Runtime;
use crate::runtime::install::Runtimes;

/// What this host gives to functions.
#[derive(Debug)]
pub(crate) struct Host {
    capacity: Capacity,
    /// What holds of every function, whatever its size.
    everywhere: Vec<&'static str>,
}

impl Host {
    pub(crate) fn new(capacity: Capacity, capabilities: &Capabilities) -> Self {
        Self {
            capacity,
            everywhere: limits(capabilities),
        }
    }

    /// The reason of an active function's state: what it has less of than on AWS, behind what is kept of
    /// that.
    pub(super) fn tell(&self, configuration: &mut FunctionConfiguration, runtimes: &Runtimes) {
        if configuration.state != Some(State::Active) {
            return;
        }
        let kept = configuration.state_reason.take();
        let memory_mb = configuration.memory_size.unwrap_or(128).unsigned_abs();
        let told: Vec<String> = kept
            .into_iter()
            .chain(stand_in(runtimes, configuration))
            .chain(self.shortfalls(memory_mb))
            .collect();
        configuration.state_reason = (!told.is_empty())
            .then(|| format!("It runs, with less than on AWS: {}.", told.join("; ")));
    }

    /// What a function of this size has less of than on AWS.
    fn shortfalls(&self, memory_mb: u32) -> Vec<String> {
        let found = self.capacity.shortfalls(memory_mb);
        let of_size = found.iter().map(|(what, text)| format!("{what}: {text}"));
        let everywhere = self.everywhere.iter().map(|&text| text.to_owned());
        of_size.chain(everywhere).collect()
    }
}

/// The limits that this host cannot set, or sets in another way.
fn limits(capabilities: &Capabilities) -> Vec<&'static str> {
    let mut found = Vec::new();
    match capabilities.memory.means {
        Means::CgroupV1 | Means::CgroupV2 => {}
        Means::Samples => found.push("memory: the limit may be exceeded for a moment"),
        _ => found.push("memory: not limited"),
    }
    match capabilities.cpu.means {
        Means::CgroupV1 | Means::CgroupV2 => {}
        _ => found.push("CPU: not in proportion to memory"),
    }
    match capabilities.scratch.means {
        Means::LoopDevice => {}
        Means::MemoryFileSystem => found.push("/tmp: counts as memory"),
        _ => found.push("/tmp: without a limit to its size"),
    }
    found
}

/// What runs in place of a runtime that this host does not have as it should be.
fn stand_in(runtimes: &Runtimes, configuration: &FunctionConfiguration) -> Option<String> {
    let name = configuration.runtime.as_ref().map(RuntimeName::as_str);
    let runtime = Runtime::parse(name?)?;
    if runtime.is_custom() {
        return None;
    }
    match runtimes.installed(runtime) {
        Some(installed) => installed.substitution(runtime),
        None => Some(format!(
            "{runtime} is not installed here: the next invocation installs it, or says what is missing"
        )),
    }
}

#[cfg(test)]
mod tests {
    use sandbox::{Egress, Measure};

    use super::*;

    fn measure(means: Means) -> Measure {
        Measure {
            means,
            remedy: None,
        }
    }

    fn host([memory, cpu, scratch]: [Means; 3]) -> Host {
        let other = measure(Means::Namespaces);
        let capabilities = Capabilities {
            memory: measure(memory),
            cpu: measure(cpu),
            pids: other.clone(),
            freeze: other.clone(),
            kill: other.clone(),
            isolation: other.clone(),
            scratch: measure(scratch),
            network: other.clone(),
            clones: other,
            egress: Egress::Nat,
        };
        let capacity = Capacity {
            cores: 2,
            cpu_scale: 1.0,
            memory_mb: 4_096,
        };
        Host::new(capacity, &capabilities)
    }

    #[test]
    fn a_host_with_everything_falls_short_of_large_sizes_alone() {
        let whole = host([Means::CgroupV1, Means::CgroupV2, Means::LoopDevice]);
        assert!(whole.shortfalls(1_769).is_empty());
        let told = whole.shortfalls(10_240);
        assert!(told[0].starts_with("CPU: 10240 MB have 5.79 cores"));
        assert!(told[1].starts_with("memory: this host has 4096 MB"));
        assert_eq!(told.len(), 2);
    }

    #[test]
    fn each_limit_that_is_missing_is_told() {
        let told = |means| host(means).shortfalls(128);
        assert_eq!(
            told([Means::Samples, Means::None, Means::Folder]),
            [
                "memory: the limit may be exceeded for a moment",
                "CPU: not in proportion to memory",
                "/tmp: without a limit to its size"
            ]
        );
        assert_eq!(
            told([Means::None, Means::CgroupV2, Means::MemoryFileSystem]),
            ["memory: not limited", "/tmp: counts as memory"]
        );
    }
}
