//! How many invocations run or wait at a time: of the account, and of each function.
//!
//! A function with reserved concurrency has as many as were reserved for it, none included, and
//! nobody else gets them: the others share what is left of the account's. What is provisioned for a
//! version is part of its function's reservation, or else of what the others share, and is taken
//! first by invocations of that version.
//! Source: <https://docs.aws.amazon.com/lambda/latest/dg/lambda-concurrency.html>.
//!
//! Counting is atomic arithmetic on numbers that are found by one look-up, for every invocation
//! comes this way.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use parking_lot::RwLock;
use wire::ServiceError;
use wire::lambda::errors;

use super::provision::{Provision, Slot, one_more};
use crate::function::key::FunctionKey;

/// How many invocations an account may have in a region, where nobody says otherwise.
/// Source: <https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html>.
pub const ACCOUNT_CONCURRENCY: u32 = 1_000;

/// An account in a region.
type PlaceKey = (Arc<str>, Arc<str>);

/// The invocations that run or wait.
#[derive(Debug)]
pub(crate) struct Concurrency {
    limit: u32,
    all: AtomicUsize,
    places: RwLock<HashMap<PlaceKey, Arc<Place>>>,
    functions: RwLock<HashMap<FunctionKey, Arc<Function>>>,
}

/// Of one account in one region.
#[derive(Debug, Default)]
struct Place {
    /// Invocations of functions that have no reservation.
    shared: AtomicU32,
    /// What those cannot have: reserved for others, or provisioned.
    set_aside: AtomicU32,
}

/// Of one function.
#[derive(Debug)]
struct Function {
    place: Arc<Place>,
    /// Invocations, but for those that take what is provisioned.
    on_demand: AtomicU32,
    /// What is provisioned for its versions.
    provisioned: AtomicU32,
}

/// An invocation that runs or waits; counted until this is dropped.
#[derive(Debug)]
pub(crate) struct Counted {
    concurrency: Arc<Concurrency>,
    share: Share,
}

/// What an invocation takes.
#[derive(Debug)]
enum Share {
    /// A place in what is provisioned, which goes back by itself.
    Provisioned { _slot: Slot },
    /// One of those that are reserved for its function.
    Reserved(Arc<Function>),
    /// One of those that all functions share.
    Shared(Arc<Function>),
}

impl Concurrency {
    /// Nothing runs, and `limit` invocations may, for each account and region.
    pub(crate) fn new(limit: u32) -> Self {
        Self {
            limit,
            all: AtomicUsize::new(0),
            places: RwLock::default(),
            functions: RwLock::default(),
        }
    }

    /// How many invocations an account may have in a region.
    pub(crate) fn limit(&self) -> u32 {
        self.limit
    }

    /// How many there are.
    pub(crate) fn all(&self) -> usize {
        self.all.load(Ordering::Relaxed)
    }

    /// Says what cannot be shared in the function's account and region, and what is provisioned for
    /// the function.
    pub(crate) fn set(&self, key: &FunctionKey, set_aside: u32, provisioned: u32) {
        let function = self.function(key);
        function.place.set_aside.store(set_aside, Ordering::SeqCst);
        function.provisioned.store(provisioned, Ordering::SeqCst);
    }

    /// Forgets a function that was deleted, unless it is still at work.
    pub(crate) fn forget(&self, key: &FunctionKey) {
        let mut functions = self.functions.write();
        let is_idle = |function: &Arc<Function>| Arc::strong_count(function) == 1;
        if functions.get(key).is_some_and(is_idle) {
            functions.remove(key);
        }
    }

    /// Counts one more of a function for which so many are reserved, of a version for which that is
    /// provisioned.
    ///
    /// # Errors
    /// 429 where the function or the account has as many as it may have.
    pub(crate) fn count(
        self: &Arc<Self>,
        key: &FunctionKey,
        reserved: Option<u32>,
        provision: Option<&Arc<Provision>>,
    ) -> Result<Counted, ServiceError> {
        let share = match provision.and_then(Provision::take) {
            Some(slot) => Share::Provisioned { _slot: slot },
            None => self.on_demand(self.function(key), reserved)?,
        };
        self.all.fetch_add(1, Ordering::Relaxed);
        Ok(Counted {
            concurrency: Arc::clone(self),
            share,
        })
    }

    fn on_demand(
        &self,
        function: Arc<Function>,
        reserved: Option<u32>,
    ) -> Result<Share, ServiceError> {
        match reserved {
            Some(reserved) => {
                let limit = reserved.saturating_sub(function.provisioned.load(Ordering::Relaxed));
                if !one_more(&function.on_demand, limit) {
                    return Err(throttled(
                        "ReservedFunctionConcurrentInvocationLimitExceeded",
                    ));
                }
                Ok(Share::Reserved(function))
            }
            None => {
                let set_aside = function.place.set_aside.load(Ordering::Relaxed);
                let limit = self.limit.saturating_sub(set_aside);
                if !one_more(&function.place.shared, limit) {
                    return Err(throttled("ConcurrentInvocationLimitExceeded"));
                }
                function.on_demand.fetch_add(1, Ordering::Relaxed);
                Ok(Share::Shared(function))
            }
        }
    }

    fn function(&self, key: &FunctionKey) -> Arc<Function> {
        if let Some(function) = self.functions.read().get(key) {
            return Arc::clone(function);
        }
        let place = (Arc::clone(&key.account), Arc::clone(&key.region));
        let place = Arc::clone(self.places.write().entry(place).or_default());
        let mut functions = self.functions.write();
        let function = functions.entry(key.clone()).or_insert_with(|| {
            Arc::new(Function {
                place,
                on_demand: AtomicU32::new(0),
                provisioned: AtomicU32::new(0),
            })
        });
        Arc::clone(function)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.concurrency.all.fetch_sub(1, Ordering::Relaxed);
        match &self.share {
            Share::Provisioned { .. } => {}
            Share::Reserved(function) => {
                function.on_demand.fetch_sub(1, Ordering::Relaxed);
            }
            Share::Shared(function) => {
                function.on_demand.fetch_sub(1, Ordering::Relaxed);
                function.place.shared.fetch_sub(1, Ordering::Relaxed);
            }
        }
    }
}

/// That no more invocations can be taken at the moment.
pub(crate) fn throttled(reason: &str) -> ServiceError {
    errors::too_many_requests_exception("Rate Exceeded.").with_member("Reason", reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> FunctionKey {
        FunctionKey {
            account: ids::DEFAULT_ACCOUNT.into(),
            region: ids::DEFAULT_REGION.into(),
            name: name.into(),
        }
    }

    fn concurrency(limit: u32) -> Arc<Concurrency> {
        Arc::new(Concurrency::new(limit))
    }

    fn reason(refusal: Result<Counted, ServiceError>) -> String {
        let refusal = refusal.unwrap_err();
        assert_eq!(refusal.status, 429);
        let reason = refusal.members.iter().find(|(name, _)| *name == "Reason");
        reason.unwrap().1.as_str().unwrap().to_owned()
    }

    #[test]
    fn a_function_has_what_is_reserved_for_it() {
        let concurrency = concurrency(10);
        let first = concurrency.count(&key("f"), Some(1), None).unwrap();
        assert_eq!(
            reason(concurrency.count(&key("f"), Some(1), None)),
            "ReservedFunctionConcurrentInvocationLimitExceeded"
        );
        assert!(concurrency.count(&key("g"), Some(1), None).is_ok());
        drop(first);
        assert!(concurrency.count(&key("f"), Some(1), None).is_ok());
        assert!(concurrency.count(&key("f"), Some(0), None).is_err());
        assert_eq!(concurrency.all(), 0);
    }

    #[test]
    fn the_others_share_what_is_left() {
        let concurrency = concurrency(10);
        concurrency.set(&key("f"), 4, 0);
        let running: Vec<_> = (0..6)
            .map(|_| concurrency.count(&key("g"), None, None).unwrap())
            .collect();
        assert_eq!(
            reason(concurrency.count(&key("h"), None, None)),
            "ConcurrentInvocationLimitExceeded"
        );
        let reserved: Vec<_> = (0..4)
            .map(|_| concurrency.count(&key("f"), Some(4), None).unwrap())
            .collect();
        assert!(concurrency.count(&key("f"), Some(4), None).is_err());
        // Another account has its own.
        let elsewhere = FunctionKey {
            account: "111122223333".into(),
            ..key("g")
        };
        assert!(concurrency.count(&elsewhere, None, None).is_ok());
        drop((running, reserved));
        assert_eq!(concurrency.all(), 0);
        assert!(concurrency.count(&key("h"), None, None).is_ok());
    }

    #[test]
    fn what_is_provisioned_is_taken_first_and_by_its_version_alone() {
        let concurrency = concurrency(10);
        let provision = Arc::new(Provision::new(1));
        provision.came();
        concurrency.set(&key("f"), 3, 1);
        let of_version = || concurrency.count(&key("f"), Some(3), Some(&provision));
        let provisioned = of_version().unwrap();
        let more: Vec<_> = (0..2).map(|_| of_version().unwrap()).collect();
        assert!(of_version().is_err());
        drop(more);
        let others: Vec<_> = (0..2)
            .map(|_| concurrency.count(&key("f"), Some(3), None).unwrap())
            .collect();
        assert!(concurrency.count(&key("f"), Some(3), None).is_err());
        drop(provisioned);
        assert!(of_version().is_ok());
        assert!(concurrency.count(&key("f"), Some(3), None).is_err());
        drop(others);
    }

    #[test]
    fn a_function_at_work_is_not_forgotten() {
        let concurrency = concurrency(10);
        let running = concurrency.count(&key("f"), Some(1), None).unwrap();
        concurrency.forget(&key("f"));
        assert!(concurrency.count(&key("f"), Some(1), None).is_err());
        drop(running);
        concurrency.forget(&key("f"));
        assert!(concurrency.functions.read().is_empty());
    }
}
