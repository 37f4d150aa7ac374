//! Who asks.

use crate::context::{Context, key};

/// Who makes a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Principal {
    /// An account's root user.
    Root {
        /// The account.
        account: String,
    },
    /// An IAM user.
    User {
        /// `arn:aws:iam::ACCOUNT:user/PATH/NAME`.
        arn: String,
        /// `AIDA…`.
        id: String,
        /// Its name.
        name: String,
    },
    /// A session of an assumed role.
    Session {
        /// `arn:aws:sts::ACCOUNT:assumed-role/NAME/SESSION`.
        arn: String,
        /// The role: `arn:aws:iam::ACCOUNT:role/PATH/NAME`.
        role_arn: String,
        /// `AROA…:SESSION`.
        id: String,
    },
    /// An AWS service, by its host name: `s3.amazonaws.com`.
    Service(String),
    /// Somebody without credentials.
    Anonymous,
}

/// How firmly a resource policy names somebody. What it grants an account, that account's identity
/// policies hand on; what it grants a role, the boundary and the session's policies still limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Naming {
    Account,
    Role,
    Itself,
}

impl Principal {
    /// The account that it belongs to; services and strangers have none.
    #[must_use]
    pub fn account(&self) -> Option<&str> {
        match self {
            Self::Root { account } => Some(account),
            Self::User { arn, .. } | Self::Session { role_arn: arn, .. } => arn.split(':').nth(4),
            Self::Service(_) | Self::Anonymous => None,
        }
    }

    /// What error messages call it, which is what GetCallerIdentity answers.
    #[must_use]
    pub fn arn(&self) -> String {
        match self {
            Self::Root { account } => format!("arn:aws:iam::{account}:root"),
            Self::User { arn, .. } | Self::Session { arn, .. } => arn.clone(),
            Self::Service(host) => host.clone(),
            Self::Anonymous => "anonymous".to_owned(),
        }
    }

    /// Tells `context` who it is.
    pub fn describe(&self, context: &mut Context) {
        let kind = match self {
            Self::Root { account } => {
                context.set(key::PRINCIPAL_ARN, [self.arn()]);
                context.set(key::USER_ID, [account]);
                "Account"
            }
            Self::User { arn, id, name } => {
                context.set(key::PRINCIPAL_ARN, [arn]);
                context.set(key::USER_ID, [id]);
                context.set(key::USER_NAME, [name]);
                "User"
            }
            Self::Session { role_arn, id, .. } => {
                context.set(key::PRINCIPAL_ARN, [role_arn]);
                context.set(key::USER_ID, [id]);
                "AssumedRole"
            }
            Self::Service(_) => return,
            Self::Anonymous => {
                context.set(key::USER_ID, ["anonymous"]);
                "Anonymous"
            }
        };
        context.set(key::PRINCIPAL_TYPE, [kind]);
        if let Some(account) = self.account() {
            context.set(key::PRINCIPAL_ACCOUNT, [account]);
        }
    }
}

/// Whom a statement names in `Principal` or `NotPrincipal`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Named {
    /// `*`.
    Everyone,
    /// `"AWS": "111122223333"` or the ARN of its root user.
    Account(String),
    /// `"AWS": "arn:…"`, of a user, a role or a session.
    Arn(String),
    /// `"Service": "s3.amazonaws.com"`.
    Service(String),
    /// `"Federated"` and `"CanonicalUser"`: kept and never matched, for nobody signs in so here.
    Other,
}

impl Named {
    /// What `"AWS": text` names.
    pub(crate) fn aws(text: &str) -> Option<Self> {
        let account = |text: &str| text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit());
        if text == "*" {
            return Some(Self::Everyone);
        }
        if account(text) {
            return Some(Self::Account(text.to_owned()));
        }
        let arn: ids::Arn = text.parse().ok()?;
        if !matches!(arn.service.as_str(), "iam" | "sts") || !account(&arn.account) {
            return None;
        }
        if arn.service == "iam" && arn.resource == "root" {
            return Some(Self::Account(arn.account));
        }
        let kind = arn.resource.split('/').next();
        let known = matches!(
            kind,
            Some("user" | "role" | "assumed-role" | "federated-user")
        );
        // A wildcard stands for everyone or not at all.
        let whole = !arn.resource.contains(['*', '?']);
        (known && whole).then(|| Self::Arn(text.to_owned()))
    }

    /// How this names `principal`, if it does.
    pub(crate) fn names(&self, principal: &Principal) -> Option<Naming> {
        match (self, principal) {
            (Self::Everyone, Principal::Session { .. }) => Some(Naming::Role),
            (Self::Everyone, _) => Some(Naming::Itself),
            (Self::Account(named), Principal::Root { account }) => {
                (named == account).then_some(Naming::Itself)
            }
            (Self::Account(named), _) => (principal.account()? == named).then_some(Naming::Account),
            (Self::Arn(named), Principal::User { arn, .. }) => {
                (named == arn).then_some(Naming::Itself)
            }
            (Self::Arn(named), Principal::Session { arn, role_arn, .. }) => {
                if named == arn {
                    Some(Naming::Itself)
                } else {
                    (named == role_arn).then_some(Naming::Role)
                }
            }
            (Self::Service(named), Principal::Service(host)) => {
                (named == host).then_some(Naming::Itself)
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session() -> Principal {
        Principal::Session {
            arn: "arn:aws:sts::111122223333:assumed-role/r/s".to_owned(),
            role_arn: "arn:aws:iam::111122223333:role/p/r".to_owned(),
            id: "AROAX:s".to_owned(),
        }
    }

    #[test]
    fn a_session_is_named_by_itself_its_role_or_its_account() {
        let names = |text| Named::aws(text).unwrap().names(&session());
        let itself = names("arn:aws:sts::111122223333:assumed-role/r/s");
        assert_eq!(itself, Some(Naming::Itself));
        let role = names("arn:aws:iam::111122223333:role/p/r");
        assert_eq!(role, Some(Naming::Role));
        assert_eq!(names("111122223333"), Some(Naming::Account));
        assert_eq!(
            names("arn:aws:iam::111122223333:root"),
            Some(Naming::Account)
        );
        assert_eq!(names("*"), Some(Naming::Role));
        assert_eq!(names("444455556666"), None);
        assert_eq!(names("arn:aws:iam::111122223333:role/r"), None);
    }

    #[test]
    fn what_names_nobody_is_told() {
        for text in [
            "",
            "bob",
            "arn:aws:iam::111122223333:role/*",
            "arn:aws:iam::1:user/x",
            "arn:aws:s3:::bucket",
            "arn:aws:iam::111122223333:policy/p",
        ] {
            assert_eq!(Named::aws(text), None, "{text}");
        }
    }

    #[test]
    fn a_session_describes_itself_by_its_role() {
        let mut context = Context::new();
        session().describe(&mut context);
        let of = |key| context.get(key).map(<[_]>::concat);
        assert_eq!(
            of(key::PRINCIPAL_ARN).as_deref(),
            Some("arn:aws:iam::111122223333:role/p/r")
        );
        assert_eq!(of(key::PRINCIPAL_TYPE).as_deref(), Some("AssumedRole"));
        assert_eq!(of(key::PRINCIPAL_ACCOUNT).as_deref(), Some("111122223333"));
        assert_eq!(of(key::USER_NAME), None);
    }
}
