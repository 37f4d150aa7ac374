//! The key of a message.

/// How many bits the number of a message in its queue has: 8 trillion messages.
const NUMBER_BITS: u32 = 43;

/// The number of a queue, and a message's number in it, from 1, as one integer that SQLite orders.
///
/// Queues have 20 bits, which is a million of them over the life of a data folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Seq(pub(crate) i64);

impl Seq {
    /// Before the first message of the queue.
    pub(crate) fn start(queue: i64) -> Self {
        Self(queue << NUMBER_BITS)
    }

    /// Behind the last message that the queue can ever have.
    pub(crate) fn end(queue: i64) -> Self {
        Self(((queue + 1) << NUMBER_BITS) - 1)
    }

    /// The queue it is in.
    pub(crate) fn queue(self) -> i64 {
        self.0 >> NUMBER_BITS
    }

    /// The one that follows.
    pub(crate) fn next(self) -> Self {
        Self(self.0 + 1)
    }

    /// The sequence number of a message of a FIFO queue: 20 digits.
    pub(crate) fn sequence_number(self) -> String {
        let number = self.0 & ((1 << NUMBER_BITS) - 1);
        format!("188{number:017}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_is_a_range() {
        let first = Seq::start(7).next();
        assert_eq!(first.queue(), 7);
        assert_eq!(Seq::end(7).queue(), 7);
        assert_eq!(Seq::end(7).next(), Seq::start(8));
        assert_eq!(first.sequence_number(), "18800000000000000001");
        assert_eq!(Seq::end(7).sequence_number().len(), 20);
    }
}
