//! A network of an environment's own: a loopback and nothing else.
//!
//! Two listeners wait there, at addresses that are the same in every environment: that of its
//! Runtime API, and one for the engine's API. They are made inside and served by the engine, which
//! holds them: a listener belongs to the network that it was made in, wherever it is accepted from.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::fd::{AsFd, OwnedFd};

use nix::sched::{CloneFlags, setns, unshare};

use super::{Isolation, helper, realm};
use crate::protocol::Refused;
use crate::spec::{ENGINE_PORT, RUNTIME_API_PORT};
use crate::sys;

/// The network of one environment.
#[derive(Debug)]
pub(crate) struct Network {
    namespace: OwnedFd,
}

impl Network {
    /// Makes one, with the listeners of the Runtime API and of the engine's API.
    pub(crate) fn make(isolation: &Isolation) -> Result<(Self, Vec<OwnedFd>), Refused> {
        let mut made = helper::make(|| {
            isolation.join()?;
            unshare(CloneFlags::CLONE_NEWNET).map_err(Refused::to("make a network"))?;
            furnish()
        })?
        .into_iter();
        let namespace = made.next().ok_or_else(|| Refused {
            doing: "make a network".to_owned(),
            source: std::io::ErrorKind::UnexpectedEof.into(),
        })?;
        Ok((Self { namespace }, made.collect()))
    }

    /// Enters it for good: for processes that make what shall be in it.
    pub(crate) fn enter(&self) -> Result<(), Refused> {
        setns(self.namespace.as_fd(), CloneFlags::CLONE_NEWNET)
            .map_err(Refused::to("enter a network"))
    }
}

/// Makes an environment's of the network of this process, in which nothing is yet: its name, and the
/// listeners in it.
pub(super) fn furnish() -> Result<Vec<OwnedFd>, Refused> {
    sys::raise_loopback().map_err(Refused::to("raise the loopback"))?;
    let mut made = vec![realm::name("net")?];
    for port in [RUNTIME_API_PORT, ENGINE_PORT] {
        made.push(listen(port).map_err(Refused::to("listen inside the network"))?);
    }
    Ok(made)
}

/// A listener on the loopback that does not block.
pub(crate) fn listen(port: u16) -> std::io::Result<OwnedFd> {
    let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))?;
    listener.set_nonblocking(true)?;
    Ok(listener.into())
}
