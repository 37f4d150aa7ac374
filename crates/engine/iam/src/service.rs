//! The service as a whole: what it stands on, and how it reads and writes.

use std::sync::Arc;
use std::sync::atomic::AtomicI64;

use ids::{SharedClock, SharedEntropy};
use policy::Policy;
use store::Store;
use wire::sigv4::SignatureError;
use wire::{Caller, Principal, ServiceError};

use crate::authority::{Authorities, Authority, gather};
use crate::credentials::{Credential, Credentials, Holder, Identity, forgotten};
use crate::error::{ApiError, no_such};
use crate::record::{Entity, Kind, RoleRecord, UserRecord, arn};
use crate::tables::{Owner, Tables};

/// What the service stands on.
#[derive(Debug)]
pub struct IamOptions {
    /// Holds [`crate::SCHEMA`].
    pub store: Store,
    /// Time.
    pub clock: SharedClock,
    /// Randomness.
    pub entropy: SharedEntropy,
    /// Whether signatures are verified, so that only known keys reach the service.
    pub verified: bool,
    /// Access keys that the engine was started with, beside those that it keeps.
    pub fixed: Vec<Credential>,
}

/// Why the service cannot start.
#[derive(Debug, thiserror::Error)]
#[error("the identities cannot be read: {0}")]
pub struct StartError(String);

/// AWS IAM and STS. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Iam {
    pub(crate) inner: Arc<Inner>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    store: Store,
    pub(crate) clock: SharedClock,
    pub(crate) entropy: SharedEntropy,
    pub(crate) credentials: Credentials,
    /// Held over a change of an access key and what memory knows of it, so that both change in the
    /// same order.
    pub(crate) key_changes: tokio::sync::Mutex<()>,
    /// When ended sessions were forgotten last, in microseconds.
    pub(crate) swept: AtomicI64,
    pub(crate) authorities: Authorities,
    verified: bool,
}

impl Iam {
    /// Starts the service: reads the credentials that there are.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn start(options: IamOptions) -> Result<Self, StartError> {
        let now = options.clock.now();
        let before = forgotten(now);
        let kept = options
            .store
            .write(move |connection| {
                let tables = Tables(connection);
                tables.forget_sessions(before)?;
                Ok::<_, ApiError>((tables.all_access_keys()?, tables.all_sessions()?))
            })
            .await
            .map_err(|error| StartError(error.to_string()))?;
        let credentials = Credentials::default();
        for (id, account, record) in kept.0 {
            credentials.insert(Credential::of_key(&id, &account, &record));
        }
        for (id, record) in kept.1 {
            credentials.insert(Credential::of_session(&id, &record));
        }
        for credential in options.fixed {
            credentials.insert(credential);
        }
        Ok(Self {
            inner: Arc::new(Inner {
                store: options.store,
                clock: options.clock,
                entropy: options.entropy,
                credentials,
                swept: AtomicI64::new(now.0),
                key_changes: tokio::sync::Mutex::default(),
                authorities: Authorities::default(),
                verified: options.verified,
            }),
        })
    }

    /// The credential of that access key id: fixed, a user's, or a session's that has not ended.
    #[must_use]
    pub fn credential(&self, access_key_id: &str) -> Option<Arc<Credential>> {
        self.inner.credentials.get(access_key_id)
    }

    /// The ARN of the role of that name, which has a path; where there is none, the one that it
    /// would have without.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn role_arn(&self, account: &str, name: &str) -> Result<String, ServiceError> {
        Ok(self.inner.arn_of::<RoleRecord>(account, name).await?)
    }

    /// The same of a user.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn user_arn(&self, account: &str, name: &str) -> Result<String, ServiceError> {
        Ok(self.inner.arn_of::<UserRecord>(account, name).await?)
    }

    /// Whether there is a role of that ARN that lets `service`, a host name, assume it.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn trusts(&self, role_arn: &str, service: &str) -> Result<bool, ServiceError> {
        Ok(self.inner.trusts(role_arn, service).await?)
    }

    /// The trust policy of the role of that ARN; `None` where there is no such role.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn trust(&self, role_arn: &str) -> Result<Option<Policy>, ServiceError> {
        Ok(self.inner.trust(role_arn).await?)
    }

    /// The ARN of whoever calls.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn own_arn(&self, caller: &Caller) -> Result<String, ServiceError> {
        let identity = self.inner.identity(caller)?;
        Ok(self.authority(&identity).await?.principal.arn())
    }

    /// What `identity` may do, by its own policies.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn authority(&self, identity: &Identity) -> Result<Arc<Authority>, ServiceError> {
        Ok(self.inner.authority(identity).await?)
    }
}

impl Inner {
    /// Who calls. Somebody with a key that is not known is the root user of the account that the
    /// call is for where signatures are not verified, for such an engine knows nobody's keys.
    ///
    /// # Errors
    /// Where they are, the key went while the request was on its way.
    pub(crate) fn identity(&self, caller: &Caller) -> Result<Identity, ServiceError> {
        let known = match &caller.principal {
            Principal::Account { access_key_id } => {
                let credential = self.credentials.get(access_key_id);
                if credential.is_none() && self.verified {
                    return Err(SignatureError::UnknownKey.into());
                }
                credential.map(|credential| credential.identity.clone())
            }
            Principal::Function { arn, role } => Some(Identity::of_function(arn, role)),
            Principal::Service(_) => None,
        };
        Ok(known.unwrap_or_else(|| Identity {
            account: Arc::clone(&caller.account),
            holder: Holder::Root,
        }))
    }

    /// What `identity` may do.
    pub(crate) async fn authority(&self, identity: &Identity) -> Result<Arc<Authority>, ApiError> {
        if let Some(authority) = self.authorities.get(identity) {
            return Ok(authority);
        }
        let generation = self.authorities.generation();
        let wanted = identity.clone();
        let authority = self.read(move |tables| gather(tables, &wanted)).await?;
        let authority = Arc::new(authority);
        self.authorities
            .keep(generation, identity.clone(), Arc::clone(&authority));
        Ok(authority)
    }

    async fn arn_of<E: Entity>(&self, account: &str, name: &str) -> Result<String, ApiError> {
        let (account, name) = (account.to_owned(), name.to_owned());
        self.read(move |tables| {
            let entity: Option<E> = tables.entity(&account, &name)?;
            let missing = || arn(E::KIND, &account, "/", &name);
            Ok(entity.map_or_else(missing, |entity| entity.arn(&account)))
        })
        .await
    }

    /// Changes what is kept, in one transaction, and returns once it is durable.
    pub(crate) async fn write<T, F>(&self, work: F) -> Result<T, ApiError>
    where
        T: Send + 'static,
        F: FnOnce(&Tables<'_>) -> Result<T, ApiError> + Send + 'static,
    {
        let done = self.write_credentials(work).await;
        // Also where it failed: a write that is said to have failed may have been made.
        self.authorities.forget();
        done
    }

    /// Changes credentials, which change nobody's policies.
    pub(crate) async fn write_credentials<T, F>(&self, work: F) -> Result<T, ApiError>
    where
        T: Send + 'static,
        F: FnOnce(&Tables<'_>) -> Result<T, ApiError> + Send + 'static,
    {
        self.store
            .write(move |connection| work(&Tables(connection)))
            .await
    }

    /// Reads what is kept.
    pub(crate) async fn read<T, F>(&self, work: F) -> Result<T, ApiError>
    where
        T: Send + 'static,
        F: FnOnce(&Tables<'_>) -> Result<T, ApiError> + Send + 'static,
    {
        self.store
            .read(move |connection| work(&Tables(connection)))
            .await
    }
}

/// The entity of that name.
pub(crate) fn found<E: Entity>(
    tables: &Tables<'_>,
    account: &str,
    name: &str,
) -> Result<E, ApiError> {
    tables
        .entity(account, name)?
        .ok_or_else(|| no_such(E::KIND, name))
}

/// Makes sure that the role or user `owner` exists; of a role, that it may be changed where
/// `change` is asked for.
pub(crate) fn found_owner(
    tables: &Tables<'_>,
    owner: &Owner,
    change: bool,
) -> Result<(), ApiError> {
    match owner.kind {
        Kind::User => found::<UserRecord>(tables, &owner.account, &owner.name).map(|_| ()),
        Kind::Role | Kind::Policy => {
            let role: RoleRecord = found(tables, &owner.account, &owner.name)?;
            if change && role.service_linked {
                return Err(crate::error::unmodifiable(&role.name));
            }
            Ok(())
        }
    }
}
