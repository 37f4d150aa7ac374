//! The same tests again as a user without rights: one that has nothing, and one to whom control
//! groups were handed over, as systemd does with `Delegate=yes`.

use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::unistd::geteuid;

/// An id that no system hands out.
const USER: u32 = 1_878_999_999;

/// The tests in which it matters whether control groups are there as well.
const ALONE: [&str; 4] = ["isolated", "escape", "inside", "tmp_"];

/// What a user is given of a control group. The files of either version, where they are.
const HANDED_OVER: [&str; 5] = [
    "",
    "cgroup.procs",
    "cgroup.subtree_control",
    "cgroup.threads",
    "tasks",
];

/// Runs them, when this process is root. Says whether all went well.
pub(crate) fn run_again(arguments: &[String]) -> bool {
    if !geteuid().is_root() {
        return true;
    }
    let room = tempfile::tempdir().unwrap();
    fs::set_permissions(room.path(), PermissionsExt::from_mode(0o755)).unwrap();
    chown(room.path(), Some(USER), Some(USER)).unwrap();
    // Where it lies other users may have no access.
    let program = room.path().join("environments");
    fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    let alone: Vec<String> = if arguments.is_empty() {
        ALONE.map(str::to_owned).into()
    } else {
        arguments.to_vec()
    };
    println!("\nas a user without rights:");
    let mut well = run(&program, &alone);
    match Delegation::make() {
        Ok(delegation) => {
            println!("\nas a user with control groups:");
            well &= run(&program, arguments);
            drop(delegation);
        }
        Err(error) => {
            println!("\nskipped: no control groups to hand over to a user ({error})");
        }
    }
    well
}

fn run(program: &Path, arguments: &[String]) -> bool {
    let room = program.parent().unwrap();
    let status = Command::new(program)
        .args(arguments)
        .env("HOME", room)
        .env("TMPDIR", room)
        .current_dir(room)
        .uid(USER)
        .gid(USER)
        .status()
        .unwrap();
    status.success()
}

/// Control groups that belong to the user. This process is in them while they are there.
struct Delegation {
    groups: Vec<PathBuf>,
}

impl Delegation {
    fn make() -> io::Result<Self> {
        let mut delegation = Self { groups: Vec::new() };
        let memberships = fs::read_to_string("/proc/self/cgroup")?;
        for line in memberships.lines() {
            let mut fields = line.splitn(3, ':').skip(1);
            let (Some(controllers), Some(own)) = (fields.next(), fields.next()) else {
                continue;
            };
            let Some(hierarchy) = hierarchy(controllers) else {
                continue;
            };
            let parent = hierarchy.join(own.trim_start_matches('/'));
            let group = parent.join(format!("test-delegation-{}", std::process::id()));
            fs::create_dir(&group)?;
            delegation.groups.push(group.clone());
            for file in HANDED_OVER {
                let file = group.join(file);
                if file.exists() {
                    chown(&file, Some(USER), Some(USER))?;
                }
            }
            enter(&group)?;
        }
        if delegation.groups.is_empty() {
            return Err(io::ErrorKind::NotFound.into());
        }
        Ok(delegation)
    }
}

impl Drop for Delegation {
    fn drop(&mut self) {
        for group in &self.groups {
            let left = enter(group.parent().unwrap()).and_then(|()| remove(group));
            if let Err(error) = left {
                println!("{} stays: {error}", group.display());
            }
        }
    }
}

/// Where a hierarchy is mounted. Of the first version those that the sandbox uses.
fn hierarchy(controllers: &str) -> Option<PathBuf> {
    let root = Path::new("/sys/fs/cgroup");
    let candidates = if controllers.is_empty() {
        vec![root.to_owned(), root.join("unified")]
    } else if ["cpu", "memory", "pids"].contains(&controllers.split(',').next()?) {
        vec![root.join(controllers)]
    } else {
        return None;
    };
    let present = |path: &PathBuf| {
        let file = if controllers.is_empty() {
            "cgroup.controllers"
        } else {
            "tasks"
        };
        path.join(file).exists()
    };
    candidates.into_iter().find(present)
}

fn enter(group: &Path) -> io::Result<()> {
    fs::write(group.join("cgroup.procs"), std::process::id().to_string())
}

/// With the groups of engines in it, which removed them as far as they could.
fn remove(group: &Path) -> io::Result<()> {
    for entry in fs::read_dir(group)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            remove(&entry.path())?;
        }
    }
    fs::remove_dir(group)
}
