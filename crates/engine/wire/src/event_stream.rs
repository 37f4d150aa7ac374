//! Answers that are a stream of events (`application/vnd.amazon.eventstream`).
//!
//! An operation with such an answer has an output with an [`EventStream`] in it, and its events are
//! a generated enum that implements [`Event`]. Each event is framed and sent as soon as the stream
//! has it. An error ends the stream with an exception event: the status was sent long ago.
//!
//! Format: <https://smithy.io/2.0/aws/amazon-eventstream.html>.

use std::fmt;

use aws_smithy_eventstream::frame::write_message_to;
use aws_smithy_types::event_stream::{Header, HeaderValue as Value, Message};
use bytes::{Bytes, BytesMut};
use futures_util::stream::{self, BoxStream};
use futures_util::{Stream, StreamExt as _};
use http::HeaderValue;
use serde::Serialize;

use crate::protocol::rest_json::{write as write_json, write_error};
use crate::{Body, ServiceError};

/// The media type of such a body.
pub(crate) const CONTENT_TYPE: HeaderValue =
    HeaderValue::from_static("application/vnd.amazon.eventstream");

const JSON: &str = "application/json";

/// One event of an operation's stream.
pub trait Event: Send + 'static {
    /// The event as a frame.
    ///
    /// # Errors
    /// An internal error when it cannot be written.
    fn frame(self) -> Result<Frame, ServiceError>;
}

/// The events of an answer, as they come.
///
/// The stream ends after its first error. It is dropped when the client hangs up.
pub struct EventStream<E>(BoxStream<'static, Result<E, ServiceError>>);

impl<E> EventStream<E> {
    /// The events of `stream`.
    pub fn new(stream: impl Stream<Item = Result<E, ServiceError>> + Send + 'static) -> Self {
        Self(stream.boxed())
    }

    /// The stream itself, for who reads it in process.
    #[must_use]
    pub fn into_inner(self) -> BoxStream<'static, Result<E, ServiceError>> {
        self.0
    }
}

impl<E: Send + 'static> Default for EventStream<E> {
    fn default() -> Self {
        Self::new(stream::empty())
    }
}

impl<E> fmt::Debug for EventStream<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EventStream(..)")
    }
}

/// A framed event.
#[derive(Debug, Clone, PartialEq)]
pub struct Frame(Bytes);

impl Frame {
    /// An event whose members are a JSON document.
    ///
    /// # Errors
    /// An internal error when they cannot be written.
    pub fn document<T: Serialize>(kind: &'static str, event: &T) -> Result<Self, ServiceError> {
        Self::new("event", ":event-type", kind, JSON, write_json(event)?)
    }

    /// An event that is one blob.
    ///
    /// # Errors
    /// An internal error when it is too long for a frame.
    pub fn payload(kind: &'static str, payload: Option<Bytes>) -> Result<Self, ServiceError> {
        let payload = payload.unwrap_or_default();
        Self::new(
            "event",
            ":event-type",
            kind,
            "application/octet-stream",
            payload,
        )
    }

    fn exception(error: &ServiceError) -> Result<Self, ServiceError> {
        let payload = write_error(error, None);
        Self::new("exception", ":exception-type", &error.code, JSON, payload)
    }

    fn new(
        message_type: &'static str,
        kind_header: &'static str,
        kind: &str,
        content_type: &str,
        payload: Bytes,
    ) -> Result<Self, ServiceError> {
        let text = |text: &str| Value::String(text.to_owned().into());
        let message = Message::new(payload)
            .add_header(Header::new(":message-type", text(message_type)))
            .add_header(Header::new(kind_header, text(kind)))
            .add_header(Header::new(":content-type", text(content_type)));
        let mut frame = BytesMut::new();
        write_message_to(&message, &mut frame)
            .map_err(|error| ServiceError::internal(format!("event {kind}: {error}")))?;
        Ok(Self(frame.freeze()))
    }
}

/// The event with which the protocols that have no place for members in headers begin.
pub(crate) fn initial_response(
    document: Bytes,
    content_type: &HeaderValue,
) -> Result<Frame, ServiceError> {
    let content_type = content_type.to_str().unwrap_or(JSON);
    Frame::new(
        "event",
        ":event-type",
        "initial-response",
        content_type,
        document,
    )
}

/// The events as a body, behind the first one.
pub(crate) fn body<E: Event>(first: Option<Frame>, events: EventStream<E>) -> Body {
    let framed = events.0.map(|event| event.and_then(E::frame));
    let until_error = framed.scan(false, |failed, frame| {
        let next = (!*failed).then(|| {
            *failed = frame.is_err();
            frame.or_else(|error| Frame::exception(&error))
        });
        std::future::ready(next)
    });
    // An exception that cannot be framed leaves nothing to say.
    let bytes = until_error.filter_map(|frame| std::future::ready(frame.ok().map(|f| f.0)));
    Body::Stream(
        stream::iter(first.map(|frame| frame.0))
            .chain(bytes)
            .map(Ok)
            .boxed(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_smithy_eventstream::frame::read_message_from;

    #[derive(Debug)]
    enum Weather {
        Rain(&'static str),
        Hail(Bytes),
    }

    impl Event for Weather {
        fn frame(self) -> Result<Frame, ServiceError> {
            match self {
                Self::Rain(where_) => Frame::document("rain", &where_),
                Self::Hail(stones) => Frame::payload("hail", Some(stones)),
            }
        }
    }

    /// Headers without their colons, and the payload.
    fn read(frame: &Bytes) -> (Vec<String>, Bytes) {
        let message = read_message_from(frame.clone()).unwrap();
        let headers = message.headers().iter().map(|header| {
            let value = header.value().as_string().unwrap().as_str().to_owned();
            format!("{}={value}", header.name().as_str())
        });
        (headers.collect(), message.payload().clone())
    }

    async fn frames(body: Body) -> Vec<(Vec<String>, Bytes)> {
        let Body::Stream(stream) = body else {
            panic!("no stream");
        };
        stream.map(|frame| read(&frame.unwrap())).collect().await
    }

    #[tokio::test]
    async fn events_are_framed_one_by_one() {
        let first = initial_response("{}".into(), &HeaderValue::from_static("application/x"));
        let events = EventStream::new(stream::iter([
            Ok(Weather::Rain("here")),
            Ok(Weather::Hail("\x00o".into())),
        ]));
        let frames = frames(body(Some(first.unwrap()), events)).await;
        let headers = |kind: &str, content: &str| {
            vec![
                ":message-type=event".to_owned(),
                format!(":event-type={kind}"),
                format!(":content-type={content}"),
            ]
        };
        assert_eq!(
            frames,
            [
                (headers("initial-response", "application/x"), "{}".into()),
                (headers("rain", "application/json"), "\"here\"".into()),
                (headers("hail", "application/octet-stream"), "\x00o".into()),
            ]
        );
    }

    #[tokio::test]
    async fn an_error_is_the_last_event() {
        let events = EventStream::<Weather>::new(stream::iter([
            Err(ServiceError::new("SessionTimeoutException", 400, "enough")),
            Ok(Weather::Rain("never")),
        ]));
        let frames = frames(body(None, events)).await;
        assert_eq!(frames.len(), 1);
        let (headers, payload) = &frames[0];
        assert_eq!(headers[0], ":message-type=exception");
        assert_eq!(headers[1], ":exception-type=SessionTimeoutException");
        assert_eq!(payload, r#"{"message":"enough"}"#);
    }
}
