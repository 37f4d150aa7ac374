//! The engine's side of the spawner: requests out, replies and exits in.

use std::collections::HashMap;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::{mpsc, oneshot, watch};

use crate::capabilities::Capabilities;
use crate::channel::{self, MAX_MESSAGE, Received};
use crate::isolation::ScratchKit;
use crate::process::ExitReceiver;
use crate::protocol::{Ask, Done, Message, Refused, Request, decode, encode};
use crate::spawner::SpawnerLink;
use crate::spec::ExitStatus;
use crate::{SandboxError, sys};

/// A handle to the spawner. Cheap to clone; when the last is dropped, with the environments that
/// hold one, everything ends.
#[derive(Debug, Clone)]
pub struct Sandbox {
    shared: Arc<Shared>,
}

/// What the exit of a process is told through.
#[derive(Debug)]
struct Shared {
    outgoing: mpsc::UnboundedSender<Outgoing>,
    waiting: Arc<Waiting>,
    closed: watch::Receiver<bool>,
    next_number: AtomicU64,
    capabilities: Capabilities,
    scratch: Arc<ScratchKit>,
    spawner: u32,
    /// Closed with the last handle, or by the engine's death: the guard watches the other end.
    _lifeline: OwnedFd,
}

/// Those who wait for something from the spawner. Dropped senders mean that it is gone.
#[derive(Debug, Default)]
struct Waiting {
    inner: Mutex<WaitingInner>,
}

#[derive(Debug, Default)]
struct WaitingInner {
    gone: bool,
    replies: HashMap<u64, oneshot::Sender<Result<Reply, SandboxError>>>,
    exits: HashMap<u64, watch::Sender<Option<ExitStatus>>>,
}

/// An encoded request. Shown nowhere, for it may hold credentials.
struct Outgoing {
    bytes: Vec<u8>,
    descriptors: Vec<OwnedFd>,
}

/// A reply with the descriptors that came along.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) done: Done,
    pub(crate) descriptors: Vec<OwnedFd>,
}

impl Sandbox {
    pub(crate) fn connect(link: SpawnerLink) -> Result<Self, SandboxError> {
        let SpawnerLink {
            channel,
            lifeline,
            pid,
            capabilities,
            scratch,
        } = link;
        sys::set_nonblocking(&channel).map_err(Refused::to("set up the spawner's socket"))?;
        let channel = sys::watch(channel, Interest::READABLE | Interest::WRITABLE)
            .map_err(Refused::to("watch the spawner's socket"))?;
        let (outgoing, queue) = mpsc::unbounded_channel();
        let (closing, closed) = watch::channel(false);
        let waiting = Arc::new(Waiting::default());
        let driver = Driver {
            channel,
            queue,
            sending: None,
            waiting: Arc::clone(&waiting),
            closing,
        };
        tokio::spawn(driver.run());
        Ok(Self {
            shared: Arc::new(Shared {
                outgoing,
                waiting,
                closed,
                next_number: AtomicU64::new(1),
                capabilities,
                scratch: Arc::new(scratch),
                spawner: pid.as_raw().unsigned_abs(),
                _lifeline: lifeline,
            }),
        })
    }

    /// What this host lets the sandbox do.
    #[must_use]
    pub fn capabilities(&self) -> &Capabilities {
        &self.shared.capabilities
    }

    /// What makes the file systems for `/tmp`.
    pub(crate) fn scratch(&self) -> &Arc<ScratchKit> {
        &self.shared.scratch
    }

    /// The spawner's process id.
    #[must_use]
    pub fn spawner_pid(&self) -> u32 {
        self.shared.spawner
    }

    /// Resolves once the spawner is gone. Nothing can be started from then on.
    pub async fn closed(&self) {
        let mut closed = self.shared.closed.clone();
        // An error means that the driver is gone, and the connection with it.
        let _gone = closed.wait_for(|closed| *closed).await;
    }

    /// Asks and waits for the reply.
    pub(crate) async fn ask(
        &self,
        what: Ask,
        descriptors: Vec<OwnedFd>,
    ) -> Result<Reply, SandboxError> {
        let reply = self.post(self.number(), what, descriptors)?;
        reply.await.unwrap_or(Err(SandboxError::SpawnerGone))
    }

    /// Asks for a process to be started; beside the reply, gives its number and what will tell of its
    /// exit.
    pub(crate) async fn ask_to_start(
        &self,
        what: Ask,
        descriptors: Vec<OwnedFd>,
    ) -> Result<(Reply, u64, ExitReceiver), SandboxError> {
        let number = self.number();
        let (sender, receiver) = watch::channel(None);
        self.shared.waiting.lock().exits.insert(number, sender);
        let result = match self.post(number, what, descriptors) {
            Ok(reply) => reply.await.unwrap_or(Err(SandboxError::SpawnerGone)),
            Err(error) => Err(error),
        };
        if result.is_err() {
            self.shared.waiting.lock().exits.remove(&number);
        }
        Ok((result?, number, receiver))
    }

    /// Asks without waiting for the reply.
    pub(crate) fn tell(&self, what: Ask) -> Result<(), SandboxError> {
        self.post(self.number(), what, Vec::new()).map(|_| ())
    }

    fn number(&self) -> u64 {
        self.shared.next_number.fetch_add(1, Ordering::Relaxed)
    }

    fn post(
        &self,
        number: u64,
        what: Ask,
        descriptors: Vec<OwnedFd>,
    ) -> Result<oneshot::Receiver<Result<Reply, SandboxError>>, SandboxError> {
        let bytes = encode(&Request { number, what })?;
        let (sender, receiver) = oneshot::channel();
        {
            let mut waiting = self.shared.waiting.lock();
            if waiting.gone {
                return Err(SandboxError::SpawnerGone);
            }
            waiting.replies.insert(number, sender);
        }
        // When the driver has ended, it has dropped the sender that was just put there.
        let _gone = self.shared.outgoing.send(Outgoing { bytes, descriptors });
        Ok(receiver)
    }
}

impl SpawnerLink {
    /// Connects to the spawner from inside a tokio runtime, which then carries the connection.
    ///
    /// # Errors
    /// [`SandboxError::Os`] when the runtime cannot watch the socket.
    pub fn connect(self) -> Result<Sandbox, SandboxError> {
        Sandbox::connect(self)
    }
}

impl Waiting {
    fn lock(&self) -> MutexGuard<'_, WaitingInner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Owns the socket: sends what is queued, and hands what arrives to those who wait.
///
/// It receives at all times, also while the socket takes no more: the spawner reads no request
/// while it waits for room for an answer, so an engine that waited likewise would wait for ever.
struct Driver {
    channel: AsyncFd<OwnedFd>,
    queue: mpsc::UnboundedReceiver<Outgoing>,
    /// What was taken from the queue and waits for room in the socket.
    sending: Option<Outgoing>,
    waiting: Arc<Waiting>,
    closing: watch::Sender<bool>,
}

impl Driver {
    async fn run(mut self) {
        let mut buffer = vec![0; MAX_MESSAGE];
        loop {
            tokio::select! {
                biased;
                received = receive(&self.channel, &mut buffer) => {
                    let Some(received) = received else { break };
                    let bytes = buffer.get(..received.length).unwrap_or_default();
                    let Ok(message) = decode(bytes) else { break };
                    self.hand_over(message, received.descriptors);
                }
                sent = send_next(&self.channel, &mut self.queue, &mut self.sending) => {
                    if !sent { break }
                }
            }
        }
        self.part();
    }

    fn hand_over(&self, message: Message, descriptors: Vec<OwnedFd>) {
        let mut waiting = self.waiting.lock();
        // Whoever does not wait any more does not mind.
        match message {
            Message::Done { number, done } => {
                if let Some(sender) = waiting.replies.remove(&number) {
                    let _lost = sender.send(Ok(Reply { done, descriptors }));
                }
            }
            Message::Failed { number, failure } => {
                if let Some(sender) = waiting.replies.remove(&number) {
                    let _lost = sender.send(Err(failure.into()));
                }
            }
            Message::Exited { start, status } => {
                if let Some(sender) = waiting.exits.remove(&start) {
                    let _lost = sender.send(Some(status));
                }
            }
        }
    }

    fn part(self) {
        {
            let mut waiting = self.waiting.lock();
            waiting.gone = true;
            waiting.replies.clear();
            waiting.exits.clear();
        }
        let _nobody = self.closing.send(true);
    }
}

/// Receives one message; `None` when the spawner is gone.
async fn receive(channel: &AsyncFd<OwnedFd>, buffer: &mut [u8]) -> Option<Received> {
    loop {
        let mut ready = channel.readable().await.ok()?;
        match ready.try_io(|channel| channel::receive(channel.get_ref().as_fd(), buffer, false)) {
            Ok(Ok(received)) => return received,
            Ok(Err(error)) => {
                tracing::error!(%error, "the spawner's socket failed");
                return None;
            }
            Err(_would_block) => {}
        }
    }
}

/// Sends the next message; `false` when there will be none or the spawner is gone.
///
/// May be dropped and called again: the message that waits for room stays in `sending`.
async fn send_next(
    channel: &AsyncFd<OwnedFd>,
    queue: &mut mpsc::UnboundedReceiver<Outgoing>,
    sending: &mut Option<Outgoing>,
) -> bool {
    if sending.is_none() {
        *sending = queue.recv().await;
    }
    // Without handles nobody needs the spawner any more: closing the socket tells it so.
    let Some(outgoing) = sending else {
        return false;
    };
    let sent = send(channel, outgoing).await;
    *sending = None;
    sent
}

/// Sends one message; `false` when the spawner is gone.
async fn send(channel: &AsyncFd<OwnedFd>, outgoing: &Outgoing) -> bool {
    loop {
        let Ok(mut ready) = channel.writable().await else {
            return false;
        };
        let Outgoing { bytes, descriptors } = outgoing;
        match ready.try_io(|channel| channel::send(channel.get_ref().as_fd(), bytes, descriptors)) {
            Ok(result) => return result.is_ok(),
            Err(_would_block) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::thread;
    use std::time::Duration;

    use ids::{EnvironmentId, SystemEntropy};
    use nix::unistd::Pid;

    use super::*;

    /// More of either kind of message than a socket takes.
    const MANY: u64 = 2_000;

    /// A spawner that first has more to tell than the socket takes, and only then reads requests.
    fn talk_then_listen(channel: &OwnedFd) {
        let tell = |message| {
            let bytes = encode(&message).unwrap();
            // The engine hangs up once it has what it wants, and when the test has failed.
            channel::send(channel.as_fd(), &bytes, &[]).is_ok()
        };
        let status = ExitStatus {
            code: Some(0),
            signal: None,
            oom_killed: false,
        };
        if !(0..MANY).all(|start| tell(Message::Exited { start, status })) {
            return;
        }
        let mut buffer = vec![0; MAX_MESSAGE];
        while let Ok(Some(received)) = channel::receive(channel.as_fd(), &mut buffer, true) {
            let Request { number, .. } = decode(&buffer[..received.length]).unwrap();
            let done = Done::Destroyed;
            if !tell(Message::Done { number, done }) {
                return;
            }
        }
    }

    #[tokio::test]
    async fn it_receives_while_the_socket_takes_no_more_requests() {
        let (ours, theirs) = channel::pair().unwrap();
        let (_watched, lifeline) = nix::unistd::pipe().unwrap();
        let link = SpawnerLink {
            channel: ours,
            lifeline,
            pid: Pid::this(),
            capabilities: crate::probe(&crate::SpawnerOptions::default()).unwrap(),
            scratch: ScratchKit::find(),
        };
        let sandbox = link.connect().unwrap();
        let id = EnvironmentId::draw(&SystemEntropy);
        let replies: Vec<_> = (0..MANY)
            .map(|_| sandbox.post(sandbox.number(), Ask::Destroy { id }, Vec::new()))
            .collect();
        // Turns enough for the driver to fill the socket, of which nobody reads yet.
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        let spawner = thread::spawn(move || talk_then_listen(&theirs));
        let all = async {
            for reply in replies {
                let reply = reply.unwrap().await.unwrap().unwrap();
                assert!(matches!(reply.done, Done::Destroyed));
            }
        };
        let answered = tokio::time::timeout(Duration::from_secs(30), all).await;
        assert!(answered.is_ok(), "both wait for the other one to read");
        drop(sandbox);
        // The driver closes the socket in its next turn, which ends the thread.
        let ended = tokio::task::spawn_blocking(|| spawner.join()).await;
        ended.unwrap().unwrap();
    }
}
