//! What functions may reach.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, UdpSocket};

/// Says what may be reached.
pub trait Policy: fmt::Debug + Send + Sync + 'static {
    /// Whether connections to this address may be made from the host.
    fn allows(&self, address: Ipv4Addr) -> bool;
}

/// Addresses at which a cloud answers the machines that run in it, and them alone, beside the
/// link-local ones: with credentials, among other things.
/// Sources: <https://learn.microsoft.com/azure/virtual-network/what-is-ip-address-168-63-129-16>,
/// <https://www.alibabacloud.com/help/en/ecs/user-guide/view-instance-metadata>.
const CLOUDS: [Ipv4Addr; 2] = [
    Ipv4Addr::new(168, 63, 129, 16),
    Ipv4Addr::new(100, 100, 100, 200),
];

/// What has no port to speak of: it only makes the kernel look up the way there.
const ANY_PORT: u16 = 9;

/// Other machines alone: no address of this host's, nothing that only this host is answered, and
/// nothing that is more than one machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct BeyondThisHost;

impl Policy for BeyondThisHost {
    fn allows(&self, address: Ipv4Addr) -> bool {
        is_a_machine(address) && !CLOUDS.contains(&address) && !is_own(address)
    }
}

/// Whether the address can be that of another machine at all.
fn is_a_machine(address: Ipv4Addr) -> bool {
    let [first, ..] = address.octets();
    // The first network is "this" one, and Linux takes some of it for the host itself.
    // Link-local addresses are those of a cloud's metadata, and ours inside environments.
    first != 0
        && !address.is_loopback()
        && !address.is_link_local()
        && !address.is_multicast()
        && first < 240
}

/// Whether the kernel would deliver to this host, or not at all. It is asked rather than a list of
/// the interfaces' addresses, which lacks whatever else is routed to the host: a connection to
/// oneself comes from the address that it goes to. Nothing is sent.
fn is_own(address: Ipv4Addr) -> bool {
    let source = || -> std::io::Result<IpAddr> {
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
        socket.connect((address, ANY_PORT))?;
        Ok(socket.local_addr()?.ip())
    };
    source().map_or(true, |source| source == address || source.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_this_host_is_allowed() {
        for address in [
            "127.0.0.1",
            "127.8.9.10",
            "0.0.0.0",
            "0.1.2.3",
            "169.254.169.254",
            "169.254.170.2",
            "224.0.0.1",
            "239.255.255.250",
            "240.0.0.1",
            "255.255.255.255",
            "168.63.129.16",
            "100.100.100.200",
        ] {
            assert!(
                !BeyondThisHost.allows(address.parse().unwrap()),
                "{address}"
            );
        }
    }

    #[test]
    fn the_kernel_knows_what_is_its_own() {
        assert!(is_own(Ipv4Addr::new(127, 1, 2, 3)));
        // The address by which this host reaches others, where it has one.
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap();
        if socket.connect(("192.0.2.1", ANY_PORT)).is_ok() {
            let IpAddr::V4(own) = socket.local_addr().unwrap().ip() else {
                return;
            };
            assert!(is_own(own), "{own}");
            assert!(!is_own(Ipv4Addr::new(192, 0, 2, 1)));
        }
    }
}
