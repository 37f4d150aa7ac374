//! What a queue does with its messages.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::delayed::Delayed;
use super::flight::{Flight, Flying};
use super::line::{Line, Waiting};
use super::terms::{
    Change, Deletion, Found, Load, Order, Received, Recovered, Repeated, Step, Taken,
};
use crate::handle::Handle;
use crate::message::Content;
use crate::seq::Seq;

/// How many messages of a standard queue are in line in memory. Of those behind them nothing is.
const WINDOW: usize = 10_000;

/// The same of a FIFO queue, where messages of other groups may stand behind many of one.
/// Source: <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/avoid-backlog-with-the-same-message-group-id.html>.
const FIFO_WINDOW: usize = 120_000;

/// Below that many in line, further ones are read ahead.
const LOW: usize = 500;

/// How many messages may be in flight.
/// Source: <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-queues.html>.
const MAX_IN_FLIGHT: usize = 120_000;

/// For how long a receive may be repeated, in milliseconds.
/// Source: <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ReceiveMessage.html>.
const REPEATABLE: i64 = 300_000;

/// How many receives that may be repeated are remembered before old ones are looked for.
const ATTEMPTS: usize = 1_000;

/// The messages of a queue, as far as they are in memory.
#[derive(Debug)]
pub(crate) struct State {
    fifo: bool,
    /// Whether the queue was deleted.
    pub(crate) gone: bool,
    /// The last number that was given out.
    last: Seq,
    /// Up to here every message is durable, or never will be.
    published: Seq,
    /// Up to here every message is in memory, but for delayed ones.
    cursor: Seq,
    /// Up to here there are none.
    purged: Seq,
    line: Line,
    flight: Flight,
    delayed: Delayed,
    /// Whether messages behind the cursor are being read.
    loading: bool,
    /// Those behind the cursor that were deleted since then.
    deleted: HashSet<Seq>,
    /// When the last message of a FIFO queue becomes visible: none does before it.
    last_due: i64,
    /// How many messages there are.
    total: i64,
    /// When the queue was purged, in milliseconds since the epoch.
    pub(crate) purged_at: Option<i64>,
    /// Receives that may be repeated.
    attempts: HashMap<String, (i64, Vec<Handle>)>,
}

impl State {
    pub(crate) fn new(id: i64, fifo: bool, recovered: Recovered) -> Self {
        let start = Seq::start(id);
        let purged = start.max(Seq(recovered.purged));
        let last = purged.max(Seq(recovered.last));
        let mut state = Self {
            fifo,
            gone: false,
            last,
            published: last,
            cursor: purged,
            purged,
            line: Line::new(fifo),
            flight: Flight::default(),
            delayed: Delayed::on_disk(recovered.delayed),
            loading: false,
            deleted: HashSet::new(),
            last_due: recovered.last_due,
            total: recovered.total,
            purged_at: None,
            attempts: HashMap::new(),
        };
        for (waiting, receiving) in recovered.in_flight {
            state.line.hold(waiting.group.as_ref());
            state.flight.add(Flying {
                waiting,
                stamp: receiving.stamp,
                received: receiving.received,
                until: receiving.until,
                leaving: false,
            });
        }
        state
    }

    /// How many messages are visible, in flight, and delayed.
    pub(crate) fn counts(&mut self, now: i64) -> (i64, i64, i64) {
        self.settle(now);
        let in_flight = i64::try_from(self.flight.len()).unwrap_or(i64::MAX);
        let delayed = i64::try_from(self.delayed.count()).unwrap_or(i64::MAX);
        (
            (self.total - in_flight - delayed).max(0),
            in_flight,
            delayed,
        )
    }

    /// The numbers for `count` messages. The write that makes them durable must be queued before
    /// the state is let go of.
    pub(crate) fn number(&mut self, count: usize) -> Vec<Seq> {
        let next = |_| {
            self.last = self.last.next();
            self.last
        };
        (0..count).map(next).collect()
    }

    /// When a message that is delayed by that many seconds becomes visible; 0 for at once.
    pub(crate) fn due(&mut self, now: i64, delay: i64) -> i64 {
        let due = now.saturating_add(delay.saturating_mul(1_000));
        if !self.fifo {
            return if delay > 0 { due } else { 0 };
        }
        let due = due.max(self.last_due);
        if due <= now {
            return 0;
        }
        self.last_due = due;
        due
    }

    /// Those messages are durable; those up to `upto` that are not among them never will be.
    /// Answers how many can be received at once.
    pub(crate) fn publish(&mut self, upto: Seq, messages: Vec<(i64, Waiting)>) -> usize {
        let window = if self.fifo { FIFO_WINDOW } else { WINDOW };
        let mut visible = 0;
        let mut in_memory = self.cursor == self.published;
        for (due, waiting) in messages {
            if waiting.seq <= self.purged {
                continue;
            }
            self.total += 1;
            if due > 0 {
                self.delayed.add(due, waiting);
                continue;
            }
            visible += 1;
            // From the first one on that has no room, all are behind the cursor.
            in_memory &= self.line.len() < window;
            if in_memory {
                self.cursor = waiting.seq;
                self.line.add(waiting);
            }
        }
        self.published = self.published.max(upto);
        if in_memory {
            self.cursor = self.published;
        }
        visible
    }

    /// Lets messages become visible whose time has come.
    fn settle(&mut self, now: i64) {
        while let Some(flying) = self.flight.landed(now) {
            self.give_back(flying.waiting);
        }
        while let Some(waiting) = self.delayed.due(now) {
            self.line.add(waiting);
        }
    }

    /// Puts back in line who was in flight. What is behind the cursor is read in its turn.
    fn give_back(&mut self, waiting: Waiting) {
        let group = waiting.group.clone();
        if waiting.delayed || waiting.seq <= self.cursor {
            self.line.add(waiting);
        }
        self.line.release(group.as_ref());
    }

    /// Takes messages.
    pub(crate) fn take(&mut self, order: Order) -> Step {
        if self.gone {
            return Step::Gone;
        }
        self.settle(order.now);
        if self.flight.len() >= MAX_IN_FLIGHT {
            return match self.fifo {
                true => self.nothing(),
                false => Step::Full,
            };
        }
        // Messages that are still to be read may be ahead of those that are there.
        if self.fifo && self.delayed.is_reading() {
            return self.nothing();
        }
        let mut taken = Taken::default();
        while taken.received.len() < order.count {
            let room = order.count - taken.received.len();
            let next = self.line.take(room);
            if next.is_empty() {
                break;
            }
            for waiting in next {
                self.receive(waiting, order, &mut taken);
            }
        }
        taken.more = self.line.has_next();
        let none = taken.received.is_empty() && taken.expired.is_empty() && taken.dead.is_empty();
        match none {
            true => self.nothing(),
            false => Step::Took(taken),
        }
    }

    fn nothing(&self) -> Step {
        let next = self.flight.next().into_iter().chain(self.delayed.next());
        Step::Nothing {
            next: next.min(),
            loading: self.loading || self.delayed.is_reading(),
        }
    }

    fn receive(&mut self, mut waiting: Waiting, order: Order, taken: &mut Taken) {
        let seq = waiting.seq;
        let expired = waiting.sent.saturating_add(order.retention) <= order.now;
        let dead = order
            .max_receives
            .is_some_and(|max| waiting.receives >= max);
        let content = waiting.content.take();
        let leaving = expired || dead;
        if !leaving {
            waiting.receives += 1;
            if waiting.first == 0 {
                waiting.first = order.now;
            }
        }
        let offset = i64::try_from(taken.received.len()).unwrap_or_default();
        let flying = Flying {
            stamp: order.stamp.wrapping_add(offset),
            received: order.now,
            until: order.now.saturating_add(order.visibility),
            leaving,
            waiting,
        };
        if expired {
            taken.expired.push(seq);
        } else if dead {
            taken.dead.push(seq);
        } else {
            taken.received.push(received(&flying, content));
        }
        self.flight.add(flying);
    }

    /// What should be read now; it is being read from now on.
    pub(crate) fn loads(&mut self) -> Vec<Load> {
        let mut loads = Vec::new();
        let window = if self.fifo { FIFO_WINDOW } else { WINDOW };
        let few = self.line.len() < LOW;
        let stuck = !self.line.has_next() && self.line.len() < window;
        if (few || stuck) && self.cursor < self.published && !self.loading && !self.gone {
            self.loading = true;
            loads.push(Load::Line {
                after: self.cursor,
                upto: self.published,
                with_content: few,
            });
        }
        loads.extend(self.delayed.wants().map(|after| Load::Delayed { after }));
        loads
    }

    /// Whether delayed messages are being read.
    pub(crate) fn is_reading_delayed(&self) -> bool {
        self.delayed.is_reading()
    }

    /// Messages in line have been read; `None` where that failed.
    pub(crate) fn loaded(&mut self, found: Option<Found>) {
        self.loading = false;
        let deleted = std::mem::take(&mut self.deleted);
        let Some(found) = found else { return };
        for waiting in found.messages {
            let seq = waiting.seq;
            let is_there = seq > self.cursor && !deleted.contains(&seq);
            if is_there && self.flight.find(seq).is_none() {
                self.line.add(waiting);
            }
        }
        self.cursor = self.cursor.max(found.upto);
    }

    /// Delayed messages have been read; `None` where that failed.
    pub(crate) fn delayed_loaded(&mut self, found: Option<Vec<(i64, Waiting)>>) {
        let (flight, purged) = (&self.flight, self.purged);
        self.delayed
            .read(found, |seq| seq <= purged || flight.find(seq).is_some());
    }

    /// A receive that is made again: what it received is in flight from now on anew.
    pub(crate) fn repeat(&mut self, attempt: &str, now: i64, visibility: i64) -> Repeated {
        let Some((at, handles)) = self.attempts.get(attempt) else {
            return Repeated::No;
        };
        let handles = handles.clone();
        let current = now < at.saturating_add(REPEATABLE)
            && handles.iter().all(|handle| self.in_flight(*handle));
        if !current {
            self.attempts.remove(attempt);
            return Repeated::No;
        }
        let until = now.saturating_add(visibility);
        let again = handles.iter().filter_map(|handle| {
            self.flight.set_until(handle.seq, until);
            Some(received(self.flight.find(handle.seq)?, None))
        });
        Repeated::Yes(again.collect())
    }

    /// Remembers what a receive received, so that it may be repeated.
    pub(crate) fn remember(&mut self, attempt: String, now: i64, received: &[Received]) {
        if self.attempts.len() >= ATTEMPTS {
            self.attempts
                .retain(|_, (at, _)| now < at.saturating_add(REPEATABLE));
        }
        let handles = received.iter().map(|received| received.handle).collect();
        self.attempts.insert(attempt, (now, handles));
    }

    fn in_flight(&self, handle: Handle) -> bool {
        self.flight
            .find(handle.seq)
            .is_some_and(|flying| flying.stamp == handle.stamp && !flying.leaving)
    }

    /// Begins to delete a message. It cannot be received from now on.
    pub(crate) fn delete(&mut self, handle: Handle, now: i64) -> Deletion {
        self.settle(now);
        let seq = handle.seq;
        if seq <= self.purged || seq > self.last {
            return Deletion::Done;
        }
        if let Some(flying) = self.flight.find(seq) {
            if self.fifo && flying.stamp != handle.stamp {
                return Deletion::Expired;
            }
            self.flight.set_leaving(seq, true);
            return Deletion::Begun;
        }
        if self.fifo {
            // Behind the cursor nobody knows whether it is still there; by that handle it is not.
            let is_there = seq > self.cursor || self.line.contains(seq);
            return if is_there {
                Deletion::Expired
            } else {
                Deletion::Done
            };
        }
        match self.line.remove(seq) {
            Some(waiting) => {
                self.flight.add(Flying {
                    waiting,
                    stamp: handle.stamp,
                    received: now,
                    until: now,
                    leaving: true,
                });
                Deletion::Begun
            }
            None if seq > self.cursor => {
                if self.loading {
                    self.deleted.insert(seq);
                }
                Deletion::Begun
            }
            None => Deletion::Done,
        }
    }

    /// A message in flight is being moved.
    pub(crate) fn leave(&mut self, seq: Seq) {
        self.flight.set_leaving(seq, true);
    }

    /// The last number that was given out.
    pub(crate) fn last(&self) -> Seq {
        self.last
    }

    /// The number behind which messages can be.
    pub(crate) fn start(&self) -> Seq {
        self.purged
    }

    /// Messages have left, `gone` of them in fact; or have not, because that failed.
    pub(crate) fn left(&mut self, seqs: &[Seq], gone: Option<usize>) {
        for seq in seqs {
            match gone {
                Some(_) => {
                    if let Some(flying) = self.flight.remove(*seq) {
                        self.line.release(flying.waiting.group.as_ref());
                    }
                }
                None => self.flight.set_leaving(*seq, false),
            }
        }
        let gone = i64::try_from(gone.unwrap_or_default()).unwrap_or_default();
        self.total = (self.total - gone).max(0);
    }

    /// Messages of which the sweeper says that they are not there any more.
    pub(crate) fn swept(&mut self, seqs: &[Seq]) {
        for seq in seqs {
            if self.line.remove(*seq).is_none() && *seq > self.cursor && self.loading {
                self.deleted.insert(*seq);
            }
        }
        self.left(seqs, Some(seqs.len()));
    }

    /// Changes for how long a message is invisible from now on, in milliseconds.
    pub(crate) fn change(
        &mut self,
        handle: Handle,
        now: i64,
        visibility: i64,
        limit: i64,
    ) -> Change {
        self.settle(now);
        let seq = handle.seq;
        let until = now.saturating_add(visibility);
        let found = self.flight.find(seq).filter(|flying| !flying.leaving);
        let Some(flying) = found else {
            return self.change_visible(handle, now, until);
        };
        if self.fifo && flying.stamp != handle.stamp {
            return Change::Expired;
        }
        if until.saturating_sub(flying.received) > limit {
            return Change::TooLong;
        }
        let done = Change::Done {
            receives: flying.waiting.receives,
            first: flying.waiting.first,
        };
        self.flight.set_until(seq, until);
        self.settle(now);
        done
    }

    /// The same for one that is visible again, which AWS allows in standard queues.
    fn change_visible(&mut self, handle: Handle, now: i64, until: i64) -> Change {
        if self.fifo && self.line.contains(handle.seq) {
            return Change::Expired;
        }
        let Some(waiting) = self.line.remove(handle.seq) else {
            return Change::Absent;
        };
        let done = Change::Done {
            receives: waiting.receives,
            first: waiting.first,
        };
        self.flight.add(Flying {
            waiting,
            stamp: handle.stamp,
            received: now,
            until,
            leaving: false,
        });
        self.settle(now);
        done
    }

    /// Forgets every message that has been sent so far. Answers up to which.
    pub(crate) fn purge(&mut self, now: i64) -> Seq {
        self.purged = self.last;
        self.published = self.last;
        self.cursor = self.last;
        self.line = Line::new(self.fifo);
        self.flight = Flight::default();
        self.delayed = Delayed::default();
        self.attempts.clear();
        self.total = 0;
        self.purged_at = Some(now);
        self.last
    }

    /// When the next message becomes visible, if not before.
    pub(crate) fn next_due(&self) -> Option<i64> {
        self.flight
            .next()
            .into_iter()
            .chain(self.delayed.next())
            .min()
    }
}

fn received(flying: &Flying, content: Option<Arc<Content>>) -> Received {
    Received {
        handle: Handle {
            seq: flying.waiting.seq,
            stamp: flying.stamp,
        },
        content,
        receives: flying.waiting.receives,
        first: flying.waiting.first,
        until: flying.until,
    }
}
