//! What of a configuration the engine keeps and shows, but does not carry out.
//!
//! On AWS all of it has effect; here each one is said, so that nobody tests what is not there.

use control::{Capacity, Measure, Shortfalls};
use lab_aws::FunctionConfiguration;

/// Storage that every function has.
const DEFAULT_STORAGE_MB: i32 = 512;

/// One line for each part of `function` that has no effect on the engine, or less than on AWS on a host
/// that gives so much.
pub(super) fn without_effect(
    function: &FunctionConfiguration,
    capacity: Option<Capacity>,
) -> Vec<String> {
    let mut found = Vec::new();
    let mut note = |part: &str, instead: &str| found.push(format!("{part}: {instead}"));
    let memory = u32::try_from(function.memory_size).unwrap_or_default();
    let shortfalls = capacity.map(|capacity| capacity.shortfalls(memory));
    for (what, shortfall) in shortfalls.iter().flat_map(Shortfalls::iter) {
        note(what, shortfall);
    }
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
        note("tracing", "no traces are sent");
    }
    if function
        .ephemeral_storage
        .as_ref()
        .is_some_and(|storage| storage.size != DEFAULT_STORAGE_MB)
    {
        note(
            "/tmp",
            "its size holds only where functions are isolated; `lambdalab doctor` says",
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
