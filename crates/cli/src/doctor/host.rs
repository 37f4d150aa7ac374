//! The machine: kernel, cores, memory, files, and programs that something here can use.

use std::fs;
use std::num::NonZero;
use std::path::{Path, PathBuf};

use super::{Check, Subject};

/// Without these the engine does with less; see the measures.
const NAMESPACES: [&str; 7] = ["cgroup", "ipc", "mnt", "net", "pid", "user", "uts"];
const CONTAINER_ENGINES: [&str; 2] = ["podman", "docker"];
/// An environment takes about ten descriptors of the engine's.
const FEW_FILES: u64 = 4_096;
const LITTLE_DISK_MB: u64 = 1_024;
const TUN: &str = "/dev/net/tun";

pub(super) fn checks(data_dir: &Path) -> Vec<Check> {
    let mut checks = vec![kernel()];
    checks.extend(namespaces(Path::new("/proc/self/ns")));
    checks.extend(control_groups());
    checks.push(cores());
    checks.extend(memory());
    checks.push(open_files());
    checks.extend(disk(data_dir));
    checks.extend(tun());
    checks.push(container_engines());
    checks
}

fn kernel() -> Check {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease");
    match release {
        Ok(release) => Check::ok(Subject::Host, "kernel", format!("Linux {}", release.trim())),
        Err(_) => Check::of(
            Subject::Host,
            "kernel",
            std::env::consts::OS,
            Some("isolation and limits take Linux 5.12 or newer".to_owned()),
        ),
    }
}

/// The kinds of namespace that this kernel has, by the folder that lists this process's.
fn namespaces(listed: &Path) -> Option<Check> {
    let present: Vec<String> = fs::read_dir(listed)
        .ok()?
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .collect();
    let (there, missing): (Vec<&str>, Vec<&str>) = NAMESPACES
        .into_iter()
        .partition(|kind| present.iter().any(|name| name == kind));
    let remedy = (!missing.is_empty()).then(|| {
        format!(
            "isolation takes a kernel with namespaces for {} too",
            missing.join(", ")
        )
    });
    Some(Check::of(
        Subject::Host,
        "namespaces",
        there.join(", "),
        remedy,
    ))
}

fn control_groups() -> Option<Check> {
    let mounts = fs::read_to_string("/proc/self/mounts").ok()?;
    let found = groups(&mounts, |at| {
        fs::read_to_string(Path::new(at).join("cgroup.controllers")).unwrap_or_default()
    });
    Some(Check::ok(Subject::Host, "control groups", found))
}

/// What is mounted, with the controllers that each of both versions has.
fn groups(mounts: &str, controllers: impl Fn(&str) -> String) -> String {
    let mut found = Vec::new();
    let mut first = Vec::new();
    for line in mounts.lines() {
        let mut fields = line.split(' ').skip(1);
        let (Some(at), Some(kind), Some(options)) = (fields.next(), fields.next(), fields.next())
        else {
            continue;
        };
        match kind {
            "cgroup2" => {
                let controllers = controllers(at);
                let controllers = controllers
                    .split_whitespace()
                    .collect::<Vec<_>>()
                    .join(", ");
                let controllers = if controllers.is_empty() {
                    "no controllers"
                } else {
                    &controllers
                };
                found.push(format!("version 2 at {at} ({controllers})"));
            }
            "cgroup" => first.extend(
                options
                    .split(',')
                    .filter(|option| ["cpu", "memory", "pids"].contains(option)),
            ),
            _ => {}
        }
    }
    if !first.is_empty() {
        found.push(format!("version 1 ({})", first.join(", ")));
    }
    if found.is_empty() {
        "none".to_owned()
    } else {
        found.join("; ")
    }
}

fn cores() -> Check {
    let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
    Check::ok(
        Subject::Host,
        "cores",
        format!("{cores}; a function of 1769 MB has one, so {cores} of them run at full speed"),
    )
}

/// What the host could give to new processes now, where it says so.
fn memory() -> Option<Check> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    let found = format!("{} MB available", kib / 1_024);
    Some(Check::ok(Subject::Host, "memory", found))
}

fn open_files() -> Check {
    use rustix::process::{Resource, getrlimit};
    let most = getrlimit(Resource::Nofile).maximum;
    let few = most.is_some_and(|most| most < FEW_FILES);
    let found = most.map_or_else(|| "no limit".to_owned(), |most| format!("{most} at most"));
    let remedy = few.then(|| {
        format!(
            "some {FEW_FILES} for a few hundred environments: ulimit -Hn {FEW_FILES}, or \
             LimitNOFILE= of the service"
        )
    });
    Check::of(Subject::Host, "open files", found, remedy)
}

/// What is left where the data folder lies, or will lie.
fn disk(data_dir: &Path) -> Option<Check> {
    let data_dir = std::path::absolute(data_dir).ok()?;
    let there = data_dir.ancestors().find(|folder| folder.exists())?;
    let statistics = rustix::fs::statvfs(there).ok()?;
    let mb = statistics.f_bavail.saturating_mul(statistics.f_frsize) >> 20;
    let remedy = (mb < LITTLE_DISK_MB).then(|| {
        "packages, logs and what functions write to /tmp need room: --data-dir names another place"
            .to_owned()
    });
    let found = format!("{mb} MB free for {}", data_dir.display());
    Some(Check::of(Subject::Host, "disk", found, remedy))
}

/// By which functions reach the network through the engine.
fn tun() -> Option<Check> {
    let opened = fs::OpenOptions::new().read(true).write(true).open(TUN);
    let (found, remedy) = match opened {
        Ok(_) => (format!("{TUN} can be used"), None),
        Err(error) => {
            let remedy = if error.kind() == std::io::ErrorKind::PermissionDenied {
                format!("sudo chmod 0666 {TUN}: making a device takes rights besides that")
            } else {
                "sudo modprobe tun".to_owned()
            };
            (format!("{TUN}: {error}"), Some(remedy))
        }
    };
    cfg!(target_os = "linux").then(|| Check::of(Subject::Host, "network devices", found, remedy))
}

fn container_engines() -> Check {
    let found: Vec<String> = CONTAINER_ENGINES
        .into_iter()
        .filter_map(on_the_path)
        .map(|program| program.display().to_string())
        .collect();
    let found = if found.is_empty() {
        "none, and none needed".to_owned()
    } else {
        format!("{}; not needed", found.join(", "))
    };
    Check::ok(Subject::Host, "container engines", found)
}

fn on_the_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|folder| folder.join(program))
        .find(|candidate| candidate.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::State;

    #[test]
    fn both_versions_of_control_groups_are_told() {
        let mounts = "tmpfs /sys/fs/cgroup tmpfs rw 0 0\n\
                      cgroup /sys/fs/cgroup/cpu cgroup rw,relatime,cpu 0 0\n\
                      cgroup /sys/fs/cgroup/blkio cgroup rw,relatime,blkio 0 0\n\
                      cgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\n";
        assert_eq!(
            groups(mounts, |_| String::new()),
            "version 2 at /sys/fs/cgroup/unified (no controllers); version 1 (cpu)"
        );
        let unified = "cgroup2 /sys/fs/cgroup cgroup2 rw,nsdelegate 0 0\n";
        assert_eq!(
            groups(unified, |_| "cpu io memory pids\n".to_owned()),
            "version 2 at /sys/fs/cgroup (cpu, io, memory, pids)"
        );
        assert_eq!(
            groups("proc /proc proc rw 0 0\n", |_| String::new()),
            "none"
        );
    }

    #[test]
    fn a_kernel_without_user_namespaces_is_told_apart() {
        let folder = tempfile::tempdir().unwrap();
        for kind in NAMESPACES.into_iter().filter(|kind| *kind != "user") {
            fs::write(folder.path().join(kind), "").unwrap();
        }
        let check = namespaces(folder.path()).unwrap();
        assert_eq!(check.state, State::Short);
        assert!(check.remedy.unwrap().contains("user"));
        fs::write(folder.path().join("user"), "").unwrap();
        assert_eq!(namespaces(folder.path()).unwrap().state, State::Ok);
    }

    #[test]
    fn a_data_folder_that_is_yet_to_be_made_has_a_disk() {
        let folder = tempfile::tempdir().unwrap();
        let check = disk(&folder.path().join("not/yet")).unwrap();
        assert!(check.found.contains("not/yet"), "{}", check.found);
    }
}
