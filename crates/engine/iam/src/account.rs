//! The account as a whole.

use std::collections::BTreeMap;

use policy::Policy;
use wire::Caller;
use wire::iam::{GetAccountSummaryResponse, ListAccountAliasesRequest, ListAccountAliasesResponse};

use crate::error::ApiError;
use crate::record::{Kind, PolicyRecord};
use crate::service::Inner;

impl Inner {
    pub(crate) async fn get_account_summary(
        &self,
        caller: &Caller,
        _: (),
    ) -> Result<GetAccountSummaryResponse, ApiError> {
        let account = caller.account.to_string();
        let (users, roles, policies, versions) = self
            .read(move |tables| {
                let own: Vec<PolicyRecord> = tables.entities(&account, "/", "", usize::MAX)?;
                let mut versions = 0;
                for policy in &own {
                    versions += tables.policy_versions(&account, &policy.name)?.len();
                }
                Ok((
                    tables.count(&account, Kind::User)?,
                    tables.count(&account, Kind::Role)?,
                    own.len(),
                    versions,
                ))
            })
            .await?;
        // Of what this engine has; the quotas are those of a new account on AWS.
        let figures = [
            ("Users", users),
            ("UsersQuota", 5_000),
            ("Roles", roles),
            ("RolesQuota", 1_000),
            ("Policies", policies),
            ("PoliciesQuota", 1_500),
            ("PolicyVersionsInUse", versions),
            ("PolicyVersionsInUseQuota", 10_000),
            ("VersionsPerPolicyQuota", 5),
            ("PolicySizeQuota", Policy::MANAGED_LIMIT),
            ("UserPolicySizeQuota", Policy::USER_INLINE_LIMIT),
            ("RolePolicySizeQuota", Policy::ROLE_INLINE_LIMIT),
            ("AssumeRolePolicySizeQuota", Policy::TRUST_LIMIT),
            ("AttachedPoliciesPerUserQuota", 10),
            ("AttachedPoliciesPerRoleQuota", 10),
            ("AccessKeysPerUserQuota", 2),
            ("AccountAccessKeysPresent", 1),
            ("AccountMFAEnabled", 0),
            ("Groups", 0),
            ("InstanceProfiles", 0),
            ("Providers", 0),
            ("ServerCertificates", 0),
            ("MFADevices", 0),
            ("MFADevicesInUse", 0),
            ("GlobalEndpointTokenVersion", 2),
        ];
        let number = |count| i32::try_from(count).unwrap_or(i32::MAX);
        let map: BTreeMap<String, i32> = figures
            .into_iter()
            .map(|(name, count)| (name.to_owned(), number(count)))
            .collect();
        Ok(GetAccountSummaryResponse {
            summary_map: Some(map),
        })
    }

    /// Accounts of this engine have no aliases.
    pub(crate) async fn list_account_aliases(
        &self,
        _: &Caller,
        _: ListAccountAliasesRequest,
    ) -> Result<ListAccountAliasesResponse, ApiError> {
        Ok(ListAccountAliasesResponse {
            account_aliases: Some(Vec::new()),
            is_truncated: Some(false),
            marker: None,
        })
    }
}
