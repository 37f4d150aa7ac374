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
