//! `lambdalab up`: the engine in the foreground.

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};

use crate::arguments::UpArguments;
use crate::context::Context;
use crate::detach;
use crate::engine::{self, Demands, EngineOptions};
use crate::error::CliError;
use crate::exit::ExitCode;
use crate::logging;
use crate::ready::Ready;

/// Runs until the engine has stopped.
pub(crate) fn run(context: &Context, arguments: &UpArguments) -> Result<ExitCode, CliError> {
    crate::target::refuse(&context.settings, "up")?;
    let settings = &context.settings;
    let listen = settings.listen.value;
    if arguments.announce {
        detach::leave_the_terminal()?;
    }
    logging::for_engine(context);
    let data_dir = absolute(&settings.data_dir.value)?;
    let options = EngineOptions {
        runtimes_dir: absolute(&settings.runtimes_dir())?,
        listen: if arguments.or_free_port {
            free_unless_available(listen)
        } else {
            listen
        },
        region: settings.region.value.0.clone(),
        account: settings.account.value.0.clone(),
        allow_origins: settings.allow_origin.value.clone().unwrap_or_default().0,
        idle_exit: settings.idle_exit.value.map(|span| span.0),
        memory_budget_mb: settings.memory_budget.value.map(|budget| budget.0),
        log_budget_mb: settings.log_budget.value.0,
        cpu_scale: settings.cpu_scale.value.0,
        account_concurrency: settings.account_concurrency.value.0,
        strict_runtimes: settings.strict_runtimes.value,
        egress: settings.egress.value,
        auth: settings.auth.value.clone(),
        enforce_iam: settings.enforce_iam.value,
        registry_auth: settings.registry_auth.value.clone(),
        otlp_endpoint: settings.otlp_endpoint.value.clone().map(|url| url.0),
        ..EngineOptions::new(data_dir)
    };
    engine::serve(options, &Demands::of(settings), |endpoint| {
        let ready = Ready::new(context, endpoint);
        if arguments.announce {
            detach::announce_ready(&ready)
        } else {
            context.console.result(&ready)
        }
    })?;
    Ok(ExitCode::Yes)
}

/// Functions run in folders of their own: a relative path would mean something else there.
fn absolute(path: &Path) -> Result<PathBuf, CliError> {
    std::path::absolute(path).map_err(CliError::Start)
}

/// The address, or a free port of the same host where another program has it.
fn free_unless_available(listen: SocketAddr) -> SocketAddr {
    match TcpListener::bind(listen) {
        Ok(_) => listen,
        Err(_) => SocketAddr::new(listen.ip(), 0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::Render;

    #[test]
    fn a_taken_port_gives_way_to_a_free_one() {
        let holder = TcpListener::bind("127.0.0.1:0").unwrap();
        let taken = holder.local_addr().unwrap();
        assert_eq!(free_unless_available(taken).port(), 0);
        drop(holder);
        assert_eq!(free_unless_available(taken), taken);
    }

    #[test]
    fn the_export_lines_are_what_an_aws_sdk_needs() {
        let ready = Ready {
            endpoint: "http://127.0.0.1:4566".into(),
            region: "eu-west-1".into(),
            data_dir: ".lambdalab".into(),
            auth: None,
        };
        let text = ready.text();
        for line in [
            "export AWS_ENDPOINT_URL=http://127.0.0.1:4566",
            "export AWS_ACCESS_KEY_ID=lambdalab",
            "export AWS_SECRET_ACCESS_KEY=lambdalab",
            "export AWS_DEFAULT_REGION=eu-west-1",
        ] {
            assert!(text.lines().any(|found| found == line), "{text}");
        }
        let verifying = Ready {
            auth: Some("keys.toml".into()),
            ..ready
        };
        let text = verifying.text();
        assert!(!text.contains("AWS_ACCESS_KEY_ID"), "{text}");
        assert!(text.contains("access key of keys.toml"), "{text}");
    }
}
