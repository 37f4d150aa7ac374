//! The way of a batch into its environment: by a connection to a port of its loopback.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST};
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use sandbox::SandboxError;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::subscription::Destination;
use crate::environment::Site;

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
}

/// Brings batches to one destination.
#[derive(Debug)]
pub(super) struct Courier {
    destination: Destination,
    site: Arc<Site>,
    /// The connection on which all lines go.
    lines: Option<TcpStream>,
}

impl Courier {
    pub(super) fn new(destination: Destination, site: Arc<Site>) -> Self {
        Self {
            destination,
            site,
            lines: None,
        }
    }

    /// Delivers a batch; may take as long as the environment is frozen.
    pub(super) async fn deliver(&mut self, batch: &[Bytes]) -> Result<(), NotDelivered> {
        match &self.destination {
            Destination::Http { port, path } => {
                let stream = connect(&self.site, *port).await?;
                post(stream, (*port, path), batch).await
            }
            Destination::Tcp { port } => {
                let mut stream = match self.lines.take() {
                    Some(stream) => stream,
                    None => connect(&self.site, *port).await?,
                };
                let mut lines = batch.join(&b"\n"[..]);
                lines.push(b'\n');
                stream.write_all(&lines).await?;
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

async fn post(
    stream: TcpStream,
    (port, path): (u16, &str),
    batch: &[Bytes],
) -> Result<(), NotDelivered> {
    let mut body = vec![b'['];
    body.extend(batch.join(&b","[..]));
    body.push(b']');
    let request = Request::builder()
        .method(Method::POST)
        .uri(path)
        .header(HOST, format!("sandbox.localdomain:{port}"))
        .header(CONTENT_TYPE, "application/json")
        .body(Full::new(Bytes::from(body)))?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let exchange = async {
        let answer = sender.send_request(request).await?;
        let status = answer.status();
        answer.into_body().collect().await?;
        Ok::<_, hyper::Error>(status)
    };
    // The connection makes the exchange go on; it ends with it.
    let status = tokio::select! {
        status = exchange => status?,
        ended = connection => {
            ended?;
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
    };
    if status.is_success() {
        Ok(())
    } else {
        Err(NotDelivered::Refused(status))
    }
}
