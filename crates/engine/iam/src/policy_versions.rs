//! Versions of managed policies: up to five, one of them in force.

use wire::iam::{
    CreatePolicyVersionRequest, CreatePolicyVersionResponse, DeletePolicyVersionRequest,
    GetPolicyVersionRequest, GetPolicyVersionResponse, ListPolicyVersionsRequest,
    ListPolicyVersionsResponse, PolicyVersion, SetDefaultPolicyVersionRequest,
};
use wire::{Caller, DateTime};

use crate::aws_managed::{self, AwsManaged};
use crate::document::{check_managed, encoded};
use crate::error::{ApiError, conflict, limit, no_such_entity};
use crate::managed::{Managed, local_name, no_such, policy};
use crate::page::Page;
use crate::record::{PolicyRecord, VersionRecord};
use crate::service::Inner;
use crate::tables::Tables;

const MOST: usize = 5;

fn shown(number: u32, version: &VersionRecord, default: bool, document: bool) -> PolicyVersion {
    PolicyVersion {
        document: document.then(|| encoded(&version.document)),
        version_id: Some(format!("v{number}")),
        is_default_version: Some(default),
        create_date: Some(DateTime(version.created)),
    }
}

fn of_aws(managed: &AwsManaged, document: bool) -> PolicyVersion {
    PolicyVersion {
        document: document.then(|| encoded(&managed.document)),
        version_id: Some(aws_managed::VERSION.to_owned()),
        is_default_version: Some(true),
        create_date: Some(DateTime(aws_managed::CREATED)),
    }
}

/// The number in `v3`.
fn number(version: &str) -> Option<u32> {
    version.strip_prefix('v')?.parse().ok()
}

fn no_version(arn: &str, version: &str) -> ApiError {
    no_such_entity(format!(
        "Policy {arn} version {version} does not exist or is not attachable."
    ))
}

fn own(tables: &Tables<'_>, account: &str, arn: &str) -> Result<PolicyRecord, ApiError> {
    match policy(tables, account, arn)? {
        Managed::Own(record) => Ok(record),
        Managed::Aws(_) => Err(no_such(arn)),
    }
}

impl Inner {
    pub(crate) async fn create_policy_version(
        &self,
        caller: &Caller,
        input: CreatePolicyVersionRequest,
    ) -> Result<CreatePolicyVersionResponse, ApiError> {
        let document = input.policy_document.unwrap_or_default();
        check_managed(&document)?;
        let arn = input.policy_arn.clone().unwrap_or_default();
        local_name(caller, input.policy_arn)?;
        let account = caller.account.to_string();
        let now = self.clock.now();
        let default = input.set_as_default.unwrap_or(false);
        let version = self
            .write(move |tables| {
                let mut record = own(tables, &account, &arn)?;
                if tables.policy_versions(&account, &record.name)?.len() >= MOST {
                    return Err(limit(format!(
                        "A managed policy can have up to {MOST} versions. Before you create a new \
                         version, you must delete an existing version."
                    )));
                }
                let number = record.next;
                record.next += 1;
                record.updated = now;
                if default {
                    record.default = number;
                }
                let version = VersionRecord {
                    created: now,
                    document,
                };
                tables.put_policy_version(&account, &record.name, number, &version)?;
                tables.replace(&account, &record)?;
                Ok(shown(number, &version, default, false))
            })
            .await?;
        Ok(CreatePolicyVersionResponse {
            policy_version: Some(version),
        })
    }

    pub(crate) async fn get_policy_version(
        &self,
        caller: &Caller,
        input: GetPolicyVersionRequest,
    ) -> Result<GetPolicyVersionResponse, ApiError> {
        let arn = input.policy_arn.unwrap_or_default();
        let id = input.version_id.unwrap_or_default();
        let account = caller.account.to_string();
        let version = self
            .read(move |tables| match policy(tables, &account, &arn)? {
                Managed::Aws(managed) if id == aws_managed::VERSION => Ok(of_aws(managed, true)),
                Managed::Aws(_) => Err(no_version(&arn, &id)),
                Managed::Own(record) => {
                    let wanted = number(&id).ok_or_else(|| no_version(&arn, &id))?;
                    let version = tables
                        .policy_version(&account, &record.name, wanted)?
                        .ok_or_else(|| no_version(&arn, &id))?;
                    Ok(shown(wanted, &version, wanted == record.default, true))
                }
            })
            .await?;
        Ok(GetPolicyVersionResponse {
            policy_version: Some(version),
        })
    }

    pub(crate) async fn list_policy_versions(
        &self,
        caller: &Caller,
        input: ListPolicyVersionsRequest,
    ) -> Result<ListPolicyVersionsResponse, ApiError> {
        let page = Page::asked(input.marker.as_deref(), input.max_items)?;
        let arn = input.policy_arn.unwrap_or_default();
        let account = caller.account.to_string();
        let versions = self
            .read(move |tables| match policy(tables, &account, &arn)? {
                Managed::Aws(managed) => Ok(vec![(1, of_aws(managed, false))]),
                Managed::Own(record) => Ok(tables
                    .policy_versions(&account, &record.name)?
                    .iter()
                    .map(|(number, version)| {
                        let default = *number == record.default;
                        (*number, shown(*number, version, default, false))
                    })
                    .collect()),
            })
            .await?;
        // Newest first, which a marker must keep.
        let paged = page.of(versions, |(number, _)| format!("{:010}", u32::MAX - number));
        let paged = paged.map(|(_, version)| version);
        Ok(ListPolicyVersionsResponse {
            is_truncated: Some(paged.truncated()),
            marker: paged.marker,
            versions: Some(paged.items),
        })
    }

    pub(crate) async fn set_default_policy_version(
        &self,
        caller: &Caller,
        input: SetDefaultPolicyVersionRequest,
    ) -> Result<(), ApiError> {
        let arn = input.policy_arn.clone().unwrap_or_default();
        local_name(caller, input.policy_arn)?;
        let id = input.version_id.unwrap_or_default();
        let account = caller.account.to_string();
        let now = self.clock.now();
        self.write(move |tables| {
            let mut record = own(tables, &account, &arn)?;
            let wanted = number(&id).ok_or_else(|| no_version(&arn, &id))?;
            if tables
                .policy_version(&account, &record.name, wanted)?
                .is_none()
            {
                return Err(no_version(&arn, &id));
            }
            record.default = wanted;
            record.updated = now;
            tables.replace(&account, &record)
        })
        .await
    }

    pub(crate) async fn delete_policy_version(
        &self,
        caller: &Caller,
        input: DeletePolicyVersionRequest,
    ) -> Result<(), ApiError> {
        let arn = input.policy_arn.clone().unwrap_or_default();
        local_name(caller, input.policy_arn)?;
        let id = input.version_id.unwrap_or_default();
        let account = caller.account.to_string();
        self.write(move |tables| {
            let record = own(tables, &account, &arn)?;
            let wanted = number(&id).ok_or_else(|| no_version(&arn, &id))?;
            if wanted == record.default {
                return Err(conflict("Cannot delete the default version of a policy."));
            }
            if !tables.remove_policy_version(&account, &record.name, wanted)? {
                return Err(no_version(&arn, &id));
            }
            Ok(())
        })
        .await
    }
}
