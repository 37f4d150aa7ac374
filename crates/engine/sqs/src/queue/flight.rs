//! Messages in flight: received, and neither deleted nor visible again.

use std::collections::{BTreeSet, HashMap};

use super::line::Waiting;
use crate::seq::Seq;

/// Those of a queue.
#[derive(Debug, Default)]
pub(crate) struct Flight {
    messages: HashMap<Seq, Flying>,
    /// Those that become visible again, by when.
    dues: BTreeSet<(i64, Seq)>,
}

/// A message in flight.
#[derive(Debug, Clone)]
pub(crate) struct Flying {
    /// Its place in line, without its content.
    pub(crate) waiting: Waiting,
    /// Tells this receiving from earlier ones.
    pub(crate) stamp: i64,
    /// When it was received, in milliseconds since the epoch.
    pub(crate) received: i64,
    /// When it becomes visible again, likewise.
    pub(crate) until: i64,
    /// Whether it is being deleted or moved: it does not become visible then.
    pub(crate) leaving: bool,
}

impl Flight {
    pub(crate) fn len(&self) -> usize {
        self.messages.len()
    }

    pub(crate) fn add(&mut self, flying: Flying) {
        if !flying.leaving {
            self.dues.insert((flying.until, flying.waiting.seq));
        }
        self.messages.insert(flying.waiting.seq, flying);
    }

    pub(crate) fn find(&self, seq: Seq) -> Option<&Flying> {
        self.messages.get(&seq)
    }

    pub(crate) fn remove(&mut self, seq: Seq) -> Option<Flying> {
        let flying = self.messages.remove(&seq)?;
        self.dues.remove(&(flying.until, seq));
        Some(flying)
    }

    /// Changes when it becomes visible again.
    pub(crate) fn set_until(&mut self, seq: Seq, until: i64) {
        if let Some(flying) = self.messages.get_mut(&seq) {
            self.dues.remove(&(flying.until, seq));
            flying.until = until;
            if !flying.leaving {
                self.dues.insert((until, seq));
            }
        }
    }

    /// It is being deleted or moved, or after all is not.
    pub(crate) fn set_leaving(&mut self, seq: Seq, leaving: bool) {
        if let Some(flying) = self.messages.get_mut(&seq) {
            flying.leaving = leaving;
            match leaving {
                true => self.dues.remove(&(flying.until, seq)),
                false => self.dues.insert((flying.until, seq)),
            };
        }
    }

    /// Takes one that is visible again at `now`.
    pub(crate) fn landed(&mut self, now: i64) -> Option<Flying> {
        let (until, seq) = *self.dues.first()?;
        if until > now {
            return None;
        }
        self.remove(seq)
    }

    /// When the next becomes visible again.
    pub(crate) fn next(&self) -> Option<i64> {
        self.dues.first().map(|(until, _)| *until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flying(number: i64, until: i64) -> Flying {
        Flying {
            waiting: Waiting {
                seq: Seq(number),
                content: None,
                sent: 0,
                receives: 1,
                first: 0,
                group: None,
                delayed: false,
            },
            stamp: 0,
            received: 0,
            until,
            leaving: false,
        }
    }

    #[test]
    fn they_land_in_the_order_of_their_time() {
        let mut flight = Flight::default();
        for (number, until) in [(1, 30), (2, 10), (3, 20)] {
            flight.add(flying(number, until));
        }
        flight.set_until(Seq(1), 5);
        flight.set_leaving(Seq(2), true);
        assert_eq!(flight.next(), Some(5));
        assert_eq!(flight.landed(4).map(|f| f.waiting.seq), None);
        let landed: Vec<_> = std::iter::from_fn(|| flight.landed(100)).collect();
        let landed: Vec<i64> = landed.iter().map(|f| f.waiting.seq.0).collect();
        assert_eq!(landed, [1, 3], "one that leaves does not land");
        flight.set_leaving(Seq(2), false);
        assert!(flight.landed(100).is_some());
        assert_eq!(flight.len(), 0);
    }
}
