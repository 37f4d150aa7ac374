//! GetAccountSettings: an account's limits, and how much of them is used.

use wire::lambda::{
    AccountLimit, AccountUsage, GetAccountSettingsRequest, GetAccountSettingsResponse,
};
use wire::{Caller, ServiceError};

use crate::service::Inner;

/// All packages together, in bytes. Source of all limits here:
/// <https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html>.
const TOTAL_CODE_BYTES: i64 = 75 * 1_024 * 1_024 * 1_024;

/// One package with its layers, unzipped, in bytes.
const UNZIPPED_BYTES: i64 = 250 * 1_024 * 1_024;

/// One package that comes by value, zipped, in bytes.
const ZIPPED_BYTES: i64 = 50 * 1_024 * 1_024;

impl Inner {
    pub(crate) async fn get_account_settings(
        &self,
        caller: &Caller,
        _input: GetAccountSettingsRequest,
    ) -> Result<GetAccountSettingsResponse, ServiceError> {
        let (account, region) = (caller.account.clone(), caller.region.clone());
        let (usage, reserved) = self
            .registry
            .read(move |tables| {
                let usage = tables.usage(&account, &region)?;
                Ok((usage, tables.reserved_concurrency(&account, &region)?))
            })
            .await?;
        let limit = self.concurrency.limit();
        let concurrency = |count: u32| Some(i32::try_from(count).unwrap_or(i32::MAX));
        Ok(GetAccountSettingsResponse {
            account_limit: Some(AccountLimit {
                total_code_size: Some(TOTAL_CODE_BYTES),
                code_size_unzipped: Some(UNZIPPED_BYTES),
                code_size_zipped: Some(ZIPPED_BYTES),
                concurrent_executions: concurrency(limit),
                unreserved_concurrent_executions: concurrency(limit.saturating_sub(reserved)),
            }),
            account_usage: Some(AccountUsage {
                total_code_size: Some(usage.code_bytes),
                function_count: Some(usage.functions),
            }),
        })
    }
}
