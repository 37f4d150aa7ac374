//! The snapshots of published versions, and the clones that are kept ready of each.
//!
//! A snapshot is taken when its version is published, and once more on first need after the engine
//! was started anew. It lasts as long as its version, for as long as memory is not wanted more by
//! others; and as long as anything lives that was restored from it, for clones end with what they
//! are clones of.

use std::collections::HashMap;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use ids::{EnvironmentId, RequestId};
use parking_lot::Mutex;
use sandbox::SandboxError;
use tokio::sync::OwnedSemaphorePermit;
use wire::BoxFuture;

use super::fleet::Fleet;
use super::pool::seen_need_mb;
use crate::deployment::{Deployment, PoolKey};
use crate::environment::{Environment, Home, Origin, Purpose, Site, Spare};
use crate::invoke::failure::Failure;
use crate::runtime::Runtime;

/// How many clones of a snapshot are kept ready, so that restoring one need not wait for its making.
const SPARES: usize = 2;

/// How long after a restore the next clone is made: the invocation comes first.
const REFILL_AFTER: Duration = Duration::from_millis(100);

/// How long a clone may be in the making. A function's own code may keep its process from it.
const CLONE_LIMIT: Duration = Duration::from_secs(5);

/// How many clones in a row may be late before the snapshot itself is given up and taken anew. A busy
/// machine makes one late, and whoever needed it is served without; a process that has got stuck makes
/// all of them late, and each would cost an invocation that limit.
const MOST_LATE: u32 = 2;

/// What came of taking a snapshot.
#[derive(Debug, Clone)]
pub(crate) enum Snapshot {
    /// Environments are restored from it.
    Taken(Arc<Template>),
    /// They are initialised one by one, for this reason.
    Unfit(String),
}

/// Why a snapshot is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Occasion {
    /// Its version is published: there is time, and it must be known whether it can be initialised.
    Publishing,
    /// An environment is needed now.
    Need,
}

/// A snapshot of which clones can be made.
pub(crate) struct Template {
    environment: Arc<Environment>,
    fleet: Weak<Fleet>,
    ready: Mutex<Vec<Spare>>,
    /// One clone at a time is made.
    cloning: tokio::sync::Mutex<()>,
    /// How many clones were late since the last one that was made.
    late: AtomicU32,
    /// How many tasks see to it that there are spares.
    refilling: AtomicUsize,
    /// When a clone was last wanted, in milliseconds of the monotonic clock.
    used_at: AtomicU64,
}

impl Origin for Template {
    fn another(self: Arc<Self>) -> BoxFuture<'static, Result<Spare, SandboxError>> {
        Box::pin(async move { self.take().await })
    }
}

impl std::fmt::Debug for Template {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Template")
            .field("environment", &self.environment)
            .finish_non_exhaustive()
    }
}

impl Template {
    /// A clone: one that is ready, or else a new one.
    pub(crate) async fn take(self: &Arc<Self>) -> Result<Spare, SandboxError> {
        let fleet = self.fleet.upgrade().ok_or(SandboxError::SpawnerGone)?;
        self.touch(&fleet);
        let ready = self.ready.lock().pop();
        let spare = match ready {
            Some(spare) => spare,
            None => self.clone_one(&fleet).await?,
        };
        self.refill(&fleet, REFILL_AFTER);
        Ok(spare)
    }

    fn touch(&self, fleet: &Fleet) {
        let now = fleet.clock.monotonic().as_millis();
        let now = u64::try_from(now).unwrap_or(u64::MAX);
        self.used_at.store(now, Ordering::Relaxed);
    }

    /// Has spares be made in the background.
    fn refill(self: &Arc<Self>, fleet: &Fleet, after: Duration) {
        if self.refilling.swap(1, Ordering::SeqCst) > 0 {
            return;
        }
        let (template, clock) = (Arc::downgrade(self), Arc::clone(&fleet.clock));
        tokio::spawn(async move {
            clock.sleep(after).await;
            while let Some(template) = template.upgrade()
                && let Some(fleet) = template.fleet.upgrade()
                && template.ready.lock().len() < SPARES
            {
                match template.clone_one(&fleet).await {
                    Ok(spare) => template.ready.lock().push(spare),
                    // Whoever needs one next tries again, and says what is wrong.
                    Err(error) => {
                        tracing::debug!(%error, "no clone could be kept ready");
                        break;
                    }
                }
            }
            if let Some(template) = template.upgrade() {
                template.refilling.store(0, Ordering::SeqCst);
            }
        });
    }

    async fn clone_one(&self, fleet: &Fleet) -> Result<Spare, SandboxError> {
        let _one_at_a_time = self.cloning.lock().await;
        let environment = &self.environment;
        let id = EnvironmentId::draw(&*fleet.entropy);
        let folder = fleet.settings.environments.join(id.to_string());
        let spec = fleet.place(id, &environment.deployment, folder.clone());
        let site = environment.site();
        environment.occupy();
        let made = tokio::select! {
            made = fleet.sandbox.clone_of(&site.sandbox, spec) => made,
            () = fleet.clock.sleep(CLONE_LIMIT) => {
                self.late.fetch_add(1, Ordering::Relaxed);
                Err(SandboxError::Os {
                    doing: "clone an initialised process".to_owned(),
                    source: io::ErrorKind::TimedOut.into(),
                })
            }
        };
        if made.is_ok() {
            self.late.store(0, Ordering::Relaxed);
        }
        environment.vacate();
        environment.freeze_if_idle().await;
        match made {
            Ok(sandbox) => Ok(Spare {
                id,
                site: Site::open(sandbox, &fleet.settings.doors),
            }),
            Err(error) => {
                // Whether it was made at all is not known.
                remove(folder).await;
                Err(error)
            }
        }
    }

    /// Lets go of the clones that wait.
    pub(super) async fn drop_spares(&self) {
        let spares = std::mem::take(&mut *self.ready.lock());
        for spare in spares {
            spare.discard().await;
        }
    }

    /// How long no clone was wanted.
    pub(super) fn idle_for(&self, now: Duration) -> Duration {
        let used_at = Duration::from_millis(self.used_at.load(Ordering::Relaxed));
        now.saturating_sub(used_at)
    }

    /// Ends its processes. Nothing that lives may have been restored from it.
    pub(super) async fn end(&self, fleet: &Fleet) {
        self.drop_spares().await;
        if self.environment.is_snapped() {
            fleet.end(Arc::clone(&self.environment)).await;
        }
    }

    fn is_alive(&self) -> bool {
        self.environment.is_snapped()
    }

    /// Whether clones of it are to be expected.
    fn is_fit(&self) -> bool {
        self.is_alive() && self.late.load(Ordering::Relaxed) < MOST_LATE
    }
}

impl Drop for Template {
    /// Its processes end behind whoever was last to need it.
    fn drop(&mut self) {
        let Some(fleet) = self.fleet.upgrade().filter(|_| self.is_alive()) else {
            return;
        };
        let spares = std::mem::take(&mut *self.ready.lock());
        let environment = Arc::clone(&self.environment);
        tokio::spawn(async move {
            for spare in spares {
                spare.discard().await;
            }
            fleet.end(environment).await;
        });
    }
}

impl Spare {
    /// Ends it unused.
    async fn discard(self) {
        let sandbox = &self.site.sandbox;
        if let Err(error) = sandbox.destroy().await {
            tracing::warn!(%error, "a clone could not be removed");
        }
        remove(sandbox.work_dir().to_owned()).await;
    }
}

/// Removes a clone's folder, if it has one.
async fn remove(folder: PathBuf) {
    let removed = tokio::task::spawn_blocking(|| std::fs::remove_dir_all(folder));
    let _not_there = removed.await;
}

/// The snapshots, each of a deployment that reaches so much by the network.
#[derive(Debug, Default)]
pub(crate) struct Templates {
    slots: Mutex<HashMap<PoolKey, Arc<Slot>>>,
}

/// The place of one snapshot; locked while it is taken.
type Slot = tokio::sync::Mutex<Option<Snapshot>>;

impl Templates {
    fn slot(&self, deployment: PoolKey) -> Arc<Slot> {
        Arc::clone(self.slots.lock().entry(deployment).or_default())
    }

    /// No environment is restored from this one any more.
    pub(super) fn forget(&self, deployment: RequestId) {
        self.slots.lock().retain(|(id, _), _| *id != deployment);
    }

    /// Ends all of them, and what was restored from them.
    pub(super) async fn end_all(&self, fleet: &Fleet) {
        for (key, template) in self.taken() {
            self.slots.lock().remove(&key);
            template.end(fleet).await;
        }
    }

    /// Those that nobody is busy taking.
    fn taken(&self) -> Vec<(PoolKey, Arc<Template>)> {
        let slots = self.slots.lock();
        let taken = |(key, slot): (&PoolKey, &Arc<Slot>)| match &*slot.try_lock().ok()? {
            Some(Snapshot::Taken(template)) => Some((*key, Arc::clone(template))),
            _ => None,
        };
        slots.iter().filter_map(taken).collect()
    }

    /// Lets go of the clones of snapshots that were not wanted for so long.
    pub(super) async fn rest(&self, now: Duration, limit: Duration) {
        for (_, template) in self.taken() {
            if template.idle_for(now) >= limit {
                template.drop_spares().await;
            }
        }
    }

    /// Takes out the snapshot that was not wanted for the longest time, of those that nothing which
    /// lives was restored from.
    pub(super) fn give_up_one(&self, now: Duration) -> Option<Arc<Template>> {
        let mut taken = self.taken();
        // One for its slot, and one for the list.
        taken.retain(|(_, template)| Arc::strong_count(template) == 2);
        let longest = taken.into_iter().max_by_key(|(_, it)| it.idle_for(now));
        let (key, template) = longest?;
        self.slots.lock().remove(&key);
        Some(template)
    }
}

/// A snapshot's environment is never free for an invocation.
#[derive(Debug)]
struct Nowhere;

impl Home for Nowhere {
    fn take_back(&self, _environment: Arc<Environment>) {}
}

impl Fleet {
    /// The snapshot of `deployment`, taken if there is none.
    ///
    /// # Errors
    /// The init phase failed, or a before-snapshot hook did.
    pub(crate) async fn snapshot(
        self: &Arc<Self>,
        deployment: &Arc<Deployment>,
        occasion: Occasion,
    ) -> Result<Snapshot, Failure> {
        let slot = self.templates.slot(deployment.pool_key());
        let mut held = slot.lock().await;
        match &*held {
            Some(Snapshot::Taken(template)) if template.is_fit() => {
                return Ok(Snapshot::Taken(Arc::clone(template)));
            }
            Some(Snapshot::Unfit(reason)) => return Ok(Snapshot::Unfit(reason.clone())),
            _ => {}
        }
        let obstacle = self.obstacle(deployment);
        if let (Some(reason), Occasion::Need) = (&obstacle, occasion) {
            return Ok(Snapshot::Unfit(reason.clone()));
        }
        let taken = self.take_snapshot(deployment, obstacle, occasion).await?;
        if self.is_retired(deployment.id) {
            self.templates.forget(deployment.id);
        }
        Ok(held.insert(taken).clone())
    }

    /// Why no process of this deployment can be cloned, as far as that can be told ahead.
    fn obstacle(&self, deployment: &Deployment) -> Option<String> {
        let clones = &self.sandbox.capabilities().clones;
        if let Some(reason) = &clones.remedy {
            return Some(reason.clone());
        }
        let Runtime::Python { .. } = deployment.runtime else {
            return Some(format!(
                "SnapStart: processes of {} cannot be cloned; each environment is initialised when \
                 it starts, and runs its hooks then",
                deployment.runtime
            ));
        };
        None
    }

    async fn take_snapshot(
        self: &Arc<Self>,
        deployment: &Arc<Deployment>,
        obstacle: Option<String>,
        occasion: Occasion,
    ) -> Result<Snapshot, Failure> {
        let not_started = |reason: String| Failure::NotStarted {
            error_type: "Runtime.Unknown",
            reason,
        };
        let no_room = || not_started("the host has no memory for it".to_owned());
        let (memory, _init) = match occasion {
            Occasion::Publishing => {
                let memory = self.memory_for(deployment.memory_mb).await;
                let init = self.admission.init().await;
                (memory, init)
            }
            // Whoever needs it holds the right to initialise, and must not wait for more memory.
            Occasion::Need => (self.admission.try_memory(deployment.memory_mb), None),
        };
        let environment = self
            .snapshot_environment(deployment, memory.ok_or_else(no_room)?)
            .await
            .map_err(|error| not_started(error.to_string()))?;
        let unfit = match environment.snap().await {
            Ok(unfit) => obstacle.or(unfit),
            Err(failure) => {
                self.end(environment).await;
                return Err(failure);
            }
        };
        if let Some(reason) = unfit {
            self.end(environment).await;
            return Ok(Snapshot::Unfit(reason));
        }
        if let Some(peak) = environment.peak_memory().charged {
            let need = seen_need_mb(peak).min(deployment.memory_mb);
            environment.adjust_reservation(need, &self.admission);
        }
        environment.vacate();
        let template = Arc::new(Template {
            environment,
            fleet: Arc::downgrade(self),
            ready: Mutex::default(),
            cloning: tokio::sync::Mutex::default(),
            late: AtomicU32::new(0),
            refilling: AtomicUsize::new(0),
            used_at: AtomicU64::new(0),
        });
        template.touch(self);
        if occasion == Occasion::Publishing {
            template.refill(self, Duration::ZERO);
        }
        Ok(Snapshot::Taken(template))
    }

    async fn snapshot_environment(
        self: &Arc<Self>,
        deployment: &Arc<Deployment>,
        memory: OwnedSemaphorePermit,
    ) -> Result<Arc<Environment>, SandboxError> {
        let id = EnvironmentId::draw(&*self.entropy);
        let identity = self.identity_for(id, deployment);
        let spec = self.place(id, deployment, identity.folder.clone());
        let sandbox = self.sandbox.create(spec).await?;
        let site = Site::open(sandbox, &self.settings.doors);
        let home = (Box::new(Nowhere) as Box<dyn Home>, Arc::default());
        let purpose = Purpose::Snapshot;
        Ok(self.found(
            id,
            Arc::clone(deployment),
            (site, purpose),
            home,
            (memory, identity),
        ))
    }
}
