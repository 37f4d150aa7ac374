//! A service of its own for each test.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use ids::{Clock as _, ManualClock, RequestId, SystemEntropy, Timestamp};
use sqs::{SCHEMA, Sqs, SqsOptions};
use store::{Durability, Store, StoreOptions};
use wire::sqs::{
    CreateQueueRequest, DeleteMessageBatchRequest, DeleteMessageBatchRequestEntry,
    DeleteMessageRequest, GetQueueAttributesRequest, Message, QueueAttributeName,
    ReceiveMessageRequest, SendMessageBatchRequest, SendMessageBatchRequestEntry,
    SendMessageRequest, SqsApi as _,
};
use wire::{Caller, Principal, ServiceError};

const NOW: i64 = 1_795_000_000_000;

#[derive(Clone)]
pub(crate) struct Fixture {
    pub(crate) sqs: Sqs,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) caller: Caller,
    folder: Arc<tempfile::TempDir>,
}

async fn service(folder: &std::path::Path, clock: &Arc<ManualClock>) -> Sqs {
    let mut options = StoreOptions::new(folder, "sqs.db", vec![SCHEMA]);
    options.durability = Durability::Async;
    Sqs::start(SqsOptions {
        store: Store::open(options).unwrap(),
        clock: Arc::clone(clock) as _,
        entropy: SystemEntropy::shared(),
    })
    .await
    .unwrap()
}

pub(crate) fn attributes(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    let pairs = pairs.iter();
    pairs
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

/// What messages say.
pub(crate) fn sent(messages: &[Message]) -> Vec<String> {
    let bodies = messages.iter().map(|message| message.body.clone());
    bodies.map(Option::unwrap).collect()
}

impl Fixture {
    pub(crate) async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::at(Timestamp(NOW * 1_000)));
        Self {
            sqs: service(folder.path(), &clock).await,
            clock,
            caller: Caller {
                account: "000000000000".into(),
                region: "us-east-1".into(),
                principal: Principal::Account {
                    access_key_id: "test".into(),
                },
                host: Some("localhost:4566".parse().unwrap()),
                trace: None,
                request_id: RequestId::draw(&SystemEntropy),
            },
            folder: Arc::new(folder),
        }
    }

    /// Stops the service cleanly and starts it again on the same file.
    pub(crate) async fn restart(self) -> Self {
        let Self {
            sqs,
            clock,
            caller,
            folder,
        } = self;
        sqs.flush().await;
        drop(sqs);
        Self {
            sqs: service(folder.path(), &clock).await,
            clock,
            caller,
            folder,
        }
    }

    pub(crate) fn elapsed(&self) -> Duration {
        let millis = self.clock.now().as_millis() - NOW;
        Duration::from_millis(u64::try_from(millis).unwrap())
    }

    pub(crate) async fn queue(&self, name: &str, given: &[(&str, &str)]) -> String {
        let request = CreateQueueRequest {
            queue_name: Some(name.into()),
            attributes: Some(attributes(given)),
            tags: None,
        };
        let made = self.sqs.create_queue(&self.caller, request).await.unwrap();
        made.queue_url.unwrap()
    }

    async fn send_request(&self, request: SendMessageRequest) -> String {
        let sent = self.sqs.send_message(&self.caller, request).await.unwrap();
        sent.sequence_number.unwrap_or_default()
    }

    pub(crate) async fn send(&self, url: &str, body: &str) {
        self.send_later(url, body, 0).await;
    }

    pub(crate) async fn send_later(&self, url: &str, body: &str, delay: i32) {
        self.send_request(SendMessageRequest {
            queue_url: Some(url.into()),
            message_body: Some(body.into()),
            delay_seconds: Some(delay),
            ..SendMessageRequest::default()
        })
        .await;
    }

    /// Sends to a group; answers the sequence number.
    pub(crate) async fn send_to(&self, url: &str, body: &str, group: &str) -> String {
        self.send_request(SendMessageRequest {
            queue_url: Some(url.into()),
            message_body: Some(body.into()),
            message_group_id: Some(group.into()),
            ..SendMessageRequest::default()
        })
        .await
    }

    /// Sends ten numbers.
    pub(crate) async fn send_ten(&self, url: &str, first: i64) {
        let entry = |number: i64| SendMessageBatchRequestEntry {
            id: Some(number.to_string()),
            message_body: Some(number.to_string()),
            ..SendMessageBatchRequestEntry::default()
        };
        let request = SendMessageBatchRequest {
            queue_url: Some(url.into()),
            entries: Some((first..first + 10).map(entry).collect()),
        };
        let sent = self.sqs.send_message_batch(&self.caller, request).await;
        assert!(sent.unwrap().failed.unwrap().is_empty());
    }

    async fn receive_with(&self, url: &str, count: i32, wait: i32) -> Vec<Message> {
        let request = ReceiveMessageRequest {
            queue_url: Some(url.into()),
            attribute_names: Some(vec![QueueAttributeName::All]),
            max_number_of_messages: Some(count),
            wait_time_seconds: Some(wait),
            ..ReceiveMessageRequest::default()
        };
        let received = self.sqs.receive_message(&self.caller, request).await;
        received.unwrap().messages.unwrap_or_default()
    }

    pub(crate) async fn receive(&self, url: &str) -> Vec<Message> {
        self.receive_with(url, 10, 0).await
    }

    pub(crate) async fn take(&self, url: &str, count: i32) -> Vec<Message> {
        self.receive_with(url, count, 0).await
    }

    pub(crate) async fn wait(&self, url: &str, seconds: i32) -> Vec<Message> {
        self.receive_with(url, 10, seconds).await
    }

    pub(crate) async fn bodies(&self, url: &str) -> Vec<String> {
        sent(&self.receive(url).await)
    }

    pub(crate) async fn delete(&self, url: &str, handle: &str) -> Result<(), ServiceError> {
        let request = DeleteMessageRequest {
            queue_url: Some(url.into()),
            receipt_handle: Some(handle.into()),
        };
        self.sqs.delete_message(&self.caller, request).await
    }

    pub(crate) async fn delete_all(&self, url: &str, messages: &[Message]) {
        let entry = |message: &Message| DeleteMessageBatchRequestEntry {
            id: message.message_id.clone(),
            receipt_handle: message.receipt_handle.clone(),
        };
        let request = DeleteMessageBatchRequest {
            queue_url: Some(url.into()),
            entries: Some(messages.iter().map(entry).collect()),
        };
        let deleted = self.sqs.delete_message_batch(&self.caller, request).await;
        assert!(deleted.unwrap().failed.unwrap().is_empty());
    }

    /// How many messages are visible, in flight and delayed.
    pub(crate) async fn count(&self, url: &str) -> (i64, i64, i64) {
        let request = GetQueueAttributesRequest {
            queue_url: Some(url.into()),
            attribute_names: Some(vec![QueueAttributeName::All]),
        };
        let found = self.sqs.get_queue_attributes(&self.caller, request).await;
        let found = found.unwrap().attributes.unwrap();
        let number = |name: &str| found[name].parse().unwrap();
        (
            number("ApproximateNumberOfMessages"),
            number("ApproximateNumberOfMessagesNotVisible"),
            number("ApproximateNumberOfMessagesDelayed"),
        )
    }
}
