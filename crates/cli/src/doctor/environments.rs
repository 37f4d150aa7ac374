//! What execution environments are like here, measure by measure.

use sandbox::{Capabilities, Egress, Means, Measure};

use super::{Check, Subject};

/// What isolation consists of. The sandbox takes all of it or nothing: a function that sees one part
/// of the host finds its way to the others.
const APART: [(&str, &str); 6] = [
    ("files", "an own root, read-only (mount namespace)"),
    ("processes", "an own process table (PID namespace)"),
    (
        "names",
        "own IPC, host name and control groups (IPC, UTS, cgroup namespaces)",
    ),
    (
        "rights",
        "no capabilities, none to be gained (no_new_privs)",
    ),
    ("system calls", "those that programs need (seccomp)"),
    ("resource limits", "AWS's (NOFILE 1024, NPROC 742)"),
];

pub(super) fn checks(capabilities: &Capabilities) -> Vec<Check> {
    let Capabilities {
        memory,
        cpu,
        pids,
        freeze,
        kill,
        isolation,
        scratch,
        network,
        clones,
        egress,
    } = capabilities;
    let mut checks = vec![measured(
        Subject::Isolation,
        "functions cannot see the host",
        isolation,
    )];
    if capabilities.isolates() {
        checks.extend(APART.map(|(name, found)| Check::ok(Subject::Isolation, name, found)));
        let user = match isolation.means {
            Means::UserNamespaces => "sbx_user1051 inside, the engine's user outside",
            _ => "sbx_user1051, another id in each environment",
        };
        checks.push(Check::ok(Subject::Isolation, "user", user));
    }
    checks.push(Check::of(
        Subject::Isolation,
        "functions have a network of their own",
        reach(*egress),
        network.remedy.clone(),
    ));
    for (subject, name, measure) in [
        (Subject::Isolation, "/tmp has the configured size", scratch),
        (
            Subject::Isolation,
            "SnapStart clones what was initialised",
            clones,
        ),
        (Subject::Limits, "memory limit", memory),
        (Subject::Limits, "CPU in proportion to memory", cpu),
        (Subject::Limits, "process limit", pids),
        (Subject::Limits, "idle environments stand still", freeze),
        (Subject::Limits, "nothing outlives its environment", kill),
    ] {
        checks.push(measured(subject, name, measure));
    }
    checks
}

fn measured(subject: Subject, name: &str, measure: &Measure) -> Check {
    Check::of(subject, name, means(measure.means), measure.remedy.clone())
}

fn reach(egress: Egress) -> &'static str {
    match egress {
        Egress::None => "it leads to the engine alone",
        Egress::Nat => "it leads to the engine and to other machines",
        Egress::Host => "no: they have the host's",
    }
}

fn means(means: Means) -> &'static str {
    match means {
        Means::CgroupV2 => "cgroup v2",
        Means::CgroupV1 => "cgroup v1",
        Means::Rlimit => "resource limits",
        Means::Samples => "a look ten times a second",
        Means::Signals => "signals",
        Means::ProcessTable => "a process table of its own",
        Means::Namespaces => "namespaces",
        Means::UserNamespaces => "user namespaces",
        Means::LoopDevice => "a file system in a file",
        Means::MemoryFileSystem => "a file system in memory",
        Means::Folder => "a folder",
        Means::None => "nothing",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::State;

    fn measure(means: Means, remedy: Option<&str>) -> Measure {
        Measure {
            means,
            remedy: remedy.map(str::to_owned),
        }
    }

    fn host(isolation: Measure) -> Capabilities {
        let full = || measure(Means::CgroupV2, None);
        Capabilities {
            memory: full(),
            cpu: full(),
            pids: full(),
            freeze: full(),
            kill: full(),
            isolation,
            scratch: full(),
            network: full(),
            clones: full(),
            egress: Egress::Nat,
        }
    }

    #[test]
    fn what_is_not_isolated_is_not_listed_as_if_it_were() {
        let names = |isolation| -> Vec<(String, State)> {
            checks(&host(isolation))
                .into_iter()
                .map(|check| (check.name, check.state))
                .collect()
        };
        let root = names(measure(Means::Namespaces, None));
        assert!(root.iter().all(|(_, state)| *state == State::Ok));
        assert!(root.iter().any(|(name, _)| name == "processes"));
        let refused = names(measure(Means::None, Some("do this")));
        assert!(refused.iter().all(|(name, _)| name != "processes"));
        assert_eq!(refused[0].1, State::Short);
    }
}
