//! TCP flows: made, refused, carried, ended.

use std::io;

use smoltcp::socket::tcp::State;
use tokio::net::TcpStream;

use super::*;
use crate::pulse::{HALF_CLOSED, IDLE};

/// A connection, with the server's end of it.
async fn pair(inside: &mut Inside) -> (smoltcp::iface::SocketHandle, TcpStream) {
    let (listener, address) = listener().await;
    let handle = inside.connect(address).await.unwrap();
    (handle, listener.accept().await.unwrap().0)
}

#[tokio::test]
async fn bytes_go_both_ways() {
    let (nat, mut inside) = network();
    let handle = inside.connect(echo().await).await.unwrap();
    let sent = pattern(300_000);
    // What fits the buffers between both; more would wait for its echo to be read.
    for piece in sent.chunks(50_000) {
        inside.write(handle, piece).await;
        assert_eq!(inside.read(handle, piece.len()).await, piece);
    }
    inside.socket(handle).close();
    assert_eq!(inside.read(handle, 1).await, b"");
    inside.while_not(|| nat.flows() == 0).await;
}

#[tokio::test]
async fn what_is_refused_outside_is_refused_inside() {
    let (nat, mut inside) = network();
    let address = nobody().await;
    assert!(inside.connect(address).await.is_none());
    inside.while_not(|| nat.flows() == 0).await;
    let handle = inside.connect(echo().await).await.unwrap();
    inside.write(handle, b"others are not").await;
    assert_eq!(inside.read(handle, 14).await, b"others are not");
}

#[tokio::test]
async fn what_is_forbidden_is_refused_without_a_connection() {
    let clock = SystemClock::shared();
    let nat = Nat::new(options(BeyondThisHost, Arc::clone(&clock)));
    let mut inside = Inside::of(&nat, clock);
    let (listener, address) = listener().await;
    for forbidden in [
        address,
        "169.254.169.254:80".parse().unwrap(),
        "169.254.170.2:80".parse().unwrap(),
        "168.63.129.16:80".parse().unwrap(),
        "100.100.100.200:80".parse().unwrap(),
        "0.0.0.1:80".parse().unwrap(),
    ] {
        assert!(inside.connect(forbidden).await.is_none(), "{forbidden}");
    }
    assert_eq!(nat.flows(), 0);
    let nobody_came = futures_pending(listener.accept()).await;
    assert!(nobody_came, "the server on the loopback was reached");
}

/// Whether a future has nothing to say.
async fn futures_pending(future: impl Future) -> bool {
    tokio::select! {
        biased;
        _ = future => false,
        () = std::future::ready(()) => true,
    }
}

#[tokio::test]
async fn a_policy_may_close_private_networks_too() {
    #[derive(Debug)]
    struct Public;
    impl Policy for Public {
        fn allows(&self, address: Ipv4Addr) -> bool {
            !address.is_private() && BeyondThisHost.allows(address)
        }
    }
    let clock = SystemClock::shared();
    let nat = Nat::new(options(Public, Arc::clone(&clock)));
    let mut inside = Inside::of(&nat, clock);
    for forbidden in ["10.1.2.3:80", "172.16.0.1:80", "192.168.1.1:443"] {
        let forbidden = forbidden.parse().unwrap();
        assert!(inside.connect(forbidden).await.is_none(), "{forbidden}");
    }
}

#[tokio::test]
async fn one_side_may_end_and_the_other_go_on() {
    let (nat, mut inside) = network();
    let (handle, mut server) = pair(&mut inside).await;
    inside.write(handle, b"a question").await;
    inside.socket(handle).close();
    inside.turn();
    let mut question = Vec::new();
    server.read_to_end(&mut question).await.unwrap();
    assert_eq!(question, b"a question");
    server.write_all(b"a late answer").await.unwrap();
    assert_eq!(inside.read(handle, 13).await, b"a late answer");
    drop(server);
    assert_eq!(inside.read(handle, 1).await, b"");
    inside.while_not(|| nat.flows() == 0).await;
}

#[tokio::test]
async fn a_reset_inside_is_one_outside() {
    let (nat, mut inside) = network();
    let (handle, mut server) = pair(&mut inside).await;
    inside.write(handle, b"x").await;
    assert_eq!(server.read_u8().await.unwrap(), b'x');
    inside.socket(handle).abort();
    inside.turn();
    let error = server.read_u8().await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    inside.while_not(|| nat.flows() == 0).await;
}

#[tokio::test]
async fn a_reset_outside_is_one_inside() {
    let (nat, mut inside) = network();
    let (handle, server) = pair(&mut inside).await;
    server.set_zero_linger().unwrap();
    drop(server);
    let state = inside
        .until(handle, |socket| {
            (socket.state() != State::Established).then(|| socket.state())
        })
        .await;
    assert_eq!(state, State::Closed, "not an end in good order");
    inside.while_not(|| nat.flows() == 0).await;
}

#[tokio::test]
async fn who_is_not_read_from_is_held_back_and_loses_nothing() {
    /// More than all the buffers on the way hold.
    const MUCH: usize = 64 << 20;
    let (_nat, mut inside) = network();
    let (handle, mut server) = pair(&mut inside).await;
    let piece = pattern(32 * 1024);
    let mut sent = 0;
    // Until nothing more is taken for a while, which a server that reads nothing makes certain.
    loop {
        let more = inside.until(handle, |socket| Some(socket.send_slice(&piece).unwrap()));
        let before = sent;
        sent += more.await;
        if sent == before {
            let freed = inside.until(handle, |socket| socket.can_send().then_some(()));
            if tokio::time::timeout(std::time::Duration::from_millis(300), freed)
                .await
                .is_err()
            {
                break;
            }
        }
        assert!(sent < MUCH, "nobody holds it back");
    }
    let reading = tokio::spawn(async move {
        let mut read = 0;
        let mut buffer = vec![0; 1 << 16];
        while read < sent {
            read += server.read(&mut buffer).await.unwrap();
        }
        read
    });
    inside.while_not(|| reading.is_finished()).await;
    assert_eq!(reading.await.unwrap(), sent);
}

#[tokio::test]
async fn a_flow_in_which_nothing_happens_is_forgotten() {
    let (nat, mut inside, clock) = network_out_of_time();
    let (handle, mut server) = pair(&mut inside).await;
    let second = std::time::Duration::from_secs(1);
    for _ in 0..3 {
        clock.advance(IDLE - second);
        inside.write(handle, b"x").await;
        assert_eq!(server.read_u8().await.unwrap(), b'x');
        inside.settle().await;
        clock.advance(IDLE - second);
        server.write_u8(b'y').await.unwrap();
        assert_eq!(inside.read(handle, 1).await, b"y");
        inside.settle().await;
    }
    clock.advance(IDLE);
    inside.while_not(|| nat.flows() == 0).await;
    assert_eq!(
        inside.socket(handle).state(),
        State::Established,
        "nobody is told"
    );
    inside.socket(handle).send_slice(b"still there?").unwrap();
    inside
        .until(handle, |socket| {
            (socket.state() == State::Closed).then_some(())
        })
        .await;
    let error = server.read_u8().await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn what_is_kept_alive_lives() {
    let (nat, mut inside, clock) = network_out_of_time();
    let (handle, mut server) = pair(&mut inside).await;
    let minute = std::time::Duration::from_mins(1);
    inside.socket(handle).set_keep_alive(Some(minute.into()));
    for _ in 0..20 {
        clock.advance(minute);
        // The probe and its answer.
        inside.settle().await;
    }
    assert_eq!(nat.flows(), 1);
    inside.write(handle, b"x").await;
    assert_eq!(server.read_u8().await.unwrap(), b'x');
}

#[tokio::test]
async fn a_half_closed_flow_waits_less_long() {
    let (nat, mut inside, clock) = network_out_of_time();
    let (handle, mut server) = pair(&mut inside).await;
    inside.socket(handle).close();
    inside.turn();
    let mut nothing = Vec::new();
    server.read_to_end(&mut nothing).await.unwrap();
    inside.settle().await;
    clock.advance(HALF_CLOSED - std::time::Duration::from_secs(1));
    server.write_u8(b'y').await.unwrap();
    assert_eq!(inside.read(handle, 1).await, b"y");
    inside.settle().await;
    clock.advance(HALF_CLOSED);
    inside.while_not(|| nat.flows() == 0).await;
}

#[tokio::test]
async fn all_ends_with_the_network() {
    let (nat, mut inside) = network();
    let (_, mut server) = pair(&mut inside).await;
    inside.leave().await;
    assert_eq!(nat.flows(), 0);
    let mut left = Vec::new();
    // By a reset or in good order: what matters is that it ends.
    let _reset = server.read_to_end(&mut left).await;
    assert!(left.is_empty());
}
