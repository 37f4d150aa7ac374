//! Managed policies: the account's own, and those of AWS beside them.

use wire::Caller;
use wire::iam::{
    CreatePolicyRequest, CreatePolicyResponse, DeletePolicyRequest, GetPolicyRequest,
    GetPolicyResponse, ListPoliciesRequest, ListPoliciesResponse, Policy, PolicyScopeType,
    PolicyUsageType,
};

use crate::aws_managed::AwsManaged;
use crate::document::check_managed;
use crate::error::{ApiError, conflict, exists};
use crate::managed::{Managed, local_name, no_such, policy};
use crate::page::Page;
use crate::record::{Kind, PolicyRecord, VersionRecord};
use crate::service::Inner;
use crate::tags;
use crate::unique_id::{self, Prefix};

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
                // What a policy is used for is asked of those alone that may be on the page.
                let mut policies: Vec<_> = policies
                    .into_iter()
                    .map(|policy| (policy.arn(&account), policy))
                    .filter(|(arn, _)| arn.as_str() >= page.from())
                    .collect();
                policies.sort_by(|(a, _), (b, _)| a.cmp(b));
                let is_wanted = |policy: &Policy| {
                    let attached = policy.attachment_count > Some(0);
                    let bounds = policy.permissions_boundary_usage_count > Some(0);
                    match &usage {
                        Some(PolicyUsageType::PermissionsPolicy) => attached,
                        Some(PolicyUsageType::PermissionsBoundary) => bounds,
                        _ => !only_attached || attached || bounds,
                    }
                };
                let mut found = Vec::new();
                for (_, policy) in policies {
                    let shown = policy.shown(tables, &account)?;
                    if is_wanted(&shown) {
                        found.push(shown);
                    }
                    if found.len() == page.wanted() {
                        break;
                    }
                }
                Ok(page.cut(found, |policy| policy.arn.clone().unwrap_or_default()))
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
