//! How many invocations run or wait at a time: of the account, and of each function.
//!
//! A function with reserved concurrency may have as many as were reserved for it, none included.
//! What is reserved for one is not held back from the others.
//! Source: <https://docs.aws.amazon.com/lambda/latest/dg/lambda-concurrency.html>.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;
use wire::ServiceError;
use wire::lambda::errors;

use crate::function::key::FunctionKey;

/// How many invocations an account may have in a region.
/// Source: <https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html>.
pub(crate) const ACCOUNT_CONCURRENCY: u32 = 1_000;

/// The invocations that run or wait.
#[derive(Debug, Default)]
pub(crate) struct Concurrency {
    all: AtomicUsize,
    counts: Mutex<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    /// By account and region.
    by_place: HashMap<(Arc<str>, Arc<str>), u32>,
    by_function: HashMap<FunctionKey, u32>,
}

/// An invocation that runs or waits; counted until this is dropped.
#[derive(Debug)]
pub(crate) struct Counted {
    concurrency: Arc<Concurrency>,
    key: FunctionKey,
}

impl Concurrency {
    /// How many there are.
    pub(crate) fn all(&self) -> usize {
        self.all.load(Ordering::Relaxed)
    }

    /// Counts one more of a function for which so many are reserved.
    ///
    /// # Errors
    /// 429 where the function or the account has as many as it may have.
    pub(crate) fn count(
        self: &Arc<Self>,
        key: &FunctionKey,
        reserved: Option<u32>,
    ) -> Result<Counted, ServiceError> {
        let mut counts = self.counts.lock();
        let of_function = counts.by_function.get(key).copied().unwrap_or_default();
        if reserved.is_some_and(|reserved| of_function >= reserved) {
            return Err(throttled(
                "ReservedFunctionConcurrentInvocationLimitExceeded",
            ));
        }
        let of_place = counts.by_place.entry(place(key)).or_default();
        if *of_place >= ACCOUNT_CONCURRENCY {
            return Err(throttled("ConcurrentInvocationLimitExceeded"));
        }
        *of_place += 1;
        counts.by_function.insert(key.clone(), of_function + 1);
        self.all.fetch_add(1, Ordering::Relaxed);
        Ok(Counted {
            concurrency: Arc::clone(self),
            key: key.clone(),
        })
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.concurrency.all.fetch_sub(1, Ordering::Relaxed);
        let mut counts = self.concurrency.counts.lock();
        one_less(counts.by_place.entry(place(&self.key)));
        one_less(counts.by_function.entry(self.key.clone()));
    }
}

fn place(key: &FunctionKey) -> (Arc<str>, Arc<str>) {
    (Arc::clone(&key.account), Arc::clone(&key.region))
}

/// Counts one down, and forgets a count that is zero.
fn one_less<K>(entry: Entry<'_, K, u32>) {
    if let Entry::Occupied(mut count) = entry {
        *count.get_mut() -= 1;
        if *count.get() == 0 {
            count.remove();
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

    #[test]
    fn a_function_has_what_is_reserved_for_it() {
        let concurrency = Arc::new(Concurrency::default());
        let first = concurrency.count(&key("f"), Some(1)).unwrap();
        let refusal = concurrency.count(&key("f"), Some(1)).unwrap_err();
        assert_eq!(refusal.status, 429);
        assert!(concurrency.count(&key("g"), Some(1)).is_ok());
        drop(first);
        assert!(concurrency.count(&key("f"), Some(1)).is_ok());
        assert!(concurrency.count(&key("f"), Some(0)).is_err());
        assert_eq!(concurrency.all(), 0);
    }

    #[test]
    fn an_account_has_a_limit() {
        let concurrency = Arc::new(Concurrency::default());
        let running: Vec<_> = (0..ACCOUNT_CONCURRENCY)
            .map(|_| concurrency.count(&key("f"), None).unwrap())
            .collect();
        assert!(concurrency.count(&key("g"), None).is_err());
        drop(running);
        assert_eq!(concurrency.all(), 0);
        assert!(concurrency.counts.lock().by_function.is_empty());
    }
}
