//! What somebody may do, by policies of their own.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::RwLock;
use policy::{Context, Kind as PolicyKind, Policies, Policy, Principal, key};

use crate::credentials::{Holder, Identity};
use crate::error::ApiError;
use crate::managed::{document, name_of};
use crate::record::{Entity, Kind, RoleRecord, Tags, UserRecord, arn};
use crate::tables::{Owner, Tables};
use crate::unique_id::{Prefix, derived};

/// How many identities' policies are kept ready.
const MOST: usize = 1_024;

/// A policy and where it comes from.
#[derive(Debug, Clone)]
pub(crate) struct Sourced {
    pub(crate) policy: Policy,
    /// The name of an inline policy, the ARN of a managed one.
    pub(crate) id: String,
}

/// An identity with every policy of its own, ready to be asked.
#[derive(Debug, Clone)]
pub struct Authority {
    /// Who it is to policies.
    pub principal: Principal,
    pub(crate) identity: Vec<Sourced>,
    pub(crate) boundary: Option<Policy>,
    session: Vec<Policy>,
    tags: Tags,
}

impl Authority {
    /// The policies of the identity itself; what the resource has to say is for others to add.
    #[must_use]
    pub fn policies(&self) -> Policies<'_> {
        Policies {
            identity: self
                .identity
                .iter()
                .map(|sourced| &sourced.policy)
                .collect(),
            boundary: self.boundary.as_ref(),
            session: self.session.iter().collect(),
            ..Policies::default()
        }
    }

    /// Tells `context` who it is.
    pub fn describe(&self, context: &mut Context) {
        self.principal.describe(context);
        for (tag, value) in &self.tags {
            context.set(format!("{}{tag}", key::PRINCIPAL_TAG), [value]);
        }
    }
}

/// Authorities, kept until anything changes.
#[derive(Debug, Default)]
pub(crate) struct Authorities {
    kept: RwLock<HashMap<Identity, Arc<Authority>>>,
    /// Keeps a slow reader from keeping what it read before a write.
    generation: AtomicU64,
}

impl Authorities {
    /// Something has changed.
    pub(crate) fn forget(&self) {
        self.generation.fetch_add(1, Ordering::SeqCst);
        self.kept.write().clear();
    }

    /// What is kept of `identity`.
    pub(crate) fn get(&self, identity: &Identity) -> Option<Arc<Authority>> {
        self.kept.read().get(identity).map(Arc::clone)
    }

    /// Changes whenever something has changed.
    pub(crate) fn generation(&self) -> u64 {
        self.generation.load(Ordering::SeqCst)
    }

    /// Keeps what was read since `generation`, unless something has changed meanwhile.
    pub(crate) fn keep(&self, generation: u64, identity: Identity, authority: Arc<Authority>) {
        let mut kept = self.kept.write();
        if self.generation() != generation {
            return;
        }
        if kept.len() >= MOST {
            kept.clear();
        }
        kept.insert(identity, authority);
    }
}

/// Everything that `identity` may do, read anew.
pub(crate) fn gather(tables: &Tables<'_>, identity: &Identity) -> Result<Authority, ApiError> {
    let account = &*identity.account;
    match &identity.holder {
        Holder::Root => Ok(Authority {
            principal: Principal::Root {
                account: account.to_owned(),
            },
            identity: Vec::new(),
            boundary: None,
            session: Vec::new(),
            tags: Tags::new(),
        }),
        Holder::User { name } => {
            let user = tables.entity::<UserRecord>(account, name)?;
            let (arn, id, boundary, tags) = match user {
                Some(user) => (user.arn(account), user.id, user.boundary, user.tags),
                None => missing(Kind::User, Prefix::User, account, name),
            };
            let principal = Principal::User {
                arn,
                id,
                name: name.to_string(),
            };
            of(
                tables,
                identity,
                principal,
                Kind::User,
                name,
                boundary,
                tags,
            )
        }
        Holder::Session {
            role: name,
            session,
            policies,
            tags: session_tags,
        } => {
            let role = tables.entity::<RoleRecord>(account, name)?;
            let (role_arn, id, boundary, mut tags) = match role {
                Some(role) => (role.arn(account), role.id, role.boundary, role.tags),
                None => missing(Kind::Role, Prefix::Role, account, name),
            };
            for (key, value) in session_tags.iter() {
                tags.retain(|(known, _)| !known.eq_ignore_ascii_case(key));
                tags.push((key.clone(), value.clone()));
            }
            let principal = Principal::Session {
                arn: format!("arn:aws:sts::{account}:assumed-role/{name}/{session}"),
                role_arn,
                id: format!("{id}:{session}"),
            };
            let mut authority = of(
                tables,
                identity,
                principal,
                Kind::Role,
                name,
                boundary,
                tags,
            )?;
            authority.session = policies.iter().filter_map(|text| parsed(text)).collect();
            Ok(authority)
        }
    }
}

/// What is said of a user or role that does not exist: always the same.
fn missing(
    kind: Kind,
    prefix: Prefix,
    account: &str,
    name: &str,
) -> (String, String, Option<String>, Tags) {
    let arn = arn(kind, account, "/", name);
    let id = derived(prefix, &arn);
    (arn, id, None, Tags::new())
}

fn of(
    tables: &Tables<'_>,
    identity: &Identity,
    principal: Principal,
    kind: Kind,
    name: &str,
    boundary: Option<String>,
    tags: Tags,
) -> Result<Authority, ApiError> {
    let account = &*identity.account;
    let owner = Owner {
        account: account.to_owned(),
        kind,
        name: name.to_owned(),
    };
    let mut gathered = Vec::new();
    for (id, text) in tables.inlines(&owner)? {
        gathered.extend(parsed(&text).map(|policy| Sourced { policy, id }));
    }
    for arn in tables.attached(&owner)? {
        let policy = document(tables, account, &arn)?.and_then(|text| parsed(&text));
        gathered.extend(policy.map(|policy| Sourced { policy, id: arn }));
    }
    let boundary = match boundary {
        None => None,
        // A boundary that is gone permits nothing.
        Some(arn) => Some(
            document(tables, account, &arn)?
                .and_then(|text| parsed(&text))
                .unwrap_or_default(),
        ),
    };
    Ok(Authority {
        principal,
        identity: gathered,
        boundary,
        session: Vec::new(),
        tags,
    })
}

/// Documents were checked when they were written: one that cannot be read now permits nothing, and
/// what it forbade is said.
fn parsed(text: &str) -> Option<Policy> {
    match Policy::parse(text, PolicyKind::Identity) {
        Ok(policy) => Some(policy),
        Err(error) => {
            tracing::error!(%error, "a policy that was kept cannot be read");
            None
        }
    }
}

impl Sourced {
    /// Its name, whatever it is.
    pub(crate) fn name(&self) -> &str {
        name_of(&self.id)
    }
}
