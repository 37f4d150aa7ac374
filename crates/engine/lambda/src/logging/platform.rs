//! The platform's own lines, as text or as JSON.
//!
//! The JSON form is the Telemetry API's: <https://docs.aws.amazon.com/lambda/latest/dg/telemetry-schema-reference.html>;
//! which level each has: <https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs-log-level.html>.

use std::time::Duration;

use ids::{EnvironmentId, RequestId, Timestamp};
use serde_json::{Map, Value, json};

use super::settings::{Level, LogSettings};
use crate::deployment::Deployment;
use crate::environment::roster::Description;
use crate::invoke::failure::Failure;
use crate::invoke::report::{self, Figures};

/// Something that the platform has to say in a function's log.
#[derive(Debug)]
pub(crate) enum PlatformEvent<'a> {
    /// An init phase begins.
    InitStart {
        deployment: &'a Deployment,
        environment: EnvironmentId,
    },
    /// The runtime's part of an init phase ended: extensions may still have theirs to do. Text says
    /// nothing of it.
    InitRuntimeDone {
        phase: &'static str,
        failure: Option<&'a Failure>,
    },
    /// An init phase ended; `phase` is `init` or `invoke`. Text says so only where it failed.
    InitReport {
        took: Duration,
        phase: &'static str,
        failure: Option<&'a Failure>,
    },
    /// The init phase of a snapshot ended. Text says so in any case: no invocation will.
    SnapshotReport {
        took: Duration,
        failure: Option<&'a Failure>,
    },
    /// An environment is being restored from a snapshot.
    RestoreStart {
        deployment: &'a Deployment,
        environment: EnvironmentId,
    },
    /// It was restored, or could not be.
    RestoreReport {
        took: Duration,
        failure: Option<&'a Failure>,
    },
    /// Where an extension stands at the end of an init phase.
    Extension(&'a Description),
    /// An invocation begins.
    Start { id: RequestId, version: &'a str },
    /// The runtime has answered, or never will.
    RuntimeDone {
        id: RequestId,
        took: Duration,
        failure: Option<&'a Failure>,
    },
    /// An invocation is over.
    End { id: RequestId },
    /// Its figures.
    Report {
        id: RequestId,
        figures: &'a Figures,
        failure: Option<&'a Failure>,
    },
    /// A warning of this engine's own.
    Warning(&'a str),
}

impl PlatformEvent<'_> {
    /// The line to write at the time `now`, with its line feed; `None` where the settings leave it
    /// out.
    pub(crate) fn line(&self, settings: &LogSettings, now: Timestamp) -> Option<String> {
        if settings.json {
            self.json(settings, now)
        } else {
            self.text(now)
        }
    }

    fn text(&self, now: Timestamp) -> Option<String> {
        match self {
            // What an image brings is no version of a runtime's.
            Self::InitStart { deployment, .. } if deployment.container().is_some() => None,
            Self::InitStart { deployment, .. } => {
                let version = deployment.runtime.version();
                Some(report::init_start(
                    &version,
                    &deployment.runtime_version_arn,
                ))
            }
            Self::InitReport {
                took,
                phase,
                failure,
            } => failure.map(|failure| report::init_report(*took, phase, Some(failure))),
            Self::InitRuntimeDone { .. } => None,
            Self::SnapshotReport { took, failure } => {
                Some(report::init_report(*took, "init", *failure))
            }
            Self::RestoreStart { deployment, .. } => Some(report::restore_start(
                &deployment.runtime.version(),
                &deployment.runtime_version_arn,
            )),
            Self::RestoreReport { took, failure } => Some(report::restore_report(*took, *failure)),
            Self::Extension(extension) => Some(report::extension(extension)),
            Self::Start { id, version } => Some(report::start(*id, version)),
            Self::RuntimeDone { id, failure, .. } => {
                failure.and_then(|failure| report::lost(*id, failure, now))
            }
            Self::End { id } => Some(report::end(*id)),
            Self::Report {
                id,
                figures,
                failure,
            } => Some(report::report(*id, figures, *failure)),
            Self::Warning(text) => Some(format!("{text}\n")),
        }
    }

    fn json(&self, settings: &LogSettings, now: Timestamp) -> Option<String> {
        let time = now.iso_millis_z();
        let (level, document) = match self {
            Self::End { .. } => return None,
            Self::Warning(text) => (
                Level::Warn,
                json!({"timestamp": time, "level": "WARN", "message": text}),
            ),
            _ => {
                let (level, record) = self.record()?;
                (
                    level,
                    json!({"time": time, "type": self.kind()?, "record": record}),
                )
            }
        };
        settings.keeps(level).then(|| format!("{document}\n"))
    }

    /// Its type by the Telemetry API, which has no word for what this engine alone says.
    pub(crate) fn kind(&self) -> Option<&'static str> {
        Some(match self {
            Self::InitStart { .. } => "platform.initStart",
            Self::InitRuntimeDone { .. } => "platform.initRuntimeDone",
            Self::InitReport { .. } | Self::SnapshotReport { .. } => "platform.initReport",
            Self::RestoreStart { .. } => "platform.restoreStart",
            Self::RestoreReport { .. } => "platform.restoreReport",
            Self::Extension(_) => "platform.extension",
            Self::Start { .. } => "platform.start",
            Self::RuntimeDone { .. } => "platform.runtimeDone",
            Self::Report { .. } => "platform.report",
            Self::End { .. } | Self::Warning(_) => return None,
        })
    }

    /// Its record, as the JSON form and the Telemetry API have it.
    pub(crate) fn document(&self) -> Value {
        self.record().map_or(Value::Null, |(_, record)| record)
    }

    /// Level and record of the JSON form.
    fn record(&self) -> Option<(Level, Value)> {
        Some(match self {
            Self::InitStart {
                deployment,
                environment,
            } => {
                let mut record = instance(deployment, *environment);
                let initialised = deployment.initialization_type();
                record.insert("initializationType".into(), initialised.into());
                record.insert("phase".into(), "init".into());
                (Level::Info, record.into())
            }
            Self::InitRuntimeDone { phase, failure } => {
                let mut record = outcome(*failure);
                record.insert("initializationType".into(), "on-demand".into());
                record.insert("phase".into(), (*phase).into());
                (level(*failure, Level::Debug), record.into())
            }
            Self::RestoreStart {
                deployment,
                environment,
            } => {
                let record = instance(deployment, *environment);
                (Level::Info, record.into())
            }
            Self::RestoreReport { took, failure } => {
                let mut record = outcome(*failure);
                record.insert("metrics".into(), json!({"durationMs": millis(*took)}));
                let level = level(*failure, Level::Debug);
                (level, record.into())
            }
            Self::SnapshotReport { took, failure } => {
                let record = init_report("snap-start", "init", *took, *failure);
                (level(*failure, Level::Debug), record)
            }
            Self::InitReport {
                took,
                phase,
                failure,
            } => {
                let record = init_report("on-demand", phase, *took, *failure);
                (level(*failure, Level::Debug), record)
            }
            Self::Extension(extension) => {
                let mut record = json!({
                    "name": extension.name,
                    "state": extension.state,
                    "events": extension.interests.names(),
                });
                let failed = extension.error_type.is_some();
                if let (true, Some(record)) = (failed, record.as_object_mut()) {
                    record.insert("errorType".into(), json!(extension.error_type));
                }
                let level = if failed { Level::Warn } else { Level::Info };
                (level, record)
            }
            Self::Start { id, version } => {
                let record = json!({"requestId": id.to_string(), "version": version});
                (Level::Info, record)
            }
            Self::RuntimeDone { id, took, failure } => {
                let mut record = outcome(*failure);
                record.insert("requestId".into(), id.to_string().into());
                record.insert("metrics".into(), json!({"durationMs": millis(*took)}));
                let level = level(*failure, Level::Debug);
                (level, record.into())
            }
            Self::Report {
                id,
                figures,
                failure,
            } => {
                let mut record = outcome(*failure);
                record.insert("requestId".into(), id.to_string().into());
                record.insert("metrics".into(), metrics(figures));
                let level = level(*failure, Level::Info);
                (level, record.into())
            }
            Self::End { .. } | Self::Warning(_) => return None,
        })
    }
}

/// The level of what went well is `normal`; everything else is a warning.
fn level(failure: Option<&Failure>, normal: Level) -> Level {
    if failure.is_some() {
        Level::Warn
    } else {
        normal
    }
}

fn outcome(failure: Option<&Failure>) -> Map<String, Value> {
    let status = match failure {
        None => "success",
        Some(Failure::TimedOut { .. }) => "timeout",
        Some(Failure::Exited(_) | Failure::Extension { .. } | Failure::NotStarted { .. }) => {
            "failure"
        }
        Some(
            Failure::Reported { .. }
            | Failure::ResponseTooLarge
            | Failure::StreamTooLarge
            | Failure::StreamBroken,
        ) => "error",
    };
    let mut record = Map::new();
    record.insert("status".into(), status.into());
    if let Some(failure) = failure.filter(|failure| !matches!(failure, Failure::TimedOut { .. })) {
        record.insert("errorType".into(), failure.error_type().into());
    }
    record
}

/// What starts: which function, by which runtime, in which environment.
fn instance(deployment: &Deployment, environment: EnvironmentId) -> Map<String, Value> {
    [
        ("runtimeVersion", json!(deployment.runtime.version())),
        ("runtimeVersionArn", json!(deployment.runtime_version_arn)),
        ("functionName", json!(deployment.key.name.to_string())),
        ("functionVersion", json!(&*deployment.version)),
        ("instanceId", json!(environment.to_string())),
        (
            "instanceMaxMemory",
            json!(u64::from(deployment.memory_mb) << 20),
        ),
    ]
    .into_iter()
    // What an image brings is no version of a runtime's.
    .filter(|(name, _)| deployment.container().is_none() || !name.starts_with("runtimeVersion"))
    .map(|(name, value)| (name.to_owned(), value))
    .collect()
}

fn init_report(kind: &str, phase: &str, took: Duration, failure: Option<&Failure>) -> Value {
    let mut record = outcome(failure);
    record.insert("initializationType".into(), kind.into());
    record.insert("phase".into(), phase.into());
    record.insert("metrics".into(), json!({"durationMs": millis(took)}));
    record.into()
}

fn metrics(figures: &Figures) -> Value {
    let mut metrics = json!({
        "durationMs": millis(figures.duration),
        "billedDurationMs": u64::try_from(figures.billed_ms()).unwrap_or(u64::MAX),
        "memorySizeMB": figures.memory_mb,
        "maxMemoryUsedMB": figures.peak_mb(),
    });
    if let (Some(init), Some(metrics)) = (figures.init, metrics.as_object_mut()) {
        metrics.insert("initDurationMs".into(), millis(init).into());
    }
    if let (Some(restore), Some(metrics)) = (figures.restore, metrics.as_object_mut()) {
        let billed = u64::try_from(report::whole_ms(restore.billed)).unwrap_or(u64::MAX);
        metrics.insert("restoreDurationMs".into(), millis(restore.took).into());
        metrics.insert("billedRestoreDurationMs".into(), billed.into());
    }
    metrics
}

/// Milliseconds with three decimals.
fn millis(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e3
}

#[cfg(test)]
mod tests {
    use super::*;
    use ids::SeededEntropy;
    use wire::lambda::{LogFormat, LoggingConfig, SystemLogLevel};

    const NOW: Timestamp = Timestamp(1_795_339_900_123_456);

    fn settings(level: Option<SystemLogLevel>) -> LogSettings {
        LogSettings::of(Some(&LoggingConfig {
            log_format: Some(LogFormat::Json),
            system_log_level: level,
            ..LoggingConfig::default()
        }))
    }

    fn id() -> RequestId {
        RequestId::draw(&SeededEntropy::new(1))
    }

    fn figures() -> Figures {
        Figures {
            duration: Duration::from_micros(1_234),
            init: Some(Duration::from_micros(90_120)),
            restore: None,
            memory_mb: 128,
            peak_bytes: 40 << 20,
        }
    }

    fn document(event: &PlatformEvent<'_>, level: Option<SystemLogLevel>) -> Option<Value> {
        let line = event.line(&settings(level), NOW)?;
        assert!(line.ends_with("}\n"), "{line}");
        Some(serde_json::from_str(&line).unwrap())
    }

    #[test]
    fn a_report_as_json() {
        let figures = figures();
        let report = PlatformEvent::Report {
            id: id(),
            figures: &figures,
            failure: None,
        };
        assert_eq!(
            document(&report, None).unwrap(),
            json!({
                "time": "2026-11-22T09:31:40.123Z",
                "type": "platform.report",
                "record": {
                    "requestId": id().to_string(),
                    "status": "success",
                    "metrics": {
                        "durationMs": 1.234,
                        "billedDurationMs": 92,
                        "memorySizeMB": 128,
                        "maxMemoryUsedMB": 40,
                        "initDurationMs": 90.12,
                    },
                },
            })
        );
    }

    #[test]
    fn levels_decide_what_is_said() {
        let figures = figures();
        let failure = Failure::TimedOut {
            timeout: Duration::from_secs(3),
        };
        let report = |failure| PlatformEvent::Report {
            id: id(),
            figures: &figures,
            failure,
        };
        let done = |failure| PlatformEvent::RuntimeDone {
            id: id(),
            took: Duration::ZERO,
            failure,
        };
        let warn = || Some(SystemLogLevel::Warn);
        assert!(document(&report(None), warn()).is_none());
        let timed_out = document(&report(Some(&failure)), warn()).unwrap();
        assert_eq!(timed_out["record"]["status"], "timeout");
        assert!(document(&done(None), None).is_none());
        assert!(document(&done(None), Some(SystemLogLevel::Debug)).is_some());
        assert!(document(&done(Some(&failure)), None).is_some());
        assert!(document(&PlatformEvent::End { id: id() }, None).is_none());
    }

    #[test]
    fn text_is_as_it_ever_was() {
        let text = LogSettings::of(None);
        let failure = Failure::TimedOut {
            timeout: Duration::from_secs(3),
        };
        let lost = PlatformEvent::RuntimeDone {
            id: id(),
            took: Duration::ZERO,
            failure: Some(&failure),
        };
        assert_eq!(
            lost.line(&text, NOW).unwrap(),
            format!(
                "2026-11-22T09:31:40.123Z {} Task timed out after 3.00 seconds\n\n",
                id()
            )
        );
        let end = PlatformEvent::End { id: id() };
        assert_eq!(
            end.line(&text, NOW).unwrap(),
            format!("END RequestId: {}\n", id())
        );
    }
}
