//! A queue: what is in memory of it.
//!
//! [`Queue`] is the shared part: the definition, the [`State`] behind a lock, and the bell that
//! tells those who wait that something changed. The lock is held for no longer than memory takes;
//! whoever needs the disk lets go of it. [`State`] is pure: time comes in as a number.

mod delayed;
mod flight;
mod line;
mod state;
mod terms;

use std::sync::Arc;

use parking_lot::{Mutex, RwLock};
use tokio::sync::Notify;

use crate::definition::{Definition, QueueKey};

pub(crate) use delayed::{CHUNK, Due};
pub(crate) use line::Waiting;
pub(crate) use state::State;
pub(crate) use terms::{
    Change, Deletion, Found, Load, Order, Received, Receiving, Recovered, Repeated, Step, Taken,
};

/// A queue.
#[derive(Debug)]
pub(crate) struct Queue {
    /// Its number, which no other queue ever has.
    pub(crate) id: i64,
    pub(crate) key: QueueKey,
    /// When it was made, in seconds since the epoch.
    pub(crate) created: i64,
    definition: RwLock<Arc<Definition>>,
    pub(crate) state: Mutex<State>,
    /// Rings once for each message that can be received, and for all when they should look again.
    pub(crate) bell: Notify,
}

impl Queue {
    pub(crate) fn new(
        id: i64,
        key: QueueKey,
        created: i64,
        definition: Definition,
        recovered: Recovered,
    ) -> Self {
        let state = State::new(id, key.is_fifo(), recovered);
        Self {
            id,
            key,
            created,
            definition: RwLock::new(Arc::new(definition)),
            state: Mutex::new(state),
            bell: Notify::new(),
        }
    }

    pub(crate) fn definition(&self) -> Arc<Definition> {
        Arc::clone(&self.definition.read())
    }

    pub(crate) fn define(&self, definition: Definition) {
        *self.definition.write() = Arc::new(definition);
        // Who waits may wait for what is judged otherwise now.
        self.bell.notify_waiters();
    }

    /// Lets one who waits for a message look for each of `count`.
    pub(crate) fn ring(&self, count: usize) {
        for _ in 0..count {
            self.bell.notify_one();
        }
    }
}
