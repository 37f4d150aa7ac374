//! Users.

use wire::iam::{
    CreateUserRequest, CreateUserResponse, DeleteUserRequest, GetUserRequest, GetUserResponse,
    ListUsersRequest, ListUsersResponse, User,
};
use wire::{Caller, DateTime};

use crate::credentials::Holder;
use crate::error::{ApiError, conflict, exists, validation};
use crate::page::Page;
use crate::record::{Entity, Kind, UserRecord};
use crate::roles::{boundary, check_boundary, check_free};
use crate::service::{Inner, found};
use crate::tables::{Owner, key};
use crate::tags;
use crate::unique_id::{self, Prefix};

fn shown(user: &UserRecord, account: &str) -> User {
    User {
        path: Some(user.path.clone()),
        user_name: Some(user.name.clone()),
        user_id: Some(user.id.clone()),
        arn: Some(user.arn(account)),
        create_date: Some(DateTime(user.created)),
        password_last_used: None,
        permissions_boundary: user.boundary.as_deref().map(boundary),
        tags: tags::shown(&user.tags),
    }
}

impl Inner {
    pub(crate) async fn create_user(
        &self,
        caller: &Caller,
        input: CreateUserRequest,
    ) -> Result<CreateUserResponse, ApiError> {
        let user = UserRecord {
            name: input.user_name.unwrap_or_default(),
            path: input.path.unwrap_or_else(|| "/".to_owned()),
            id: unique_id::draw(Prefix::User, &*self.entropy),
            created: self.clock.now(),
            boundary: input.permissions_boundary,
            tags: tags::asked(input.tags)?,
        };
        let account = caller.account.to_string();
        let user = self
            .write(move |tables| {
                check_boundary(tables, &account, user.boundary.as_deref())?;
                if !tables.add(&account, &user)? {
                    return Err(exists(Kind::User, &user.name));
                }
                Ok(shown(&user, &account))
            })
            .await?;
        Ok(CreateUserResponse { user: Some(user) })
    }

    pub(crate) async fn get_user(
        &self,
        caller: &Caller,
        input: GetUserRequest,
    ) -> Result<GetUserResponse, ApiError> {
        let account = caller.account.to_string();
        let user = match self.user_meant(caller, input.user_name)? {
            Some(name) => {
                self.read(move |tables| Ok(shown(&found(tables, &account, &name)?, &account)))
                    .await?
            }
            // The root user has no name and no path.
            None => User {
                user_id: Some(account.clone()),
                arn: Some(format!("arn:aws:iam::{account}:root")),
                ..User::default()
            },
        };
        Ok(GetUserResponse { user: Some(user) })
    }

    /// The user that an operation is about: the one named, else the caller; `None` for root.
    pub(crate) fn user_meant(
        &self,
        caller: &Caller,
        named: Option<String>,
    ) -> Result<Option<String>, ApiError> {
        if named.is_some() {
            return Ok(named);
        }
        match self.identity(caller)?.holder {
            Holder::Root => Ok(None),
            Holder::User { name, .. } => Ok(Some(name.to_string())),
            Holder::Session { .. } => Err(validation(
                "Must specify userName when calling with non-User credentials",
            )),
        }
    }

    pub(crate) async fn list_users(
        &self,
        caller: &Caller,
        input: ListUsersRequest,
    ) -> Result<ListUsersResponse, ApiError> {
        let page = Page::asked(input.marker.as_deref(), input.max_items)?;
        let prefix = input.path_prefix.unwrap_or_else(|| "/".to_owned());
        let account = caller.account.to_string();
        let paged = self
            .read(move |tables| {
                let users: Vec<UserRecord> =
                    tables.entities(&account, &prefix, page.from(), page.wanted())?;
                let paged = page.cut(users, |user| key(&user.name));
                Ok(paged.map(|user| User {
                    tags: None,
                    permissions_boundary: None,
                    ..shown(&user, &account)
                }))
            })
            .await?;
        Ok(ListUsersResponse {
            is_truncated: Some(paged.truncated()),
            marker: paged.marker,
            users: Some(paged.items),
        })
    }

    pub(crate) async fn delete_user(
        &self,
        caller: &Caller,
        input: DeleteUserRequest,
    ) -> Result<(), ApiError> {
        let owner = Owner {
            account: caller.account.to_string(),
            kind: Kind::User,
            name: input.user_name.unwrap_or_default(),
        };
        self.write(move |tables| {
            found::<UserRecord>(tables, &owner.account, &owner.name)?;
            if !tables.access_keys(&owner.account, &owner.name)?.is_empty() {
                return Err(conflict(
                    "Cannot delete entity, must delete access keys first.",
                ));
            }
            check_free(tables, &owner)?;
            tables.remove(&owner.account, Kind::User, &owner.name)
        })
        .await
    }
}
