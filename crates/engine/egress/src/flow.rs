//! One TCP flow's inner end, as a stream of bytes.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use smoltcp::iface::SocketHandle;
use smoltcp::socket::tcp::{RecvError, Socket, State};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::Permit;
use crate::packet::Ends;
use crate::stack::Stack;

/// The inner end of a flow. Dropped before [`Flow::finish`], it is reset.
#[derive(Debug)]
pub(crate) struct Flow {
    stack: Arc<Stack>,
    handle: SocketHandle,
    ends: Ends,
    permit: Option<Permit>,
    finished: bool,
}

impl Flow {
    pub(crate) fn new(stack: Arc<Stack>, handle: SocketHandle, ends: Ends, permit: Permit) -> Self {
        Self {
            stack,
            handle,
            ends,
            permit: Some(permit),
            finished: false,
        }
    }

    /// Both sides have said all they had to say.
    pub(crate) fn finish(mut self) {
        self.finished = true;
    }
}

impl Drop for Flow {
    fn drop(&mut self) {
        if !self.finished {
            self.stack.with(self.handle, Socket::abort);
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
            self.stack.nudge();
        }
        written
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    /// What was written before is still sent.
    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stack.with(self.handle, Socket::close);
        Poll::Ready(Ok(()))
    }
}
