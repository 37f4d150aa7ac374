//! The platform's own log lines: INIT_START, INIT_REPORT, START, END and REPORT.
//!
//! Format: AWS's recorded answers and
//! <https://docs.aws.amazon.com/lambda/latest/dg/python-logging.html>. Billed Duration includes the
//! init phase (since August 2025).

use std::fmt::Write;
use std::time::Duration;

use ids::{RequestId, Timestamp};

use super::failure::Failure;
use crate::environment::roster::Description;

/// How long a restore took.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Restore {
    /// When the process was taken up.
    pub(crate) began: Timestamp,
    /// From the wish for an environment until it is ready.
    pub(crate) took: Duration,
    /// The part of it in which the function's process was at work: to load the runtime, and to run
    /// its hooks.
    pub(crate) billed: Duration,
}

/// The figures of one finished invocation.
#[derive(Debug, Clone)]
pub(crate) struct Figures {
    /// From handing the event to the runtime until its answer (or its end).
    pub(crate) duration: Duration,
    /// Only on the first invocation of an environment whose init phase ran ahead of it.
    pub(crate) init: Option<Duration>,
    /// Only on the first invocation of an environment that was restored from a snapshot.
    pub(crate) restore: Option<Restore>,
    /// The configured memory size, in MB.
    pub(crate) memory_mb: u32,
    /// The peak so far in this environment, in bytes.
    pub(crate) peak_bytes: u64,
}

impl Figures {
    /// The peak in MB, rounded up. Where memory is limited by looking at it, that may be more than the
    /// size.
    pub(crate) fn peak_mb(&self) -> u64 {
        self.peak_bytes.div_ceil(1 << 20)
    }

    /// Milliseconds to pay for, rounded up.
    pub(crate) fn billed_ms(&self) -> u128 {
        let restore = self.restore.map(|restore| restore.billed);
        whole_ms(self.duration + self.init.unwrap_or_default() + restore.unwrap_or_default())
    }
}

/// Milliseconds, rounded up.
pub(crate) fn whole_ms(duration: Duration) -> u128 {
    duration.as_micros().div_ceil(1_000)
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

/// `EXTENSION`, one for each extension at the end of an init phase.
pub(crate) fn extension(extension: &Description) -> String {
    let events = extension.interests.names().join(",");
    let mut line = format!(
        "EXTENSION\tName: {}\tState: {}\tEvents: [{events}]",
        extension.name, extension.state
    );
    if let Some(error_type) = &extension.error_type {
        let _infallible = write!(line, "\tError Type: {error_type}");
    }
    line.push('\n');
    line
}

/// `START RequestId: … Version: …`
pub(crate) fn start(id: RequestId, version: &str) -> String {
    format!("START RequestId: {id} Version: {version}\n")
}

/// `END RequestId: …`
pub(crate) fn end(id: RequestId) -> String {
    format!("END RequestId: {id}\n")
}

/// The line that explains why an invocation was lost, where it was.
pub(crate) fn lost(id: RequestId, failure: &Failure, now: Timestamp) -> Option<String> {
    match failure {
        Failure::TimedOut { .. } => Some(format!("{} {id} {failure}\n\n", now.iso_millis_z())),
        Failure::Exited(_) | Failure::Extension { .. } | Failure::NotStarted { .. } => {
            Some(format!(
                "RequestId: {id} Error: {failure}\n{}\n",
                failure.error_type()
            ))
        }
        Failure::Reported { .. }
        | Failure::ResponseTooLarge
        | Failure::StreamTooLarge
        | Failure::StreamBroken => None,
    }
}

/// The REPORT line.
pub(crate) fn report(id: RequestId, figures: &Figures, failure: Option<&Failure>) -> String {
    let mut line = format!(
        "REPORT RequestId: {id}\tDuration: {:.2} ms\tBilled Duration: {} ms\tMemory Size: {} MB\t\
         Max Memory Used: {} MB\t",
        millis(figures.duration),
        figures.billed_ms(),
        figures.memory_mb,
        figures.peak_mb(),
    );
    if let Some(init) = figures.init {
        let _infallible = write!(line, "Init Duration: {:.2} ms\t", millis(init));
    }
    if let Some(Restore { took, billed, .. }) = figures.restore {
        let _infallible = write!(
            line,
            "Restore Duration: {:.2} ms\tBilled Restore Duration: {} ms\t",
            millis(took),
            whole_ms(billed)
        );
    }
    if let Some(failure) = failure {
        line.push_str(&failure.report_status());
    }
    line.push('\n');
    line
}

/// `INIT_START`, the first line of an environment's log.
pub(crate) fn init_start(runtime_version: &str, runtime_arn: &str) -> String {
    format!("INIT_START Runtime Version: {runtime_version}\tRuntime Version ARN: {runtime_arn}\n")
}

/// `INIT_REPORT`, written where an init phase failed or was that of a snapshot; `phase` is `init` or
/// `invoke`.
pub(crate) fn init_report(duration: Duration, phase: &str, failure: Option<&Failure>) -> String {
    let took = millis(duration);
    let status = status(failure);
    format!("INIT_REPORT Init Duration: {took:.2} ms\tPhase: {phase}{status}\n")
}

/// `RESTORE_START`, the first line of the log of an environment that is restored.
pub(crate) fn restore_start(runtime_version: &str, runtime_arn: &str) -> String {
    format!(
        "RESTORE_START Runtime Version: {runtime_version}\tRuntime Version ARN: {runtime_arn}\n"
    )
}

/// `RESTORE_REPORT`, when it was restored or could not be.
pub(crate) fn restore_report(duration: Duration, failure: Option<&Failure>) -> String {
    let took = millis(duration);
    let status = status(failure);
    format!("RESTORE_REPORT Restore Duration: {took:.2} ms{status}\n")
}

/// How these two end.
fn status(failure: Option<&Failure>) -> String {
    match failure {
        None => String::new(),
        Some(Failure::TimedOut { .. }) => "\tStatus: timeout".to_owned(),
        Some(other) => format!("\tStatus: error\tError Type: {}", other.error_type()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::environment::roster::Interests;
    use ids::SeededEntropy;

    fn figures() -> Figures {
        Figures {
            duration: Duration::from_micros(1_234),
            init: None,
            restore: None,
            memory_mb: 128,
            peak_bytes: 40 << 20,
        }
    }

    #[test]
    fn a_warm_report() {
        let id = RequestId::draw(&SeededEntropy::new(1));
        assert_eq!(
            report(id, &figures(), None),
            format!(
                "REPORT RequestId: {id}\tDuration: 1.23 ms\tBilled Duration: 2 ms\t\
                 Memory Size: 128 MB\tMax Memory Used: 40 MB\t\n"
            )
        );
    }

    #[test]
    fn a_cold_report_bills_the_init() {
        let id = RequestId::draw(&SeededEntropy::new(1));
        let cold = Figures {
            init: Some(Duration::from_micros(90_120)),
            ..figures()
        };
        let line = report(id, &cold, None);
        assert!(line.contains("\tBilled Duration: 92 ms\t"), "{line}");
        assert!(line.ends_with("\tInit Duration: 90.12 ms\t\n"), "{line}");
    }

    #[test]
    fn a_restored_report_bills_what_the_process_took() {
        let id = RequestId::draw(&SeededEntropy::new(1));
        let restored = Figures {
            restore: Some(Restore {
                began: Timestamp(0),
                took: Duration::from_micros(9_870),
                billed: Duration::from_micros(4_100),
            }),
            ..figures()
        };
        let line = report(id, &restored, None);
        assert!(line.contains("\tBilled Duration: 6 ms\t"), "{line}");
        let end = "\tRestore Duration: 9.87 ms\tBilled Restore Duration: 5 ms\t\n";
        assert!(line.ends_with(end), "{line}");
    }

    #[test]
    fn extensions_are_told_with_what_they_listen_to_and_how_they_failed() {
        let mut told = Description {
            name: "x".to_owned(),
            state: "Ready",
            interests: Interests {
                invoke: true,
                shutdown: true,
            },
            error_type: None,
        };
        let line = "EXTENSION\tName: x\tState: Ready\tEvents: [INVOKE,SHUTDOWN]\n";
        assert_eq!(extension(&told), line);
        told.interests = Interests::default();
        told.error_type = Some("PermissionDenied".to_owned());
        assert!(extension(&told).ends_with("Events: []\tError Type: PermissionDenied\n"));
    }

    #[test]
    fn a_timeout_says_so() {
        let id = RequestId::draw(&SeededEntropy::new(1));
        let failure = Failure::TimedOut {
            timeout: Duration::from_secs(1),
        };
        let line = report(id, &figures(), Some(&failure));
        assert!(line.ends_with("\tStatus: timeout\n"), "{line}");
    }
}
