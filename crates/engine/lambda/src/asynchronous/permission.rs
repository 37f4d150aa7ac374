//! Whether a function's role may call where the ends of its events are told of, asked as soon as that
//! is configured. Where no policies are enforced, every role may.
//!
//! The words are AWS's, as people report them:
//! <https://github.com/elastic/beats/issues/13963> for dead letters, and for destinations
//! <https://github.com/hashicorp/terraform-provider-aws/blob/main/internal/service/lambda/function_event_invoke_config.go>.

use bytes::Bytes;
use http::StatusCode;
use ids::Arn;
use wire::ServiceError;
use wire::lambda::{FunctionConfiguration, errors};

use super::courier;
use crate::function::key::FunctionKey;
use crate::service::Inner;

/// What a role must be permitted to do for a destination.
struct Needed {
    operation: &'static str,
    service: &'static str,
}

/// What takes a record to a service. The others have nothing here that could be called.
fn needed(destination: &Arn) -> Option<Needed> {
    let (operation, service) = match destination.service.as_str() {
        "lambda" => ("InvokeFunction", "Lambda"),
        "sqs" => ("SendMessage", "SQS"),
        _ => return None,
    };
    Some(Needed { operation, service })
}

impl Inner {
    /// Refuses destinations that the role of `configuration` may not call.
    pub(crate) async fn check_destinations_permitted(
        &self,
        key: &FunctionKey,
        configuration: &FunctionConfiguration,
        destinations: impl Iterator<Item = &str>,
    ) -> Result<(), ServiceError> {
        for destination in destinations {
            if let Some(Needed { operation, .. }) =
                self.missing(key, configuration, destination).await?
            {
                return Err(errors::invalid_parameter_value_exception(format!(
                    "The function's execution role does not have permissions to call {operation} on \
                     {destination}"
                )));
            }
        }
        Ok(())
    }

    /// Refuses a target for dead letters that the role of `configuration` may not call.
    pub(crate) async fn check_dead_letters_permitted(
        &self,
        key: &FunctionKey,
        configuration: &FunctionConfiguration,
    ) -> Result<(), ServiceError> {
        let letters = configuration.dead_letter_config.as_ref();
        let Some(target) = letters.and_then(|letters| letters.target_arn.as_deref()) else {
            return Ok(());
        };
        match self.missing(key, configuration, target).await? {
            None => Ok(()),
            Some(Needed { operation, service }) => {
                Err(errors::invalid_parameter_value_exception(format!(
                    "The provided execution role does not have permissions to call {operation} on \
                     {service}"
                )))
            }
        }
    }

    /// What the role lacks to call `destination`.
    async fn missing(
        &self,
        key: &FunctionKey,
        configuration: &FunctionConfiguration,
        destination: &str,
    ) -> Result<Option<Needed>, ServiceError> {
        let (Ok(sender), Ok(destination)) = (key.arn().parse(), destination.parse::<Arn>()) else {
            return Ok(None);
        };
        let role = configuration.role.as_deref().unwrap_or_default();
        let caller = courier::caller(&sender, role, self.draw_id());
        let Some(call) = courier::delivery(&destination, caller, Bytes::new(), None) else {
            return Ok(None);
        };
        match self.peers.0.permits(call).await {
            Err(error) if error.status == StatusCode::FORBIDDEN => Ok(needed(&destination)),
            asked => asked.map(|()| None),
        }
    }
}
