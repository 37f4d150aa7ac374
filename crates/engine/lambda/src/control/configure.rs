//! From what a caller asks for to a configuration, and from a configuration to a deployment.

use std::collections::BTreeMap;
use std::time::Duration;

use ids::RequestId;
use wire::lambda::{
    Architecture, EnvironmentResponse, FunctionConfiguration, Layer, LogFormat, LoggingConfig,
    Runtime as RuntimeName, SnapStart, SnapStartApplyOn, SnapStartOptimizationStatus,
    SnapStartResponse, VpcConfig, VpcConfigResponse, errors,
};
use wire::{ServiceError, StringEnum};

use crate::deployment::Deployment;
use crate::function::key::FunctionKey;
use crate::package::code_store::CodeLease;
use crate::runtime::Runtime;
use crate::runtime::install::Installed;

/// The most that a function's environment variables may take together, in bytes.
/// Source: <https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html>.
const VARIABLES_LIMIT: usize = 4_096;

/// Runtimes with which no function can be created any more.
/// Source: <https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtimes.html>.
const RETIRED: [&str; 22] = [
    "nodejs",
    "nodejs4.3",
    "nodejs4.3-edge",
    "nodejs6.10",
    "nodejs8.10",
    "nodejs10.x",
    "nodejs12.x",
    "nodejs14.x",
    "python2.7",
    "python3.6",
    "python3.7",
    "ruby2.5",
    "ruby2.7",
    "java8",
    "dotnetcore1.0",
    "dotnetcore2.0",
    "dotnetcore2.1",
    "dotnetcore3.1",
    "dotnet6",
    "go1.x",
    "provided",
    "dotnet5.0",
];

/// Variables that belong to Lambda.
/// Source: <https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html>.
const RESERVED: [&str; 16] = [
    "_HANDLER",
    "_X_AMZN_TRACE_ID",
    "AWS_DEFAULT_REGION",
    "AWS_REGION",
    "AWS_EXECUTION_ENV",
    "AWS_LAMBDA_FUNCTION_NAME",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
    "AWS_LAMBDA_FUNCTION_VERSION",
    "AWS_LAMBDA_INITIALIZATION_TYPE",
    "AWS_LAMBDA_LOG_GROUP_NAME",
    "AWS_LAMBDA_LOG_STREAM_NAME",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_LAMBDA_RUNTIME_API",
    "LAMBDA_TASK_ROOT",
];

fn invalid(message: impl Into<String>) -> ServiceError {
    errors::invalid_parameter_value_exception(message)
}

/// The runtime, if this engine runs it.
pub(super) fn runtime(name: Option<&RuntimeName>) -> Result<Runtime, ServiceError> {
    let Some(name) = name else {
        return Err(invalid(
            "Runtime and Handler are mandatory parameters for functions created with deployment \
             packages.",
        ));
    };
    if let Some(runtime) = Runtime::parse(name.as_str()) {
        return Ok(runtime);
    }
    if !name.is_known() {
        return Err(invalid(format!(
            "Value {name} at 'runtime' failed to satisfy constraint: Member must satisfy enum \
             value set: [{}] or be a valid ARN",
            RuntimeName::VALUES.join(", ")
        )));
    }
    if RETIRED.contains(&name.as_str()) {
        return Err(invalid(format!(
            "The runtime parameter of {name} is no longer supported for creating or updating AWS \
             Lambda functions. We recommend you use a supported runtime while creating or \
             updating functions."
        )));
    }
    let served: Vec<String> = Runtime::ALL.iter().map(ToString::to_string).collect();
    Err(invalid(format!(
        "This engine does not run the runtime {name}; it runs {}.",
        served.join(", ")
    )))
}

/// The architecture, which must be the host's: functions run without emulation.
pub(super) fn architectures(
    asked: Option<Vec<Architecture>>,
) -> Result<Vec<Architecture>, ServiceError> {
    let asked = asked.unwrap_or_else(|| vec![Architecture::X86_64]);
    match asked.as_slice() {
        [_one] => Ok(asked),
        _ => Err(invalid("Architectures must hold exactly one value.")),
    }
}

/// Environment variables, within the limit and none of Lambda's own.
pub(super) fn variables(
    variables: BTreeMap<String, String>,
) -> Result<EnvironmentResponse, ServiceError> {
    let reserved: Vec<&str> = variables
        .keys()
        .map(String::as_str)
        .filter(|name| RESERVED.contains(name))
        .collect();
    if !reserved.is_empty() {
        return Err(invalid(format!(
            "Lambda was unable to configure your environment variables because the environment \
             variables you have provided contains reserved keys that are currently not supported \
             for modification. Reserved keys used in this request: {}",
            reserved.join(", ")
        )));
    }
    let size = serde_json::to_vec(&variables).map_or(0, |json| json.len());
    if size > VARIABLES_LIMIT {
        return Err(invalid(format!(
            "Lambda was unable to configure your environment variables because the environment \
             variables you have provided exceeded the 4KB limit. String measured: {}",
            serde_json::to_string(&variables).unwrap_or_default()
        )));
    }
    Ok(EnvironmentResponse {
        variables: Some(variables),
        error: None,
    })
}

/// The logging configuration, with AWS's defaults filled in.
pub(super) fn logging(name: &str, asked: Option<LoggingConfig>) -> LoggingConfig {
    let asked = asked.unwrap_or_default();
    LoggingConfig {
        log_format: asked.log_format.or(Some(LogFormat::Text)),
        log_group: asked
            .log_group
            .or_else(|| Some(format!("/aws/lambda/{name}"))),
        ..asked
    }
}

/// SnapStart, which takes effect on published versions only.
pub(super) fn snap_start(asked: Option<SnapStart>) -> SnapStartResponse {
    SnapStartResponse {
        apply_on: asked
            .and_then(|s| s.apply_on)
            .or(Some(SnapStartApplyOn::None)),
        optimization_status: Some(SnapStartOptimizationStatus::Off),
    }
}

/// A VPC as it is shown: stored, without effect here.
pub(super) fn vpc(asked: VpcConfig) -> VpcConfigResponse {
    VpcConfigResponse {
        vpc_id: Some(String::new()),
        subnet_ids: Some(asked.subnet_ids.unwrap_or_default()),
        security_group_ids: Some(asked.security_group_ids.unwrap_or_default()),
        ipv6_allowed_for_dual_stack: asked.ipv6_allowed_for_dual_stack.or(Some(false)),
    }
}

/// Layers, which this engine does not serve yet.
pub(super) fn layers(asked: Option<Vec<String>>) -> Result<Option<Vec<Layer>>, ServiceError> {
    match asked {
        Some(arns) if !arns.is_empty() => Err(invalid(format!(
            "Layer version {} does not exist.",
            arns.first().map(String::as_str).unwrap_or_default()
        ))),
        _ => Ok(None),
    }
}

/// What invocations of this configuration need.
pub(super) fn deployment(
    key: &FunctionKey,
    id: RequestId,
    configuration: &FunctionConfiguration,
    runtime: Runtime,
    client: Option<Installed>,
    code: CodeLease,
) -> Deployment {
    let environment = configuration.environment.as_ref();
    let logging = configuration.logging_config.as_ref();
    Deployment {
        id,
        key: key.clone(),
        version: configuration.version.as_deref().unwrap_or_default().into(),
        arn: key.arn().into(),
        runtime,
        client,
        handler: configuration.handler.clone().unwrap_or_default(),
        memory_mb: configuration.memory_size.unwrap_or(128).unsigned_abs(),
        timeout: Duration::from_secs(u64::from(configuration.timeout.unwrap_or(3).unsigned_abs())),
        variables: environment
            .and_then(|e| e.variables.clone())
            .unwrap_or_default(),
        code,
        log_group: logging
            .and_then(|l| l.log_group.clone())
            .unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reserved_variables_are_named() {
        let asked = BTreeMap::from([("AWS_REGION".to_owned(), "mars".to_owned())]);
        let error = variables(asked).unwrap_err();
        assert!(
            error
                .to_string()
                .ends_with("used in this request: AWS_REGION"),
            "{error}"
        );
    }

    #[test]
    fn variables_have_a_limit() {
        let asked = |length| BTreeMap::from([("A".to_owned(), "x".repeat(length))]);
        assert!(variables(asked(4_000)).is_ok());
        assert!(variables(asked(4_096)).is_err());
    }

    #[test]
    fn what_does_not_run_here_is_said() {
        let error = runtime(Some(&RuntimeName::from("java21".to_owned()))).unwrap_err();
        assert!(error.to_string().contains("java21"), "{error}");
    }
}
