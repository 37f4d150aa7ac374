//! What a queue is, apart from its messages.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use ids::Arn;
use policy::Policy;
use wire::{Caller, ServiceError};

use crate::attribute::{self, Given, Settings};
use crate::error::{invalid, no_address};

/// How a queue is found.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct QueueKey {
    pub(crate) account: Arc<str>,
    pub(crate) region: Arc<str>,
    pub(crate) name: Arc<str>,
}

/// What FIFO queues' names end with.
const FIFO: &str = ".fifo";

impl QueueKey {
    /// The queue that a URL names by its last two parts, whatever the host: the same engine is
    /// reached by several, and a client may hold the URL of another one's queue of that name.
    pub(crate) fn of_url(caller: &Caller, url: &str) -> Result<Self, ServiceError> {
        let mut parts = url.trim_end_matches('/').rsplit('/');
        match (parts.next(), parts.next()) {
            (Some(name), Some(account)) if is_account(account) && !name.is_empty() => Ok(Self {
                account: account.into(),
                region: Arc::clone(&caller.region),
                name: name.into(),
            }),
            _ => Err(no_address(url)),
        }
    }

    /// The queue of that ARN.
    pub(crate) fn of_arn(arn: &Arn) -> Self {
        Self {
            account: arn.account.as_str().into(),
            region: arn.region.as_str().into(),
            name: arn.resource.as_str().into(),
        }
    }

    /// The caller's own queue of that name.
    pub(crate) fn named(caller: &Caller, name: &str) -> Self {
        Self {
            account: Arc::clone(&caller.account),
            region: Arc::clone(&caller.region),
            name: name.into(),
        }
    }

    pub(crate) fn arn(&self) -> String {
        Arn::new("sqs", &self.region, &self.account, &*self.name).to_string()
    }

    /// The URL by which that caller reaches it.
    pub(crate) fn url(&self, caller: &Caller) -> String {
        let host = caller.host.as_ref().and_then(|host| host.to_str().ok());
        match host {
            Some(host) => format!("http://{host}/{}/{}", self.account, self.name),
            None => format!(
                "https://sqs.{}.amazonaws.com/{}/{}",
                self.region, self.account, self.name
            ),
        }
    }

    pub(crate) fn is_fifo(&self) -> bool {
        self.name.ends_with(FIFO)
    }
}

impl fmt::Display for QueueKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.arn())
    }
}

fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Refuses a name that a queue of that kind cannot have.
pub(crate) fn check_name(name: &str, fifo: bool) -> Result<(), ServiceError> {
    let stem = match fifo {
        true => name.strip_suffix(FIFO),
        false => Some(name),
    };
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let good = stem
        .is_some_and(|stem| !stem.is_empty() && stem.bytes().all(is_allowed) && name.len() <= 80);
    match (good, fifo) {
        (true, _) => Ok(()),
        (false, true) => Err(invalid(
            "The name of a FIFO queue can only include alphanumeric characters, hyphens, or \
             underscores, must end with .fifo suffix and be 1 to 80 in length.",
        )),
        (false, false) => Err(invalid(
            "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length",
        )),
    }
}

/// A queue's attributes and tags. Replaced as a whole where something of it changes.
#[derive(Debug, Clone)]
pub(crate) struct Definition {
    /// Attributes as they were given, without defaults.
    pub(crate) given: Given,
    /// All of them, read.
    pub(crate) settings: Settings,
    pub(crate) policy: Option<Arc<Policy>>,
    pub(crate) tags: BTreeMap<String, String>,
    /// Seconds since the epoch.
    pub(crate) modified: i64,
}

impl Definition {
    /// # Errors
    /// 400 for attributes that cannot be.
    pub(crate) fn new(
        given: Given,
        tags: BTreeMap<String, String>,
        fifo: bool,
        modified: i64,
    ) -> Result<Self, ServiceError> {
        let settings = Settings::read(&given, fifo)?;
        let policy = attribute::policy(&given).map(Arc::new);
        Ok(Self {
            given,
            settings,
            policy,
            tags,
            modified,
        })
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use ids::{RequestId, SeededEntropy};
    use wire::Principal;

    pub(crate) fn caller() -> Caller {
        Caller {
            account: "000000000000".into(),
            region: "us-east-1".into(),
            principal: Principal::Account {
                access_key_id: "test".into(),
            },
            host: Some("localhost:4566".parse().unwrap()),
            trace: None,
            request_id: RequestId::draw(&SeededEntropy::new(1)),
        }
    }

    #[test]
    fn a_url_names_a_queue_by_its_path() {
        let caller = caller();
        for url in [
            "http://localhost:4566/000000000000/jobs",
            "https://sqs.eu-west-1.amazonaws.com/000000000000/jobs",
            "http://sqs.us-east-1.localhost:4566/queue/us-east-1/000000000000/jobs/",
            "/000000000000/jobs",
        ] {
            let key = QueueKey::of_url(&caller, url).unwrap();
            assert_eq!(key.url(&caller), "http://localhost:4566/000000000000/jobs");
            assert_eq!(key.arn(), "arn:aws:sqs:us-east-1:000000000000:jobs");
        }
        for url in ["jobs", "", "http://localhost/jobs", "http://h/1/jobs"] {
            let error = QueueKey::of_url(&caller, url).unwrap_err();
            assert_eq!(
                (&*error.code, error.status.as_u16()),
                ("InvalidAddress", 404)
            );
        }
    }

    #[test]
    fn names_have_a_form() {
        assert!(check_name("a-b_9", false).is_ok());
        assert!(check_name("a.fifo", true).is_ok());
        assert!(check_name(&"a".repeat(80), false).is_ok());
        for (name, fifo) in [
            ("", false),
            ("a b", false),
            ("a.fifo", false),
            (".fifo", true),
            ("a", true),
            (&*"a".repeat(81), false),
        ] {
            assert!(check_name(name, fifo).is_err(), "{name}");
        }
    }
}
