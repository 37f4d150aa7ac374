//! The engine: every service mounted on one listener.
//!
//! - [`Engine`]: started with [`EngineOptions`], it answers until it is told to stop or nobody
//!   needs it any more.
//! - [`access`]: who may talk to it: requests with an AWS signature, under a host name of ours,
//!   from no foreign web page. Whether the signature is true, and what its owner may do, `auth` asks
//!   where it is told to.
//! - [`KeysError`]: what is wrong with the file of access keys by which signatures are verified.
//! - `Services`, private: routes a request to its service, and is the `Dispatch` by which services
//!   call one another.
//!
//! What an operation does is the service's business; how it is spelled on the wire is `wire`'s.

pub mod access;
mod activity;
mod auth;
mod body;
mod control_api;
mod engine;
mod function_url;
mod http_server;
mod options;
mod services;
mod shared;
mod switchboard;

pub use auth::keys_file::{KeysError, Problem};
pub use engine::{Engine, RunError, StartError};
pub use options::EngineOptions;
