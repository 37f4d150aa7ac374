//! What is kept of each entity.

use ids::Timestamp;
use serde::{Deserialize, Serialize};

use crate::Secret;

/// Tags in the order in which they were given.
pub(crate) type Tags = Vec<(String, String)>;

/// A role.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct RoleRecord {
    pub(crate) name: String,
    pub(crate) path: String,
    pub(crate) id: String,
    pub(crate) created: Timestamp,
    /// Who may assume it.
    pub(crate) trust: String,
    pub(crate) description: Option<String>,
    /// Seconds.
    pub(crate) max_session: i32,
    /// The ARN of a managed policy.
    pub(crate) boundary: Option<String>,
    pub(crate) tags: Tags,
    /// Made for a service, which alone may change it.
    pub(crate) service_linked: bool,
}

/// A user.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct UserRecord {
    pub(crate) name: String,
    pub(crate) path: String,
    pub(crate) id: String,
    pub(crate) created: Timestamp,
    pub(crate) boundary: Option<String>,
    pub(crate) tags: Tags,
}

/// A managed policy of the account.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct PolicyRecord {
    pub(crate) name: String,
    pub(crate) path: String,
    pub(crate) id: String,
    pub(crate) created: Timestamp,
    pub(crate) updated: Timestamp,
    pub(crate) description: Option<String>,
    pub(crate) tags: Tags,
    /// The number of the version in force.
    pub(crate) default: u32,
    /// The number that the next version gets; numbers are not used again.
    pub(crate) next: u32,
}

/// A version of a managed policy.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct VersionRecord {
    pub(crate) created: Timestamp,
    pub(crate) document: String,
}

/// A user's access key.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct KeyRecord {
    pub(crate) user: String,
    pub(crate) secret: Secret,
    pub(crate) active: bool,
    pub(crate) created: Timestamp,
}

/// Temporary credentials.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct SessionRecord {
    pub(crate) account: String,
    pub(crate) secret: Secret,
    pub(crate) token: Secret,
    pub(crate) expires: Timestamp,
    pub(crate) of: SessionOf,
}

/// Whose temporary credentials.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum SessionOf {
    Root,
    User {
        name: String,
    },
    Role {
        name: String,
        session: String,
        /// Documents that limit the session.
        policies: Vec<String>,
        tags: Tags,
    },
}

/// What roles, users and policies have in common.
pub(crate) trait Entity: Serialize + serde::de::DeserializeOwned {
    /// What stands for it in the tables.
    const KIND: Kind;

    fn name(&self) -> &str;
    fn path(&self) -> &str;
    fn tags(&mut self) -> &mut Tags;

    /// Its ARN in `account`.
    fn arn(&self, account: &str) -> String {
        arn(Self::KIND, account, self.path(), self.name())
    }
}

/// The kinds of entities.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    Role,
    User,
    Policy,
}

impl Kind {
    /// As in tables, ARNs and messages.
    pub(crate) const fn text(self) -> &'static str {
        match self {
            Self::Role => "role",
            Self::User => "user",
            Self::Policy => "policy",
        }
    }
}

/// `arn:aws:iam::ACCOUNT:role/PATH/NAME`.
pub(crate) fn arn(kind: Kind, account: &str, path: &str, name: &str) -> String {
    format!("arn:aws:iam::{account}:{}{path}{name}", kind.text())
}

macro_rules! entities {
    ($($record:ident $kind:ident)+) => {$(
        impl Entity for $record {
            const KIND: Kind = Kind::$kind;

            fn name(&self) -> &str {
                &self.name
            }

            fn path(&self) -> &str {
                &self.path
            }

            fn tags(&mut self) -> &mut Tags {
                &mut self.tags
            }
        }
    )+};
}

entities! { RoleRecord Role  UserRecord User  PolicyRecord Policy }
