//! Sessions over time and over restarts, on a clock that is moved by hand.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::future::poll_fn;
use std::path::Path;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use iam::{Holder, Iam, IamOptions};
use ids::{ManualClock, RequestId, SeededEntropy, Timestamp};
use store::{Store, StoreError, StoreOptions};
use wire::iam::{CreateRoleRequest, IamApi, PutRolePolicyRequest};
use wire::sts::{AssumeRoleRequest, GetCallerIdentityRequest, GetSessionTokenRequest, StsApi};
use wire::{Caller, Principal};

const ACCOUNT: &str = "111122223333";
const TRUST: &str = r#"{"Version": "2012-10-17", "Statement": {"Effect": "Allow",
    "Principal": {"AWS": "111122223333"}, "Action": "sts:AssumeRole"}}"#;

async fn start(folder: &Path, clock: &Arc<ManualClock>, seed: u64) -> Iam {
    start_with(folder, clock, seed, false).await
}

async fn start_with(folder: &Path, clock: &Arc<ManualClock>, seed: u64, verified: bool) -> Iam {
    start_on(store(folder), clock, seed, verified).await
}

fn store(folder: &Path) -> Store {
    let schemas = vec![iam::SCHEMA];
    Store::open(StoreOptions::new(folder, "control.db", schemas)).unwrap()
}

async fn start_on(store: Store, clock: &Arc<ManualClock>, seed: u64, verified: bool) -> Iam {
    Iam::start(IamOptions {
        store,
        clock: Arc::clone(clock) as _,
        entropy: Arc::new(SeededEntropy::new(seed)),
        verified,
        fixed: Vec::new(),
    })
    .await
    .unwrap()
}

fn caller(access_key_id: &str) -> Caller {
    Caller {
        account: ACCOUNT.into(),
        region: ids::DEFAULT_REGION.into(),
        principal: Principal::Account {
            access_key_id: access_key_id.into(),
        },
        host: None,
        trace: None,
        request_id: RequestId::draw(&SeededEntropy::new(1)),
    }
}

async fn role(iam: &Iam) -> String {
    let created = iam
        .create_role(
            &caller("anybody"),
            CreateRoleRequest {
                role_name: Some("r".to_owned()),
                path: Some("/p/".to_owned()),
                assume_role_policy_document: Some(TRUST.to_owned()),
                ..CreateRoleRequest::default()
            },
        )
        .await
        .unwrap();
    created.role.unwrap().arn.unwrap()
}

async fn assume(iam: &Iam, role_arn: &str) -> String {
    let input = AssumeRoleRequest {
        role_arn: Some(role_arn.to_owned()),
        role_session_name: Some("me".to_owned()),
        duration_seconds: Some(900),
        ..AssumeRoleRequest::default()
    };
    let answer = iam.assume_role(&caller("anybody"), input).await.unwrap();
    answer.credentials.unwrap().access_key_id.unwrap()
}

#[tokio::test]
async fn a_session_outlives_a_restart_but_not_its_time_for_long() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::at(Timestamp(1_795_339_900_000_000)));
    let id = {
        let iam = start(folder.path(), &clock, 1).await;
        let arn = role(&iam).await;
        assume(&iam, &arn).await
    };
    let iam = start(folder.path(), &clock, 2).await;
    let credential = iam.credential(&id).unwrap();
    assert_eq!(
        credential.expires.unwrap(),
        Timestamp(1_795_339_900_000_000).plus(Duration::from_secs(900))
    );
    let Holder::Session { role, session, .. } = &credential.identity.holder else {
        panic!("a session of a role");
    };
    assert_eq!((&**role, &**session), ("r", "me"));
    let identity = iam
        .get_caller_identity(&caller(&id), GetCallerIdentityRequest::default())
        .await
        .unwrap();
    assert_eq!(
        identity.arn.as_deref(),
        Some("arn:aws:sts::111122223333:assumed-role/r/me")
    );
    drop(iam);

    // Ended, and still known: whoever uses it is told that it has ended.
    clock.advance(Duration::from_mins(30));
    let iam = start(folder.path(), &clock, 3).await;
    assert!(iam.credential(&id).is_some());
    clock.advance(Duration::from_hours(1));
    // The next session sweeps.
    assume(&iam, "arn:aws:iam::111122223333:role/p/r").await;
    assert!(iam.credential(&id).is_none());
    drop(iam);
    let iam = start(folder.path(), &clock, 4).await;
    assert!(iam.credential(&id).is_none());
}

/// A request may still be on its way when its key is deleted: its caller is nobody then, not root.
#[tokio::test]
async fn where_signatures_are_verified_a_key_that_is_gone_is_nobodys() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::at(Timestamp(1_795_339_900_000_000)));
    let iam = start_with(folder.path(), &clock, 1, true).await;
    let caller = caller("deleted");
    let error = iam
        .get_session_token(&caller, GetSessionTokenRequest::default())
        .await
        .unwrap_err();
    assert_eq!(error.code, "UnrecognizedClientException");
    assert!(iam.own_arn(&caller).await.is_err());
}

#[tokio::test]
async fn a_change_of_policy_is_seen_by_the_next_question() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::at(Timestamp(1_795_339_900_000_000)));
    let iam = start(folder.path(), &clock, 1).await;
    let arn = role(&iam).await;
    let id = assume(&iam, &arn).await;
    let identity = iam.credential(&id).unwrap().identity.clone();
    let before = iam.authority(&identity).await.unwrap();
    assert!(before.policies().identity.is_empty());
    let document = r#"{"Version": "2012-10-17",
        "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}"#;
    let input = PutRolePolicyRequest {
        role_name: Some("r".to_owned()),
        policy_name: Some("all".to_owned()),
        policy_document: Some(document.to_owned()),
    };
    iam.put_role_policy(&caller("anybody"), input)
        .await
        .unwrap();
    let after = iam.authority(&identity).await.unwrap();
    assert_eq!(after.policies().identity.len(), 1);
    // Kept until something changes again.
    let again = iam.authority(&identity).await.unwrap();
    assert!(Arc::ptr_eq(&after, &again));
}

/// The write goes on when its caller hangs up, and what was read before it must not be kept.
#[tokio::test]
async fn a_change_of_policy_is_seen_though_its_caller_hung_up() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::at(Timestamp(1_795_339_900_000_000)));
    let store = store(folder.path());
    let iam = start_on(store.clone(), &clock, 1, false).await;
    let arn = role(&iam).await;
    let id = assume(&iam, &arn).await;
    let identity = iam.credential(&id).unwrap().identity.clone();

    // The one writer is busy until it is told.
    let (go_on, told) = std::sync::mpsc::channel::<()>();
    let busy = tokio::spawn(async move {
        let wait = move |_: &_| {
            let _ = told.recv();
            Ok::<_, StoreError>(())
        };
        store.write(wait).await
    });
    tokio::task::yield_now().await;
    let input = PutRolePolicyRequest {
        role_name: Some("r".to_owned()),
        policy_name: Some("all".to_owned()),
        policy_document: Some(
            r#"{"Version": "2012-10-17",
                "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}"#
                .to_owned(),
        ),
    };
    let caller = caller("anybody");
    {
        let mut put = pin!(iam.put_role_policy(&caller, input));
        for _ in 0..3 {
            assert!(polled_once(put.as_mut()).await.is_none());
            tokio::task::yield_now().await;
        }
    }
    let before = iam.authority(&identity).await.unwrap();
    assert!(before.policies().identity.is_empty());
    go_on.send(()).unwrap();
    busy.await.unwrap().unwrap();
    let seen = async {
        while iam
            .authority(&identity)
            .await
            .unwrap()
            .policies()
            .identity
            .is_empty()
        {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), seen)
        .await
        .unwrap();
}

/// What comes of polling `future` once.
async fn polled_once<F: Future>(mut future: Pin<&mut F>) -> Option<F::Output> {
    poll_fn(|context| {
        Poll::Ready(match future.as_mut().poll(context) {
            Poll::Ready(done) => Some(done),
            Poll::Pending => None,
        })
    })
    .await
}
