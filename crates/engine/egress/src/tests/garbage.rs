//! Whatever comes by the link, the NAT serves on.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use smoltcp::wire::{Ipv4Packet, TcpPacket};

use super::inside::ADDRESS;
use super::*;

/// A port of the environment's that no connection of the test's own has.
const PORT: u16 = 50_000;

/// What no packet of chance's may reach.
const FORBIDDEN: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

/// Bytes that are no packet, but by chance.
fn noise() -> impl Strategy<Value = Vec<u8>> {
    vec(any::<u8>(), 0..120)
}

/// A header of IPv4 as it should be, but for some of its bytes, over anything.
fn damaged() -> impl Strategy<Value = Vec<u8>> {
    let damage = vec((0..40_usize, any::<u8>()), 0..4);
    (any::<[bool; 2]>(), vec(any::<u8>(), 0..80), damage).prop_map(
        |([is_tcp, more], payload, damage)| {
            let mut packet = header(FORBIDDEN, if is_tcp { 6 } else { 17 }, &payload);
            Ipv4Packet::new_unchecked(&mut packet).set_more_frags(more);
            for (place, value) in damage {
                if let Some(byte) = packet.get_mut(place) {
                    *byte = value;
                }
            }
            // Chance shall not reach servers of this machine's.
            packet[16..20].copy_from_slice(&FORBIDDEN.octets());
            packet
        },
    )
}

/// Segments of flows that may exist, in no order.
fn segment(to: SocketAddrV4) -> impl Strategy<Value = Vec<u8>> {
    let numbers = (any::<u32>(), any::<u32>(), any::<u16>());
    (0..3_u16, any::<u8>(), numbers, vec(any::<u8>(), 0..40)).prop_map(
        move |(port, flags, (sequence, acknowledged, window), payload)| {
            let mut bytes = vec![0; 20];
            bytes.extend(payload);
            let mut tcp = TcpPacket::new_unchecked(&mut bytes);
            tcp.set_src_port(PORT + port);
            tcp.set_dst_port(to.port());
            tcp.set_seq_number(smoltcp::wire::TcpSeqNumber(sequence.cast_signed()));
            tcp.set_ack_number(smoltcp::wire::TcpSeqNumber(acknowledged.cast_signed()));
            tcp.set_header_len(20);
            tcp.set_fin(flags & 1 != 0);
            tcp.set_syn(flags & 2 != 0);
            tcp.set_rst(flags & 4 != 0);
            tcp.set_ack(flags & 8 != 0);
            tcp.set_window_len(window);
            header(*to.ip(), 6, &bytes)
        },
    )
}

fn header(to: Ipv4Addr, protocol: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; 20];
    bytes.extend(payload);
    let length = u16::try_from(bytes.len()).unwrap();
    let mut ip = Ipv4Packet::new_unchecked(&mut bytes);
    ip.set_version(4);
    ip.set_header_len(20);
    ip.set_total_len(length);
    ip.set_hop_limit(64);
    ip.set_next_header(protocol.into());
    ip.set_src_addr(ADDRESS);
    ip.set_dst_addr(to);
    ip.fill_checksum();
    bytes
}

#[test]
fn it_is_borne() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let address = runtime.block_on(echo());
    let packets = vec(prop_oneof![noise(), damaged(), segment(address)], 1..60);
    let config = ProptestConfig {
        cases: 96,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let served = TestRunner::new(config).run(&packets, |packets| {
        runtime.block_on(async {
            let (_nat, mut inside) = network();
            for packet in packets {
                inside.wire.put(packet);
            }
            let handle = inside.connect(address).await;
            let handle = handle.ok_or_else(|| TestCaseError::fail("it serves no more"))?;
            inside.write(handle, b"served").await;
            prop_assert_eq!(inside.read(handle, 6).await, b"served");
            Ok(())
        })
    });
    served.unwrap();
}
