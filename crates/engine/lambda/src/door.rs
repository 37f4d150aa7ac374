//! Where functions reach the engine's API from a network of their own, and other machines by it.

use std::convert::Infallible;
use std::net::TcpListener;

use sandbox::Tunnel;
use tokio::sync::{mpsc, oneshot};

/// What leads out of one environment's network. Who receives it serves the engine's API at the
/// listener, to that environment's functions alone, and carries what comes by the tunnel.
#[derive(Debug)]
pub struct Door {
    /// Inside that network, non-blocking.
    pub listener: TcpListener,
    /// The way to other machines, where there is one.
    pub tunnel: Option<Tunnel>,
    /// Resolves, with an error, when the environment has ended.
    pub closed: oneshot::Receiver<Infallible>,
}

/// Takes the doors of new environments.
pub type Doors = mpsc::UnboundedSender<Door>;

/// Keeps a door open.
#[derive(Debug)]
pub(crate) struct Latch {
    _closes: oneshot::Sender<Infallible>,
}

/// Has what leads out of an environment's network be served until the latch is dropped; `None` where
/// it shares the host's.
pub(crate) fn open(sandbox: &mut sandbox::Environment, doors: &Doors) -> Option<Latch> {
    let listener = sandbox.take_door()?;
    let (closes, closed) = oneshot::channel();
    let tunnel = sandbox.take_tunnel().unwrap_or_else(|error| {
        tracing::warn!(%error, "functions of an environment cannot reach other machines");
        None
    });
    let door = Door {
        listener,
        tunnel,
        closed,
    };
    // Nobody takes it any more only while the engine stops.
    let _stopping = doors.send(door);
    Some(Latch { _closes: closes })
}
