//! The `lambdalab` binary: arguments in, tables and exit codes out.
//!
//! - [`arguments`] and [`settings`]: what was said, and by whom.
//! - [`engine`]: the only place that knows the engine's crates; everything else talks to a target
//!   through `lab_aws`, as any AWS client does.
//! - [`up`] with [`detach`], [`function`], [`demo`], and one module for each smaller command.
//! - [`output`], [`error`], [`exit`]: what comes out.
//!
//! `main` starts no thread before it knows the command: the engine's spawner must be forked while
//! the process has one thread only.

#![expect(
    clippy::result_large_err,
    reason = "an error ends the program; what it costs to pass one does not matter"
)]

mod api;
mod arguments;
mod calibrate;
mod config;
mod confinement;
mod context;
mod demo;
mod detach;
mod doctor;
mod down;
mod engine;
mod engine_failure;
mod error;
mod exit;
mod format;
mod function;
mod image;
mod logging;
mod output;
mod progress;
mod ready;
mod runtime;
mod settings;
mod signals;
mod target;
mod up;
mod version;

use std::io::IsTerminal;

use clap::Parser;
use miette::MietteHandlerOpts;

use arguments::{Arguments, ClientCommand, Command, ConfigCommand};
use context::Context;
use error::CliError;
use exit::ExitCode;
use output::Console;
use settings::Settings;

fn main() -> std::process::ExitCode {
    let arguments = Arguments::parse();
    let announces = matches!(&arguments.command, Command::Up(up) if up.announce);
    match run(arguments) {
        Ok(code) => code.into(),
        Err(error) => {
            let code = error.exit_code();
            let report = report(error);
            if announces {
                detach::announce_failure(&report, code);
            }
            // Nothing is left to do where even this cannot be written.
            let _ = std::io::Write::write_all(&mut std::io::stderr(), report.as_bytes());
            code.into()
        }
    }
}

fn run(arguments: Arguments) -> Result<ExitCode, CliError> {
    let environment = |name: &str| std::env::var(name).ok();
    let settings = Settings::gather(arguments.given(), arguments.config.as_deref(), &environment)?;
    let context = Context {
        console: Console {
            format: settings.output.value,
            quiet: arguments.quiet,
        },
        settings,
        config: arguments.config,
        clock: ids::SystemClock::shared(),
        verbose: arguments.verbose,
    };
    match arguments.command {
        Command::Up(up) if up.detach => detach::run(&context),
        Command::Up(up) => up::run(&context, &up),
        Command::Doctor(doctor) if doctor.calibrate => calibrate::run(&context),
        Command::Doctor(_) => {
            logging::for_client(&context);
            // Before any thread starts: only then namespaces can be tried.
            let capabilities = {
                let settings = &context.settings;
                engine::capabilities(settings.isolation.value, settings.egress.value)?
            };
            threads()?.block_on(doctor::run(&context, &capabilities))
        }
        Command::Client(command) => {
            logging::for_client(&context);
            threads()?.block_on(dispatch(&context, *command))
        }
    }
}

fn threads() -> Result<tokio::runtime::Runtime, CliError> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(CliError::Start)
}

async fn dispatch(context: &Context, command: ClientCommand) -> Result<ExitCode, CliError> {
    match command {
        ClientCommand::Down => down::run(context).await,
        ClientCommand::Function(command) => function::run(context, command).await,
        ClientCommand::Image(command) => image::run(context, command).await,
        ClientCommand::Demo(arguments) => demo::run(context, arguments).await,
        ClientCommand::Runtime(command) => runtime::run(context, command).await,
        ClientCommand::Config(ConfigCommand::Show) => config::show(context),
        ClientCommand::Api { all } => api::run(context, all),
        ClientCommand::Version => version::run(context),
    }
}

/// An error as people read it. Lines are not wrapped: messages hold paths and commands that are
/// copied, and programs search them.
fn report(error: CliError) -> String {
    if let CliError::Detached(report, _) = error {
        return report;
    }
    let colour = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let hook = miette::set_hook(Box::new(move |_| {
        Box::new(
            MietteHandlerOpts::new()
                .color(colour)
                .wrap_lines(false)
                .context_lines(1)
                .without_cause_chain()
                .build(),
        )
    }));
    let report = miette::Report::new(error);
    match hook {
        Ok(()) => format!("{report:?}"),
        Err(_) => format!("{report}\n"),
    }
}
