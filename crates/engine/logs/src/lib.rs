//! CloudWatch Logs: groups, streams and events, their search, and their live tail.
//!
//! - [`Logs`]: the service, an implementation of [`wire::logs::LogsApi`].
//! - [`LogsOptions`]: what it stands on: a store of its own with [`SCHEMA`], clock and entropy.
//! - [`filter`]: filter patterns, parsed and matched; pure.
//!
//! Inside: `api` holds one file for each group of operations; `archive` is what is kept, as SQL;
//! `tail` hands new events to live-tail sessions; `sweeper` removes what was deleted or has
//! expired.
//!
//! It makes no metrics of events, keeps no subscriptions, and answers no Insights queries. It does
//! not know where events come from: functions' logs are put by `lambda` like anybody's.
//!
//! # What is promised
//! An event is found by every read that begins after its `PutLogEvents` was answered. It outlives
//! the process then, also `kill -9`; a power cut may take the last ones, never the file's integrity,
//! when the store is opened with [`store::Durability::Async`], as logs should be.

mod api;
mod archive;
mod error;
pub mod filter;
mod service;
mod sweeper;
mod tail;
mod token;

pub use archive::SCHEMA;
pub use service::{Logs, LogsOptions};
