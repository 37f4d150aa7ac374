//! The control groups of one environment.

use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};

use super::files::{self, optional};
use super::memory_peak::MemoryPeak;
use crate::spec::{CPU_PERIOD_MICROS, Limits, Throttling, cpu_quota_micros};

/// The control groups of one environment: a directory in each hierarchy that is of use. Several
/// of them are one directory where the unified hierarchy holds the controllers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct EnvironmentGroups {
    /// In the unified hierarchy: freezes and kills.
    pub(crate) unified: Option<PathBuf>,
    pub(crate) cpu: Option<Group>,
    pub(crate) memory: Option<Group>,
    pub(crate) pids: Option<Group>,
}

/// A directory with a controller's files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Group {
    /// Of version 1.
    First(PathBuf),
    /// Of version 2: the same directory as [`EnvironmentGroups::unified`].
    Unified(PathBuf),
}

/// What a memory control group is charged with, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Charged {
    /// All of it.
    pub(crate) total: u64,
    /// What processes have in their address spaces.
    pub(crate) mapped: u64,
    /// What the kernel keeps of files, also in nobody's address space.
    pub(crate) cached: u64,
}

impl EnvironmentGroups {
    /// Makes the directories.
    pub(crate) fn create(&self) -> io::Result<()> {
        for directory in self.directories() {
            fs::create_dir(directory)?;
        }
        Ok(())
    }

    /// Every directory, once.
    pub(crate) fn directories(&self) -> impl Iterator<Item = &Path> {
        self.unified
            .as_deref()
            .into_iter()
            .chain(self.first_version())
    }

    /// The directories of version 1 hierarchies. `cpu` and `memory` may share one mount.
    fn first_version(&self) -> impl Iterator<Item = &Path> {
        let path = |group: &'_ Option<Group>| match group {
            Some(Group::First(path)) => Some(path.clone()),
            _ => None,
        };
        let (cpu, memory) = (path(&self.cpu), path(&self.memory));
        [&self.cpu, &self.memory, &self.pids]
            .into_iter()
            .enumerate()
            .filter_map(move |(index, group)| {
                let Some(Group::First(path)) = group else {
                    return None;
                };
                let seen = (index > 0 && cpu.as_ref() == Some(path))
                    || (index > 1 && memory.as_ref() == Some(path));
                (!seen).then_some(path.as_path())
            })
    }

    /// The files through which a process of one thread enters the version 1 groups by writing `0`.
    ///
    /// `tasks`, not `cgroup.procs`: a thread that moves itself needs none of the kernel's locking
    /// against forks, which costs a grace period of some 10 ms for each hierarchy.
    pub(crate) fn entrances(&self) -> Vec<PathBuf> {
        self.first_version()
            .map(|directory| directory.join("tasks"))
            .collect()
    }

    /// Whether a process of one thread is in all of them.
    pub(crate) fn hold(&self, process: Pid) -> bool {
        let unified = self.unified.as_ref().map(|at| at.join("cgroup.procs"));
        let lists = |file: PathBuf| {
            let members = files::read(&file).unwrap_or_default();
            let mut members = members.lines();
            members.any(|member| member.parse() == Ok(process.as_raw()))
        };
        unified.into_iter().chain(self.entrances()).all(lists)
    }

    /// Sets the limits.
    pub(crate) fn limit(&self, limits: &Limits) -> io::Result<()> {
        let memory = limits.memory_bytes();
        self.limit_cpu(limits.cpu_vcpus)?;
        self.limit_memory(memory)?;
        if let Some(Group::Unified(at)) = &self.memory {
            optional(files::write(&at.join("memory.swap.max"), &0))?;
            files::write(&at.join("memory.oom.group"), &1)?;
        }
        match &self.pids {
            Some(Group::First(at) | Group::Unified(at)) => {
                files::write(&at.join("pids.max"), &limits.pids)
            }
            None => Ok(()),
        }
    }

    /// Limits the memory alone, also while processes run. Below what they have, the kernel ends them
    /// or refuses.
    pub(crate) fn limit_memory(&self, bytes: u64) -> io::Result<()> {
        match &self.memory {
            Some(Group::First(at)) => {
                // With swap accounting off there is no such file, and memory is all there is. Where
                // there is one, it may never be below the other: it goes first when both rise.
                let swap = at.join("memory.memsw.limit_in_bytes");
                let _follows = files::write(&swap, &bytes);
                files::write(&at.join("memory.limit_in_bytes"), &bytes)?;
                optional(files::write(&swap, &bytes)).map(|_| ())
            }
            Some(Group::Unified(at)) => files::write(&at.join("memory.max"), &bytes),
            None => Ok(()),
        }
    }

    /// Limits the CPU alone, also while processes run.
    pub(crate) fn limit_cpu(&self, vcpus: f64) -> io::Result<()> {
        let quota = cpu_quota_micros(vcpus);
        match &self.cpu {
            Some(Group::First(at)) => {
                files::write(&at.join("cpu.cfs_period_us"), &CPU_PERIOD_MICROS)?;
                files::write(&at.join("cpu.cfs_quota_us"), &quota)
            }
            Some(Group::Unified(at)) => {
                files::write(&at.join("cpu.max"), &format!("{quota} {CPU_PERIOD_MICROS}"))
            }
            None => Ok(()),
        }
    }

    /// How many processes the kernel killed for want of memory.
    pub(crate) fn oom_kills(&self) -> io::Result<Option<u64>> {
        match &self.memory {
            Some(Group::First(at)) => files::read_key(&at.join("memory.oom_control"), "oom_kill"),
            Some(Group::Unified(at)) => files::read_key(&at.join("memory.events"), "oom_kill"),
            None => Ok(None),
        }
    }

    /// A descriptor that becomes readable when memory runs out, where it must be watched: version 1
    /// kills one process and lets the others of the environment go on without it.
    pub(crate) fn watch_memory(&self) -> io::Result<Option<OwnedFd>> {
        let Some(Group::First(at)) = &self.memory else {
            return Ok(None);
        };
        let event = EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)?;
        let control = File::open(at.join("memory.oom_control"))?;
        let registration = format!("{} {}", event.as_fd().as_raw_fd(), control.as_raw_fd());
        files::write(&at.join("cgroup.event_control"), &registration)?;
        Ok(Some(event.into()))
    }

    /// Where the kernel tells the highest memory use so far. Kernels before 5.19 do not for groups
    /// of version 2.
    pub(crate) fn memory_peak(&self) -> io::Result<Option<MemoryPeak>> {
        let file = match &self.memory {
            Some(Group::First(at)) => at.join("memory.max_usage_in_bytes"),
            Some(Group::Unified(at)) => at.join("memory.peak"),
            None => return Ok(None),
        };
        optional(MemoryPeak::open(&file))
    }

    /// What it is charged with at the moment.
    pub(crate) fn charged(&self) -> io::Result<Option<Charged>> {
        let (at, usage, [own, mapped, cache]) = match &self.memory {
            Some(Group::First(at)) => {
                (at, "memory.usage_in_bytes", ["rss", "mapped_file", "cache"])
            }
            Some(Group::Unified(at)) => (at, "memory.current", ["anon", "file_mapped", "file"]),
            None => return Ok(None),
        };
        let text = files::read(&at.join("memory.stat"))?;
        let number = |key| files::find_key(&text, key).unwrap_or_default();
        let total = files::read(&at.join(usage))?.trim().parse();
        Ok(Some(Charged {
            total: total.map_err(|_| io::ErrorKind::InvalidData)?,
            mapped: number(own) + number(mapped),
            // Memory that processes share by name is kept like files, but is in no file.
            cached: number(cache).saturating_sub(number("shmem")),
        }))
    }

    /// CPU time of all its processes so far. The unified hierarchy counts it without a controller.
    pub(crate) fn cpu_time(&self) -> io::Result<Option<Duration>> {
        let Some(at) = &self.unified else {
            return Ok(None);
        };
        let micros = files::read_key(&at.join("cpu.stat"), "usage_usec")?;
        Ok(micros.map(Duration::from_micros))
    }

    /// How often its CPU quota held it back.
    pub(crate) fn throttling(&self) -> io::Result<Option<Throttling>> {
        let (at, unit, time) = match &self.cpu {
            Some(Group::First(at)) => (at, 1, "throttled_time"),
            Some(Group::Unified(at)) => (at, 1_000, "throttled_usec"),
            None => return Ok(None),
        };
        let text = files::read(&at.join("cpu.stat"))?;
        let number = |key| files::find_key(&text, key).unwrap_or_default();
        Ok(Some(Throttling {
            periods: number("nr_periods"),
            throttled_periods: number("nr_throttled"),
            throttled: Duration::from_nanos(number(time).saturating_mul(unit)),
        }))
    }

    /// Kills every process in it, also stopped and frozen ones. Says whether it could.
    pub(crate) fn kill(&self) -> io::Result<bool> {
        if let Some(at) = &self.unified {
            // Kernels before 5.14 have no such file.
            if optional(files::write(&at.join("cgroup.kill"), &1))?.is_some() {
                return Ok(true);
            }
        }
        let Some(directory) = self.directories().next() else {
            return Ok(false);
        };
        kill_members(directory)?;
        Ok(true)
    }

    /// Removes the directories. `false` while a process that is about to end is still in one.
    pub(crate) fn remove(&self) -> io::Result<bool> {
        let mut gone = true;
        for directory in self.directories() {
            gone &= remove(directory)?;
        }
        Ok(gone)
    }
}

/// Kills every process that a group lists at the moment.
pub(crate) fn kill_members(directory: &Path) -> io::Result<()> {
    let Some(members) = optional(files::read(&directory.join("cgroup.procs")))? else {
        return Ok(());
    };
    for pid in members.lines().filter_map(|line| line.parse().ok()) {
        // It may have ended since it was listed.
        let _ended = kill(Pid::from_raw(pid), Signal::SIGKILL);
    }
    Ok(())
}

/// Removes a group. `false` while it is in use.
pub(crate) fn remove(directory: &Path) -> io::Result<bool> {
    match fs::remove_dir(directory) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
        Err(error) if error.raw_os_error() == Some(libc::EBUSY) => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A directory with files as the kernel makes them, empty where it is about what is written.
    fn group(files: &[(&str, &str)]) -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        for (name, text) in files {
            fs::write(directory.path().join(name), text).unwrap();
        }
        directory
    }

    fn unified(directory: &tempfile::TempDir) -> EnvironmentGroups {
        let at = directory.path().to_path_buf();
        EnvironmentGroups {
            unified: Some(at.clone()),
            cpu: Some(Group::Unified(at.clone())),
            memory: Some(Group::Unified(at.clone())),
            pids: Some(Group::Unified(at)),
        }
    }

    fn first(directory: &tempfile::TempDir) -> EnvironmentGroups {
        let at = || Some(Group::First(directory.path().to_path_buf()));
        EnvironmentGroups {
            unified: None,
            cpu: at(),
            memory: at(),
            pids: at(),
        }
    }

    const LIMITS: Limits = Limits {
        memory_mb: 128,
        cpu_vcpus: 0.5,
        pids: 1024,
    };

    #[test]
    fn version_2_limits() {
        let directory = group(&[
            ("cpu.max", ""),
            ("memory.max", ""),
            ("memory.swap.max", ""),
            ("memory.oom.group", ""),
            ("pids.max", ""),
        ]);
        unified(&directory).limit(&LIMITS).unwrap();
        let written = |name| fs::read_to_string(directory.path().join(name)).unwrap();
        assert_eq!(written("cpu.max"), "10000 20000");
        assert_eq!(written("memory.max"), "134217728");
        assert_eq!(written("memory.swap.max"), "0");
        assert_eq!(written("memory.oom.group"), "1");
        assert_eq!(written("pids.max"), "1024");

        fs::remove_file(directory.path().join("memory.swap.max")).unwrap();
        unified(&directory).limit(&LIMITS).unwrap();
        fs::remove_file(directory.path().join("memory.max")).unwrap();
        let missing = unified(&directory).limit(&LIMITS).unwrap_err();
        assert_eq!(missing.kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn version_2_figures() {
        let directory = group(&[
            (
                "cpu.stat",
                "usage_usec 1500\nuser_usec 1\nnr_periods 9\nnr_throttled 4\nthrottled_usec 70\n",
            ),
            (
                "memory.events",
                "low 0\noom 3\noom_kill 2\noom_group_kill 1\n",
            ),
        ]);
        let groups = unified(&directory);
        assert_eq!(
            groups.cpu_time().unwrap(),
            Some(Duration::from_micros(1500))
        );
        assert_eq!(
            groups.throttling().unwrap(),
            Some(Throttling {
                periods: 9,
                throttled_periods: 4,
                throttled: Duration::from_micros(70),
            })
        );
        assert_eq!(groups.oom_kills().unwrap(), Some(2));
        assert!(
            groups.watch_memory().unwrap().is_none(),
            "the kernel kills the whole group"
        );
        assert!(groups.entrances().is_empty(), "children are forked into it");
    }

    #[test]
    fn what_is_charged_is_told_by_either_version() {
        let directory = group(&[
            (
                "memory.stat",
                "anon 100\nfile 70\nfile_mapped 30\nrss 5\nmapped_file 2\ncache 9\nshmem 4\n",
            ),
            ("memory.current", "200\n"),
            ("memory.usage_in_bytes", "20\n"),
        ]);
        let charged = |groups: &EnvironmentGroups| groups.charged().unwrap();
        let all = |total, mapped, cached| {
            Some(Charged {
                total,
                mapped,
                cached,
            })
        };
        assert_eq!(charged(&unified(&directory)), all(200, 130, 66));
        assert_eq!(charged(&first(&directory)), all(20, 7, 5));
        assert_eq!(charged(&EnvironmentGroups::default()), None);
    }

    #[test]
    fn they_hold_a_process_that_is_in_all_of_them() {
        let directory = group(&[("tasks", "6\n7\n"), ("cgroup.procs", "7\n8\n")]);
        let groups = EnvironmentGroups {
            unified: Some(directory.path().to_path_buf()),
            ..first(&directory)
        };
        let held = [6, 7, 8, 70].map(|pid| groups.hold(Pid::from_raw(pid)));
        assert_eq!(held, [false, true, false, false]);
    }

    #[test]
    fn version_1_limits() {
        let directory = group(&[
            ("cpu.cfs_period_us", ""),
            ("cpu.cfs_quota_us", ""),
            ("memory.limit_in_bytes", ""),
            ("memory.memsw.limit_in_bytes", ""),
            ("pids.max", ""),
        ]);
        first(&directory).limit(&LIMITS).unwrap();
        let written = |name| fs::read_to_string(directory.path().join(name)).unwrap();
        assert_eq!(written("cpu.cfs_period_us"), "20000");
        assert_eq!(written("cpu.cfs_quota_us"), "10000");
        assert_eq!(written("memory.limit_in_bytes"), "134217728");
        assert_eq!(written("memory.memsw.limit_in_bytes"), "134217728");
        assert_eq!(written("pids.max"), "1024");
        fs::remove_file(directory.path().join("memory.memsw.limit_in_bytes")).unwrap();
        first(&directory).limit(&LIMITS).unwrap();
    }

    #[test]
    fn memory_peaks_are_told_by_either_version_but_not_by_every_kernel() {
        let read = |groups: &EnvironmentGroups| {
            let peak = groups.memory_peak().unwrap();
            peak.map(|peak| peak.read().unwrap())
        };
        let directory = group(&[
            ("memory.peak", "4096\n"),
            ("memory.max_usage_in_bytes", "8192\n"),
        ]);
        let second = unified(&directory);
        assert_eq!(read(&second), Some(Some(4096)));
        assert_eq!(read(&first(&directory)), Some(Some(8192)));
        assert_eq!(read(&EnvironmentGroups::default()), None);

        fs::remove_file(directory.path().join("memory.peak")).unwrap();
        assert_eq!(read(&second), None);
    }

    #[test]
    fn version_2_kills_at_one_stroke_or_one_by_one() {
        let directory = group(&[("cgroup.kill", "")]);
        assert!(unified(&directory).kill().unwrap());
        let written = fs::read_to_string(directory.path().join("cgroup.kill")).unwrap();
        assert_eq!(written, "1");

        let mut child = std::process::Command::new("sleep")
            .arg("600")
            .spawn()
            .unwrap();
        let directory = group(&[("cgroup.procs", &format!("{}\n", child.id()))]);
        assert!(unified(&directory).kill().unwrap());
        use std::os::unix::process::ExitStatusExt;
        assert_eq!(child.wait().unwrap().signal(), Some(Signal::SIGKILL as i32));
        assert!(
            !EnvironmentGroups::default().kill().unwrap(),
            "nothing to kill by"
        );
    }

    #[test]
    fn a_directory_that_several_controllers_share_is_entered_and_removed_once() {
        let shared = tempfile::tempdir().unwrap();
        let at = shared.path().join("e1");
        let groups = EnvironmentGroups {
            unified: None,
            cpu: Some(Group::First(at.clone())),
            memory: Some(Group::First(at.clone())),
            pids: Some(Group::First(at.clone())),
        };
        groups.create().unwrap();
        assert_eq!(groups.entrances(), [at.join("tasks")]);
        assert!(groups.remove().unwrap() && !at.exists());
        assert!(groups.remove().unwrap(), "what is gone is gone");
    }
}
