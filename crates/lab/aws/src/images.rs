//! Container images of the engine behind a session, by way of its control API. On AWS a registry has
//! them.

use std::io::{self, Read};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use control::{HEALTH_PATH, Health, IMAGES_PATH, ImageName};
use http::Method;
use hyper::body::Frame;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use tokio::sync::mpsc;

use crate::control_client::{self, ControlError};
use crate::session::Session;

/// How much of an archive is read at a time.
const PIECE: usize = 256 << 10;
/// Pieces that may wait to be sent.
const WAITING: usize = 4;

/// What a query must not hold as it is. What names of images consist of may stand there.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'/')
    .remove(b':')
    .remove(b'@');

impl Session {
    /// Every image that has a name.
    ///
    /// # Errors
    /// The target is no engine, or does not answer.
    pub async fn images(&self) -> Result<Vec<ImageName>, ControlError> {
        control_client::get(self.engine_endpoint().await?, IMAGES_PATH).await
    }

    /// Imports the image of an archive: of the OCI's layout or from `docker save`, compressed or not.
    /// The answer has one entry for each platform.
    ///
    /// # Errors
    /// The archive cannot be read or is none; the target is no engine, or does not answer.
    pub async fn import_image(
        &self,
        archive: impl Read + Send + 'static,
        name: &str,
    ) -> Result<Vec<ImageName>, ControlError> {
        let endpoint = self.engine_endpoint().await?;
        let (sender, pieces) = mpsc::channel(WAITING);
        let reading = tokio::task::spawn_blocking(move || send(archive, &sender));
        let path = path_of(name);
        let answer = control_client::call(endpoint, Method::PUT, &path, Pieces(pieces)).await;
        // What stands in the way of reading explains a broken connection better than that itself.
        match reading.await {
            Ok(Err(error)) => Err(ControlError::Archive(error)),
            _ => answer,
        }
    }

    /// Takes a name from its image, which goes once no function uses it.
    ///
    /// # Errors
    /// There is no such name; the target is no engine, or does not answer.
    pub async fn remove_image(&self, name: &str) -> Result<(), ControlError> {
        let endpoint = self.engine_endpoint().await?;
        let nothing = http_body_util::Empty::<Bytes>::new();
        let path = path_of(name);
        let removed: Vec<ImageName> =
            control_client::call(endpoint, Method::DELETE, &path, nothing).await?;
        drop(removed);
        Ok(())
    }

    /// Where the engine is, once it has said that it is one: nothing is sent to another program.
    async fn engine_endpoint(&self) -> Result<&str, ControlError> {
        let endpoint = self
            .endpoint()
            .ok_or_else(|| ControlError::BadAddress(self.description().to_owned()))?;
        let _well: Health = control_client::get(endpoint, HEALTH_PATH).await?;
        Ok(endpoint)
    }
}

fn path_of(name: &str) -> String {
    format!("{IMAGES_PATH}?name={}", utf8_percent_encode(name, ENCODED))
}

/// Reads to the end, for as long as somebody wants it.
fn send(mut archive: impl Read, sender: &mpsc::Sender<io::Result<Bytes>>) -> io::Result<()> {
    let mut buffer = vec![0; PIECE];
    loop {
        match archive.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(length) => {
                let piece = Bytes::copy_from_slice(buffer.get(..length).unwrap_or_default());
                if sender.blocking_send(Ok(piece)).is_err() {
                    return Ok(());
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => {
                // Ends the request: half an archive must not be taken for a whole one.
                let _gone = sender.blocking_send(Err(error.kind().into()));
                return Err(error);
            }
        }
    }
}

/// A body that is sent as it is read.
struct Pieces(mpsc::Receiver<io::Result<Bytes>>);

impl hyper::body::Body for Pieces {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let piece = ready!(self.0.poll_recv(context));
        Poll::Ready(piece.map(|piece| piece.map(Frame::data)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_readable_and_nothing_else_breaks_a_query() {
        let plain = "127.0.0.1:5000/team/an_echo-1@sha256:ab";
        assert_eq!(path_of(plain), format!("{IMAGES_PATH}?name={plain}"));
        assert_eq!(
            path_of("a b&c=ä"),
            format!("{IMAGES_PATH}?name=a%20b%26c%3D%C3%A4")
        );
    }
}
