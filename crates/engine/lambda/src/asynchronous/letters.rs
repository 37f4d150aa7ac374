//! Who is told of the end of an event: the destination of its outcome, by the configuration of the
//! qualifier that was called, and the dead-letter target of the version that ran.

use std::sync::Arc;

use ids::Qualifier;
use wire::ServiceError;
use wire::lambda::FunctionConfiguration;

use super::ending::{Condition, Ending};
use super::outbox::{Attributes, Letter};
use super::queue::StoredEvent;
use crate::error::ApiError;
use crate::function::event_invoke::EventInvoke;
use crate::function::record::LATEST;
use crate::function::registry::CachedVersion;
use crate::function::target::Target;
use crate::service::Inner;

impl Inner {
    /// The configuration of the qualifier that was called; none also where it cannot be read now.
    pub(super) async fn event_invoke(&self, target: &Target) -> Option<Arc<EventInvoke>> {
        let qualifier = target.meaning();
        let found = self.registry.event_invoke(&target.key, &qualifier).await;
        found.unwrap_or_else(|error| {
            tracing::warn!(%error, "the configuration of events cannot be read");
            None
        })
    }

    /// Whether somebody is told when an event fails.
    pub(super) async fn tells_of_failures(
        &self,
        target: &Target,
        config: Option<&EventInvoke>,
    ) -> bool {
        if config.is_some_and(|config| config.on_failure.is_some()) {
            return true;
        }
        let version = self.resolve(target).await.ok();
        version.is_some_and(|version| dead_letters(version.record.live().0).is_some())
    }

    /// What is to be told of the end of an event.
    pub(super) async fn letters(
        &self,
        target: &Target,
        event: &StoredEvent,
        ending: &Ending,
    ) -> Result<Vec<Letter>, ServiceError> {
        let qualifier = target.meaning();
        let config = self.registry.event_invoke(&target.key, &qualifier).await?;
        let config = config.as_deref();
        let is_success = ending.condition == Condition::Success;
        let destination = match is_success {
            true => config.and_then(|config| config.on_success.as_deref()),
            false => config.and_then(|config| config.on_failure.as_deref()),
        };
        if is_success && destination.is_none() {
            return Ok(Vec::new());
        }
        let version = match self.executed(target, ending).await {
            Ok(version) => version,
            // Nobody is told of the events of what was deleted.
            Err(error) if error.status == http::StatusCode::NOT_FOUND => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let (configuration, _) = version.record.live();
        let now = self.clock.now();
        let sender = target.key.qualified_arn(&qualifier.to_string());
        let letter = |destination: &str, body, dead_letter| Letter {
            due: now,
            written: now,
            refusals: 0,
            sender: sender.clone(),
            role: configuration.role.clone().unwrap_or_default(),
            destination: destination.to_owned(),
            request_id: self.draw_id(),
            trace_id: event.trace_id.clone(),
            dead_letter,
            body,
        };
        let mut letters = Vec::new();
        if let Some(destination) = destination {
            let record = ending.record(event.request_id, &sender, &event.payload, now);
            letters.push(letter(destination, record.map_err(ApiError::from)?, None));
        }
        if let Some(dead_letters) = dead_letters(configuration).filter(|_| !is_success) {
            let (error_code, error_message) = ending.error();
            let attributes = Attributes {
                request_id: event.request_id.to_string(),
                error_code,
                error_message,
            };
            letters.push(letter(
                dead_letters,
                event.payload.clone(),
                Some(attributes),
            ));
        }
        Ok(letters)
    }

    /// The version that the last attempt ran, or else what another one would.
    async fn executed(
        &self,
        target: &Target,
        ending: &Ending,
    ) -> Result<Arc<CachedVersion>, ServiceError> {
        let Some(answered) = &ending.answered else {
            return self.resolve(target).await;
        };
        let number = match Qualifier::parse(&answered.version) {
            Qualifier::Version(number) => number,
            _ => LATEST,
        };
        let version = self.registry.version(&target.key, number).await?;
        version.ok_or_else(|| target.not_found())
    }
}

/// The ARN of what gets the events over which a version has failed.
fn dead_letters(configuration: &FunctionConfiguration) -> Option<&str> {
    let letters = configuration.dead_letter_config.as_ref()?;
    letters.target_arn.as_deref().filter(|arn| !arn.is_empty())
}
