//! The service as `wire` calls it, on time that the test sets.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;
use std::time::Duration;

use ids::{ManualClock, RequestId, SeededEntropy, Timestamp};
use logs::{Logs, LogsOptions, SCHEMA};
use store::{Durability, Store, StoreOptions};
use wire::logs::{
    CreateLogGroupRequest, CreateLogStreamRequest, DeleteLogGroupRequest, DescribeLogGroupsRequest,
    FilterLogEventsRequest, GetLogEventsRequest, InputLogEvent, LogsApi as _, PutLogEventsRequest,
    PutRetentionPolicyRequest,
};
use wire::{Caller, Principal};

const NOW: i64 = 1_795_000_000_000;

struct Fixture {
    logs: Logs,
    clock: Arc<ManualClock>,
    caller: Caller,
    folder: tempfile::TempDir,
}

impl Fixture {
    /// A service with the group `g` and the stream `s`.
    async fn start() -> Self {
        Self::within(u64::MAX).await
    }

    /// The same, whose store may use so many bytes.
    async fn within(limit: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut options = StoreOptions::new(folder.path(), "logs.db", vec![SCHEMA]);
        options.durability = Durability::Async;
        options.shrinks = true;
        let clock = Arc::new(ManualClock::at(Timestamp(NOW * 1_000)));
        let entropy = Arc::new(SeededEntropy::new(1));
        let logs = Logs::start(LogsOptions {
            store: Store::open(options).unwrap(),
            limit,
            clock: Arc::clone(&clock) as _,
            entropy: Arc::clone(&entropy) as _,
        });
        let caller = Caller {
            account: "000000000000".into(),
            region: "us-east-1".into(),
            principal: Principal::Account {
                access_key_id: "test".into(),
            },
            host: None,
            trace: None,
            request_id: RequestId::draw(&*entropy),
        };
        let this = Self {
            logs,
            clock,
            caller,
            folder,
        };
        let group = CreateLogGroupRequest {
            log_group_name: Some("g".into()),
            ..CreateLogGroupRequest::default()
        };
        this.logs
            .create_log_group(&this.caller, group)
            .await
            .unwrap();
        let stream = CreateLogStreamRequest {
            log_group_name: Some("g".into()),
            log_stream_name: Some("s".into()),
        };
        this.logs
            .create_log_stream(&this.caller, stream)
            .await
            .unwrap();
        this
    }

    async fn put(&self, message: &str) {
        let request = PutLogEventsRequest {
            log_group_name: Some("g".into()),
            log_stream_name: Some("s".into()),
            log_events: Some(vec![InputLogEvent {
                timestamp: Some(NOW),
                message: Some(message.into()),
            }]),
            ..PutLogEventsRequest::default()
        };
        self.logs
            .put_log_events(&self.caller, request)
            .await
            .unwrap();
    }

    async fn found(&self, pattern: &str) -> Vec<String> {
        let request = FilterLogEventsRequest {
            log_group_name: Some("g".into()),
            filter_pattern: Some(pattern.into()),
            ..FilterLogEventsRequest::default()
        };
        let page = self
            .logs
            .filter_log_events(&self.caller, request)
            .await
            .unwrap();
        let events = page.events.unwrap().into_iter();
        events.map(|event| event.message.unwrap()).collect()
    }

    async fn stored_bytes(&self) -> i64 {
        let request = DescribeLogGroupsRequest::default();
        let answer = self
            .logs
            .describe_log_groups(&self.caller, request)
            .await
            .unwrap();
        answer.log_groups.unwrap()[0].stored_bytes.unwrap()
    }
}

#[tokio::test]
async fn an_event_is_found_once_it_was_put() {
    let fixture = Fixture::start().await;
    fixture.put("hello").await;
    fixture.put("world").await;
    assert_eq!(fixture.found("").await, ["hello", "world"]);
    assert_eq!(fixture.found("wor").await, ["world"]);
    let request = GetLogEventsRequest {
        log_group_name: Some("g".into()),
        log_stream_name: Some("s".into()),
        limit: Some(1),
        ..GetLogEventsRequest::default()
    };
    let page = fixture
        .logs
        .get_log_events(&fixture.caller, request)
        .await
        .unwrap();
    let event = &page.events.unwrap()[0];
    assert_eq!(
        event.message.as_deref(),
        Some("world"),
        "without a token the last one"
    );
    assert_eq!(event.ingestion_time, Some(NOW));
}

#[tokio::test]
async fn what_expires_is_hidden_at_once_and_removed_soon() {
    let fixture = Fixture::start().await;
    fixture.put("hello").await;
    let request = PutRetentionPolicyRequest {
        log_group_name: Some("g".into()),
        retention_in_days: Some(1),
    };
    fixture
        .logs
        .put_retention_policy(&fixture.caller, request)
        .await
        .unwrap();
    assert_eq!(fixture.found("").await, ["hello"]);
    assert_eq!(fixture.stored_bytes().await, 5 + 26);
    fixture.clock.advance(Duration::from_secs(24 * 60 * 60 + 1));
    assert!(fixture.found("").await.is_empty());
    let removed = async {
        while fixture.stored_bytes().await > 0 {
            // Whoever waits for the clock may begin to wait only now.
            fixture.clock.advance(Duration::from_secs(60));
            tokio::task::yield_now().await;
        }
    };
    let in_time = tokio::time::timeout(Duration::from_secs(20), removed).await;
    assert!(in_time.is_ok(), "the expired event is still there");
}

impl Fixture {
    /// A batch of almost a megabyte, of lines that begin with `mark`.
    async fn put_much(&self, mark: &str) {
        let line = format!("{mark} {}", "x".repeat(400));
        let event = InputLogEvent {
            timestamp: Some(NOW),
            message: Some(line),
        };
        let request = PutLogEventsRequest {
            log_group_name: Some("g".into()),
            log_stream_name: Some("s".into()),
            log_events: Some(vec![event; 2_000]),
            ..PutLogEventsRequest::default()
        };
        self.logs
            .put_log_events(&self.caller, request)
            .await
            .unwrap();
    }

    fn length(&self) -> u64 {
        let file = self.folder.path().join("logs.db");
        std::fs::metadata(file).unwrap().len()
    }
}

#[tokio::test]
async fn what_is_kept_has_a_bound_on_the_disk() {
    const LIMIT: u64 = 4 << 20;
    let fixture = Fixture::within(LIMIT).await;
    fixture.put_much("old").await;
    for _ in 0..10 {
        fixture.put_much("new").await;
        let length = fixture.length();
        assert!(length < LIMIT + LIMIT / 2, "{length} bytes");
    }
    assert!(fixture.found("old").await.is_empty());
    assert!(!fixture.found("new").await.is_empty());
    assert!(fixture.logs.events_removed() > 10_000);
    let kept = u64::try_from(fixture.stored_bytes().await).unwrap();
    assert!((LIMIT / 2..LIMIT).contains(&kept), "{kept} bytes are kept");
}

#[tokio::test]
async fn what_is_deleted_gives_its_room_back() {
    let fixture = Fixture::start().await;
    for _ in 0..16 {
        fixture.put_much("much").await;
    }
    let group = DeleteLogGroupRequest {
        log_group_name: Some("g".into()),
    };
    fixture
        .logs
        .delete_log_group(&fixture.caller, group)
        .await
        .unwrap();
    let shorter = async {
        // Some megabytes are kept for what comes next.
        while fixture.length() > 6 << 20 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let in_time = tokio::time::timeout(Duration::from_secs(20), shorter).await;
    assert!(in_time.is_ok(), "{} bytes", fixture.length());
}
