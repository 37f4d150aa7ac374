//! What one environment takes, and what is left to others.

use super::*;

fn bounded(flows: Bounds) -> (Nat, SharedClock) {
    let clock = SystemClock::shared();
    let limits = Limits {
        flows,
        ..Limits::default()
    };
    let nat = Nat::within(options(Loopback, Arc::clone(&clock)), limits);
    (nat, clock)
}

/// How many of `count` connections are made.
async fn connect(
    inside: &mut Inside,
    to: SocketAddrV4,
    count: usize,
) -> Vec<smoltcp::iface::SocketHandle> {
    let mut made = Vec::new();
    for _ in 0..count {
        made.extend(inside.connect(to).await);
    }
    made
}

#[tokio::test]
async fn one_environment_leaves_others_what_is_their_own() {
    let (nat, clock) = bounded(Bounds {
        own: 2,
        each: 5,
        all: 3,
    });
    let address = echo().await;
    let mut greedy = Inside::of(&nat, Arc::clone(&clock));
    let mut modest = Inside::of(&nat, clock);
    let most = connect(&mut greedy, address, 8).await;
    assert_eq!(most.len(), 5, "its own and all that is shared");
    let own = connect(&mut modest, address, 3).await;
    assert_eq!(own.len(), 2);
    assert_eq!(nat.flows(), 7);
    for handle in &own {
        modest.write(*handle, b"served").await;
        assert_eq!(modest.read(*handle, 6).await, b"served");
    }
    for handle in most {
        greedy.socket(handle).close();
    }
    greedy.while_not(|| nat.flows() == 2).await;
    assert_eq!(connect(&mut modest, address, 3).await.len(), 3);
}

#[tokio::test]
async fn datagrams_take_of_the_same() {
    let (nat, clock) = bounded(Bounds {
        own: 1,
        each: 2,
        all: 9,
    });
    let server = tokio::net::UdpSocket::bind((Ipv4Addr::LOCALHOST, 0));
    let server = server.await.unwrap();
    let address = v4(server.local_addr().unwrap());
    let mut inside = Inside::of(&nat, clock);
    for port in [5_001, 5_002, 5_003] {
        let packet = datagrams::outward(port, address, b"x");
        inside.wire.put(packet);
    }
    inside.other().await;
    assert_eq!(nat.flows(), 2, "the third was refused");
    assert!(inside.connect(address).await.is_none());
}
