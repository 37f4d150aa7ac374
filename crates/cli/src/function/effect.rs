//! What of a configuration the engine keeps and shows, but does not carry out.
//!
//! On AWS all of it has effect; here each one is said, so that nobody tests what is not there. What the
//! host cannot honour of a size, the engine says itself, as the reason of the function's state.

use control::Measure;
use lab_aws::FunctionConfiguration;

/// One line for each part of `function` that has no effect on the engine.
pub(super) fn without_effect(function: &FunctionConfiguration) -> Vec<String> {
    let mut found = Vec::new();
    let mut note = |part: &str, instead: &str| found.push(format!("{part}: {instead}"));
    if function
        .vpc_config
        .as_ref()
        .is_some_and(|vpc| !vpc.subnet_ids.is_empty())
    {
        note(
            "VPC",
            "the function reaches what every other function does; `docs/network.md` tells how to narrow that",
        );
    }
    for system in &function.file_system_configs {
        note(
            "file system",
            &format!("{} is not mounted", system.local_mount_path),
        );
    }
    if !function.layers.is_empty() {
        note(
            "layers",
            "at /opt itself only where functions are isolated; else found by the search paths",
        );
    }
    if function.kms_key_arn.is_some() {
        note("KMS key", "environment variables are kept as they are");
    }
    if function
        .tracing_config
        .as_ref()
        .is_some_and(|tracing| tracing.mode == "Active")
    {
        note(
            "tracing",
            "spans go to a collector, where the engine is started with --otlp-endpoint",
        );
    }
    if function.dead_letter_config.is_some() {
        note(
            "dead letters",
            "events that are given up go nowhere until this engine serves queues",
        );
    }
    for architecture in &function.architectures {
        if architecture != host_architecture() {
            note(
                architecture,
                &format!(
                    "the function runs as {}, like this host",
                    host_architecture()
                ),
            );
        }
    }
    found
}

/// One line for each measure that the engine takes less far than AWS does, for every function.
pub(super) fn shortcomings(measures: &[Measure]) -> Vec<String> {
    measures
        .iter()
        .filter_map(|measure| Some(format!("{}: {}", measure.name, measure.missing.as_ref()?)))
        .collect()
}

/// What AWS calls the architecture of this host.
fn host_architecture() -> &'static str {
    match std::env::consts::ARCH {
        "aarch64" => "arm64",
        other => other,
    }
}
