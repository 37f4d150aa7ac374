//! The runtimes: interpreters and clients.

use super::{Check, Subject};
use crate::engine::RuntimeState;
use crate::runtime;

/// One line for each runtime of which something is there, and one for all the others.
pub(super) fn checks(runtimes: &[RuntimeState]) -> Vec<Check> {
    let mut checks: Vec<Check> = runtimes.iter().filter_map(of_runtime).collect();
    checks.extend(absent(runtimes));
    checks.extend(no_python(runtimes));
    checks
}

/// Runtimes whose interpreter is missing and for which nothing is installed are left to
/// [`absent`]: most machines have no Java, and no use for it.
fn of_runtime(state: &RuntimeState) -> Option<Check> {
    let known = state.custom || state.interpreter.is_some();
    let wanted = state.wanted.as_deref().unwrap_or_default();
    let remedy = if state.substituted {
        Some(format!("install {wanted}"))
    } else if state.by_hand && !state.is_ready() {
        Some(format!(
            "`lambdalab runtime install {}` says what it needs",
            state.runtime
        ))
    } else {
        None
    };
    let interpreter = runtime::interpreter(state);
    let found = if state.custom {
        interpreter
    } else {
        format!("{interpreter}, client {}", runtime::client(state))
    };
    known.then(|| Check::of(Subject::Runtimes, &state.runtime, found, remedy))
}

/// The runtimes that this machine has no interpreter for, in one line.
fn absent(runtimes: &[RuntimeState]) -> Option<Check> {
    let absent: Vec<&str> = runtimes
        .iter()
        .filter(|state| state.wanted.is_some() && state.interpreter.is_none())
        .map(|state| state.runtime.as_str())
        .collect();
    let remedy = "where functions need one, install its interpreter; the nearest version is used \
                  meanwhile";
    (!absent.is_empty()).then(|| {
        Check::of(
            Subject::Runtimes,
            "other runtimes",
            format!("no interpreter for {}", absent.join(", ")),
            Some(remedy.to_owned()),
        )
    })
}

/// Without any Python no Python function runs, whatever its version.
fn no_python(runtimes: &[RuntimeState]) -> Option<Check> {
    let any = runtimes
        .iter()
        .any(|state| state.runtime.starts_with("python") && state.interpreter.is_some());
    (!any).then(|| {
        Check::missing(
            Subject::Runtimes,
            "Python",
            "no interpreter from 3.8 on",
            "install python3".to_owned(),
        )
    })
}
