//! Finding processes by descent, where no control group holds them together.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io;

use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;

/// Sends `signal` to `leader`, its process group, its descendants, and its session. What has left
/// all of them is out of reach.
pub(super) fn signal_tree(leader: Pid, signal: Signal) -> io::Result<()> {
    // Whoever has ended since needs no signal.
    let _ended = killpg(leader, signal);
    for pid in members(&Table::read()?, leader) {
        let _ended = kill(Pid::from_raw(pid), signal);
    }
    Ok(())
}

/// Kills every descendant of this process but `spared`. Says whether there was any.
pub(super) fn kill_descendants(spared: Option<Pid>) -> io::Result<bool> {
    let own = Pid::this().as_raw();
    let mut any = false;
    for pid in Table::read()?.descendants(own) {
        if Some(Pid::from_raw(pid)) != spared {
            any = true;
            let _ended = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
    }
    Ok(any)
}

fn members(table: &Table, leader: Pid) -> HashSet<i32> {
    let mut members = table.descendants(leader.as_raw());
    // Forked a moment ago, it may lead neither a group nor a session yet.
    members.insert(leader.as_raw());
    members.extend(
        table
            .sessions
            .iter()
            .filter(|(_, session)| **session == leader.as_raw())
            .map(|(pid, _)| *pid),
    );
    members
}

/// A picture of the process table.
#[derive(Debug, Default)]
struct Table {
    children: HashMap<i32, Vec<i32>>,
    sessions: HashMap<i32, i32>,
}

impl Table {
    fn read() -> io::Result<Self> {
        let mut table = Self::default();
        for entry in fs::read_dir("/proc")? {
            let name = entry?.file_name();
            let Some(pid) = name.to_str().and_then(|name| name.parse().ok()) else {
                continue;
            };
            // It may have ended since it was listed.
            if let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) {
                table.add(pid, &stat);
            }
        }
        Ok(table)
    }

    fn add(&mut self, pid: i32, stat: &str) {
        let Some((_, rest)) = stat.rsplit_once(") ") else {
            return;
        };
        // State, parent, process group, session.
        let mut fields = rest.split(' ').skip(1).map(str::parse);
        let (Some(Ok(parent)), Some(Ok(session))) = (fields.next(), fields.nth(1)) else {
            return;
        };
        self.children.entry(parent).or_default().push(pid);
        self.sessions.insert(pid, session);
    }

    fn descendants(&self, ancestor: i32) -> HashSet<i32> {
        let mut found = HashSet::new();
        let mut open = vec![ancestor];
        while let Some(parent) = open.pop() {
            for child in self.children.get(&parent).into_iter().flatten() {
                if found.insert(*child) {
                    open.push(*child);
                }
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_found_by_descent_and_by_session() {
        let mut table = Table::default();
        for (pid, parent, session) in [
            (10, 1, 10),
            (11, 10, 10),
            // Left the session but has a parent in it.
            (12, 11, 12),
            // Its parent died, the session remains.
            (13, 1, 10),
            (14, 1, 14),
            // Has yet to start its session.
            (15, 1, 1),
        ] {
            table.add(
                pid,
                &format!("{pid} (a) b) S {parent} {pid} {session} 0 -1"),
            );
        }
        assert_eq!(
            members(&table, Pid::from_raw(10)),
            HashSet::from([10, 11, 12, 13])
        );
        assert_eq!(members(&table, Pid::from_raw(15)), HashSet::from([15]));
    }
}
