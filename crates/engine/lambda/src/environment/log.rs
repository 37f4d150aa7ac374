//! What a function prints, gathered from its three pipes.
//!
//! When an invocation ends its pipes are emptied on the spot: whatever the function wrote before it
//! answered already lies in them, so the tail is complete without waiting. In between they are
//! emptied at intervals, so that a function does not block on a full one. They are not watched for
//! every write: a function that prints a line would wake the engine twice for each invocation.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::sync::{Arc, Weak};
use std::time::Duration;

use ids::{Clock, SharedClock};
use parking_lot::Mutex;
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use sandbox::Process;

use super::frames::FrameDecoder;
use super::tail::Tail;

/// How often pipes are emptied while a process lives: what a function prints is seen this late.
const INTERVAL: Duration = Duration::from_millis(20);

/// How soon they are emptied again where this much was found: a pipe holds 64 KiB.
const SOON: Duration = Duration::from_millis(1);
const MUCH: usize = 16 << 10;

/// How much is taken from one pipe at a time: threads that print without pause must not keep the
/// engine reading for ever.
const AT_MOST: usize = 1 << 20;

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
    pipes: Option<Pipes>,
    /// Tells the collector of an earlier process from that of the present one.
    generation: u64,
    /// While frozen, a function writes nothing, and nobody need look.
    paused: bool,
}

/// The reading ends; they never block.
#[derive(Debug)]
struct Pipes {
    stdout: File,
    stderr: File,
    telemetry: Option<File>,
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
    /// The pipes cannot be read without blocking.
    pub(crate) fn attach(
        self: &Arc<Self>,
        process: &mut Process,
        clock: &SharedClock,
    ) -> io::Result<()> {
        let missing = || io::Error::from(io::ErrorKind::BrokenPipe);
        let pipes = Pipes {
            stdout: process
                .stdout
                .take()
                .map(unblock)
                .transpose()?
                .ok_or_else(missing)?,
            stderr: process
                .stderr
                .take()
                .map(unblock)
                .transpose()?
                .ok_or_else(missing)?,
            telemetry: process.telemetry.take().map(unblock).transpose()?,
        };
        let generation = {
            let mut state = self.state.lock();
            // The last words of an earlier process.
            state.drain(&self.stream);
            state.frames = FrameDecoder::default();
            state.pipes = Some(pipes);
            state.paused = false;
            state.generation += 1;
            state.generation
        };
        tokio::spawn(collect(Arc::downgrade(self), generation, Arc::clone(clock)));
        Ok(())
    }

    /// Adds a line of the platform's own, behind whatever was printed before.
    pub(crate) fn platform(&self, line: &str) {
        let mut state = self.state.lock();
        state.drain(&self.stream);
        state.record(&self.stream, line.as_bytes());
    }

    /// Ends an invocation's share: what was printed until now, of which the last part is kept.
    /// Whatever comes later belongs to the next one.
    pub(crate) fn cut(&self) -> Vec<u8> {
        let mut state = self.state.lock();
        state.drain(&self.stream);
        state.tail.take()
    }

    /// Adds the platform's closing lines to an invocation's share and keeps its tail.
    pub(crate) fn close(&self, share: &[u8], closing: &[String]) -> Vec<u8> {
        let mut tail = Tail::default();
        tail.push(share);
        for line in closing {
            note(&self.stream, line.as_bytes());
            tail.push(line.as_bytes());
        }
        tail.take()
    }

    /// The environment is frozen: what it wrote is taken, and nobody looks until it is thawed.
    pub(crate) fn pause(&self) {
        let mut state = self.state.lock();
        state.drain(&self.stream);
        state.paused = true;
    }

    /// The environment was thawed.
    pub(crate) fn resume(self: &Arc<Self>, clock: &SharedClock) {
        let generation = {
            let mut state = self.state.lock();
            if !std::mem::take(&mut state.paused) {
                return;
            }
            state.generation += 1;
            state.generation
        };
        tokio::spawn(collect(Arc::downgrade(self), generation, Arc::clone(clock)));
    }
}

fn unblock(pipe: OwnedFd) -> io::Result<File> {
    let flags = fcntl_getfl(&pipe)?;
    fcntl_setfl(&pipe, flags | OFlags::NONBLOCK)?;
    Ok(File::from(pipe))
}

/// Empties the pipes at intervals until their process has ended or is frozen.
async fn collect(log: Weak<Log>, generation: u64, clock: SharedClock) {
    let mut pause = INTERVAL;
    loop {
        Clock::sleep(&*clock, pause).await;
        let Some(log) = log.upgrade() else { return };
        let mut state = log.state.lock();
        if state.generation != generation || state.paused || state.pipes.is_none() {
            return;
        }
        pause = if state.drain(&log.stream) >= MUCH {
            SOON
        } else {
            INTERVAL
        };
    }
}

impl State {
    /// Takes what lies in the pipes now, and drops those whose writers are all gone. Returns how
    /// many bytes the fullest one held.
    fn drain(&mut self, stream: &str) -> usize {
        let Some(mut pipes) = self.pipes.take() else {
            return 0;
        };
        // Nothing tells the order between pipes. Prints come first: what a function logs of its
        // failure is mostly its last word.
        let out = read(&mut pipes.stdout, |bytes| self.record(stream, bytes));
        let err = read(&mut pipes.stderr, |bytes| self.record(stream, bytes));
        let framed = pipes
            .telemetry
            .as_mut()
            .map(|pipe| read(pipe, |bytes| self.telemetry(stream, bytes)));
        let framed = framed.unwrap_or(Drained {
            bytes: 0,
            ended: true,
        });
        if !(framed.ended && out.ended && err.ended) {
            self.pipes = Some(pipes);
        }
        framed.bytes.max(out.bytes).max(err.bytes)
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

struct Drained {
    bytes: usize,
    /// Whether no writer is left.
    ended: bool,
}

fn read(pipe: &mut File, mut take: impl FnMut(&[u8])) -> Drained {
    let mut buffer = [0_u8; MUCH];
    let mut bytes = 0;
    loop {
        match pipe.read(&mut buffer) {
            Ok(0) => return Drained { bytes, ended: true },
            Ok(n) => {
                take(&buffer[..n]);
                bytes += n;
                if n < buffer.len() || bytes >= AT_MOST {
                    return Drained {
                        bytes,
                        ended: false,
                    };
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => {
                let ended = error.kind() != io::ErrorKind::WouldBlock;
                return Drained { bytes, ended };
            }
        }
    }
}

fn note(stream: &str, bytes: &[u8]) {
    tracing::debug!(
        target: "lambdalab::function",
        stream,
        "{}",
        String::from_utf8_lossy(bytes).trim_end()
    );
}
