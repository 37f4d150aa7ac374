//! An answer that is a stream, on its way from the Runtime API to whoever called.
//!
//! Parts wait in a short queue: a caller that reads slowly slows the runtime's connection down, and
//! by it the function. The invocation ends apart from its stream, as every other one does, once the
//! runtime has written all of it.

use std::convert::Infallible;

use bytes::Bytes;
use http::HeaderValue;
use tokio::sync::{mpsc, oneshot};

/// How many parts wait for a caller. Each is what one read of the runtime's connection brought.
const QUEUE: usize = 2;

/// What a caller gets of an answer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// It begins, with this content type. Answers that are not streamed have no such part.
    Head(Option<HeaderValue>),
    /// Its next bytes.
    Data(Bytes),
}

/// What comes of a stream, at the caller's. It ends before the invocation does.
pub(crate) type Parts = mpsc::Receiver<Part>;

/// Where the Runtime API puts a stream.
#[derive(Debug)]
pub(crate) struct Outlet {
    parts: mpsc::Sender<Part>,
    _open: oneshot::Sender<Infallible>,
}

/// Resolves when the outlet has been dropped.
#[derive(Debug)]
pub(crate) struct Closed(oneshot::Receiver<Infallible>);

/// An outlet on its way to an environment.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) outlet: Outlet,
    pub(crate) closed: Closed,
}

/// An outlet, and what comes out of it.
pub(crate) fn link() -> (Link, Parts) {
    let (sender, parts) = mpsc::channel(QUEUE);
    let (open, closed) = oneshot::channel();
    let outlet = Outlet {
        parts: sender,
        _open: open,
    };
    let closed = Closed(closed);
    (Link { outlet, closed }, parts)
}

impl Outlet {
    /// Hands `part` on as soon as there is room. What a caller that hung up would have got is
    /// dropped: its function runs on.
    pub(super) async fn put(&self, part: Part) {
        let _caller_hung_up = self.parts.send(part).await;
    }
}

impl Closed {
    /// Waits for it.
    pub(crate) async fn wait(self) {
        let _nothing_is_ever_sent = self.0.await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::pin::pin;
    use std::task::{Context, Waker};

    #[tokio::test]
    async fn a_slow_caller_holds_back_and_one_that_hung_up_does_not() {
        let (Link { outlet, closed }, mut parts) = link();
        let part = || Part::Data(Bytes::from_static(b"x"));
        for _ in 0..QUEUE {
            outlet.put(part()).await;
        }
        {
            let mut context = Context::from_waker(Waker::noop());
            let mut more = pin!(outlet.put(part()));
            assert!(more.as_mut().poll(&mut context).is_pending());
            assert_eq!(parts.recv().await, Some(part()));
            more.await;
        }
        drop(parts);
        outlet.put(part()).await;
        drop(outlet);
        closed.wait().await;
    }
}
