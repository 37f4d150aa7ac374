//! The way of one invocation: resolve, wait for an environment, hand over, report.
//!
//! A caller that hangs up while it waits leaves the line. Once its invocation has begun it runs to
//! its end in a task of its own, as on AWS.

pub(crate) mod curtain;
pub(crate) mod event;
pub(crate) mod failure;
pub(crate) mod lineage;
pub(crate) mod recent;
pub(crate) mod report;
mod run;
pub(crate) mod spans;
mod streaming;

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use ids::{Qualifier, RequestId, Timestamp};
use serde::de::IgnoredAny;
use tokio::task::{JoinError, JoinHandle};
use trace::Header;
use wire::lambda::{
    InvocationRequest, InvocationResponse, InvocationType, LogType, RecursiveLoop, errors,
};
use wire::{Caller, ServiceError};

use crate::authorization;
use crate::control::settle::MISSING_RUNTIME;
use crate::deployment::Deployment;
use crate::environment::Environment;
use crate::environment::outlet::Link;
use crate::environment::stage::Answer;
use crate::error::ApiError;
use crate::function::key::FunctionKey;
use crate::function::registry::CachedVersion;
use crate::function::status;
use crate::function::target::{Target, not_found};
use crate::schedule::concurrency::throttled;
use crate::schedule::pool::{NoEnvironment, Pool};
use crate::service::Inner;
use failure::Failure;
use spans::Trigger;

/// The longest client context, in bytes of base64.
/// Source: <https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html>.
const CLIENT_CONTEXT_LIMIT: usize = 3_583;

/// How often an invocation may find its function updated while it waits.
const RESOLUTIONS: u32 = 100;

/// What a caller asks to have run.
pub(crate) struct Job {
    pub(crate) id: RequestId,
    pub(crate) payload: Bytes,
    pub(crate) client_context: Option<String>,
    /// The trace that it is part of.
    pub(crate) trace: Header,
    pub(crate) trigger: Trigger,
    /// When its caller came; of an event, when its attempt began.
    pub(crate) arrived: Timestamp,
    pub(crate) invoked_arn: Arc<str>,
    /// Whether the caller wants the end of its log, and waits for all of that.
    pub(crate) with_log: bool,
}

/// What an invocation came to.
pub(crate) struct Finished {
    pub(crate) answer: Answer,
    tail: Vec<u8>,
    /// The version that ran.
    pub(crate) version: Arc<str>,
}

/// An invocation that runs.
pub(crate) struct Begun {
    /// The version that does.
    version: Arc<str>,
    pub(crate) running: JoinHandle<Finished>,
}

impl Inner {
    pub(crate) async fn invoke(
        self: &Arc<Self>,
        caller: &Caller,
        input: InvocationRequest,
    ) -> Result<InvocationResponse, ServiceError> {
        let (target, version) = self
            .find_invocable(caller, &input.function_name, input.qualifier)
            .await?;
        if input.invocation_type == Some(InvocationType::DryRun) {
            return Ok(InvocationResponse {
                status_code: Some(204),
                ..Default::default()
            });
        }
        let job = Job {
            with_log: input.log_type == Some(LogType::Tail),
            ..self.job(
                caller,
                &target,
                input.payload,
                input.client_context.as_deref(),
            )?
        };
        if input.invocation_type == Some(InvocationType::Event) {
            self.accept(target, job).await?;
            return Ok(InvocationResponse {
                status_code: Some(202),
                ..Default::default()
            });
        }
        let finished = self
            .curtain
            .unless_fallen(self.run_version_to_its_end(&target, version, job))
            .await?;
        let log_result =
            (input.log_type == Some(LogType::Tail)).then(|| STANDARD.encode(&finished.tail));
        let (payload, function_error) = match finished.answer {
            Ok(payload) => (payload, None),
            Err(failure) => (
                failure.payload(caller.request_id),
                Some("Unhandled".to_owned()),
            ),
        };
        Ok(InvocationResponse {
            status_code: Some(200),
            function_error,
            log_result,
            payload: Some(payload),
            executed_version: Some(finished.version.to_string()),
            ..Default::default()
        })
    }

    /// What `caller` asks to have run, where that is well formed.
    fn job(
        &self,
        caller: &Caller,
        target: &Target,
        payload: Option<Bytes>,
        context: Option<&str>,
    ) -> Result<Job, ServiceError> {
        Ok(Job {
            id: caller.request_id,
            payload: event_payload(payload)?,
            client_context: context.map(client_context).transpose()?,
            trace: self.trace_of(caller.trace.as_ref(), &target.key),
            trigger: Trigger::Call,
            arrived: self.clock.now(),
            invoked_arn: target.arn().into(),
            with_log: false,
        })
    }

    /// What a caller may invoke by that name.
    async fn find_invocable(
        &self,
        caller: &Caller,
        function: &str,
        qualifier: Option<String>,
    ) -> Result<(Target, Arc<CachedVersion>), ServiceError> {
        let target = self
            .registry
            .target(caller, function, qualifier, authorization::INVOKE)
            .await?;
        let version = self.resolve(&target).await?;
        self.registry
            .authorize(caller, &target, authorization::INVOKE)
            .await?;
        status::check_invocable(version.record.live().0)?;
        Ok((target, version))
    }

    /// Runs `job` under what `target` names now.
    pub(crate) async fn run_to_its_end(
        self: &Arc<Self>,
        target: &Target,
        job: Job,
    ) -> Result<Finished, ServiceError> {
        let version = self.resolve(target).await?;
        status::check_invocable(version.record.live().0)?;
        self.run_version_to_its_end(target, version, job).await
    }

    /// Runs `job` under `version`. Dropping this before its turn has come takes it out of the
    /// line; after that it runs to its end all the same.
    async fn run_version_to_its_end(
        self: &Arc<Self>,
        target: &Target,
        version: Arc<CachedVersion>,
        job: Job,
    ) -> Result<Finished, ServiceError> {
        let begun = self.begin_version(target, version, job, None).await?;
        begun.running.await.map_err(|error| broken_off(&error))
    }

    /// Waits for an environment and begins to run `job` in it, with its answer streamed to `link`
    /// where that is given and the function does so.
    pub(crate) async fn begin_version(
        self: &Arc<Self>,
        target: &Target,
        version: Arc<CachedVersion>,
        job: Job,
        link: Option<Link>,
    ) -> Result<Begun, ServiceError> {
        if self.is_stopped_loop(&target.key, &job.trace).await? {
            return Err(errors::recursive_invocation_exception(format!(
                "The function {} is invoked in a loop, which was stopped after 16 invocations.",
                target.arn()
            )));
        }
        let settings = self.registry.settings(&target.key).await?;
        let reserved = settings.and_then(|settings| settings.reserved_concurrency);
        let provision = self.provisions.of(version.record.live().1);
        let counted = self
            .concurrency
            .count(&target.key, reserved, provision.as_ref())?;
        let (pool, environment) = self.take_environment(target, version).await?;
        let version = Arc::clone(&environment.deployment.version);
        let this = Arc::clone(self);
        let running =
            tokio::spawn(async move { this.run((pool, environment), job, link, counted).await });
        Ok(Begun { version, running })
    }

    /// Whether an invocation with this trace header goes on with a loop that is to be stopped.
    pub(crate) async fn is_stopped_loop(
        &self,
        key: &FunctionKey,
        header: &Header,
    ) -> Result<bool, ApiError> {
        if !lineage::is_loop(header, key) {
            return Ok(false);
        }
        let settings = self.registry.settings(key).await?;
        let chosen = settings.and_then(|settings| settings.recursive_loop.clone());
        Ok(chosen != Some(RecursiveLoop::Allow))
    }

    /// What invocations of `target` run.
    pub(crate) async fn resolve(
        &self,
        target: &Target,
    ) -> Result<Arc<CachedVersion>, ServiceError> {
        let found = match target.meaning() {
            Qualifier::Alias(name) => self.routed(target, &name).await,
            _ => self.find(target).await.map(|(version, _)| version),
        };
        match found {
            // An invocation without a qualifier is one of $LATEST, and is not found as such.
            Err(error) if target.qualifier.is_none() && error.status == 404 => {
                Err(not_found(&target.key.qualified_arn("$LATEST")))
            }
            found => found,
        }
    }

    /// The version to which an alias sends an invocation.
    async fn routed(
        &self,
        target: &Target,
        alias: &str,
    ) -> Result<Arc<CachedVersion>, ServiceError> {
        let alias = self.registry.alias(&target.key, alias).await?;
        let alias = alias.ok_or_else(|| target.not_found())?;
        let number = alias.route(self.draw_share());
        let version = self.registry.version(&target.key, number).await?;
        version.ok_or_else(|| target.not_found())
    }

    /// The deployment that `version` runs, made on first need.
    pub(crate) async fn deployment(
        &self,
        target: &Target,
        version: &CachedVersion,
    ) -> Result<Arc<Deployment>, ServiceError> {
        if let Some(deployment) = &*version.deployment.read() {
            return Ok(Arc::clone(deployment));
        }
        let prepared = self.prepare(&target.key, version.record.live()).await;
        let deployment = Arc::new(prepared.map_err(|failure| match failure.code {
            MISSING_RUNTIME => errors::invalid_runtime_exception(failure.reason),
            _ => errors::service_exception(failure.reason),
        })?);
        let mut kept = version.deployment.write();
        Ok(Arc::clone(kept.get_or_insert(deployment)))
    }

    /// Waits for an environment. A caller that hangs up meanwhile leaves the line.
    async fn take_environment(
        &self,
        target: &Target,
        mut version: Arc<CachedVersion>,
    ) -> Result<(Arc<Pool>, Arc<Environment>), ServiceError> {
        let mut attempts = 0;
        loop {
            let deployment = self.deployment(target, &version).await?;
            let acquired = match self.fleet.pool(&deployment) {
                Some(pool) => {
                    let environment = self.fleet.acquire(&pool).await;
                    environment.map(|environment| (pool, environment))
                }
                None => Err(NoEnvironment::Closed),
            };
            match acquired {
                Ok(taken) => return Ok(taken),
                // The function was updated while this invocation waited: the new state serves it.
                Err(NoEnvironment::Closed) if attempts < RESOLUTIONS && !self.is_stopping() => {
                    attempts += 1;
                    version = self.resolve(target).await?;
                    status::check_invocable(version.record.live().0)?;
                }
                Err(NoEnvironment::TooMany | NoEnvironment::NoMemory) => {
                    return Err(throttled("ConcurrentInvocationLimitExceeded"));
                }
                Err(NoEnvironment::NotRestored(failure)) => return Err(not_restored(&failure)),
                Err(error) => return Err(errors::service_exception(error.to_string())),
            }
        }
    }
}

pub(crate) fn broken_off(error: &JoinError) -> ServiceError {
    errors::service_exception(format!("The invocation broke off: {error}"))
}

/// What a caller hears when its environment could not be restored.
/// Source: <https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html>.
fn not_restored(failure: &Failure) -> ServiceError {
    match failure {
        Failure::TimedOut { .. } => errors::snap_start_timeout_exception(
            "Lambda couldn't restore the snapshot within the timeout limit.",
        ),
        _ => errors::snap_start_exception(
            "The afterRestore() runtime hook encountered an error. For more information, check the \
             Amazon CloudWatch logs.",
        ),
    }
}

/// The event: the payload as it is, which must be JSON; an empty one is an empty object.
fn event_payload(payload: Option<Bytes>) -> Result<Bytes, ServiceError> {
    let payload = payload.filter(|payload| !payload.is_empty());
    let Some(payload) = payload else {
        return Ok(Bytes::from_static(b"{}"));
    };
    wire::payload::check(&payload)?;
    Ok(payload)
}

/// The client context: base64 of JSON, which goes to the runtime as a header.
fn client_context(encoded: &str) -> Result<String, ServiceError> {
    let refuse = |reason: &str| {
        errors::invalid_request_content_exception(format!("Client context {reason}"))
    };
    if encoded.len() > CLIENT_CONTEXT_LIMIT {
        return Err(refuse(&format!(
            "must be at most {CLIENT_CONTEXT_LIMIT} bytes of base64"
        )));
    }
    let bytes = STANDARD
        .decode(encoded)
        .map_err(|_| refuse("must be valid Base64-encoded JSON"))?;
    let text = String::from_utf8(bytes).map_err(|_| refuse("must be valid Base64-encoded JSON"))?;
    match serde_json::from_str::<IgnoredAny>(&text) {
        Ok(_) => Ok(on_one_line(&text)),
        Err(_) => Err(refuse("must be a valid JSON object")),
    }
}

/// The same JSON, which must be valid, without any character that no header can hold. Numbers and
/// the order of members stay as they were written.
fn on_one_line(json: &str) -> String {
    let mut line = String::with_capacity(json.len());
    let (mut in_text, mut escaped) = (false, false);
    for character in json.chars() {
        match character {
            ' ' | '\t' | '\n' | '\r' if !in_text => continue,
            // The one control character that may stand in a text as it is.
            '\u{7f}' => line.push_str("\\u007f"),
            _ => line.push(character),
        }
        in_text ^= character == '"' && !escaped;
        escaped = in_text && character == '\\' && !escaped;
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_context_fits_a_header() {
        let written =
            "{\n\t\"a b\": [1.50, 12345678901234567890123],\r\n  \"q\\\"\\\\\": \"{ é\u{7f} }\"\n}";
        let read = client_context(&STANDARD.encode(written)).unwrap();
        assert_eq!(
            read,
            r#"{"a b":[1.50,12345678901234567890123],"q\"\\":"{ é\u007f }"}"#
        );
        assert!(http::HeaderValue::from_bytes(read.as_bytes()).is_ok());
    }
}
