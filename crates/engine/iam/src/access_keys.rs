//! Access keys of users.
//!
//! What is known in memory changes once the write is durable, and in the order of the writes: a key
//! that was deleted must not go on working, and one that is not kept must not begin to.

use wire::iam::{
    AccessKey, AccessKeyMetadata, CreateAccessKeyRequest, CreateAccessKeyResponse,
    DeleteAccessKeyRequest, ListAccessKeysRequest, ListAccessKeysResponse, StatusType,
    UpdateAccessKeyRequest,
};
use wire::{Caller, DateTime};

use crate::Secret;
use crate::credentials::Credential;
use crate::error::{ApiError, invalid, no_such_entity, quota};
use crate::page::Page;
use crate::record::{KeyRecord, UserRecord};
use crate::service::{Inner, found};
use crate::tables::Tables;
use crate::unique_id::{self, Prefix};

const MOST: usize = 2;

fn status(key: &KeyRecord) -> StatusType {
    if key.active {
        StatusType::Active
    } else {
        StatusType::Inactive
    }
}

/// A key of that user.
fn found_key(
    tables: &Tables<'_>,
    account: &str,
    user: &str,
    id: &str,
) -> Result<KeyRecord, ApiError> {
    found::<UserRecord>(tables, account, user)?;
    tables
        .access_keys(account, user)?
        .into_iter()
        .find_map(|(known, key)| (known == id).then_some(key))
        .ok_or_else(|| no_such_entity(format!("The Access Key with id {id} cannot be found.")))
}

impl Inner {
    /// The user that an operation is about; the root user's keys are given to the engine when it
    /// starts and are not to be managed here.
    fn key_owner(&self, caller: &Caller, named: Option<String>) -> Result<String, ApiError> {
        self.user_meant(caller, named)?.ok_or_else(|| {
            invalid(
                "Access keys of the root user are those that the engine was started with; name a \
                 user.",
            )
        })
    }

    pub(crate) async fn create_access_key(
        &self,
        caller: &Caller,
        input: CreateAccessKeyRequest,
    ) -> Result<CreateAccessKeyResponse, ApiError> {
        let user = self.key_owner(caller, input.user_name)?;
        let id = unique_id::draw(Prefix::LongTerm, &*self.entropy);
        let key = KeyRecord {
            user: user.clone(),
            secret: Secret::new(unique_id::draw_secret(&*self.entropy)),
            active: true,
            created: self.clock.now(),
        };
        let account = caller.account.to_string();
        let credential = Credential::of_key(&id, &account, &key);
        let (kept, record) = (id.clone(), key.clone());
        let _in_turn = self.key_changes.lock().await;
        self.write_credentials(move |tables| {
            found::<UserRecord>(tables, &account, &user)?;
            if tables.access_keys(&account, &user)?.len() >= MOST {
                return Err(quota("AccessKeysPerUser", MOST));
            }
            tables.put_access_key(&kept, &account, &record)
        })
        .await?;
        self.credentials.insert(credential);
        Ok(CreateAccessKeyResponse {
            access_key: Some(AccessKey {
                user_name: Some(key.user.clone()),
                access_key_id: Some(id),
                status: Some(status(&key)),
                secret_access_key: Some(key.secret.reveal().to_owned()),
                create_date: Some(DateTime(key.created)),
            }),
        })
    }

    pub(crate) async fn list_access_keys(
        &self,
        caller: &Caller,
        input: ListAccessKeysRequest,
    ) -> Result<ListAccessKeysResponse, ApiError> {
        let page = Page::asked(input.marker.as_deref(), input.max_items)?;
        let user = self.user_meant(caller, input.user_name)?;
        let account = caller.account.to_string();
        let keys = self
            .read(move |tables| {
                let Some(user) = user else {
                    return Ok(Vec::new());
                };
                found::<UserRecord>(tables, &account, &user)?;
                tables.access_keys(&account, &user)
            })
            .await?;
        let paged = page.of(keys, |(id, _)| id.clone());
        let paged = paged.map(|(id, key)| AccessKeyMetadata {
            status: Some(status(&key)),
            user_name: Some(key.user),
            access_key_id: Some(id),
            create_date: Some(DateTime(key.created)),
        });
        Ok(ListAccessKeysResponse {
            is_truncated: Some(paged.truncated()),
            marker: paged.marker,
            access_key_metadata: Some(paged.items),
        })
    }

    pub(crate) async fn update_access_key(
        &self,
        caller: &Caller,
        input: UpdateAccessKeyRequest,
    ) -> Result<(), ApiError> {
        let user = self.key_owner(caller, input.user_name)?;
        let id = input.access_key_id.unwrap_or_default();
        let active = input.status == Some(StatusType::Active);
        let account = caller.account.to_string();
        let _in_turn = self.key_changes.lock().await;
        let changed = self
            .write_credentials(move |tables| {
                let mut key = found_key(tables, &account, &user, &id)?;
                key.active = active;
                tables.put_access_key(&id, &account, &key)?;
                Ok(Credential::of_key(&id, &account, &key))
            })
            .await?;
        self.credentials.insert(changed);
        Ok(())
    }

    pub(crate) async fn delete_access_key(
        &self,
        caller: &Caller,
        input: DeleteAccessKeyRequest,
    ) -> Result<(), ApiError> {
        let user = self.key_owner(caller, input.user_name)?;
        let id = input.access_key_id.unwrap_or_default();
        let account = caller.account.to_string();
        let gone = id.clone();
        let _in_turn = self.key_changes.lock().await;
        self.write_credentials(move |tables| {
            found_key(tables, &account, &user, &id)?;
            tables.remove_access_key(&id)
        })
        .await?;
        self.credentials.remove(&gone);
        Ok(())
    }
}
