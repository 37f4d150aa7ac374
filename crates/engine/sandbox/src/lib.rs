//! The spawner process and the execution environments in which functions run.
//!
//! - [`Spawner::fork`] makes the spawner, first thing in `main`; [`SpawnerLink::connect`] gives the
//!   handle to it, [`Sandbox`].
//! - [`Environment`], from [`Sandbox::create`]: limits on memory, CPU and processes, a private
//!   directory, a Runtime API listener of its own; can be frozen, thawed, killed, destroyed.
//! - [`Process`], from [`Environment::start`]: a program that runs in it, with its output and exit.
//! - [`Capabilities`], from [`probe`]: what this host lets the sandbox do, and what is missing.
//!
//! It knows nothing of functions, runtimes or invocations: a command goes in, output and an exit
//! status come out. It keeps environments apart by namespaces, a root file system, a user of their own
//! and a system call filter (`isolation`), as root or in a user namespace. Each has a network of its
//! own, unless the host's is asked for ([`Egress`]); what leads out of it is a [`Tunnel`], and
//! somebody else's matter.
//!
//! What it promises: nothing that runs in an environment outlives the engine, however the engine
//! ends. The spawner sweeps when the engine dies, a guard process when the spawner dies, and the
//! next start when all three were killed.
//!
//! This is the only crate with unsafe code, all of it in `sys`.

#[cfg(target_os = "linux")]
mod cgroup;
#[cfg(target_os = "linux")]
mod channel;
#[cfg(target_os = "linux")]
mod client;
#[cfg(target_os = "linux")]
mod environment;
#[cfg(target_os = "linux")]
mod forked;
#[cfg(target_os = "linux")]
mod freezer;
#[cfg(target_os = "linux")]
mod isolation;
#[cfg(target_os = "linux")]
mod lives;
#[cfg(target_os = "linux")]
mod memory_use;
#[cfg(target_os = "linux")]
mod process;
#[cfg(target_os = "linux")]
mod protocol;
#[cfg(target_os = "linux")]
mod scales;
#[cfg(target_os = "linux")]
mod spawner;
#[cfg(target_os = "linux")]
mod sys;
#[cfg(target_os = "linux")]
mod tunnel;

mod capabilities;
mod error;
mod spec;

pub use capabilities::{Capabilities, Means, Measure};
pub use error::SandboxError;
pub use spec::{
    CPU_PERIOD_MICROS, Command, ENGINE_PORT, Egress, EnvironmentSpec, ExitStatus, Limits, RESOLVER,
    RUNTIME_API_PORT, Shown, Throttling,
};

#[cfg(target_os = "linux")]
pub use client::Sandbox;
#[cfg(target_os = "linux")]
pub use environment::Environment;
#[cfg(target_os = "linux")]
pub use memory_use::MemoryPeaks;
#[cfg(target_os = "linux")]
pub use process::Process;
#[cfg(target_os = "linux")]
pub use spawner::{Spawner, SpawnerLink, SpawnerOptions, probe};
#[cfg(target_os = "linux")]
pub use tunnel::Tunnel;
