//! What is logged, and where: always to standard error.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::Directive;

use crate::context::Context;

/// The engine's log: what `log` says, unless -v or -q say otherwise.
pub(crate) fn for_engine(context: &Context) {
    let directives = match (context.console.quiet, context.verbose) {
        (true, _) => "error",
        (false, 0) => &context.settings.log.value,
        (false, 1) => "debug",
        (false, _) => "trace",
    };
    start(directives);
}

/// A client's log: nothing unless asked.
pub(crate) fn for_client(context: &Context) {
    match context.verbose {
        0 => {}
        1 => start("warn,lab_aws=debug,lambdalab=debug"),
        _ => start("debug"),
    }
}

fn start(directives: &str) {
    let info = || Directive::from(tracing::Level::INFO);
    let filter = EnvFilter::builder()
        .with_default_directive(info())
        .parse_lossy(directives);
    let ansi = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(ansi)
        .finish();
    // Only a second call can fail, and there is none.
    let _ = tracing::subscriber::set_global_default(subscriber);
}
