//! The SDK clients behind a session, and what its handles share besides.

use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{ConfigLoader, SdkConfig};
use aws_sdk_lambda::Client;
use aws_sdk_lambda::config::StalledStreamProtectionConfig;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ids::SharedClock;

use crate::engine::Lease;
use crate::error::{CallError, CallFailure};
use crate::starter::Ensured;

/// How long a connection may take to come about.
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// What handles share.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) description: String,
    /// Retries what AWS's SDKs retry.
    pub(crate) control: Client,
    /// Never retries and never gives up: an invocation may last fifteen minutes, and a second
    /// attempt would be a second invocation.
    pub(crate) invoking: Client,
    /// Retries as `control` does.
    pub(crate) logs: aws_sdk_cloudwatchlogs::Client,
    pub(crate) clock: SharedClock,
    /// Where it leads, where that is not AWS.
    pub(crate) endpoint: Option<String>,
    /// The engine behind it, and the lease that keeps it there.
    pub(crate) engine: Option<Ensured>,
    /// Held, never read.
    pub(crate) _lease: Option<Lease>,
}

impl Connection {
    pub(crate) async fn new(
        description: String,
        loader: ConfigLoader,
        clock: SharedClock,
        endpoint: Option<String>,
    ) -> Self {
        let shared = loader.load().await;
        let builder = || lambda_config(&shared, endpoint.clone());
        let mut logs = aws_sdk_cloudwatchlogs::config::Builder::from(&shared);
        logs.set_endpoint_url(endpoint.clone());
        let patient = TimeoutConfig::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .build();
        let invoking = builder()
            .retry_config(RetryConfig::disabled())
            .timeout_config(patient)
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            .build();
        Self {
            description,
            control: Client::from_conf(builder().build()),
            invoking: Client::from_conf(invoking),
            logs: aws_sdk_cloudwatchlogs::Client::from_conf(logs.build()),
            clock,
            endpoint,
            engine: None,
            _lease: None,
        }
    }

    pub(crate) fn control(&self) -> &Client {
        &self.control
    }

    pub(crate) fn invoking(&self) -> &Client {
        &self.invoking
    }

    pub(crate) fn clock(&self) -> &SharedClock {
        &self.clock
    }

    /// Turns an answer of the SDK into ours.
    pub(crate) fn answered<A, B, E>(
        &self,
        operation: &'static str,
        answer: Result<A, aws_sdk_lambda::error::SdkError<E>>,
    ) -> Result<B, CallError>
    where
        B: From<A>,
        E: aws_sdk_lambda::error::ProvideErrorMetadata + std::error::Error + 'static,
    {
        answer
            .map(B::from)
            .map_err(|error| self.failed(operation, CallFailure::of(&error)))
    }

    /// The end of a log, as an answer carries it.
    pub(crate) fn log_tail(
        &self,
        operation: &'static str,
        encoded: &str,
    ) -> Result<String, CallError> {
        let bytes = STANDARD.decode(encoded).map_err(|error| {
            let failure = CallFailure::Unreadable(format!("the log tail is no base64: {error}"));
            self.failed(operation, failure)
        })?;
        // The tail is cut at 4 KB, perhaps inside a character.
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    pub(crate) fn failed(&self, operation: &'static str, failure: CallFailure) -> CallError {
        CallError {
            operation,
            target: self.description.clone(),
            failure,
        }
    }
}

/// The endpoint is set here in either case: with `None` it is AWS's own. `AWS_ENDPOINT_URL`, which
/// `lambdalab up` tells people to export, and its kin must not redirect who asked for AWS in that
/// shell.
pub(crate) fn lambda_config(
    shared: &SdkConfig,
    endpoint: Option<String>,
) -> aws_sdk_lambda::config::Builder {
    let mut builder = aws_sdk_lambda::config::Builder::from(shared);
    builder.set_endpoint_url(endpoint);
    builder
}
