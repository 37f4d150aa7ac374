//! A sign of life for what takes more than a second.

use std::time::Duration;

use ids::Clock;
use indicatif::ProgressBar;

/// Before this, nothing is shown: most commands are done.
const GRACE: Duration = Duration::from_secs(1);

/// Runs `work`; once it takes longer than a second a spinner turns on standard error, if that is
/// a terminal.
pub(crate) async fn watched<F: Future>(
    clock: &dyn Clock,
    quiet: bool,
    message: impl Into<String>,
    work: F,
) -> F::Output {
    let mut work = std::pin::pin!(work);
    if quiet {
        return work.await;
    }
    tokio::select! {
        done = &mut work => return done,
        () = clock.sleep(GRACE) => {}
    }
    let spinner = ProgressBar::new_spinner().with_message(message.into());
    spinner.enable_steady_tick(Duration::from_millis(100));
    let done = work.await;
    spinner.finish_and_clear();
    done
}
