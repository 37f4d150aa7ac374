//! The inner side of a network, with a TCP of its own: what an environment's kernel is otherwise.

use std::collections::VecDeque;
use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use ids::SharedClock;
use parking_lot::Mutex;
use smoltcp::iface::{Config, Interface, SocketHandle, SocketSet};
use smoltcp::phy::{self, Device, DeviceCapabilities, Medium};
use smoltcp::socket::tcp::{Socket, SocketBuffer, State};
use smoltcp::time::Instant;
use smoltcp::wire::{HardwareAddress, IpAddress, IpCidr};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use crate::packet::LONGEST;
use crate::{Link, Nat};

/// The address of the environment.
pub(super) const ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 2);

/// What a socket of the environment's holds in each direction.
const BUFFER: usize = 64 * 1024;

/// No step of a test takes so long, also on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// A link in memory that loses nothing.
#[derive(Clone, Default)]
pub(super) struct Wire(Arc<Both>);

#[derive(Default)]
struct Both {
    outward: Mutex<Outward>,
    inward: Mutex<VecDeque<Vec<u8>>>,
    arrived: Notify,
}

#[derive(Default)]
struct Outward {
    packets: VecDeque<Vec<u8>>,
    waker: Option<Waker>,
    is_gone: bool,
}

impl Wire {
    /// Sends a packet out.
    pub(super) fn put(&self, packet: Vec<u8>) {
        let mut outward = self.0.outward.lock();
        outward.packets.push_back(packet);
        if let Some(waker) = outward.waker.take() {
            waker.wake();
        }
    }

    fn cut(&self) {
        let mut outward = self.0.outward.lock();
        outward.is_gone = true;
        if let Some(waker) = outward.waker.take() {
            waker.wake();
        }
    }
}

impl Link for Wire {
    fn poll_ready(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut outward = self.0.outward.lock();
        if outward.is_gone {
            return Poll::Ready(Err(io::ErrorKind::NotConnected.into()));
        }
        if outward.packets.is_empty() {
            outward.waker = Some(context.waker().clone());
            return Poll::Pending;
        }
        Poll::Ready(Ok(()))
    }

    fn receive(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let packet = self.0.outward.lock().packets.pop_front();
        let packet = packet.ok_or(io::ErrorKind::WouldBlock)?;
        buffer[..packet.len()].copy_from_slice(&packet);
        Ok(packet.len())
    }

    fn send(&self, packet: &[u8]) {
        self.0.inward.lock().push_back(packet.to_vec());
        self.0.arrived.notify_one();
    }
}

/// An environment's side.
pub(super) struct Inside {
    pub(super) wire: Wire,
    interface: Interface,
    sockets: SocketSet<'static>,
    device: Kernel,
    clock: SharedClock,
    port: u16,
    serving: JoinHandle<()>,
}

impl Drop for Inside {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Inside {
    /// One whose packets `nat` carries.
    pub(super) fn of(nat: &Nat, clock: SharedClock) -> Self {
        let wire = Wire::default();
        let serving = {
            let (nat, wire) = (nat.clone(), wire.clone());
            tokio::spawn(async move { nat.serve(wire).await })
        };
        let mut device = Kernel {
            wire: wire.clone(),
            others: VecDeque::new(),
        };
        let mut config = Config::new(HardwareAddress::Ip);
        config.random_seed = 1;
        let mut interface = Interface::new(config, &mut device, now(&clock));
        interface.update_ip_addrs(|addresses| {
            addresses
                .push(IpCidr::new(IpAddress::Ipv4(ADDRESS), 30))
                .unwrap();
        });
        interface
            .routes_mut()
            .add_default_ipv4_route(Ipv4Addr::new(10, 77, 0, 1))
            .unwrap();
        Self {
            wire,
            interface,
            sockets: SocketSet::new(Vec::new()),
            device,
            clock,
            port: 40_000,
            serving,
        }
    }

    /// Asks for a connection.
    pub(super) fn begin(&mut self, to: SocketAddrV4) -> SocketHandle {
        let buffer = || SocketBuffer::new(vec![0; BUFFER]);
        let mut socket = Socket::new(buffer(), buffer());
        socket.set_nagle_enabled(false);
        socket.set_ack_delay(None);
        self.port += 1;
        let to = (IpAddress::Ipv4(*to.ip()), to.port());
        socket
            .connect(self.interface.context(), to, self.port)
            .unwrap();
        let handle = self.sockets.add(socket);
        self.turn();
        handle
    }

    /// A connection; `None` where it is refused.
    pub(super) async fn connect(&mut self, to: SocketAddrV4) -> Option<SocketHandle> {
        let handle = self.begin(to);
        self.until(handle, |socket| match socket.state() {
            State::SynSent => None,
            State::Closed => Some(None),
            _ => Some(Some(handle)),
        })
        .await
    }

    /// Sends what has been written and takes what has come.
    pub(super) fn turn(&mut self) {
        let now = now(&self.clock);
        self.interface
            .poll(now, &mut self.device, &mut self.sockets);
    }

    /// Takes part in the network until `done` says something of a socket.
    pub(super) async fn until<T>(
        &mut self,
        handle: SocketHandle,
        mut done: impl FnMut(&mut Socket<'static>) -> Option<T>,
    ) -> T {
        let waiting = async {
            loop {
                self.turn();
                if let Some(done) = done(self.sockets.get_mut(handle)) {
                    self.turn();
                    return done;
                }
                self.something().await;
            }
        };
        tokio::time::timeout(PATIENCE, waiting).await.unwrap()
    }

    /// Takes part in the network until something else is so.
    pub(super) async fn while_not(&mut self, mut done: impl FnMut() -> bool) {
        let waiting = async {
            while !done() {
                self.turn();
                // Nobody tells when it is.
                tokio::select! {
                    () = self.something() => {}
                    () = tokio::time::sleep(Duration::from_millis(2)) => {}
                }
            }
        };
        tokio::time::timeout(PATIENCE, waiting).await.unwrap();
    }

    /// Lets everybody take what is under way to him, before time is told to pass: what is taken later
    /// is something that happens later.
    pub(super) async fn settle(&mut self) {
        for _ in 0..100 {
            self.turn();
            tokio::task::yield_now().await;
        }
    }

    /// Resolves when a packet has come, or it is time to send one.
    async fn something(&mut self) {
        let delay = self.interface.poll_delay(now(&self.clock), &self.sockets);
        let due = async {
            match delay {
                Some(delay) => {
                    let delay = Duration::from_micros(delay.total_micros());
                    self.clock.sleep(delay).await;
                }
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = self.wire.0.arrived.notified() => {}
            () = due => {}
        }
    }

    /// The socket as it is.
    pub(super) fn socket(&mut self, handle: SocketHandle) -> &mut Socket<'static> {
        self.sockets.get_mut(handle)
    }

    /// Writes all of it.
    pub(super) async fn write(&mut self, handle: SocketHandle, bytes: &[u8]) {
        let mut left = bytes;
        while !left.is_empty() {
            let written = self
                .until(handle, |socket| {
                    let written = socket.send_slice(left).unwrap();
                    (written > 0).then_some(written)
                })
                .await;
            left = &left[written..];
        }
    }

    /// Reads up to the end, or so much.
    pub(super) async fn read(&mut self, handle: SocketHandle, length: usize) -> Vec<u8> {
        let mut read = Vec::new();
        while read.len() < length {
            let more = self
                .until(handle, |socket| {
                    if socket.can_recv() {
                        let most = length - read.len();
                        let take = |bytes: &mut [u8]| {
                            let taken = bytes.len().min(most);
                            (taken, bytes[..taken].to_vec())
                        };
                        return Some(socket.recv(take).unwrap());
                    }
                    (!socket.may_recv()).then(Vec::new)
                })
                .await;
            if more.is_empty() {
                break;
            }
            read.extend(more);
        }
        read
    }

    /// The next packet that is none of TCP's.
    pub(super) async fn other(&mut self) -> Vec<u8> {
        let waiting = async {
            loop {
                self.turn();
                if let Some(packet) = self.device.others.pop_front() {
                    return packet;
                }
                self.something().await;
            }
        };
        tokio::time::timeout(PATIENCE, waiting).await.unwrap()
    }

    /// Takes the network away, and waits until the other side has seen that.
    pub(super) async fn leave(mut self) {
        self.wire.cut();
        let ended = tokio::time::timeout(PATIENCE, &mut self.serving).await;
        ended.unwrap().unwrap();
    }
}

fn now(clock: &SharedClock) -> Instant {
    Instant::from_micros(i64::try_from(clock.monotonic().as_micros()).unwrap())
}

/// Hands TCP's packets to the stack and keeps the others.
struct Kernel {
    wire: Wire,
    others: VecDeque<Vec<u8>>,
}

impl Device for Kernel {
    type RxToken<'a> = Packet;
    type TxToken<'a> = Way<'a>;

    fn receive(&mut self, _: Instant) -> Option<(Packet, Way<'_>)> {
        loop {
            let packet = self.wire.0.inward.lock().pop_front()?;
            if packet[9] == 6 {
                return Some((Packet(packet), Way(&self.wire)));
            }
            self.others.push_back(packet);
        }
    }

    fn transmit(&mut self, _: Instant) -> Option<Way<'_>> {
        Some(Way(&self.wire))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ip;
        capabilities.max_transmission_unit = LONGEST;
        capabilities
    }
}

struct Packet(Vec<u8>);

impl phy::RxToken for Packet {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, work: F) -> R {
        work(&self.0)
    }
}

struct Way<'a>(&'a Wire);

impl phy::TxToken for Way<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, length: usize, work: F) -> R {
        let mut packet = vec![0; length];
        let done = work(&mut packet);
        self.0.put(packet);
        done
    }
}
