//! What is asked of a queue's messages, and what it answers.

use std::sync::Arc;

use super::delayed::Due;
use super::line::Waiting;
use crate::handle::Handle;
use crate::message::Content;
use crate::seq::Seq;

/// What the disk says of a queue's messages at the start.
#[derive(Debug, Default)]
pub(crate) struct Recovered {
    /// The last number in use.
    pub(crate) last: i64,
    pub(crate) purged: i64,
    pub(crate) total: i64,
    pub(crate) delayed: u64,
    pub(crate) last_due: i64,
    /// Those in flight, each with when it was received first, last, and is visible again.
    pub(crate) in_flight: Vec<(Waiting, Receiving)>,
}

/// One receiving of a message.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Receiving {
    pub(crate) stamp: i64,
    pub(crate) received: i64,
    pub(crate) until: i64,
}

/// What somebody wants to receive. Times are in milliseconds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Order {
    pub(crate) now: i64,
    pub(crate) count: usize,
    pub(crate) visibility: i64,
    pub(crate) retention: i64,
    /// After how many receives a message is a dead letter, where there is somewhere to bring it.
    pub(crate) max_receives: Option<u32>,
    /// Told apart from all others.
    pub(crate) stamp: i64,
}

/// What comes of it.
#[derive(Debug)]
pub(crate) enum Step {
    /// Some messages, or some that are over.
    Took(Taken),
    /// Nothing yet. Look again when the bell rings, or at that time.
    Nothing {
        next: Option<i64>,
        /// Whether the disk is being read, so that there may be some soon.
        loading: bool,
    },
    /// Too many are in flight.
    Full,
    /// The queue was deleted.
    Gone,
}

/// Messages that were taken.
#[derive(Debug, Default)]
pub(crate) struct Taken {
    pub(crate) received: Vec<Received>,
    /// Those whose time is over: to be deleted.
    pub(crate) expired: Vec<Seq>,
    /// Those that were received too often: to be moved.
    pub(crate) dead: Vec<Seq>,
    /// Whether there are more for somebody else.
    pub(crate) more: bool,
}

/// A message that was received.
#[derive(Debug, Clone)]
pub(crate) struct Received {
    pub(crate) handle: Handle,
    pub(crate) content: Option<Arc<Content>>,
    pub(crate) receives: u32,
    pub(crate) first: i64,
    pub(crate) until: i64,
}

/// What is to be read from the disk.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Load {
    /// Messages in line behind `after`, up to `upto`, their texts only where there is use for them.
    Line {
        after: Seq,
        upto: Seq,
        with_content: bool,
    },
    /// Delayed messages behind that one.
    Delayed { after: Due },
}

/// What was read.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) messages: Vec<Waiting>,
    /// How far it was read.
    pub(crate) upto: Seq,
}

/// Whether a receive can be answered as it was before.
#[derive(Debug)]
pub(crate) enum Repeated {
    /// It was not made before, or what it received is not in flight any more.
    No,
    /// It was: these.
    Yes(Vec<Received>),
}

/// What deleting by a handle comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Deletion {
    /// It is to be deleted.
    Begun,
    /// It is not there any more.
    Done,
    /// The handle is not that of the last receiving.
    Expired,
}

/// What changing a visibility by a handle comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    /// It is changed: how often the message was received, and when first.
    Done { receives: u32, first: i64 },
    /// The message is not there any more.
    Absent,
    /// The handle is not that of the last receiving.
    Expired,
    /// It would be invisible for more than twelve hours.
    TooLong,
}
