//! AWS Lambda: functions, and the environments that they run in.
//!
//! - [`Lambda`]: the service, an implementation of [`wire::lambda::LambdaApi`].
//! - [`LambdaOptions`]: what it stands on: the store, the blobs, the sandbox, clock and entropy.
//! - [`runtime`]: which runtimes run here, and [`runtime::install`] for their clients.
//!
//! Inside, from the outside in: `api` lists the operations; `control` holds one file for each group
//! of control operations; `invoke` is the way of one invocation, `asynchronous` of those that nobody
//! waits for; `schedule` decides which environment runs it; `environment` is one environment with its
//! Runtime API; `function` and `layer` are what is kept; `package` is code on disk; `logging` is how
//! functions' logs reach CloudWatch Logs; `url` is what HTTP has to do with functions; `authorization` asks resource policies what services and
//! other accounts may do.
//!
//! It does not speak HTTP to callers (`wire` and `server` do) and does not make processes
//! (`sandbox` does).

mod api;
mod asynchronous;
mod authorization;
mod control;
mod deployment;
mod door;
mod environment;
mod error;
mod function;
mod identity;
mod invoke;
mod layer;
mod logging;
mod package;
pub mod runtime;
mod schedule;
mod schema;
mod service;
mod url;

pub use door::{Door, Doors};
pub use identity::FunctionIdentity;
pub use invoke::recent::Measured;
pub use schedule::concurrency::ACCOUNT_CONCURRENCY;
pub use schema::SCHEMA;
pub use service::{Lambda, LambdaOptions, Peers, StartError};
pub use url::{FunctionUrl, Signer, URL_ACTIONS, URL_ID_LENGTH, UrlRequest};
