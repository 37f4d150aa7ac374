//! How functions' logs reach CloudWatch Logs.
//!
//! What a function prints is gathered by its environment's log, cut into lines
//! ([`lines::LineSplitter`]) and written, together with the platform's own lines
//! ([`platform::PlatformEvent`]), to the environment's stream ([`stream::StreamWriter`]). That
//! only queues them. A task of the [`shipper::Shipper`] puts what has queued up into the streams,
//! through [`wire::Dispatch`], some milliseconds later: no invocation waits for a log.
//!
//! The queue is bounded. A line that finds it full is dropped and counted, and the stream says how
//! many were. A clean stop of the engine flushes the queue; a crash of the engine loses what was in
//! it, the last tens of milliseconds.

pub(crate) mod lines;
pub(crate) mod platform;
pub(crate) mod settings;
pub(crate) mod shipper;
pub(crate) mod stream;
