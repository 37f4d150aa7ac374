//! Functions as they are shown.

use std::fmt::Write as _;

use lab_aws::{FunctionConfiguration, LoggingConfig};
use serde::Serialize;

use crate::output::{Render, flush_right, lines, pairs, table};

/// The list.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub(super) struct Functions(pub Vec<FunctionConfiguration>);

impl Render for Functions {
    fn text(&self) -> String {
        if self.0.is_empty() {
            return "no functions".to_owned();
        }
        let mut table = table([
            "name", "runtime", "handler", "memory", "timeout", "code", "modified",
        ]);
        for function in &self.0 {
            table.add_row([
                function.function_name.clone(),
                function
                    .runtime
                    .clone()
                    .unwrap_or_else(|| function.package_type.clone()),
                function.handler.clone().unwrap_or_default(),
                format!("{} MB", function.memory_size),
                format!("{} s", function.timeout),
                bytes(function.code_size),
                moment(&function.last_modified).to_owned(),
            ]);
        }
        flush_right(&mut table, &[3, 4, 5]);
        lines(&table)
    }
}

/// One function.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Shown {
    /// What the target says.
    #[serde(flatten)]
    pub configuration: FunctionConfiguration,
    /// What of it the engine does not carry out.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub without_local_effect: Vec<String>,
}

impl Render for Shown {
    fn text(&self) -> String {
        let function = &self.configuration;
        let mut rows = vec![
            ("name", function.function_name.clone()),
            ("arn", function.function_arn.clone()),
            ("version", function.version.clone()),
        ];
        let mut add = |name, value: Option<String>| {
            if let Some(value) = value.filter(|value| !value.is_empty()) {
                rows.push((name, value));
            }
        };
        add("description", Some(function.description.clone()));
        add(
            "state",
            function
                .state
                .as_deref()
                .map(|it| with_reason(it, function.state_reason.as_deref())),
        );
        add(
            "last update",
            function
                .last_update_status
                .as_deref()
                .map(|it| with_reason(it, function.last_update_status_reason.as_deref())),
        );
        add("runtime", function.runtime.clone());
        add("handler", function.handler.clone());
        add("architecture", Some(function.architectures.join(", ")));
        add("memory", Some(format!("{} MB", function.memory_size)));
        add("timeout", Some(format!("{} s", function.timeout)));
        add(
            "/tmp",
            function
                .ephemeral_storage
                .as_ref()
                .map(|it| format!("{} MB", it.size)),
        );
        add("role", Some(function.role.clone()));
        add(
            "code",
            Some(format!(
                "{}, SHA-256 {}",
                bytes(function.code_size),
                function.code_sha256
            )),
        );
        add("modified", Some(moment(&function.last_modified).to_owned()));
        add("logging", function.logging_config.as_ref().map(logging));
        for layer in &function.layers {
            add(
                "layer",
                Some(format!("{}, {}", layer.arn, bytes(layer.code_size))),
            );
        }
        if let Some(vpc) = function
            .vpc_config
            .as_ref()
            .filter(|vpc| !vpc.vpc_id.is_empty())
        {
            let subnets = vpc.subnet_ids.join(", ");
            let groups = vpc.security_group_ids.join(", ");
            add("vpc", Some(format!("{}: {subnets}; {groups}", vpc.vpc_id)));
        }
        for system in &function.file_system_configs {
            let mount = format!("{} at {}", system.arn, system.local_mount_path);
            add("file system", Some(mount));
        }
        let tracing = function.tracing_config.as_ref();
        let traced = tracing.filter(|it| it.mode != "PassThrough");
        add("tracing", traced.map(|it| it.mode.clone()));
        let snap_start = function.snap_start.as_ref();
        let snapped = snap_start.filter(|it| it.apply_on != "None");
        add(
            "snap start",
            snapped.map(|it| format!("{}, {}", it.apply_on, it.optimization_status)),
        );
        let dead_letters = function.dead_letter_config.as_ref();
        add("dead letters", dead_letters.map(|it| it.target_arn.clone()));
        add("kms key", function.kms_key_arn.clone());
        for (name, value) in function.environment.iter().flat_map(|it| &it.variables) {
            rows.push(("environment", format!("{name}={value}")));
        }
        for note in &self.without_local_effect {
            rows.push(("no local effect", note.clone()));
        }
        pairs(rows)
    }
}

fn logging(logging: &LoggingConfig) -> String {
    let mut shown = format!("{} to {}", logging.log_format, logging.log_group);
    let levels = [
        ("application", &logging.application_log_level),
        ("system", &logging.system_log_level),
    ];
    for (whose, level) in levels {
        if let Some(level) = level {
            let _infallible = write!(shown, ", {whose} {level}");
        }
    }
    shown
}

fn with_reason(status: &str, reason: Option<&str>) -> String {
    match reason {
        Some(reason) => format!("{status}: {reason}"),
        None => status.to_owned(),
    }
}

/// A size in the units that people read: `812 B`, `3.4 kB`, `48.0 MB`.
fn bytes(size: i64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
    let size = size as f64;
    match size {
        ..1e3 => format!("{size} B"),
        ..1e6 => format!("{:.1} kB", size / 1e3),
        _ => format!("{:.1} MB", size / 1e6),
    }
}

/// A moment without its fraction of a second: AWS writes `2026-11-22T09:31:40.000+0000`.
fn moment(text: &str) -> &str {
    text.split_once('.').map_or(text, |(second, _)| second)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_moments_are_for_people() {
        assert_eq!(
            [bytes(812), bytes(3_400), bytes(48_000_000)],
            ["812 B", "3.4 kB", "48.0 MB"]
        );
        assert_eq!(
            moment("2026-11-22T09:31:40.000+0000"),
            "2026-11-22T09:31:40"
        );
    }
}
