//! UDP flows: a socket outside for each pair of ends, until nothing was sent for a while.

use std::collections::HashMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use ids::Clock;
use tokio::io::Interest;
use tokio::net::UdpSocket;
use tokio::task::{AbortHandle, JoinSet};

use crate::Shared;
use crate::packet::{Ends, LONGEST, Unreachable, datagram, unreachable};
use crate::permits::Permit;
use crate::stack::Stack;

/// How long a flow is kept without a datagram in either direction. RFC 4787 asks for two minutes at
/// least (REQ-5).
const IDLE: Duration = Duration::from_mins(2);

/// The UDP flows of one environment.
#[derive(Debug, Default)]
pub(crate) struct Datagrams {
    flows: HashMap<Ends, Outside>,
}

/// A flow's outer end.
#[derive(Debug)]
struct Outside {
    socket: Arc<UdpSocket>,
    /// When something was sent last, in seconds of the monotonic clock.
    last: Arc<AtomicU64>,
    answers: AbortHandle,
    _permit: Permit,
}

impl Drop for Outside {
    fn drop(&mut self) {
        self.answers.abort();
    }
}

impl Datagrams {
    /// Sends a datagram on, in a flow that is there.
    pub(crate) fn send(&self, ends: &Ends, payload: &[u8], clock: &dyn Clock) -> bool {
        let Some(outside) = self.flows.get(ends) else {
            return false;
        };
        outside.last.store(seconds(clock), Ordering::Relaxed);
        // One that finds no room is lost, as anywhere; an error is told by the answers.
        let _lost = outside.socket.try_send(payload);
        true
    }

    /// Opens a flow with its first datagram, whose answers come back by `stack`. `packet` is what
    /// that came in.
    pub(crate) fn open(
        &mut self,
        ends: Ends,
        (shared, stack): (&Shared, &Arc<Stack>),
        (packet, payload, permit): (&[u8], &[u8], Permit),
        tasks: &mut JoinSet<()>,
    ) -> io::Result<()> {
        let socket = std::net::UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
        socket.connect(SocketAddr::V4(ends.outside))?;
        socket.set_nonblocking(true)?;
        socket.send(payload)?;
        let socket = Arc::new(UdpSocket::from_std(socket)?);
        let last = Arc::new(AtomicU64::new(seconds(&*shared.clock)));
        let answers = tasks.spawn(answers(
            ends,
            Arc::clone(&socket),
            Arc::clone(stack),
            refusal(packet),
            (Arc::clone(&last), Arc::clone(&shared.clock)),
        ));
        let outside = Outside {
            socket,
            last,
            answers,
            _permit: permit,
        };
        self.flows.insert(ends, outside);
        Ok(())
    }

    /// Ends the flows that have been idle for long, and says when to look again.
    pub(crate) fn sweep(&mut self, clock: &dyn Clock) -> Option<Duration> {
        let now = seconds(clock);
        let left = |outside: &Outside| {
            let idle = now.saturating_sub(outside.last.load(Ordering::Relaxed));
            IDLE.as_secs().saturating_sub(idle)
        };
        self.flows.retain(|_, outside| left(outside) > 0);
        let next = self.flows.values().map(left).min()?;
        Some(Duration::from_secs(next.max(1)))
    }
}

/// What is answered where nobody listens outside.
fn refusal(packet: &[u8]) -> Option<Vec<u8>> {
    unreachable(Unreachable::Port, packet)
}

/// Brings answers inside for as long as it is let.
async fn answers(
    ends: Ends,
    socket: Arc<UdpSocket>,
    stack: Arc<Stack>,
    refusal: Option<Vec<u8>>,
    (last, clock): (Arc<AtomicU64>, ids::SharedClock),
) {
    let mut buffer = Vec::new();
    while let Ok(ready) = socket.ready(Interest::READABLE | Interest::ERROR).await {
        // That nobody listens is no datagram that could be received.
        if ready.is_error()
            && let Ok(error) = socket.try_io(Interest::ERROR, || error_of(&socket))
            && error.kind() == io::ErrorKind::ConnectionRefused
        {
            stack.give(refusal.clone());
        }
        if !ready.is_readable() {
            continue;
        }
        // Nothing is held while nothing comes.
        buffer.resize(LONGEST, 0);
        match socket.try_recv(&mut buffer) {
            Ok(length) => {
                last.store(seconds(&*clock), Ordering::Relaxed);
                stack.give(datagram(ends, buffer.get(..length).unwrap_or_default()));
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => buffer = Vec::new(),
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                stack.give(refusal.clone());
            }
            Err(error) => tracing::debug!(%error, ?ends, "a datagram cannot be received"),
        }
    }
}

/// What went wrong since that was asked last.
fn error_of(socket: &UdpSocket) -> io::Result<io::Error> {
    let nothing = || io::Error::from(io::ErrorKind::WouldBlock);
    socket.take_error()?.ok_or_else(nothing)
}

fn seconds(clock: &dyn Clock) -> u64 {
    clock.monotonic().as_secs()
}
