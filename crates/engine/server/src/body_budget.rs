//! What all request bodies together may take.
//!
//! Each body has its operation's limit; many at once would still fill the memory. A request waits
//! for room before its body is read, so the sender is held back by its own connection.

use std::sync::Arc;

use http::HeaderMap;
use http::header::CONTENT_LENGTH;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// All bodies together, in KiB: 1 GiB.
const BUDGET_KIB: usize = 1 << 20;

/// Room for request bodies. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct BodyBudget {
    kib: Arc<Semaphore>,
}

impl Default for BodyBudget {
    fn default() -> Self {
        Self {
            kib: Arc::new(Semaphore::new(BUDGET_KIB)),
        }
    }
}

impl BodyBudget {
    /// Waits for room for one body of at most `limit` bytes; it is given back with the permit.
    pub(crate) async fn reserve(
        &self,
        headers: &HeaderMap,
        limit: usize,
    ) -> Option<OwnedSemaphorePermit> {
        let declared = headers
            .get(CONTENT_LENGTH)
            .and_then(|value| value.to_str().ok());
        let declared = declared.and_then(|text| text.parse::<usize>().ok());
        let bytes = declared.unwrap_or(limit).min(limit);
        let kib = u32::try_from(bytes.div_ceil(1_024).min(BUDGET_KIB)).unwrap_or(u32::MAX);
        Arc::clone(&self.kib).acquire_many_owned(kib).await.ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::task::{Context, Poll, Waker};

    #[test]
    fn the_last_one_waits() {
        let budget = BodyBudget::default();
        let headers = HeaderMap::new();
        let mut context = Context::from_waker(Waker::noop());
        let mut poll = |limit| {
            let mut room = std::pin::pin!(budget.reserve(&headers, limit));
            match room.as_mut().poll(&mut context) {
                Poll::Ready(permit) => permit,
                Poll::Pending => None,
            }
        };
        let most = poll(BUDGET_KIB * 1_024 - 1);
        assert!(most.is_some());
        assert!(poll(1).is_none());
        drop(most);
        assert!(poll(1).is_some());
    }
}
