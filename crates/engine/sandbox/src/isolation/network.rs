//! A network of an environment's own: a loopback and nothing else.
//!
//! Two listeners wait there, at addresses that are the same in every environment: that of its
//! Runtime API, and one for the engine's API. They are made inside and served by the engine, which
//! holds them: a listener belongs to the network that it was made in, wherever it is accepted from.

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::fd::{AsFd, OwnedFd};

use nix::sched::{CloneFlags, setns, unshare};

use super::Isolation;
use crate::protocol::Refused;
use crate::spec::{ENGINE_PORT, RUNTIME_API_PORT};
use crate::sys;

const OWN: &str = "/proc/self/ns/net";

/// The network of this process.
pub(super) fn own() -> Result<OwnedFd, Refused> {
    let own = File::open(OWN).map_err(Refused::to("name the network"))?;
    Ok(own.into())
}

/// The network of one environment.
#[derive(Debug)]
pub(crate) struct Network {
    namespace: OwnedFd,
}

impl Network {
    /// Makes one, with the listeners of the Runtime API and of the engine's API.
    pub(crate) fn make(isolation: &Isolation) -> Result<(Self, Vec<OwnedFd>), Refused> {
        unshare(CloneFlags::CLONE_NEWNET).map_err(Refused::to("make a network"))?;
        let made = Self::furnish();
        leave(isolation)?;
        made
    }

    fn furnish() -> Result<(Self, Vec<OwnedFd>), Refused> {
        sys::raise_loopback().map_err(Refused::to("raise the loopback"))?;
        let network = Self { namespace: own()? };
        let doors = [RUNTIME_API_PORT, ENGINE_PORT]
            .into_iter()
            .map(|port| listen(port).map_err(Refused::to("listen inside the network")))
            .collect::<Result<_, _>>()?;
        Ok((network, doors))
    }

    /// Does something in it: what is forked then stays there.
    pub(crate) fn within<T>(
        &self,
        isolation: &Isolation,
        work: impl FnOnce() -> Result<T, Refused>,
    ) -> Result<T, Refused> {
        setns(self.namespace.as_fd(), CloneFlags::CLONE_NEWNET)
            .map_err(Refused::to("enter a network"))?;
        let done = work();
        leave(isolation)?;
        done
    }
}

fn leave(isolation: &Isolation) -> Result<(), Refused> {
    setns(isolation.own_network.as_fd(), CloneFlags::CLONE_NEWNET)
        .map_err(Refused::to("go back to the own network"))
}

/// A listener on the loopback that does not block.
pub(crate) fn listen(port: u16) -> std::io::Result<OwnedFd> {
    let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))?;
    listener.set_nonblocking(true)?;
    Ok(listener.into())
}
