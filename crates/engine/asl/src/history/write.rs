//! Events in the form of the API: GetExecutionHistory's, in which data are texts of JSON.

use std::fmt::Write as _;

use super::{EventKind, Failure, HistoryEvent, IterationProgress, TaskProgress, Worker};
use crate::value::Value;

impl HistoryEvent {
    /// Writes the event as GetExecutionHistory gives it, without its data (inputs and outputs) where
    /// those are not asked for.
    pub fn write_api(&self, data: bool, text: &mut String) {
        let millis = self.timestamp.0;
        let (seconds, fraction) = (millis.div_euclid(1000), millis.rem_euclid(1000));
        let _ = write!(
            text,
            "{{\"timestamp\":{seconds}.{fraction:03},\"type\":\"{}\"",
            self.kind.type_name()
        );
        let _ = write!(
            text,
            ",\"id\":{},\"previousEventId\":{}",
            self.id, self.previous_id
        );
        let mut details = Details {
            text,
            data,
            open: false,
        };
        self.kind.write_details(&mut details);
        details.close();
        text.push('}');
    }

    /// The event as GetExecutionHistory gives it.
    pub fn to_api(&self, data: bool) -> String {
        let mut text = String::with_capacity(256);
        self.write_api(data, &mut text);
        text
    }
}

/// The details of one event, field by field.
struct Details<'t> {
    text: &'t mut String,
    data: bool,
    open: bool,
}

impl Details<'_> {
    fn begin(&mut self, name: &str) {
        let _ = write!(self.text, ",\"{name}EventDetails\":{{");
        self.open = true;
    }

    fn close(self) {
        if self.open {
            self.text.push('}');
        }
    }

    fn name(&mut self, name: &str) {
        if !self.text.ends_with('{') {
            self.text.push(',');
        }
        let _ = write!(self.text, "\"{name}\":");
    }

    fn text(&mut self, name: &str, value: &str) {
        self.name(name);
        Value::from(value).write_to(self.text);
    }

    fn maybe(&mut self, name: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.text(name, value);
        }
    }

    fn number(&mut self, name: &str, value: u64) {
        self.name(name);
        let _ = write!(self.text, "{value}");
    }

    /// `input` or `output`, with its `…Details`.
    fn data(&mut self, name: &str, value: &Value) {
        self.data_or(name, value, None);
    }

    /// As [`Self::data`], in the spelling that is given.
    fn data_or(&mut self, name: &str, value: &Value, text: Option<&str>) {
        if !self.data {
            return;
        }
        match text {
            Some(text) => self.text(name, text),
            None => self.text(name, &value.to_json()),
        }
        self.name(&format!("{name}Details"));
        self.text.push_str("{\"truncated\":false}");
    }

    fn failure(&mut self, failure: &Failure) {
        self.maybe("error", failure.error.as_deref());
        self.maybe("cause", failure.cause.as_deref());
    }
}

impl EventKind {
    fn write_details(&self, details: &mut Details<'_>) {
        match self {
            Self::ExecutionStarted {
                input,
                text,
                role_arn,
                alias_arn,
                version_arn,
            } => {
                details.begin("executionStarted");
                details.data_or("input", input, text.as_deref());
                details.text("roleArn", role_arn);
                details.maybe("stateMachineAliasArn", alias_arn.as_deref());
                details.maybe("stateMachineVersionArn", version_arn.as_deref());
            }
            Self::ExecutionSucceeded(output) => {
                details.begin("executionSucceeded");
                details.data("output", output);
            }
            Self::ExecutionFailed(failure) => {
                details.begin("executionFailed");
                details.failure(failure);
            }
            Self::ExecutionAborted(failure) => {
                details.begin("executionAborted");
                details.failure(failure);
            }
            Self::ExecutionTimedOut(failure) => {
                details.begin("executionTimedOut");
                details.failure(failure);
            }
            Self::ExecutionRedriven(count) => {
                details.begin("executionRedriven");
                details.number("redriveCount", u64::from(*count));
            }
            Self::StateEntered {
                name, input, text, ..
            } => {
                details.begin("stateEntered");
                details.text("name", name);
                details.data_or("input", input, text.as_deref());
            }
            Self::StateExited {
                name,
                output,
                assigned,
                ..
            } => {
                details.begin("stateExited");
                details.text("name", name);
                details.data("output", output);
                if let Some(assigned) = assigned
                    .as_ref()
                    .and_then(Value::as_object)
                    .filter(|_| details.data)
                {
                    details.name("assignedVariables");
                    details.text.push('{');
                    for (name, value) in assigned {
                        details.text(name, &value.to_json());
                    }
                    details
                        .text
                        .push_str("},\"assignedVariablesDetails\":{\"truncated\":false}");
                }
            }
            Self::MapStarted(length) => {
                details.begin("mapStateStarted");
                details.number("length", *length as u64);
            }
            Self::MapIteration {
                progress,
                name,
                index,
            } => {
                details.begin(match progress {
                    IterationProgress::Started => "mapIterationStarted",
                    IterationProgress::Succeeded => "mapIterationSucceeded",
                    IterationProgress::Failed => "mapIterationFailed",
                    IterationProgress::Aborted => "mapIterationAborted",
                });
                details.text("name", name);
                details.number("index", *index as u64);
            }
            Self::MapRunStarted(arn) => {
                details.begin("mapRunStarted");
                details.text("mapRunArn", arn);
            }
            Self::MapRunFailed(failure) => {
                details.begin("mapRunFailed");
                details.failure(failure);
            }
            Self::MapRunRedriven { arn, count } => {
                details.begin("mapRunRedriven");
                details.text("mapRunArn", arn);
                details.number("redriveCount", u64::from(*count));
            }
            Self::TaskScheduled(scheduled) => write_scheduled(scheduled, details),
            Self::Task { worker, progress } => {
                write_progress(self.type_name(), worker, progress, details);
            }
            Self::EvaluationFailed {
                failure,
                location,
                state,
            } => {
                details.begin("evaluationFailed");
                details.failure(failure);
                details.maybe("location", location.as_deref());
                details.text("state", state);
            }
            Self::StateAborted(_)
            | Self::ParallelStarted
            | Self::StateSucceeded(_)
            | Self::StateFailed(_)
            | Self::MapRunSucceeded
            | Self::MapRunAborted => {}
        }
    }
}

fn write_scheduled(scheduled: &super::Scheduled, details: &mut Details<'_>) {
    match &scheduled.worker {
        Worker::Service {
            resource_type,
            resource,
        } => {
            details.begin("taskScheduled");
            details.text("resourceType", resource_type);
            details.text("resource", resource);
            details.text("region", &scheduled.region);
            if details.data {
                details.text("parameters", &scheduled.input.to_json());
            }
        }
        worker => {
            details.begin(if *worker == Worker::Function {
                "lambdaFunctionScheduled"
            } else {
                "activityScheduled"
            });
            details.text("resource", &scheduled.resource);
            details.data("input", &scheduled.input);
        }
    }
    if let Some(seconds) = scheduled.timeout_seconds {
        details.number("timeoutInSeconds", seconds);
    }
    // A function cannot send a heartbeat.
    if let Some(seconds) = scheduled
        .heartbeat_seconds
        .filter(|_| scheduled.worker != Worker::Function)
    {
        details.number("heartbeatInSeconds", seconds);
    }
    if let Some(role) = scheduled
        .role_arn
        .as_ref()
        .filter(|_| scheduled.worker != Worker::Activity)
    {
        details.name("taskCredentials");
        details.text.push('{');
        details.text("roleArn", role);
        details.text.push('}');
    }
}

/// The field is called as the type, but for its first letter.
fn write_progress(
    type_name: &str,
    worker: &Worker,
    progress: &TaskProgress,
    details: &mut Details<'_>,
) {
    if type_name == "LambdaFunctionStarted" {
        return;
    }
    let mut field = type_name.to_owned();
    if let Some(first) = field.get_mut(..1) {
        first.make_ascii_lowercase();
    }
    details.begin(&field);
    if let Worker::Service {
        resource_type,
        resource,
    } = worker
    {
        details.text("resourceType", resource_type);
        details.text("resource", resource);
    }
    match progress {
        TaskProgress::Started(worker_name) => details.maybe("workerName", worker_name.as_deref()),
        TaskProgress::Submitted(output) | TaskProgress::Succeeded(output) => {
            details.data("output", output);
        }
        TaskProgress::ScheduleFailed(failure)
        | TaskProgress::StartFailed(failure)
        | TaskProgress::SubmitFailed(failure)
        | TaskProgress::Failed(failure)
        | TaskProgress::TimedOut(failure) => details.failure(failure),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::{Millis, StateType};

    #[test]
    fn events_are_written_as_the_api_gives_them() {
        let event = |kind| HistoryEvent {
            id: 3,
            previous_id: 2,
            timestamp: Millis(1_700_000_000_045),
            kind,
        };
        let assigned: crate::value::Map = [("x", Value::from(1)), ("y", Value::from("\"z"))]
            .into_iter()
            .collect();
        let exited = event(EventKind::StateExited {
            state: StateType::Pass,
            name: "P".into(),
            output: Value::parse("{\"a\":1}").expect("JSON"),
            assigned: Some(Value::from(assigned)),
        });
        assert_eq!(
            exited.to_api(true),
            r#"{"timestamp":1700000000.045,"type":"PassStateExited","id":3,"previousEventId":2,"stateExitedEventDetails":{"name":"P","output":"{\"a\":1}","outputDetails":{"truncated":false},"assignedVariables":{"x":"1","y":"\"\\\"z\""},"assignedVariablesDetails":{"truncated":false}}}"#
        );
        assert_eq!(
            exited.to_api(false),
            r#"{"timestamp":1700000000.045,"type":"PassStateExited","id":3,"previousEventId":2,"stateExitedEventDetails":{"name":"P"}}"#
        );
        let timed_out = event(EventKind::Task {
            worker: Worker::Service {
                resource_type: "lambda".into(),
                resource: "invoke".into(),
            },
            progress: TaskProgress::TimedOut(Failure::named("States.Timeout")),
        });
        assert!(timed_out.to_api(true).ends_with(
            r#""taskTimedOutEventDetails":{"resourceType":"lambda","resource":"invoke","error":"States.Timeout"}}"#
        ));
    }
}
