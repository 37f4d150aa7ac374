//! Names: questions go to the servers that this host asks, wherever they are.
//!
//! They may sit on the host's own loopback, which functions cannot reach, and they change when the
//! host joins another network; so environments are told of one address that is always the same.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4};
use std::path::PathBuf;
use std::time::Duration;

use tokio::net::{TcpStream, UdpSocket};

/// The port of name servers.
const PORT: u16 = 53;

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
}

impl Resolver {
    pub(crate) fn new(address: Ipv4Addr, file: PathBuf) -> Self {
        Self {
            address: SocketAddrV4::new(address, PORT),
            file,
        }
    }

    /// Whether this is where environments send their questions.
    pub(crate) fn serves(&self, address: SocketAddrV4) -> bool {
        address == self.address
    }

    /// The answer to a question that came as a datagram, from the first server that gives one.
    pub(crate) async fn ask(&self, question: &[u8]) -> Option<Vec<u8>> {
        for server in self.servers() {
            match tokio::time::timeout(PATIENCE, ask(server, question)).await {
                Ok(Ok(answer)) => return Some(answer),
                Ok(Err(error)) => tracing::debug!(%error, %server, "a name server cannot be asked"),
                Err(_) => tracing::debug!(%server, "a name server does not answer"),
            }
        }
        None
    }

    /// A connection to the first server that takes one.
    pub(crate) async fn connect(&self) -> io::Result<TcpStream> {
        let mut last = io::ErrorKind::ConnectionRefused.into();
        for server in self.servers() {
            match tokio::time::timeout(PATIENCE, TcpStream::connect(server)).await {
                Ok(Ok(stream)) => return Ok(stream),
                Ok(Err(error)) => last = error,
                Err(_) => last = io::ErrorKind::TimedOut.into(),
            }
        }
        Err(last)
    }

    fn servers(&self) -> Vec<SocketAddr> {
        parse(&std::fs::read_to_string(&self.file).unwrap_or_default())
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

/// The servers that a `resolv.conf` names; without one, that of the host itself.
/// Source: `resolv.conf(5)`.
fn parse(text: &str) -> Vec<SocketAddr> {
    let address = |line: &str| {
        let mut words = line.split_whitespace();
        let named = words.next()? == "nameserver";
        words.next().filter(|_| named)?.parse::<IpAddr>().ok()
    };
    let mut servers: Vec<SocketAddr> = text
        .lines()
        .filter_map(address)
        .take(SERVERS)
        .map(|address| SocketAddr::new(address, PORT))
        .collect();
    if servers.is_empty() {
        servers.push((Ipv4Addr::LOCALHOST, PORT).into());
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
        let servers: Vec<String> = parse(text).iter().map(ToString::to_string).collect();
        assert_eq!(servers, ["127.0.0.53:53", "[::1]:53", "192.0.2.1:53"]);
        assert_eq!(parse(""), ["127.0.0.1:53".parse().unwrap()]);
    }
}
