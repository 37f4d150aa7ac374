//! `lambdalab doctor`: what this machine gives to functions, and what to do about the rest.

mod environments;
mod folders;
mod host;
mod runtimes;

use sandbox::Capabilities;
use serde::Serialize;

use crate::context::Context;
use crate::engine::{self, Demands, RuntimeState};
use crate::error::CliError;
use crate::exit::ExitCode;
use crate::output::{Render, lines, table};

/// What was found, one line for each thing.
#[derive(Debug, Serialize)]
struct Diagnosis {
    checks: Vec<Check>,
    runtimes: Vec<RuntimeState>,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
struct Check {
    subject: Subject,
    name: String,
    state: State,
    found: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    remedy: Option<String>,
}

/// What a check is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
enum Subject {
    /// The machine by itself.
    Host,
    /// How far functions are kept apart from it.
    Isolation,
    /// How much of it they get.
    Limits,
    /// In what they can be written.
    Runtimes,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum State {
    /// As on AWS.
    Ok,
    /// Functions run, but not quite as on AWS.
    Short,
    /// Functions do not run.
    Missing,
}

impl Subject {
    const ALL: [Self; 4] = [Self::Host, Self::Isolation, Self::Limits, Self::Runtimes];

    fn title(self) -> &'static str {
        match self {
            Self::Host => "this machine",
            Self::Isolation => "isolation",
            Self::Limits => "limits",
            Self::Runtimes => "runtimes",
        }
    }
}

impl State {
    fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Short => "short",
            Self::Missing => "MISSING",
        }
    }
}

impl Check {
    /// Something that is as it should be.
    fn ok(subject: Subject, name: &str, found: impl Into<String>) -> Self {
        Self {
            subject,
            name: name.to_owned(),
            state: State::Ok,
            found: found.into(),
            remedy: None,
        }
    }

    /// Something without which nothing works.
    fn missing(subject: Subject, name: &str, found: impl Into<String>, remedy: String) -> Self {
        Self {
            state: State::Missing,
            remedy: Some(remedy),
            ..Self::ok(subject, name, found)
        }
    }

    /// Something that falls short, if there is a remedy; else as it should be.
    fn of(subject: Subject, name: &str, found: impl Into<String>, remedy: Option<String>) -> Self {
        Self {
            state: if remedy.is_some() {
                State::Short
            } else {
                State::Ok
            },
            remedy,
            ..Self::ok(subject, name, found)
        }
    }
}

impl Render for Diagnosis {
    fn text(&self) -> String {
        let tables = Subject::ALL.map(|subject| {
            let mut table = table([subject.title(), "state", "found", "what to do"]);
            for check in self.checks.iter().filter(|check| check.subject == subject) {
                let remedy = check.remedy.clone().unwrap_or_default();
                table.add_row([&check.name, check.state.word(), &check.found, &remedy]);
            }
            lines(&table)
        });
        tables.join("\n\n")
    }
}

/// What keeps an engine with these settings from starting.
fn unmet(demands: &Demands, capabilities: &Capabilities) -> Option<Check> {
    let unmet = demands.check(capabilities).err()?;
    Some(Check::missing(
        Subject::Isolation,
        "what is asked for",
        unmet.to_string(),
        "ask for less, or give the machine what it lacks".to_owned(),
    ))
}

pub(crate) async fn run(
    context: &Context,
    capabilities: &Capabilities,
) -> Result<ExitCode, CliError> {
    crate::target::refuse(&context.settings, "doctor")?;
    let settings = &context.settings;
    let runtimes_dir = settings.runtimes_dir();
    let runtimes = engine::runtimes(runtimes_dir.clone()).await;
    let mut checks = host::checks(&settings.data_dir.value);
    checks.extend(folders::checks(&settings.data_dir.value, &runtimes_dir));
    checks.extend(environments::checks(capabilities));
    checks.extend(unmet(&Demands::of(settings), capabilities));
    checks.extend(runtimes::checks(&runtimes));
    let broken = checks.iter().any(|check| check.state == State::Missing);
    context.console.result(&Diagnosis { checks, runtimes })?;
    Ok(if broken { ExitCode::No } else { ExitCode::Yes })
}
