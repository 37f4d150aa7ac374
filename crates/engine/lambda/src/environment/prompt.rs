//! Acknowledging at once what a runtime streams.
//!
//! Clients that leave Nagle's algorithm on, as AWS's Rust runtime does, keep a small chunk back until
//! the one before it is acknowledged, and a kernel that has nothing to say acknowledges up to 40 ms
//! late. Answers that come as a whole do not wait for that, and pay nothing for it.

use std::io;
use std::os::fd::{AsFd as _, OwnedFd};

use tokio::net::TcpStream;

/// The socket of a connection, beside whoever reads from it.
#[derive(Debug)]
pub(super) struct Prompt(OwnedFd);

impl Prompt {
    /// That of `stream`.
    ///
    /// # Errors
    /// There are too many open files.
    pub(super) fn of(stream: &TcpStream) -> io::Result<Self> {
        Ok(Self(stream.as_fd().try_clone_to_owned()?))
    }

    /// Acknowledges what has been read. The kernel forgets that it is to do so, hence each time.
    #[cfg(target_os = "linux")]
    pub(super) fn acknowledge(&self) {
        if let Err(error) = rustix::net::sockopt::set_tcp_quickack(&self.0, true) {
            tracing::debug!(%error, "a stream is acknowledged late");
        }
    }

    /// Elsewhere that is the kernel's alone to decide.
    #[cfg(not(target_os = "linux"))]
    pub(super) fn acknowledge(&self) {}
}
