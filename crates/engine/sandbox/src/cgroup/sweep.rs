//! Removing the control groups of an engine with all that still runs in them.

use std::fs::{self, File};
use std::io;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ids::Clock;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::environment::{kill_members, remove};
use super::files::{self, optional};
use super::mounts::Hierarchies;
use super::name::EngineName;

/// How long to wait between two looks where the kernel does not tell of the change.
const LOOK_AGAIN: u16 = 20;

/// Kills what runs below the directories of one engine and removes them. `false` when something is
/// still there after `patience`: a process in uninterruptible sleep ends in its own time.
pub(crate) fn sweep(directories: &[PathBuf], clock: &dyn Clock, patience: Duration) -> bool {
    let deadline = clock.monotonic() + patience;
    loop {
        let mut gone = true;
        for directory in directories {
            gone &= sweep_once(directory).unwrap_or(false);
        }
        if gone {
            return true;
        }
        if clock.monotonic() >= deadline {
            return false;
        }
        wait_for_change(directories);
    }
}

/// Removes what engines that have died left behind.
pub(crate) fn remove_leftovers(hierarchies: &Hierarchies, clock: &dyn Clock, patience: Duration) {
    let leftovers: Vec<PathBuf> = hierarchies
        .unified
        .iter()
        .chain(hierarchies.first.values())
        .flat_map(|places| [&places.top, &places.own])
        .filter_map(|place| fs::read_dir(place).ok())
        .flatten()
        .flatten()
        .filter(|entry| {
            let name = entry.file_name();
            let engine = name.to_str().and_then(EngineName::parse);
            engine.is_some_and(|engine| engine.is_dead().unwrap_or(false))
        })
        .map(|entry| entry.path())
        .collect();
    sweep(&leftovers, clock, patience);
}

/// One round: kill, then remove from the leaves up. Says whether the directory is gone.
fn sweep_once(directory: &Path) -> io::Result<bool> {
    // The unified hierarchy kills the whole subtree at once. Elsewhere, and on older kernels, the
    // members of each group are killed one by one.
    let whole = optional(files::write(&directory.join("cgroup.kill"), &1))?.is_some();
    remove_tree(directory, !whole)
}

fn remove_tree(directory: &Path, kill: bool) -> io::Result<bool> {
    let Some(entries) = optional(fs::read_dir(directory))? else {
        return Ok(true);
    };
    if kill {
        kill_members(directory)?;
    }
    let mut gone = true;
    for entry in entries {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            gone &= remove_tree(&entry.path(), kill)?;
        }
    }
    Ok(gone && remove(directory)?)
}

/// Waits until the unified directory tells that its last process has ended, but never long.
fn wait_for_change(directories: &[PathBuf]) {
    // The kernel reports changes since the last read, so one read arms the watch.
    let events: Vec<File> = directories
        .iter()
        .filter_map(|directory| {
            let mut file = File::open(directory.join("cgroup.events")).ok()?;
            io::copy(&mut file, &mut io::sink()).ok()?;
            Some(file)
        })
        .collect();
    let mut watched: Vec<PollFd<'_>> = events
        .iter()
        .map(|file| PollFd::new(file.as_fd(), PollFlags::POLLPRI))
        .collect();
    // Interrupted or not, the caller looks again.
    let _interrupted = poll(&mut watched, PollTimeout::from(LOOK_AGAIN));
}
