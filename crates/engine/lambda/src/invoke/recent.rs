//! The figures of recent invocations, for who asks by request id.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use ids::RequestId;
use parking_lot::Mutex;

/// How many invocations are remembered.
const KEPT: usize = 4_096;

/// What was measured of one invocation.
#[derive(Debug, Clone)]
pub struct Measured {
    /// The function's unqualified ARN.
    pub function_arn: Arc<str>,
    /// The version that ran.
    pub version: Arc<str>,
    /// The environment that it ran in.
    pub environment: ids::EnvironmentId,
    /// From handing over the event to the answer.
    pub duration: std::time::Duration,
    /// The init phase that ran ahead of it, where one did.
    pub init: Option<std::time::Duration>,
    /// The environment's peak of memory so far, in bytes.
    pub peak_bytes: u64,
    /// Whether the host was asked for more CPU than it has while it ran.
    pub oversubscribed: bool,
}

/// The last [`KEPT`] invocations.
#[derive(Debug, Default)]
pub(crate) struct Recent {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    order: VecDeque<RequestId>,
    by_id: HashMap<RequestId, Measured>,
}

impl Recent {
    /// Remembers one, and forgets the oldest where there are too many.
    pub(crate) fn add(&self, id: RequestId, measured: Measured) {
        let mut inner = self.inner.lock();
        if inner.order.len() == KEPT
            && let Some(oldest) = inner.order.pop_front()
        {
            inner.by_id.remove(&oldest);
        }
        inner.order.push_back(id);
        inner.by_id.insert(id, measured);
    }

    /// What was measured of `id`.
    pub(crate) fn get(&self, id: RequestId) -> Option<Measured> {
        self.inner.lock().by_id.get(&id).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ids::{Entropy, EnvironmentId, SeededEntropy};
    use std::time::Duration;

    fn measured(entropy: &dyn Entropy) -> Measured {
        Measured {
            function_arn: "arn:aws:lambda:us-east-1:000000000000:function:f".into(),
            version: "$LATEST".into(),
            environment: EnvironmentId::draw(entropy),
            duration: Duration::from_millis(1),
            init: None,
            peak_bytes: 1,
            oversubscribed: false,
        }
    }

    #[test]
    fn the_oldest_is_forgotten() {
        let entropy = SeededEntropy::new(1);
        let recent = Recent::default();
        let ids: Vec<_> = (0..=KEPT).map(|_| RequestId::draw(&entropy)).collect();
        for id in &ids {
            recent.add(*id, measured(&entropy));
        }
        assert!(recent.get(ids[0]).is_none());
        assert!(recent.get(ids[1]).is_some() && recent.get(ids[KEPT]).is_some());
        assert_eq!(recent.inner.lock().by_id.len(), KEPT);
    }
}
