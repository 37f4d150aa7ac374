//! What a caller gets when a function did not answer.
//!
//! A failed function is not a failed API call: Lambda answers 200 with `X-Amz-Function-Error` and
//! one of these payloads. Wording: AWS's recorded answers and
//! <https://docs.aws.amazon.com/lambda/latest/dg/troubleshooting-invocation.html>.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use ids::RequestId;
use sandbox::ExitStatus;
use serde::Serialize;

/// The largest answer of a buffered invocation, in bytes: 6 MiB and 100 bytes of envelope.
pub(crate) const RESPONSE_LIMIT: usize = 6_291_556;

/// The largest answer that is a stream, in bytes: 200 MiB.
/// Source: <https://docs.aws.amazon.com/lambda/latest/dg/configuration-response-streaming.html>.
pub(crate) const STREAM_LIMIT: usize = 200 << 20;

/// AWS's name for a program that could not be started.
pub(crate) const INVALID_ENTRYPOINT: &str = "Runtime.InvalidEntrypoint";

/// And for a working directory that could not be entered.
pub(crate) const INVALID_WORKING_DIRECTORY: &str = "Runtime.InvalidWorkingDir";

/// Why an invocation or an init phase ended without an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The runtime reported an error of the function; the payload is the runtime's own.
    Reported {
        /// `Lambda-Runtime-Function-Error-Type`, where the runtime sent it.
        error_type: Option<String>,
        /// The error document, as it came.
        payload: Bytes,
        /// Whether the runtime failed to initialise, so that its process is of no more use.
        in_init: bool,
    },
    /// The function did not answer before its deadline.
    TimedOut {
        /// The configured timeout.
        timeout: Duration,
    },
    /// The runtime process ended.
    Exited(ExitStatus),
    /// The answer exceeded [`RESPONSE_LIMIT`].
    ResponseTooLarge,
    /// The answer was a stream and exceeded [`STREAM_LIMIT`].
    StreamTooLarge,
    /// The runtime broke its stream off, and lives on.
    StreamBroken,
    /// An extension was lost, and the environment with it.
    Extension {
        /// `Extension.Crash`, ….
        error_type: &'static str,
        /// How its process ended, or the type of error that it reported.
        reason: String,
    },
    /// The runtime could not be started at all.
    NotStarted {
        /// `Runtime.InvalidEntrypoint`, ….
        error_type: &'static str,
        /// What stood in the way, in AWS's words where it has some.
        reason: String,
    },
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    error_type: &'a str,
    error_message: &'a str,
}

impl Failure {
    /// `errorType`, as AWS names it.
    pub(crate) fn error_type(&self) -> &str {
        match self {
            Self::Reported { error_type, .. } => error_type.as_deref().unwrap_or("Unknown"),
            Self::TimedOut { .. } => "Sandbox.Timedout",
            Self::Exited(status) if status.oom_killed => "Runtime.OutOfMemory",
            Self::Exited(_) => "Runtime.ExitError",
            Self::ResponseTooLarge | Self::StreamTooLarge => "Function.ResponseSizeTooLarge",
            Self::StreamBroken => "Runtime.TruncatedResponse",
            Self::Extension { error_type, .. } | Self::NotStarted { error_type, .. } => error_type,
        }
    }

    /// The payload that the caller of `id` gets.
    pub(crate) fn payload(&self, id: RequestId) -> Bytes {
        let message = match self {
            Self::Reported { payload, .. } => return payload.clone(),
            Self::ResponseTooLarge => too_large(RESPONSE_LIMIT),
            Self::StreamTooLarge => too_large(STREAM_LIMIT),
            other => format!("RequestId: {id} Error: {other}"),
        };
        let document = Document {
            error_type: self.error_type(),
            error_message: &message,
        };
        serde_json::to_vec(&document)
            .map(Bytes::from)
            .unwrap_or_default()
    }

    /// How the REPORT line ends: empty where AWS adds nothing.
    pub(crate) fn report_status(&self) -> String {
        match self {
            Self::TimedOut { .. } => "Status: timeout".to_owned(),
            Self::Exited(_)
            | Self::Extension { .. }
            | Self::NotStarted { .. }
            | Self::Reported { in_init: true, .. } => {
                format!("Status: error\tError Type: {}", self.error_type())
            }
            Self::Reported { in_init: false, .. }
            | Self::ResponseTooLarge
            | Self::StreamTooLarge
            | Self::StreamBroken => String::new(),
        }
    }

    /// Whether the environment must be initialised anew before its next invocation.
    pub(crate) fn resets_environment(&self) -> bool {
        !matches!(
            self,
            Self::Reported { in_init: false, .. }
                | Self::ResponseTooLarge
                | Self::StreamTooLarge
                | Self::StreamBroken
        )
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reported { .. } => f.write_str(self.error_type()),
            Self::TimedOut { timeout } => {
                write!(
                    f,
                    "Task timed out after {:.2} seconds",
                    timeout.as_secs_f64()
                )
            }
            Self::Exited(status) => f.write_str(&exit_reason(status)),
            Self::ResponseTooLarge | Self::StreamTooLarge => {
                f.write_str("Response payload size exceeded")
            }
            Self::StreamBroken => f.write_str("Runtime truncated its response stream"),
            Self::Extension { reason, .. } | Self::NotStarted { reason, .. } => f.write_str(reason),
        }
    }
}

fn too_large(limit: usize) -> String {
    format!("Response payload size exceeded maximum allowed payload size ({limit} bytes).")
}

fn exit_reason(status: &ExitStatus) -> String {
    match status.code {
        Some(0) => "Runtime exited without providing a reason".to_owned(),
        _ => format!("Runtime exited with error: {}", exit_words(status)),
    }
}

/// The words of Go's `os.ProcessState`, which AWS's messages carry.
pub(crate) fn exit_words(status: &ExitStatus) -> String {
    match (status.code, status.signal) {
        (Some(code), _) => format!("exit status {code}"),
        (None, Some(signal)) => format!("signal: {}", signal_name(signal)),
        (None, None) => "unknown".to_owned(),
    }
}

/// The words of Go's `syscall.Signal`, which AWS's messages carry.
fn signal_name(signal: i32) -> String {
    match signal {
        1 => "hangup".to_owned(),
        2 => "interrupt".to_owned(),
        3 => "quit".to_owned(),
        4 => "illegal instruction".to_owned(),
        6 => "aborted".to_owned(),
        7 => "bus error".to_owned(),
        8 => "floating point exception".to_owned(),
        9 => "killed".to_owned(),
        11 => "segmentation fault".to_owned(),
        13 => "broken pipe".to_owned(),
        15 => "terminated".to_owned(),
        other => format!("signal {other}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ids::SeededEntropy;

    fn id() -> RequestId {
        RequestId::draw(&SeededEntropy::new(1))
    }

    fn message(failure: &Failure) -> (String, String) {
        let value: serde_json::Value = serde_json::from_slice(&failure.payload(id())).unwrap();
        let text = |key: &str| value[key].as_str().unwrap().to_owned();
        (text("errorType"), text("errorMessage"))
    }

    fn exited(code: Option<i32>, signal: Option<i32>, oom_killed: bool) -> Failure {
        Failure::Exited(ExitStatus {
            code,
            signal,
            oom_killed,
        })
    }

    #[test]
    fn timeouts_read_as_awss() {
        let (kind, text) = message(&Failure::TimedOut {
            timeout: Duration::from_secs(1),
        });
        assert_eq!(kind, "Sandbox.Timedout");
        assert_eq!(
            text,
            format!(
                "RequestId: {} Error: Task timed out after 1.00 seconds",
                id()
            )
        );
    }

    #[test]
    fn exits_read_as_awss() {
        let (kind, text) = message(&exited(Some(0), None, false));
        assert_eq!(kind, "Runtime.ExitError");
        assert!(
            text.ends_with("Error: Runtime exited without providing a reason"),
            "{text}"
        );
        let (_, text) = message(&exited(Some(127), None, false));
        assert!(
            text.ends_with("Runtime exited with error: exit status 127"),
            "{text}"
        );
        let (kind, text) = message(&exited(None, Some(9), true));
        assert_eq!(kind, "Runtime.OutOfMemory");
        assert!(
            text.ends_with("Runtime exited with error: signal: killed"),
            "{text}"
        );
    }

    #[test]
    fn too_large_answers_name_the_limit() {
        let (kind, text) = message(&Failure::ResponseTooLarge);
        assert_eq!(kind, "Function.ResponseSizeTooLarge");
        assert_eq!(
            text,
            "Response payload size exceeded maximum allowed payload size (6291556 bytes)."
        );
    }

    #[test]
    fn only_lost_processes_reset_the_environment() {
        assert!(exited(Some(1), None, false).resets_environment());
        assert!(!Failure::ResponseTooLarge.resets_environment());
    }
}
