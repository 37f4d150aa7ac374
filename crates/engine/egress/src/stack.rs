//! The TCP that environments talk to: it answers for every address.
//!
//! A packet that opens a flow is kept until the connection outside is made, and only then handed to
//! the stack, with a socket that waits for it: the environment sees a connection exactly where there
//! is one. A packet that finds no socket is answered with a reset, which is how flows are refused.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use ids::{Clock, Entropy, SharedClock};
use parking_lot::{Mutex, MutexGuard};
use smoltcp::iface::{Config, Interface, SocketHandle, SocketSet};
use smoltcp::phy::{self, Checksum, Device, DeviceCapabilities, Medium};
use smoltcp::socket::tcp::{Socket, SocketBuffer, State};
use smoltcp::time::Instant;
use smoltcp::wire::{HardwareAddress, IpAddress, IpEndpoint, IpListenEndpoint};
use tokio::sync::Notify;

use crate::packet::{Ends, LONGEST};
use crate::permits::Permit;
use crate::pulse::Pulse;

/// What a flow may have under way in each direction, in bytes. Memory for it is touched as it is
/// used.
const WINDOW: usize = 128 * 1024;

/// The most packets that wait to be sent; those that are no part of a TCP flow are lost beyond.
const WAITING: usize = 1_024;

/// A TCP stack, and the packets on their way in and out.
pub(crate) struct Stack {
    inner: Mutex<Inner>,
    /// Told when flows have something to do for the stack.
    work: Notify,
    clock: SharedClock,
}

pub(crate) struct Inner {
    interface: Interface,
    sockets: SocketSet<'static>,
    packets: Packets,
    flows: HashMap<Ends, Stage>,
}

/// How far a flow is.
enum Stage {
    /// The connection outside is being made.
    Opening,
    /// Bytes are carried.
    Open(Arc<Pulse>),
    /// Nobody uses it any more: it ends as TCP does.
    Ending {
        handle: SocketHandle,
        _permit: Permit,
    },
}

/// The flow was given up by who asked for it.
#[derive(Debug)]
pub(crate) struct GivenUp;

impl std::fmt::Debug for Stack {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stack").finish_non_exhaustive()
    }
}

impl Stack {
    pub(crate) fn new(clock: SharedClock, entropy: &dyn Entropy) -> Self {
        let mut config = Config::new(HardwareAddress::Ip);
        config.random_seed = u64::try_from(entropy.bits() >> 64).unwrap_or_default();
        let mut packets = Packets::default();
        let mut interface = Interface::new(config, &mut packets, now(&*clock));
        interface.set_any_ip(true);
        Self {
            inner: Mutex::new(Inner {
                interface,
                sockets: SocketSet::new(Vec::new()),
                packets,
                flows: HashMap::new(),
            }),
            work: Notify::new(),
            clock,
        }
    }

    /// Notes that a flow is to be opened; `false` where it is known.
    pub(crate) fn begin(&self, ends: Ends) -> bool {
        let mut inner = self.inner.lock();
        let new = !inner.flows.contains_key(&ends);
        if new {
            inner.flows.insert(ends, Stage::Opening);
        }
        new
    }

    /// Whether the connection outside is still being made.
    pub(crate) fn is_opening(&self, ends: &Ends) -> bool {
        matches!(self.inner.lock().flows.get(ends), Some(Stage::Opening))
    }

    /// Forgets a flow that was to be opened.
    pub(crate) fn forget(&self, ends: &Ends) {
        self.inner.lock().flows.remove(ends);
    }

    /// Takes a packet from inside.
    pub(crate) fn take(&self, packet: Vec<u8>) {
        self.inner.lock().packets.incoming.push_back(packet);
        self.work.notify_one();
    }

    /// Takes a packet from inside that belongs to a flow, if there is one.
    pub(crate) fn take_of(&self, ends: &Ends, packet: Vec<u8>) {
        let mut inner = self.inner.lock();
        if let Some(Stage::Open(pulse)) = inner.flows.get(ends) {
            pulse.beat();
        }
        inner.packets.incoming.push_back(packet);
        drop(inner);
        self.work.notify_one();
    }

    /// Sends a packet inside that is no part of a TCP flow.
    pub(crate) fn give(&self, packet: Option<Vec<u8>>) {
        let mut inner = self.inner.lock();
        if let Some(packet) = packet
            && inner.packets.outgoing.len() < WAITING
        {
            inner.packets.outgoing.push_back(packet);
            drop(inner);
            self.work.notify_one();
        }
    }

    /// Opens a flow by the packet that asked for it.
    pub(crate) fn open(
        &self,
        ends: Ends,
        packet: Vec<u8>,
        pulse: Arc<Pulse>,
    ) -> Result<SocketHandle, GivenUp> {
        let mut inner = self.inner.lock();
        // Nothing that came before may meet the socket that waits, and it nothing else.
        self.poll(&mut inner);
        inner.packets.incoming.push_back(packet);
        let buffer = || SocketBuffer::new(vec![0; WINDOW]);
        let mut socket = Socket::new(buffer(), buffer());
        socket.set_nagle_enabled(false);
        // Nothing is gained by waiting where a packet costs no time.
        socket.set_ack_delay(None);
        let listened = socket.listen(IpListenEndpoint::from(endpoint(ends.outside)));
        let handle = inner.sockets.add(socket);
        self.poll(&mut inner);
        let peer = inner.socket(handle).remote_endpoint();
        if listened.is_err() || peer != Some(endpoint(ends.inside)) {
            inner.sockets.remove(handle);
            inner.flows.remove(&ends);
            return Err(GivenUp);
        }
        inner.flows.insert(ends, Stage::Open(pulse));
        drop(inner);
        self.work.notify_one();
        Ok(handle)
    }

    /// Lets a flow end that nobody uses any more.
    pub(crate) fn leave(&self, ends: Ends, handle: SocketHandle, permit: Permit) {
        let mut inner = self.inner.lock();
        let ending = Stage::Ending {
            handle,
            _permit: permit,
        };
        inner.flows.insert(ends, ending);
        drop(inner);
        self.work.notify_one();
    }

    /// Forgets a flow without a word: what comes for it from now on is answered with a reset.
    pub(crate) fn drop_flow(&self, ends: &Ends, handle: SocketHandle) {
        let mut inner = self.inner.lock();
        inner.sockets.remove(handle);
        inner.flows.remove(ends);
    }

    /// Does something with a flow's socket, after which there may be packets to send.
    pub(crate) fn with<T>(
        &self,
        handle: SocketHandle,
        work: impl FnOnce(&mut Socket<'static>) -> T,
    ) -> T {
        let done = work(self.inner.lock().socket(handle));
        self.work.notify_one();
        done
    }

    /// Looks at a flow's socket.
    pub(crate) fn look<T>(
        &self,
        handle: SocketHandle,
        work: impl FnOnce(&mut Socket<'static>) -> T,
    ) -> T {
        work(self.inner.lock().socket(handle))
    }

    /// Tells that there may be packets to send.
    pub(crate) fn nudge(&self) {
        self.work.notify_one();
    }

    /// Resolves when flows have something to do for the stack.
    pub(crate) async fn worked(&self) {
        self.work.notified().await;
    }

    /// Does what is to be done now. Hands out the packets to send, and says after what time there
    /// is more to do; `None` where nothing will be without packets or flows.
    pub(crate) fn run(&self) -> (VecDeque<Vec<u8>>, Option<Duration>) {
        let mut inner = self.inner.lock();
        self.poll(&mut inner);
        inner.bury();
        let Inner {
            interface,
            sockets,
            packets,
            ..
        } = &mut *inner;
        let delay = interface.poll_delay(now(&*self.clock), sockets);
        let delay = delay.map(|delay| Duration::from_micros(delay.total_micros()));
        (std::mem::take(&mut packets.outgoing), delay)
    }

    fn poll(&self, inner: &mut MutexGuard<'_, Inner>) {
        let Inner {
            interface,
            sockets,
            packets,
            ..
        } = &mut **inner;
        interface.poll(now(&*self.clock), packets, sockets);
        // A flow that is reset while it opens would wait for another one to the same place.
        for (_, socket) in sockets.iter_mut() {
            let smoltcp::socket::Socket::Tcp(socket) = socket;
            if socket.state() == State::Listen {
                socket.abort();
            }
        }
    }
}

impl Inner {
    fn socket(&mut self, handle: SocketHandle) -> &mut Socket<'static> {
        self.sockets.get_mut(handle)
    }

    /// Removes the flows that have ended.
    fn bury(&mut self) {
        let Self { sockets, flows, .. } = self;
        flows.retain(|_, stage| {
            let Stage::Ending { handle, .. } = stage else {
                return true;
            };
            let socket = sockets.get::<Socket<'_>>(*handle);
            // A link loses no packets that were sent, so nothing old can come any more.
            let ended = match socket.state() {
                // Until then it has to say so.
                State::Closed => socket.remote_endpoint().is_none(),
                State::TimeWait => true,
                _ => false,
            };
            if ended {
                sockets.remove(*handle);
            }
            !ended
        });
    }
}

fn endpoint(address: std::net::SocketAddrV4) -> IpEndpoint {
    IpEndpoint::new(IpAddress::Ipv4(*address.ip()), address.port())
}

fn now(clock: &dyn Clock) -> Instant {
    let micros = clock.monotonic().as_micros();
    Instant::from_micros(i64::try_from(micros).unwrap_or(i64::MAX))
}

/// The packets between the stack and the link.
#[derive(Debug, Default)]
struct Packets {
    incoming: VecDeque<Vec<u8>>,
    outgoing: VecDeque<Vec<u8>>,
}

impl Device for Packets {
    type RxToken<'a> = Incoming;
    type TxToken<'a> = Outgoing<'a>;

    fn receive(&mut self, _: Instant) -> Option<(Incoming, Outgoing<'_>)> {
        let packet = self.incoming.pop_front()?;
        Some((Incoming(packet), Outgoing(&mut self.outgoing)))
    }

    fn transmit(&mut self, _: Instant) -> Option<Outgoing<'_>> {
        Some(Outgoing(&mut self.outgoing))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ip;
        capabilities.max_transmission_unit = LONGEST;
        // They come from the kernel of this very host.
        capabilities.checksum.ipv4 = Checksum::Tx;
        capabilities.checksum.tcp = Checksum::Tx;
        capabilities
    }
}

struct Incoming(Vec<u8>);

impl phy::RxToken for Incoming {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, work: F) -> R {
        work(&self.0)
    }
}

struct Outgoing<'a>(&'a mut VecDeque<Vec<u8>>);

impl phy::TxToken for Outgoing<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, length: usize, work: F) -> R {
        let mut packet = vec![0; length];
        let done = work(&mut packet);
        self.0.push_back(packet);
        done
    }
}
