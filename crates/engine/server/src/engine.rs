//! One engine, from its start to its end.

use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use control::{Capacity, EngineFile, EngineFileError, Measure};
use egress::{BeyondThisHost, Nat, NatOptions};
use iam::{Iam, IamOptions};
use ids::{SharedClock, SystemClock, SystemEntropy};
use image::{Credentials, CredentialsError, ImageError, Images, ImagesOptions};
use lambda::runtime::install::Runtimes;
use lambda::{Lambda, LambdaOptions, Peers};
use logs::{Logs, LogsOptions};
use sandbox::{Capabilities, Sandbox, SandboxError, SpawnerLink};
use sqs::{Sqs, SqsOptions};
use store::{BlobError, Blobs, DataDir, DataDirError, Durability, OpenError, Store, StoreOptions};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use trace::Tracer;

use crate::EngineOptions;
use crate::access::Access;
use crate::activity::Activity;
use crate::auth::keys_file::{self, KeysError};
use crate::auth::{Enforcer, Verifier};
use crate::body::Bodies;
use crate::http_server::{self, Callers, Stage, until};
use crate::services::Services;
use crate::shared::Shared;
use crate::switchboard::Switchboard;

/// The name of the file with the control data and the journal.
const CONTROL_FILE: &str = "control.db";

/// The name of the file with the logs.
const LOGS_FILE: &str = "logs.db";

/// The name of the file with the queues.
const SQS_FILE: &str = "sqs.db";

/// The share of the host's memory that environments get where nothing else is said.
const MEMORY_SHARE: (u64, u64) = (3, 4);

/// How long answers may take on their way to those who are told that the engine stops.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// How often an engine that stops looks whether invocations still run.
const LOOK: Duration = Duration::from_millis(20);

/// Why an engine does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Another engine has the data folder, or it cannot be used.
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The system's reason.
        source: io::Error,
    },
    /// Everyone who can reach this machine could run code on it.
    #[error(
        "refused to listen on {0}: beyond loopback every caller could run code here; start the \
         engine with --auth and a file of access keys, or listen on 127.0.0.1 or [::1]"
    )]
    BeyondLoopback(SocketAddr),
    /// Nobody can be held to policies whose identity is not verified.
    #[error(
        "policies cannot be enforced without verified signatures: give --auth and a file of access \
         keys along with --enforce-iam"
    )]
    EnforceWithoutAuth,
    /// The access keys cannot be used.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// IAM cannot start.
    #[error(transparent)]
    Iam(#[from] iam::StartError),
    /// The control data cannot be opened.
    #[error(transparent)]
    Store(#[from] OpenError),
    /// The blobs cannot be opened.
    #[error(transparent)]
    Blobs(#[from] BlobError),
    /// Container images cannot be used.
    #[error(transparent)]
    Images(#[from] ImageError),
    /// The credentials for registries cannot be used.
    #[error(transparent)]
    Registries(#[from] CredentialsError),
    /// The spawner cannot be used.
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
    /// The queues cannot be read.
    #[error(transparent)]
    Sqs(#[from] sqs::StartError),
    /// Lambda cannot start.
    #[error(transparent)]
    Lambda(#[from] lambda::StartError),
    /// Spans cannot be sent where they are to go.
    #[error(transparent)]
    Tracer(#[from] trace::StartError),
    /// `engine.json` cannot be written.
    #[error(transparent)]
    EngineFile(#[from] EngineFileError),
}

/// Why a running engine ended against its will.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// Without its spawner the engine can start no function.
    #[error("the spawner process died, and every function with it; start the engine again")]
    SpawnerDied,
    /// The listener's task ended.
    #[error("the HTTP server ended: {0}")]
    Server(String),
    /// `engine.json` cannot be removed.
    #[error(transparent)]
    EngineFile(#[from] EngineFileError),
}

/// A running engine.
#[derive(Debug)]
pub struct Engine {
    endpoint: String,
    lambda: Lambda,
    tracer: Tracer,
    /// Kept until the last call between them is over.
    services: Arc<Services>,
    sandbox: Sandbox,
    activity: Arc<Activity>,
    idle_exit: Option<Duration>,
    drain: Duration,
    clock: SharedClock,
    stop: watch::Sender<Stage>,
    server: JoinHandle<()>,
    /// Dropped last: with it the next engine may come.
    data_dir: DataDir,
}

impl Engine {
    /// Starts an engine; when this returns, it answers.
    ///
    /// # Errors
    /// See [`StartError`].
    pub async fn start(options: EngineOptions, link: SpawnerLink) -> Result<Self, StartError> {
        if options.enforce_iam && options.auth.is_none() {
            return Err(StartError::EnforceWithoutAuth);
        }
        if options.auth.is_none() && !options.listen.ip().is_loopback() {
            return Err(StartError::BeyondLoopback(options.listen));
        }
        let keys = match &options.auth {
            Some(file) => keys_file::read(file, &options.account)?,
            None => Vec::new(),
        };
        raise_descriptor_limit();
        let clock: SharedClock = SystemClock::shared();
        let collector = options.otlp_endpoint.as_deref();
        let tracer = collector.map(|endpoint| Tracer::start(endpoint, Arc::clone(&clock)));
        let tracer = tracer.transpose()?.unwrap_or_default();
        let data_dir = DataDir::lock(options.data_dir)?;
        let address = options.listen;
        let listen = |source| StartError::Listen { address, source };
        let listener = TcpListener::bind(address).await.map_err(listen)?;
        let address = listener.local_addr().map_err(listen)?;
        let endpoint = format!("http://{}", reached_at(address));
        let sandbox = link.connect()?;
        let entropy = SystemEntropy::shared();
        let folder = data_dir.path();
        let schemas = vec![lambda::SCHEMA, iam::SCHEMA, image::SCHEMA];
        let store = Store::open(StoreOptions::new(folder, CONTROL_FILE, schemas))?;
        keep_private(&folder.join(CONTROL_FILE));
        let iam = Iam::start(IamOptions {
            store: store.clone(),
            clock: Arc::clone(&clock),
            entropy: Arc::clone(&entropy),
            verified: options.auth.is_some(),
            fixed: keys,
        })
        .await?;
        let blobs = Blobs::open(folder.join("blobs"))?;
        let logs = Logs::start(LogsOptions {
            store: Store::open(logs_store(folder))?,
            limit: options.log_budget_mb << 20,
            clock: Arc::clone(&clock),
            entropy: Arc::clone(&entropy),
        });
        let sqs = Sqs::start(SqsOptions {
            store: Store::open(StoreOptions::new(folder, SQS_FILE, vec![sqs::SCHEMA]))?,
            clock: Arc::clone(&clock),
            entropy: Arc::clone(&entropy),
        })
        .await?;
        keep_private(&folder.join(SQS_FILE));
        let credentials = options.registry_auth.as_deref().map(Credentials::read);
        let (images, released_images) = Images::open(ImagesOptions {
            store: store.clone(),
            folder: folder.join("images"),
            credentials: credentials.transpose()?.unwrap_or_default(),
            entropy: Arc::clone(&entropy),
        })?;
        let switchboard = Arc::new(Switchboard::default());
        let (doors, opened) = mpsc::unbounded_channel();
        let lambda = Lambda::start(LambdaOptions {
            store,
            blobs,
            images: images.clone(),
            released_images,
            data_dir: folder.to_owned(),
            runtimes: Runtimes::new(options.runtimes_dir, options.strict_runtimes),
            sandbox: sandbox.clone(),
            doors,
            endpoint: endpoint.clone(),
            capacity: Capacity {
                cores: available_cores(),
                cpu_scale: options.cpu_scale,
                memory_mb: memory_budget(options.memory_budget_mb),
            },
            account_concurrency: options.account_concurrency,
            environment_idle: options.environment_idle,
            peers: Peers(Arc::clone(&switchboard) as _),
            tracer: tracer.clone(),
            clock: Arc::clone(&clock),
            entropy: Arc::clone(&entropy),
        })
        .await?;
        let activity = Activity::new(Arc::clone(&clock));
        let verified = options.auth.is_some();
        let verifier =
            verified.then(|| Verifier::new(iam.clone(), lambda.clone(), Arc::clone(&clock)));
        let enforcer = options
            .enforce_iam
            .then(|| Enforcer::new(iam.clone(), lambda.clone(), sqs.clone(), Arc::clone(&clock)));
        let services = Arc::new(Services {
            lambda: lambda.clone(),
            images,
            logs,
            sqs,
            iam,
            verifier,
            enforcer,
            account: options.account.into(),
            region: options.region.into(),
            bodies: Bodies::new(Arc::clone(&clock)),
        });
        switchboard.connect(&services);
        let shared = Arc::new(Shared {
            services: Arc::clone(&services),
            access: Access::new(address, options.allow_origins, verified),
            activity: Arc::clone(&activity),
            measures: measures(sandbox.capabilities()),
            tracer: tracer.clone(),
            clock: Arc::clone(&clock),
            entropy,
        });
        let nat = Nat::new(NatOptions {
            policy: Arc::new(BeyondThisHost),
            resolver: sandbox::RESOLVER,
            servers: "/etc/resolv.conf".into(),
            clock: Arc::clone(&clock),
            entropy: Arc::clone(&shared.entropy),
        });
        let (stop, stage) = watch::channel(Stage::Open);
        tokio::spawn(http_server::serve_doors(
            opened,
            (Arc::clone(&shared), nat),
            stage.clone(),
        ));
        let server = tokio::spawn(http_server::run(
            (listener, Callers::Anybody),
            shared,
            until(stage, Stage::Draining),
            options.drain + LAST_WORDS,
        ));
        EngineFile {
            endpoint: endpoint.clone(),
            pid: std::process::id(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        }
        .write(data_dir.path())?;
        tracing::info!(endpoint, data_dir = %data_dir.path().display(), "the engine answers");
        warn_of_shortcomings(sandbox.capabilities());
        let idle_exit = options.idle_exit;
        Ok(Self {
            endpoint,
            lambda,
            tracer,
            services,
            sandbox,
            activity,
            idle_exit,
            drain: options.drain,
            clock,
            stop,
            server,
            data_dir,
        })
    }

    /// Where it answers: `http://127.0.0.1:4566`.
    #[must_use]
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// Serves until `shutdown` resolves or nobody needs the engine any more; then takes no more
    /// connections, lets running requests and invocations end, answers 500 where they do not, and ends
    /// every environment.
    ///
    /// # Errors
    /// The spawner died, or the data folder cannot be left in order.
    pub async fn run(mut self, shutdown: impl Future<Output = ()>) -> Result<(), RunError> {
        let outcome = tokio::select! {
            () = shutdown => Ok(()),
            () = idle(&self.activity, self.idle_exit, &self.lambda) => {
                tracing::info!("nobody needs the engine any more");
                Ok(())
            }
            () = self.sandbox.closed() => Err(RunError::SpawnerDied),
            ended = &mut self.server => {
                let reason = ended.err().map_or_else(|| "without a reason".into(), |e| e.to_string());
                return Err(RunError::Server(reason));
            }
        };
        // From here on nobody is told to come here.
        EngineFile::remove(self.data_dir.path())?;
        let deadline = self.clock.monotonic() + self.drain;
        self.stop.send_replace(Stage::Draining);
        self.services.logs.end_sessions();
        self.services.sqs.end_polls();
        self.lambda.hold_events();
        let in_time = tokio::select! {
            ended = &mut self.server => Some(ended),
            () = self.clock.sleep(self.drain) => None,
        };
        let ended = match in_time {
            Some(ended) => ended,
            None => {
                let (seconds, left) = (self.drain.as_secs(), self.lambda.invocations());
                tracing::warn!("{left} invocations still run after {seconds} s and are broken off");
                self.lambda.break_off();
                (&mut self.server).await
            }
        };
        if let Err(error) = ended {
            tracing::warn!(%error, "the HTTP server ended badly");
        }
        if outcome.is_ok() {
            self.invocations_end(deadline).await;
        }
        self.stop.send_replace(Stage::Over);
        self.lambda.shut_down().await;
        self.services.sqs.flush().await;
        self.tracer.end().await;
        tracing::info!("the engine has stopped");
        outcome
    }

    /// Waits for the invocations whose callers have hung up, until `deadline`.
    async fn invocations_end(&self, deadline: Duration) {
        while self.lambda.invocations() > 0 && self.clock.monotonic() < deadline {
            self.clock.sleep(LOOK).await;
        }
    }
}

/// Logs are flushed now and then, not at every write: they outlive the process, and a power cut may
/// take the last of them.
fn logs_store(folder: &Path) -> StoreOptions {
    let mut options = StoreOptions::new(folder, LOGS_FILE, vec![logs::SCHEMA]);
    options.durability = Durability::Async;
    options.shrinks = true;
    options
}

/// Where clients on this machine reach an engine that listens on `address`.
fn reached_at(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        other => other,
    };
    SocketAddr::new(ip, address.port())
}

/// The control data hold the secrets of access keys. The data folder is closed to other users; this
/// also holds for a copy of the file.
#[cfg(unix)]
fn keep_private(file: &Path) {
    use std::os::unix::fs::PermissionsExt;
    let mut log = file.as_os_str().to_owned();
    log.push("-wal");
    for path in [file, Path::new(&log)] {
        match std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!(%error, file = %path.display(), "others may read the secrets in it");
            }
            _ => {}
        }
    }
}

#[cfg(not(unix))]
fn keep_private(_: &Path) {}

/// Every environment takes about ten descriptors, every connection one: the customary soft limit of
/// 1,024 is raised as far as the hard limit lets it. Functions keep theirs: the sandbox sets it.
#[cfg(unix)]
fn raise_descriptor_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        tracing::warn!(%error, "the limit on open files could not be raised");
    }
}

#[cfg(not(unix))]
fn raise_descriptor_limit() {}

async fn idle(activity: &Activity, limit: Option<Duration>, lambda: &Lambda) {
    match limit {
        // An invocation goes on when its caller has hung up.
        Some(limit) => {
            let is_busy = || lambda.invocations() > 0 || lambda.events() > 0;
            activity.idle(limit, is_busy).await;
        }
        None => std::future::pending().await,
    }
}

/// The cores that this process may use.
fn available_cores() -> u32 {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    u32::try_from(cores).unwrap_or(u32::MAX)
}

/// The memory that environments may share, in MB.
fn memory_budget(asked: Option<u64>) -> u32 {
    let (numerator, denominator) = MEMORY_SHARE;
    let budget = asked.unwrap_or_else(|| total_memory_mb() * numerator / denominator);
    u32::try_from(budget.max(128)).unwrap_or(u32::MAX)
}

/// The host's memory; where it cannot be read, that of a small laptop.
fn total_memory_mb() -> u64 {
    const SMALL_LAPTOP_MB: u64 = 8_192;
    let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let total = text.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    let kib = total.and_then(|rest| {
        rest.trim()
            .trim_end_matches("kB")
            .trim()
            .parse::<u64>()
            .ok()
    });
    kib.map_or(SMALL_LAPTOP_MB, |kib| kib / 1_024)
}

/// The sandbox's measures, as the control API tells them.
fn measures(capabilities: &Capabilities) -> Vec<Measure> {
    let told = |(name, measure): (&str, &sandbox::Measure)| Measure {
        name: name.to_owned(),
        missing: measure.remedy.clone(),
    };
    capabilities.measures().map(told).into()
}

/// Says what keeps functions less apart from the host than on AWS, and what limits do not hold.
fn warn_of_shortcomings(capabilities: &Capabilities) {
    for (_, measure) in capabilities.measures() {
        if let Some(remedy) = &measure.remedy {
            tracing::warn!("{remedy}");
        }
    }
}
