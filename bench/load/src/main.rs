//! The benchmark's two measuring parts that must not be slow themselves.
//!
//! - `invoke` and `request` ([`load`]): N callers in a closed loop invoke a function, or send some
//!   other request, each over a connection of its own. They speak HTTP by hand, so that the client
//!   costs microseconds, not the milliseconds of an SDK, and work on any endpoint that asks for no
//!   valid signature.
//! - `queue` ([`queue`]): likewise, but each round sends ten messages, receives ten, deletes ten.
//! - `stub` ([`stub`]): the least that a Runtime API can be. It starts a runtime, hands it one
//!   invocation after the other and times each; an engine cannot be faster than this.
//!
//! All print one JSON object on standard output. `bench/run.py` calls them.

mod load;
mod queue;
mod sample;
mod stub;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Debug, Parser)]
#[command(name = "lambdalab-bench-load", about, version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Invoke a function from many callers at once, and print throughput and latencies.
    Invoke(load::Invocations),
    /// Send one request again and again from many callers, and print throughput and latencies.
    Request(load::Requests),
    /// Send, receive and delete messages of a queue from many callers, and print throughput.
    Queue(queue::Messages),
    /// Run a runtime against a bare Runtime API, and print the latencies of its answers.
    Stub(stub::Options),
}

/// Why a measurement has no result.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("{0}")]
    Load(#[from] load::LoadError),
    #[error("{0}")]
    Stub(#[from] stub::StubError),
    #[error("cannot start the asynchronous runtime: {0}")]
    Runtime(#[source] io::Error),
    #[error("cannot print the result: {0}")]
    Print(#[source] io::Error),
}

fn main() -> ExitCode {
    match run(Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            // Nothing is left to do when standard error is gone too.
            let _ = writeln!(io::stderr(), "lambdalab-bench-load: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: Arguments) -> Result<(), Failure> {
    // One thread: the machine's other cores belong to what is measured.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Failure::Runtime)?;
    let result = match arguments.command {
        Command::Invoke(invocations) => runtime.block_on(invocations.run())?,
        Command::Request(requests) => runtime.block_on(requests.run())?,
        Command::Queue(messages) => runtime.block_on(messages.run())?,
        Command::Stub(options) => runtime.block_on(stub::run(options))?,
    };
    writeln!(io::stdout(), "{result}").map_err(Failure::Print)
}
