//! `lambdalab function logs`.

use std::time::Duration;

use clap::Args;
use ids::{FunctionRef, Timestamp};
use lab_aws::{CallError, LogEvent, LogEvents, LogSearch, Session};
use serde::Serialize;

use crate::context::Context;
use crate::error::CliError;
use crate::exit::ExitCode;
use crate::format::Format;
use crate::signals::Stop;
use crate::target;

/// How far back is looked where nothing is said.
const DEFAULT_SINCE: &str = "10m";

#[derive(Debug, Args)]
pub(crate) struct LogsArguments {
    /// The function's name or ARN
    #[arg(value_name = "NAME", value_parser = super::function_name)]
    name: String,
    /// Go on with what comes, until Ctrl-C
    #[arg(long, short)]
    follow: bool,
    /// From when on: a time ago (90s, 10m, 2h, 7d), or a time (2026-11-22T09:30:00Z)
    #[arg(
        long,
        value_name = "TIME",
        default_value = DEFAULT_SINCE,
        value_parser = Moment::parse,
        allow_hyphen_values = true
    )]
    since: Moment,
    /// Until when, in the same forms
    #[arg(
        long,
        value_name = "TIME",
        value_parser = Moment::parse,
        conflicts_with = "follow",
        allow_hyphen_values = true
    )]
    until: Option<Moment>,
    /// A filter pattern of CloudWatch Logs: `ERROR -retry`, `{ $.level = "WARN" }`, …
    #[arg(long, value_name = "PATTERN", allow_hyphen_values = true)]
    filter: Option<String>,
    /// Only streams whose names begin so: one environment, or one day
    #[arg(long, value_name = "PREFIX")]
    stream: Option<String>,
}

/// A point in time, as somebody says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Moment {
    Ago(Duration),
    At(i64),
}

/// What is wrong with it.
#[derive(Debug, thiserror::Error)]
#[error("expected a time ago such as 90s, 10m, 2h or 7d, or a time such as 2026-11-22T09:30:00Z")]
struct NoMoment;

impl Moment {
    fn parse(text: &str) -> Result<Self, NoMoment> {
        if let Ok(time) = text.parse::<jiff::Timestamp>() {
            return Ok(Self::At(time.as_millisecond()));
        }
        let number = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
        let seconds = match &text[number.len()..] {
            "s" => 1,
            "m" => 60,
            "h" => 60 * 60,
            "d" => 24 * 60 * 60,
            _ => return Err(NoMoment),
        };
        let number: u32 = number.parse().map_err(|_| NoMoment)?;
        Ok(Self::Ago(Duration::from_secs(u64::from(number) * seconds)))
    }

    /// Milliseconds since the epoch.
    fn millis(self, now: Timestamp) -> i64 {
        match self {
            Self::At(time) => time,
            Self::Ago(ago) => {
                let ago = i64::try_from(ago.as_millis()).unwrap_or(i64::MAX);
                now.as_millis().saturating_sub(ago).max(0)
            }
        }
    }
}

/// One event, for programs: a line of JSON.
#[derive(Debug, Serialize)]
struct Line<'a> {
    time: String,
    stream: &'a str,
    message: &'a str,
}

pub(super) async fn run(context: &Context, arguments: LogsArguments) -> Result<ExitCode, CliError> {
    let mut stop = Stop::listen().map_err(CliError::Start)?;
    let session = target::connect(context).await?;
    let showing = show(context, &session, arguments);
    tokio::select! {
        shown = showing => shown,
        // That is how following ends; what was shown is whole lines.
        () = stop.next() => Ok(ExitCode::Yes),
    }
}

async fn show(
    context: &Context,
    session: &Session,
    arguments: LogsArguments,
) -> Result<ExitCode, CliError> {
    let now = context.clock.now();
    let since = arguments.since.millis(now);
    let Group { name, missing } = group(session, &arguments.name).await?;
    let mut events = session.log_events(LogSearch {
        group: name,
        since: Some(since),
        until: arguments.until.map(|until| until.millis(now)),
        pattern: arguments.filter.clone(),
        stream_prefix: arguments.stream.clone(),
    });
    let mut shown = 0;
    loop {
        shown += print_all(context, &mut events, missing.as_ref()).await?;
        if !arguments.follow {
            break;
        }
        events.wait().await;
    }
    if shown == 0 {
        let since = Timestamp(since.saturating_mul(1_000)).iso_millis_z();
        context.console.note(&format!(
            "nothing was logged since {since}; --since reaches further back"
        ))?;
    }
    Ok(ExitCode::Yes)
}

/// Where a function logs.
struct Group {
    name: String,
    /// What the target said where it has no such function: its log may outlive it.
    missing: Option<CallError>,
}

/// The log group of a function; of one that is gone, the one that it had unless it was told
/// otherwise.
async fn group(session: &Session, function: &str) -> Result<Group, CliError> {
    let usual = || {
        let name = function.parse::<FunctionRef>();
        let name = name.map_or_else(|_| function.to_owned(), |function| function.name);
        format!("/aws/lambda/{name}")
    };
    match session.function(function).configuration(None).await {
        Ok(found) => Ok(Group {
            name: found
                .logging_config
                .map_or_else(usual, |logging| logging.log_group),
            missing: None,
        }),
        Err(error) if is_missing(&error) => Ok(Group {
            name: usual(),
            missing: Some(error),
        }),
        Err(error) => Err(error.into()),
    }
}

fn is_missing(error: &CallError) -> bool {
    error.code() == Some("ResourceNotFoundException")
}

/// Prints what is there. A group that does not exist is one that nothing was logged to yet, unless
/// its function does not exist either.
async fn print_all(
    context: &Context,
    events: &mut LogEvents,
    no_function: Option<&CallError>,
) -> Result<usize, CliError> {
    let mut printed = 0;
    loop {
        let page = match events.next_page().await {
            Ok(Some(page)) => page,
            Ok(None) => return Ok(printed),
            Err(error) if is_missing(&error) => match no_function {
                Some(error) => return Err(error.clone().into()),
                None => return Ok(printed),
            },
            Err(error) => return Err(error.into()),
        };
        printed += page.len();
        let text: String = page.iter().map(|event| line(context, event)).collect();
        if !text.is_empty() {
            context.console.write(text.as_bytes())?;
        }
    }
}

fn line(context: &Context, event: &LogEvent) -> String {
    let time = Timestamp(event.timestamp.saturating_mul(1_000)).iso_millis_z();
    let message = event.message.trim_end_matches(['\n', '\r']);
    match context.console.format {
        Format::Table => format!("{time} {message}\n"),
        Format::Json => {
            let line = Line {
                time,
                stream: &event.stream,
                message,
            };
            serde_json::to_string(&line).unwrap_or_default() + "\n"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments() {
        let ago = |seconds| Moment::Ago(Duration::from_secs(seconds));
        for (text, expected) in [
            ("90s", ago(90)),
            ("10m", ago(600)),
            ("2h", ago(7_200)),
            ("7d", ago(604_800)),
            ("2026-11-22T09:31:40Z", Moment::At(1_795_339_900_000)),
            ("2026-11-22T10:31:40.5+01:00", Moment::At(1_795_339_900_500)),
        ] {
            assert_eq!(Moment::parse(text).unwrap(), expected, "{text}");
        }
        for text in ["", "m", "10", "ten", "-5m", "5 m", "10w", "é"] {
            assert!(Moment::parse(text).is_err(), "{text}");
        }
        let now = Timestamp(1_795_339_900_000_000);
        assert_eq!(ago(1).millis(now), 1_795_339_899_000);
        assert_eq!(ago(u64::MAX / 2_000).millis(now), 0);
    }
}
