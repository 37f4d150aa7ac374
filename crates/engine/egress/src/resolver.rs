//! Names: questions go to the servers that this host asks, wherever they are.
//!
//! They may sit on the host's own loopback, which functions cannot reach, and they change when the
//! host joins another network; so environments are told of one address that is always the same.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4};
use std::path::PathBuf;
use std::time::Duration;

use ids::SharedClock;
use tokio::net::{TcpStream, UdpSocket};

use crate::within;

/// The port of name servers.
pub(crate) const PORT: u16 = 53;

/// How many servers are asked, as by the C library.
const SERVERS: usize = 3;

/// How long one is waited for until the next is asked.
const PATIENCE: Duration = Duration::from_secs(3);

/// The longest answer that a datagram holds.
const LONGEST_ANSWER: usize = 65_535;

/// Forwards questions.
#[derive(Debug)]
pub(crate) struct Resolver {
    address: SocketAddrV4,
    file: PathBuf,
    /// That of the servers that the file names.
    port: u16,
    clock: SharedClock,
}

impl Resolver {
    /// Environments ask at `address`; the servers that `file` names answer, at their `port`.
    pub(crate) fn new(address: Ipv4Addr, (file, port): (PathBuf, u16), clock: SharedClock) -> Self {
        Self {
            address: SocketAddrV4::new(address, PORT),
            file,
            port,
            clock,
        }
    }

    /// Whether this is where environments send their questions.
    pub(crate) fn serves(&self, address: SocketAddrV4) -> bool {
        address == self.address
    }

    /// The answer to a question that came as a datagram, from the first server that gives one.
    pub(crate) async fn ask(&self, question: &[u8]) -> Option<Vec<u8>> {
        for server in self.servers() {
            match within(&*self.clock, PATIENCE, ask(server, question)).await {
                Some(Ok(answer)) => return Some(answer),
                Some(Err(error)) => {
                    tracing::debug!(%error, %server, "a name server cannot be asked");
                }
                None => tracing::debug!(%server, "a name server does not answer"),
            }
        }
        None
    }

    /// A connection to the first server that takes one.
    pub(crate) async fn connect(&self) -> io::Result<TcpStream> {
        let mut last = io::ErrorKind::ConnectionRefused.into();
        for server in self.servers() {
            match within(&*self.clock, PATIENCE, TcpStream::connect(server)).await {
                Some(Ok(stream)) => return Ok(stream),
                Some(Err(error)) => last = error,
                None => last = io::ErrorKind::TimedOut.into(),
            }
        }
        Err(last)
    }

    fn servers(&self) -> Vec<SocketAddr> {
        let text = std::fs::read_to_string(&self.file).unwrap_or_default();
        parse(&text, self.port)
    }
}

/// Asks from a port of its own, so that nobody guesses where the answer is expected.
async fn ask(server: SocketAddr, question: &[u8]) -> io::Result<Vec<u8>> {
    let any: IpAddr = match server {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((any, 0)).await?;
    socket.connect(server).await?;
    socket.send(question).await?;
    let mut answer = vec![0; LONGEST_ANSWER];
    loop {
        let length = socket.recv(&mut answer).await?;
        // An answer carries its question's number.
        if length >= 2 && answer.get(..2) == question.get(..2) {
            answer.truncate(length);
            return Ok(answer);
        }
    }
}

/// The servers that a `resolv.conf` names, at `port`; without one, that of the host itself.
/// Source: `resolv.conf(5)`.
fn parse(text: &str, port: u16) -> Vec<SocketAddr> {
    let address = |line: &str| {
        let mut words = line.split_whitespace();
        let named = words.next()? == "nameserver";
        words.next().filter(|_| named)?.parse::<IpAddr>().ok()
    };
    let mut servers: Vec<SocketAddr> = text
        .lines()
        .filter_map(address)
        .take(SERVERS)
        .map(|address| SocketAddr::new(address, port))
        .collect();
    if servers.is_empty() {
        servers.push((Ipv4Addr::LOCALHOST, port).into());
    }
    servers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_read_as_the_c_library_reads_them() {
        let text = "# by hand\nsearch example.com\nnameserver 127.0.0.53\n\tnameserver ::1 # six\n\
                    nameserver nonsense\nnameserver 192.0.2.1\nnameserver 192.0.2.2\n";
        let servers: Vec<String> = parse(text, PORT).iter().map(ToString::to_string).collect();
        assert_eq!(servers, ["127.0.0.53:53", "[::1]:53", "192.0.2.1:53"]);
        assert_eq!(parse("", PORT), ["127.0.0.1:53".parse().unwrap()]);
    }
}
