//! Commands that start, from the request to the program that runs.

use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;

use ids::EnvironmentId;

use super::{Spawner, clones};
use crate::channel;
use crate::isolation::{Isolation, Quarters};
use crate::protocol::{Done, Failure, GroupSignal, Message, Refused, decode};
use crate::spawner::child::{Child, Order, Past, Word};
use crate::spawner::resident::{Executing, Running, would_block};
use crate::spawner::watched::{Source, Watched};
use crate::spec::Command;

impl Spawner {
    /// Starts a command in the blank that waits, or else in a new child; beside others in a new one
    /// that enters their namespaces.
    pub(super) fn start(
        &mut self,
        start: u64,
        id: EnvironmentId,
        (mut command, mut mounts, beside): (Command, Vec<PathBuf>, bool),
        mut descriptors: Vec<OwnedFd>,
    ) -> Result<(), Failure> {
        let number = self.number_of(id)?;
        let missing = || Failure::NoSuchEnvironment { id };
        let resident = self.residents.get_mut(&number).ok_or_else(missing)?;
        let beside = beside && !resident.is_clone;
        let has_others = !resident.processes.is_empty();
        if has_others && !(beside && resident.processes.iter().all(|other| !other.alone)) {
            return Err(Failure::Busy { id });
        }
        if has_others {
            // It sees already what the first one showed.
            descriptors.truncate(2 + usize::from(command.telemetry));
            command.shows.clear();
            mounts.clear();
        }
        let clones = self.isolation.as_ref().is_some_and(Isolation::clones);
        let cloneable = command.cloneable && clones && !resident.is_clone && !beside;
        if cloneable {
            let (ours, theirs) = channel::pair().map_err(Refused::to("make a socket pair"))?;
            descriptors.insert(2 + usize::from(command.telemetry), theirs);
            resident.clones = Some(ours);
        }
        let order = Order {
            command,
            mounts,
            data_limit: resident.data_limit,
            processes: resident.process_limit,
            scratch: resident.scratch.clone(),
            cloneable,
            beside: beside && !has_others,
        };
        let order = serde_json::to_vec(&order).map_err(Refused::to("write a command"))?;
        let order = (order, descriptors);
        if has_others {
            let child = resident.fork_beside(self.isolation.as_ref())?;
            self.adopt(number, &child);
            self.command(number, (start, !beside), child, order, false)?;
            return Ok(());
        }
        resident.begin_memory();
        match resident.blank.take() {
            Some(blank) => {
                let is_another_as_good = !resident.is_clone;
                self.command(number, (start, !beside), blank, order, is_another_as_good)?;
            }
            None if resident.is_clone => return Err(clones::ended()),
            None => self.command_fresh(number, (start, !beside), order)?,
        }
        Ok(())
    }

    /// Uses nothing that was prepared in an environment. A clone is all that there is.
    pub(super) fn discard_prepared(&mut self, id: EnvironmentId) {
        let number = self.by_id.get(&id);
        let resident = number.and_then(|number| self.residents.get_mut(number));
        if let Some(resident) = resident.filter(|resident| !resident.is_clone) {
            resident.discard_blank();
        }
    }

    /// Hands a command to a new child.
    fn command_fresh(
        &mut self,
        number: u64,
        start: (u64, bool),
        order: (Vec<u8>, Vec<OwnedFd>),
    ) -> Result<(), Refused> {
        if let Some(resident) = self.residents.get_mut(&number) {
            let child = resident.fork(self.isolation.as_ref(), Past::Killed)?;
            self.adopt(number, &child);
            self.command(number, start, child, order, false)?;
        }
        Ok(())
    }

    /// Hands a command to a child. A blank may have died before; then a new child gets it. `start` is
    /// the number of the request, and `alone` whether nothing may be started beside it.
    fn command(
        &mut self,
        number: u64,
        (start, alone): (u64, bool),
        child: Child,
        (order, descriptors): (Vec<u8>, Vec<OwnedFd>),
        blank: bool,
    ) -> Result<(), Refused> {
        let Some(resident) = self.residents.get_mut(&number) else {
            return Ok(());
        };
        let channel = Watched::new(&self.epoll, child.channel, Source::Child(number))?;
        // A child that has died tells so by its channel.
        let _died = channel::send(channel.as_fd(), &order, &descriptors);
        let hands_out = !alone && resident.processes.is_empty();
        resident.processes.push(Running {
            start,
            pid: child.pid,
            alone,
            executing: Some(Executing {
                channel,
                has_spoken: false,
                hands_out,
                again: blank.then_some((order, descriptors)),
            }),
            oom_kills_before: resident.groups.oom_kills().ok().flatten().unwrap_or(0),
        });
        Ok(())
    }

    /// Makes sure that a new child is known when it ends.
    pub(super) fn adopt(&mut self, number: u64, child: &Child) {
        for pid in [Some(child.pid), child.init].into_iter().flatten() {
            self.by_pid.insert(pid, number);
            if !self.groups.kills() {
                self.guard.started(pid);
            }
        }
    }

    /// Puts a blank into an environment whose process has ended. Says whether it did.
    pub(super) fn furnish_bereft(&mut self) -> bool {
        let Some(number) = self.bereft.pop_front() else {
            return false;
        };
        let Some(resident) = self.residents.get_mut(&number) else {
            return true;
        };
        if !resident.is_bereft() {
            return true;
        }
        match resident.fork(self.isolation.as_ref(), Past::Killed) {
            Ok(child) => {
                self.adopt(number, &child);
                if let Some(resident) = self.residents.get_mut(&number) {
                    resident.blank = Some(child);
                }
                true
            }
            Err(_) => false,
        }
    }

    /// A child that was given a command has something to say, or has closed its channel.
    pub(super) fn child_spoke(&mut self, number: u64) -> Result<(), Refused> {
        self.clone_spoke(number)?;
        let Some(resident) = self.residents.get(&number) else {
            return Ok(());
        };
        let executing = resident.processes.iter();
        let executing = executing.filter(|running| running.executing.is_some());
        let starts: Vec<u64> = executing.map(|running| running.start).collect();
        for start in starts {
            if let Some(message) = self.next_word(number, start)? {
                self.tell(&message, &[])?;
            }
        }
        Ok(())
    }

    /// What follows for the engine from the next word of a child; nothing while it is at work.
    fn next_word(&mut self, number: u64, start: u64) -> Result<Option<Message>, Refused> {
        let Some(resident) = self.residents.get_mut(&number) else {
            return Ok(None);
        };
        let mut processes = resident.processes.iter();
        let Some(place) = processes.position(|running| running.start == start) else {
            return Ok(None);
        };
        let Some(running) = resident.processes.get_mut(place) else {
            return Ok(None);
        };
        let alone = running.alone;
        let Some(executing) = &mut running.executing else {
            return Ok(None);
        };
        let mut buffer = [0; 8 * 1024];
        loop {
            // From who may be a clone, nothing is taken but words.
            let received = match executing.hands_out {
                true => channel::receive(executing.channel.as_fd(), &mut buffer, false),
                false => channel::hear(executing.channel.as_fd(), &mut buffer),
            };
            let (word, quarters) = match received {
                Err(error) if would_block(&error) => return Ok(None),
                Ok(Some(received)) => {
                    let text = buffer.get(..received.length).unwrap_or_default();
                    (decode(text), received.descriptors)
                }
                Ok(None) => break,
                // Descriptors came along that nobody takes, say: no word of a child's is like that.
                Err(error) => (Err(error), Vec::new()),
            };
            match word {
                Ok(Word::Executing) if !executing.has_spoken => {
                    executing.again = None;
                    executing.has_spoken = true;
                    let quarters = Quarters::received(quarters);
                    resident.quarters = quarters.or(resident.quarters.take());
                }
                Ok(Word::Failed(failure)) => {
                    resident.processes.remove(place);
                    return Ok(Some(Message::Failed {
                        number: start,
                        failure,
                    }));
                }
                // A clone may say anything, and as often as it likes.
                Ok(Word::Executing) | Err(_) => {
                    // What cannot be killed now is killed with the environment.
                    let _later = resident.signal(GroupSignal::Kill);
                    resident.processes.remove(place);
                    return Ok(Some(Message::Failed {
                        number: start,
                        failure: clones::ended(),
                    }));
                }
            }
        }
        if let Some(order) = executing.again.take() {
            // Killed while it waited as a blank, perhaps with what ran here before.
            resident.processes.remove(place);
            return match self.command_fresh(number, (start, alone), order) {
                Ok(()) => Ok(None),
                Err(refused) => Ok(Some(Message::Failed {
                    number: start,
                    failure: refused.into(),
                })),
            };
        }
        // Closed by executing the program, or by the child's death, which is told as its exit.
        running.executing = None;
        let function = resident.function.as_ref().map(|function| function.pid);
        let pid = function.unwrap_or(running.pid).as_raw();
        Ok(Some(Message::Done {
            number: start,
            done: Done::Started {
                pid,
                init: resident.inits.last().map(|init| init.as_raw()),
            },
        }))
    }
}
