//! The service as a whole: what it stands on, what it is made of, how it starts and how it stops. The
//! list of what it serves is in `api`.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use control::Capacity;
use http::HeaderValue;
use ids::{RequestId, SharedClock, SharedEntropy};
use image::Images;
use store::{Blobs, Digest, Store};
use tokio::sync::mpsc::UnboundedReceiver;
use trace::{Header, Tracer};
use wire::Dispatch;

use crate::asynchronous::courier::Courier;
use crate::asynchronous::lines::Lines;
use crate::asynchronous::outbox::Outbox;
use crate::asynchronous::queue::Queue;
use crate::control::host::Host;
use crate::door::Doors;
use crate::environment::Environment;
use crate::function::key::FunctionKey;
use crate::function::registry::Registry;
use crate::identity::FunctionIdentity;
use crate::invoke::curtain::Curtain;
use crate::invoke::lineage;
use crate::invoke::recent::{Measured, Recent};
use crate::invoke::report::Figures;
use crate::logging::shipper::Shipper;
use crate::package::code_store::CodeStore;
use crate::package::error::CodeError;
use crate::runtime::install::Runtimes;
use crate::runtime::settings::Settings;
use crate::schedule::admission::Admission;
use crate::schedule::concurrency::Concurrency;
use crate::schedule::fleet::Fleet;
use crate::schedule::provision::Provisions;

/// What the service stands on.
#[derive(Debug)]
pub struct LambdaOptions {
    /// Holds [`crate::SCHEMA`].
    pub store: Store,
    /// Holds packages as they were uploaded.
    pub blobs: Blobs,
    /// Holds container images.
    pub images: Images,
    /// Hears of images that somebody let go of.
    pub released_images: UnboundedReceiver<Digest>,
    /// Unpacked code and the environments' own folders lie below it.
    pub data_dir: PathBuf,
    /// Where runtime interface clients are installed.
    pub runtimes: Runtimes,
    /// Makes environments.
    pub sandbox: sandbox::Sandbox,
    /// The engine's endpoint, as clients on this host reach it.
    pub endpoint: String,
    /// What the host gives to functions.
    pub capacity: Capacity,
    /// How many invocations an account may have at a time in a region.
    pub account_concurrency: u32,
    /// Takes the listeners by which functions reach the engine from networks of their own.
    pub doors: Doors,
    /// How long an environment is kept after its last invocation.
    pub environment_idle: Duration,
    /// The other services.
    pub peers: Peers,
    /// Takes the spans of invocations that are traced.
    pub tracer: Tracer,
    /// Time.
    pub clock: SharedClock,
    /// Randomness.
    pub entropy: SharedEntropy,
}

/// The other services, by way of what carries calls to them.
#[derive(Clone)]
pub struct Peers(pub Arc<dyn Dispatch>);

impl fmt::Debug for Peers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Peers(..)")
    }
}

/// Why the service cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The folders for code and environments cannot be used.
    #[error("{0}")]
    Folder(String),
    /// The store cannot be read.
    #[error("the functions cannot be read: {0}")]
    Store(String),
}

/// How long a clean stop waits for functions' logs.
const FLUSH_LIMIT: Duration = Duration::from_secs(5);

/// AWS Lambda. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Lambda {
    pub(crate) inner: Arc<Inner>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) registry: Registry,
    /// Asynchronous invocations that have not ended.
    pub(crate) events: Queue,
    pub(crate) lines: Lines,
    /// What is to be told of those that have.
    pub(crate) outbox: Outbox,
    pub(crate) courier: Courier,
    /// The other services.
    pub(crate) peers: Peers,
    pub(crate) code: CodeStore,
    pub(crate) images: Images,
    /// Whether environments have a root of their own, without which there are no containers.
    pub(crate) isolated: bool,
    pub(crate) host: Host,
    pub(crate) runtimes: Runtimes,
    pub(crate) fleet: Arc<Fleet>,
    /// Takes functions' logs.
    logs: Shipper,
    pub(crate) tracer: Tracer,
    pub(crate) clock: SharedClock,
    pub(crate) entropy: SharedEntropy,
    pub(crate) endpoint: String,
    /// Held shared while a package is on its way into a function, alone while unused ones go.
    pub(crate) code_gate: tokio::sync::RwLock<()>,
    /// Makes the locations of packages unguessable.
    location_key: u128,
    recent: Recent,
    stopping: AtomicBool,
    pub(crate) curtain: Curtain,
    pub(crate) concurrency: Arc<Concurrency>,
    pub(crate) provisions: Provisions,
}

impl Lambda {
    /// Starts the service: takes up what a crash interrupted, and serves.
    ///
    /// # Errors
    /// See [`StartError`].
    pub async fn start(options: LambdaOptions) -> Result<Self, StartError> {
        let folder = |error: &dyn fmt::Display| StartError::Folder(error.to_string());
        let environments = options.data_dir.join("environments");
        fresh_folder(&environments).map_err(|error| {
            folder(&format_args!(
                "cannot use {}: {error}",
                environments.display()
            ))
        })?;
        let code_folder = options.data_dir.join("code");
        let (code, doubtful) =
            CodeStore::open(options.blobs, code_folder, Arc::clone(&options.entropy))
                .map_err(|error: CodeError| folder(&error))?;
        let capabilities = options.sandbox.capabilities();
        let isolated = capabilities.isolates();
        let host = Host::new(options.capacity, capabilities);
        let settings = Settings {
            endpoint: options.endpoint.clone(),
            environments,
            isolated,
            doors: options.doors,
        };
        let logs = Shipper::start(
            Arc::clone(&options.peers.0),
            Arc::clone(&options.clock),
            Arc::clone(&options.entropy),
        );
        let fleet = Fleet::new(
            options.sandbox,
            settings,
            logs.clone(),
            Admission::new(options.capacity),
            Arc::clone(&options.clock),
            Arc::clone(&options.entropy),
            options.environment_idle,
        );
        let inner = Arc::new(Inner {
            events: Queue::new(options.store.clone()),
            lines: Lines::default(),
            outbox: Outbox::new(options.store.clone()),
            courier: Courier::default(),
            peers: options.peers.clone(),
            registry: Registry::new(options.store),
            code,
            images: options.images,
            isolated,
            host,
            runtimes: options.runtimes,
            fleet,
            logs,
            tracer: options.tracer,
            clock: options.clock,
            location_key: options.entropy.bits(),
            entropy: options.entropy,
            endpoint: options.endpoint,
            code_gate: tokio::sync::RwLock::default(),
            recent: Recent::default(),
            stopping: AtomicBool::new(false),
            curtain: Curtain::default(),
            concurrency: Arc::new(Concurrency::new(options.account_concurrency)),
            provisions: Provisions::default(),
        });
        inner
            .take_up()
            .await
            .map_err(|error| StartError::Store(error.to_string()))?;
        inner
            .take_up_concurrency()
            .await
            .map_err(|error| StartError::Store(error.to_string()))?;
        inner
            .take_up_events()
            .await
            .map_err(|error| StartError::Store(error.to_string()))?;
        tokio::spawn(Arc::clone(&inner).deliver());
        tokio::spawn(Arc::clone(&inner).sweep(doubtful));
        tokio::spawn(Arc::clone(&inner).sweep_images(options.released_images));
        Ok(Self { inner })
    }

    /// The function that was given these credentials, if one was.
    #[must_use]
    pub fn function_of(&self, access_key_id: &str) -> Option<Arc<FunctionIdentity>> {
        self.inner.fleet.identity(access_key_id)
    }

    /// What the host gives to functions.
    #[must_use]
    pub fn capacity(&self) -> Capacity {
        self.inner.fleet.admission.capacity
    }

    /// How many environments exist, idle ones included.
    #[must_use]
    pub fn environments(&self) -> usize {
        self.inner.fleet.environments()
    }

    /// How many invocations run or wait.
    #[must_use]
    pub fn invocations(&self) -> usize {
        self.inner.concurrency.all()
    }

    /// How many asynchronous invocations have been accepted and not ended.
    #[must_use]
    pub fn events(&self) -> usize {
        self.inner.lines.queued()
    }

    /// How many records of ended events could not be delivered to their destinations since the
    /// start.
    #[must_use]
    pub fn destination_delivery_failures(&self) -> u64 {
        self.inner.courier.failures()
    }

    /// Begins no asynchronous invocation and no delivery any more; those that run end.
    pub fn hold_events(&self) {
        self.inner.lines.close();
        self.inner.courier.wake();
    }

    /// Answers everybody who waits for an invocation to end, also from now on, that the engine has
    /// stopped before that.
    pub fn break_off(&self) {
        self.inner.curtain.fall();
    }

    /// What was measured of a recent invocation.
    #[must_use]
    pub fn measured(&self, id: RequestId) -> Option<Measured> {
        self.inner.recent.get(id)
    }

    /// The package of that digest, for who knows its token (see `GetFunction`'s `Code.Location`).
    pub async fn package(&self, digest: &str, token: &str) -> Option<Bytes> {
        let digest: Digest = digest.parse().ok()?;
        if self.inner.location_token(&digest) != token {
            return None;
        }
        self.inner.code.package(digest).await.ok()
    }

    /// Takes no more invocations and ends every environment.
    pub async fn shut_down(&self) {
        self.hold_events();
        self.inner.stopping.store(true, Ordering::SeqCst);
        self.inner.fleet.shut_down().await;
        // The last environments have said what they had to say.
        self.inner.logs.close();
        let patience = self.inner.clock.sleep(FLUSH_LIMIT);
        tokio::select! {
            () = self.inner.logs.flush() => {}
            () = patience => tracing::warn!("the last log lines of functions were lost"),
        }
    }
}

fn fresh_folder(folder: &std::path::Path) -> std::io::Result<()> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    std::fs::create_dir_all(folder)
}

impl Inner {
    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::SeqCst)
    }

    /// A new revision or deployment id.
    pub(crate) fn draw_id(&self) -> RequestId {
        RequestId::draw(&*self.entropy)
    }

    /// A random number from 0 up to 1.
    pub(crate) fn draw_share(&self) -> f64 {
        let bits = u32::try_from(self.entropy.bits() >> 96).unwrap_or_default();
        f64::from(bits) / (f64::from(u32::MAX) + 1.0)
    }

    /// The trace that an invocation of `function` is part of, whose caller has sent this header.
    pub(crate) fn trace_of(&self, sent: Option<&HeaderValue>, function: &FunctionKey) -> Header {
        let header = self.trace_from(sent.and_then(|trace| trace.to_str().ok()));
        lineage::prolonged(header, function)
    }

    /// The trace that a header names, or a new one.
    pub(crate) fn trace_from(&self, sent: Option<&str>) -> Header {
        Header::of(sent, &*self.clock, &*self.entropy)
    }

    pub(crate) fn location_token(&self, digest: &Digest) -> String {
        let secret = self.location_key.to_be_bytes();
        Digest::of(&[&secret[..], digest.as_bytes()].concat()).to_string()
    }

    /// Remembers the figures of an invocation.
    pub(crate) fn remember(
        &self,
        id: RequestId,
        environment: &Environment,
        figures: &Figures,
        oversubscribed: bool,
    ) {
        let deployment = &environment.deployment;
        let measured = Measured {
            function_arn: Arc::clone(&deployment.arn),
            version: Arc::clone(&deployment.version),
            environment: environment.id,
            duration: figures.duration,
            init: figures.init,
            peak_bytes: figures.peak_bytes,
            oversubscribed,
        };
        tracing::debug!(%id, ?measured, "invocation finished");
        self.recent.add(id, measured);
    }
}
