//! What the other services call of Amazon SQS. The service itself is not served yet: a call answers
//! that, and works as it is once somebody serves it.

use std::collections::BTreeMap;

use crate::{Operation, Service};

/// Sends one message to a queue.
#[derive(Debug, Clone, Copy)]
pub struct SendMessage;

impl Operation for SendMessage {
    type Input = SendMessageRequest;
    type Output = SendMessageResult;
    const SERVICE: Service = Service::Sqs;
    const NAME: &'static str = "SendMessage";
}

/// The message.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SendMessageRequest {
    /// The queue's URL, of which the path says account and name.
    pub queue_url: String,
    /// The text.
    pub message_body: String,
    /// What is said beside it, by name.
    pub message_attributes: Option<BTreeMap<String, MessageAttributeValue>>,
}

/// One attribute of a message.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MessageAttributeValue {
    /// `String` or `Number`.
    pub data_type: String,
    /// The value as text.
    pub string_value: Option<String>,
}

/// What the queue answers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SendMessageResult {
    /// The message's id.
    pub message_id: Option<String>,
}
