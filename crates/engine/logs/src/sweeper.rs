//! The task that removes what was deleted or has expired.

use std::sync::Arc;
use std::time::Duration;

use ids::SharedClock;
use store::Store;
use tokio::sync::Notify;

use crate::archive::sweep::{Progress, Swept, step};

/// How often events are looked over that may have expired. They are not shown any more once they
/// have; this only gives their room back.
const EVERY: Duration = Duration::from_secs(60);

/// Removes step by step for as long as it is let; `wake` says that something was deleted. Between
/// steps others write.
pub(crate) async fn run(store: Store, wake: Arc<Notify>, clock: SharedClock) {
    loop {
        let mut progress = Progress::default();
        loop {
            let now = clock.now().as_millis();
            let step = store.write(move |connection| step(connection, progress, now));
            match step.await {
                Ok(Swept::More(further)) => progress = further,
                Ok(Swept::Done) => break,
                Err(error) => {
                    tracing::warn!(%error, "deleted or expired events could not be removed yet");
                    break;
                }
            }
        }
        tokio::select! {
            () = wake.notified() => {}
            () = clock.sleep(EVERY) => {}
        }
    }
}
