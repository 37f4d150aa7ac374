//! `lambdalab up --detach`: the engine in the background.
//!
//! The waiting process runs the same command line again with `--announce` in place of `--detach`,
//! in a session of its own, with its log in `engine.log`. The background process says one line on
//! its standard output: how to reach it, or why it failed. Whoever waits passes that on.
//!
//! A lock on `start.lock` in the data folder lets one start at a time: the second waits for the
//! first and then finds its engine.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use lab_aws::RunningEngine;
use serde::{Deserialize, Serialize};
use store::DataDir;

use crate::context::Context;
use crate::error::CliError;
use crate::exit::ExitCode;
use crate::ready::Ready;

const LOG: &str = "engine.log";

/// How many lines of its log are shown for an engine that ended without a word.
const LAST_LINES: usize = 10;

/// The one line that the background process says.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Announcement {
    Ready { endpoint: String },
    Failed { report: String, exit: u8 },
}

/// Starts the engine in the background, or finds the one that runs.
pub(crate) fn run(context: &Context) -> Result<ExitCode, CliError> {
    crate::target::refuse(&context.settings, "up")?;
    let data_dir = &context.settings.data_dir.value;
    let refused = |source| CliError::DataDir {
        path: data_dir.clone(),
        source,
    };
    DataDir::make(data_dir).map_err(|error| refused(io::Error::other(error)))?;
    let one_start = File::create(data_dir.join("start.lock")).map_err(refused)?;
    one_start.lock().map_err(refused)?;
    if let Some(running) = find(data_dir)? {
        context.console.note("an engine runs already")?;
        return ready(context, &running.endpoint);
    }
    match start(data_dir)? {
        Announcement::Ready { endpoint } => ready(context, &endpoint),
        Announcement::Failed { report, exit } => {
            let code = ExitCode::from_number(Some(i32::from(exit)));
            Err(CliError::Detached(report, code))
        }
    }
}

fn ready(context: &Context, endpoint: &str) -> Result<ExitCode, CliError> {
    if !context.console.quiet {
        context.console.result(&Ready::new(context, endpoint))?;
    }
    Ok(ExitCode::Yes)
}

fn find(data_dir: &Path) -> Result<Option<RunningEngine>, CliError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(CliError::Start)?;
    Ok(runtime.block_on(RunningEngine::find(data_dir))?)
}

fn start(data_dir: &Path) -> Result<Announcement, CliError> {
    let log = log_file(data_dir).map_err(|source| CliError::DataDir {
        path: data_dir.to_owned(),
        source,
    })?;
    let mut engine = Command::new(std::env::current_exe().map_err(CliError::Start)?)
        .args(announcing(std::env::args_os().skip(1)))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(log)
        .spawn()
        .map_err(CliError::Start)?;
    let said = engine
        .stdout
        .take()
        .map(listen)
        .transpose()
        .map_err(CliError::Start)?;
    match said.flatten() {
        Some(announcement) => Ok(announcement),
        None => Err(ended(&mut engine, data_dir)),
    }
}

/// The same command line for the background process.
fn announcing(arguments: impl Iterator<Item = OsString>) -> impl Iterator<Item = OsString> {
    arguments.map(|argument| match argument.to_str() {
        Some("--detach") => OsString::from("--announce"),
        _ => argument,
    })
}

/// Waits for the one line; `None` where the process ends without it.
fn listen(output: ChildStdout) -> io::Result<Option<Announcement>> {
    let mut line = String::new();
    BufReader::new(output).read_line(&mut line)?;
    Ok(serde_json::from_str(&line).ok())
}

fn ended(engine: &mut Child, data_dir: &Path) -> CliError {
    let path = data_dir.join(LOG);
    let text = fs::read_to_string(&path).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    let last = lines.len().saturating_sub(LAST_LINES);
    CliError::EngineEnded {
        status: match engine.wait() {
            Ok(status) => status.to_string(),
            Err(error) => error.to_string(),
        },
        log: lines[last..].join("\n"),
        path: path.display().to_string(),
    }
}

/// A fresh log; the one of the engine before is kept beside it.
fn log_file(data_dir: &Path) -> io::Result<File> {
    let path = data_dir.join(LOG);
    match fs::rename(&path, data_dir.join("engine.log.1")) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    OpenOptions::new().create(true).append(true).open(path)
}

/// Leaves the session of the terminal, so that its closing and Ctrl-C do not reach the engine.
pub(crate) fn leave_the_terminal() -> Result<(), CliError> {
    rustix::process::setsid()
        .map(|_| ())
        .map_err(|error| CliError::Start(error.into()))
}

/// Tells the waiting process that the engine answers.
pub(crate) fn announce_ready(ready: &Ready) -> Result<(), CliError> {
    announce(&Announcement::Ready {
        endpoint: ready.endpoint.clone(),
    });
    Ok(())
}

/// Tells the waiting process that the engine could not be started, and why.
pub(crate) fn announce_failure(report: &str, code: ExitCode) {
    announce(&Announcement::Failed {
        report: report.to_owned(),
        exit: code.number(),
    });
}

/// The engine goes on where nobody waits any more.
fn announce(announcement: &Announcement) {
    let mut out = io::stdout().lock();
    let written = serde_json::to_writer(&mut out, announcement)
        .map_err(io::Error::from)
        .and_then(|()| out.write_all(b"\n"))
        .and_then(|()| out.flush());
    if let Err(error) = written {
        tracing::debug!(%error, "nobody waits for the start");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_background_process_gets_the_same_command_line() {
        let line = ["up", "--detach", "--listen", "127.0.0.1:0"].map(OsString::from);
        let again: Vec<_> = announcing(line.into_iter()).collect();
        assert_eq!(again, ["up", "--announce", "--listen", "127.0.0.1:0"]);
    }

    #[test]
    fn the_log_before_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        for text in ["first", "second"] {
            log_file(folder.path())
                .unwrap()
                .write_all(text.as_bytes())
                .unwrap();
        }
        let read = |name| fs::read_to_string(folder.path().join(name)).unwrap();
        assert_eq!(
            (read("engine.log.1"), read("engine.log")),
            ("first".into(), "second".into())
        );
    }
}
