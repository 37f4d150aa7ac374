//! Clones, from the request to the blank that each becomes.
//!
//! ```text
//! template ── keeper ─┬─ init        of a process table of its own
//!   (forks once)      └─ function    becomes the environment's process when it is given a command
//! ```
//!
//! The template forks the keeper as a child of the spawner's; it enters the control groups by
//! descriptors that come along, makes the namespaces, forks the other two, and stays to end as the
//! function does. All three report, and the kernel says who they are. Whatever they claim else is
//! not believed but looked up.

use std::fs::OpenOptions;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;

use ids::EnvironmentId;
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};

use super::Spawner;
use crate::channel;
use crate::isolation::clones::{self, Claimant};
use crate::protocol::{Done, Failure, Message, Refused, decode};
use crate::spawner::child::Child;
use crate::spawner::resident::{Coming, Resident, would_block};
use crate::spawner::watched::{Source, Watched};
use crate::spec::{Egress, EnvironmentSpec};

/// What a template is asked for. Comes with the channel that the clone's processes report by, and
/// with files that let the keeper into its control groups when it writes `0`.
#[derive(Debug, Serialize)]
struct Order {
    /// The namespaces to make, as `unshare` counts them.
    namespaces: i32,
}

/// The report of a clone's process: which one it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
enum Report {
    Keeper,
    Init,
    Function,
}

/// That a clone is no longer there.
pub(super) fn ended() -> Failure {
    Failure::System {
        doing: "use a clone that has ended".to_owned(),
        errno: libc::ESRCH,
    }
}

impl Spawner {
    /// Asks a template for a clone.
    pub(super) fn clone_of(
        &mut self,
        request: u64,
        template: EnvironmentId,
        spec: &EnvironmentSpec,
        shown: Vec<(OwnedFd, PathBuf)>,
    ) -> Result<(), Failure> {
        self.check(spec)?;
        let template = self.number_of(template)?;
        let number = self.next_number;
        self.next_number += 1;
        let isolation = self.isolation.as_ref();
        let egress = isolation.map_or(Egress::Host, |isolation| isolation.granted(spec.egress));
        let mut resident = Resident::for_clone(&self.groups, &self.epoll, (number, egress))?;
        resident.id = Some(spec.id);
        let asked = self.ask_template(template, spec, &resident);
        let watch = |channel| Watched::new(&self.epoll, channel, Source::Child(number));
        let channel = match asked.and_then(watch) {
            Ok(channel) => channel,
            Err(refused) => {
                // Nothing is in them yet.
                let _partly = resident.groups.remove();
                return Err(refused.into());
            }
        };
        resident.coming = Some(Coming {
            request,
            channel,
            shown,
            keeper: None,
            init: None,
        });
        self.by_id.insert(spec.id, number);
        self.residents.insert(number, resident);
        Ok(())
    }

    fn ask_template(
        &self,
        template: u64,
        spec: &EnvironmentSpec,
        resident: &Resident,
    ) -> Result<OwnedFd, Refused> {
        let refused = || Refused::to("ask for a clone");
        let groups = &resident.groups;
        groups.limit(&spec.limits).map_err(refused())?;
        let (ours, theirs) = channel::pair().map_err(refused())?;
        channel::identify_senders(&ours).map_err(refused())?;
        let unified = groups.unified.as_ref().map(|at| at.join("cgroup.procs"));
        let mut descriptors = vec![theirs];
        for entrance in unified.into_iter().chain(groups.entrances()) {
            let entrance = OpenOptions::new().write(true).open(entrance);
            descriptors.push(entrance.map_err(refused())?.into());
        }
        let order = Order {
            namespaces: clones::NAMESPACES.bits(),
        };
        let order = serde_json::to_vec(&order).map_err(Refused::to("write an order"))?;
        let template = self.residents.get(&template);
        let template = template.and_then(|template| template.clones.as_ref());
        let template = template
            .ok_or(io::ErrorKind::NotFound.into())
            .map_err(refused())?;
        channel::offer(template.as_fd(), &order, &descriptors).map_err(refused())?;
        Ok(ours)
    }

    /// A process of a clone has reported, or all have closed their ends. Nothing where the
    /// environment's process is no clone that is on its way.
    pub(super) fn clone_spoke(&mut self, number: u64) -> Result<(), Refused> {
        let mut buffer = [0; 256];
        loop {
            let resident = self.residents.get_mut(&number);
            let Some(coming) = resident.and_then(|resident| resident.coming.as_mut()) else {
                return Ok(());
            };
            let received = match channel::hear(coming.channel.as_fd(), &mut buffer) {
                Ok(Some(received)) => received,
                Err(error) if would_block(&error) => return Ok(()),
                Ok(None) | Err(_) => return self.clone_failed(number, ended()),
            };
            let report = decode(buffer.get(..received.length).unwrap_or_default());
            let taken = match (report, received.sender) {
                (Ok(report), Some(sender)) => self.take_report(number, report, sender),
                _ => Err(ended()),
            };
            match taken {
                Ok(None) => {}
                Ok(Some(message)) => return self.tell(&message.0, &message.1),
                Err(failure) => return self.clone_failed(number, failure),
            }
        }
    }

    /// Takes the report of one process. The last one makes the clone whole.
    fn take_report(
        &mut self,
        number: u64,
        report: Report,
        sender: Pid,
    ) -> Result<Option<(Message, Vec<OwnedFd>)>, Failure> {
        let resident = self.residents.get_mut(&number).ok_or_else(ended)?;
        let coming = resident.coming.as_mut().ok_or_else(ended)?;
        let own = Pid::this();
        let groups = &resident.groups;
        let known = self.by_pid.contains_key(&sender);
        let claimant = Claimant::of(sender)?;
        let trust = |parent| {
            claimant.check(parent, || groups.hold(sender))?;
            // Each plays one part: none is another environment's, or has reported before.
            match known {
                false => Ok(()),
                true => Err(claimant.refused("another's already")),
            }
        };
        match report {
            // Its number is sure to mean it: a child of the spawner's that was not reaped.
            Report::Keeper if coming.keeper.is_none() => {
                trust(own)?;
                coming.keeper = Some(sender);
                self.by_pid.insert(sender, number);
            }
            Report::Init if coming.init.is_none() => {
                trust(own)?;
                claimant.check_init()?;
                coming.init = Some(sender);
                resident.inits.push(sender);
                self.by_pid.insert(sender, number);
            }
            Report::Function => {
                let (Some(keeper), Some(init)) = (coming.keeper, coming.init) else {
                    return Err(ended());
                };
                trust(keeper)?;
                let furnished = self.furnish_clone(number, (keeper, init), &claimant);
                return furnished.map(Some);
            }
            Report::Keeper | Report::Init => return Err(ended()),
        }
        if !self.groups.kills() {
            self.guard.started(sender);
        }
        Ok(None)
    }

    /// Furnishes a clone that is whole: from here on it is a blank like others.
    fn furnish_clone(
        &mut self,
        number: u64,
        (keeper, init): (Pid, Pid),
        claimant: &Claimant,
    ) -> Result<(Message, Vec<OwnedFd>), Failure> {
        let resident = self.residents.get_mut(&number).ok_or_else(ended)?;
        let shown = resident.coming.as_ref().map(|coming| &coming.shown);
        let shown = shown.map(Vec::as_slice).unwrap_or_default();
        let egress = resident.egress;
        let doors = clones::dress(claimant, shown, egress == Egress::Nat)?;
        let function = claimant.trusted()?;
        let coming = resident.coming.take().ok_or_else(ended)?;
        resident.blank = Some(Child {
            pid: keeper,
            // Watched again once it has a command.
            channel: coming.channel.release()?,
            init: Some(init),
        });
        resident.function = Some(function);
        let groups = resident.groups.clone();
        let done = Message::Done {
            number: coming.request,
            done: Done::Created { groups, egress },
        };
        Ok((done, doors))
    }

    /// There will be no such clone: says so, and ends what there is of it.
    pub(super) fn clone_failed(&mut self, number: u64, failure: Failure) -> Result<(), Refused> {
        let resident = self.residents.get_mut(&number);
        let coming = resident.and_then(|resident| resident.coming.take());
        self.dismiss(number, Vec::new());
        match coming {
            Some(coming) => {
                let number = coming.request;
                self.tell(&Message::Failed { number, failure }, &[])
            }
            None => Ok(()),
        }
    }
}
