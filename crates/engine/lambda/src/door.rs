//! Where functions reach the engine's API from a network of their own.

use std::convert::Infallible;
use std::net::TcpListener;

use tokio::sync::{mpsc, oneshot};

/// The listener of one environment, inside its network. Who receives it serves the engine's API
/// there, to that environment's functions alone.
#[derive(Debug)]
pub struct Door {
    /// Non-blocking.
    pub listener: TcpListener,
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

/// Has `listener` be served until the latch is dropped.
pub(crate) fn open(listener: TcpListener, doors: &Doors) -> Latch {
    let (closes, closed) = oneshot::channel();
    // Nobody takes it any more only while the engine stops.
    let _stopping = doors.send(Door { listener, closed });
    Latch { _closes: closes }
}
