//! The attributes of queues: which there are, what they may be, and what they are where nobody said.
//!
//! Sources: <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SetQueueAttributes.html>
//! for names and ranges, and what AWS answers for the words of refusals.

pub(crate) mod redrive;

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use policy::{Kind, Policy};
use wire::ServiceError;
use wire::sqs::errors;

use redrive::{AllowPolicy, RedrivePolicy};

/// Attributes by name, as they were given.
pub(crate) type Given = BTreeMap<String, String>;

/// The largest message, and the largest batch, in bytes.
/// Source: <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html>.
pub(crate) const MAX_MESSAGE: usize = 1_048_576;

/// The longest visibility timeout, in seconds.
pub(crate) const MAX_VISIBILITY: i64 = 43_200;

/// An attribute that is a number: its name, its range, its default.
struct Number {
    name: &'static str,
    range: RangeInclusive<i64>,
    default: i64,
}

const DELAY: Number = number("DelaySeconds", 0, 900, 0);
const SIZE: Number = number("MaximumMessageSize", 1_024, 1_048_576, 1_048_576);
const RETENTION: Number = number("MessageRetentionPeriod", 60, 1_209_600, 345_600);
const WAIT: Number = number("ReceiveMessageWaitTimeSeconds", 0, 20, 0);
const VISIBILITY: Number = number("VisibilityTimeout", 0, MAX_VISIBILITY, 30);
const KEY_REUSE: Number = number("KmsDataKeyReusePeriodSeconds", 60, 86_400, 300);

const fn number(name: &'static str, least: i64, most: i64, default: i64) -> Number {
    Number {
        name,
        range: least..=most,
        default,
    }
}

const KEY: &str = "KmsMasterKeyId";
const ENCRYPTED: &str = "SqsManagedSseEnabled";
const POLICY: &str = "Policy";
const REDRIVE: &str = "RedrivePolicy";
const ALLOW: &str = "RedriveAllowPolicy";
const FIFO: &str = "FifoQueue";
const BY_CONTENT: &str = "ContentBasedDeduplication";
const SCOPE: &str = "DeduplicationScope";
const LIMIT: &str = "FifoThroughputLimit";

/// Those that only FIFO queues have.
const OF_FIFO: [&str; 4] = [FIFO, BY_CONTENT, SCOPE, LIMIT];

/// Those that an empty text takes away.
const REMOVABLE: [&str; 4] = [KEY, POLICY, REDRIVE, ALLOW];

/// The attributes of a queue, read.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// Seconds.
    pub(crate) delay: i64,
    /// Bytes.
    pub(crate) maximum_size: usize,
    /// Seconds.
    pub(crate) retention: i64,
    /// Seconds.
    pub(crate) wait: i64,
    /// Seconds.
    pub(crate) visibility: i64,
    pub(crate) redrive: Option<RedrivePolicy>,
    pub(crate) allow: AllowPolicy,
    /// There where the queue is a FIFO queue.
    pub(crate) fifo: Option<Fifo>,
}

/// What only FIFO queues have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fifo {
    /// Whether a message without a deduplication id goes by its content.
    pub(crate) by_content: bool,
    /// Whether the same id in another group is another one.
    pub(crate) per_group: bool,
}

/// Refuses what is no name of an attribute that can be set.
pub(crate) fn check_names(given: &Given, fifo: bool) -> Result<(), ServiceError> {
    let numbers = [DELAY, SIZE, RETENTION, WAIT, VISIBILITY, KEY_REUSE];
    for name in given.keys() {
        let is_known = numbers.iter().any(|number| number.name == name)
            || REMOVABLE.contains(&name.as_str())
            || name == ENCRYPTED
            || (fifo && OF_FIFO.contains(&name.as_str()));
        if !is_known {
            return Err(unknown(name));
        }
    }
    Ok(())
}

/// 400: no attribute has that name.
pub(crate) fn unknown(name: &str) -> ServiceError {
    errors::invalid_attribute_name(format!("Unknown Attribute {name}."))
}

fn invalid(name: &str) -> ServiceError {
    errors::invalid_attribute_value(format!("Invalid value for the parameter {name}."))
}

/// `present` with `given` in it; what is given empty goes.
pub(crate) fn merged(present: &Given, given: Given) -> Given {
    let mut merged = present.clone();
    // Of the two ways of encryption the one that is set ends the other.
    if given.get(KEY).is_some_and(|key| !key.is_empty()) {
        merged.insert(ENCRYPTED.to_owned(), "false".to_owned());
    }
    if given.get(ENCRYPTED).is_some_and(|on| on == "true") {
        merged.remove(KEY);
    }
    for (name, value) in given {
        if value.is_empty() && REMOVABLE.contains(&name.as_str()) {
            merged.remove(&name);
        } else {
            merged.insert(name, value);
        }
    }
    merged
}

/// Refuses both ways of encryption in one request, or the second beside the first.
pub(crate) fn check_encryption(given: &Given) -> Result<(), ServiceError> {
    let has_key = given.get(KEY).is_some_and(|key| !key.is_empty());
    if has_key && given.get(ENCRYPTED).is_some_and(|on| on == "true") {
        return Err(errors::invalid_attribute_name(
            "You can use one type of server-side encryption (SSE) at one time. You can either \
             enable KMS SSE or SQS SSE.",
        ));
    }
    Ok(())
}

impl Settings {
    /// Reads attributes.
    ///
    /// # Errors
    /// 400 for the first that cannot be.
    pub(crate) fn read(given: &Given, fifo: bool) -> Result<Self, ServiceError> {
        let number = |number: &Number| match given.get(number.name) {
            None => Ok(number.default),
            Some(text) => text
                .parse()
                .ok()
                .filter(|value| number.range.contains(value))
                .ok_or_else(|| invalid(number.name)),
        };
        let flag = |name: &str, default: bool| match given.get(name).map(String::as_str) {
            None => Ok(default),
            Some("true") => Ok(true),
            Some("false") => Ok(false),
            Some(_) => Err(invalid(name)),
        };
        let choice = |name: &str, first: &str, second: &str| match given.get(name) {
            None => Ok(false),
            Some(value) if value == first => Ok(false),
            Some(value) if value == second => Ok(true),
            Some(_) => Err(invalid(name)),
        };
        flag(ENCRYPTED, true)?;
        number(&KEY_REUSE)?;
        let fifo = match fifo {
            false => None,
            true => {
                if !flag(FIFO, true)? {
                    return Err(errors::invalid_attribute_value(format!(
                        "Invalid value for the parameter {FIFO}. Reason: Modifying queue type is \
                         not supported."
                    )));
                }
                let per_group = choice(SCOPE, "queue", "messageGroup")?;
                let unlimited = choice(LIMIT, "perQueue", "perMessageGroupId")?;
                if unlimited && !per_group {
                    return Err(invalid(LIMIT));
                }
                Some(Fifo {
                    by_content: flag(BY_CONTENT, false)?,
                    per_group,
                })
            }
        };
        if policy(given).is_none() && given.contains_key(POLICY) {
            return Err(invalid(POLICY));
        }
        Ok(Self {
            delay: number(&DELAY)?,
            maximum_size: usize::try_from(number(&SIZE)?).unwrap_or(MAX_MESSAGE),
            retention: number(&RETENTION)?,
            wait: number(&WAIT)?,
            visibility: number(&VISIBILITY)?,
            redrive: given
                .get(REDRIVE)
                .map(|text| RedrivePolicy::read(text))
                .transpose()?,
            allow: given
                .get(ALLOW)
                .map(|text| AllowPolicy::read(text))
                .transpose()?
                .unwrap_or_default(),
            fifo,
        })
    }
}

/// The policy among the attributes, where there is one that can be read.
pub(crate) fn policy(given: &Given) -> Option<Policy> {
    Policy::parse(given.get(POLICY)?, Kind::Resource).ok()
}

/// The policy's text.
pub(crate) fn policy_text(given: &Given) -> Option<&str> {
    given.get(POLICY).map(String::as_str)
}

/// With another policy, or none.
pub(crate) fn with_policy(given: &Given, policy: Option<String>) -> Given {
    let mut given = given.clone();
    match policy {
        Some(policy) => given.insert(POLICY.to_owned(), policy),
        None => given.remove(POLICY),
    };
    given
}

/// What GetQueueAttributes answers of what was set, defaults included.
pub(crate) fn shown(given: &Given, fifo: bool) -> Given {
    let mut shown = given.clone();
    let mut or = |name: &str, default: &str| {
        shown
            .entry(name.to_owned())
            .or_insert_with(|| default.to_owned());
    };
    for number in [DELAY, SIZE, RETENTION, WAIT, VISIBILITY] {
        or(number.name, &number.default.to_string());
    }
    or(ENCRYPTED, "true");
    if given.contains_key(KEY) {
        or(KEY_REUSE.name, &KEY_REUSE.default.to_string());
    }
    if fifo {
        or(FIFO, "true");
        or(BY_CONTENT, "false");
        or(SCOPE, "queue");
        or(LIMIT, "perQueue");
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(pairs: &[(&str, &str)]) -> Given {
        let pairs = pairs.iter();
        pairs
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn numbers_have_ranges() {
        for (name, good, bad) in [
            ("DelaySeconds", "900", "901"),
            ("MaximumMessageSize", "1024", "1023"),
            ("MessageRetentionPeriod", "60", "59"),
            ("ReceiveMessageWaitTimeSeconds", "20", "21"),
            ("VisibilityTimeout", "43200", "-1"),
            ("KmsDataKeyReusePeriodSeconds", "60", "x"),
        ] {
            assert!(
                Settings::read(&given(&[(name, good)]), false).is_ok(),
                "{name}"
            );
            let error = Settings::read(&given(&[(name, bad)]), false).unwrap_err();
            assert_eq!(error.code, "InvalidAttributeValue");
            assert_eq!(
                error.message.unwrap(),
                format!("Invalid value for the parameter {name}.")
            );
        }
    }

    #[test]
    fn a_standard_queue_has_fewer_attributes() {
        let fifo = given(&[("FifoQueue", "true")]);
        assert!(check_names(&fifo, true).is_ok());
        let error = check_names(&fifo, false).unwrap_err();
        assert_eq!(error.message.unwrap(), "Unknown Attribute FifoQueue.");
        assert!(check_names(&given(&[("QueueArn", "x")]), true).is_err());
    }

    #[test]
    fn one_encryption_ends_the_other() {
        let managed = given(&[]);
        let key = merged(&managed, given(&[("KmsMasterKeyId", "k")]));
        assert_eq!(shown(&key, false)["SqsManagedSseEnabled"], "false");
        assert_eq!(shown(&key, false)["KmsDataKeyReusePeriodSeconds"], "300");
        let back = merged(&key, given(&[("SqsManagedSseEnabled", "true")]));
        assert!(!shown(&back, false).contains_key("KmsMasterKeyId"));
        let both = given(&[("KmsMasterKeyId", "k"), ("SqsManagedSseEnabled", "true")]);
        assert!(check_encryption(&both).is_err());
    }

    #[test]
    fn what_is_given_empty_goes() {
        let present = given(&[("RedrivePolicy", "x"), ("DelaySeconds", "1")]);
        assert_eq!(
            merged(&present, given(&[("RedrivePolicy", "")])),
            given(&[("DelaySeconds", "1")])
        );
    }

    #[test]
    fn high_throughput_needs_its_scope() {
        let limit = ("FifoThroughputLimit", "perMessageGroupId");
        assert!(Settings::read(&given(&[limit]), true).is_err());
        let scope = ("DeduplicationScope", "messageGroup");
        let fifo = Settings::read(&given(&[limit, scope]), true).unwrap().fifo;
        assert!(fifo.unwrap().per_group);
    }
}
