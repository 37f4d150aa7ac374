//! The task that removes what has expired, and what purging and deleting have left.

use std::sync::{Arc, Weak};
use std::time::Duration;

use ids::SharedClock;

use crate::error::JournalError;
use crate::journal::messages::DEDUPLICATED;
use crate::journal::{sweep, tasks};
use crate::queue::Queue;
use crate::seq::Seq;
use crate::service::Inner;

/// How often messages are looked over that may have expired. They are not received any more once
/// they have; this only gives their room back.
const EVERY: Duration = Duration::from_secs(60);

/// For how long tasks that are over are listed, in milliseconds.
const TASKS_LISTED: i64 = 24 * 3_600_000;

/// Removes step by step for as long as the service is there. Between steps others write.
pub(crate) async fn run(inner: Weak<Inner>, clock: SharedClock) {
    loop {
        let Some(this) = inner.upgrade() else { return };
        if let Err(error) = sweep(&this).await {
            tracing::warn!(%error, "messages that are over could not be removed yet");
        }
        let removed = Arc::clone(&this.removed);
        drop(this);
        tokio::select! {
            () = removed.notified() => {}
            () = clock.sleep(EVERY) => {}
        }
    }
}

async fn sweep(this: &Arc<Inner>) -> Result<(), JournalError> {
    let now = this.now();
    this.store
        .write(move |c| tasks::forget(c, now - TASKS_LISTED))
        .await?;
    while this
        .store
        .write(move |c| sweep::leftovers(c, now - DEDUPLICATED))
        .await?
    {}
    for queue in this.registry.all() {
        while expire(this, &queue, now).await? {}
    }
    Ok(())
}

/// Removes the oldest messages of a queue that have expired: whether there may be more.
async fn expire(this: &Inner, queue: &Arc<Queue>, now: i64) -> Result<bool, JournalError> {
    let (id, after) = (queue.id, queue.state.lock().start());
    let retention = queue.definition().settings.retention;
    let horizon = now.saturating_sub(retention.saturating_mul(1_000));
    let expired: Vec<Seq> = this
        .store
        .write(move |c| sweep::expired(c, id, after, horizon))
        .await?;
    if expired.is_empty() {
        return Ok(false);
    }
    this.ledger.forget(&expired);
    queue.state.lock().swept(&expired);
    Ok(true)
}
