//! The control groups of one engine, below which its environments get theirs.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::Controller;
use super::environment::{EnvironmentGroups, Group};
use super::files;
use super::mounts::{Hierarchies, Places};
use super::name::EngineName;
use crate::capabilities::{Means, Measure};

/// What a user without root's rights can do to get control groups.
const DELEGATE: &str = "run the engine as root, or in a group of its own: \
    systemd-run --user --scope -p Delegate=yes lambdalab up";

/// What control groups are for, and how far they serve.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct GroupMeasures {
    pub(crate) memory: Measure,
    pub(crate) cpu: Measure,
    pub(crate) pids: Measure,
    pub(crate) freeze: Measure,
    pub(crate) kill: Measure,
}

#[cfg(test)]
impl GroupMeasures {
    fn remedies(&self) -> [Option<&String>; 5] {
        [
            &self.memory,
            &self.cpu,
            &self.pids,
            &self.freeze,
            &self.kill,
        ]
        .map(|measure| measure.remedy.as_ref())
    }
}

/// The control groups of one engine: a directory in each hierarchy that is of use.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct EngineGroups {
    unified: Option<PathBuf>,
    cpu: Option<Group>,
    memory: Option<Group>,
    pids: Option<Group>,
}

impl EngineGroups {
    /// Makes the directories wherever this host lets us. What it does not let us is absent.
    pub(crate) fn create(hierarchies: &Hierarchies, name: &EngineName) -> Self {
        let name = name.to_string();
        let mut groups = Self::default();
        let mut offered = Vec::new();
        if let Some(place) = hierarchies.unified.as_ref().and_then(Places::writable) {
            offered = offer_controllers(place, &name);
            groups.unified = make(place, &name, &["cgroup.freeze", "cgroup.procs"]);
        }
        let group = |controller: Controller| {
            if let Some(unified) = &groups.unified
                && offered.contains(&controller)
                && enable(unified, controller).is_ok()
            {
                return Some(Group::Unified(unified.clone()));
            }
            let place = hierarchies.first.get(&controller)?.writable()?;
            make(place, &name, &["tasks"]).map(Group::First)
        };
        let (cpu, memory, pids) = (
            group(Controller::Cpu),
            group(Controller::Memory),
            group(Controller::Pids),
        );
        Self {
            cpu,
            memory,
            pids,
            ..groups
        }
    }

    /// The groups of the environment of that number, not made yet.
    pub(crate) fn environment(&self, number: u64) -> EnvironmentGroups {
        let name = format!("e{number}");
        let below = |group: &Option<Group>| {
            Some(match group.as_ref()? {
                Group::First(at) => Group::First(at.join(&name)),
                Group::Unified(at) => Group::Unified(at.join(&name)),
            })
        };
        EnvironmentGroups {
            unified: self.unified.as_ref().map(|at| at.join(&name)),
            cpu: below(&self.cpu),
            memory: below(&self.memory),
            pids: below(&self.pids),
        }
    }

    /// Every directory, once; the unified one first.
    pub(crate) fn directories(&self) -> Vec<PathBuf> {
        let own = EnvironmentGroups {
            unified: self.unified.clone(),
            cpu: self.cpu.clone(),
            memory: self.memory.clone(),
            pids: self.pids.clone(),
        };
        own.directories().map(Path::to_path_buf).collect()
    }

    /// Whether all processes below can be killed in one stroke.
    pub(crate) fn kills(&self) -> bool {
        self.unified
            .as_ref()
            .is_some_and(|at| at.join("cgroup.kill").exists())
    }

    /// What these groups make possible.
    pub(crate) fn measures(&self) -> GroupMeasures {
        let by = |group: &Option<Group>, name: &str, otherwise: Means| match group {
            Some(Group::Unified(_)) => Measure::full(Means::CgroupV2),
            Some(Group::First(_)) => Measure::full(Means::CgroupV1),
            None => Measure::short(
                otherwise,
                format!("no {name} control group can be made here; {DELEGATE}"),
            ),
        };
        let unified = |signals: &str| match &self.unified {
            Some(_) => Measure::full(Means::CgroupV2),
            None => Measure::short(
                Means::Signals,
                format!("{signals}: no cgroup v2 directory can be made here; {DELEGATE}"),
            ),
        };
        let kill = if self.unified.is_some() && !self.kills() {
            Measure::short(
                Means::Signals,
                "processes are killed one by one, which a fork bomb may outrun: \
                 cgroup.kill needs Linux 5.14",
            )
        } else {
            unified("a process that leaves its session and its parent outlives its environment")
        };
        GroupMeasures {
            memory: match by(&self.memory, "memory", Means::Samples) {
                Measure {
                    means: means @ Means::Samples,
                    remedy: Some(remedy),
                } => Measure::short(
                    means,
                    format!("a function may exceed its size for a moment: {remedy}"),
                ),
                full => full,
            },
            cpu: by(&self.cpu, "cpu", Means::None),
            pids: by(&self.pids, "pids", Means::None),
            freeze: unified("a process that leaves its process group is not stopped"),
            kill,
        }
    }
}

/// Makes a directory below `place`, of which the kernel fills in at least `files`.
fn make(place: &Path, name: &str, expected: &[&str]) -> Option<PathBuf> {
    let directory = place.join(name);
    match fs::create_dir(&directory) {
        Ok(()) => {}
        // One mount may hold several controllers.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(_) => return None,
    }
    if expected.iter().all(|file| directory.join(file).exists()) {
        return Some(directory);
    }
    let _leave_nothing = fs::remove_dir(&directory);
    None
}

/// Has the unified hierarchy hand its controllers down to the groups below `place`, and says which
/// it did.
fn offer_controllers(place: &Path, name: &str) -> Vec<Controller> {
    let Ok(present) = files::read(&place.join("cgroup.controllers")) else {
        return Vec::new();
    };
    let present = |controller: &Controller| {
        present
            .split_whitespace()
            .any(|word| word == controller.name())
    };
    let offer = |controller: Controller| match enable(place, controller) {
        // Only the very top may hold processes beside groups with controllers.
        Err(error) if error.raw_os_error() == Some(libc::EBUSY) => {
            step_down(place, name)?;
            enable(place, controller)
        }
        result => result,
    };
    Controller::ALL
        .into_iter()
        .filter(present)
        .filter(|controller| offer(*controller).is_ok())
        .collect()
}

/// Lets the groups below `directory` have a controller.
fn enable(directory: &Path, controller: Controller) -> io::Result<()> {
    let file = directory.join("cgroup.subtree_control");
    if files::read(&file)?
        .split_whitespace()
        .any(|word| word == controller.name())
    {
        return Ok(());
    }
    files::write(&file, &format!("+{}", controller.name()))
}

/// Moves this process out of `place` into a group below it, when it is the only one there.
fn step_down(place: &Path, name: &str) -> io::Result<()> {
    let members = files::read(&place.join("cgroup.procs"))?;
    let own = std::process::id().to_string();
    if members.lines().any(|member| member != own) {
        return Err(io::Error::from_raw_os_error(libc::EBUSY));
    }
    let below = place.join(format!("{name}-engine"));
    fs::create_dir_all(&below)?;
    files::write(&below.join("cgroup.procs"), &own)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A version 2 hierarchy, whose files are made by hand because no kernel makes them.
    fn hierarchy(controllers: &str) -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        for (name, text) in [
            ("cgroup.controllers", controllers),
            ("cgroup.subtree_control", ""),
        ] {
            fs::write(directory.path().join(name), text).unwrap();
        }
        directory
    }

    /// The engine's own directory, as the kernel fills it.
    fn fill(place: &Path, name: &EngineName) -> PathBuf {
        let own = place.join(name.to_string());
        fs::create_dir(&own).unwrap();
        for file in [
            "cgroup.freeze",
            "cgroup.procs",
            "cgroup.kill",
            "cgroup.subtree_control",
        ] {
            fs::write(own.join(file), "").unwrap();
        }
        own
    }

    fn only_unified(place: &Path) -> Hierarchies {
        Hierarchies {
            unified: Some(Places {
                top: place.to_path_buf(),
                own: place.to_path_buf(),
            }),
            ..Hierarchies::default()
        }
    }

    #[test]
    fn version_2_with_all_controllers_does_everything() {
        let place = hierarchy("cpuset cpu io memory pids\n");
        let name = EngineName::of_this_process().unwrap();
        let own = fill(place.path(), &name);
        let groups = EngineGroups::create(&only_unified(place.path()), &name);
        let measures = groups.measures();
        assert_eq!(measures.remedies(), [None; 5]);
        assert_eq!(measures.memory.means, Means::CgroupV2);
        assert_eq!(groups.directories(), [own.as_path()]);
        let environment = groups.environment(7);
        assert_eq!(environment.memory, Some(Group::Unified(own.join("e7"))));
        assert_eq!(
            environment.directories().collect::<Vec<_>>(),
            [own.join("e7")]
        );
        // A file keeps what is written over it; the kernel takes one word after the other.
        for directory in [place.path(), &own] {
            let enabled = fs::read_to_string(directory.join("cgroup.subtree_control")).unwrap();
            assert!(enabled.starts_with("+pids"), "{enabled}");
        }
    }

    #[test]
    fn controllers_that_are_missing_are_named_with_a_remedy() {
        let place = hierarchy("cpu\n");
        let name = EngineName::of_this_process().unwrap();
        fill(place.path(), &name);
        let groups = EngineGroups::create(&only_unified(place.path()), &name);
        let measures = groups.measures();
        assert_eq!(measures.cpu.means, Means::CgroupV2);
        assert_eq!(measures.memory.means, Means::Samples);
        assert_eq!(measures.pids.means, Means::None);
        assert_eq!(measures.freeze.means, Means::CgroupV2);
        let remedy = measures.memory.remedy.unwrap();
        assert!(
            remedy.contains("memory") && remedy.contains("Delegate"),
            "{remedy}"
        );
    }

    #[test]
    fn without_control_groups_signals_are_left() {
        let name = EngineName::of_this_process().unwrap();
        let groups = EngineGroups::create(&Hierarchies::default(), &name);
        assert!(groups.directories().is_empty());
        let measures = groups.measures();
        assert_eq!(measures.kill.means, Means::Signals);
        assert!(measures.remedies().iter().all(Option::is_some));
    }

    #[test]
    fn a_place_where_the_kernel_makes_no_files_is_no_hierarchy() {
        let place = hierarchy("cpu memory pids\n");
        let name = EngineName::of_this_process().unwrap();
        let groups = EngineGroups::create(&only_unified(place.path()), &name);
        assert!(groups.directories().is_empty());
        assert!(
            !place.path().join(name.to_string()).exists(),
            "nothing is left behind"
        );
    }
}
