//! A message, and what is checked of one that is sent.

use std::collections::BTreeMap;
use std::sync::Arc;

use wire::ServiceError;
use wire::sqs::{MessageAttributeValue, MessageSystemAttributeValue};

use crate::budget::Room;
use crate::digest::{self, Field, Value};
use crate::error::{invalid, invalid_contents, invalid_value, missing};

/// Attributes by name.
pub(crate) type Attributes = BTreeMap<String, MessageAttributeValue>;

/// How many attributes a message may have.
/// Source: <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html>.
const MAX_ATTRIBUTES: usize = 10;

/// The one system attribute that senders may give.
const TRACE: &str = "AWSTraceHeader";

/// What a message says, and what is known of its sending.
#[derive(Debug)]
pub(crate) struct Content {
    pub(crate) id: String,
    pub(crate) body: String,
    pub(crate) attributes: Attributes,
    pub(crate) trace: Option<String>,
    pub(crate) sender: String,
    /// When it was sent, in milliseconds since the epoch.
    pub(crate) sent: i64,
    pub(crate) group: Option<Arc<str>>,
    pub(crate) deduplication: Option<String>,
    /// The queue that it was moved from, by ARN.
    pub(crate) source: Option<String>,
    /// Where it is kept in memory.
    pub(crate) room: Option<Room>,
}

impl Content {
    /// What it takes in memory, about.
    pub(crate) fn weight(&self) -> usize {
        self.body.len() + size_of_attributes(&self.attributes)
    }
}

/// How many bytes count towards the limits: the body, and of attributes names, types and values.
pub(crate) fn size(body: &str, attributes: &Attributes) -> usize {
    body.len() + size_of_attributes(attributes)
}

fn size_of_attributes(attributes: &Attributes) -> usize {
    attributes
        .iter()
        .map(|(name, value)| {
            let text = value.string_value.as_ref().map_or(0, String::len);
            let bytes = value.binary_value.as_ref().map_or(0, |bytes| bytes.len());
            let data_type = value.data_type.as_ref().map_or(0, String::len);
            name.len() + data_type + text + bytes
        })
        .sum()
}

/// The digest of attributes.
pub(crate) fn digest_of(attributes: &Attributes) -> Option<String> {
    digest::of_attributes(attributes.iter().map(|(name, value)| Field {
        name,
        data_type: value.data_type.as_deref().unwrap_or_default(),
        value: match (&value.string_value, &value.binary_value) {
            (Some(text), _) => Value::Text(text),
            (None, Some(bytes)) => Value::Bytes(bytes),
            (None, None) => Value::Text(""),
        },
    }))
}

/// Refuses a body that is empty or has characters that XML has not.
pub(crate) fn check_body(body: &str) -> Result<(), ServiceError> {
    if body.is_empty() {
        return Err(missing("MessageBody"));
    }
    // In UTF-8 all of the rest are above; U+FFFE and U+FFFF are looked for last.
    let is_allowed = |c: char| match c {
        '\t' | '\n' | '\r' => true,
        c => c >= ' ' && c != '\u{fffe}' && c != '\u{ffff}',
    };
    if body.chars().all(is_allowed) {
        return Ok(());
    }
    Err(invalid_contents())
}

/// Refuses attributes that a message cannot have.
pub(crate) fn check_attributes(attributes: &Attributes) -> Result<(), ServiceError> {
    if attributes.len() > MAX_ATTRIBUTES {
        return Err(invalid(format!(
            "Number of message attributes [{}] exceeds the allowed maximum [{MAX_ATTRIBUTES}].",
            attributes.len()
        )));
    }
    attributes
        .iter()
        .try_for_each(|(name, value)| check_attribute(name, value))
}

fn check_attribute(name: &str, value: &MessageAttributeValue) -> Result<(), ServiceError> {
    check_name(name)?;
    let data_type = value.data_type.as_deref().unwrap_or_default();
    if data_type.is_empty() {
        return Err(invalid(format!(
            "Message (user) attribute '{name}' must contain a non-empty attribute type."
        )));
    }
    let kind = data_type.split('.').next().unwrap_or_default();
    let empty = || {
        invalid(format!(
            "Message (user) attribute '{name}' must contain a non-empty value of type '{kind}'."
        ))
    };
    match kind {
        "Binary" => match &value.binary_value {
            Some(bytes) if !bytes.is_empty() => Ok(()),
            _ => Err(empty()),
        },
        "String" | "Number" => {
            let text = value.string_value.as_deref().unwrap_or_default();
            if text.is_empty() {
                return Err(empty());
            }
            if kind == "Number" && text.parse::<f64>().is_err() {
                return Err(invalid(format!(
                    "Can't cast the value of message (user) attribute '{name}' to a number."
                )));
            }
            check_text(text)
        }
        _ => Err(invalid(format!(
            "Message (user) attribute '{name}' has an invalid message attribute type, the set of \
             supported type prefixes is Binary, Number, and String."
        ))),
    }
}

fn check_text(text: &str) -> Result<(), ServiceError> {
    check_body(text)
}

/// Letters, digits, `_`, `-` and `.`, up to 256; no period at either end and no two in a row, nor
/// what begins with AWS's own prefixes.
/// Source: <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-message-metadata.html#message-attribute-components>.
fn check_name(name: &str) -> Result<(), ServiceError> {
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    let lower = name.to_ascii_lowercase();
    let is_reserved = lower.starts_with("aws.") || lower.starts_with("amazon.");
    let good = !name.is_empty()
        && name.len() <= 256
        && name.chars().all(is_allowed)
        && !name.starts_with('.')
        && !name.ends_with('.')
        && !name.contains("..")
        && !is_reserved;
    if good {
        return Ok(());
    }
    Err(invalid(format!(
        "Message (user) attribute name '{name}' is invalid: a name can contain letters, digits, \
         underscores, hyphens and single periods, up to 256, and must not begin with AWS. or Amazon."
    )))
}

/// The trace header among the system attributes, and their digest.
pub(crate) fn system_attributes(
    attributes: Option<BTreeMap<String, MessageSystemAttributeValue>>,
) -> Result<(Option<String>, Option<String>), ServiceError> {
    let mut trace = None;
    for (name, value) in attributes.unwrap_or_default() {
        let is_text = value.data_type.as_deref() == Some("String");
        match (name.as_str(), value.string_value) {
            (TRACE, Some(text)) if is_text && !text.is_empty() => trace = Some(text),
            (TRACE, _) => {
                return Err(invalid(format!(
                    "Message (system) attribute '{TRACE}' must contain a non-empty value of type \
                     'String'."
                )));
            }
            _ => {
                return Err(invalid(format!(
                    "Message (system) attribute '{name}' is not supported."
                )));
            }
        }
    }
    let digest = digest::of_attributes(trace.iter().map(|text| Field {
        name: TRACE,
        data_type: "String",
        value: Value::Text(text),
    }));
    Ok((trace, digest))
}

/// Refuses the id of a group or of a deduplication that has other characters than these.
/// Source: <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html>.
pub(crate) fn check_id(parameter: &str, id: &str) -> Result<(), ServiceError> {
    let good = (1..=128).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic());
    if good {
        return Ok(());
    }
    Err(invalid_value(
        id,
        parameter,
        &format!(
            "{parameter} can only include alphanumeric and punctuation characters. 1 to 128 in \
             length."
        ),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(data_type: &str, value: &str) -> MessageAttributeValue {
        MessageAttributeValue {
            data_type: Some(data_type.to_owned()),
            string_value: Some(value.to_owned()),
            ..MessageAttributeValue::default()
        }
    }

    fn refusal(name: &str, value: MessageAttributeValue) -> Option<String> {
        check_attributes(&Attributes::from([(name.to_owned(), value)]))
            .err()
            .and_then(|error| error.message)
    }

    #[test]
    fn characters_are_those_of_xml() {
        assert!(check_body("a\tb\n\u{85}\u{e000}\u{10000}").is_ok());
        for bad in ["a\u{0}", "\u{b}", "\u{fffe}", "\u{1f}"] {
            assert_eq!(check_body(bad).unwrap_err().code, "InvalidMessageContents");
        }
    }

    #[test]
    fn attributes_are_checked() {
        assert_eq!(refusal("a.b-c_1", text("String.custom", "x")), None);
        assert_eq!(refusal("n", text("Number", "-1.5e3")), None);
        assert_eq!(
            refusal("ErrorDetails", text("String", "")).unwrap(),
            "Message (user) attribute 'ErrorDetails' must contain a non-empty value of type \
             'String'."
        );
        assert!(refusal("n", text("Number", "many")).is_some());
        assert!(refusal("n", text("Text", "x")).is_some());
        for name in ["", ".a", "a.", "a..b", "a b", "AWS.x", "amazon.x"] {
            assert!(refusal(name, text("String", "x")).is_some(), "{name}");
        }
    }

    #[test]
    fn what_counts_is_names_types_and_values() {
        let attributes = Attributes::from([("ab".to_owned(), text("String", "xyz"))]);
        assert_eq!(size("body", &attributes), 4 + 2 + 6 + 3);
    }
}
