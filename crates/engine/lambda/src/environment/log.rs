//! What a function prints, gathered from its three pipes, for its log stream and for the tail that
//! a caller may ask for.
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

use ids::{SharedClock, Timestamp};
use parking_lot::Mutex;
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use sandbox::Process;
use serde_json::Value;

use super::frames::FrameDecoder;
use super::tail::Tail;
use super::telemetry::{Category, Telemetry};
use crate::logging::lines::{LINE_LIMIT, LineSplitter};
use crate::logging::platform::PlatformEvent;
use crate::logging::settings::LogSettings;
use crate::logging::stream::StreamWriter;

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
    settings: LogSettings,
    clock: SharedClock,
    /// What of it extensions have subscribed to.
    pub(super) telemetry: Arc<Telemetry>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    telemetry: Arc<Telemetry>,
    stream: StreamWriter,
    tail: Tail,
    stdout: LineSplitter,
    stderr: LineSplitter,
    frames: FrameDecoder,
    pipes: Option<Pipes>,
    extensions: Vec<ExtensionOutput>,
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

/// What an extension prints: it goes to the same stream.
#[derive(Debug)]
struct ExtensionOutput {
    stdout: File,
    stderr: File,
    lines: [LineSplitter; 2],
}

impl Log {
    /// An empty log that goes to `stream`.
    pub(crate) fn new(stream: StreamWriter, settings: LogSettings, clock: SharedClock) -> Self {
        let telemetry = Arc::new(Telemetry::new(Arc::clone(&clock)));
        Self {
            settings,
            clock,
            telemetry: Arc::clone(&telemetry),
            state: Mutex::new(State {
                telemetry,
                stream,
                tail: Tail::default(),
                stdout: LineSplitter::default(),
                stderr: LineSplitter::default(),
                frames: FrameDecoder::default(),
                pipes: None,
                extensions: Vec::new(),
                generation: 0,
                paused: false,
            }),
        }
    }

    fn now(&self) -> i64 {
        self.clock.now().as_millis()
    }

    /// Reads from the pipes of `process` from now on; those of an earlier process are dropped.
    ///
    /// # Errors
    /// The pipes cannot be read without blocking.
    pub(crate) fn attach(self: &Arc<Self>, process: &mut Process) -> io::Result<()> {
        let (stdout, stderr) = outputs(process)?;
        let pipes = Pipes {
            stdout,
            stderr,
            telemetry: process.telemetry.take().map(unblock).transpose()?,
        };
        self.last_words();
        let generation = {
            let mut state = self.state.lock();
            state.frames = FrameDecoder::default();
            state.pipes = Some(pipes);
            state.paused = false;
            state.generation += 1;
            state.generation
        };
        tokio::spawn(collect(Arc::downgrade(self), generation));
        Ok(())
    }

    /// Reads from the pipes of an extension's process too.
    ///
    /// # Errors
    /// The pipes cannot be read without blocking.
    pub(crate) fn attach_extension(self: &Arc<Self>, process: &mut Process) -> io::Result<()> {
        let (stdout, stderr) = outputs(process)?;
        let generation = {
            let mut state = self.state.lock();
            state.extensions.push(ExtensionOutput {
                stdout,
                stderr,
                lines: [LineSplitter::default(), LineSplitter::default()],
            });
            state.paused = false;
            state.generation += 1;
            state.generation
        };
        tokio::spawn(collect(Arc::downgrade(self), generation));
        Ok(())
    }

    /// Takes what a process that has ended left behind.
    pub(crate) fn last_words(&self) {
        let now = self.now();
        let mut state = self.state.lock();
        state.drain(now);
        state.end_lines(now);
    }

    /// Adds a line of the platform's own, behind whatever was printed before.
    pub(crate) fn platform(&self, event: &PlatformEvent<'_>) {
        let time = self.clock.now();
        let now = time.as_millis();
        let mut state = self.state.lock();
        state.drain(now);
        state.end_lines(now);
        if matches!(event, PlatformEvent::Start { .. }) {
            // What was printed while the environment was initialised is in its stream alone.
            state.tail.take();
        }
        self.publish(event, time);
        if let Some(line) = event.line(&self.settings, time) {
            state.tail.push(line.as_bytes());
            state.stream.write(now, now, line);
        }
    }

    fn publish(&self, event: &PlatformEvent<'_>, time: Timestamp) {
        if let Some(kind) = event.kind() {
            let record = || event.document();
            self.telemetry
                .publish(Category::Platform, time, kind, record);
        }
    }

    /// Ends an invocation's share: what was printed until now, of which the last part is kept.
    /// Whatever comes later belongs to the next one.
    pub(crate) fn cut(&self) -> Vec<u8> {
        let now = self.now();
        let mut state = self.state.lock();
        state.drain(now);
        state.end_lines(now);
        state.stream.answered();
        state.tail.take()
    }

    /// What was printed after the share of an invocation whose environment was lost over it, and
    /// which belongs to that invocation too.
    pub(crate) fn rest(&self) -> Vec<u8> {
        let now = self.now();
        let mut state = self.state.lock();
        state.drain(now);
        state.end_lines(now);
        state.stream.reclaim();
        state.tail.take()
    }

    /// Adds the platform's closing lines to an invocation's share and keeps its tail.
    pub(crate) fn close(&self, share: &[u8], closing: &[PlatformEvent<'_>]) -> Vec<u8> {
        let time = self.clock.now();
        closing.iter().for_each(|event| self.publish(event, time));
        let lines = closing
            .iter()
            .filter_map(|event| event.line(&self.settings, time));
        let mut tail = Tail::default();
        tail.push(share);
        let lines: Vec<String> = lines.inspect(|line| tail.push(line.as_bytes())).collect();
        self.state.lock().stream.close(time.as_millis(), lines);
        tail.take()
    }

    /// The environment is frozen: what it wrote is taken, and nobody looks until it is thawed.
    pub(crate) fn pause(&self) {
        let now = self.now();
        let mut state = self.state.lock();
        state.drain(now);
        state.paused = true;
    }

    /// The environment was thawed.
    pub(crate) fn resume(self: &Arc<Self>) {
        let generation = {
            let mut state = self.state.lock();
            if !std::mem::take(&mut state.paused) {
                return;
            }
            state.generation += 1;
            state.generation
        };
        tokio::spawn(collect(Arc::downgrade(self), generation));
    }
}

/// What a process writes to its standard output and error.
fn outputs(process: &mut Process) -> io::Result<(File, File)> {
    let missing = || io::Error::from(io::ErrorKind::BrokenPipe);
    let stdout = process.stdout.take().ok_or_else(missing)?;
    let stderr = process.stderr.take().ok_or_else(missing)?;
    Ok((unblock(stdout)?, unblock(stderr)?))
}

fn unblock(pipe: OwnedFd) -> io::Result<File> {
    let flags = fcntl_getfl(&pipe)?;
    fcntl_setfl(&pipe, flags | OFlags::NONBLOCK)?;
    Ok(File::from(pipe))
}

/// Empties the pipes at intervals until their process has ended or is frozen.
async fn collect(log: Weak<Log>, generation: u64) {
    let mut pause = INTERVAL;
    loop {
        let Some(clock) = log.upgrade().map(|log| Arc::clone(&log.clock)) else {
            return;
        };
        clock.sleep(pause).await;
        let Some(log) = log.upgrade() else { return };
        let now = log.now();
        let mut state = log.state.lock();
        let ended = state.pipes.is_none() && state.extensions.is_empty();
        if state.generation != generation || state.paused || ended {
            return;
        }
        pause = if state.drain(now) >= MUCH {
            SOON
        } else {
            INTERVAL
        };
    }
}

impl State {
    /// Takes what lies in the pipes now, and drops those whose writers are all gone. Returns how
    /// many bytes the fullest one held.
    fn drain(&mut self, now: i64) -> usize {
        let fullest = self.drain_extensions(now);
        let Some(mut pipes) = self.pipes.take() else {
            return fullest;
        };
        let Self {
            telemetry,
            stream,
            tail,
            stdout,
            stderr,
            frames,
            ..
        } = self;
        // Nothing tells the order between pipes. Prints come first: what a function logs of its
        // failure is mostly its last word.
        let mut print = |pipe: &mut File, lines: &mut LineSplitter| {
            read(pipe, |bytes| {
                tail.push(bytes);
                lines.feed(bytes, |line| {
                    telemetry.publish(Category::Function, at(now), "function", || text(&line));
                    stream.write(now, now, line);
                });
            })
        };
        let out = print(&mut pipes.stdout, stdout);
        let err = print(&mut pipes.stderr, stderr);
        let mut record = |bytes: &[u8]| {
            frames.feed(bytes, |time, record: &[u8]| {
                tail.push(record);
                if !record.ends_with(b"\n") {
                    tail.push(b"\n");
                }
                for part in record.chunks(LINE_LIMIT) {
                    let line = String::from_utf8_lossy(part).into_owned();
                    telemetry.publish(Category::Function, at(time), "function", || text(&line));
                    stream.write(time, now, line);
                }
            });
        };
        let framed = pipes.telemetry.as_mut().map(|pipe| read(pipe, &mut record));
        let framed = framed.unwrap_or(Drained {
            bytes: 0,
            ended: true,
        });
        if !(framed.ended && out.ended && err.ended) {
            self.pipes = Some(pipes);
        }
        framed.bytes.max(out.bytes).max(err.bytes).max(fullest)
    }

    /// The same for the pipes of extensions. What they print is in the stream alone: a caller sees what
    /// its function printed.
    fn drain_extensions(&mut self, now: i64) -> usize {
        let Self {
            telemetry,
            stream,
            extensions,
            ..
        } = self;
        let mut fullest = 0;
        extensions.retain_mut(|extension| {
            let [out_lines, err_lines] = &mut extension.lines;
            let mut print = |pipe: &mut File, lines: &mut LineSplitter| {
                let mut write = |line: String| {
                    telemetry.publish(Category::Extension, at(now), "extension", || text(&line));
                    stream.write(now, now, line);
                };
                let drained = read(pipe, |bytes| lines.feed(bytes, &mut write));
                if drained.ended {
                    lines.flush(&mut write);
                }
                drained
            };
            let out = print(&mut extension.stdout, out_lines);
            let err = print(&mut extension.stderr, err_lines);
            fullest = fullest.max(out.bytes).max(err.bytes);
            !(out.ended && err.ended)
        });
        fullest
    }

    /// Takes lines for whole whose ends have not come: the invocation that printed them is over.
    fn end_lines(&mut self, now: i64) {
        let Self {
            stream,
            telemetry,
            stdout,
            stderr,
            ..
        } = self;
        for lines in [stdout, stderr] {
            lines.flush(|line| {
                telemetry.publish(Category::Function, at(now), "function", || text(&line));
                stream.write(now, now, line);
            });
        }
    }
}

/// A line as the Telemetry API has it, without its line feed.
fn text(line: &str) -> Value {
    Value::from(line.strip_suffix('\n').unwrap_or(line))
}

/// The time of a line, given in milliseconds since the epoch.
fn at(millis: i64) -> Timestamp {
    Timestamp(millis.saturating_mul(1_000))
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
