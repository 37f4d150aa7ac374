//! Messages that are not visible yet: the next ones are in memory, the rest is left to an index.

use std::collections::BTreeMap;

use super::line::Waiting;
use crate::seq::Seq;

/// When a message becomes visible, in milliseconds since the epoch, and which one.
pub(crate) type Due = (i64, Seq);

/// How many are read at a time, and half of how many are held.
pub(crate) const CHUNK: usize = 10_000;

/// Those of a queue.
#[derive(Debug, Default)]
pub(crate) struct Delayed {
    next: BTreeMap<Due, Waiting>,
    /// Where there are further ones on the disk only: all of them are behind this one.
    horizon: Option<Due>,
    /// While further ones are read: those that came meanwhile.
    arrived: Option<Vec<(Due, Waiting)>>,
    /// How many there are, in memory and on the disk.
    count: u64,
}

impl Delayed {
    /// Those of a queue of which nothing is in memory yet.
    pub(crate) fn on_disk(count: u64) -> Self {
        Self {
            horizon: (count > 0).then_some((0, Seq(0))),
            count,
            ..Self::default()
        }
    }

    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    /// Whether further ones are being read.
    pub(crate) fn is_reading(&self) -> bool {
        self.arrived.is_some()
    }

    /// One has been sent that becomes visible at `due`.
    pub(crate) fn add(&mut self, due: i64, waiting: Waiting) {
        self.count += 1;
        let due = (due, waiting.seq);
        if let Some(arrived) = &mut self.arrived {
            arrived.push((due, waiting.clone()));
        }
        if self.horizon.is_none_or(|horizon| due <= horizon) {
            self.next.insert(due, waiting);
        }
        if self.next.len() > 2 * CHUNK {
            self.next.pop_last();
            self.horizon = self.next.last_key_value().map(|(due, _)| *due);
        }
    }

    /// Takes one that is visible at `now`.
    pub(crate) fn due(&mut self, now: i64) -> Option<Waiting> {
        let first = self
            .next
            .first_entry()
            .filter(|first| first.key().0 <= now)?;
        self.count = self.count.saturating_sub(1);
        Some(first.remove())
    }

    /// When the next becomes visible, as far as that is known.
    pub(crate) fn next(&self) -> Option<i64> {
        self.next.first_key_value().map(|((due, _), _)| *due)
    }

    /// From where on further ones must be read before anything can be said of the next one; they
    /// are being read from now on.
    pub(crate) fn wants(&mut self) -> Option<Due> {
        let needed = self.next.is_empty() && !self.is_reading();
        let horizon = self.horizon.filter(|_| needed)?;
        self.arrived = Some(Vec::new());
        Some(horizon)
    }

    /// Further ones have been read, up to [`CHUNK`]; `None` where that failed. Those that are in
    /// flight are `elsewhere`: they were visible before.
    pub(crate) fn read(
        &mut self,
        found: Option<Vec<(i64, Waiting)>>,
        elsewhere: impl Fn(Seq) -> bool,
    ) {
        let arrived = self.arrived.take().unwrap_or_default();
        let Some(found) = found else { return };
        self.horizon = match found.len() < CHUNK {
            true => None,
            false => found.last().map(|(due, waiting)| (*due, waiting.seq)),
        };
        for (due, waiting) in found {
            match elsewhere(waiting.seq) {
                true => self.count = self.count.saturating_sub(1),
                false => {
                    self.next.insert((due, waiting.seq), waiting);
                }
            }
        }
        let near = arrived
            .into_iter()
            .filter(|(due, _)| self.horizon.is_none_or(|horizon| *due <= horizon));
        self.next.extend(near);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waiting(number: i64) -> Waiting {
        Waiting {
            seq: Seq(number),
            content: None,
            sent: 0,
            receives: 0,
            first: 0,
            group: None,
            delayed: true,
        }
    }

    #[test]
    fn the_rest_is_left_to_the_disk() {
        let mut delayed = Delayed::default();
        let all = 3 * CHUNK as i64;
        for number in (0..all).rev() {
            delayed.add(number + 1, waiting(number));
        }
        assert_eq!(delayed.count(), all as u64);
        assert!(delayed.next.len() <= 2 * CHUNK);
        let mut seen: Vec<i64> = Vec::new();
        loop {
            while let Some(due) = delayed.due(i64::MAX) {
                seen.push(due.seq.0);
            }
            let Some(horizon) = delayed.wants() else {
                break;
            };
            // What the index would say.
            let rest = (0..all).filter(|number| (number + 1, Seq(*number)) > horizon);
            let rest = rest.take(CHUNK).map(|number| (number + 1, waiting(number)));
            delayed.read(Some(rest.collect()), |_| false);
        }
        assert_eq!(seen, (0..all).collect::<Vec<_>>());
        assert_eq!(delayed.count(), 0);
    }

    #[test]
    fn what_arrives_while_others_are_read_is_not_lost() {
        let mut delayed = Delayed::on_disk(2);
        assert_eq!(delayed.wants(), Some((0, Seq(0))));
        assert_eq!(delayed.wants(), None, "they are being read");
        delayed.add(5, waiting(2));
        delayed.read(Some(vec![(8, waiting(3)), (9, waiting(1))]), |seq| {
            seq == Seq(3)
        });
        assert_eq!(delayed.next(), Some(5));
        assert_eq!(delayed.due(5).unwrap().seq, Seq(2));
        assert_eq!(delayed.due(9).unwrap().seq, Seq(1));
        assert_eq!(delayed.count(), 0);
    }
}
