//! The service as `wire` calls it, on time that the test sets.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::time::Duration;

use support::{Fixture, attributes, sent};
use wire::sqs::{
    ChangeMessageVisibilityRequest, ListMessageMoveTasksRequest, PurgeQueueRequest,
    ReceiveMessageRequest, SendMessageRequest, SetQueueAttributesRequest, SqsApi as _,
    StartMessageMoveTaskRequest,
};

#[tokio::test]
async fn a_message_is_received_once_until_it_is_visible_again() {
    let fixture = Fixture::start().await;
    let url = fixture.queue("q", &[]).await;
    fixture.send(&url, "hello").await;
    assert_eq!(fixture.bodies(&url).await, ["hello"]);
    assert!(fixture.bodies(&url).await.is_empty());
    fixture.clock.advance(Duration::from_secs(29));
    assert!(fixture.bodies(&url).await.is_empty());
    fixture.clock.advance(Duration::from_secs(1));
    let again = fixture.receive(&url).await;
    let attributes = again[0].attributes.as_ref().unwrap();
    assert_eq!(attributes["ApproximateReceiveCount"], "2");
    let handle = again[0].receipt_handle.clone().unwrap();
    fixture.delete(&url, &handle).await.unwrap();
    fixture.clock.advance(Duration::from_secs(60));
    assert!(fixture.bodies(&url).await.is_empty());
    assert_eq!(fixture.count(&url).await, (0, 0, 0));
}

#[tokio::test]
async fn who_waits_is_woken_by_a_message() {
    let fixture = Fixture::start().await;
    let url = fixture.queue("q", &[]).await;
    let (waiting, asked) = (fixture.clone(), url.clone());
    let waiting = tokio::spawn(async move { waiting.wait(&asked, 20).await });
    // Nothing advances the clock: only the message can end the wait.
    fixture.send(&url, "now").await;
    let found = tokio::time::timeout(Duration::from_secs(20), waiting).await;
    assert_eq!(sent(&found.unwrap().unwrap()), ["now"]);
}

#[tokio::test]
async fn who_waits_is_woken_by_time() {
    let fixture = Fixture::start().await;
    let url = fixture.queue("q", &[]).await;
    fixture.send_later(&url, "later", 5).await;
    assert_eq!(fixture.count(&url).await, (0, 0, 1));
    let (waiting, asked) = (fixture.clone(), url.clone());
    let waiting = tokio::spawn(async move { waiting.wait(&asked, 20).await });
    while !waiting.is_finished() {
        // Who waits for the clock may begin to wait only now; it must not wait for all of 20 s.
        if fixture.elapsed() < Duration::from_secs(6) {
            fixture.clock.advance(Duration::from_millis(500));
        }
        tokio::task::yield_now().await;
    }
    assert_eq!(sent(&waiting.await.unwrap()), ["later"]);
}

#[tokio::test]
async fn nobody_waits_for_messages_of_an_engine_that_stops() {
    let fixture = Fixture::start().await;
    let url = fixture.queue("q", &[]).await;
    let (waiting, asked) = (fixture.clone(), url.clone());
    let waiting = tokio::spawn(async move { waiting.wait(&asked, 20).await });
    tokio::task::yield_now().await;
    fixture.sqs.end_polls();
    let found = tokio::time::timeout(Duration::from_secs(20), waiting).await;
    assert!(found.unwrap().unwrap().is_empty());
    assert!(fixture.wait(&url, 20).await.is_empty());
}

#[tokio::test]
async fn a_visibility_is_changed() {
    let fixture = Fixture::start().await;
    let url = fixture.queue("q", &[]).await;
    fixture.send(&url, "a").await;
    let handle = fixture.receive(&url).await[0].receipt_handle.clone();
    let change = |seconds| ChangeMessageVisibilityRequest {
        queue_url: Some(url.clone()),
        receipt_handle: handle.clone(),
        visibility_timeout: Some(seconds),
    };
    let sqs = &fixture.sqs;
    sqs.change_message_visibility(&fixture.caller, change(100))
        .await
        .unwrap();
    fixture.clock.advance(Duration::from_secs(99));
    assert!(fixture.bodies(&url).await.is_empty());
    let error = sqs
        .change_message_visibility(&fixture.caller, change(43_200))
        .await
        .unwrap_err();
    assert!(error.message.unwrap().contains("Total VisibilityTimeout"));
    sqs.change_message_visibility(&fixture.caller, change(0))
        .await
        .unwrap();
    assert_eq!(fixture.bodies(&url).await, ["a"]);
}

#[tokio::test]
async fn a_group_is_received_in_order_and_one_at_a_time() {
    let fixture = Fixture::start().await;
    let fifo = [("FifoQueue", "true"), ("ContentBasedDeduplication", "true")];
    let url = fixture.queue("q.fifo", &fifo).await;
    let mut numbers = Vec::new();
    for (body, group) in [("a1", "a"), ("b1", "b"), ("a2", "a"), ("a3", "a")] {
        numbers.push(fixture.send_to(&url, body, group).await);
    }
    assert!(numbers.is_sorted() && numbers.iter().all(|number| number.len() == 20));
    let two = fixture.take(&url, 2).await;
    assert_eq!(sent(&two), ["a1", "a2"]);
    assert_eq!(sent(&fixture.take(&url, 10).await), ["b1"]);
    assert!(fixture.take(&url, 10).await.is_empty());
    for message in &two {
        fixture
            .delete(&url, message.receipt_handle.as_ref().unwrap())
            .await
            .unwrap();
    }
    let three = fixture.take(&url, 10).await;
    assert_eq!(sent(&three), ["a3"]);
    fixture.clock.advance(Duration::from_secs(31));
    let error = fixture
        .delete(&url, three[0].receipt_handle.as_ref().unwrap())
        .await
        .unwrap_err();
    assert!(
        error
            .message
            .unwrap()
            .ends_with("The receipt handle has expired.")
    );
}

#[tokio::test]
async fn what_was_sent_lately_is_not_sent_again() {
    let fixture = Fixture::start().await;
    let fifo = [("FifoQueue", "true"), ("ContentBasedDeduplication", "true")];
    let url = fixture.queue("q.fifo", &fifo).await;
    let first = fixture.send_to(&url, "same", "a").await;
    assert_eq!(fixture.send_to(&url, "same", "b").await, first);
    assert_eq!(fixture.count(&url).await.0, 1);
    let fixture = fixture.restart().await;
    assert_eq!(
        fixture.send_to(&url, "same", "a").await,
        first,
        "after a restart"
    );
    fixture.clock.advance(Duration::from_secs(301));
    assert_ne!(fixture.send_to(&url, "same", "a").await, first);
    assert_eq!(fixture.count(&url).await.0, 2);
}

#[tokio::test]
async fn a_receive_is_repeated() {
    let fixture = Fixture::start().await;
    let fifo = [("FifoQueue", "true"), ("ContentBasedDeduplication", "true")];
    let url = fixture.queue("q.fifo", &fifo).await;
    fixture.send_to(&url, "a1", "a").await;
    let attempt = || async {
        let request = ReceiveMessageRequest {
            queue_url: Some(url.clone()),
            receive_request_attempt_id: Some("attempt".into()),
            ..ReceiveMessageRequest::default()
        };
        let sqs = &fixture.sqs;
        sqs.receive_message(&fixture.caller, request).await.unwrap()
    };
    let first = attempt().await.messages.unwrap();
    let again = attempt().await.messages.unwrap();
    assert_eq!(first[0].receipt_handle, again[0].receipt_handle);
    assert_eq!(again[0].body.as_deref(), Some("a1"));
}

#[tokio::test]
async fn everything_is_as_it_was_after_a_restart() {
    let fixture = Fixture::start().await;
    let url = fixture.queue("q", &[("DelaySeconds", "0")]).await;
    for body in ["one", "two", "three"] {
        fixture.send(&url, body).await;
    }
    fixture.send_later(&url, "later", 600).await;
    let held = fixture.take(&url, 1).await;
    let fixture = fixture.restart().await;
    assert_eq!(fixture.count(&url).await, (2, 1, 1));
    assert_eq!(fixture.bodies(&url).await, ["two", "three"]);
    let handle = held[0].receipt_handle.clone().unwrap();
    fixture.delete(&url, &handle).await.unwrap();
    fixture.clock.advance(Duration::from_secs(600));
    let rest = fixture.take(&url, 10).await;
    assert_eq!(sent(&rest), ["two", "three", "later"]);
    let attributes = rest[0].attributes.as_ref().unwrap();
    assert_eq!(attributes["ApproximateReceiveCount"], "2");
}

#[tokio::test]
async fn more_messages_than_memory_holds_are_all_received_in_order() {
    let fixture = Fixture::start().await;
    let url = fixture.queue("q", &[]).await;
    let all = 12_500;
    for first in (0..all).step_by(10) {
        fixture.send_ten(&url, first).await;
    }
    let mut found = Vec::new();
    loop {
        let ten = fixture.take(&url, 10).await;
        if ten.is_empty() {
            break;
        }
        fixture.delete_all(&url, &ten).await;
        found.extend(sent(&ten));
    }
    let expected: Vec<String> = (0..all).map(|number| number.to_string()).collect();
    assert_eq!(found, expected);
    assert_eq!(fixture.count(&url).await, (0, 0, 0));
}

#[tokio::test]
async fn a_message_that_was_received_too_often_is_a_dead_letter_and_comes_back() {
    let fixture = Fixture::start().await;
    let dead = fixture.queue("dead", &[]).await;
    let dead_arn = "arn:aws:sqs:us-east-1:000000000000:dead";
    let policy = format!("{{\"deadLetterTargetArn\":\"{dead_arn}\",\"maxReceiveCount\":2}}");
    let url = fixture
        .queue(
            "q",
            &[("RedrivePolicy", &policy), ("VisibilityTimeout", "0")],
        )
        .await;
    fixture.send(&url, "bad").await;
    assert_eq!(fixture.bodies(&url).await, ["bad"]);
    assert_eq!(fixture.bodies(&url).await, ["bad"]);
    assert!(fixture.bodies(&url).await.is_empty());
    let letter = fixture.wait(&dead, 20).await;
    assert_eq!(sent(&letter), ["bad"]);
    let attributes = letter[0].attributes.as_ref().unwrap();
    assert_eq!(
        attributes["DeadLetterQueueSourceArn"],
        "arn:aws:sqs:us-east-1:000000000000:q"
    );
    assert_eq!(fixture.count(&url).await, (0, 0, 0));

    fixture.clock.advance(Duration::from_secs(30));
    let request = StartMessageMoveTaskRequest {
        source_arn: Some(dead_arn.into()),
        ..StartMessageMoveTaskRequest::default()
    };
    let sqs = &fixture.sqs;
    sqs.start_message_move_task(&fixture.caller, request)
        .await
        .unwrap();
    assert_eq!(sent(&fixture.wait(&url, 20).await), ["bad"]);
    let listed = || async {
        let request = ListMessageMoveTasksRequest {
            source_arn: Some(dead_arn.into()),
            max_results: None,
        };
        let listed = sqs.list_message_move_tasks(&fixture.caller, request).await;
        listed.unwrap().results.unwrap().remove(0)
    };
    let mut task = listed().await;
    while task.status.as_deref() == Some("RUNNING") {
        tokio::task::yield_now().await;
        task = listed().await;
    }
    assert_eq!(task.status.as_deref(), Some("COMPLETED"));
    assert_eq!(task.approximate_number_of_messages_moved, Some(1));
    assert_eq!(fixture.count(&dead).await, (0, 0, 0));
}

#[tokio::test]
async fn a_message_is_not_received_after_its_retention() {
    let fixture = Fixture::start().await;
    let url = fixture
        .queue("q", &[("MessageRetentionPeriod", "60")])
        .await;
    fixture.send(&url, "old").await;
    fixture.clock.advance(Duration::from_secs(61));
    fixture.send(&url, "young").await;
    assert_eq!(fixture.bodies(&url).await, ["young"]);
}

#[tokio::test]
async fn a_purged_queue_is_empty_and_stays_so() {
    let fixture = Fixture::start().await;
    let url = fixture.queue("q", &[]).await;
    for body in ["one", "two"] {
        fixture.send(&url, body).await;
    }
    let held = fixture.take(&url, 1).await;
    let purge = || PurgeQueueRequest {
        queue_url: Some(url.clone()),
    };
    let sqs = &fixture.sqs;
    sqs.purge_queue(&fixture.caller, purge()).await.unwrap();
    let error = sqs.purge_queue(&fixture.caller, purge()).await.unwrap_err();
    assert_eq!(
        (&*error.code, error.status.as_u16()),
        ("PurgeQueueInProgress", 403)
    );
    let handle = held[0].receipt_handle.as_ref().unwrap();
    fixture.delete(&url, handle).await.unwrap();
    fixture.send(&url, "three").await;
    fixture.clock.advance(Duration::from_secs(40));
    let fixture = fixture.restart().await;
    assert_eq!(fixture.count(&url).await, (1, 0, 0));
    assert_eq!(fixture.bodies(&url).await, ["three"]);
}

#[tokio::test]
async fn another_account_needs_the_queues_permission() {
    let fixture = Fixture::start().await;
    let url = fixture.queue("q", &[]).await;
    let mut stranger = fixture.caller.clone();
    stranger.account = "111122223333".into();
    let send = || SendMessageRequest {
        queue_url: Some(url.clone()),
        message_body: Some("x".into()),
        ..SendMessageRequest::default()
    };
    let error = fixture
        .sqs
        .send_message(&stranger, send())
        .await
        .unwrap_err();
    assert_eq!(error.code, "AccessDeniedException");
    let policy = r#"{"Version": "2012-10-17", "Statement": {"Effect": "Allow",
        "Principal": {"AWS": "111122223333"}, "Action": "sqs:SendMessage", "Resource": "*"}}"#;
    let request = SetQueueAttributesRequest {
        queue_url: Some(url.clone()),
        attributes: Some(attributes(&[("Policy", policy)])),
    };
    let sqs = &fixture.sqs;
    sqs.set_queue_attributes(&fixture.caller, request)
        .await
        .unwrap();
    assert!(sqs.send_message(&stranger, send()).await.is_ok());
    assert_eq!(fixture.bodies(&url).await, ["x"]);
}
