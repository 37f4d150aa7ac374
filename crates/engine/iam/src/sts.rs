//! STS: who somebody is, and credentials for a while.

use std::sync::atomic::Ordering;
use std::time::Duration;

use ids::{Arn, Timestamp};
use policy::{Kind as PolicyKind, Policy, Principal};
use wire::sts::{
    AssumeRoleRequest, AssumeRoleResponse, AssumedRoleUser, Credentials as Shown,
    GetAccessKeyInfoRequest, GetAccessKeyInfoResponse, GetCallerIdentityRequest,
    GetCallerIdentityResponse, GetSessionTokenRequest, GetSessionTokenResponse, Tag, errors,
};
use wire::{Caller, DateTime, Principal as WirePrincipal, ServiceError};

use crate::Secret;
use crate::credentials::{Credential, Holder, forgotten};
use crate::error::{ApiError, validation};
use crate::managed::document;
use crate::record::{SessionOf, SessionRecord, Tags};
use crate::service::Inner;
use crate::tags;
use crate::unique_id::{self, Prefix};

/// Seconds that an assumed role lasts where nobody says.
const ROLE_SESSION: i32 = 3_600;
/// The same for a user.
const USER_SESSION: i32 = 43_200;
/// The longest session of the root user, whatever is asked for.
const ROOT_SESSION: i32 = 3_600;
/// The longest session of a role that another role assumed.
const CHAINED_SESSION: i32 = 3_600;
/// The most that a session's own policies may have in all, in characters.
const PACKED_LIMIT: usize = 2_048;

/// How often sessions that have ended are forgotten.
const SWEEP_EVERY_MICROS: i64 = 60 * 1_000_000;

fn denied(message: String) -> ApiError {
    ServiceError::new("AccessDenied", 403, message).into()
}

fn not_authorized(who: &Principal, role: &str) -> ApiError {
    denied(format!(
        "User: {} is not authorized to perform: sts:AssumeRole on resource: {role}",
        who.arn()
    ))
}

impl Inner {
    pub(crate) async fn get_caller_identity(
        &self,
        caller: &Caller,
        _: GetCallerIdentityRequest,
    ) -> Result<GetCallerIdentityResponse, ApiError> {
        let identity = self.identity(caller)?;
        let authority = self.authority(&identity).await?;
        let id = match &authority.principal {
            Principal::User { id, .. } | Principal::Session { id, .. } => id.clone(),
            _ => identity.account.to_string(),
        };
        Ok(GetCallerIdentityResponse {
            user_id: Some(id),
            account: Some(identity.account.to_string()),
            arn: Some(authority.principal.arn()),
        })
    }

    pub(crate) async fn get_access_key_info(
        &self,
        caller: &Caller,
        input: GetAccessKeyInfoRequest,
    ) -> Result<GetAccessKeyInfoResponse, ApiError> {
        let id = input.access_key_id.unwrap_or_default();
        let account = match self.credentials.get(&id) {
            Some(credential) => credential.identity.account.to_string(),
            // AWS reads the account out of any key; ours do not carry it.
            None => caller.account.to_string(),
        };
        Ok(GetAccessKeyInfoResponse {
            account: Some(account),
        })
    }

    pub(crate) async fn get_session_token(
        &self,
        caller: &Caller,
        input: GetSessionTokenRequest,
    ) -> Result<GetSessionTokenResponse, ApiError> {
        let identity = self.identity(caller)?;
        let temporary = match &caller.principal {
            WirePrincipal::Account { access_key_id } => self
                .credentials
                .get(access_key_id)
                .is_some_and(|credential| credential.token.is_some()),
            _ => true,
        };
        let of = match identity.holder {
            _ if temporary => {
                return Err(denied(
                    "Cannot call GetSessionToken with session credentials".to_owned(),
                ));
            }
            Holder::Root => SessionOf::Root,
            Holder::User { name } => SessionOf::User {
                name: name.to_string(),
            },
            Holder::Session { .. } => return Err(denied("Access denied".to_owned())),
        };
        let seconds = input.duration_seconds.unwrap_or(USER_SESSION);
        let seconds = match of {
            SessionOf::Root => seconds.min(ROOT_SESSION),
            _ => seconds,
        };
        let credentials = self.begin(&identity.account, of, seconds).await?;
        Ok(GetSessionTokenResponse {
            credentials: Some(credentials),
            ..GetSessionTokenResponse::default()
        })
    }

    pub(crate) async fn assume_role(
        &self,
        caller: &Caller,
        input: AssumeRoleRequest,
    ) -> Result<AssumeRoleResponse, ApiError> {
        let role_arn = input.role_arn.clone().unwrap_or_default();
        let parsed = role_arn
            .parse::<Arn>()
            .ok()
            .filter(|arn| arn.service == "iam" && arn.resource.starts_with("role/"))
            .ok_or_else(|| validation(format!("{role_arn} is invalid")))?;
        let identity = self.identity(caller)?;
        let authority = self.authority(&identity).await?;
        let role = self
            .role_of(&role_arn)
            .await?
            .ok_or_else(|| not_authorized(&authority.principal, &role_arn))?;
        let seconds = input.duration_seconds.unwrap_or(ROLE_SESSION);
        if seconds > role.max_session {
            return Err(validation(
                "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.",
            ));
        }
        if seconds > CHAINED_SESSION && matches!(identity.holder, Holder::Session { .. }) {
            return Err(validation(
                "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed \
                 by role chaining.",
            ));
        }
        let policies = self.session_policies(&parsed.account, &input).await?;
        let packed: usize = policies.iter().map(|text| Policy::size(text)).sum();
        let session = input.role_session_name.unwrap_or_default();
        let of = SessionOf::Role {
            name: role.name.clone(),
            session: session.clone(),
            tags: session_tags(input.tags)?,
            policies,
        };
        let credentials = self.begin(&parsed.account, of, seconds).await?;
        Ok(AssumeRoleResponse {
            credentials: Some(credentials),
            assumed_role_user: Some(AssumedRoleUser {
                assumed_role_id: Some(format!("{}:{session}", role.id)),
                arn: Some(format!(
                    "arn:aws:sts::{}:assumed-role/{}/{session}",
                    parsed.account, role.name
                )),
            }),
            packed_policy_size: (packed > 0)
                .then(|| i32::try_from(packed * 100 / PACKED_LIMIT).unwrap_or(100)),
            source_identity: input.source_identity,
            ..AssumeRoleResponse::default()
        })
    }

    /// The documents that the caller limits the session with.
    async fn session_policies(
        &self,
        account: &str,
        input: &AssumeRoleRequest,
    ) -> Result<Vec<String>, ApiError> {
        let arns: Vec<String> = input
            .policy_arns
            .iter()
            .flatten()
            .filter_map(|policy| policy.arn.clone())
            .collect();
        let account = account.to_owned();
        let mut documents = self
            .read(move |tables| {
                let mut documents = Vec::new();
                for arn in arns {
                    let text = document(tables, &account, &arn)?;
                    documents.push(text.ok_or_else(|| {
                        validation(format!(
                            "PolicyArn {arn} does not exist or is not attachable."
                        ))
                    })?);
                }
                Ok(documents)
            })
            .await?;
        if let Some(text) = &input.policy {
            Policy::parse(text, PolicyKind::Identity)
                .map_err(|error| errors::malformed_policy_document_exception(error.to_string()))?;
            if Policy::size(text) > PACKED_LIMIT {
                let percent = Policy::size(text) * 100 / PACKED_LIMIT;
                return Err(errors::packed_policy_too_large_exception(format!(
                    "Packed policy consumes {percent}% of allotted space, please use smaller policy."
                ))
                .into());
            }
            documents.push(text.clone());
        }
        Ok(documents)
    }

    /// Makes temporary credentials, durably: they outlive the engine's restart.
    async fn begin(&self, account: &str, of: SessionOf, seconds: i32) -> Result<Shown, ApiError> {
        let id = unique_id::draw(Prefix::Temporary, &*self.entropy);
        let now = self.clock.now();
        let record = SessionRecord {
            account: account.to_owned(),
            secret: Secret::new(unique_id::draw_secret(&*self.entropy)),
            token: Secret::new(unique_id::draw_token(&*self.entropy)),
            expires: now.plus(Duration::from_secs(u64::from(seconds.unsigned_abs()))),
            of,
        };
        let shown = Shown {
            access_key_id: Some(id.clone()),
            secret_access_key: Some(record.secret.reveal().to_owned()),
            session_token: Some(record.token.reveal().to_owned()),
            expiration: Some(DateTime(record.expires)),
        };
        let credential = Credential::of_session(&id, &record);
        let sweep = self.sweep_due(now);
        self.write_credentials(move |tables| {
            if sweep {
                tables.forget_sessions(forgotten(now))?;
            }
            tables.put_session(&id, &record)
        })
        .await?;
        if sweep {
            self.credentials.forget(forgotten(now));
        }
        self.credentials.insert(credential);
        Ok(shown)
    }

    /// Whether sessions that have ended are to be forgotten now, which is once in a while: it asks
    /// every session that there is.
    fn sweep_due(&self, now: Timestamp) -> bool {
        let last = self.swept.load(Ordering::Relaxed);
        let due = now.0.saturating_sub(last) >= SWEEP_EVERY_MICROS;
        // Of several at once, one sweeps.
        due && self
            .swept
            .compare_exchange(last, now.0, Ordering::Relaxed, Ordering::Relaxed)
            .is_ok()
    }
}

/// The tags of a session, which must not name a key twice.
fn session_tags(tags: Option<Vec<Tag>>) -> Result<Tags, ApiError> {
    let tags = tags.unwrap_or_default().into_iter();
    let tags: Tags = tags
        .map(|tag| (tag.key.unwrap_or_default(), tag.value.unwrap_or_default()))
        .collect();
    if tags::has_duplicates(&tags) {
        return Err(validation(tags::DUPLICATE));
    }
    Ok(tags)
}
