//! What a function prints, gathered from its three pipes.
//!
//! A background task empties the pipes so that a function never blocks on a full one. When an
//! invocation ends its pipes are emptied once more on the spot: whatever the function wrote before
//! it answered already lies in them, so the tail is complete without waiting.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use parking_lot::Mutex;
use sandbox::Process;
use tokio::net::unix::pipe::Receiver;

use super::frames::FrameDecoder;
use super::tail::Tail;

/// The log of one environment.
#[derive(Debug)]
pub(crate) struct Log {
    /// The log stream's name, for those who watch the engine's own log.
    stream: String,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    tail: Tail,
    frames: FrameDecoder,
    pipes: Option<Arc<Pipes>>,
}

#[derive(Debug)]
struct Pipes {
    stdout: Receiver,
    stderr: Receiver,
    telemetry: Option<Receiver>,
}

impl Log {
    /// An empty log for the stream of that name.
    pub(crate) fn new(stream: String) -> Self {
        Self {
            stream,
            state: Mutex::default(),
        }
    }

    /// Reads from the pipes of `process` from now on; those of an earlier process are dropped.
    ///
    /// # Errors
    /// The pipes cannot be watched.
    pub(crate) fn attach(self: &Arc<Self>, process: &mut Process) -> io::Result<()> {
        let receive = |fd: Option<OwnedFd>| fd.map(Receiver::from_owned_fd).transpose();
        let missing = || io::Error::from(io::ErrorKind::BrokenPipe);
        let pipes = Arc::new(Pipes {
            stdout: receive(process.stdout.take())?.ok_or_else(missing)?,
            stderr: receive(process.stderr.take())?.ok_or_else(missing)?,
            telemetry: receive(process.telemetry.take())?,
        });
        {
            let mut state = self.state.lock();
            state.frames = FrameDecoder::default();
            state.pipes = Some(Arc::clone(&pipes));
        }
        for which in 0..3 {
            if let Some(pipe) = pipes.get(which) {
                let _open = pipe;
                tokio::spawn(Arc::clone(self).pump(Arc::clone(&pipes), which));
            }
        }
        Ok(())
    }

    /// Adds a line of the platform's own.
    pub(crate) fn platform(&self, line: &str) {
        self.state.lock().record(&self.stream, line.as_bytes());
    }

    /// Empties the pipes, then adds the closing lines and returns the invocation's tail.
    pub(crate) fn finish(&self, closing: &[String]) -> Vec<u8> {
        let mut state = self.state.lock();
        state.drain(&self.stream);
        for line in closing {
            state.record(&self.stream, line.as_bytes());
        }
        let tail = state.tail.to_vec();
        state.tail.clear();
        tail
    }

    async fn pump(self: Arc<Self>, pipes: Arc<Pipes>, which: usize) {
        let Some(pipe) = pipes.get(which) else { return };
        while pipe.readable().await.is_ok() {
            if self.state.lock().read(&self.stream, pipe, which) == Flow::Ended {
                return;
            }
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Flow {
    Open,
    Ended,
}

impl Pipes {
    fn get(&self, which: usize) -> Option<&Receiver> {
        match which {
            TELEMETRY => self.telemetry.as_ref(),
            STDOUT => Some(&self.stdout),
            _ => Some(&self.stderr),
        }
    }
}

const TELEMETRY: usize = 0;
const STDOUT: usize = 1;

impl State {
    fn drain(&mut self, stream: &str) {
        let Some(pipes) = self.pipes.clone() else {
            return;
        };
        for which in 0..3 {
            if let Some(pipe) = pipes.get(which) {
                self.read(stream, pipe, which);
            }
        }
    }

    /// Takes what lies in the pipe now.
    fn read(&mut self, stream: &str, pipe: &Receiver, which: usize) -> Flow {
        let mut buffer = [0_u8; 16 << 10];
        loop {
            match pipe.try_read(&mut buffer) {
                Ok(0) => return Flow::Ended,
                Ok(n) if which == TELEMETRY => self.telemetry(stream, &buffer[..n]),
                Ok(n) => self.record(stream, &buffer[..n]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Flow::Open,
                Err(_) => return Flow::Ended,
            }
        }
    }

    fn telemetry(&mut self, stream: &str, bytes: &[u8]) {
        let Self { frames, tail, .. } = self;
        frames.feed(bytes, |record| {
            note(stream, record);
            tail.push(record);
            if !record.ends_with(b"\n") {
                tail.push(b"\n");
            }
        });
    }

    fn record(&mut self, stream: &str, bytes: &[u8]) {
        note(stream, bytes);
        self.tail.push(bytes);
    }
}

fn note(stream: &str, bytes: &[u8]) {
    tracing::debug!(target: "lambdalab::function", stream, "{}", String::from_utf8_lossy(bytes).trim_end());
}
