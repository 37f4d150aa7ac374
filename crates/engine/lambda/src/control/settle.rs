//! From `Pending` to `Active`, and from `InProgress` to `Successful`.
//!
//! A created or updated function is made ready behind the caller's back: its runtime's client is
//! installed if need be, its code unpacked. What a crash interrupts is taken up at the next start.

use std::sync::Arc;
use std::time::Duration;

use ids::RequestId;
use sandbox::Egress;
use store::Digest;
use wire::lambda::{FunctionConfiguration, Runtime as RuntimeName, SnapStartOptimizationStatus};

use super::{configure, image};
use crate::deployment::{Code, Deployment};
use crate::error::ApiError;
use crate::function::key::FunctionKey;
use crate::function::record::{Live, VersionRecord};
use crate::function::status::{self, NotReady};
use crate::function::tables::Tables;
use crate::function::tags::{self, Tags};
use crate::invoke::failure::Failure;
use crate::package::error::CodeError;
use crate::runtime::Runtime;
use crate::runtime::install::RuntimeError;
use crate::schedule::template::{Occasion, Snapshot};
use crate::service::Inner;

impl Inner {
    /// Takes up what a crash interrupted.
    pub(crate) async fn take_up(self: &Arc<Self>) -> Result<(), ApiError> {
        let unsettled = self
            .registry
            .read(|tables: &Tables<'_>| tables.unsettled())
            .await?;
        for (key, number) in unsettled {
            self.settle(key, number, Duration::ZERO);
        }
        Ok(())
    }

    /// Makes a version ready in the background, and shows it as such no sooner than `at_least` from
    /// now. A store that cannot take the outcome now is asked again: nobody else would ever settle
    /// the version.
    pub(crate) fn settle(self: &Arc<Self>, key: FunctionKey, number: u64, at_least: Duration) {
        let this = Arc::clone(self);
        tokio::spawn(async move {
            this.clock.sleep(at_least).await;
            let mut pause = Duration::from_millis(100);
            while let Err(error) = this.settle_now(&key, number).await {
                tracing::warn!(%error, function = &*key.name, "a function could not be settled yet");
                if this.is_stopping() {
                    return;
                }
                this.clock.sleep(pause).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        });
    }

    async fn settle_now(self: &Arc<Self>, key: &FunctionKey, number: u64) -> Result<(), ApiError> {
        let Some(version) = self.registry.version(key, number).await? else {
            return Ok(());
        };
        let record = &version.record;
        let deployment = record.deployment;
        let prepared = self.prepare(key, (&record.configuration, deployment)).await;
        let prepared = match prepared {
            Ok(deployment) => self.snap(deployment).await,
            Err(failure) => Err(failure),
        };
        let (remark, failure) = match prepared {
            Ok(remark) => (remark, None),
            Err(failure) => (None, Some(failure)),
        };
        if let Some(NotReady { reason, .. }) = &failure {
            tracing::warn!(function = &*key.name, reason, "the function cannot run");
        }
        // That this host lacks an interpreter is no fault of the function's: it becomes active, as
        // on AWS, and its invocations say what is missing.
        let failure =
            failure.filter(|failure| self.runtimes.is_strict() || failure.code != MISSING_RUNTIME);
        let (wanted, revision) = (key.clone(), self.draw_id().to_string());
        let replaced = self
            .registry
            .write(key, move |tables| {
                let Some(mut record) = tables.version(&wanted, number)? else {
                    return Ok(None);
                };
                if record.deployment != deployment {
                    return Ok(None);
                }
                let replaced = settled(&mut record, failure, revision);
                if let Some(remark) = remark {
                    status::remark(&mut record.configuration, remark);
                    let off = SnapStartOptimizationStatus::Off;
                    configure::show_optimization(&mut record.configuration, off);
                }
                tables.put_version(&wanted, number, &record, false)?;
                Ok(replaced)
            })
            .await?;
        if let Some(replaced) = replaced {
            self.fleet.retire(replaced.deployment);
            self.let_go(&replaced.configuration).await;
        }
        Ok(())
    }

    /// Takes the snapshot that environments of this deployment are restored from, where that was
    /// asked for. Says why there is none, if there cannot be one.
    async fn snap(&self, deployment: Deployment) -> Result<Option<String>, NotReady> {
        if !deployment.snap_start {
            return Ok(None);
        }
        let snapshot = self
            .fleet
            .snapshot(&Arc::new(deployment), Occasion::Publishing)
            .await;
        match snapshot {
            Ok(Snapshot::Taken(_)) => Ok(None),
            Ok(Snapshot::Unfit(reason)) => Ok(Some(reason)),
            Err(failure) => Err(not_initialised(&failure)),
        }
    }

    /// Everything that an invocation under this configuration needs, made ready.
    pub(crate) async fn prepare(
        &self,
        key: &FunctionKey,
        (configuration, id): (&FunctionConfiguration, RequestId),
    ) -> Result<Deployment, NotReady> {
        if image::is_image(configuration) {
            return self.prepare_image(key, (configuration, id)).await;
        }
        let name = configuration.runtime.as_ref();
        let name = name.map(RuntimeName::as_str).unwrap_or_default();
        let runtime = Runtime::parse(name).ok_or_else(|| {
            let reason = format!("This engine does not run the runtime {name}.");
            NotReady::new(MISSING_RUNTIME, &reason)
        })?;
        let client = self
            .runtimes
            .ensure(runtime)
            .await
            .map_err(|error| match error {
                RuntimeError::NotServed { .. }
                | RuntimeError::NoInterpreter { .. }
                | RuntimeError::NoClient { .. } => NotReady::new(MISSING_RUNTIME, &error),
                RuntimeError::Install { .. } | RuntimeError::Io { .. } => {
                    NotReady::new("InternalError", &error)
                }
            })?;
        let code = configuration.code_sha256.as_deref().unwrap_or_default();
        let code =
            Digest::from_base64(code).map_err(|error| NotReady::new("InternalError", &error))?;
        let layers = self.layer_packages(configuration).await;
        let layers = layers.map_err(|error| NotReady::new("InternalError", &error))?;
        // While it is unpacked nobody may take it for unused.
        let _gate = self.code_gate.read().await;
        let unusable = |error: CodeError| match error {
            CodeError::Archive(_) => NotReady::new("InvalidZipFileException", &error),
            CodeError::Blob(_) | CodeError::Io { .. } => {
                tracing::error!(%error, "a package cannot be unpacked");
                NotReady::new("InternalError", &"The engine could not unpack the package.")
            }
        };
        let private_file = self.code.private_file(code).await.map_err(unusable)?;
        let task = self.code.unpacked(code).await.map_err(unusable)?;
        let opt = self.code.opt(&layers).await.map_err(unusable)?;
        let egress = self.egress(key).await;
        let egress = egress.map_err(|error| NotReady::new("InternalError", &error))?;
        let code = Code::Package { task, opt };
        Ok(Deployment {
            private_file,
            egress,
            ..configure::deployment(key, id, configuration, runtime, client, code)
        })
    }

    /// The most that a function may reach by the network.
    pub(super) async fn egress(&self, key: &FunctionKey) -> Result<Egress, ApiError> {
        let wanted = key.clone();
        let tags = self
            .registry
            .read(move |tables| tables.tags(&wanted))
            .await?;
        let tags: Tags = serde_json::from_str(tags.as_deref().unwrap_or("{}"))?;
        Ok(tags::egress(&tags))
    }
}

/// How long an update is seen to be in progress at least. AWS takes a second or more: whoever looks
/// directly after the answer finds it so there, and a caller that does not wait is refused there.
pub(crate) const SHORTEST_UPDATE: Duration = Duration::from_millis(150);

/// What is told of a version that could not be initialised for its snapshot.
fn not_initialised(failure: &Failure) -> NotReady {
    let code = match failure {
        Failure::TimedOut { .. } => "FunctionError.InitTimeout",
        Failure::Exited(status) if status.oom_killed => "FunctionError.InitResourceExhausted",
        Failure::NotStarted { .. } => "FunctionError.InvalidEntryPoint",
        _ => "FunctionError.RuntimeInitError",
    };
    let reason = format!(
        "Lambda could not initialize the function to take its snapshot: {failure}. For more \
         information, see the version's log."
    );
    NotReady { code, reason }
}

/// The reason code of a version whose runtime this host does not have.
pub(crate) const MISSING_RUNTIME: &str = "InvalidRuntime";

/// The longest pause between two attempts to write an outcome.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Notes how it went. Returns what ran until now and is served no longer.
fn settled(
    record: &mut VersionRecord,
    failure: Option<NotReady>,
    revision: String,
) -> Option<Box<Live>> {
    record.configuration.revision_id = Some(revision);
    if let Some(failure) = failure {
        // What ran before the update goes on running.
        status::fail(&mut record.configuration, failure);
        return None;
    }
    status::succeed(&mut record.configuration);
    record.before_update.take()
}
