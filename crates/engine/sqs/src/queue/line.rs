//! Messages that wait to be received, in the order in which they are.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::message::Content;
use crate::seq::Seq;

/// A message in line.
#[derive(Debug, Clone)]
pub(crate) struct Waiting {
    pub(crate) seq: Seq,
    /// Its content, where that is in memory.
    pub(crate) content: Option<Arc<Content>>,
    /// When it was sent, in milliseconds since the epoch.
    pub(crate) sent: i64,
    /// How often it was received.
    pub(crate) receives: u32,
    /// When it was received first, in milliseconds since the epoch; 0 where it was not.
    pub(crate) first: i64,
    /// The group that nothing in it may overtake; standard queues have none.
    pub(crate) group: Option<Arc<str>>,
    /// Whether it was sent with a delay: such messages are read in another order.
    pub(crate) delayed: bool,
}

/// The line of a queue.
#[derive(Debug)]
pub(crate) enum Line {
    /// Whoever has waited longest.
    Standard(BTreeMap<Seq, Waiting>),
    /// Likewise, of a group of which none is held.
    Fifo(Groups),
}

impl Line {
    pub(crate) fn new(fifo: bool) -> Self {
        match fifo {
            true => Self::Fifo(Groups::default()),
            false => Self::Standard(BTreeMap::new()),
        }
    }

    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Standard(line) => line.len(),
            Self::Fifo(groups) => groups.places.len(),
        }
    }

    /// Whether somebody could be taken.
    pub(crate) fn has_next(&self) -> bool {
        match self {
            Self::Standard(line) => !line.is_empty(),
            Self::Fifo(groups) => !groups.free.is_empty(),
        }
    }

    /// Puts a message in its place.
    pub(crate) fn add(&mut self, waiting: Waiting) {
        match self {
            Self::Standard(line) => {
                line.insert(waiting.seq, waiting);
            }
            Self::Fifo(groups) => groups.add(waiting),
        }
    }

    /// Takes up to `count` messages, as many of one group as possible. They hold their groups until
    /// [`release`](Self::release).
    pub(crate) fn take(&mut self, count: usize) -> Vec<Waiting> {
        match self {
            Self::Standard(line) => {
                let first = std::iter::from_fn(|| line.pop_first()).take(count);
                first.map(|(_, waiting)| waiting).collect()
            }
            Self::Fifo(groups) => groups.take(count),
        }
    }

    /// Takes that message out of the line, which does not hold its group.
    pub(crate) fn remove(&mut self, seq: Seq) -> Option<Waiting> {
        match self {
            Self::Standard(line) => line.remove(&seq),
            Self::Fifo(groups) => groups.remove(seq),
        }
    }

    pub(crate) fn contains(&self, seq: Seq) -> bool {
        match self {
            Self::Standard(line) => line.contains_key(&seq),
            Self::Fifo(groups) => groups.places.contains_key(&seq),
        }
    }

    /// A message of that group is held that was not taken here.
    pub(crate) fn hold(&mut self, group: Option<&Arc<str>>) {
        if let (Self::Fifo(groups), Some(group)) = (self, group) {
            groups.hold(group);
        }
    }

    /// A message of that group is not held any more.
    pub(crate) fn release(&mut self, group: Option<&Arc<str>>) {
        if let (Self::Fifo(groups), Some(group)) = (self, group) {
            groups.release(group);
        }
    }
}

/// The groups of a FIFO queue.
#[derive(Debug, Default)]
pub(crate) struct Groups {
    groups: HashMap<Arc<str>, Group>,
    /// Those of which none is held and some wait, by the first that waits.
    free: BTreeMap<Seq, Arc<str>>,
    /// Which group each that waits is in.
    places: HashMap<Seq, Arc<str>>,
}

#[derive(Debug, Default)]
struct Group {
    waiting: BTreeMap<Seq, Waiting>,
    held: usize,
}

impl Group {
    fn first(&self) -> Option<Seq> {
        self.waiting.first_key_value().map(|(seq, _)| *seq)
    }
}

impl Groups {
    /// Changes a group and keeps in order what follows from it.
    fn change<T>(&mut self, name: &Arc<str>, change: impl FnOnce(&mut Group) -> T) -> T {
        let group = self.groups.entry(Arc::clone(name)).or_default();
        if let Some(first) = group.first().filter(|_| group.held == 0) {
            self.free.remove(&first);
        }
        let result = change(group);
        match (group.first(), group.held) {
            (Some(first), 0) => {
                self.free.insert(first, Arc::clone(name));
            }
            (None, 0) => {
                self.groups.remove(name);
            }
            _ => {}
        }
        result
    }

    fn add(&mut self, waiting: Waiting) {
        let name = waiting.group.clone().unwrap_or_else(|| "".into());
        self.places.insert(waiting.seq, Arc::clone(&name));
        self.change(&name, |group| {
            group.waiting.insert(waiting.seq, waiting);
        });
    }

    fn take(&mut self, count: usize) -> Vec<Waiting> {
        let mut taken = Vec::new();
        while taken.len() < count
            && let Some((_, name)) = self.free.first_key_value()
        {
            let name = Arc::clone(name);
            let room = count - taken.len();
            let next = self.change(&name, |group| {
                let next = std::iter::from_fn(|| group.waiting.pop_first()).take(room);
                let next: Vec<Waiting> = next.map(|(_, waiting)| waiting).collect();
                group.held += next.len();
                next
            });
            for waiting in &next {
                self.places.remove(&waiting.seq);
            }
            taken.extend(next);
        }
        taken
    }

    fn remove(&mut self, seq: Seq) -> Option<Waiting> {
        let name = self.places.remove(&seq)?;
        self.change(&name, |group| group.waiting.remove(&seq))
    }

    fn hold(&mut self, name: &Arc<str>) {
        self.change(name, |group| group.held += 1);
    }

    fn release(&mut self, name: &Arc<str>) {
        self.change(name, |group| group.held = group.held.saturating_sub(1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waiting(number: i64, group: &str) -> Waiting {
        Waiting {
            seq: Seq(number),
            content: None,
            sent: 0,
            receives: 0,
            first: 0,
            group: Some(group.into()),
            delayed: false,
        }
    }

    fn line(messages: &[(i64, &str)]) -> Line {
        let mut line = Line::new(true);
        for (number, group) in messages {
            line.add(waiting(*number, group));
        }
        line
    }

    fn take(line: &mut Line, count: usize) -> Vec<i64> {
        line.take(count).iter().map(|taken| taken.seq.0).collect()
    }

    #[test]
    fn a_group_is_taken_together_and_then_held() {
        let mut line = line(&[(1, "a"), (2, "b"), (3, "a"), (4, "a"), (5, "c")]);
        assert_eq!(take(&mut line, 2), [1, 3]);
        assert_eq!(take(&mut line, 10), [2, 5]);
        assert!(!line.has_next());
        line.release(Some(&"a".into()));
        assert!(!line.has_next(), "one of two is still held");
        line.release(Some(&"a".into()));
        assert_eq!(take(&mut line, 10), [4]);
    }

    #[test]
    fn what_comes_back_is_first_again() {
        let mut line = line(&[(1, "a"), (2, "a"), (3, "b")]);
        let first = line.take(1).remove(0);
        assert_eq!(take(&mut line, 1), [3]);
        line.add(first);
        line.release(Some(&"a".into()));
        assert_eq!(take(&mut line, 10), [1, 2]);
    }

    #[test]
    fn what_is_removed_does_not_hold_its_group() {
        let mut line = line(&[(1, "a"), (2, "a")]);
        assert!(line.remove(Seq(1)).is_some());
        assert!(line.remove(Seq(2)).is_some());
        assert_eq!(line.len(), 0);
        let Line::Fifo(groups) = &line else {
            panic!("it is a FIFO line")
        };
        assert!(groups.groups.is_empty() && groups.free.is_empty());
    }

    #[test]
    fn whoever_holds_from_before_blocks() {
        let mut line = line(&[(2, "a")]);
        line.hold(Some(&"a".into()));
        assert_eq!(take(&mut line, 1), [0_i64; 0]);
        line.release(Some(&"a".into()));
        assert!(line.contains(Seq(2)));
        assert_eq!(take(&mut line, 1), [2]);
    }
}
