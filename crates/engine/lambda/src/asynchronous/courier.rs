//! Who brings what is to be told of ended events to where it goes, and the calls by which that is
//! done, as the function's role. When he goes is in `rounds`.

use std::collections::{BTreeMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use ids::{Arn, RequestId};
use parking_lot::Mutex;
use tokio::sync::Notify;
use wire::lambda::operations::Invoke;
use wire::lambda::{InvocationRequest, InvocationType};
use wire::sqs::operations::SendMessage;
use wire::sqs::{MessageAttributeValue, SendMessageRequest};
use wire::{Call, Caller, Principal};

use super::outbox::Attributes;

/// Who has what to deliver.
#[derive(Debug, Default)]
pub(crate) struct Courier {
    pub(super) changed: Notify,
    /// The letters that are on their way.
    pub(super) held: Mutex<HashSet<i64>>,
    pub(super) failures: AtomicU64,
}

impl Courier {
    /// There is a letter, or none is to be begun any more.
    pub(crate) fn wake(&self) {
        self.changed.notify_one();
    }

    /// How many letters were given up.
    pub(crate) fn failures(&self) -> u64 {
        self.failures.load(Ordering::Relaxed)
    }
}

/// The call that takes `body` to a destination; none where no service here could take it.
pub(super) fn delivery(
    destination: &Arn,
    caller: Caller,
    body: Bytes,
    attributes: Option<&Attributes>,
) -> Option<Call> {
    match destination.service.as_str() {
        "lambda" => {
            let input = InvocationRequest {
                function_name: destination.to_string(),
                invocation_type: Some(InvocationType::Event),
                payload: Some(body),
                ..InvocationRequest::default()
            };
            Some(Call::new::<Invoke>(caller, input))
        }
        "sqs" => {
            let input = SendMessageRequest {
                queue_url: Some(queue_url(destination)),
                message_body: Some(String::from_utf8_lossy(&body).into_owned()),
                message_attributes: attributes.map(message_attributes),
                ..SendMessageRequest::default()
            };
            Some(Call::new::<SendMessage>(caller, input))
        }
        _ => None,
    }
}

/// The function `sender`, as it was called, in its role.
pub(super) fn caller(sender: &Arn, role: &str, request_id: RequestId) -> Caller {
    let function: Vec<&str> = sender.resource.split(':').take(2).collect();
    let arn = Arn::new(
        "lambda",
        &sender.region,
        &sender.account,
        function.join(":"),
    );
    Caller {
        account: sender.account.as_str().into(),
        region: sender.region.as_str().into(),
        principal: Principal::Function {
            arn: arn.to_string().into(),
            role: role.into(),
        },
        host: None,
        trace: None,
        request_id,
    }
}

/// The URL of a queue, as AWS forms it.
fn queue_url(queue: &Arn) -> String {
    format!(
        "https://sqs.{}.amazonaws.com/{}/{}",
        queue.region, queue.account, queue.resource
    )
}

/// What a dead letter says beside the event.
/// Source: <https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html>.
fn message_attributes(attributes: &Attributes) -> BTreeMap<String, MessageAttributeValue> {
    let value = |data_type: &str, value: String| MessageAttributeValue {
        data_type: Some(data_type.to_owned()),
        string_value: Some(value),
        ..MessageAttributeValue::default()
    };
    BTreeMap::from([
        (
            "RequestID".to_owned(),
            value("String", attributes.request_id.clone()),
        ),
        (
            "ErrorCode".to_owned(),
            value("Number", attributes.error_code.to_string()),
        ),
        (
            "ErrorMessage".to_owned(),
            value("String", attributes.error_message.clone()),
        ),
    ])
}
