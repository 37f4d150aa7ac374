//! A function as AWS describes it, and what a caller says to create or change one.

use std::collections::BTreeMap;

use aws_sdk_lambda::operation::create_function::CreateFunctionOutput;
use aws_sdk_lambda::operation::get_function_configuration::GetFunctionConfigurationOutput;
use aws_sdk_lambda::operation::publish_version::PublishVersionOutput;
use aws_sdk_lambda::operation::update_function_code::UpdateFunctionCodeOutput;
use aws_sdk_lambda::operation::update_function_configuration::UpdateFunctionConfigurationOutput;
use aws_sdk_lambda::types;
use serde::Serialize;

/// The configuration of one version of a function. The members are AWS's, by AWS's names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
#[expect(
    missing_docs,
    reason = "the names are those of AWS's FunctionConfiguration"
)]
pub struct FunctionConfiguration {
    pub function_name: String,
    pub function_arn: String,
    pub version: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runtime: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub handler: Option<String>,
    pub role: String,
    pub description: String,
    /// In MB.
    pub memory_size: i32,
    /// In seconds.
    pub timeout: i32,
    /// In bytes.
    pub code_size: i64,
    pub code_sha256: String,
    pub last_modified: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub environment: Option<Environment>,
    pub package_type: String,
    pub architectures: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ephemeral_storage: Option<EphemeralStorage>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub layers: Vec<Layer>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logging_config: Option<LoggingConfig>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tracing_config: Option<TracingConfig>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub snap_start: Option<SnapStart>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vpc_config: Option<VpcConfig>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub file_system_configs: Vec<FileSystemConfig>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dead_letter_config: Option<DeadLetterConfig>,
    #[serde(rename = "KMSKeyArn", skip_serializing_if = "Option::is_none")]
    pub kms_key_arn: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state_reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_update_status: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_update_status_reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revision_id: Option<String>,
}

/// The environment variables of a function.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Environment {
    /// By name.
    pub variables: BTreeMap<String, String>,
}

/// The `/tmp` of a function.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct EphemeralStorage {
    /// In MB.
    pub size: i32,
}

/// A layer version that a function has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Layer {
    /// The ARN of the layer version.
    pub arn: String,
    /// In bytes.
    pub code_size: i64,
}

/// Where and how a function logs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct LoggingConfig {
    /// `Text` or `JSON`.
    pub log_format: String,
    /// The log group's name.
    pub log_group: String,
    /// From which level on the function's own records are kept; with JSON alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub application_log_level: Option<String>,
    /// From which level on Lambda's records are kept; with JSON alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub system_log_level: Option<String>,
}

/// Whether invocations are traced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct TracingConfig {
    /// `PassThrough` or `Active`.
    pub mode: String,
}

/// Whether published versions start from a snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct SnapStart {
    /// `None` or `PublishedVersions`.
    pub apply_on: String,
    /// `On` or `Off`.
    pub optimization_status: String,
}

/// The network of a function.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct VpcConfig {
    /// The VPC; empty where there is none.
    pub vpc_id: String,
    /// Its subnets.
    pub subnet_ids: Vec<String>,
    /// Its security groups.
    pub security_group_ids: Vec<String>,
}

/// A file system that a function mounts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct FileSystemConfig {
    /// The ARN of the access point.
    pub arn: String,
    /// Below `/mnt/`.
    pub local_mount_path: String,
}

/// Where events go that could not be processed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct DeadLetterConfig {
    /// The ARN of a queue or topic.
    pub target_arn: String,
}

/// What `CreateFunction` is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewFunction {
    /// The name.
    pub name: String,
    /// The package.
    pub zip: Vec<u8>,
    /// `python3.13`, `provided.al2023`, ….
    pub runtime: String,
    /// `module.function`.
    pub handler: String,
    /// The ARN of the role that the function assumes.
    pub role: String,
    /// Whether to publish version 1 at once.
    pub publish: bool,
    /// Everything else, where it is said.
    pub rest: ConfigurationChange,
}

/// The members of a configuration that a caller sets; what is `None` stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConfigurationChange {
    /// `python3.13`, ….
    pub runtime: Option<String>,
    /// `module.function`.
    pub handler: Option<String>,
    /// The ARN of a role.
    pub role: Option<String>,
    /// A text for people.
    pub description: Option<String>,
    /// In MB.
    pub memory_size: Option<i32>,
    /// In seconds.
    pub timeout: Option<i32>,
    /// All the environment variables: AWS replaces the whole set.
    pub environment: Option<BTreeMap<String, String>>,
}

impl ConfigurationChange {
    /// Whether it changes nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// The SDK has a type of its own for each operation's answer; they all hold the same members.
macro_rules! from_answers {
    ($($answer:ty),+ $(,)?) => {$(
        impl From<$answer> for FunctionConfiguration {
            fn from(answer: $answer) -> Self {
                let text = |value: Option<&str>| value.map(str::to_owned);
                Self {
                    function_name: text(answer.function_name()).unwrap_or_default(),
                    function_arn: text(answer.function_arn()).unwrap_or_default(),
                    version: text(answer.version()).unwrap_or_default(),
                    runtime: answer.runtime().map(|it| it.as_str().to_owned()),
                    handler: text(answer.handler()),
                    role: text(answer.role()).unwrap_or_default(),
                    description: text(answer.description()).unwrap_or_default(),
                    memory_size: answer.memory_size().unwrap_or_default(),
                    timeout: answer.timeout().unwrap_or_default(),
                    code_size: answer.code_size(),
                    code_sha256: text(answer.code_sha256()).unwrap_or_default(),
                    last_modified: text(answer.last_modified()).unwrap_or_default(),
                    environment: answer.environment().and_then(environment),
                    package_type: answer
                        .package_type()
                        .map_or("Zip", types::PackageType::as_str)
                        .to_owned(),
                    architectures: answer
                        .architectures()
                        .iter()
                        .map(|it| it.as_str().to_owned())
                        .collect(),
                    ephemeral_storage: answer
                        .ephemeral_storage()
                        .map(|it| EphemeralStorage { size: it.size() }),
                    layers: answer.layers().iter().map(layer).collect(),
                    logging_config: answer.logging_config().map(logging),
                    tracing_config: answer
                        .tracing_config()
                        .and_then(|it| it.mode())
                        .map(|mode| TracingConfig { mode: mode.as_str().to_owned() }),
                    snap_start: answer.snap_start().map(snap_start),
                    vpc_config: answer.vpc_config().map(vpc),
                    file_system_configs: answer
                        .file_system_configs()
                        .iter()
                        .map(file_system)
                        .collect(),
                    dead_letter_config: answer
                        .dead_letter_config()
                        .and_then(|it| it.target_arn())
                        .map(|arn| DeadLetterConfig { target_arn: arn.to_owned() }),
                    kms_key_arn: text(answer.kms_key_arn()),
                    state: answer.state().map(|it| it.as_str().to_owned()),
                    state_reason: text(answer.state_reason()),
                    last_update_status: answer
                        .last_update_status()
                        .map(|it| it.as_str().to_owned()),
                    last_update_status_reason: text(answer.last_update_status_reason()),
                    revision_id: text(answer.revision_id()),
                }
            }
        }
    )+};
}

from_answers!(
    CreateFunctionOutput,
    GetFunctionConfigurationOutput,
    PublishVersionOutput,
    UpdateFunctionCodeOutput,
    UpdateFunctionConfigurationOutput,
    types::FunctionConfiguration,
);

fn environment(answer: &types::EnvironmentResponse) -> Option<Environment> {
    let variables = answer.variables()?;
    Some(Environment {
        variables: variables
            .iter()
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect(),
    })
}

fn layer(answer: &types::Layer) -> Layer {
    Layer {
        arn: answer.arn().unwrap_or_default().to_owned(),
        code_size: answer.code_size(),
    }
}

fn logging(answer: &types::LoggingConfig) -> LoggingConfig {
    LoggingConfig {
        log_format: answer
            .log_format()
            .map_or("Text", types::LogFormat::as_str)
            .to_owned(),
        log_group: answer.log_group().unwrap_or_default().to_owned(),
        application_log_level: answer
            .application_log_level()
            .map(|level| level.as_str().to_owned()),
        system_log_level: answer
            .system_log_level()
            .map(|level| level.as_str().to_owned()),
    }
}

fn snap_start(answer: &types::SnapStartResponse) -> SnapStart {
    SnapStart {
        apply_on: answer
            .apply_on()
            .map_or("None", types::SnapStartApplyOn::as_str)
            .to_owned(),
        optimization_status: answer
            .optimization_status()
            .map_or("Off", types::SnapStartOptimizationStatus::as_str)
            .to_owned(),
    }
}

fn vpc(answer: &types::VpcConfigResponse) -> VpcConfig {
    VpcConfig {
        vpc_id: answer.vpc_id().unwrap_or_default().to_owned(),
        subnet_ids: answer.subnet_ids().to_vec(),
        security_group_ids: answer.security_group_ids().to_vec(),
    }
}

fn file_system(answer: &types::FileSystemConfig) -> FileSystemConfig {
    FileSystemConfig {
        arn: answer.arn().to_owned(),
        local_mount_path: answer.local_mount_path().to_owned(),
    }
}
