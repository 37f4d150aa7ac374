//! The AWS API as the instruments call it: the same on the engine, on AWS, and on anything else
//! that answers it.
//!
//! - [`TargetRequest`] and [`Target`]: what somebody said about where calls go, and the one rule
//!   that decides it. Nothing reaches AWS unless asked.
//! - [`EngineStarter`] and [`RunningEngine`]: finding the engine of a data folder, starting one
//!   when none runs, keeping it for as long as it is needed.
//! - [`Session`]: a target made ready.
//! - [`FunctionHandle`]: one function of it; [`Invocation`] and [`Report`] are what comes back,
//!   or an [`Answer`] that is read as it is written.
//! - [`LogEvents`]: what a log group holds and, if wanted, what comes.
//! - [`pack_folder`]: code as Lambda takes it.
//!
//! It knows no crate of the engine: the two meet on the wire. It decides nothing about what is
//! invoked how often, or what an answer means; that is the instruments' part.

mod archive;
mod configuration;
mod connection;
mod control_client;
mod engine;
mod error;
mod function;
mod images;
mod logs;
mod process;
mod report;
mod session;
mod starter;
mod streaming;
mod target;
#[cfg(test)]
mod testing;
mod url;

pub use archive::{ArchiveError, pack_files, pack_folder};
pub use configuration::{
    ConfigurationChange, DeadLetterConfig, Environment, EphemeralStorage, FileSystemConfig,
    FunctionConfiguration, Layer, LoggingConfig, NewFunction, SnapStart, TracingConfig, VpcConfig,
};
pub use control_client::ControlError;
pub use engine::{EngineError, Lease, RunningEngine};
pub use error::{CallError, CallFailure};
pub use function::{FunctionHandle, Invocation, Invoke, InvokeKind};
pub use logs::{LogEvent, LogEvents, LogSearch};
pub use report::Report;
pub use session::{Session, SessionError, SessionOptions};
pub use starter::{EngineStarter, Ensured};
pub use streaming::{Answer, End, Part};
pub use target::{Credentials, Identity, Target, TargetError, TargetName, TargetRequest};
pub use url::{FunctionUrl, NewUrl};
