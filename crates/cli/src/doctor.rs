//! `lambdalab doctor`: what this machine gives to functions, and what to do about the rest.

use std::num::NonZero;

use sandbox::Capabilities;
use serde::Serialize;

use crate::context::Context;
use crate::engine::{self, RuntimeState};
use crate::error::CliError;
use crate::exit::ExitCode;
use crate::output::{Render, lines, table};
use crate::runtime;

/// What was found, one line for each thing.
#[derive(Debug, Serialize)]
struct Diagnosis {
    checks: Vec<Check>,
    runtimes: Vec<RuntimeState>,
}

#[derive(Debug, Serialize)]
struct Check {
    name: String,
    state: State,
    found: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    remedy: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum State {
    /// As on AWS.
    Ok,
    /// Functions run, but not quite as on AWS.
    Short,
    /// Functions do not run.
    Missing,
}

impl State {
    fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Short => "short",
            Self::Missing => "MISSING",
        }
    }
}

impl Render for Diagnosis {
    fn text(&self) -> String {
        let mut table = table(["what", "state", "found", "what to do"]);
        for check in &self.checks {
            let remedy = check.remedy.clone().unwrap_or_default();
            table.add_row([&check.name, check.state.word(), &check.found, &remedy]);
        }
        lines(&table)
    }
}

pub(crate) async fn run(
    context: &Context,
    capabilities: &Capabilities,
) -> Result<ExitCode, CliError> {
    crate::target::refuse(&context.settings, "doctor")?;
    let runtimes = engine::runtimes(context.settings.runtimes_dir()).await;
    let mut checks = machine();
    checks.extend(measures(capabilities));
    checks.extend(runtimes.iter().filter_map(of_runtime));
    checks.extend(absent(&runtimes));
    checks.extend(no_python(&runtimes));
    let broken = checks.iter().any(|check| check.state == State::Missing);
    context.console.result(&Diagnosis { checks, runtimes })?;
    Ok(if broken { ExitCode::No } else { ExitCode::Yes })
}

fn machine() -> Vec<Check> {
    let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
    let ok = |name: &str, found: String| Check {
        name: name.to_owned(),
        state: State::Ok,
        found,
        remedy: None,
    };
    let mut checks = vec![ok(
        "cores",
        format!("{cores}; a function of 1769 MB has one, so {cores} of them run at full speed"),
    )];
    if let Some(mb) = available_memory_mb() {
        checks.push(ok("memory", format!("{mb} MB available")));
    }
    checks
}

/// What the host could give to new processes now, where it says so.
fn available_memory_mb() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib / 1_024)
}

fn measures(capabilities: &Capabilities) -> Vec<Check> {
    let check = |(name, measure): (&str, &sandbox::Measure)| Check {
        name: purpose(name).to_owned(),
        state: if measure.remedy.is_none() {
            State::Ok
        } else {
            State::Short
        },
        found: means(measure.means).to_owned(),
        remedy: measure.remedy.clone(),
    };
    capabilities.measures().map(check).into()
}

fn purpose(measure: &str) -> &str {
    match measure {
        "memory" => "memory limit",
        "cpu" => "CPU in proportion to memory",
        "pids" => "process limit",
        "freeze" => "idle environments stand still",
        "kill" => "nothing outlives its environment",
        "isolation" => "functions cannot see the host",
        "network" => "functions have a network of their own",
        "scratch" => "/tmp has the configured size",
        other => other,
    }
}

fn means(means: sandbox::Means) -> &'static str {
    match means {
        sandbox::Means::CgroupV2 => "cgroup v2",
        sandbox::Means::CgroupV1 => "cgroup v1",
        sandbox::Means::Rlimit => "resource limits",
        sandbox::Means::Signals => "signals",
        sandbox::Means::ProcessTable => "a process table of its own",
        sandbox::Means::Namespaces => "namespaces, an own root and user, seccomp",
        sandbox::Means::UserNamespaces => "user namespaces, an own root, seccomp",
        sandbox::Means::MemoryFileSystem => "a file system in memory",
        sandbox::Means::LoopDevice => "a file system in a file",
        sandbox::Means::Folder => "a folder",
        sandbox::Means::None => "nothing",
    }
}

/// Runtimes whose interpreter is missing and for which nothing is installed are left to
/// [`absent`]: most machines have no Java, and no use for it.
fn of_runtime(state: &RuntimeState) -> Option<Check> {
    let known = state.custom || state.interpreter.is_some();
    let wanted = state.wanted.as_deref().unwrap_or_default();
    let remedy = if state.substituted {
        Some(format!("install {wanted}"))
    } else if state.by_hand && !state.is_ready() {
        Some(format!(
            "`lambdalab runtime install {}` says what it needs",
            state.runtime
        ))
    } else {
        None
    };
    known.then(|| Check {
        name: state.runtime.clone(),
        state: if remedy.is_some() {
            State::Short
        } else {
            State::Ok
        },
        found: if state.custom {
            runtime::interpreter(state)
        } else {
            format!(
                "{}, client {}",
                runtime::interpreter(state),
                runtime::client(state)
            )
        },
        remedy,
    })
}

/// The runtimes that this machine has no interpreter for, in one line.
fn absent(runtimes: &[RuntimeState]) -> Option<Check> {
    let absent: Vec<&str> = runtimes
        .iter()
        .filter(|state| state.wanted.is_some() && state.interpreter.is_none())
        .map(|state| state.runtime.as_str())
        .collect();
    (!absent.is_empty()).then(|| Check {
        name: "other runtimes".to_owned(),
        state: State::Short,
        found: format!("no interpreter for {}", absent.join(", ")),
        remedy: Some(
            "where functions need one, install its interpreter; the nearest version is used \
             meanwhile"
                .to_owned(),
        ),
    })
}

/// Without any Python no Python function runs, whatever its version.
fn no_python(runtimes: &[RuntimeState]) -> Option<Check> {
    let any = runtimes
        .iter()
        .any(|state| state.runtime.starts_with("python") && state.interpreter.is_some());
    (!any).then(|| Check {
        name: "Python".to_owned(),
        state: State::Missing,
        found: "no interpreter from 3.8 on".to_owned(),
        remedy: Some("install python3".to_owned()),
    })
}
