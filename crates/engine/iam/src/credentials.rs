//! Access keys and whose they are.
//!
//! Every request names one, so all of them are in memory: what the store keeps, read at the start
//! and followed since, and those that the engine was started with.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use ids::{Arn, Timestamp};
use parking_lot::RwLock;

use crate::Secret;
use crate::record::{KeyRecord, SessionOf, SessionRecord};

/// How long an ended session is remembered, so that whoever still uses it hears that it has ended.
const REMEMBERED: Duration = Duration::from_hours(1);

/// Who somebody is: an account, and what of it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Identity {
    /// The account.
    pub account: Arc<str>,
    /// What of it.
    pub holder: Holder,
}

/// What of an account somebody is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Holder {
    /// Its root user.
    Root,
    /// A user, whether or not there is one of that name.
    User {
        /// Its name.
        name: Arc<str>,
    },
    /// A session of a role, whether or not there is one of that name.
    Session {
        /// The role's name.
        role: Arc<str>,
        /// The session's name.
        session: Arc<str>,
        /// Documents that limit the session.
        policies: Arc<[String]>,
        /// Tags of the session.
        tags: Arc<[(String, String)]>,
    },
}

/// An access key: what requests are signed with.
#[derive(Debug, Clone)]
pub struct Credential {
    /// The half that is told.
    pub access_key_id: Arc<str>,
    /// The half that is not.
    pub secret: Secret,
    /// What requests with temporary credentials carry beside the signature.
    pub token: Option<Secret>,
    /// When temporary credentials end.
    pub expires: Option<Timestamp>,
    /// Whether it may be used.
    pub active: bool,
    /// Whose it is.
    pub identity: Identity,
}

impl Identity {
    /// A function's: a session of its role that is called like it.
    #[must_use]
    pub fn of_function(function: &str, role: &str) -> Self {
        let function: Option<Arn> = function.parse().ok();
        let name = function
            .as_ref()
            .and_then(|arn| arn.resource.split(':').nth(1))
            .unwrap_or_default();
        let role: Option<Arn> = role.parse().ok();
        let role_name = role
            .as_ref()
            .and_then(|arn| arn.resource.rsplit('/').next())
            .unwrap_or_default();
        let account = role.as_ref().or(function.as_ref());
        Self {
            account: account.map_or("", |arn| arn.account.as_str()).into(),
            holder: Holder::Session {
                role: role_name.into(),
                session: name.into(),
                policies: Arc::default(),
                tags: Arc::default(),
            },
        }
    }
}

impl Credential {
    pub(crate) fn of_key(id: &str, account: &str, key: &KeyRecord) -> Self {
        Self {
            access_key_id: id.into(),
            secret: key.secret.clone(),
            token: None,
            expires: None,
            active: key.active,
            identity: Identity {
                account: account.into(),
                holder: Holder::User {
                    name: key.user.as_str().into(),
                },
            },
        }
    }

    pub(crate) fn of_session(id: &str, session: &SessionRecord) -> Self {
        let holder = match &session.of {
            SessionOf::Root => Holder::Root,
            SessionOf::User { name } => Holder::User {
                name: name.as_str().into(),
            },
            SessionOf::Role {
                name,
                session,
                policies,
                tags,
            } => Holder::Session {
                role: name.as_str().into(),
                session: session.as_str().into(),
                policies: policies.clone().into(),
                tags: tags.clone().into(),
            },
        };
        Self {
            access_key_id: id.into(),
            secret: session.secret.clone(),
            token: Some(session.token.clone()),
            expires: Some(session.expires),
            active: true,
            identity: Identity {
                account: session.account.as_str().into(),
                holder,
            },
        }
    }
}

/// The credentials that there are. Clones are the same.
#[derive(Debug, Clone, Default)]
pub(crate) struct Credentials(Arc<RwLock<HashMap<Arc<str>, Arc<Credential>>>>);

impl Credentials {
    pub(crate) fn get(&self, access_key_id: &str) -> Option<Arc<Credential>> {
        self.0.read().get(access_key_id).cloned()
    }

    /// Adds one, or replaces what is known of it.
    pub(crate) fn insert(&self, credential: Credential) {
        let id = Arc::clone(&credential.access_key_id);
        self.0.write().insert(id, Arc::new(credential));
    }

    pub(crate) fn remove(&self, access_key_id: &str) {
        self.0.write().remove(access_key_id);
    }

    /// Forgets the sessions that ended before `before`.
    pub(crate) fn forget(&self, before: Timestamp) {
        self.0
            .write()
            .retain(|_, credential| credential.expires.is_none_or(|end| end >= before));
    }
}

/// Sessions that ended before this may be forgotten at `now`.
pub(crate) fn forgotten(now: Timestamp) -> Timestamp {
    let micros = i64::try_from(REMEMBERED.as_micros()).unwrap_or(i64::MAX);
    Timestamp(now.0.saturating_sub(micros))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_is_a_session_of_its_role() {
        let identity = Identity::of_function(
            "arn:aws:lambda:us-east-1:111122223333:function:f",
            "arn:aws:iam::111122223333:role/service-role/r",
        );
        assert_eq!(&*identity.account, "111122223333");
        let Holder::Session { role, session, .. } = identity.holder else {
            panic!("a session");
        };
        assert_eq!((&*role, &*session), ("r", "f"));
    }
}
