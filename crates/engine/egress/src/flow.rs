//! One TCP flow's inner end, as a stream of bytes.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use smoltcp::iface::SocketHandle;
use smoltcp::socket::tcp::{RecvError, Socket, State};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::packet::Ends;
use crate::permits::Permit;
use crate::pulse::Pulse;
use crate::stack::Stack;

/// The inner end of a flow. Dropped before [`Flow::end`], it is reset.
#[derive(Debug)]
pub(crate) struct Flow {
    stack: Arc<Stack>,
    handle: SocketHandle,
    ends: Ends,
    pulse: Arc<Pulse>,
    permit: Option<Permit>,
    ending: Ending,
}

/// How a flow ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// Both sides have said all they had to say.
    InOrder,
    /// With a reset.
    BrokenOff,
    /// Without a word.
    Forgotten,
}

impl Flow {
    pub(crate) fn new(
        stack: Arc<Stack>,
        (handle, ends): (SocketHandle, Ends),
        pulse: Arc<Pulse>,
        permit: Permit,
    ) -> Self {
        Self {
            stack,
            handle,
            ends,
            pulse,
            permit: Some(permit),
            ending: Ending::BrokenOff,
        }
    }

    /// Ends it so.
    pub(crate) fn end(mut self, ending: Ending) {
        self.ending = ending;
    }
}

impl Drop for Flow {
    fn drop(&mut self) {
        match self.ending {
            Ending::InOrder => {}
            Ending::BrokenOff => self.stack.with(self.handle, Socket::abort),
            Ending::Forgotten => return self.stack.drop_flow(&self.ends, self.handle),
        }
        if let Some(permit) = self.permit.take() {
            self.stack.leave(self.ends, self.handle, permit);
        }
    }
}

/// Whether the handshake is not over yet.
fn is_opening(socket: &Socket<'_>) -> bool {
    matches!(socket.state(), State::Listen | State::SynReceived)
}

impl AsyncRead for Flow {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = self.stack.look(self.handle, |socket| {
            if is_opening(socket) || (socket.may_recv() && !socket.can_recv()) {
                socket.register_recv_waker(context.waker());
                return Poll::Pending;
            }
            let read = socket.recv(|received| {
                let length = received.len().min(buffer.remaining());
                buffer.put_slice(received.get(..length).unwrap_or_default());
                (length, ())
            });
            Poll::Ready(match read {
                Ok(()) | Err(RecvError::Finished) => Ok(()),
                Err(RecvError::InvalidState) => Err(io::ErrorKind::ConnectionReset.into()),
            })
        });
        if read.is_ready() {
            // There is room for more, of which the other side may have to be told.
            self.stack.nudge();
            match buffer.filled().len() > before {
                true => self.pulse.beat(),
                false => self.pulse.half_close(),
            }
        }
        read
    }
}

impl AsyncWrite for Flow {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = self.stack.look(self.handle, |socket| {
            if is_opening(socket) || (socket.may_send() && !socket.can_send()) {
                socket.register_send_waker(context.waker());
                return Poll::Pending;
            }
            let sent = socket.send_slice(bytes);
            Poll::Ready(sent.map_err(|_| io::ErrorKind::BrokenPipe.into()))
        });
        if written.is_ready() {
            self.pulse.beat();
            self.stack.nudge();
        }
        written
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    /// What was written before is still sent.
    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.pulse.half_close();
        self.stack.with(self.handle, Socket::close);
        Poll::Ready(Ok(()))
    }
}
