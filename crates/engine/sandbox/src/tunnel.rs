//! The engine's end of an environment's way to other machines.

use std::io;
use std::os::fd::OwnedFd;
use std::task::{Context, Poll, ready};

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::{SandboxError, protocol::Refused, sys};

/// What functions of one environment send beyond their loopback, packet by packet, and what comes
/// back: a TUN device. Without it there is no way out of the environment's network.
#[derive(Debug)]
pub struct Tunnel {
    device: AsyncFd<OwnedFd>,
}

impl Tunnel {
    pub(crate) fn watch(device: OwnedFd) -> Result<Self, SandboxError> {
        let device = sys::watch(device, Interest::READABLE | Interest::WRITABLE)
            .map_err(Refused::to("watch a tunnel"))?;
        Ok(Self { device })
    }

    /// Resolves when there may be a packet.
    ///
    /// # Errors
    /// The environment's network is gone.
    pub fn poll_ready(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let ready = ready!(self.device.poll_read_ready(context));
        Poll::Ready(ready.map(|mut guard| guard.retain_ready()))
    }

    /// Receives one packet into `buffer`, and says how long it is.
    ///
    /// # Errors
    /// `WouldBlock` where there is none; else the environment's network is gone.
    pub fn receive(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.device.try_io(Interest::READABLE, |device| {
            Ok(rustix::io::read(device, buffer)?)
        })
    }

    /// Sends one packet.
    ///
    /// # Errors
    /// It is lost, because there is no room for it or the network is gone.
    pub fn send(&self, packet: &[u8]) -> io::Result<()> {
        self.device
            .try_io(Interest::WRITABLE, |device| {
                Ok(rustix::io::write(device, packet)?)
            })
            .map(drop)
    }
}
