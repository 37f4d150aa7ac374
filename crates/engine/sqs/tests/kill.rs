//! Queues under `kill -9`: a process sends, receives and deletes as fast as it can and says what was
//! acknowledged; it is killed at some point, and what it said must hold.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use ids::{Entropy as _, RequestId, SeededEntropy, SystemClock, SystemEntropy};
use sqs::{SCHEMA, Sqs, SqsOptions};
use store::{DataDir, Store, StoreOptions};
use wire::sqs::{
    CreateQueueRequest, DeleteMessageRequest, Message, ReceiveMessageRequest, SendMessageRequest,
    SqsApi as _,
};
use wire::{Caller, Principal};

const KILLS: i64 = 12;
const GROUPS: i64 = 6;

/// Tells the working process where to work and which round it is.
const FOLDER: &str = "SQS_KILL_FOLDER";
const ROUND: &str = "SQS_KILL_ROUND";

const URL: &str = "http://localhost/000000000000/q.fifo";

fn caller() -> Caller {
    Caller {
        account: "000000000000".into(),
        region: "us-east-1".into(),
        principal: Principal::Account {
            access_key_id: "test".into(),
        },
        host: None,
        trace: None,
        request_id: RequestId::draw(&SystemEntropy),
    }
}

async fn open(folder: &Path) -> (DataDir, Sqs) {
    let held = DataDir::lock(folder).unwrap();
    let store = Store::open(StoreOptions {
        // A short log, so that kills hit the copying of it too.
        log_pages: 64,
        ..StoreOptions::new(folder, "sqs.db", vec![SCHEMA])
    })
    .unwrap();
    let sqs = Sqs::start(SqsOptions {
        store,
        clock: SystemClock::shared(),
        entropy: SystemEntropy::shared(),
    })
    .await
    .unwrap();
    let attributes = [
        ("FifoQueue", "true"),
        ("ContentBasedDeduplication", "true"),
        ("VisibilityTimeout", "1"),
    ];
    let attributes = attributes.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let request = CreateQueueRequest {
        queue_name: Some("q.fifo".into()),
        attributes: Some(attributes.into()),
        tags: None,
    };
    sqs.create_queue(&caller(), request).await.unwrap();
    (held, sqs)
}

/// Receives up to ten messages; an empty answer ends a wait of `seconds`.
async fn receive(sqs: &Sqs, seconds: i32) -> Vec<Message> {
    let request = ReceiveMessageRequest {
        queue_url: Some(URL.into()),
        max_number_of_messages: Some(10),
        wait_time_seconds: Some(seconds),
        ..ReceiveMessageRequest::default()
    };
    let received = sqs.receive_message(&caller(), request).await.unwrap();
    received.messages.unwrap_or_default()
}

async fn delete(sqs: &Sqs, message: &Message) {
    let request = DeleteMessageRequest {
        queue_url: Some(URL.into()),
        receipt_handle: message.receipt_handle.clone(),
    };
    // On a slow machine a message may be visible again by now.
    let _ = sqs.delete_message(&caller(), request).await;
}

/// The process that gets killed.
#[test]
#[ignore = "started by the other test, and killed by it"]
fn queue_under_load() {
    let folder = PathBuf::from(std::env::var_os(FOLDER).expect("the other test starts this one"));
    let round: i64 = std::env::var(ROUND).unwrap().parse().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let (_held, sqs) = open(&folder).await;
        say("open");
        let mut senders = Vec::new();
        for group in 0..GROUPS {
            let sqs = sqs.clone();
            senders.push(tokio::spawn(async move {
                // Bounded, lest a sender outlive a test that was itself killed.
                for number in 0..20_000 {
                    let request = SendMessageRequest {
                        queue_url: Some(URL.into()),
                        message_body: Some(format!("{group} {round} {number}")),
                        message_group_id: Some(group.to_string()),
                        ..SendMessageRequest::default()
                    };
                    sqs.send_message(&caller(), request).await.unwrap();
                    say(&format!("sent {group} {round} {number}"));
                }
            }));
        }
        for _ in 0..20_000 {
            for message in receive(&sqs, 1).await {
                let body = message.body.clone().unwrap();
                let request = DeleteMessageRequest {
                    queue_url: Some(URL.into()),
                    receipt_handle: message.receipt_handle.clone(),
                };
                say(&format!("deleting {body}"));
                if sqs.delete_message(&caller(), request).await.is_ok() {
                    say(&format!("deleted {body}"));
                }
            }
        }
        for sender in senders {
            sender.await.unwrap();
        }
    });
}

/// Writes a line in one piece: the pipe keeps it whole although the writer is killed.
fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    out.write_all(format!("said: {line}\n").as_bytes()).unwrap();
    out.flush().unwrap();
}

#[derive(Default)]
struct Promised {
    sent: BTreeSet<String>,
    /// Those that may be deleted, and those that are for sure.
    deleting: BTreeSet<String>,
    deleted: BTreeSet<String>,
}

impl Promised {
    fn note(&mut self, line: &str) {
        // The test harness prints lines of its own, the first one onto ours.
        let Some((_, said)) = line.split_once("said: ") else {
            return;
        };
        match said.split_once(' ') {
            Some(("sent", body)) => self.sent.insert(body.to_owned()),
            Some(("deleting", body)) => self.deleting.insert(body.to_owned()),
            Some(("deleted", body)) => self.deleted.insert(body.to_owned()),
            _ => false,
        };
    }
}

/// Starts the process, kills it once it has said `lines` lines and somewhat later, and notes all
/// that it said.
fn run_and_kill(folder: &Path, round: i64, lines: usize, spins: u64, promised: &mut Promised) {
    let mut process = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "queue_under_load", "--nocapture"])
        .env(FOLDER, folder)
        .env(ROUND, round.to_string())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(process.stdout.take().unwrap()).lines();
    for line in said.by_ref().take(lines) {
        promised.note(&line.unwrap());
    }
    // So that the kill does not always follow on an acknowledgement.
    for _ in 0..spins {
        std::hint::spin_loop();
    }
    process.kill().unwrap();
    let status = process.wait().unwrap();
    assert_eq!(status.code(), None, "the process ended by itself: {status}");
    for line in said {
        promised.note(&line.unwrap());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_survives_kill_nine() {
    let seed = SystemEntropy.bits() as u64;
    let entropy = SeededEntropy::new(seed);
    let below = |bound: u128| (entropy.bits() % bound) as u64;
    let folder = tempfile::tempdir().unwrap();
    let mut promised = Promised::default();
    for round in 0..KILLS {
        // Now and then while the process is still opening the store.
        let lines = [below(4), below(100), below(1_500)][below(3) as usize];
        let spins = below(1_000_000);
        run_and_kill(folder.path(), round, lines as usize, spins, &mut promised);
    }
    assert!(promised.sent.len() > 100, "little was sent, seed {seed}");
    assert!(
        !promised.deleted.is_empty(),
        "nothing was deleted, seed {seed}"
    );

    let (_held, sqs) = open(folder.path()).await;
    let mut found = BTreeSet::new();
    // The last of each group that was received, by round and number.
    let mut last: BTreeMap<String, (i64, i64)> = BTreeMap::new();
    loop {
        // What was in flight is visible again after a second.
        let messages = receive(&sqs, 3).await;
        if messages.is_empty() {
            break;
        }
        for message in messages {
            delete(&sqs, &message).await;
            let body = message.body.unwrap();
            let parts: Vec<&str> = body.split(' ').collect();
            let place = (parts[1].parse().unwrap(), parts[2].parse().unwrap());
            let before = last.insert(parts[0].to_owned(), place);
            // One that could not be deleted in time comes again before any other.
            assert!(
                before.is_none_or(|before| before <= place),
                "{body} is late, seed {seed}"
            );
            found.insert(body);
        }
    }
    for body in &promised.sent {
        let is_there = found.contains(body) || promised.deleting.contains(body);
        assert!(
            is_there,
            "`{body}` was acknowledged and is lost, seed {seed}"
        );
    }
    for body in &promised.deleted {
        assert!(
            !found.contains(body),
            "`{body}` was deleted and is back, seed {seed}"
        );
    }
}
