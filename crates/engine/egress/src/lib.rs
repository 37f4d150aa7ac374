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
mod permits;
mod policy;
mod pulse;
mod resolver;
mod stack;
mod tcp;
#[cfg(test)]
mod tests;
mod tunnel;

use std::io;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use ids::{Clock, SharedClock, SharedEntropy};

pub use policy::{BeyondThisHost, Policy};

use permits::{Bounds, Pool};
use resolver::Resolver;
use tunnel::Tunnel;

/// Flows: each takes a descriptor of the engine's. A function may have 1,024 files open, and uses few
/// of them so.
const FLOWS: Bounds = Bounds {
    own: 16,
    each: 256,
    all: 2_048,
};

/// Questions for names that wait for their answer. They are apart from flows, so that who has many of
/// these can still look up names.
const QUESTIONS: Bounds = Bounds {
    own: 4,
    each: 64,
    all: 512,
};

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
    flows: Pool,
    questions: Pool,
    clock: SharedClock,
    entropy: SharedEntropy,
}

impl Nat {
    /// A NAT that carries nothing yet.
    #[must_use]
    pub fn new(options: NatOptions) -> Self {
        Self::within(options, Limits::default())
    }

    fn within(options: NatOptions, limits: Limits) -> Self {
        let servers = (options.servers, limits.name_server_port);
        Self {
            shared: Arc::new(Shared {
                policy: options.policy,
                resolver: Resolver::new(options.resolver, servers, Arc::clone(&options.clock)),
                flows: Pool::new(limits.flows),
                questions: Pool::new(limits.questions),
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
        self.shared.flows.taken()
    }
}

/// What is as it is for everybody but the tests.
#[derive(Debug, Clone, Copy)]
struct Limits {
    flows: Bounds,
    questions: Bounds,
    name_server_port: u16,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            flows: FLOWS,
            questions: QUESTIONS,
            name_server_port: resolver::PORT,
        }
    }
}

/// What `work` comes to; `None` where that takes longer than `limit`.
async fn within<T>(clock: &dyn Clock, limit: Duration, work: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        biased;
        done = work => Some(done),
        () = clock.sleep(limit) => None,
    }
}
