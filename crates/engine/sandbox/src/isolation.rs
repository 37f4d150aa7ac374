//! Keeping environments apart from the host and from one another.
//!
//! What costs time is done ahead, so that a start has little left to do:
//!
//! ```text
//! engine's start        Isolation   a mount namespace with the root that all environments share,
//!                                   and the compiled system call filter
//! a blank is prepared   PidSpace    a process table of its own, with an init process
//!                       View::enter a copy of that mount namespace, an own /proc, passwd, host name
//! a command starts      mounts      the engine clones what the command shows; it is attached
//!                       View::seal  the root becomes read-only
//!                       user, rlimits, filter; then the program
//! ```
//!
//! A mount is cloned where the host's files can be seen, and attached where they cannot: the blank
//! has left the host's mount namespace long before it is told what to show.

mod helper;
pub(crate) mod mounts;
pub(crate) mod network;
pub(crate) mod pid_space;
pub(crate) mod rlimits;
mod scratch;
mod syscalls;
mod template;
mod user;
mod view;

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::unistd::geteuid;

pub(crate) use network::Network;
pub(crate) use pid_space::PidSpace;
pub(crate) use scratch::{Scratch, ScratchKit};
pub(crate) use syscalls::Filters;
pub(crate) use user::User;
pub(crate) use view::{SCRATCH, View};

use crate::capabilities::{Means, Measure};
use crate::protocol::Refused;
use crate::spec::Egress;

/// What the spawner needs to isolate environments; made once, before it is forked.
#[derive(Debug)]
pub(crate) struct Isolation {
    /// The mount namespace with the root that environments start from.
    template: OwnedFd,
    /// The spawner's own process table, to come back to.
    own_pids: OwnedFd,
    /// The spawner's own network, to come back to.
    own_network: OwnedFd,
    filters: Filters,
    egress: Egress,
}

impl Isolation {
    /// Tries everything that isolation needs on this host.
    pub(crate) fn establish(egress: Egress) -> Result<Self, Refused> {
        if !geteuid().is_root() {
            return Err(Refused::to("use namespaces without root's rights")(
                nix::errno::Errno::EPERM,
            ));
        }
        let filters = Filters::compile()?;
        let isolation = Self {
            template: template::build()?,
            own_pids: pid_space::own()?,
            own_network: network::own()?,
            filters,
            egress,
        };
        view::rehearse(&isolation)?;
        Ok(isolation)
    }

    /// What a process that shall isolate others must keep open.
    pub(crate) fn descriptors(&self) -> [BorrowedFd<'_>; 3] {
        [
            self.template.as_fd(),
            self.own_pids.as_fd(),
            self.own_network.as_fd(),
        ]
    }

    /// Whether environments have networks of their own.
    pub(crate) fn own_networks(&self) -> bool {
        self.egress == Egress::None
    }

    pub(crate) fn filters(&self) -> &Filters {
        &self.filters
    }
}

/// What functions reach by the network.
pub(crate) fn measure_network(isolation: Option<&Isolation>, egress: Egress) -> Measure {
    match (isolation, egress) {
        (Some(_), Egress::None) => Measure::full(Means::Namespaces),
        (_, Egress::Host) => Measure::short(
            Means::None,
            "functions reach all that this host reaches, its own loopback too; with \
             --egress none they reach nothing but the engine",
        ),
        (None, Egress::None) => Measure::short(
            Means::None,
            "functions reach all that this host reaches: without isolation they cannot have \
             networks of their own",
        ),
    }
}

/// How far isolation goes here.
pub(crate) fn measure(isolation: Result<&Isolation, &Refused>) -> Measure {
    match isolation {
        Ok(_) => Measure::full(Means::Namespaces),
        Err(refused) => Measure::short(
            Means::None,
            format!(
                "functions run as processes of the engine's user and see the host ({refused}): \
                 run only code that you trust, or the engine as root on Linux 5.12 or newer"
            ),
        ),
    }
}
