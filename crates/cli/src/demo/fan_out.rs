//! Many invocations of one function at once, as a script with as many threads does it.

use std::time::Duration;

use bytes::Bytes;
use lab_aws::{FunctionHandle, Invocation, Invoke, Report};
use tokio::task::JoinSet;

use crate::error::CliError;

/// What one invocation came to.
#[derive(Debug, Clone)]
pub(super) struct Outcome {
    /// The answer, or why there is none.
    pub answer: Result<String, String>,
    /// The execution environment's log stream, which every AWS client can learn.
    pub environment: Option<String>,
    /// Lambda's own figures.
    pub report: Option<Report>,
    /// What the caller waited.
    pub round_trip: Duration,
}

/// Invokes `runs` times in parallel, each on a task and, over HTTP/1.1, a connection of its own.
pub(super) async fn invoke_all(
    function: &FunctionHandle,
    event: &Bytes,
    runs: usize,
) -> Result<Vec<Outcome>, CliError> {
    let mut running = JoinSet::new();
    for _ in 0..runs {
        let (function, event) = (function.clone(), event.clone());
        running.spawn(async move { invoke_once(&function, event).await });
    }
    let mut outcomes = Vec::with_capacity(runs);
    while let Some(ended) = running.join_next().await {
        // A task ends without a result only where the whole demo is being stopped.
        let outcome = ended.map_err(|_| CliError::Interrupted)?;
        outcomes.push(outcome);
    }
    Ok(outcomes)
}

/// Invokes once; what fails is an outcome, too.
pub(super) async fn invoke_once(function: &FunctionHandle, event: Bytes) -> Outcome {
    let invoke = Invoke {
        payload: event,
        log_tail: true,
        ..Invoke::default()
    };
    match function.invoke(invoke).await {
        Ok(invocation) => Outcome::of(invocation),
        Err(error) => Outcome {
            answer: Err(error.to_string()),
            environment: None,
            report: None,
            round_trip: Duration::ZERO,
        },
    }
}

impl Outcome {
    fn of(invocation: Invocation) -> Self {
        let payload = String::from_utf8_lossy(&invocation.payload).into_owned();
        Self {
            answer: match invocation.function_error {
                None => Ok(payload),
                Some(_) => Err(payload),
            },
            environment: invocation.log_tail.as_deref().and_then(environment),
            report: invocation.report,
            round_trip: invocation.round_trip,
        }
    }
}

/// The log stream that the example's handlers write into their log.
fn environment(log: &str) -> Option<String> {
    let line = log
        .lines()
        .find_map(|line| line.strip_prefix("environment: "))?;
    Some(line.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_is_read_from_the_log() {
        let log = "START RequestId: r\nenvironment: 2026/11/22/[$LATEST]0a1b\nEND RequestId: r\n";
        assert_eq!(
            environment(log).as_deref(),
            Some("2026/11/22/[$LATEST]0a1b")
        );
        assert_eq!(environment("START RequestId: r\n"), None);
    }
}
