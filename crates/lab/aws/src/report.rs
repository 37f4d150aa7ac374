//! The `REPORT` line that Lambda writes at the end of every invocation.
//!
//! Fields are separated by tabs, each is `Name: value`, and which ones are there depends on what
//! happened: `Init Duration` only where the invocation waited for an initialisation, `Status`
//! only where it did not end well. Unknown fields are passed over, as AWS adds new ones.

use serde::Serialize;

/// What Lambda measured of one invocation.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// The invocation.
    pub request_id: String,
    /// How long the handler ran, in milliseconds.
    pub duration_ms: f64,
    /// What is paid for, in milliseconds; includes the initialisation.
    pub billed_duration_ms: f64,
    /// The configured memory, in MB.
    pub memory_size_mb: u32,
    /// The most memory that the environment has used so far, in MB.
    pub max_memory_used_mb: u32,
    /// How long the initialisation took, in milliseconds: set on a cold start only.
    pub init_duration_ms: Option<f64>,
    /// How long the restoration from a snapshot took, in milliseconds.
    pub restore_duration_ms: Option<f64>,
    /// `timeout` or `error`; absent when all went well.
    pub status: Option<String>,
    /// `Runtime.OutOfMemory`, …; absent when all went well.
    pub error_type: Option<String>,
}

impl Report {
    const MARK: &str = "REPORT RequestId: ";

    /// Reads one line; `None` where it is no complete report.
    #[must_use]
    pub fn parse(line: &str) -> Option<Self> {
        let mut fields = line
            .trim_end()
            .strip_prefix(Self::MARK)?
            .split('\t')
            .map(str::trim);
        let request_id = fields.next()?.to_owned();
        let mut found = Figures::default();
        for field in fields {
            let Some((name, value)) = field.split_once(": ") else {
                continue;
            };
            match name {
                "Duration" => found.duration_ms = in_unit(value, "ms"),
                "Billed Duration" => found.billed_duration_ms = in_unit(value, "ms"),
                "Memory Size" => found.memory_size_mb = in_unit(value, "MB"),
                "Max Memory Used" => found.max_memory_used_mb = in_unit(value, "MB"),
                "Init Duration" => found.init_duration_ms = in_unit(value, "ms"),
                "Restore Duration" => found.restore_duration_ms = in_unit(value, "ms"),
                "Status" => found.status = Some(value.to_owned()),
                "Error Type" => found.error_type = Some(value.to_owned()),
                _ => {}
            }
        }
        Some(Self {
            request_id,
            duration_ms: found.duration_ms?,
            billed_duration_ms: found.billed_duration_ms?,
            memory_size_mb: found.memory_size_mb?,
            max_memory_used_mb: found.max_memory_used_mb?,
            init_duration_ms: found.init_duration_ms,
            restore_duration_ms: found.restore_duration_ms,
            status: found.status,
            error_type: found.error_type,
        })
    }

    /// The report in a log tail: the last one, since a function may print what looks like one.
    #[must_use]
    pub fn find(log_tail: &str) -> Option<Self> {
        log_tail.lines().rev().find_map(Self::parse)
    }

    /// Whether the invocation waited for an environment's initialisation.
    #[must_use]
    pub fn is_cold(&self) -> bool {
        self.init_duration_ms.is_some() || self.restore_duration_ms.is_some()
    }
}

#[derive(Default)]
struct Figures {
    duration_ms: Option<f64>,
    billed_duration_ms: Option<f64>,
    memory_size_mb: Option<u32>,
    max_memory_used_mb: Option<u32>,
    init_duration_ms: Option<f64>,
    restore_duration_ms: Option<f64>,
    status: Option<String>,
    error_type: Option<String>,
}

fn in_unit<T: std::str::FromStr>(value: &str, unit: &str) -> Option<T> {
    value.strip_suffix(unit)?.trim_end().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const WARM: &str = "REPORT RequestId: 8f5c1e2a-7a52-4c57-9e1c-0f8d4a3b2c1d\tDuration: 1.23 ms\t\
                        Billed Duration: 2 ms\tMemory Size: 128 MB\tMax Memory Used: 40 MB\t";

    #[test]
    fn a_warm_invocation() {
        let report = Report::parse(WARM).unwrap();
        assert_eq!(
            report,
            Report {
                request_id: "8f5c1e2a-7a52-4c57-9e1c-0f8d4a3b2c1d".into(),
                duration_ms: 1.23,
                billed_duration_ms: 2.0,
                memory_size_mb: 128,
                max_memory_used_mb: 40,
                init_duration_ms: None,
                restore_duration_ms: None,
                status: None,
                error_type: None,
            }
        );
        assert!(!report.is_cold());
    }

    #[test]
    fn a_cold_start() {
        let report = Report::parse(&format!("{WARM}Init Duration: 90.12 ms\t\n")).unwrap();
        assert_eq!(report.init_duration_ms, Some(90.12));
        assert!(report.is_cold());
    }

    #[test]
    fn a_restored_start_is_cold_too() {
        let report = Report::parse(&format!("{WARM}Restore Duration: 12.5 ms\t")).unwrap();
        assert_eq!(report.restore_duration_ms, Some(12.5));
        assert!(report.is_cold());
    }

    #[test]
    fn what_did_not_end_well() {
        let timeout = Report::parse(&format!("{WARM}Status: timeout")).unwrap();
        assert_eq!(timeout.status.as_deref(), Some("timeout"));
        let memory = format!("{WARM}Status: error\tError Type: Runtime.OutOfMemory");
        let memory = Report::parse(&memory).unwrap();
        assert_eq!(memory.status.as_deref(), Some("error"));
        assert_eq!(memory.error_type.as_deref(), Some("Runtime.OutOfMemory"));
    }

    #[test]
    fn the_last_one_of_a_tail_counts() {
        let forged = WARM.replace("1.23", "9.99");
        let tail = format!("START RequestId: x\n{forged}\nEND RequestId: x\n{WARM}\n");
        assert_eq!(Report::find(&tail).unwrap().duration_ms, 1.23);
        assert_eq!(Report::find("START RequestId: x\n"), None);
    }

    #[test]
    fn a_line_cut_short_is_no_report() {
        for end in 0..WARM.len() - "40 MB\t".len() {
            assert_eq!(Report::parse(&WARM[..end]), None, "{}", &WARM[..end]);
        }
    }

    proptest! {
        #[test]
        fn never_panics(text in ".{0,200}") {
            let _ = Report::find(&text);
            let _ = Report::parse(&format!("{}{text}", Report::MARK));
        }
    }
}
