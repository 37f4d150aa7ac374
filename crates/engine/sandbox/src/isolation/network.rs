//! A network of an environment's own: a loopback, and perhaps a way out.
//!
//! Two listeners wait on the loopback, at addresses that are the same in every environment: that of
//! its Runtime API, and one for the engine's API. They are made inside and served by the engine,
//! which holds them: a listener belongs to the network that it was made in, wherever it is accepted
//! from.
//!
//! The way out is a TUN device, of which the engine holds the other end: what functions send there
//! are packets to it, not to any network of the host's. Nothing of the host's own is changed for it.

use std::ffi::CStr;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use nix::errno::Errno;
use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, SockaddrIn, connect as join, socket};

use super::helper;
use super::realm::{self, Realm};
use super::user::User;
use crate::protocol::Refused;
use crate::spec::{ENGINE_PORT, Egress, RESOLVER, RUNTIME_API_PORT};
use crate::sys::{self, Interface};

/// What is listened on inside.
const PORTS: [u16; 2] = [RUNTIME_API_PORT, ENGINE_PORT];

/// The interface that leads out.
const WAY_OUT: &CStr = c"eth0";

/// Its address; link-local, like the name server's.
const ADDRESS: Ipv4Addr = Ipv4Addr::new(169, 254, 78, 2);

/// The longest packet there: as long as there are any, so that none comes in pieces. They go no
/// further than to the engine.
const LONGEST_PACKET: u16 = u16::MAX;

/// Where the system library looks for name servers.
const RESOLV_CONF: &str = "/etc/resolv.conf";

/// What `/etc/resolv.conf` says in an environment of that kind; nothing where that is the host's.
pub(super) fn resolv_conf(egress: Egress) -> Option<String> {
    match egress {
        Egress::None => Some(String::new()),
        Egress::Nat => Some(format!("nameserver {RESOLVER}\n")),
        Egress::Host => None,
    }
}

/// Puts another `/etc/resolv.conf` into the calling process's view than the root has.
pub(super) fn show_resolv_conf(egress: Egress, user: User) -> Result<(), Refused> {
    let Some(text) = resolv_conf(egress) else {
        return Ok(());
    };
    user.shows(&text, RESOLV_CONF.as_ref())
}

/// The network of one environment.
#[derive(Debug)]
pub(crate) struct Network {
    namespace: OwnedFd,
}

/// What the engine gets of a network.
#[derive(Debug)]
pub(crate) struct Doors {
    /// Those at [`PORTS`].
    pub(crate) listeners: Vec<OwnedFd>,
    /// The other end of the way out, where there is one.
    pub(crate) tunnel: Option<OwnedFd>,
}

impl Network {
    /// Makes one that leads out or not.
    pub(super) fn make(realm: Option<&Realm>, leads_out: bool) -> Result<(Self, Doors), Refused> {
        let made = helper::make(|| {
            realm.map_or(Ok(()), Realm::join)?;
            unshare(CloneFlags::CLONE_NEWNET).map_err(Refused::to("make a network"))?;
            furnish(leads_out)
        })?;
        let mut made = made.into_iter();
        let namespace = made.next().ok_or_else(|| Refused {
            doing: "make a network".to_owned(),
            source: std::io::ErrorKind::UnexpectedEof.into(),
        })?;
        let doors = Doors {
            listeners: made.by_ref().take(PORTS.len()).collect(),
            tunnel: made.next(),
        };
        Ok((Self { namespace }, doors))
    }

    /// Enters it for good: for processes that make what shall be in it.
    pub(crate) fn enter(&self) -> Result<(), Refused> {
        setns(self.namespace.as_fd(), CloneFlags::CLONE_NEWNET)
            .map_err(Refused::to("enter a network"))
    }
}

/// Makes an environment's of the network of this process, in which nothing is yet: its name, the
/// listeners in it, and what leads out.
pub(super) fn furnish(leads_out: bool) -> Result<Vec<OwnedFd>, Refused> {
    let raised = Interface::named(c"lo").and_then(|loopback| loopback.raise());
    raised.map_err(Refused::to("raise the loopback"))?;
    let mut made = vec![realm::name("net")?];
    for port in PORTS {
        made.push(listen(port).map_err(Refused::to("listen inside the network"))?);
    }
    if leads_out {
        made.push(lead_out()?);
    }
    Ok(made)
}

/// Makes a TUN device by which everything beyond the loopback goes out.
fn lead_out() -> Result<OwnedFd, Refused> {
    let device = sys::open_tunnel(WAY_OUT).map_err(Refused::to("open /dev/net/tun"))?;
    // What carries no IPv6 shall not be asked for its routers. A kernel without IPv6 does not.
    let _without = fs::write("/proc/sys/net/ipv6/conf/eth0/disable_ipv6", "1");
    let set_up = || {
        let interface = Interface::named(WAY_OUT)?;
        interface.set_longest(LONGEST_PACKET)?;
        interface.set_address(ADDRESS)?;
        interface.raise()?;
        sys::add_default_route(WAY_OUT)
    };
    set_up().map_err(Refused::to("set up a TUN device"))?;
    Ok(device)
}

/// How many connections may wait to be accepted: as many as a function may have files open. What finds
/// no room is dropped, and tried again after a second, then two, then four.
const WAITING: i32 = 1_024;

/// A listener on the loopback that does not block.
pub(crate) fn listen(port: u16) -> std::io::Result<OwnedFd> {
    let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))?;
    // The standard library asks for 128.
    rustix::net::listen(&listener, WAITING)?;
    listener.set_nonblocking(true)?;
    Ok(listener.into())
}

/// A socket that begins to connect to a port of the loopback, and does not block.
pub(crate) fn connect(port: u16) -> Result<OwnedFd, Refused> {
    let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
    let refused = || Refused::to(format!("connect to port {port} of the loopback"));
    let made = socket(AddressFamily::Inet, SockType::Stream, flags, None).map_err(refused())?;
    match join(made.as_raw_fd(), &SockaddrIn::new(127, 0, 0, 1, port)) {
        Ok(()) | Err(Errno::EINPROGRESS) => Ok(made),
        Err(error) => Err(refused()(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpStream;
    use std::time::Duration;

    #[test]
    fn connections_wait_rather_than_being_dropped() {
        let listener = TcpListener::from(listen(0).unwrap());
        let address = listener.local_addr().unwrap();
        // One that is dropped is tried again after a second at the earliest.
        let at_once = Duration::from_millis(900);
        let waiting: Vec<_> = (0..300)
            .map(|_| TcpStream::connect_timeout(&address, at_once))
            .collect();
        let refused = waiting.iter().filter(|made| made.is_err()).count();
        assert_eq!(refused, 0, "of 300");
    }
}
