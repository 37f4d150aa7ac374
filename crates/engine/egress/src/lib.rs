//! Network address translation in user space: how functions reach other machines and nothing of
//! this one.
//!
//! An environment has a network of its own. What it sends beyond its loopback comes here packet by
//! packet, through a [`Link`]; here its connections end, and for each one that the [`Policy`] allows
//! the engine makes another one of its own.
//!
//! - [`Nat`] is one for the engine: what all environments share, above all the bounds.
//! - [`Nat::serve`] carries one environment's traffic until that ends.
//! - [`Policy`] says what may be reached; [`BeyondThisHost`] is the one that holds.
//!
//! Why not the kernel's NAT: that changes the host. It takes forwarding turned on and rules in the
//! firewall, which outlive a killed engine and which other programs rewrite; and from then on it is
//! the host's own rules that keep functions from its servers. Here nothing is forwarded at all, so
//! nothing can be forwarded by mistake: a connection exists when this code has made it.
//!
//! It knows nothing of functions or namespaces. IPv4 alone is carried, TCP and UDP: what functions
//! have on AWS outside of dual-stack networks.
//! Source: <https://docs.aws.amazon.com/lambda/latest/dg/configuration-vpc.html>.

mod datagrams;
mod flow;
mod packet;
mod policy;
mod resolver;
mod stack;
mod tcp;
mod tunnel;

use std::io;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::Arc;
use std::task::{Context, Poll};

use ids::{SharedClock, SharedEntropy};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

pub use policy::{BeyondThisHost, Policy};

use resolver::Resolver;
use tunnel::Tunnel;

/// The most flows of all environments together: each takes a descriptor of the engine's.
const FLOWS: usize = 2_048;

/// Where packets come from and go to, one at a time: a TUN device.
pub trait Link: Send + Sync + 'static {
    /// Resolves when there may be a packet.
    ///
    /// # Errors
    /// The link is gone.
    fn poll_ready(&self, context: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// Receives one packet, and says how long it is.
    ///
    /// # Errors
    /// `WouldBlock` where there is none; else the link is gone.
    fn receive(&self, buffer: &mut [u8]) -> io::Result<usize>;

    /// Sends one packet. Like any network it may lose some.
    fn send(&self, packet: &[u8]);
}

/// What a [`Nat`] stands on.
#[derive(Debug)]
pub struct NatOptions {
    /// What may be reached.
    pub policy: Arc<dyn Policy>,
    /// The address at which environments find a name server: questions that are sent there go on to
    /// those of this host.
    pub resolver: Ipv4Addr,
    /// The file that names them: `/etc/resolv.conf`. It is read for each question, so that it may
    /// change.
    pub servers: PathBuf,
    /// Time.
    pub clock: SharedClock,
    /// Randomness.
    pub entropy: SharedEntropy,
}

/// Carries the traffic of environments. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Nat {
    shared: Arc<Shared>,
}

/// What all environments have in common.
#[derive(Debug)]
struct Shared {
    policy: Arc<dyn Policy>,
    resolver: Resolver,
    flows: Arc<Semaphore>,
    clock: SharedClock,
    entropy: SharedEntropy,
}

impl Nat {
    /// A NAT that carries nothing yet.
    #[must_use]
    pub fn new(options: NatOptions) -> Self {
        Self {
            shared: Arc::new(Shared {
                policy: options.policy,
                resolver: Resolver::new(options.resolver, options.servers),
                flows: Arc::new(Semaphore::new(FLOWS)),
                clock: options.clock,
                entropy: options.entropy,
            }),
        }
    }

    /// Carries what comes by `link` until that is gone. Every connection of the environment's ends
    /// with the future.
    pub async fn serve(&self, link: impl Link) {
        let error = Tunnel::new(Arc::clone(&self.shared), link).run().await;
        tracing::debug!(%error, "an environment's network is gone");
    }

    /// How many flows there are, of all environments together.
    #[must_use]
    pub fn flows(&self) -> usize {
        FLOWS - self.shared.flows.available_permits()
    }
}

/// The right to one flow.
#[derive(Debug)]
struct Permit {
    _own: OwnedSemaphorePermit,
    _shared: OwnedSemaphorePermit,
}

impl Permit {
    /// Another flow of an environment that may have `own`; `None` where there are enough.
    fn take(own: &Arc<Semaphore>, shared: &Shared) -> Option<Self> {
        Some(Self {
            _own: Arc::clone(own).try_acquire_owned().ok()?,
            _shared: Arc::clone(&shared.flows).try_acquire_owned().ok()?,
        })
    }
}
