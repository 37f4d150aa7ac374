//! What engine and clients say to each other where AWS has no word for it.
//!
//! - [`EngineFile`]: `engine.json` in the data folder, by which clients find a running engine.
//! - [`Health`]: the answer of [`HEALTH_PATH`].
//! - [`Capacity`]: what the host gives to functions, and which memory sizes it cannot honour.
//! - [`Measure`]: how far functions are kept apart from the host and within their limits.
//! - [`IMAGES_PATH`]: container images, which on AWS lie in a registry.
//! - [`LEASE_PATH`]: a `GET` whose answer stays open; while one is open the engine does not exit
//!   for idleness. A client that dies drops its connection, and with it the lease.
//!
//! Only shapes and paths: the engine serves them, `lab/aws` calls them. Everything here is
//! versioned by the path prefix [`PREFIX`]; members are added, never changed.

mod capacity;
mod engine_file;
mod measure;

use serde::{Deserialize, Serialize};

pub use capacity::{Capacity, MB_PER_VCPU, Shortfalls};
pub use engine_file::{EngineFile, EngineFileError};
pub use measure::Measure;

/// Everything of ours on the engine's listener lies below this path.
pub const PREFIX: &str = "/_lambdalab/v1";

/// `GET`: is the engine there, and which one is it? Needs no `Authorization`.
pub const HEALTH_PATH: &str = "/_lambdalab/v1/health";

/// `GET`: holds a lease for as long as the connection stays open.
pub const LEASE_PATH: &str = "/_lambdalab/v1/lease";

/// `GET`: which AWS operations the engine serves, as a list of [`ServedOperation`].
pub const OPERATIONS_PATH: &str = "/_lambdalab/v1/operations";

/// `GET`: what the host gives to functions, as a [`Capacity`].
pub const CAPACITY_PATH: &str = "/_lambdalab/v1/capacity";

/// Below it, by their ids, function URLs for tools that cannot look up names below `localhost`. Every
/// method, and what is behind the id is the path that the function sees.
pub const URL_PATH: &str = "/_lambdalab/v1/url/";

/// `GET`: how far functions are kept apart and within limits, as a list of [`Measure`].
pub const MEASURES_PATH: &str = "/_lambdalab/v1/measures";

/// The answer of [`HEALTH_PATH`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// Always `ok`; an engine that cannot serve does not answer.
    pub status: String,
    /// The engine's version, as in `Cargo.toml`.
    pub version: String,
    /// The engine's process id.
    pub pid: u32,
    /// Execution environments that exist now, idle ones included.
    pub environments: usize,
    /// Invocations that run or wait now.
    pub invocations: usize,
    /// Asynchronous invocations that were accepted and have not ended.
    #[serde(default)]
    pub events: usize,
    /// Records of ended events that could not be delivered since the engine started.
    #[serde(default)]
    pub destination_delivery_failures: u64,
    /// Log events, the oldest, that were removed for want of room since the engine started.
    #[serde(default)]
    pub log_events_removed: u64,
    /// Spans that never arrived at the collector since the engine started.
    #[serde(default)]
    pub spans_dropped: u64,
}

/// `GET` with a request id behind it: the [`InvocationFigures`] of a recent invocation.
pub const INVOCATIONS_PATH: &str = "/_lambdalab/v1/invocations/";

/// What the engine measured of one invocation, beyond what AWS's REPORT line says.
///
/// Kept for recent invocations only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InvocationFigures {
    /// The invocation's request id.
    pub request_id: String,
    /// The function's unqualified ARN.
    pub function_arn: String,
    /// The version that ran: `$LATEST` or a number.
    pub version: String,
    /// The environment that it ran in: the end of its log stream's name.
    pub environment: String,
    /// From handing over the event to the answer, in microseconds.
    pub duration_us: u64,
    /// The init phase that ran ahead of it, in microseconds, where one did.
    pub init_us: Option<u64>,
    /// The environment's peak of memory so far, in bytes.
    pub peak_memory_bytes: u64,
    /// Whether the CPU quotas of all that ran at the same time exceeded the host's cores, so that
    /// the duration says little about the function.
    pub oversubscribed: bool,
}

/// Container images. `GET`: those that have a name, as a list of [`ImageName`]. With `?name=` and a
/// name behind it: `PUT` imports the archive in the body and answers with its entries, `DELETE` takes
/// the name away.
pub const IMAGES_PATH: &str = "/_lambdalab/v1/images";

/// A container image that functions can be created from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageName {
    /// What CreateFunction takes as `ImageUri`.
    pub image_uri: String,
    /// What it is for, as images call it: `amd64`, `arm64`.
    pub architecture: String,
    /// The digest of its manifest: `sha256:…`.
    pub digest: String,
    /// What is kept of it, compressed as it came, in bytes.
    pub size_bytes: u64,
}

/// One operation of an AWS API and whether this engine answers it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServedOperation {
    /// The service: `lambda`, `states`, ….
    pub service: String,
    /// The operation's name in the service model: `CreateFunction`.
    pub operation: String,
    /// Whether it is served.
    pub served: bool,
}
