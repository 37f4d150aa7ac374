//! What an engine is started with.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use sandbox::Egress;

/// What an engine is started with.
#[derive(Debug, Clone)]
pub struct EngineOptions {
    /// Everything the engine keeps lies here. One engine at a time.
    pub data_dir: PathBuf,
    /// Where to listen; port 0 picks a free one.
    pub listen: SocketAddr,
    /// Where runtime interface clients are installed; may be shared between engines.
    pub runtimes_dir: PathBuf,
    /// The region of callers that name none.
    pub region: String,
    /// The account of callers whose credentials name none.
    pub account: String,
    /// Web pages that may call, by origin (`https://console.example`).
    pub allow_origins: Vec<String>,
    /// Stop once nobody has called, run a function or held a lease for so long.
    pub idle_exit: Option<Duration>,
    /// Memory that environments may share, in MB; by default most of what the host has free.
    pub memory_budget_mb: Option<u64>,
    /// How much room logs may take on the disk, in MB.
    pub log_budget_mb: u64,
    /// How many of the host's cores one of Lambda's vCPUs is.
    pub cpu_scale: f64,
    /// How many invocations an account may have at a time in a region.
    pub account_concurrency: u32,
    /// Refuse a runtime whose interpreter the host lacks, in place of using the nearest one.
    pub strict_runtimes: bool,
    /// What functions reach by the network beside the engine.
    pub egress: Egress,
    /// The file of access keys by which signatures are verified; without it callers are taken at
    /// their word.
    pub auth: Option<PathBuf>,
    /// The file of credentials for registries that images are pulled from, as `docker login` writes
    /// it; without it only what everybody may have is pulled.
    pub registry_auth: Option<PathBuf>,
    /// Put each request to the policies of its caller. Needs `auth`.
    pub enforce_iam: bool,
    /// The collector that spans of traced invocations go to, by OTLP over HTTP: the address below which
    /// it takes traces.
    pub otlp_endpoint: Option<String>,
    /// How long an environment is kept after its last invocation.
    pub environment_idle: Duration,
    /// How long running requests may take once the engine is told to stop.
    pub drain: Duration,
}

impl EngineOptions {
    /// The defaults for an engine with its data in `data_dir`.
    #[must_use]
    pub fn new(data_dir: PathBuf) -> Self {
        Self {
            runtimes_dir: data_dir.join("runtimes"),
            data_dir,
            listen: SocketAddr::from(([127, 0, 0, 1], 4566)),
            region: ids::DEFAULT_REGION.to_owned(),
            account: ids::DEFAULT_ACCOUNT.to_owned(),
            allow_origins: Vec::new(),
            idle_exit: None,
            memory_budget_mb: None,
            log_budget_mb: 2_048,
            cpu_scale: 1.0,
            account_concurrency: lambda::ACCOUNT_CONCURRENCY,
            strict_runtimes: false,
            egress: Egress::default(),
            auth: None,
            registry_auth: None,
            enforce_iam: false,
            otlp_endpoint: None,
            environment_idle: Duration::from_mins(5),
            drain: Duration::from_secs(5),
        }
    }
}
