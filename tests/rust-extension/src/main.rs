//! An extension written against AWS's own Rust crate, deployed as a layer.
//!
//! It writes what it hears to `/tmp/heard`, a JSON document a line, where the function reads it: each
//! event, and the telemetry that it subscribed to.

use std::fs::OpenOptions;
use std::io::Write;

use lambda_extension::{
    Error, Extension, LambdaEvent, LambdaTelemetry, LambdaTelemetryRecord, NextEvent,
    SharedService, service_fn,
};
use serde_json::{Value, json};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let telemetry = SharedService::new(service_fn(heard));
    Extension::new()
        .with_events_processor(service_fn(told))
        .with_telemetry_types(&["platform", "function", "extension"])
        .with_telemetry_processor(telemetry)
        .run()
        .await
}

async fn told(event: LambdaEvent) -> Result<(), Error> {
    write(&match event.next {
        NextEvent::Invoke(invoke) => json!({
            "event": "INVOKE",
            "request_id": invoke.request_id,
            "arn": invoke.invoked_function_arn,
            "deadline": invoke.deadline_ms,
            "trace": invoke.tracing.value,
        }),
        NextEvent::Shutdown(shutdown) => json!({
            "event": "SHUTDOWN",
            "reason": shutdown.shutdown_reason,
            "deadline": shutdown.deadline_ms,
        }),
    })?;
    writeln!(std::io::stdout(), "extension told")?;
    Ok(())
}

async fn heard(events: Vec<LambdaTelemetry>) -> Result<(), Error> {
    for event in events {
        let text = match &event.record {
            LambdaTelemetryRecord::Function(text) | LambdaTelemetryRecord::Extension(text) => {
                Some(text.as_str())
            }
            _ => None,
        };
        let kind = serde_json::to_value(&event)?["type"].take();
        write(&json!({ "telemetry": kind, "text": text }))?;
    }
    Ok(())
}

fn write(line: &Value) -> Result<(), Error> {
    let mut file = OpenOptions::new()
        .create(true)
        .append(true)
        .open("/tmp/heard")?;
    file.write_all(format!("{line}\n").as_bytes())?;
    Ok(())
}
