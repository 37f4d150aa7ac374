//! The body of an answer: whole, or a stream that goes on while the operation does.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::stream::BoxStream;
use http_body::{Frame, SizeHint};

/// The body of an answer. It is a [`http_body::Body`], so that a server hands it on as it is.
#[derive(Default)]
pub enum Body {
    /// There is none.
    #[default]
    Empty,
    /// All of it. One buffer from the service to the socket.
    Whole(Bytes),
    /// Parts, each sent as soon as it is there. The stream ends with the operation, and dropping it
    /// (the client hung up) ends the operation. A stream that fails says so in its own form, as event
    /// streams have events for it; one without a form for it is broken off.
    Stream(BoxStream<'static, Result<Bytes, BrokenOff>>),
}

/// A body does not come to its end: the connection is closed before that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the body was broken off")]
pub struct BrokenOff;

impl Body {
    /// The bytes of a body that is not a stream.
    #[must_use]
    pub fn whole(&self) -> Option<&Bytes> {
        static NOTHING: Bytes = Bytes::new();
        match self {
            Self::Empty => Some(&NOTHING),
            Self::Whole(bytes) => Some(bytes),
            Self::Stream(_) => None,
        }
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("Empty"),
            Self::Whole(bytes) => f.debug_tuple("Whole").field(bytes).finish(),
            Self::Stream(_) => f.write_str("Stream(..)"),
        }
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        Self::Whole(bytes)
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = BrokenOff;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        match &mut *self {
            Self::Empty => Poll::Ready(None),
            Self::Whole(bytes) => {
                let bytes = std::mem::take(bytes);
                *self = Self::Empty;
                Poll::Ready((!bytes.is_empty()).then(|| Ok(Frame::data(bytes))))
            }
            Self::Stream(stream) => stream
                .as_mut()
                .poll_next(context)
                .map(|part| part.map(|bytes| bytes.map(Frame::data))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.whole().is_some_and(Bytes::is_empty)
    }

    fn size_hint(&self) -> SizeHint {
        self.whole().map_or_else(SizeHint::default, |bytes| {
            SizeHint::with_exact(bytes.len() as u64)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::{FutureExt as _, StreamExt as _, stream};
    use http_body::Body as _;

    fn frames(mut body: Body) -> Vec<Bytes> {
        let next = stream::poll_fn(move |context| Pin::new(&mut body).poll_frame(context));
        next.map(|frame| frame.unwrap().into_data().unwrap())
            .collect()
            .now_or_never()
            .unwrap()
    }

    #[test]
    fn whole_bytes_are_one_frame_of_known_size() {
        let bytes = Bytes::from_static(b"abc");
        let body = Body::from(bytes.clone());
        assert_eq!(body.size_hint().exact(), Some(3));
        assert!(!body.is_end_stream());
        let sent = frames(body);
        assert_eq!(sent.len(), 1);
        assert_eq!(sent[0].as_ptr(), bytes.as_ptr());
    }

    #[test]
    fn an_empty_body_ends_at_once() {
        for body in [Body::Empty, Body::from(Bytes::new())] {
            assert!(body.is_end_stream());
            assert_eq!(body.size_hint().exact(), Some(0));
            assert!(frames(body).is_empty());
        }
    }

    #[test]
    fn a_stream_has_no_size_and_keeps_its_parts() {
        let parts = [Bytes::from_static(b"a"), Bytes::from_static(b"b")];
        let body = Body::Stream(stream::iter(parts.clone()).map(Ok).boxed());
        assert_eq!(body.size_hint().exact(), None);
        assert!(!body.is_end_stream());
        assert_eq!(frames(body), parts);
    }
}
