//! `lambdalab function invoke`.

use std::path::PathBuf;

use bytes::Bytes;
use clap::Args;
use lab_aws::{FunctionHandle, Invocation, Invoke, InvokeKind, Part, Report};
use serde::Serialize;
use serde_json::value::RawValue;

use super::package::read_file;
use crate::context::Context;
use crate::error::CliError;
use crate::exit::ExitCode;
use crate::format::Format;
use crate::output::Render;
use crate::progress::watched;
use crate::target;

#[derive(Debug, Args)]
pub(crate) struct InvokeArguments {
    /// NAME, NAME:QUALIFIER or ARN
    #[arg(value_name = "NAME[:QUALIFIER]", value_parser = super::function_name)]
    name: String,
    /// The event, as JSON [default: {}]
    #[arg(
        long,
        value_name = "JSON",
        conflicts_with = "payload_file",
        allow_negative_numbers = true
    )]
    payload: Option<String>,
    /// The event from a file; `-` reads it from standard input
    #[arg(long, value_name = "FILE")]
    payload_file: Option<PathBuf>,
    /// A version or an alias [default: $LATEST]
    #[arg(long, value_name = "QUALIFIER")]
    qualifier: Option<String>,
    /// Show the end of the log and the figures
    #[arg(long)]
    tail: bool,
    /// Hand over the event and return: the function runs later, also if it fails at first
    #[arg(long, conflicts_with_all = ["tail", "dry_run"])]
    event: bool,
    /// Only check that the invocation would be allowed
    #[arg(long)]
    dry_run: bool,
    /// Print the answer as the function writes it, bytes alone whatever the output format
    #[arg(long, conflicts_with_all = ["event", "dry_run"])]
    stream: bool,
}

/// What came back, for programs.
#[derive(Debug, Serialize)]
struct Answered {
    status: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    function_error: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    executed_version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<String>,
    round_trip_ms: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    report: Option<Report>,
    #[serde(skip_serializing_if = "Option::is_none")]
    log_tail: Option<String>,
    payload: Option<Box<RawValue>>,
}

impl Render for Answered {
    fn text(&self) -> String {
        self.payload
            .as_ref()
            .map(|payload| payload.get().to_owned())
            .unwrap_or_default()
    }
}

pub(super) async fn run(
    context: &Context,
    arguments: InvokeArguments,
) -> Result<ExitCode, CliError> {
    let payload = payload(&arguments)?;
    let session = target::connect(context).await?;
    let invoke = Invoke {
        payload,
        qualifier: arguments.qualifier,
        log_tail: arguments.tail,
        kind: match (arguments.event, arguments.dry_run) {
            (true, _) => InvokeKind::Event,
            (false, true) => InvokeKind::DryRun,
            (false, false) => InvokeKind::Answer,
        },
    };
    let message = format!("{} is running", arguments.name);
    let function = session.function(arguments.name);
    if arguments.stream {
        return stream(context, &function, invoke).await;
    }
    let running = function.invoke(invoke);
    let answer = watched(&*context.clock, context.console.quiet, message, running).await?;
    let code = match &answer.function_error {
        Some(_) => ExitCode::No,
        None => ExitCode::Yes,
    };
    print(context, answer)?;
    Ok(code)
}

/// Prints the answer bit by bit.
async fn stream(
    context: &Context,
    function: &FunctionHandle,
    invoke: Invoke,
) -> Result<ExitCode, CliError> {
    let console = &context.console;
    let mut answer = function.invoke_streaming(invoke).await?;
    while let Some(part) = answer.next().await? {
        let end = match part {
            Part::Chunk(bytes) => {
                console.write_part(&bytes)?;
                continue;
            }
            Part::End(end) => end,
        };
        console.write_part(b"\n")?;
        if let Some(log) = &end.log_tail {
            console.tell(log.trim_end())?;
        }
        if let Some(error) = &end.function_error {
            console.tell(&format!("the function failed ({error})"))?;
            console.tell(end.error_details.as_deref().unwrap_or_default())?;
            return Ok(ExitCode::No);
        }
        return Ok(ExitCode::Yes);
    }
    console.tell("the answer broke off")?;
    Ok(ExitCode::Unknown)
}

fn payload(arguments: &InvokeArguments) -> Result<Bytes, CliError> {
    let bytes = match (&arguments.payload, &arguments.payload_file) {
        (Some(text), _) => Bytes::from(text.clone()),
        (None, Some(file)) => Bytes::from(read_file(file)?),
        (None, None) => Bytes::from_static(b"{}"),
    };
    serde_json::from_slice::<&RawValue>(&bytes).map_err(CliError::Payload)?;
    Ok(bytes)
}

fn print(context: &Context, answer: Invocation) -> Result<(), CliError> {
    let console = &context.console;
    if console.format == Format::Json {
        return console.result(&Answered {
            status: answer.status,
            payload: serde_json::from_slice(&answer.payload).ok(),
            function_error: answer.function_error,
            executed_version: answer.executed_version,
            request_id: answer.request_id,
            round_trip_ms: answer.round_trip.as_secs_f64() * 1e3,
            report: answer.report,
            log_tail: answer.log_tail,
        });
    }
    if let Some(log) = &answer.log_tail {
        console.tell(log.trim_end())?;
    }
    if let Some(error) = &answer.function_error {
        console.tell(&format!("the function failed ({error})"))?;
    }
    match answer.status {
        202 => return console.write(b"the event is accepted"),
        204 => return console.write(b"the invocation would be allowed"),
        _ => {}
    }
    if let Some(report) = &answer.report {
        console.note(&figures(report, &answer))?;
    }
    console.write(&answer.payload)
}

/// One line: `version $LATEST · 4.1 ms round trip · 1.2 ms duration · …`.
fn figures(report: &Report, answer: &Invocation) -> String {
    let mut parts = Vec::new();
    if let Some(version) = &answer.executed_version {
        parts.push(format!("version {version}"));
    }
    parts.push(format!(
        "{:.1} ms round trip",
        answer.round_trip.as_secs_f64() * 1e3
    ));
    parts.push(format!("{:.2} ms duration", report.duration_ms));
    if let Some(init) = report.init_duration_ms {
        parts.push(format!("{init:.2} ms init (cold)"));
    }
    parts.push(format!("{} ms billed", report.billed_duration_ms));
    parts.push(format!(
        "{} of {} MB used",
        report.max_memory_used_mb, report.memory_size_mb
    ));
    parts.join(" · ")
}
