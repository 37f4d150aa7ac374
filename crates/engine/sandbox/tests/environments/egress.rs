//! Environments with a way to other machines.

use std::io;
use std::net::{IpAddr, Ipv4Addr, TcpListener, UdpSocket};
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::task::{Context, Poll};

use egress::{BeyondThisHost, Link, Nat, NatOptions};
use ids::{SystemClock, SystemEntropy};
use sandbox::{Egress, Environment, EnvironmentSpec, RESOLVER, Tunnel};
use tokio::task::AbortHandle;

use crate::harness::{Harness, eventually};
use crate::isolation::{attempt, serves, sized};

/// A name server on the host's own loopback, where functions cannot reach it.
const NAME_SERVER: &str = "127.77.0.53";

struct WayOut(Tunnel);

impl Link for WayOut {
    fn poll_ready(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.poll_ready(context)
    }

    fn receive(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.receive(buffer)
    }

    fn send(&self, packet: &[u8]) {
        self.0.send(packet).unwrap();
    }
}

fn nat(servers: PathBuf) -> Nat {
    Nat::new(NatOptions {
        policy: Arc::new(BeyondThisHost),
        resolver: RESOLVER,
        servers,
        clock: SystemClock::shared(),
        entropy: SystemEntropy::shared(),
    })
}

/// An environment that may reach so much; `None`, and said so, where the host has none.
async fn reaching(harness: &Harness, egress: Egress) -> Option<Environment> {
    let spec = EnvironmentSpec {
        egress,
        ..harness.spec()
    };
    let environment = sized(harness, spec).await?;
    if egress == Egress::Nat && environment.egress() != Egress::Nat {
        harness.skip("this user can make no TUN devices here");
        return None;
    }
    Some(environment)
}

/// An environment whose way out leads through a NAT, for as long as this lives: whoever holds the
/// tunnel keeps the network.
struct LeadingOut {
    environment: Environment,
    carrying: AbortHandle,
}

impl Drop for LeadingOut {
    fn drop(&mut self) {
        self.carrying.abort();
    }
}

impl Deref for LeadingOut {
    type Target = Environment;

    fn deref(&self) -> &Environment {
        &self.environment
    }
}

async fn leading_out(harness: &Harness, nat: &Nat) -> Option<LeadingOut> {
    let mut environment = reaching(harness, Egress::Nat).await?;
    let tunnel = environment.take_tunnel().unwrap().unwrap();
    let nat = nat.clone();
    let carrying = tokio::spawn(async move { nat.serve(WayOut(tunnel)).await });
    Some(LeadingOut {
        environment,
        carrying: carrying.abort_handle(),
    })
}

pub(crate) async fn narrowed(harness: Arc<Harness>) {
    let Some(none) = reaching(&harness, Egress::None).await else {
        return;
    };
    assert_eq!(none.egress(), Egress::None);
    for address in ["192.0.2.1:80", "1.1.1.1:53", "169.254.78.1:53"] {
        let outcome = attempt(&none, &["connect", address]).await;
        assert_eq!(outcome, "ENETUNREACH", "{address}");
    }
    // The host's own network is not for whoever asks for it.
    let wide = reaching(&harness, Egress::Host).await.unwrap();
    assert!(wide.egress() < Egress::Host);
    // Without isolation there is no choice, and that is told.
    let spec = harness.spec();
    let shared = harness.grouped.create(spec).await.unwrap();
    assert_eq!(shared.egress(), Egress::Host);
    assert_eq!(harness.grouped.capabilities().egress, Egress::Host);
}

/// Answers the questions for one name, after its addresses of both kinds, with 192.0.2.7.
fn answer_questions(socket: &UdpSocket) {
    let patience = std::time::Duration::from_secs(20);
    socket.set_read_timeout(Some(patience)).unwrap();
    let mut buffer = [0; 512];
    for _ in 0..2 {
        let (length, from) = socket.recv_from(&mut buffer).unwrap();
        let question = &buffer[..length];
        let name_ends = 12 + question[12..].iter().position(|byte| *byte == 0).unwrap();
        let of_address = question[name_ends + 1..name_ends + 3] == [0, 1];
        let mut answer = question[..name_ends + 5].to_vec();
        // An answer, recursion available, no error; one question, as many answers as follow.
        answer[2..4].copy_from_slice(&[0x81, 0x80]);
        answer[4..12].copy_from_slice(&[0, 1, 0, u8::from(of_address), 0, 0, 0, 0]);
        if of_address {
            // The name of the question, an address, for a minute.
            answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 7]);
        }
        socket.send_to(&answer, from).unwrap();
    }
}

pub(crate) async fn names(harness: Arc<Harness>) {
    let file = harness.directory.path().join("resolv.conf");
    std::fs::write(&file, format!("nameserver {NAME_SERVER}\n")).unwrap();
    let nat = nat(file.clone());
    let Some(environment) = leading_out(&harness, &nat).await else {
        return;
    };
    let seen = attempt(&environment, &["read", "/etc/resolv.conf"]).await;
    assert_eq!(seen, format!("done nameserver {RESOLVER}"));
    let Ok(server) = UdpSocket::bind((NAME_SERVER, 53)) else {
        harness.skip("this user may not serve names");
        return;
    };
    let by_tcp = TcpListener::bind((NAME_SERVER, 53)).unwrap();
    let answering = std::thread::spawn(move || answer_questions(&server));
    let found = attempt(&environment, &["look-up", "machine.test"]).await;
    assert!(found.contains("192.0.2.7"), "{found}");
    answering.join().unwrap();
    let resolver = |port: u16| format!("{RESOLVER}:{port}");
    assert_eq!(
        attempt(&environment, &["connect", &resolver(53)]).await,
        "done"
    );
    assert!(by_tcp.accept().is_ok());
    let other = attempt(&environment, &["connect", &resolver(80)]).await;
    assert_eq!(other, "ECONNREFUSED");
    // What the host asks may change while it runs.
    std::fs::write(&file, "nameserver 127.77.0.54\n").unwrap();
    let refused = attempt(&environment, &["connect", &resolver(53)]).await;
    assert_eq!(refused, "ECONNREFUSED");
}

/// The address by which this host reaches others, where it has one.
fn own_address() -> Option<Ipv4Addr> {
    let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
    socket.connect("192.0.2.1:9").ok()?;
    match socket.local_addr().ok()?.ip() {
        IpAddr::V4(address) => Some(address),
        IpAddr::V6(_) => None,
    }
}

pub(crate) async fn escapes(harness: Arc<Harness>) {
    let nat = nat(Path::new("/etc/resolv.conf").to_owned());
    let Some(environment) = leading_out(&harness, &nat).await else {
        return;
    };
    let server = TcpListener::bind("0.0.0.0:0").unwrap();
    server.set_nonblocking(true).unwrap();
    let port = server.local_addr().unwrap().port();
    let shared = harness.environment(&harness.grouped).await;
    let mut attempts = vec![
        format!("127.0.0.1:{port}"),
        shared.runtime_api_address().to_string(),
        "169.254.169.254:80".to_owned(),
        "169.254.170.2:80".to_owned(),
        "168.63.129.16:80".to_owned(),
        "240.0.0.1:80".to_owned(),
        format!("{RESOLVER}:{port}"),
    ];
    attempts.extend(own_address().map(|own| format!("{own}:{port}")));
    for address in &attempts {
        let outcome = attempt(&environment, &["connect", address]).await;
        let expected = ["ECONNREFUSED", "EINVAL", "ENETUNREACH"];
        assert!(expected.contains(&&*outcome), "{address}: {outcome}");
    }
    let nobody = server.accept().unwrap_err();
    assert_eq!(nobody.kind(), io::ErrorKind::WouldBlock);
    assert_eq!(nat.flows(), 0);
    serves(&harness).await;
}

pub(crate) async fn cycles(harness: Arc<Harness>) {
    let nat = nat(Path::new("/etc/resolv.conf").to_owned());
    if leading_out(&harness, &nat).await.is_none() {
        return;
    }
    let open = |process: u32| {
        std::fs::read_dir(format!("/proc/{process}/fd"))
            .unwrap()
            .count()
    };
    let (engine, spawner) = (std::process::id(), harness.isolated.spawner_pid());
    let before = (open(engine), open(spawner));
    for _ in 0..100 {
        let environment = leading_out(&harness, &nat).await.unwrap();
        let outcome = attempt(&environment, &["connect", "169.254.169.254:80"]).await;
        assert_eq!(outcome, "ECONNREFUSED");
        environment.destroy().await.unwrap();
    }
    eventually("the engine's descriptors are closed", || {
        open(engine) <= before.0 + 32
    })
    .await;
    eventually("the spawner's are", || open(spawner) <= before.1 + 32).await;
}
