//! Packets, read and written.

use std::net::SocketAddrV4;
use std::ops::Range;

use smoltcp::phy::ChecksumCapabilities;
use smoltcp::wire::{
    Icmpv4DstUnreachable, Icmpv4Packet, Icmpv4Repr, IpProtocol, Ipv4Packet, Ipv4Repr, TcpPacket,
    UdpPacket, UdpRepr,
};

/// The most that a packet holds.
pub(crate) const LONGEST: usize = 65_535;

/// What a packet of the link's may be told from far away.
const HOP_LIMIT: u8 = 64;

/// How much of a refused packet comes back with the refusal, beside its first header.
const QUOTED: usize = 8;

/// The two ends of a flow, as the environment sees them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Ends {
    pub(crate) inside: SocketAddrV4,
    pub(crate) outside: SocketAddrV4,
}

/// What a packet from inside is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Of a TCP flow, which it may ask to open.
    Tcp { ends: Ends, opens: bool },
    /// A datagram, with the place of what it carries.
    Datagram { ends: Ends, payload: Range<usize> },
}

/// What a packet is; nothing where it is damaged, in pieces, or neither TCP nor UDP over IPv4.
pub(crate) fn read(bytes: &[u8]) -> Option<Kind> {
    let ip = Ipv4Packet::new_checked(bytes).ok()?;
    if ip.version() != 4 || ip.more_frags() || ip.frag_offset() != 0 {
        return None;
    }
    let ends = |inside, outside| Ends {
        inside: SocketAddrV4::new(ip.src_addr(), inside),
        outside: SocketAddrV4::new(ip.dst_addr(), outside),
    };
    match ip.next_header() {
        IpProtocol::Tcp => {
            let tcp = TcpPacket::new_checked(ip.payload()).ok()?;
            Some(Kind::Tcp {
                ends: ends(tcp.src_port(), tcp.dst_port()),
                opens: tcp.syn() && !tcp.ack() && !tcp.rst(),
            })
        }
        IpProtocol::Udp => {
            let udp = UdpPacket::new_checked(ip.payload()).ok()?;
            let begin = usize::from(ip.header_len()) + smoltcp::wire::UDP_HEADER_LEN;
            Some(Kind::Datagram {
                ends: ends(udp.src_port(), udp.dst_port()),
                payload: begin..begin + udp.payload().len(),
            })
        }
        _ => None,
    }
}

/// A datagram from outside; nothing where it is longer than a packet can be.
pub(crate) fn datagram(ends: Ends, payload: &[u8]) -> Option<Vec<u8>> {
    let udp = UdpRepr {
        src_port: ends.outside.port(),
        dst_port: ends.inside.port(),
    };
    let length = udp.header_len() + payload.len();
    let ip = header(ends, IpProtocol::Udp, length);
    let mut bytes = vec![0; ip.buffer_len() + length];
    if bytes.len() > LONGEST {
        return None;
    }
    let mut packet = Ipv4Packet::new_unchecked(&mut bytes);
    let checksums = ChecksumCapabilities::default();
    ip.emit(&mut packet, &checksums);
    udp.emit(
        &mut UdpPacket::new_unchecked(packet.payload_mut()),
        &(*ends.outside.ip()).into(),
        &(*ends.inside.ip()).into(),
        payload.len(),
        |place| place.copy_from_slice(payload),
        &checksums,
    );
    Some(bytes)
}

/// Why something cannot be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unreachable {
    /// There is no way there.
    Host,
    /// Nobody listens there.
    Port,
}

/// Says that what `refused` was for cannot be reached.
pub(crate) fn unreachable(why: Unreachable, refused: &[u8]) -> Option<Vec<u8>> {
    let original = Ipv4Packet::new_checked(refused).ok()?;
    let checksums = ChecksumCapabilities::default();
    let quoted = original.payload();
    let quoted = quoted.get(..QUOTED).unwrap_or(quoted);
    let icmp = Icmpv4Repr::DstUnreachable {
        reason: match why {
            Unreachable::Host => Icmpv4DstUnreachable::HostUnreachable,
            Unreachable::Port => Icmpv4DstUnreachable::PortUnreachable,
        },
        header: Ipv4Repr::parse(&original, &checksums).ok()?,
        data: quoted,
    };
    let ip = Ipv4Repr {
        src_addr: original.dst_addr(),
        dst_addr: original.src_addr(),
        next_header: IpProtocol::Icmp,
        payload_len: icmp.buffer_len(),
        hop_limit: HOP_LIMIT,
    };
    let mut bytes = vec![0; ip.buffer_len() + icmp.buffer_len()];
    let mut packet = Ipv4Packet::new_unchecked(&mut bytes);
    ip.emit(&mut packet, &checksums);
    icmp.emit(
        &mut Icmpv4Packet::new_unchecked(packet.payload_mut()),
        &checksums,
    );
    Some(bytes)
}

fn header(ends: Ends, next_header: IpProtocol, payload_len: usize) -> Ipv4Repr {
    Ipv4Repr {
        src_addr: *ends.outside.ip(),
        dst_addr: *ends.inside.ip(),
        next_header,
        payload_len,
        hop_limit: HOP_LIMIT,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ends() -> Ends {
        Ends {
            inside: "10.0.0.2:40000".parse().unwrap(),
            outside: "192.0.2.1:53".parse().unwrap(),
        }
    }

    #[test]
    fn a_datagram_is_read_as_it_was_written() {
        let bytes = datagram(ends(), b"hello").unwrap();
        // Written from outside, read as if it came from inside.
        let Some(Kind::Datagram {
            ends: read,
            payload,
        }) = read(&bytes)
        else {
            panic!("no datagram");
        };
        assert_eq!((read.inside, read.outside), (ends().outside, ends().inside));
        assert_eq!(&bytes[payload], b"hello");
        assert!(datagram(ends(), &vec![0; 65_507]).is_some());
        assert!(datagram(ends(), &vec![0; 65_508]).is_none());
    }

    #[test]
    fn a_refusal_quotes_what_it_refuses() {
        let bytes = datagram(ends(), b"hello").unwrap();
        let refusal = unreachable(Unreachable::Port, &bytes).unwrap();
        let ip = Ipv4Packet::new_checked(&refusal).unwrap();
        assert_eq!(ip.dst_addr(), *ends().outside.ip());
        let icmp = Icmpv4Packet::new_checked(ip.payload()).unwrap();
        assert_eq!((u8::from(icmp.msg_type()), icmp.msg_code()), (3, 3));
        assert!(ip.verify_checksum() && icmp.verify_checksum());
        assert_eq!(icmp.data()[12..28], bytes[12..28]);
    }

    #[test]
    fn damaged_packets_and_pieces_are_nothing() {
        let bytes = datagram(ends(), b"hello").unwrap();
        for length in 0..bytes.len() {
            assert_eq!(read(&bytes[..length]), None, "{length}");
        }
        let mut piece = bytes.clone();
        Ipv4Packet::new_unchecked(&mut piece).set_more_frags(true);
        assert_eq!(read(&piece), None);
        let mut other = bytes;
        Ipv4Packet::new_unchecked(&mut other).set_next_header(IpProtocol::Icmp);
        assert_eq!(read(&other), None);
    }
}
