//! Networks of environments in memory, and servers on this host's loopback.

mod bounds;
mod datagrams;
mod garbage;
mod inside;
mod streams;

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::path::PathBuf;
use std::sync::Arc;

use ids::{ManualClock, SeededEntropy, SharedClock, SystemClock, Timestamp};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::permits::Bounds;
use crate::{BeyondThisHost, Limits, Nat, NatOptions, Policy};
use inside::Inside;

/// Where environments ask for names.
const RESOLVER: Ipv4Addr = Ipv4Addr::new(169, 254, 78, 1);

/// Allows the host's loopback, where the servers of tests are, and nothing else.
#[derive(Debug)]
struct Loopback;

impl Policy for Loopback {
    fn allows(&self, address: Ipv4Addr) -> bool {
        address == Ipv4Addr::LOCALHOST
    }
}

fn options(policy: impl Policy, clock: SharedClock) -> NatOptions {
    NatOptions {
        policy: Arc::new(policy),
        resolver: RESOLVER,
        servers: PathBuf::from("/nonexistent/resolv.conf"),
        clock,
        entropy: Arc::new(SeededEntropy::new(1)),
    }
}

/// A NAT to the servers of tests, and an environment behind it.
fn network() -> (Nat, Inside) {
    let clock = SystemClock::shared();
    let nat = Nat::new(options(Loopback, Arc::clone(&clock)));
    let inside = Inside::of(&nat, clock);
    (nat, inside)
}

/// The same where time stands still unless it is told to pass.
fn network_out_of_time() -> (Nat, Inside, Arc<ManualClock>) {
    let manual = Arc::new(ManualClock::at(Timestamp(0)));
    let clock: SharedClock = Arc::<ManualClock>::clone(&manual);
    let nat = Nat::new(options(Loopback, Arc::clone(&clock)));
    let inside = Inside::of(&nat, clock);
    (nat, inside, manual)
}

async fn listener() -> (TcpListener, SocketAddrV4) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = v4(listener.local_addr().unwrap());
    (listener, address)
}

fn v4(address: SocketAddr) -> SocketAddrV4 {
    match address {
        SocketAddr::V4(address) => address,
        SocketAddr::V6(_) => panic!("servers of tests are on IPv4"),
    }
}

/// A server that answers every connection with what it brings, until the test ends.
async fn echo() -> SocketAddrV4 {
    let (listener, address) = listener().await;
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut from, mut to) = stream.split();
                let _reset = tokio::io::copy(&mut from, &mut to).await;
                let _gone = to.shutdown().await;
            });
        }
    });
    address
}

/// A port at which nobody listens.
async fn nobody() -> SocketAddrV4 {
    listener().await.1
}

/// Bytes that are not all the same.
fn pattern(length: usize) -> Vec<u8> {
    (0..length)
        .map(|n| u8::try_from(n % 251).unwrap())
        .collect()
}
