//! Snapshots: taking one, and restoring environments from it.
//!
//! A snapshot is an environment whose runtime was initialised and then stands still. What is
//! restored from it is a clone of its process at a site of its own. When that process is lost, the
//! environment goes on with another clone, at another site: a snapshot holds what was at `/tmp` too.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use ids::EnvironmentId;
use sandbox::SandboxError;
use wire::BoxFuture;

use super::lifecycle::INIT_LIMIT;
use super::{Environment, Purpose, Site};
use crate::invoke::failure::Failure;
use crate::invoke::report::Restore;
use crate::logging::platform::PlatformEvent;

/// How long the init phase of a snapshot may take at least; else as long as the function's timeout.
/// Source: <https://docs.aws.amazon.com/lambda/latest/dg/snapstart-runtime-hooks-python.html>.
const SNAPSHOT_LIMIT: Duration = Duration::from_secs(130);

/// A clone that waits for its environment.
#[derive(Debug)]
pub(crate) struct Spare {
    pub(crate) id: EnvironmentId,
    pub(crate) site: Arc<Site>,
}

/// What an environment was restored from, which stays as long as this is held.
pub(crate) trait Origin: fmt::Debug + Send + Sync {
    /// Another clone.
    fn another(self: Arc<Self>) -> BoxFuture<'static, Result<Spare, SandboxError>>;
}

impl Environment {
    /// Runs the init phase of a snapshot, with its before-snapshot hooks. Says why the process cannot
    /// be cloned, if it cannot.
    pub(crate) async fn snap(self: &Arc<Self>) -> Result<Option<String>, Failure> {
        let began = self.clock.monotonic();
        self.log.platform(&PlatformEvent::InitStart {
            deployment: &self.deployment,
            environment: self.id,
        });
        for warning in self.deployment.warnings(self.site().sandbox.egress()) {
            self.log.platform(&PlatformEvent::Warning(&warning));
        }
        let limit = SNAPSHOT_LIMIT.max(self.deployment.timeout);
        let outcome = self.boot_within(limit).await;
        self.log.platform(&PlatformEvent::SnapshotReport {
            took: self.clock.monotonic().saturating_sub(began),
            failure: outcome.as_ref().err(),
        });
        outcome.map(|()| self.unfit.lock().clone())
    }

    /// Whether its process waits to be cloned.
    pub(crate) fn is_snapped(&self) -> bool {
        self.stage.lock().is_snapped()
    }

    /// Restores it ahead of its first invocation. `began` is when it was wished for.
    pub(crate) async fn restore(self: &Arc<Self>, began: Duration) -> Result<(), Failure> {
        self.log.platform(&PlatformEvent::RestoreStart {
            deployment: &self.deployment,
            environment: self.id,
        });
        let (started, at) = (self.clock.monotonic(), self.clock.now());
        let outcome = self.boot_within(INIT_LIMIT).await;
        let now = self.clock.monotonic();
        let took = now.saturating_sub(began);
        let billed = now.saturating_sub(started);
        self.log.platform(&PlatformEvent::RestoreReport {
            took,
            failure: outcome.as_ref().err(),
        });
        outcome?;
        *self.restore.lock() = Some(Restore {
            began: at,
            took,
            billed,
        });
        Ok(())
    }

    /// Before another process is started where the last one was restored: goes to a clone that is
    /// fresh, at a site of its own.
    pub(super) async fn move_on(self: &Arc<Self>) -> Result<(), Failure> {
        let used = self.used.swap(true, Ordering::SeqCst);
        let Purpose::Restored(origin) = &self.purpose else {
            return Ok(());
        };
        if !used {
            return Ok(());
        }
        let spare = Arc::clone(origin)
            .another()
            .await
            .map_err(|error| Failure::NotStarted {
                error_type: "Runtime.Unknown",
                reason: error.to_string(),
            })?;
        let left = std::mem::replace(&mut *self.site.write(), spare.site);
        if let Err(error) = left.sandbox.destroy().await {
            tracing::warn!(%error, environment = %self.id, "the sandbox could not be removed");
        }
        let folder = left.sandbox.work_dir().to_owned();
        let _removed = tokio::task::spawn_blocking(|| std::fs::remove_dir_all(folder)).await;
        Ok(())
    }
}
