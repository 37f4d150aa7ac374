//! UDP flows and questions for names.

use std::fs;

use smoltcp::wire::{Icmpv4Packet, IpProtocol, Ipv4Packet, UdpPacket};
use tokio::net::UdpSocket;

use super::inside::ADDRESS;
use super::*;
use crate::packet::{Ends, datagram};
use crate::resolver::PORT;

/// A datagram from inside: `datagram` writes those from outside, for which both ends change places.
pub(super) fn outward(from: u16, to: SocketAddrV4, payload: &[u8]) -> Vec<u8> {
    let ends = Ends {
        inside: to,
        outside: SocketAddrV4::new(ADDRESS, from),
    };
    datagram(ends, payload).unwrap()
}

/// What an answer carries, and for which port.
fn read(packet: &[u8]) -> (u16, Vec<u8>) {
    let ip = Ipv4Packet::new_checked(packet).unwrap();
    assert_eq!(
        (ip.next_header(), ip.dst_addr()),
        (IpProtocol::Udp, ADDRESS)
    );
    let udp = UdpPacket::new_checked(ip.payload()).unwrap();
    (udp.dst_port(), udp.payload().to_vec())
}

/// Whether that is the word that nobody listens.
fn is_refusal(packet: &[u8]) -> bool {
    let ip = Ipv4Packet::new_checked(packet).unwrap();
    let icmp = Icmpv4Packet::new_checked(ip.payload());
    ip.next_header() == IpProtocol::Icmp
        && icmp.is_ok_and(|icmp| (u8::from(icmp.msg_type()), icmp.msg_code()) == (3, 3))
}

async fn socket() -> (UdpSocket, SocketAddrV4) {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = v4(socket.local_addr().unwrap());
    (socket, address)
}

#[tokio::test]
async fn datagrams_of_every_size_go_both_ways() {
    let (nat, mut inside) = network();
    let (server, address) = socket().await;
    let mut buffer = vec![0; 65_535];
    for size in [0, 1, 1_472, 9_000, 60_000] {
        let sent = pattern(size);
        inside.wire.put(outward(5_000, address, &sent));
        let (length, from) = server.recv_from(&mut buffer).await.unwrap();
        assert_eq!(&buffer[..length], sent);
        server.send_to(&buffer[..length], from).await.unwrap();
        assert_eq!(read(&inside.other().await), (5_000, sent));
    }
    assert_eq!(nat.flows(), 1, "they are one flow");
}

#[tokio::test]
async fn where_nobody_listens_or_may_be_reached_is_told() {
    let (_nat, mut inside) = network();
    let (server, closed) = socket().await;
    drop(server);
    inside.wire.put(outward(5_000, closed, b"anybody?"));
    assert!(is_refusal(&inside.other().await));
    let forbidden = "169.254.169.254:80".parse().unwrap();
    inside.wire.put(outward(5_001, forbidden, b"keys?"));
    assert!(is_refusal(&inside.other().await));
}

#[tokio::test]
async fn an_idle_flow_ends_and_begins_anew() {
    let (nat, mut inside, clock) = network_out_of_time();
    let (server, address) = socket().await;
    let mut buffer = [0; 16];
    inside.wire.put(outward(5_000, address, b"one"));
    let (_, first) = server.recv_from(&mut buffer).await.unwrap();
    clock.advance(std::time::Duration::from_mins(2));
    inside.while_not(|| nat.flows() == 0).await;
    inside.wire.put(outward(5_000, address, b"two"));
    let (_, second) = server.recv_from(&mut buffer).await.unwrap();
    assert_ne!(first, second, "it comes from another port of the host's");
}

/// A NAT whose name server is `server`.
fn asking(server: SocketAddrV4, questions: Bounds) -> (tempfile::TempDir, Nat, Inside) {
    let folder = tempfile::tempdir().unwrap();
    let servers = folder.path().join("resolv.conf");
    fs::write(&servers, format!("nameserver {}\n", server.ip())).unwrap();
    let clock = SystemClock::shared();
    let options = NatOptions {
        servers,
        ..options(BeyondThisHost, Arc::clone(&clock))
    };
    let limits = Limits {
        questions,
        name_server_port: server.port(),
        ..Limits::default()
    };
    let nat = Nat::within(options, limits);
    let inside = Inside::of(&nat, clock);
    (folder, nat, inside)
}

#[tokio::test]
async fn names_are_asked_where_this_host_asks() {
    let (server, address) = socket().await;
    let (_folder, nat, mut inside) = asking(address, crate::QUESTIONS);
    let resolver = SocketAddrV4::new(RESOLVER, PORT);
    inside.wire.put(outward(5_000, resolver, b"\x01\x02where?"));
    let mut buffer = [0; 16];
    let (length, from) = server.recv_from(&mut buffer).await.unwrap();
    assert_eq!(&buffer[..length], b"\x01\x02where?");
    // An answer to another question is none to this one.
    server.send_to(b"\x09\x09false", from).await.unwrap();
    server.send_to(b"\x01\x02there", from).await.unwrap();
    let answer = inside.other().await;
    assert_eq!(read(&answer), (5_000, b"\x01\x02there".to_vec()));
    assert_eq!(nat.flows(), 0, "questions are no flows");
}

#[tokio::test]
async fn names_are_asked_over_streams_too() {
    let (_folder, _nat, mut inside) = asking(echo().await, crate::QUESTIONS);
    let resolver = SocketAddrV4::new(RESOLVER, PORT);
    let handle = inside.connect(resolver).await.unwrap();
    inside.write(handle, b"where?").await;
    assert_eq!(inside.read(handle, 6).await, b"where?");
}

#[tokio::test]
async fn a_question_too_many_is_lost_and_asked_again() {
    let few = Bounds {
        own: 1,
        each: 1,
        all: 0,
    };
    let (server, address) = socket().await;
    let (_folder, _nat, mut inside) = asking(address, few);
    let resolver = SocketAddrV4::new(RESOLVER, PORT);
    inside.wire.put(outward(5_000, resolver, b"\x00\x01"));
    let mut buffer = [0; 16];
    let (_, first) = server.recv_from(&mut buffer).await.unwrap();
    inside.wire.put(outward(5_001, resolver, b"\x00\x02"));
    server.send_to(b"\x00\x01", first).await.unwrap();
    let (port, _) = read(&inside.other().await);
    assert_eq!(port, 5_000, "nothing was said of the second");
    // The permit comes back after the answer has gone out: it is asked again as resolvers do.
    let asked = async {
        loop {
            inside.wire.put(outward(5_001, resolver, b"\x00\x02"));
            tokio::select! {
                asked = server.recv_from(&mut buffer) => return asked.unwrap().1,
                () = tokio::time::sleep(std::time::Duration::from_millis(20)) => {}
            }
        }
    };
    let waiting = tokio::time::timeout(std::time::Duration::from_secs(20), asked);
    let second = waiting.await.unwrap();
    server.send_to(b"\x00\x02", second).await.unwrap();
    assert_eq!(read(&inside.other().await).0, 5_001);
}
