//! Managed policies: the account's own, and those of AWS beside them.

use wire::iam::{
    CreatePolicyRequest, CreatePolicyResponse, DeletePolicyRequest, GetPolicyRequest,
    GetPolicyResponse, ListPoliciesRequest, ListPoliciesResponse, Policy, PolicyScopeType,
    PolicyUsageType,
};
use wire::{Caller, DateTime};

use crate::aws_managed::{self, AwsManaged};
use crate::document::check_managed;
use crate::error::{ApiError, conflict, exists, invalid, no_such_entity};
use crate::page::Page;
use crate::record::{Entity, Kind, PolicyRecord, VersionRecord};
use crate::service::Inner;
use crate::tables::Tables;
use crate::tags;
use crate::unique_id::{self, Prefix};

/// A managed policy that there is.
#[derive(Debug, Clone)]
pub(crate) enum Managed {
    Aws(&'static AwsManaged),
    Own(PolicyRecord),
}

/// The last part of an ARN.
pub(crate) fn name_of(arn: &str) -> &str {
    arn.rsplit('/').next().unwrap_or(arn)
}

/// The path in a policy's ARN: `/service-role/`.
pub(crate) fn path_of(arn: &str) -> &str {
    let path = arn.find('/').map_or("", |start| &arn[start..]);
    path.rfind('/').map_or("/", |end| &path[..=end])
}

/// The name of a policy of the caller's account, which alone can be changed.
pub(crate) fn local_name(caller: &Caller, arn: Option<String>) -> Result<String, ApiError> {
    let arn = arn.unwrap_or_default();
    let own = format!("arn:aws:iam::{}:policy/", caller.account);
    if arn.starts_with(&own) {
        return Ok(name_of(&arn).to_owned());
    }
    if AwsManaged::of(&arn).is_some() {
        return Err(wire::ServiceError::new(
            "AccessDenied",
            403,
            "AWS managed policies are read-only.",
        )
        .into());
    }
    if !arn.starts_with("arn:") {
        return Err(invalid(format!("ARN {arn} is not valid.")));
    }
    Err(no_such(&arn))
}

pub(crate) fn no_such(arn: &str) -> ApiError {
    no_such_entity(format!("Policy {arn} was not found."))
}

/// The managed policy of that ARN.
pub(crate) fn policy(tables: &Tables<'_>, account: &str, arn: &str) -> Result<Managed, ApiError> {
    find(tables, account, arn)?.ok_or_else(|| no_such(arn))
}

fn find(tables: &Tables<'_>, account: &str, arn: &str) -> Result<Option<Managed>, ApiError> {
    if let Some(managed) = AwsManaged::of(arn) {
        return Ok(Some(Managed::Aws(managed)));
    }
    let own = tables.entity::<PolicyRecord>(account, name_of(arn))?;
    Ok(own
        .filter(|policy| policy.arn(account) == arn)
        .map(Managed::Own))
}

/// Whether there is a managed policy of that ARN to attach.
pub(crate) fn is_attachable(
    tables: &Tables<'_>,
    account: &str,
    arn: &str,
) -> Result<bool, ApiError> {
    Ok(find(tables, account, arn)?.is_some())
}

/// The document in force of a managed policy; `None` where there is no such policy.
pub(crate) fn document(
    tables: &Tables<'_>,
    account: &str,
    arn: &str,
) -> Result<Option<String>, ApiError> {
    Ok(match find(tables, account, arn)? {
        None => None,
        Some(Managed::Aws(managed)) => Some(managed.document.clone()),
        Some(Managed::Own(policy)) => tables
            .policy_version(account, &policy.name, policy.default)?
            .map(|version| version.document),
    })
}

impl Managed {
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Aws(managed) => &managed.name,
            Self::Own(policy) => &policy.name,
        }
    }

    fn path(&self) -> &str {
        match self {
            Self::Aws(managed) => &managed.path,
            Self::Own(policy) => &policy.path,
        }
    }

    fn arn(&self, account: &str) -> String {
        match self {
            Self::Aws(managed) => managed.arn(),
            Self::Own(policy) => policy.arn(account),
        }
    }

    fn shown(&self, tables: &Tables<'_>, account: &str) -> Result<Policy, ApiError> {
        let arn = self.arn(account);
        let number = |count| i32::try_from(count).unwrap_or(i32::MAX);
        let mut shown = Policy {
            policy_name: Some(self.name().to_owned()),
            path: Some(self.path().to_owned()),
            attachment_count: Some(number(tables.attachments(account, &arn)?)),
            permissions_boundary_usage_count: Some(number(tables.bounded_by(account, &arn)?)),
            is_attachable: Some(true),
            arn: Some(arn),
            ..Policy::default()
        };
        match self {
            Self::Aws(managed) => {
                shown.policy_id = Some(managed.id.clone());
                shown.default_version_id = Some(aws_managed::VERSION.to_owned());
                shown.description = Some(managed.description.clone());
                shown.create_date = Some(DateTime(aws_managed::CREATED));
                shown.update_date = Some(DateTime(aws_managed::CREATED));
            }
            Self::Own(policy) => {
                shown.policy_id = Some(policy.id.clone());
                shown.default_version_id = Some(format!("v{}", policy.default));
                shown.description = policy.description.clone();
                shown.create_date = Some(DateTime(policy.created));
                shown.update_date = Some(DateTime(policy.updated));
                shown.tags = tags::shown(&policy.tags);
            }
        }
        Ok(shown)
    }
}

impl Inner {
    pub(crate) async fn create_policy(
        &self,
        caller: &Caller,
        input: CreatePolicyRequest,
    ) -> Result<CreatePolicyResponse, ApiError> {
        let document = input.policy_document.unwrap_or_default();
        check_managed(&document)?;
        let now = self.clock.now();
        let record = PolicyRecord {
            name: input.policy_name.unwrap_or_default(),
            path: input.path.unwrap_or_else(|| "/".to_owned()),
            id: unique_id::draw(Prefix::Policy, &*self.entropy),
            created: now,
            updated: now,
            description: input.description,
            tags: tags::asked(input.tags)?,
            default: 1,
            next: 2,
        };
        let account = caller.account.to_string();
        let policy = self
            .write(move |tables| {
                if !tables.add(&account, &record)? {
                    return Err(exists(Kind::Policy, &record.name));
                }
                let version = VersionRecord {
                    created: now,
                    document,
                };
                tables.put_policy_version(&account, &record.name, 1, &version)?;
                let mut shown = Managed::Own(record).shown(tables, &account)?;
                shown.description = None;
                Ok(shown)
            })
            .await?;
        Ok(CreatePolicyResponse {
            policy: Some(policy),
        })
    }

    pub(crate) async fn get_policy(
        &self,
        caller: &Caller,
        input: GetPolicyRequest,
    ) -> Result<GetPolicyResponse, ApiError> {
        let account = caller.account.to_string();
        let arn = input.policy_arn.unwrap_or_default();
        let policy = self
            .read(move |tables| policy(tables, &account, &arn)?.shown(tables, &account))
            .await?;
        Ok(GetPolicyResponse {
            policy: Some(policy),
        })
    }

    pub(crate) async fn list_policies(
        &self,
        caller: &Caller,
        input: ListPoliciesRequest,
    ) -> Result<ListPoliciesResponse, ApiError> {
        let page = Page::asked(input.marker.as_deref(), input.max_items)?;
        let prefix = input.path_prefix.unwrap_or_else(|| "/".to_owned());
        let scope = input.scope.unwrap_or(PolicyScopeType::All);
        let only_attached = input.only_attached.unwrap_or(false);
        let usage = input.policy_usage_filter;
        let account = caller.account.to_string();
        let paged = self
            .read(move |tables| {
                let mut policies = Vec::new();
                if scope != PolicyScopeType::Aws {
                    let own = tables.entities(&account, &prefix, "", usize::MAX)?;
                    policies.extend(own.into_iter().map(Managed::Own));
                }
                if scope != PolicyScopeType::Local {
                    let aws = AwsManaged::all().iter();
                    let aws = aws.filter(|managed| managed.path.starts_with(&prefix));
                    policies.extend(aws.map(Managed::Aws));
                }
                let mut shown = policies
                    .iter()
                    .map(|policy| policy.shown(tables, &account))
                    .collect::<Result<Vec<_>, _>>()?;
                shown.retain(|policy| {
                    let attached = policy.attachment_count > Some(0);
                    let bounds = policy.permissions_boundary_usage_count > Some(0);
                    match &usage {
                        Some(PolicyUsageType::PermissionsPolicy) => attached,
                        Some(PolicyUsageType::PermissionsBoundary) => bounds,
                        _ => !only_attached || attached || bounds,
                    }
                });
                let key = |policy: &Policy| policy.arn.clone().unwrap_or_default();
                shown.sort_by_key(key);
                Ok(page.of(shown, key))
            })
            .await?;
        Ok(ListPoliciesResponse {
            is_truncated: Some(paged.truncated()),
            marker: paged.marker.clone(),
            // A list leaves out what only GetPolicy tells.
            policies: Some(
                paged
                    .map(|policy| Policy {
                        description: None,
                        tags: None,
                        ..policy
                    })
                    .items,
            ),
        })
    }

    pub(crate) async fn delete_policy(
        &self,
        caller: &Caller,
        input: DeletePolicyRequest,
    ) -> Result<(), ApiError> {
        let arn = input.policy_arn.clone().unwrap_or_default();
        local_name(caller, input.policy_arn)?;
        let account = caller.account.to_string();
        self.write(move |tables| {
            let Managed::Own(record) = policy(tables, &account, &arn)? else {
                return Err(no_such(&arn));
            };
            let used = tables.attachments(&account, &arn)? + tables.bounded_by(&account, &arn)?;
            if used > 0 {
                return Err(conflict("Cannot delete a policy attached to entities."));
            }
            if tables.policy_versions(&account, &record.name)?.len() > 1 {
                return Err(conflict(
                    "This policy has more than one version. Before you delete a policy, you must \
                     delete the policy's versions. The default version is deleted with the policy.",
                ));
            }
            tables.remove_policy_version(&account, &record.name, record.default)?;
            tables.remove(&account, Kind::Policy, &record.name)
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arn_tells_path_and_name() {
        let arn = "arn:aws:iam::aws:policy/service-role/AWSLambdaRole";
        assert_eq!(
            (path_of(arn), name_of(arn)),
            ("/service-role/", "AWSLambdaRole")
        );
        let arn = "arn:aws:iam::111122223333:policy/p";
        assert_eq!((path_of(arn), name_of(arn)), ("/", "p"));
    }
}
