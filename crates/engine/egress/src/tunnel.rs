//! One environment's traffic.

use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;

use crate::datagrams::Datagrams;
use crate::packet::{self, Ends, Kind, LONGEST, Unreachable};
use crate::permits::Share;
use crate::stack::Stack;
use crate::{Link, Shared, tcp};

/// The most packets that are taken before others get their turn.
const BATCH: usize = 64;

/// Carries the traffic of one environment. What it has started ends with it.
pub(crate) struct Tunnel<L> {
    shared: Arc<Shared>,
    link: L,
    stack: Arc<Stack>,
    flows: Share,
    questions: Share,
    datagrams: Datagrams,
    tasks: JoinSet<()>,
}

impl<L: Link> Tunnel<L> {
    pub(crate) fn new(shared: Arc<Shared>, link: L) -> Self {
        let stack = Stack::new(Arc::clone(&shared.clock), &*shared.entropy);
        let (flows, questions) = (shared.flows.share(), shared.questions.share());
        Self {
            shared,
            link,
            stack: Arc::new(stack),
            flows,
            questions,
            datagrams: Datagrams::default(),
            tasks: JoinSet::new(),
        }
    }

    /// Runs until the link is gone. Between packets, and without flows, it only waits.
    pub(crate) async fn run(mut self) -> io::Error {
        let mut buffer = Vec::new();
        loop {
            let (packets, delay) = self.stack.run();
            for packet in packets {
                self.link.send(&packet);
            }
            let sweep = self.datagrams.sweep(&*self.shared.clock);
            if self.flows.is_whole() {
                // Nothing is held for an environment that says nothing.
                buffer = Vec::new();
            }
            let pause = [delay, sweep].into_iter().flatten().min();
            tokio::select! {
                ready = poll_fn(|context| self.link.poll_ready(context)) => {
                    match ready.and_then(|()| receive(&self.link, &mut buffer)) {
                        Ok(packets) => packets.into_iter().for_each(|packet| self.take(packet)),
                        Err(error) => return error,
                    }
                }
                () = self.stack.worked() => {}
                Some(_ended) = self.tasks.join_next() => {}
                () = paused(&self.shared, pause) => {}
            }
        }
    }

    /// Takes a packet from inside.
    fn take(&mut self, packet: Vec<u8>) {
        match packet::read(&packet) {
            Some(Kind::Tcp { ends, opens: true }) => self.open(ends, packet),
            Some(Kind::Tcp { ends, .. }) => self.stack.take_of(&ends, packet),
            Some(Kind::Datagram { ends, payload }) => {
                let content = packet.get(payload).unwrap_or_default();
                if !self.datagrams.send(&ends, content, &*self.shared.clock) {
                    self.begin(ends, &packet, content);
                }
            }
            None => {}
        }
    }

    fn may_reach(&self, ends: &Ends) -> bool {
        self.shared.resolver.serves(ends.outside) || self.shared.policy.allows(*ends.outside.ip())
    }

    /// Takes a packet that asks for a TCP flow.
    fn open(&mut self, ends: Ends, packet: Vec<u8>) {
        if self.stack.is_opening(&ends) {
            return;
        }
        if self.may_reach(&ends)
            && let Some(permit) = self.flows.take()
            && self.stack.begin(ends)
        {
            let (shared, stack) = (Arc::clone(&self.shared), Arc::clone(&self.stack));
            let carried = tcp::carry(shared, stack, (ends, packet), permit);
            self.tasks.spawn(carried);
        } else {
            // Of a flow that is open, it is dealt with there; without one, it is refused.
            self.stack.take(packet);
        }
    }

    /// Takes the first datagram of a flow.
    fn begin(&mut self, ends: Ends, packet: &[u8], content: &[u8]) {
        if self.shared.resolver.serves(ends.outside) {
            return self.ask(ends, content.to_vec());
        }
        let refused = || packet::unreachable(Unreachable::Port, packet);
        let permit = self.flows.take().filter(|_| self.may_reach(&ends));
        let Some(permit) = permit else {
            return self.stack.give(refused());
        };
        let place = (&*self.shared, &self.stack);
        let opened = self
            .datagrams
            .open(ends, place, (packet, content, permit), &mut self.tasks);
        if let Err(error) = opened {
            tracing::debug!(%error, ?ends, "a flow cannot be opened");
            self.stack.give(refused());
        }
    }

    /// Forwards a question for a name. One too many is lost, for those are asked again.
    fn ask(&mut self, ends: Ends, question: Vec<u8>) {
        let Some(permit) = self.questions.take() else {
            return;
        };
        let (shared, stack) = (Arc::clone(&self.shared), Arc::clone(&self.stack));
        self.tasks.spawn(async move {
            if let Some(answer) = shared.resolver.ask(&question).await {
                stack.give(packet::datagram(ends, &answer));
            }
            drop(permit);
        });
    }
}

/// Receives what is there.
fn receive(link: &impl Link, buffer: &mut Vec<u8>) -> io::Result<Vec<Vec<u8>>> {
    let mut packets = Vec::new();
    buffer.resize(LONGEST, 0);
    while packets.len() < BATCH {
        match link.receive(buffer) {
            Ok(length) => packets.push(buffer.get(..length).unwrap_or_default().to_vec()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
            Err(error) => return Err(error),
        }
    }
    Ok(packets)
}

async fn paused(shared: &Shared, pause: Option<Duration>) {
    match pause {
        Some(pause) => shared.clock.sleep(pause).await,
        None => std::future::pending().await,
    }
}
