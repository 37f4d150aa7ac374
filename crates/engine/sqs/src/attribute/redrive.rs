//! The two attributes about dead-letter queues: where a queue's dead letters go, and whose a queue
//! takes.
//!
//! Source: <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-dead-letter-queues.html>.

use ids::Arn;
use serde_json::{Map, Value};
use wire::ServiceError;

use crate::error::invalid_value;

/// Where messages go that were received too often.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RedrivePolicy {
    pub(crate) target: Arn,
    pub(crate) max_receives: u32,
}

/// Whose dead letters a queue takes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) enum AllowPolicy {
    #[default]
    All,
    None,
    Of(Vec<String>),
}

/// How many queues may be listed.
const MAX_SOURCES: usize = 10;

impl RedrivePolicy {
    /// Reads `{"deadLetterTargetArn": …, "maxReceiveCount": …}`.
    pub(crate) fn read(text: &str) -> Result<Self, ServiceError> {
        let refused = |reason: &str| invalid_value(text, "RedrivePolicy", reason);
        let policy: Map<String, Value> = serde_json::from_str(text)
            .map_err(|_| refused("Redrive policy is not a valid JSON map."))?;
        let absent = |name: &str| {
            refused(&format!(
                "Redrive policy does not contain mandatory attribute: {name}."
            ))
        };
        let target = policy
            .get("deadLetterTargetArn")
            .ok_or_else(|| absent("deadLetterTargetArn"))?;
        let target: Option<Arn> = target.as_str().and_then(|text| text.parse().ok());
        let target = target
            .filter(|arn| arn.service == "sqs" && !arn.account.is_empty())
            .ok_or_else(|| refused("Invalid value for deadLetterTargetArn."))?;
        let count = policy
            .get("maxReceiveCount")
            .ok_or_else(|| absent("maxReceiveCount"))?;
        let max_receives = match count {
            Value::String(text) => text.parse().ok(),
            other => other.as_u64().and_then(|count| u32::try_from(count).ok()),
        };
        let max_receives = max_receives.filter(|count| (1..=1000).contains(count));
        let max_receives = max_receives.ok_or_else(|| {
            let count = count
                .as_str()
                .map_or_else(|| count.to_string(), str::to_owned);
            refused(&format!(
                "Invalid value for maxReceiveCount: {count}, valid values are from 1 to 1000 both \
                 inclusive."
            ))
        })?;
        Ok(Self {
            target,
            max_receives,
        })
    }
}

impl AllowPolicy {
    /// Reads `{"redrivePermission": …, "sourceQueueArns": […]}`.
    pub(crate) fn read(text: &str) -> Result<Self, ServiceError> {
        let refused = |reason: &str| invalid_value(text, "RedriveAllowPolicy", reason);
        let policy: Map<String, Value> = serde_json::from_str(text)
            .map_err(|_| refused("Amazon SQS can't create the redrive allow policy, as it's in an unsupported format."))?;
        let sources = policy.get("sourceQueueArns");
        match policy.get("redrivePermission").and_then(Value::as_str) {
            Some("allowAll") if sources.is_none() => Ok(Self::All),
            Some("denyAll") if sources.is_none() => Ok(Self::None),
            Some("byQueue") => {
                let sources = sources.and_then(Value::as_array);
                let sources: Option<Vec<String>> = sources.and_then(|sources| {
                    let text = |source: &Value| source.as_str().map(str::to_owned);
                    sources.iter().map(text).collect()
                });
                sources
                    .filter(|sources| (1..=MAX_SOURCES).contains(&sources.len()))
                    .map(Self::Of)
                    .ok_or_else(|| refused("sourceQueueArns must list 1 to 10 queues."))
            }
            Some("allowAll" | "denyAll") => Err(refused(
                "sourceQueueArns can be given with the permission byQueue alone.",
            )),
            _ => Err(refused(
                "redrivePermission must be one of allowAll, denyAll and byQueue.",
            )),
        }
    }

    /// Whether dead letters of the queue of that ARN are taken.
    pub(crate) fn allows(&self, source: &str) -> bool {
        match self {
            Self::All => true,
            Self::None => false,
            Self::Of(sources) => sources.iter().any(|known| known == source),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TARGET: &str = "arn:aws:sqs:us-east-1:000000000000:dead";

    fn refusal(text: &str) -> String {
        RedrivePolicy::read(text).unwrap_err().message.unwrap()
    }

    #[test]
    fn a_count_is_a_number_or_a_text() {
        for count in ["3", "\"3\""] {
            let text =
                format!("{{\"deadLetterTargetArn\": \"{TARGET}\", \"maxReceiveCount\": {count}}}");
            assert_eq!(RedrivePolicy::read(&text).unwrap().max_receives, 3);
        }
    }

    #[test]
    fn a_policy_that_cannot_be_is_refused_in_the_words_of_aws() {
        assert_eq!(
            refusal(r#"{"deadLetterTargetArn": "dummy", "maxReceiveCount": 42}"#),
            "Value {\"deadLetterTargetArn\": \"dummy\", \"maxReceiveCount\": 42} for parameter \
             RedrivePolicy is invalid. Reason: Invalid value for deadLetterTargetArn."
        );
        assert!(refusal("[]").ends_with("Reason: Redrive policy is not a valid JSON map."));
        assert!(refusal("{}").contains("mandatory attribute: deadLetterTargetArn"));
        let many = format!("{{\"deadLetterTargetArn\": \"{TARGET}\", \"maxReceiveCount\": 1001}}");
        assert!(refusal(&many).contains("maxReceiveCount: 1001, valid values are from 1 to 1000"));
    }

    #[test]
    fn who_may_redrive_is_listed() {
        let of = AllowPolicy::read(r#"{"redrivePermission": "byQueue", "sourceQueueArns": ["a"]}"#);
        let of = of.unwrap();
        assert!(of.allows("a") && !of.allows("b"));
        let none = AllowPolicy::read(r#"{"redrivePermission": "denyAll"}"#).unwrap();
        assert!(!none.allows("a"));
        for wrong in [
            "{}",
            "x",
            r#"{"redrivePermission": "byQueue"}"#,
            r#"{"redrivePermission": "allowAll", "sourceQueueArns": ["a"]}"#,
        ] {
            assert!(AllowPolicy::read(wrong).is_err(), "{wrong}");
        }
    }
}
