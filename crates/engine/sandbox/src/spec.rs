//! What callers say about an environment and the processes in it.

use std::fmt;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::time::Duration;

use ids::EnvironmentId;
use serde::{Deserialize, Serialize};

use crate::SandboxError;

/// The period over which a CPU quota is enforced. A short one lets a small function run soon again
/// after it used up its share.
pub const CPU_PERIOD_MICROS: u64 = 20_000;

/// Where an environment with a network of its own finds its Runtime API, on its loopback.
pub const RUNTIME_API_PORT: u16 = 9001;

/// Where an environment with a network of its own finds the engine's API, on its loopback.
pub const ENGINE_PORT: u16 = 4566;

/// Where an environment that reaches other machines finds its name server.
///
/// Link-local, as its own address is: no other machine can be meant by it.
pub const RESOLVER: Ipv4Addr = Ipv4Addr::new(169, 254, 78, 1);

/// What functions reach beside their own loopback; the narrower comes first.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum Egress {
    /// Nothing but the engine.
    None,
    /// The engine, and by a [`Tunnel`](crate::Tunnel) what its other end lets them reach: other
    /// machines, and nothing of this one.
    #[default]
    Nat,
    /// All that the host reaches, its own loopback too: they share its network.
    Host,
}

impl Egress {
    /// Whether environments have networks of their own.
    #[must_use]
    pub fn is_own_network(self) -> bool {
        self != Self::Host
    }
}

/// The kernel accepts no CPU quota below this.
const MIN_QUOTA_MICROS: u64 = 1_000;

/// What an environment is made of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EnvironmentSpec {
    /// Its name. Unique among the environments that are alive.
    pub id: EnvironmentId,
    /// How much of the machine it gets.
    pub limits: Limits,
    /// Its private directory, made when missing. It outlives the environment: who named it removes
    /// it.
    pub work_dir: PathBuf,
    /// The size of its `/tmp` in MiB, where it has one of its own.
    pub scratch_mb: u32,
    /// The most that its functions may reach; no more than the spawner was told in any case.
    pub egress: Egress,
}

/// How much of the machine an environment gets.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Limits {
    /// Memory of all its processes together, in MiB.
    pub memory_mb: u32,
    /// CPU time of all its processes together, in vCPUs. On Lambda: memory in MB / 1769.
    pub cpu_vcpus: f64,
    /// Processes and threads at one time.
    pub pids: u32,
}

impl Limits {
    /// Memory in bytes.
    #[must_use]
    pub fn memory_bytes(&self) -> u64 {
        u64::from(self.memory_mb) << 20
    }

    pub(crate) fn validate(&self) -> Result<(), SandboxError> {
        let reason = if self.memory_mb == 0 {
            "memory_mb must be at least 1"
        } else if !self.cpu_vcpus.is_finite() || self.cpu_vcpus <= 0.0 || self.cpu_vcpus > 4096.0 {
            "cpu_vcpus must be above 0 and at most 4096"
        } else if self.pids == 0 {
            "pids must be at least 1"
        } else {
            return Ok(());
        };
        Err(SandboxError::InvalidLimits { reason })
    }
}

/// CPU time in µs for each period of [`CPU_PERIOD_MICROS`].
#[must_use]
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "a float-to-integer cast saturates, and validation bounds the value"
)]
pub(crate) fn cpu_quota_micros(vcpus: f64) -> u64 {
    ((vcpus * CPU_PERIOD_MICROS as f64).round() as u64).max(MIN_QUOTA_MICROS)
}

/// A program to run inside an environment.
///
/// Its `Debug` output names the environment variables and keeps their values to itself: they hold
/// credentials, and it ends up in logs.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Command {
    /// The executable's path; no search path applies.
    pub program: PathBuf,
    /// The arguments after the program's name.
    pub args: Vec<String>,
    /// The whole environment: nothing is inherited.
    pub env: Vec<(String, String)>,
    /// Where it starts.
    pub cwd: PathBuf,
    /// Whether it gets a pipe for framed log records, named to it by
    /// `_LAMBDA_TELEMETRY_LOG_FD`.
    pub telemetry: bool,
    /// What of the host's an isolated environment shows to it, besides what all of them show; those
    /// further up first. Without isolation everything is shown, at its own place.
    pub shows: Vec<Shown>,
    /// Whether clones of the process shall be made once it is initialised. It gets a channel by
    /// which it is asked for them, named to it by `_LAMBDALAB_CLONES_FD`; see
    /// [`Sandbox::clone_of`](crate::Sandbox::clone_of). Without the means for clones
    /// ([`Capabilities::clones`](crate::Capabilities::clones)) it gets none.
    pub cloneable: bool,
}

/// A folder of the host's that an isolated environment shows, for reading only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shown {
    /// Where it lies on the host.
    pub source: PathBuf,
    /// Where it is shown. Folders on the way there are made. What is shown at `/`, ahead of all
    /// others, is the root in place of the one that environments share: it has folders `dev`, `proc`,
    /// `sys` and `tmp`, and files `hosts`, `passwd` and `resolv.conf` in `etc`, for what is mounted
    /// there.
    pub target: PathBuf,
}

impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            program,
            args,
            env,
            cwd,
            telemetry,
            shows,
            cloneable,
        } = self;
        let names: Vec<&str> = env.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("Command")
            .field("program", program)
            .field("args", args)
            .field("env", &names)
            .field("cwd", cwd)
            .field("telemetry", telemetry)
            .field("shows", shows)
            .field("cloneable", cloneable)
            .finish()
    }
}

/// How a process ended: with a code, or by a signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExitStatus {
    /// The exit code, when it exited of itself.
    pub code: Option<i32>,
    /// The signal's number, when one ended it.
    pub signal: Option<i32>,
    /// Whether the environment ran into its memory limit during the life of this process.
    pub oom_killed: bool,
}

/// How often a CPU quota held processes back.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Throttling {
    /// Periods in which something wanted to run.
    pub periods: u64,
    /// Those of them in which the quota ran out.
    pub throttled_periods: u64,
    /// For how long, all CPUs together.
    pub throttled: Duration,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quota_is_the_share_of_a_period_and_never_below_what_the_kernel_takes() {
        assert_eq!(cpu_quota_micros(1.0), 20_000);
        assert_eq!(cpu_quota_micros(128.0 / 1769.0), 1_447);
        assert_eq!(cpu_quota_micros(0.001), 1_000);
    }

    #[test]
    fn a_command_shows_the_names_of_its_variables_but_no_value() {
        let command = Command {
            program: "/bin/true".into(),
            args: vec!["-x".into()],
            env: vec![("AWS_SECRET_ACCESS_KEY".into(), "hunter2".into())],
            cwd: "/task".into(),
            telemetry: true,
            shows: Vec::new(),
            cloneable: false,
        };
        assert_eq!(
            format!("{command:?}"),
            r#"Command { program: "/bin/true", args: ["-x"], env: ["AWS_SECRET_ACCESS_KEY"], cwd: "/task", telemetry: true, shows: [], cloneable: false }"#
        );
        // What carries it shows no more.
        let ask = crate::protocol::Ask::Start {
            id: EnvironmentId::draw(&ids::SystemEntropy),
            command,
            mounts: Vec::new(),
            beside: false,
            afresh: false,
        };
        assert!(!format!("{ask:#?}").contains("hunter2"));
    }

    #[test]
    fn senseless_limits_are_refused() {
        let good = Limits {
            memory_mb: 128,
            cpu_vcpus: 1.0,
            pids: 16,
        };
        assert!(good.validate().is_ok());
        for bad in [
            Limits {
                memory_mb: 0,
                ..good
            },
            Limits {
                cpu_vcpus: f64::NAN,
                ..good
            },
            Limits {
                cpu_vcpus: 0.0,
                ..good
            },
            Limits { pids: 0, ..good },
        ] {
            assert!(
                matches!(bad.validate(), Err(SandboxError::InvalidLimits { .. })),
                "{bad:?}"
            );
        }
    }
}
