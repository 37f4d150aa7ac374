//! From what a caller asks for to a configuration, and from a configuration to a deployment.

use std::collections::BTreeMap;
use std::time::Duration;

use ids::RequestId;
use sandbox::Egress;
use store::Digest;
use wire::ServiceError;
use wire::lambda::{
    ApplicationLogLevel, Architecture, EnvironmentResponse, FunctionConfiguration, LogFormat,
    LoggingConfig, Runtime as RuntimeName, SnapStart, SnapStartApplyOn,
    SnapStartOptimizationStatus, SnapStartResponse, SystemLogLevel, VpcConfig, VpcConfigResponse,
    errors,
};

use crate::deployment::{Code, Deployment};
use crate::function::key::FunctionKey;
use crate::invoke::spans;
use crate::logging::settings::LogSettings;
use crate::runtime::Runtime;
use crate::runtime::install::Installed;

/// The most that a function's environment variables may take together, in bytes.
/// Source: <https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html>.
const VARIABLES_LIMIT: usize = 4_096;

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

/// The architecture. It is kept, and has no effect: functions run as the host does, without emulation.
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

/// The logging configuration: what is asked for over what was there, with AWS's defaults. Levels
/// belong to the JSON format alone.
/// Source: <https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs-advanced.html>.
pub(super) fn logging(
    name: &str,
    before: Option<&LoggingConfig>,
    asked: Option<LoggingConfig>,
) -> Result<LoggingConfig, ServiceError> {
    let asked = asked.unwrap_or_default();
    let before = before.cloned().unwrap_or_default();
    let format = asked
        .log_format
        .or(before.log_format)
        .unwrap_or(LogFormat::Text);
    let group = asked
        .log_group
        .or(before.log_group)
        .unwrap_or_else(|| format!("/aws/lambda/{name}"));
    let levels = match format {
        LogFormat::Json => (
            asked
                .application_log_level
                .or(before.application_log_level)
                .or(Some(ApplicationLogLevel::Info)),
            asked
                .system_log_level
                .or(before.system_log_level)
                .or(Some(SystemLogLevel::Info)),
        ),
        _ if asked.application_log_level.is_some() || asked.system_log_level.is_some() => {
            return Err(invalid(
                "ApplicationLogLevel and SystemLogLevel can only be set when LogFormat is JSON.",
            ));
        }
        _ => (None, None),
    };
    Ok(LoggingConfig {
        log_format: Some(format),
        log_group: Some(group),
        application_log_level: levels.0,
        system_log_level: levels.1,
    })
}

/// Refuses what would be kept by nobody and change nothing.
pub(super) fn refuse_unserved<const N: usize>(
    members: [(&str, bool); N],
) -> Result<(), ServiceError> {
    match members.iter().find(|(_, is_given)| *is_given) {
        Some((member, _)) => Err(invalid(format!(
            "This engine does not serve {member} yet; leave it out."
        ))),
        None => Ok(()),
    }
}

/// Empty values clear a setting.
pub(super) fn drop_empty(configuration: &mut FunctionConfiguration) {
    let letters = &mut configuration.dead_letter_config;
    letters.take_if(|it| it.target_arn.as_deref().is_some_and(str::is_empty));
    configuration.kms_key_arn.take_if(|key| key.is_empty());
    configuration
        .file_system_configs
        .take_if(|it| it.is_empty());
}

/// File systems are in a VPC.
pub(super) fn check_file_systems(
    configuration: &FunctionConfiguration,
) -> Result<(), ServiceError> {
    let vpc = configuration.vpc_config.as_ref();
    let subnets = vpc.and_then(|vpc| vpc.subnet_ids.as_deref());
    let systems = configuration.file_system_configs.as_deref();
    match systems.and_then(<[_]>::first) {
        Some(system) if subnets.is_none_or(<[_]>::is_empty) => Err(invalid(format!(
            "Function must be configured to execute in a VPC to reference access point {}.",
            system.arn.as_deref().unwrap_or_default()
        ))),
        _ => Ok(()),
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

/// Says that a published version is restored from a snapshot, or that it is not.
pub(super) fn show_optimization(
    configuration: &mut FunctionConfiguration,
    status: SnapStartOptimizationStatus,
) {
    if let Some(snap_start) = &mut configuration.snap_start {
        snap_start.optimization_status = Some(status);
    }
}

/// What SnapStart does not go together with. The wording of the first is AWS's (seen in March 2025);
/// the rules: <https://docs.aws.amazon.com/lambda/latest/dg/snapstart.html>.
pub(super) fn check_snap_start(configuration: &FunctionConfiguration) -> Result<(), ServiceError> {
    let snap_start = configuration.snap_start.as_ref();
    let asked = snap_start.and_then(|it| it.apply_on.as_ref());
    if asked != Some(&SnapStartApplyOn::PublishedVersions) {
        return Ok(());
    }
    let name = configuration.runtime.as_ref().map(RuntimeName::as_str);
    let name = name.unwrap_or("ContainerImage");
    if !Runtime::parse(name).is_some_and(Runtime::has_snap_start) {
        return Err(invalid(format!(
            "{name} is not supported for SnapStart enabled functions."
        )));
    }
    let storage = configuration.ephemeral_storage.as_ref();
    if storage.and_then(|it| it.size).is_some_and(|mb| mb > 512) {
        return Err(invalid(
            "Ephemeral storage greater than 512 MB is not supported for SnapStart enabled functions.",
        ));
    }
    match configuration.file_system_configs.as_deref() {
        Some([_, ..]) => Err(invalid(
            "FileSystemConfigs is not supported for SnapStart enabled functions.",
        )),
        _ => Ok(()),
    }
}

/// A VPC as it is shown: kept, without effect here. The engine has no VPCs to look a subnet up in,
/// so that every subnet is one of the region's default VPC.
pub(super) fn vpc(key: &FunctionKey, asked: VpcConfig) -> Result<VpcConfigResponse, ServiceError> {
    let subnets = asked.subnet_ids.unwrap_or_default();
    let groups = asked.security_group_ids.unwrap_or_default();
    if subnets.is_empty() != groups.is_empty() {
        return Err(invalid(
            "SubnetIds and SecurityGroupIds must either both be specified or both be empty.",
        ));
    }
    let vpc = if subnets.is_empty() {
        String::new()
    } else {
        let digest = Digest::of(format!("{}/{}", key.account, key.region).as_bytes()).to_string();
        format!("vpc-{}", digest.get(..17).unwrap_or_default())
    };
    Ok(VpcConfigResponse {
        vpc_id: Some(vpc),
        subnet_ids: Some(subnets),
        security_group_ids: Some(groups),
        ipv6_allowed_for_dual_stack: asked.ipv6_allowed_for_dual_stack.or(Some(false)),
    })
}

/// What invocations of this configuration need.
pub(super) fn deployment(
    key: &FunctionKey,
    id: RequestId,
    configuration: &FunctionConfiguration,
    runtime: Runtime,
    client: Option<Installed>,
    code: Code,
) -> Deployment {
    let environment = configuration.environment.as_ref();
    let runtime_version = configuration.runtime_version_config.as_ref();
    Deployment {
        id,
        runtime_version_arn: runtime_version
            .and_then(|version| version.runtime_version_arn.clone())
            .unwrap_or_default(),
        key: key.clone(),
        version: configuration.version.as_deref().unwrap_or_default().into(),
        arn: key.arn().into(),
        role: configuration.role.as_deref().unwrap_or_default().into(),
        runtime,
        client,
        private_file: None,
        handler: configuration.handler.clone().unwrap_or_default(),
        memory_mb: configuration.memory_size.unwrap_or(128).unsigned_abs(),
        scratch_mb: configuration
            .ephemeral_storage
            .as_ref()
            .and_then(|storage| storage.size)
            .unwrap_or(512)
            .unsigned_abs(),
        timeout: Duration::from_secs(u64::from(configuration.timeout.unwrap_or(3).unsigned_abs())),
        egress: Egress::Host,
        variables: environment
            .and_then(|e| e.variables.clone())
            .unwrap_or_default(),
        code,
        snap_start: is_snap_started(configuration),
        is_traced: spans::is_active(configuration),
        logging: LogSettings::of(configuration.logging_config.as_ref()),
    }
}

/// Whether this is a version that is restored from a snapshot.
pub(super) fn is_snap_started(configuration: &FunctionConfiguration) -> bool {
    let snap_start = configuration.snap_start.as_ref();
    let asked = snap_start.and_then(|it| it.apply_on.as_ref());
    asked == Some(&SnapStartApplyOn::PublishedVersions)
        && configuration.version.as_deref() != Some("$LATEST")
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
    fn levels_belong_to_json() {
        let json = LoggingConfig {
            log_format: Some(LogFormat::Json),
            ..LoggingConfig::default()
        };
        let json = logging("f", None, Some(json)).unwrap();
        assert_eq!(json.system_log_level, Some(SystemLogLevel::Info));
        let debug = LoggingConfig {
            system_log_level: Some(SystemLogLevel::Debug),
            ..LoggingConfig::default()
        };
        assert!(logging("f", None, Some(debug.clone())).is_err());
        let debug = logging("f", Some(&json), Some(debug)).unwrap();
        assert_eq!(debug.system_log_level, Some(SystemLogLevel::Debug));
        let text = LoggingConfig {
            log_format: Some(LogFormat::Text),
            ..LoggingConfig::default()
        };
        let text = logging("f", Some(&debug), Some(text)).unwrap();
        assert_eq!(text.system_log_level, None);
        assert_eq!(text.log_group.as_deref(), Some("/aws/lambda/f"));
    }
}
