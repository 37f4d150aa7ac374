//! Freezes environments a few milliseconds after they became idle.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use ids::SharedClock;
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::environment::Environment;

/// How long an environment stays runnable after an invocation: long enough that back-to-back
/// invocations never pay for a thaw.
pub(crate) const FREEZE_AFTER: Duration = Duration::from_millis(10);

/// Watches idle environments. Each stands in the queue at most once, whatever its traffic.
#[derive(Debug, Default)]
pub(crate) struct Janitor {
    queue: Mutex<VecDeque<Arc<Environment>>>,
    filled: Notify,
}

impl Janitor {
    /// Freezes `environment` once it has been idle for [`FREEZE_AFTER`].
    pub(crate) fn watch(&self, environment: Arc<Environment>) {
        if environment.start_watch() {
            return;
        }
        let mut queue = self.queue.lock();
        queue.push_back(environment);
        if queue.len() == 1 {
            self.filled.notify_one();
        }
    }

    /// Freezes what is due, until the task is aborted.
    pub(crate) async fn freeze(self: Arc<Self>, clock: SharedClock) {
        loop {
            let next = self.queue.lock().pop_front();
            let Some(environment) = next else {
                self.filled.notified().await;
                continue;
            };
            // From here on it may stand in the queue again; a busy one will, when it gets idle.
            environment.end_watch();
            if !environment.is_idle() {
                continue;
            }
            let idle = environment.idle_for();
            if idle < FREEZE_AFTER {
                clock.sleep(FREEZE_AFTER.saturating_sub(idle)).await;
            }
            if environment.idle_for() >= FREEZE_AFTER {
                environment.freeze_if_idle().await;
            } else if environment.is_idle() {
                self.watch(environment);
            }
        }
    }
}
