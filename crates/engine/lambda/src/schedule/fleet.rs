//! All pools, and the making of environments.

use std::collections::{HashMap, VecDeque};
use std::path::PathBuf;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Weak};
use std::time::Duration;

use ids::{EnvironmentId, RequestId, SharedClock, SharedEntropy};
use parking_lot::{Mutex, RwLock};
use sandbox::EnvironmentSpec;
use tokio::sync::OwnedSemaphorePermit;

use super::admission::Admission;
use super::demand::Verdict;
use super::janitor::Janitor;
use super::pool::{Entry, MEMORY_PATIENCE, NoEnvironment, PROVISION_PATIENCE, Pool, Returned};
use super::provision::Provision;
use super::template::{Occasion, Snapshot, Template, Templates};
use crate::deployment::{Deployment, PoolKey};
use crate::environment::{Environment, Home, Place, Purpose, Site, Spare};
use crate::identity::FunctionIdentity;
use crate::logging::platform::PlatformEvent;
use crate::logging::shipper::Shipper;
use crate::runtime::identity::{Identity, PROVISIONED};
use crate::runtime::launch;
use crate::runtime::settings::Settings;

/// How many retired deployments are remembered: an invocation names one for some milliseconds at most
/// after it was retired.
const RETIRED_KEPT: usize = 1_024;

/// How often idle environments are looked over for reaping.
const REAP_EVERY: Duration = Duration::from_secs(5);

/// How often environments at work are looked over.
const OVERSEE_EVERY: Duration = Duration::from_secs(1);

/// An environment, and how long it took to make it.
type Made = (Arc<Environment>, Duration);

/// Why a provisioned environment cannot be had.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotProvided {
    /// As of any other environment.
    #[error(transparent)]
    NoEnvironment(#[from] NoEnvironment),
    /// The function failed to initialise.
    #[error("FUNCTION_ERROR_INIT_FAILURE")]
    Init,
}

/// All environments of the engine.
#[derive(Debug)]
pub(crate) struct Fleet {
    pub(crate) janitor: Arc<Janitor>,
    pub(crate) admission: Arc<Admission>,
    pub(crate) clock: SharedClock,
    pub(super) entropy: SharedEntropy,
    pub(super) sandbox: sandbox::Sandbox,
    pub(super) settings: Settings,
    logs: Shipper,
    /// The snapshots of versions.
    pub(super) templates: Templates,
    pools: RwLock<HashMap<PoolKey, Arc<Pool>>>,
    /// The deployments that were retired last, for invocations that still name them.
    retired: Mutex<VecDeque<RequestId>>,
    /// Whose credentials are whose, by access key id.
    identities: Mutex<HashMap<String, Arc<FunctionIdentity>>>,
    /// Every environment from its making to its end.
    all: Mutex<HashMap<EnvironmentId, Weak<Environment>>>,
}

impl Fleet {
    /// An empty fleet whose idle environments live for `idle_limit`.
    pub(crate) fn new(
        sandbox: sandbox::Sandbox,
        settings: Settings,
        logs: Shipper,
        admission: Admission,
        clock: SharedClock,
        entropy: SharedEntropy,
        idle_limit: Duration,
    ) -> Arc<Self> {
        let fleet = Arc::new(Self {
            janitor: Arc::default(),
            admission: Arc::new(admission),
            clock: Arc::clone(&clock),
            entropy,
            sandbox,
            settings,
            logs,
            templates: Templates::default(),
            pools: RwLock::default(),
            retired: Mutex::default(),
            identities: Mutex::default(),
            all: Mutex::default(),
        });
        tokio::spawn(Arc::clone(&fleet.janitor).freeze(Arc::clone(&clock)));
        tokio::spawn(oversee(Arc::downgrade(&fleet), Arc::clone(&clock)));
        tokio::spawn(reap(Arc::downgrade(&fleet), clock, idle_limit));
        fleet
    }

    /// Every pool at the moment.
    fn pools(&self) -> Vec<Arc<Pool>> {
        self.pools.read().values().cloned().collect()
    }

    /// The pool of `deployment`; `None` where that is no longer served.
    pub(crate) fn pool(&self, deployment: &Arc<Deployment>) -> Option<Arc<Pool>> {
        if let Some(pool) = self.pools.read().get(&deployment.pool_key()) {
            return Some(Arc::clone(pool));
        }
        // In this order, as in `retire`: whoever comes late with what was served before finds it
        // retired, and makes no pool that nobody would end.
        let mut pools = self.pools.write();
        if self.retired.lock().contains(&deployment.id) {
            return None;
        }
        let pool = pools
            .entry(deployment.pool_key())
            .or_insert_with(|| Pool::new(Arc::clone(deployment), Arc::clone(&self.clock)));
        Some(Arc::clone(pool))
    }

    /// An environment of `pool` for one invocation; it counts as occupied until it is given back.
    /// Who stops waiting leaves the line, and loses nothing that was on its way to him.
    pub(crate) async fn acquire(
        self: &Arc<Self>,
        pool: &Arc<Pool>,
    ) -> Result<Arc<Environment>, NoEnvironment> {
        match pool.enter()? {
            Entry::Served(environment) => {
                environment.occupy();
                Ok(environment)
            }
            Entry::Queued {
                waiting,
                needs_starter,
            } => {
                if needs_starter {
                    tokio::spawn(Arc::clone(self).start_one(Arc::clone(pool)));
                }
                let grant = waiting.await.unwrap_or(Err(NoEnvironment::Closed))?;
                grant.take().ok_or(NoEnvironment::Closed)
            }
        }
    }

    /// Starts one environment, unless nobody waits for it any more when its turn comes.
    async fn start_one(self: Arc<Self>, pool: Arc<Pool>) {
        match self.make(&pool).await {
            Ok(Some((environment, took))) => {
                // What the init phase took is the first that is known of the function's needs.
                self.settle_reservation(&pool, &environment);
                pool.started(took);
                environment.give_back();
            }
            Ok(None) => {}
            Err(error) => pool.failed(&error),
        }
    }

    /// Makes and initialises an environment for `pool`, and says how long that took; `None` where
    /// nobody waits for one any more.
    async fn make(self: &Arc<Self>, pool: &Arc<Pool>) -> Result<Option<Made>, NoEnvironment> {
        let Some((memory, _init)) = self.admit(pool).await? else {
            return Ok(None);
        };
        let made = self.build(pool, memory, None).await;
        if made.is_err() {
            pool.gave_up();
        }
        made.map(Some)
    }

    async fn build(
        self: &Arc<Self>,
        pool: &Arc<Pool>,
        memory: OwnedSemaphorePermit,
        provision: Option<Arc<Provision>>,
    ) -> Result<Made, NoEnvironment> {
        let began = self.clock.monotonic();
        let deployment = &pool.deployment;
        let mut remark = None;
        // Both at once there is not on AWS either.
        if deployment.snap_start && provision.is_none() {
            match self.snapshot(deployment, Occasion::Need).await {
                Ok(Snapshot::Taken(template)) => match template.take().await {
                    Ok(spare) => {
                        return self.restore(pool, memory, (template, spare), began).await;
                    }
                    Err(error) => remark = Some(format!("SnapStart: {error}")),
                },
                Ok(Snapshot::Unfit(reason)) => remark = Some(reason),
                // Initialising without a snapshot says what is wrong, in the invocation's log.
                Err(failure) => tracing::warn!(%failure, ?deployment, "no snapshot was taken"),
            }
        }
        let failed = |error: &dyn std::fmt::Display| NoEnvironment::Failed(error.to_string());
        let id = EnvironmentId::draw(&*self.entropy);
        let mut identity = self.identity_for(id, deployment);
        let purpose = match provision {
            Some(provision) => {
                identity.initialization = Some(PROVISIONED);
                Purpose::Provisioned(provision)
            }
            None => Purpose::Invocations,
        };
        let sandbox = self
            .sandbox
            .create(self.place(id, deployment, identity.folder.clone()))
            .await
            .map_err(|error| failed(&error))?;
        // What stands in for /tmp where environments have no file system of their own.
        std::fs::create_dir_all(identity.folder.join("tmp")).map_err(|error| failed(&error))?;
        let site = Site::open(sandbox, &self.settings.doors);
        let environment = self.found(
            id,
            Arc::clone(deployment),
            (site, purpose),
            self.berth(pool),
            (memory, identity),
        );
        if let Some(remark) = &remark {
            environment.log.platform(&PlatformEvent::Warning(remark));
        }
        environment.initialise().await;
        let took = self.clock.monotonic().saturating_sub(began);
        Ok((environment, took))
    }

    /// Makes an environment with a clone of what was initialised already.
    async fn restore(
        self: &Arc<Self>,
        pool: &Arc<Pool>,
        memory: OwnedSemaphorePermit,
        (template, spare): (Arc<Template>, Spare),
        began: Duration,
    ) -> Result<Made, NoEnvironment> {
        let Spare { id, site } = spare;
        let identity = self.identity_for(id, &pool.deployment);
        let environment = self.found(
            id,
            Arc::clone(&pool.deployment),
            (site, Purpose::Restored(template)),
            self.berth(pool),
            (memory, identity),
        );
        if let Err(failure) = environment.restore(began).await {
            self.end(environment).await;
            return Err(NoEnvironment::NotRestored(failure));
        }
        let took = self.clock.monotonic().saturating_sub(began);
        Ok((environment, took))
    }

    /// An environment at a site, known by its credentials from now on.
    pub(super) fn found(
        &self,
        id: EnvironmentId,
        deployment: Arc<Deployment>,
        (site, purpose): (Arc<Site>, Purpose),
        (home, finishing): (Box<dyn Home>, Arc<AtomicUsize>),
        (memory, mut identity): (OwnedSemaphorePermit, Identity),
    ) -> Arc<Environment> {
        if site.sandbox.egress().is_own_network() {
            identity.endpoint = launch::endpoint_inside();
        }
        let function = Arc::new(identity.of(&deployment));
        let key = identity.access_key_id.clone();
        self.identities.lock().insert(key, function);
        let place = Place {
            site,
            purpose,
            home,
            finishing,
            clock: Arc::clone(&self.clock),
            entropy: Arc::clone(&self.entropy),
            memory,
            capacity: self.admission.capacity,
            identity,
            logs: self.logs.clone(),
        };
        let environment = Environment::new(id, deployment, place);
        self.all.lock().insert(id, Arc::downgrade(&environment));
        environment
    }

    /// The place that an environment of `deployment` needs, with `folder` for its own.
    pub(super) fn place(
        &self,
        id: EnvironmentId,
        deployment: &Deployment,
        folder: PathBuf,
    ) -> EnvironmentSpec {
        let cores = self.admission.capacity.cores_of(deployment.memory_mb);
        launch::place(id, deployment, folder, cores)
    }

    pub(super) fn identity_for(&self, id: EnvironmentId, deployment: &Deployment) -> Identity {
        let (clock, entropy) = (&*self.clock, &*self.entropy);
        Identity::new(id, deployment, &self.settings, clock, entropy)
    }

    /// Where environments of a pool go when they are free, and where they are counted before.
    fn berth(self: &Arc<Self>, pool: &Arc<Pool>) -> (Box<dyn Home>, Arc<AtomicUsize>) {
        let berth = Berth {
            fleet: Arc::downgrade(self),
            pool: Arc::downgrade(pool),
        };
        (Box::new(berth), pool.finishing())
    }

    /// Whether this deployment is no longer served.
    pub(super) fn is_retired(&self, deployment: RequestId) -> bool {
        self.retired.lock().contains(&deployment)
    }

    /// Waits for memory, for as long as it takes.
    pub(super) async fn memory_for(&self, mb: u32) -> Option<OwnedSemaphorePermit> {
        let _hungry = self.admission.hunger();
        self.make_room(mb).await;
        self.admission.memory(mb).await
    }

    /// Makes and initialises one environment of `provision`.
    ///
    /// # Errors
    /// There is no room for it, or it does not initialise.
    pub(crate) async fn provide(
        self: &Arc<Self>,
        pool: &Arc<Pool>,
        provision: &Arc<Provision>,
    ) -> Result<(), NotProvided> {
        let free = self.admission.try_memory(pool.reservation_mb());
        let memory = match free {
            Some(memory) => memory,
            None => self.wait_for_memory(pool, PROVISION_PATIENCE).await?,
        };
        let _init = self.admission.init().await.ok_or(NoEnvironment::Closed)?;
        let (environment, took) = self
            .build(pool, memory, Some(Arc::clone(provision)))
            .await?;
        if environment.is_down() {
            self.discard(environment).await;
            return Err(NotProvided::Init);
        }
        provision.came();
        self.settle_reservation(pool, &environment);
        pool.provided(took);
        environment.give_back();
        Ok(())
    }

    /// Ends up to `count` idle environments of a pool's provision.
    pub(crate) async fn take_away(&self, pool: &Pool, count: usize) {
        for environment in pool.take_provisioned(count) {
            self.end(environment).await;
        }
    }

    /// Waits until an environment is worth starting, for memory, and for the right to initialise;
    /// `None` where nobody waits for one any more. The right is not kept while memory is waited
    /// for, so that a large function does not hold up small ones.
    async fn admit(
        &self,
        pool: &Pool,
    ) -> Result<Option<(OwnedSemaphorePermit, OwnedSemaphorePermit)>, NoEnvironment> {
        let admission = &self.admission;
        let mut reserved = None;
        loop {
            let init = admission.init().await.ok_or(NoEnvironment::Closed)?;
            match pool.verdict(admission.few()) {
                Verdict::Nobody => return Ok(None),
                Verdict::Later(after) => {
                    drop((init, reserved.take()));
                    self.clock.sleep(after).await;
                }
                Verdict::Start => {
                    let free = || admission.try_memory(pool.reservation_mb());
                    if let Some(memory) = reserved.take().or_else(free) {
                        return Ok(Some((memory, init)));
                    }
                    pool.gave_up();
                    drop(init);
                    reserved = Some(self.wait_for_memory(pool, MEMORY_PATIENCE).await?);
                }
            }
        }
    }

    /// Waits for memory; what is needed is asked again once it has been learned.
    async fn wait_for_memory(
        &self,
        pool: &Pool,
        patience: Duration,
    ) -> Result<OwnedSemaphorePermit, NoEnvironment> {
        let _hungry = self.admission.hunger();
        let mut patience = self.clock.sleep(patience);
        loop {
            let learned = pool.learned.notified();
            let reservation = pool.reservation_mb();
            self.make_room(reservation).await;
            tokio::select! {
                memory = self.admission.memory(reservation) => {
                    return memory.ok_or(NoEnvironment::Closed);
                }
                () = learned => {}
                () = &mut patience => return Err(NoEnvironment::NoMemory),
            }
        }
    }

    /// Ends idle environments, the longest idle first, until `mb` could be free.
    async fn make_room(&self, mb: u32) {
        while self.admission.try_memory(mb).is_none() {
            let pools = self.pools();
            let oldest = pools
                .iter()
                .filter_map(|pool| Some((pool.longest_idle()?, pool)))
                .max_by_key(|(idle, _)| *idle);
            let Some(environment) = oldest.and_then(|(_, pool)| pool.take_longest_idle()) else {
                let now = self.clock.monotonic();
                let Some(template) = self.templates.give_up_one(now) else {
                    return;
                };
                template.end(self).await;
                continue;
            };
            self.end(environment).await;
        }
    }

    /// Ends an environment for good.
    pub(super) async fn end(&self, environment: Arc<Environment>) {
        let provision = environment.provision().cloned();
        self.discard(environment).await;
        if let Some(provision) = provision {
            provision.went();
        }
    }

    /// The same for one that was never counted as part of its provision.
    async fn discard(&self, environment: Arc<Environment>) {
        environment.destroy().await;
        self.all.lock().remove(&environment.id);
        self.identities.lock().remove(environment.access_key_id());
        let folder = environment.folder();
        let removed = tokio::task::spawn_blocking(move || std::fs::remove_dir_all(folder)).await;
        match removed {
            // The engine has stopped meanwhile, and removed all of them.
            Ok(Err(error)) if error.kind() == std::io::ErrorKind::NotFound => {}
            Ok(Err(error)) => {
                tracing::warn!(%error, environment = %environment.id, "its folder could not be removed");
            }
            _ => {}
        }
    }

    /// Whose credentials these are, where they were given to a function.
    pub(crate) fn identity(&self, access_key_id: &str) -> Option<Arc<FunctionIdentity>> {
        self.identities.lock().get(access_key_id).cloned()
    }

    /// Ends environments that have been idle for longer than `limit`.
    async fn reap(&self, limit: Duration) {
        for pool in self.pools() {
            for environment in
                pool.take_idle(|idle| idle.provision().is_none() && idle.idle_for() >= limit)
            {
                self.end(environment).await;
            }
        }
        self.templates.rest(self.clock.monotonic(), limit).await;
        self.pools
            .write()
            .retain(|_, pool| !pool.is_empty() || Arc::strong_count(pool) > 1);
    }

    /// The deployment is no longer served: its environments end as they get idle.
    pub(crate) fn retire(self: &Arc<Self>, deployment: RequestId) {
        let retired: Vec<_> = {
            let mut pools = self.pools.write();
            let mut retired = self.retired.lock();
            if retired.len() == RETIRED_KEPT {
                retired.pop_front();
            }
            retired.push_back(deployment);
            pools
                .extract_if(|(id, _), _| *id == deployment)
                .map(|(_, pool)| pool)
                .collect()
        };
        self.templates.forget(deployment);
        let idle: Vec<_> = retired.iter().flat_map(|pool| pool.close()).collect();
        if idle.is_empty() {
            return;
        }
        let fleet = Arc::clone(self);
        tokio::spawn(async move {
            for environment in idle {
                fleet.end(environment).await;
            }
        });
    }

    /// How many environments exist.
    pub(crate) fn environments(&self) -> usize {
        self.all.lock().len()
    }

    /// Sets aside for an environment what those of its pool were seen to take of the host's memory.
    fn settle_reservation(&self, pool: &Pool, environment: &Environment) {
        if let Some(need_mb) = pool.learn_peak(environment.peak_memory().charged) {
            environment.adjust_reservation(need_mb, &self.admission);
        }
    }

    /// Resets environments whose runtime answered and then let its time pass without asking for
    /// another event, and sets more memory aside for those that need more than they had.
    fn oversee(&self) {
        let all: Vec<_> = self.all.lock().values().filter_map(Weak::upgrade).collect();
        for environment in all {
            if !environment.is_idle()
                && let Some(pool) = self.pools.read().get(&environment.deployment.pool_key())
            {
                self.settle_reservation(pool, &environment);
            }
            if environment.is_overdue() {
                tokio::spawn(async move { environment.recover().await });
            }
        }
    }

    /// Stops admitting and ends every idle environment. Running invocations are not waited for: they end
    /// with the engine, as nobody's failure. The folders of all go now.
    pub(crate) async fn shut_down(&self) {
        self.admission.close();
        let pools: Vec<_> = self.pools.write().drain().map(|(_, pool)| pool).collect();
        for environment in pools.iter().flat_map(|pool| pool.close()) {
            self.end(environment).await;
        }
        self.templates.end_all(self).await;
        let folder = self.settings.environments.clone();
        let removed = tokio::task::spawn_blocking(|| std::fs::remove_dir_all(folder)).await;
        if let Ok(Err(error)) = removed {
            tracing::warn!(%error, "the folders of environments could not be removed");
        }
    }
}

/// Where an environment of a pool goes when it is free. It keeps neither alive: an environment
/// whose pool is gone ends with its last user.
#[derive(Debug)]
struct Berth {
    fleet: Weak<Fleet>,
    pool: Weak<Pool>,
}

impl Home for Berth {
    fn take_back(&self, environment: Arc<Environment>) {
        let Some(fleet) = self.fleet.upgrade() else {
            return;
        };
        let returned = match self.pool.upgrade() {
            Some(pool) => pool.take_back(environment, || !fleet.admission.is_hungry()),
            None => Returned::Surplus(environment),
        };
        match returned {
            Returned::HandedOver => {}
            Returned::Resting(environment) => fleet.janitor.watch(environment),
            Returned::Surplus(environment) => {
                tokio::spawn(async move { fleet.end(environment).await });
            }
        }
    }
}

/// Ends environments that have been idle for longer than `limit`, for as long as there is a fleet.
async fn reap(fleet: Weak<Fleet>, clock: SharedClock, limit: Duration) {
    loop {
        clock.sleep(REAP_EVERY.min(limit)).await;
        let Some(fleet) = fleet.upgrade() else { return };
        fleet.reap(limit).await;
    }
}

/// Looks after environments at work, for as long as there is a fleet.
async fn oversee(fleet: Weak<Fleet>, clock: SharedClock) {
    loop {
        clock.sleep(OVERSEE_EVERY).await;
        let Some(fleet) = fleet.upgrade() else { return };
        fleet.oversee();
    }
}
