//! The queues that there are.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use parking_lot::RwLock;

use crate::definition::QueueKey;
use crate::queue::Queue;

/// Every queue, by name and by number.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    queues: RwLock<Queues>,
}

#[derive(Debug, Default)]
struct Queues {
    by_key: BTreeMap<QueueKey, Arc<Queue>>,
    by_id: HashMap<i64, Arc<Queue>>,
}

impl Registry {
    pub(crate) fn add(&self, queue: Arc<Queue>) {
        let mut queues = self.queues.write();
        queues.by_id.insert(queue.id, Arc::clone(&queue));
        queues.by_key.insert(queue.key.clone(), queue);
    }

    pub(crate) fn remove(&self, queue: &Queue) {
        let mut queues = self.queues.write();
        queues.by_id.remove(&queue.id);
        let is_this = |known: &Arc<Queue>| known.id == queue.id;
        if queues.by_key.get(&queue.key).is_some_and(is_this) {
            queues.by_key.remove(&queue.key);
        }
    }

    pub(crate) fn find(&self, key: &QueueKey) -> Option<Arc<Queue>> {
        self.queues.read().by_key.get(key).cloned()
    }

    pub(crate) fn all(&self) -> Vec<Arc<Queue>> {
        self.queues.read().by_key.values().cloned().collect()
    }

    /// The queues of an account and region whose names begin so and stand behind `after`, in the
    /// order of their names, up to `limit`.
    pub(crate) fn list(
        &self,
        account: &Arc<str>,
        region: &Arc<str>,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Vec<Arc<Queue>> {
        let first = QueueKey {
            account: Arc::clone(account),
            region: Arc::clone(region),
            name: after.unwrap_or(prefix).max(prefix).into(),
        };
        let queues = self.queues.read();
        queues
            .by_key
            .range(first..)
            .map(|(_, queue)| queue)
            .take_while(|queue| queue.key.account == *account && queue.key.region == *region)
            .filter(|queue| after.is_none_or(|after| &*queue.key.name > after))
            .take_while(|queue| queue.key.name.starts_with(prefix))
            .take(limit)
            .cloned()
            .collect()
    }

    /// The queues whose dead letters go to that one, in the order of their names.
    pub(crate) fn sources(&self, target: &QueueKey) -> Vec<Arc<Queue>> {
        let leads_there = |queue: &&Arc<Queue>| {
            let definition = queue.definition();
            let redrive = definition.settings.redrive.as_ref();
            redrive.is_some_and(|redrive| QueueKey::of_arn(&redrive.target) == *target)
        };
        let queues = self.queues.read();
        queues
            .by_key
            .values()
            .filter(leads_there)
            .cloned()
            .collect()
    }
}
