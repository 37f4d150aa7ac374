//! The way of a batch into its environment: by a connection to a port of its loopback, which is kept
//! for the next one where the extension keeps it, too.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HOST};
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use ids::SharedClock;
use sandbox::SandboxError;
use tokio::io::{AsyncWriteExt, BufWriter};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::subscription::Destination;
use crate::environment::Site;

/// How much of an answer is read, all of it for nothing.
const ANSWER_LIMIT: usize = 64 << 10;

/// How long an extension may take over a batch, as long as its environment is not frozen.
const PATIENCE: Duration = Duration::from_secs(10);

/// Why a batch was not delivered.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotDelivered {
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
    #[error("the extension does not listen: {0}")]
    Io(#[from] io::Error),
    #[error("the extension broke off: {0}")]
    Http(#[from] hyper::Error),
    #[error("the batch cannot be sent to this address: {0}")]
    Address(#[from] http::Error),
    #[error("the extension answered {0}")]
    Refused(StatusCode),
    #[error("the extension answered more than {ANSWER_LIMIT} bytes")]
    Verbose,
    #[error("the extension did not answer in time")]
    TooSlow,
}

/// Brings batches to one destination.
#[derive(Debug)]
pub(super) struct Courier {
    destination: Destination,
    site: Arc<Site>,
    patience: Patience,
    /// The connection by which the last batch was posted.
    posts: Option<Posts>,
    /// The connection on which all lines go.
    lines: Option<BufWriter<TcpStream>>,
}

impl Courier {
    pub(super) fn new(destination: Destination, site: Arc<Site>, patience: Patience) -> Self {
        Self {
            destination,
            site,
            patience,
            posts: None,
            lines: None,
        }
    }

    /// Delivers a batch; may take as long as the environment is frozen.
    pub(super) async fn deliver(&mut self, batch: &[Bytes]) -> Result<(), NotDelivered> {
        match &self.destination {
            Destination::Http { port, path } => tokio::select! {
                delivered = post(&mut self.posts, &self.site, (*port, path), batch) => delivered,
                () = self.patience.ends(PATIENCE) => Err(NotDelivered::TooSlow),
            },
            Destination::Tcp { port } => {
                let mut stream = match self.lines.take() {
                    Some(stream) => stream,
                    None => BufWriter::new(connect(&self.site, *port).await?),
                };
                for event in batch {
                    stream.write_all(event).await?;
                    stream.write_all(b"\n").await?;
                }
                stream.flush().await?;
                self.lines = Some(stream);
                Ok(())
            }
        }
    }
}

async fn connect(site: &Site, port: u16) -> Result<TcpStream, NotDelivered> {
    let stream = TcpStream::from_std(site.sandbox.connect(port).await?)?;
    // So much tells that the connection is made, or could not be.
    stream.writable().await?;
    match stream.take_error()? {
        Some(error) => Err(error.into()),
        None => Ok(stream),
    }
}

/// Posts a batch, by the connection that was kept where that still stands.
async fn post(
    kept: &mut Option<Posts>,
    site: &Site,
    (port, path): (u16, &str),
    batch: &[Bytes],
) -> Result<(), NotDelivered> {
    if let Some(mut posts) = kept.take().filter(Posts::is_open) {
        match posts.send((port, path), batch).await {
            Ok(()) => {
                *kept = Some(posts);
                return Ok(());
            }
            // The extension has closed it. Servers do so after some idle seconds, which may be over when
            // their environment is thawed, with the batch before them unread: rather twice than never.
            Err(NotDelivered::Http(error)) => {
                tracing::debug!(%error, "a kept connection to an extension was closed");
            }
            Err(error) => return Err(error),
        }
    }
    let mut posts = Posts::over(connect(site, port).await?).await?;
    posts.send((port, path), batch).await?;
    *kept = Some(posts);
    Ok(())
}

type Frames = std::vec::IntoIter<Result<Frame<Bytes>, Infallible>>;

/// A connection by which batches are posted, one after the other.
#[derive(Debug)]
struct Posts {
    sender: SendRequest<StreamBody<stream::Iter<Frames>>>,
    /// Makes exchanges go on; ends with this.
    _connection: JoinSet<()>,
}

impl Posts {
    async fn over(stream: TcpStream) -> Result<Self, NotDelivered> {
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection to an extension ended");
            }
        });
        Ok(Self {
            sender,
            _connection: tasks,
        })
    }

    fn is_open(&self) -> bool {
        !self.sender.is_closed()
    }

    async fn send(
        &mut self,
        (port, path): (u16, &str),
        batch: &[Bytes],
    ) -> Result<(), NotDelivered> {
        let frames = array(batch);
        let length: usize = frames.iter().map(Bytes::len).sum();
        let frames: Vec<_> = frames
            .into_iter()
            .map(|part| Ok(Frame::data(part)))
            .collect();
        let request = Request::builder()
            .method(Method::POST)
            .uri(path)
            .header(HOST, format!("sandbox.localdomain:{port}"))
            .header(CONTENT_TYPE, "application/json")
            .header(CONTENT_LENGTH, length)
            .body(StreamBody::new(stream::iter(frames)))?;
        self.sender.ready().await?;
        let answer = self.sender.send_request(request).await?;
        let status = answer.status();
        let mut body = answer.into_body();
        let mut left = ANSWER_LIMIT;
        while let Some(frame) = body.frame().await {
            let length = frame?.data_ref().map_or(0, Bytes::len);
            left = left.checked_sub(length).ok_or(NotDelivered::Verbose)?;
        }
        if status.is_success() {
            Ok(())
        } else {
            Err(NotDelivered::Refused(status))
        }
    }
}

/// The events as parts of one array.
fn array(batch: &[Bytes]) -> Vec<Bytes> {
    let mut parts = Vec::with_capacity(2 * batch.len() + 1);
    for (number, event) in batch.iter().enumerate() {
        let before: &[u8] = if number == 0 { b"[" } else { b"," };
        parts.extend([Bytes::from_static(before), event.clone()]);
    }
    parts.push(Bytes::from_static(b"]"));
    parts
}

/// Time that passes only while the environment is not frozen.
#[derive(Debug, Clone)]
pub(super) struct Patience {
    pub(super) clock: SharedClock,
    pub(super) awake: watch::Receiver<bool>,
}

impl Patience {
    /// Resolves when so much of it has passed, or the environment is gone.
    async fn ends(&mut self, patience: Duration) {
        let mut left = patience;
        while self.awake.wait_for(|awake| *awake).await.is_ok() {
            let began = self.clock.monotonic();
            tokio::select! {
                () = self.clock.sleep(left) => return,
                frozen = self.awake.wait_for(|awake| !awake) => {
                    if frozen.is_err() {
                        return;
                    }
                }
            }
            left = left.saturating_sub(self.clock.monotonic().saturating_sub(began));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt as _;
    use ids::SystemClock;
    use tokio::io::AsyncReadExt;
    use tokio::net::TcpListener;

    const TO: (u16, &str) = (8080, "/telemetry");

    /// Sends two batches to one that answers each with `answer`, and tells how the second fared and
    /// what came.
    async fn exchanged(answer: &'static [u8]) -> (Result<(), NotDelivered>, String) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap())
            .await
            .unwrap();
        let (mut extension, _) = listener.accept().await.unwrap();
        let receiving = tokio::spawn(async move {
            let (mut told, mut buffer) = (Vec::new(), [0; 4096]);
            loop {
                let count = extension.read(&mut buffer).await.unwrap_or(0);
                if count == 0 {
                    return String::from_utf8(told).unwrap();
                }
                told.extend(buffer.iter().take(count));
                if told.ends_with(b"]") && extension.write_all(answer).await.is_err() {
                    return String::from_utf8(told).unwrap();
                }
            }
        });
        let mut posts = Posts::over(stream).await.unwrap();
        let events = [Bytes::from_static(b"1"), Bytes::from_static(b"{}")];
        let mut outcome = posts.send(TO, &events).await;
        if outcome.is_ok() {
            outcome = posts.send(TO, &events[..1]).await;
        }
        drop(posts);
        (outcome, receiving.await.unwrap())
    }

    #[tokio::test]
    async fn batches_go_by_one_connection() {
        let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
        let (outcome, told) = exchanged(answer).await;
        outcome.unwrap();
        assert!(told.contains("content-length: 6\r\n\r\n[1,{}]"), "{told}");
        assert!(told.contains("content-length: 3\r\n\r\n[1]"), "{told}");
    }

    #[tokio::test]
    async fn an_answer_without_end_is_given_up() {
        const ENDLESS: &[u8] = &{
            let mut answer = [b'x'; ANSWER_LIMIT + 128];
            let head = b"HTTP/1.1 200 OK\r\ncontent-length: 999999999999\r\n\r\n";
            let mut at = 0;
            while at < head.len() {
                answer[at] = head[at];
                at += 1;
            }
            answer
        };
        let (outcome, _) = exchanged(ENDLESS).await;
        assert!(matches!(outcome, Err(NotDelivered::Verbose)), "{outcome:?}");
    }

    #[tokio::test]
    async fn patience_ends_only_while_the_environment_is_not_frozen() {
        let (awake, receiver) = watch::channel(false);
        let mut patience = Patience {
            clock: SystemClock::shared(),
            awake: receiver,
        };
        {
            let mut frozen = Box::pin(patience.ends(Duration::ZERO));
            assert!(frozen.as_mut().now_or_never().is_none());
            awake.send_replace(true);
            frozen.await;
        }
        let mut long = Box::pin(patience.ends(Duration::from_secs(600)));
        assert!(long.as_mut().now_or_never().is_none());
        drop(awake);
        long.await;
    }
}
