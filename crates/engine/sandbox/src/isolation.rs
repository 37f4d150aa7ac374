//! Keeping environments apart from the host and from one another.
//!
//! What costs time is done ahead, so that a start has little left to do:
//!
//! ```text
//! engine's start        Isolation   a mount namespace with the root that all environments share,
//!                                   and the compiled system call filter; without root also the
//!                                   Realm, a user namespace to do all of it in
//! a blank is prepared   a helper    joins the realm and the network, opens a process table, and
//!                                   forks the init and the blank beside itself
//!                       View::enter a copy of that mount namespace, an own /proc, passwd, host name
//! a command starts      mounts      the engine clones what the command shows; it is attached.
//!                       View::fetch in a realm the blank clones it: only there it may be done
//!                       View::seal  the root becomes read-only
//!                       user, rlimits, rights, filter; then the program
//! others are beside it  quarters    they enter what the first one has made, and shows to them
//! it is to be cloned    clones      as above, with the right to make namespaces; a clone of it
//!                                   makes its own and is furnished from outside
//! ```
//!
//! A mount is cloned where the host's files can be seen, and attached where they cannot: the blank
//! has left the host's mount namespace long before it is told what to show.

pub(crate) mod clones;
pub(crate) mod helper;
mod local;
mod memory;
pub(crate) mod mounts;
mod namespaces;
pub(crate) mod network;
pub(crate) mod pid_space;
mod quarters;
mod realm;
mod refusal;
mod rights;
pub(crate) mod rlimits;
mod scratch;
mod syscalls;
mod template;
mod user;
mod view;

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::unistd::geteuid;

pub(crate) use network::{Doors, Network};
pub(crate) use quarters::Quarters;
use realm::Realm;
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
    /// Where isolation takes place when the engine is not root.
    realm: Option<Realm>,
    filters: Filters,
    /// What environments reach for which nothing else is asked.
    egress: Egress,
    /// Whether networks of their own can lead out, and if not, why.
    leads_out: Result<(), Refused>,
    /// Why initialised processes cannot be cloned here, if they cannot.
    no_clones: Option<String>,
}

impl Isolation {
    /// Tries everything that isolation needs on this host.
    pub(crate) fn establish(egress: Egress) -> Result<Self, Refused> {
        let filters = Filters::compile()?;
        let realm = if geteuid().is_root() {
            None
        } else {
            Some(Realm::found()?)
        };
        Network::make(realm.as_ref(), false)?;
        let leads_out = Network::make(realm.as_ref(), true).map(drop);
        let egress = possible(egress, leads_out.is_ok());
        let mut isolation = Self {
            template: template::build(realm.as_ref(), network::resolv_conf(egress))?,
            realm,
            filters,
            egress,
            leads_out,
            no_clones: None,
        };
        view::rehearse(&isolation)?;
        isolation.no_clones = if isolation.in_realm() {
            Some("cloning takes root's rights".to_owned())
        } else if egress.is_own_network() {
            let cloned = clones::rehearse(&isolation);
            cloned.err().map(|refused| refused.to_string())
        } else {
            Some("cloning takes networks of their own".to_owned())
        };
        Ok(isolation)
    }

    /// What a process that shall isolate others must keep open.
    pub(crate) fn descriptors(&self) -> Vec<BorrowedFd<'_>> {
        let mut kept = vec![self.template.as_fd()];
        kept.extend(self.realm.iter().flat_map(Realm::descriptors));
        kept
    }

    /// Gives this process the rights that isolation takes, if it does not have them: for processes
    /// that make something for an environment and do nothing else.
    pub(crate) fn join(&self) -> Result<(), Refused> {
        self.realm.as_ref().map_or(Ok(()), Realm::join)
    }

    /// Whether a limit on the processes of an environment's user counts no others.
    pub(crate) fn counts_processes(&self) -> bool {
        self.realm.as_ref().is_none_or(Realm::counts_processes)
    }

    /// Whether environments are of the engine's user, by a name of their own.
    pub(crate) fn in_realm(&self) -> bool {
        self.realm.is_some()
    }

    /// What environments reach for which nothing else is asked.
    pub(crate) fn egress(&self) -> Egress {
        self.egress
    }

    /// What an environment reaches of which `asked` is asked: no more than all of them do.
    pub(crate) fn granted(&self, asked: Egress) -> Egress {
        possible(asked.min(self.egress), self.leads_out.is_ok())
    }

    /// A network for an environment, which leads out or not.
    pub(crate) fn make_network(&self, leads_out: bool) -> Result<(Network, Doors), Refused> {
        Network::make(self.realm.as_ref(), leads_out)
    }

    /// Begins to connect to a port of a network's loopback.
    pub(crate) fn connect(&self, network: &Network, port: u16) -> Result<OwnedFd, Refused> {
        let made = helper::make(|| {
            self.join()?;
            network.enter()?;
            Ok(vec![network::connect(port)?])
        })?;
        made.into_iter().next().ok_or_else(|| Refused {
            doing: "connect inside a network".to_owned(),
            source: std::io::ErrorKind::UnexpectedEof.into(),
        })
    }

    pub(crate) fn filters(&self) -> &Filters {
        &self.filters
    }

    /// Whether initialised processes can be cloned.
    pub(crate) fn clones(&self) -> bool {
        self.no_clones.is_none()
    }
}

/// Why environments are not kept apart.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotIsolated {
    /// Nobody asked for it.
    #[error("isolation was turned off")]
    NotWanted,
    /// Whoever asks runs threads already, and cannot try it any more.
    #[error("it can be tried only before a program starts threads")]
    TooLate,
    /// The host refuses a step.
    #[error(transparent)]
    Refused(#[from] Refused),
}

/// Whether initialised processes can be cloned.
pub(crate) fn measure_clones(isolation: Option<&Isolation>) -> Measure {
    match isolation.map(|isolation| &isolation.no_clones) {
        Some(None) => Measure::full(Means::Namespaces),
        Some(Some(reason)) => Measure::short(
            Means::None,
            format!("versions with SnapStart are initialised at each start: {reason}"),
        ),
        None => Measure::short(
            Means::None,
            "versions with SnapStart are initialised at each start: cloning takes isolation",
        ),
    }
}

/// What takes the place of `egress` where networks cannot lead out.
fn possible(egress: Egress, leads_out: bool) -> Egress {
    match egress {
        Egress::Nat if !leads_out => Egress::None,
        other => other,
    }
}

/// What functions reach by the network, where `asked` is asked for.
pub(crate) fn measure_network(isolation: Option<&Isolation>, asked: Egress) -> (Egress, Measure) {
    let Some(isolation) = isolation else {
        let measure = Measure::short(
            Means::None,
            "functions reach all that this host reaches, its own servers too: without isolation \
             they cannot have networks of their own",
        );
        return (Egress::Host, measure);
    };
    let measure = match (asked, &isolation.leads_out) {
        (Egress::Host, _) => Measure::short(
            Means::None,
            "functions reach all that this host reaches, its own servers too; with --egress nat \
             they reach other machines only",
        ),
        (Egress::Nat, Err(refused)) => Measure::short(
            Means::Namespaces,
            format!(
                "functions reach the engine and nothing else ({refused}): load the kernel's module \
                 `tun` (`modprobe tun`), in a container pass in /dev/net/tun, let the engine's user \
                 open it (`chmod 666 /dev/net/tun`), or choose --egress none, or --egress host for \
                 functions that you trust"
            ),
        ),
        (Egress::Nat | Egress::None, _) => Measure::full(Means::Namespaces),
    };
    (isolation.egress, measure)
}

/// How far isolation goes here.
pub(crate) fn measure(isolation: Result<&Isolation, &NotIsolated>) -> Measure {
    match isolation {
        Ok(isolation) if isolation.in_realm() => Measure::short(
            Means::UserNamespaces,
            "functions share the engine's user on the host: process tables of their own keep their \
             signals inside, the system call filter keeps them from tracing; as root the engine \
             gives each a user of its own",
        ),
        Ok(_) => Measure::full(Means::Namespaces),
        Err(reason) => {
            let remedy = match reason {
                NotIsolated::NotWanted => "turn it on (--isolation auto)".to_owned(),
                NotIsolated::TooLate => "look before threads are started".to_owned(),
                NotIsolated::Refused(_) => refusal::remedy(&refusal::Host::look()),
            };
            Measure::short(
                Means::None,
                format!(
                    "functions run as processes of the engine's user and see the host ({reason}): \
                     run only code that you trust, or {remedy}"
                ),
            )
        }
    }
}
