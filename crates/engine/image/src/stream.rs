//! What comes in pieces over the network, for what reads and blocks.

use std::io::{self, Read};

use bytes::{Buf, Bytes};
use tokio::sync::mpsc;

/// Pieces that may wait to be read: what is sent faster than it is written down waits.
const WAITING: usize = 16;

/// An archive that comes in pieces. The last one is told by the sender's end.
#[derive(Debug)]
pub struct Upload {
    pieces: mpsc::Receiver<io::Result<Bytes>>,
    current: Bytes,
}

impl Upload {
    /// With the end that takes the pieces. An error among them is what the reader gets.
    #[must_use]
    pub fn new() -> (mpsc::Sender<io::Result<Bytes>>, Self) {
        let (sender, pieces) = mpsc::channel(WAITING);
        let upload = Self {
            pieces,
            current: Bytes::new(),
        };
        (sender, upload)
    }
}

impl Read for Upload {
    /// Blocks the thread, which must not be one that runs tasks.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.current.is_empty() {
            match self.pieces.blocking_recv() {
                Some(piece) => self.current = piece?,
                None => return Ok(0),
            }
        }
        let length = self.current.len().min(buffer.len());
        self.current
            .copy_to_slice(buffer.get_mut(..length).unwrap_or_default());
        Ok(length)
    }
}
