//! Chains of events: what `previousEventId` points at.
//!
//! AWS's histories are one chain for the machine and one for each branch and iteration, with these
//! exceptions, all of which the recordings show:
//!
//! - The first event of a machine's first state points at 0, not at ExecutionStarted.
//! - `MapRunSucceeded`, and the `Succeeded` of Map and Parallel, stand *aside*: each points at the event
//!   before it, aside or not, and what follows in the chain points past them.
//! - `MapIterationFailed`, `MapIterationAborted` and the `Aborted` of states stand *beside* the event that
//!   the failure ended with: all of them point at that one, and so does what follows.
//! - `EvaluationFailed` right after a state was entered points at what that event points at.

use serde::{Deserialize, Serialize};

/// The end of a chain.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chain {
    /// What the next event points at.
    last: u64,
    /// What the next event that stands aside points at.
    tail: u64,
    /// What `last` points at, for the one event that has need of it.
    before: u64,
}

impl Chain {
    /// A chain that goes on where another one stands.
    pub fn after(event: u64) -> Self {
        Self {
            last: event,
            tail: event,
            before: event,
        }
    }

    /// The last event that counts.
    pub fn last(&self) -> u64 {
        self.last
    }

    /// What the last event points at.
    pub fn before(&self) -> u64 {
        self.before
    }

    /// Adds an event: what it points at.
    pub fn push(&mut self, id: u64) -> u64 {
        self.before = self.last;
        self.last = id;
        self.tail = id;
        self.before
    }

    /// Adds an event that stands aside: what it points at.
    pub fn push_aside(&mut self, id: u64) -> u64 {
        std::mem::replace(&mut self.tail, id)
    }
}
