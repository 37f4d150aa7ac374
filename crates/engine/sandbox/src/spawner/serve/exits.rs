//! Children that end, and memory that runs out.

use std::collections::HashSet;

use nix::errno::Errno;
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid, waitpid};
use nix::unistd::Pid;

use super::{Spawner, clones};
use crate::protocol::{GroupSignal, Message, Refused};
use crate::spawner::guard::{Guard, Post};
use crate::spec::ExitStatus;

impl Spawner {
    /// Takes note of every child that has ended.
    pub(super) fn reap(&mut self) -> Result<(), Refused> {
        while let Ok(Some(_)) = self.children.read_signal() {}
        loop {
            // First only looked at: until it is reaped its number means nobody else, so what it
            // leaves behind can be found by it.
            let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
            let (pid, code, signal) = match waitid(Id::All, flags) {
                Ok(WaitStatus::Exited(pid, code)) => (pid, Some(code), None),
                Ok(WaitStatus::Signaled(pid, signal, _)) => (pid, None, Some(signal as i32)),
                Ok(_) | Err(Errno::ECHILD) => return Ok(()),
                Err(Errno::EINTR) => continue,
                Err(error) => return Err(Refused::to("wait for children")(error)),
            };
            if pid == self.guard.pid {
                waitpid(pid, None).map_err(Refused::to("reap the guard"))?;
                self.replace_guard()?;
                continue;
            }
            if let Some(number) = self.by_pid.remove(&pid) {
                self.ended(number, pid, code, signal)?;
            }
            waitpid(pid, None).map_err(Refused::to("reap a child"))?;
            if !self.groups.kills() {
                self.guard.ended(pid);
            }
        }
    }

    fn replace_guard(&mut self) -> Result<(), Refused> {
        let leaders = if self.groups.kills() {
            HashSet::new()
        } else {
            self.by_pid.keys().map(|pid| pid.as_raw()).collect()
        };
        self.guard = Guard::fork(&Post {
            engine_lifeline: &self.engine_lifeline,
            directories: &self.directories,
            leftovers: None,
            leaders: &leaders,
        })?;
        Ok(())
    }

    /// A child has ended that was an environment's blank or its process.
    fn ended(
        &mut self,
        number: u64,
        pid: Pid,
        code: Option<i32>,
        signal: Option<i32>,
    ) -> Result<(), Refused> {
        // What it said before it ended comes first.
        self.child_spoke(number)?;
        let Some(resident) = self.residents.get_mut(&number) else {
            return Ok(());
        };
        // With its init every process of an environment ends, and is told of by itself.
        resident.inits.retain(|init| *init != pid);
        let mut processes = resident.processes.iter();
        if let Some(place) = processes.position(|running| running.pid == pid) {
            let last = resident.processes.len() == 1;
            if last {
                // Nothing of it may meet the next process in this environment.
                let _nothing_left = resident.signal(GroupSignal::Kill);
                resident.clones = None;
                resident.quarters = None;
                self.bereft.push_back(number);
            }
            let running = resident.processes.remove(place);
            let oom_killed = resident.ran_out_of_memory(&running);
            let status = ExitStatus {
                code,
                signal,
                oom_killed,
            };
            return self.tell(
                &Message::Exited {
                    start: running.start,
                    status,
                },
                &[],
            );
        }
        if let Some(coming) = &mut resident.coming
            && coming.keeper == Some(pid)
        {
            coming.keeper = None;
            return self.clone_failed(number, clones::ended());
        }
        if resident
            .blank
            .as_ref()
            .is_some_and(|blank| blank.pid == pid)
        {
            resident.blank = None;
            if resident.id.is_none() && resident.leaving.is_none() {
                self.blanks.retain(|blank| *blank != number);
                // Should none of them live, then at least not in a circle.
                self.refill = false;
                self.dismiss(number, Vec::new());
            }
        }
        Ok(())
    }

    /// Version 1 control groups have one process killed; the others are of no use without it.
    pub(super) fn memory_ran_out(&mut self, number: u64) {
        let Some(resident) = self.residents.get_mut(&number) else {
            return;
        };
        let Some(watch) = &resident.memory_watch else {
            return;
        };
        let _counter = nix::unistd::read(watch, &mut [0; 8]);
        if !resident.processes.is_empty() {
            resident.out_of_memory = true;
            // Should this fail, the one that the kernel chose is killed all the same.
            let _one_only = resident.signal(GroupSignal::Kill);
        }
    }
}
