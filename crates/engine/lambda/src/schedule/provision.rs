//! What is provisioned: environments that are kept initialised for one version.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};

use ids::RequestId;
use parking_lot::{Mutex, RwLock};
use tokio::sync::Notify;

use crate::function::key::FunctionKey;

/// Environments that are kept initialised for one version.
#[derive(Debug)]
pub(crate) struct Provision {
    requested: AtomicU32,
    /// Environments that there are.
    ready: AtomicU32,
    /// Invocations that have taken one.
    used: AtomicU32,
    /// Why no more can be made.
    failure: Mutex<Option<String>>,
    ended: AtomicBool,
    /// Told when something of it has changed.
    pub(crate) changed: Notify,
}

/// How far a provision has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Progress {
    /// Environments are still to be made, or to be ended.
    Underway,
    /// All are there.
    Ready,
    /// Those that are missing cannot be made.
    Failed(String),
}

impl Provision {
    /// None is there yet, and `requested` are wanted.
    pub(crate) fn new(requested: u32) -> Self {
        Self {
            requested: AtomicU32::new(requested),
            ready: AtomicU32::new(0),
            used: AtomicU32::new(0),
            failure: Mutex::default(),
            ended: AtomicBool::new(false),
            changed: Notify::new(),
        }
    }

    /// Takes one of them for an invocation; `None` where all are taken.
    pub(crate) fn take(this: &Arc<Self>) -> Option<Slot> {
        let ready = this.ready.load(Ordering::Relaxed);
        one_more(&this.used, ready).then(|| Slot(Arc::clone(this)))
    }

    /// Wants another number of them.
    pub(crate) fn request(&self, count: u32) {
        self.requested.store(count, Ordering::SeqCst);
        *self.failure.lock() = None;
        self.changed.notify_one();
    }

    /// How many are wanted.
    pub(crate) fn requested(&self) -> u32 {
        self.requested.load(Ordering::SeqCst)
    }

    /// How many are there.
    pub(crate) fn ready(&self) -> u32 {
        self.ready.load(Ordering::SeqCst)
    }

    /// One was initialised.
    pub(crate) fn came(&self) {
        self.ready.fetch_add(1, Ordering::SeqCst);
        *self.failure.lock() = None;
    }

    /// One is gone.
    pub(crate) fn went(&self) {
        self.ready.fetch_sub(1, Ordering::SeqCst);
        self.changed.notify_one();
    }

    /// None can be made, for that reason.
    pub(crate) fn fail(&self, reason: String) {
        *self.failure.lock() = Some(reason);
    }

    /// Whether none can be made at the moment.
    pub(crate) fn has_failed(&self) -> bool {
        self.failure.lock().is_some()
    }

    /// None are wanted any more: what there is ends as it gets idle.
    pub(crate) fn end(&self) {
        self.ended.store(true, Ordering::SeqCst);
        self.changed.notify_one();
    }

    /// Whether none are wanted any more.
    pub(crate) fn is_ended(&self) -> bool {
        self.ended.load(Ordering::SeqCst)
    }

    /// How far it has come.
    pub(crate) fn progress(&self) -> Progress {
        if self.ready() == self.requested() {
            return Progress::Ready;
        }
        match &*self.failure.lock() {
            Some(reason) => Progress::Failed(reason.clone()),
            None => Progress::Underway,
        }
    }
}

/// One invocation's claim to a provisioned environment.
#[derive(Debug)]
pub(crate) struct Slot(Arc<Provision>);

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.used.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Which function and qualifier a provision is configured for.
pub(crate) type ConfigKey = (FunctionKey, String);

/// Every provision.
#[derive(Debug, Default)]
pub(crate) struct Provisions {
    /// With the deployment that each is for.
    by_config: Mutex<HashMap<ConfigKey, (RequestId, Arc<Provision>)>>,
    by_deployment: RwLock<HashMap<RequestId, Arc<Provision>>>,
    count: AtomicUsize,
    /// Held while the provisions of a function are brought in line with its configurations.
    pub(crate) aligning: tokio::sync::Mutex<()>,
}

impl Provisions {
    /// What is provisioned for a deployment.
    pub(crate) fn of(&self, deployment: RequestId) -> Option<Arc<Provision>> {
        if self.count.load(Ordering::Relaxed) == 0 {
            return None;
        }
        self.by_deployment.read().get(&deployment).cloned()
    }

    /// What is provisioned by a configuration.
    pub(crate) fn configured(&self, key: &ConfigKey) -> Option<Arc<Provision>> {
        let by_config = self.by_config.lock();
        by_config
            .get(key)
            .map(|(_, provision)| Arc::clone(provision))
    }

    /// Brings the provisions of a function in line with `wanted`: by qualifier, for which
    /// deployment, and how many. Returns those that are new.
    pub(crate) fn align(
        &self,
        key: &FunctionKey,
        wanted: &HashMap<String, (RequestId, u32)>,
    ) -> Vec<(String, Arc<Provision>)> {
        let mut by_config = self.by_config.lock();
        let mut by_deployment = self.by_deployment.write();
        by_config.retain(|(of, qualifier), (deployment, provision)| {
            let is_wanted =
                of != key || wanted.get(qualifier).is_some_and(|it| it.0 == *deployment);
            if !is_wanted {
                provision.end();
                by_deployment.remove(deployment);
            }
            is_wanted
        });
        let mut new = Vec::new();
        for (qualifier, (deployment, count)) in wanted {
            let config = (key.clone(), qualifier.clone());
            if let Some((_, provision)) = by_config.get(&config) {
                if provision.requested() != *count {
                    provision.request(*count);
                }
                continue;
            }
            let provision = Arc::new(Provision::new(*count));
            by_deployment.insert(*deployment, Arc::clone(&provision));
            by_config.insert(config, (*deployment, Arc::clone(&provision)));
            new.push((qualifier.clone(), provision));
        }
        self.count.store(by_deployment.len(), Ordering::Relaxed);
        new
    }
}

/// Counts one more, unless there are as many as there may be.
pub(super) fn one_more(count: &AtomicU32, limit: u32) -> bool {
    let more = |count: u32| (count < limit).then_some(count + 1);
    count
        .fetch_update(Ordering::Relaxed, Ordering::Relaxed, more)
        .is_ok()
}

#[cfg(test)]
mod tests {
    use ids::SeededEntropy;

    use super::*;

    fn key(name: &str) -> FunctionKey {
        FunctionKey {
            account: ids::DEFAULT_ACCOUNT.into(),
            region: ids::DEFAULT_REGION.into(),
            name: name.into(),
        }
    }

    #[test]
    fn as_many_are_taken_as_are_ready() {
        let provision = Arc::new(Provision::new(2));
        assert!(Provision::take(&provision).is_none());
        provision.came();
        let slot = Provision::take(&provision).unwrap();
        assert!(Provision::take(&provision).is_none());
        drop(slot);
        assert!(Provision::take(&provision).is_some());
        assert_eq!(provision.progress(), Progress::Underway);
        provision.fail("no room".to_owned());
        assert_eq!(provision.progress(), Progress::Failed("no room".to_owned()));
        provision.came();
        assert_eq!(provision.progress(), Progress::Ready);
    }

    #[test]
    fn provisions_follow_configurations() {
        let provisions = Provisions::default();
        let entropy = SeededEntropy::new(1);
        let (first, second) = (RequestId::draw(&entropy), RequestId::draw(&entropy));
        let wanted = |deployment, count| HashMap::from([("live".to_owned(), (deployment, count))]);
        let new = provisions.align(&key("f"), &wanted(first, 1));
        assert_eq!(new.len(), 1);
        assert!(provisions.align(&key("g"), &HashMap::new()).is_empty());
        assert!(provisions.of(first).is_some());
        // The same version keeps what it has.
        assert!(provisions.align(&key("f"), &wanted(first, 3)).is_empty());
        assert_eq!(new[0].1.requested(), 3);
        // Another one gets its own.
        let moved = provisions.align(&key("f"), &wanted(second, 3));
        assert_eq!(moved.len(), 1);
        assert!(new[0].1.is_ended() && provisions.of(first).is_none());
        provisions.align(&key("f"), &HashMap::new());
        assert!(moved[0].1.is_ended() && provisions.of(second).is_none());
    }
}
