//! What the engine's host gives to functions, and what of a memory size it therefore cannot honour.

use serde::{Deserialize, Serialize};

/// MB of memory that give one vCPU.
/// Source: <https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html>.
pub const MB_PER_VCPU: u32 = 1_769;

/// The answer of [`CAPACITY_PATH`](crate::CAPACITY_PATH): what the engine's host gives to functions.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Capacity {
    /// The host's cores.
    pub cores: u32,
    /// How many of them one vCPU is: less than 1 where they are faster than Lambda's.
    pub cpu_scale: f64,
    /// The memory that all environments share, in MB.
    pub memory_mb: u32,
}

/// What of a memory size a host cannot honour: one sentence for each thing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shortfalls {
    /// Of the CPU that belongs to it.
    pub cpu: Option<String>,
    /// Of the memory itself.
    pub memory: Option<String>,
}

impl Capacity {
    /// How many of the host's cores belong to a memory size.
    #[must_use]
    pub fn cores_of(&self, memory_mb: u32) -> f64 {
        f64::from(memory_mb) / f64::from(MB_PER_VCPU) * self.cpu_scale
    }

    /// What of a memory size this host cannot honour.
    #[must_use]
    pub fn shortfalls(&self, memory_mb: u32) -> Shortfalls {
        let wanted = self.cores_of(memory_mb);
        let cpu = wanted > f64::from(self.cores);
        let memory = memory_mb > self.memory_mb;
        Shortfalls {
            cpu: cpu.then(|| {
                format!(
                    "{memory_mb} MB have {wanted:.2} cores, and this host has {}",
                    self.cores
                )
            }),
            memory: memory.then(|| {
                format!(
                    "this host has {} MB for all functions (--memory-budget): one of {memory_mb} MB \
                     runs alone, and may end before its limit",
                    self.memory_mb
                )
            }),
        }
    }
}

impl Shortfalls {
    /// All of them, each with what it is of.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let named = [("CPU", &self.cpu), ("memory", &self.memory)];
        named
            .into_iter()
            .filter_map(|(name, text)| Some((name, text.as_deref()?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: Capacity = Capacity {
        cores: 2,
        cpu_scale: 1.0,
        memory_mb: 4_096,
    };

    #[test]
    fn sizes_that_a_host_honours_have_no_shortfalls() {
        for memory_mb in [128, 1_769, 3_538] {
            assert_eq!(SMALL.shortfalls(memory_mb), Shortfalls::default());
        }
    }

    #[test]
    fn more_than_there_is_is_told() {
        let found = SMALL.shortfalls(10_240);
        let told: Vec<_> = found.iter().collect();
        assert_eq!(
            told[0],
            ("CPU", "10240 MB have 5.79 cores, and this host has 2")
        );
        assert!(
            told[1].0 == "memory"
                && told[1]
                    .1
                    .contains("4096 MB for all functions (--memory-budget)")
        );
        assert_eq!(SMALL.shortfalls(3_539).iter().count(), 1);
    }

    #[test]
    fn faster_cores_do_for_more() {
        let fast = Capacity {
            cpu_scale: 0.5,
            ..SMALL
        };
        assert!((fast.cores_of(1_769) - 0.5).abs() < 1e-9);
        assert_eq!(fast.shortfalls(4_000), Shortfalls::default());
        let slow = Capacity {
            cpu_scale: 2.0,
            ..SMALL
        };
        assert!(slow.shortfalls(2_048).cpu.is_some());
    }
}
