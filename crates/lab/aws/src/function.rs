//! One handle for a function, the same on the engine and on AWS.

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_lambda::operation::RequestId as _;
use aws_sdk_lambda::operation::get_function_code_signing_config::GetFunctionCodeSigningConfigOutput;
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::{Environment, InvocationType, LogType, Runtime};
use bytes::Bytes;

use crate::configuration::{ConfigurationChange, FunctionConfiguration};
use crate::connection::Connection;
use crate::error::{CallError, CallFailure};
use crate::report::Report;

/// The first pause between two looks at a state that is waited for; doubled up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// A function by name, and the target that has it.
#[derive(Debug, Clone)]
pub struct FunctionHandle {
    connection: Arc<Connection>,
    name: String,
}

/// One invocation, before.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Invoke {
    /// The event, as JSON.
    pub payload: Bytes,
    /// A version or an alias; `$LATEST` where it is `None`.
    pub qualifier: Option<String>,
    /// Whether to ask for the end of the log.
    pub log_tail: bool,
    /// What is asked for.
    pub kind: InvokeKind,
}

/// What an invocation is to do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum InvokeKind {
    /// Run the function and wait for its answer.
    #[default]
    Answer,
    /// Accept the event; the function runs later, and nobody sees its answer.
    Event,
    /// Only check that the call would be allowed.
    DryRun,
}

/// One invocation, after.
#[derive(Debug, Clone, PartialEq)]
pub struct Invocation {
    /// 200, 202 for an event, or 204 for a dry run.
    pub status: u16,
    /// What the function answered; an error document where `function_error` is set.
    pub payload: Bytes,
    /// Set where the function failed: `Unhandled`.
    pub function_error: Option<String>,
    /// The last 4 KB of the log, where they were asked for.
    pub log_tail: Option<String>,
    /// The figures in that log.
    pub report: Option<Report>,
    /// The version that ran.
    pub executed_version: Option<String>,
    /// The id of the invocation.
    pub request_id: Option<String>,
    /// From sending the call to having the answer, on this side of the wire.
    pub round_trip: Duration,
}

impl FunctionHandle {
    pub(crate) fn new(connection: Arc<Connection>, name: String) -> Self {
        Self { connection, name }
    }

    pub(crate) fn connection(&self) -> &Arc<Connection> {
        &self.connection
    }

    /// The name or ARN by which it was asked for.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Invokes the function once and waits for its answer. Never retried.
    ///
    /// # Errors
    /// The target refuses or cannot be reached. A function that fails is no error here: see
    /// [`Invocation::function_error`].
    pub async fn invoke(&self, invoke: Invoke) -> Result<Invocation, CallError> {
        let kind = match invoke.kind {
            InvokeKind::Answer => InvocationType::RequestResponse,
            InvokeKind::Event => InvocationType::Event,
            InvokeKind::DryRun => InvocationType::DryRun,
        };
        let call = self
            .connection
            .invoking()
            .invoke()
            .function_name(&self.name)
            .set_qualifier(invoke.qualifier)
            .invocation_type(kind)
            .set_log_type(invoke.log_tail.then_some(LogType::Tail))
            .payload(Blob::new(invoke.payload));
        let clock = self.connection.clock();
        let begin = clock.monotonic();
        let answer = call.send().await;
        let round_trip = clock.monotonic().saturating_sub(begin);
        let answer: aws_sdk_lambda::operation::invoke::InvokeOutput =
            self.connection.answered("Invoke", answer)?;
        let log_tail = match answer.log_result() {
            Some(encoded) => Some(self.connection.log_tail("Invoke", encoded)?),
            None => None,
        };
        Ok(Invocation {
            status: u16::try_from(answer.status_code()).unwrap_or_default(),
            report: log_tail.as_deref().and_then(Report::find),
            log_tail,
            request_id: answer.request_id().map(str::to_owned),
            function_error: answer.function_error,
            executed_version: answer.executed_version,
            payload: answer
                .payload
                .map(|blob| Bytes::from(blob.into_inner()))
                .unwrap_or_default(),
            round_trip,
        })
    }

    /// The configuration of a version, of the one behind an alias, or of `$LATEST`.
    ///
    /// # Errors
    /// The target refuses or cannot be reached.
    pub async fn configuration(
        &self,
        qualifier: Option<&str>,
    ) -> Result<FunctionConfiguration, CallError> {
        let call = self
            .connection
            .control()
            .get_function_configuration()
            .function_name(&self.name)
            .set_qualifier(qualifier.map(str::to_owned));
        self.connection
            .answered("GetFunctionConfiguration", call.send().await)
    }

    /// The ARN of the function's code signing configuration, where it has one.
    ///
    /// # Errors
    /// The target refuses or cannot be reached.
    pub async fn code_signing_config(&self) -> Result<Option<String>, CallError> {
        let call = self
            .connection
            .control()
            .get_function_code_signing_config()
            .function_name(&self.name);
        let answer: GetFunctionCodeSigningConfigOutput = self
            .connection
            .answered("GetFunctionCodeSigningConfig", call.send().await)?;
        // A function without one is answered with an empty ARN, or none.
        let arn = answer.code_signing_config_arn;
        Ok(Some(arn).filter(|arn| !arn.is_empty()))
    }

    /// Waits until the function can be invoked as it was last created or changed.
    ///
    /// AWS tells of a change of state only who asks; the pauses start short, for the engine is
    /// ready within milliseconds, and grow to AWS's scale.
    ///
    /// # Errors
    /// The function came to `Failed`, or is still not ready when `patience` is over.
    pub async fn wait_active(
        &self,
        patience: Duration,
    ) -> Result<FunctionConfiguration, CallError> {
        let clock = self.connection.clock();
        let deadline = clock.monotonic() + patience;
        let mut pause = FIRST_PAUSE;
        loop {
            let now = self.configuration(None).await?;
            let state = now.state.as_deref().unwrap_or("Active");
            let update = now.last_update_status.as_deref().unwrap_or("Successful");
            let (stuck, reason) = match (state, update) {
                ("Failed", _) => ("Failed", now.state_reason.as_deref()),
                (_, "Failed") => ("not updated", now.last_update_status_reason.as_deref()),
                ("Pending", _) | (_, "InProgress") if clock.monotonic() >= deadline => {
                    ("still not ready", now.state_reason.as_deref())
                }
                ("Pending", _) | (_, "InProgress") => {
                    clock.sleep(pause).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                    continue;
                }
                _ => return Ok(now),
            };
            let told = format!(
                "the function is {stuck}: {}",
                reason.unwrap_or("no reason given")
            );
            let failure = CallFailure::State(told);
            return Err(self.connection.failed("GetFunctionConfiguration", failure));
        }
    }

    /// Replaces the code of `$LATEST`.
    ///
    /// # Errors
    /// The target refuses or cannot be reached.
    pub async fn update_code(
        &self,
        zip: Vec<u8>,
        publish: bool,
    ) -> Result<FunctionConfiguration, CallError> {
        let call = self
            .connection
            .control()
            .update_function_code()
            .function_name(&self.name)
            .zip_file(Blob::new(zip))
            .publish(publish);
        self.connection
            .answered("UpdateFunctionCode", call.send().await)
    }

    /// Changes the configuration of `$LATEST`.
    ///
    /// # Errors
    /// The target refuses or cannot be reached.
    pub async fn update_configuration(
        &self,
        change: ConfigurationChange,
    ) -> Result<FunctionConfiguration, CallError> {
        let call = self
            .connection
            .control()
            .update_function_configuration()
            .function_name(&self.name)
            .set_runtime(change.runtime.as_deref().map(Runtime::from))
            .set_handler(change.handler)
            .set_role(change.role)
            .set_description(change.description)
            .set_memory_size(change.memory_size)
            .set_timeout(change.timeout)
            .set_environment(change.environment.map(|variables| {
                Environment::builder()
                    .set_variables(Some(variables.into_iter().collect()))
                    .build()
            }));
        self.connection
            .answered("UpdateFunctionConfiguration", call.send().await)
    }

    /// Freezes `$LATEST` as the next version.
    ///
    /// # Errors
    /// The target refuses or cannot be reached.
    pub async fn publish(&self) -> Result<FunctionConfiguration, CallError> {
        let call = self
            .connection
            .control()
            .publish_version()
            .function_name(&self.name);
        self.connection
            .answered("PublishVersion", call.send().await)
    }

    /// Deletes the function with all its versions, or one version.
    ///
    /// # Errors
    /// The target refuses or cannot be reached.
    pub async fn delete(&self, qualifier: Option<&str>) -> Result<(), CallError> {
        let call = self
            .connection
            .control()
            .delete_function()
            .function_name(&self.name)
            .set_qualifier(qualifier.map(str::to_owned));
        let answer = call.send().await.map(|_| ());
        self.connection.answered("DeleteFunction", answer)
    }
}
