//! Reserved concurrency: PutFunctionConcurrency, GetFunctionConcurrency and
//! DeleteFunctionConcurrency.
//!
//! Source: AWS's answers and
//! <https://docs.aws.amazon.com/lambda/latest/dg/configuration-concurrency.html>.

use std::sync::Arc;

use wire::lambda::{
    Concurrency, DeleteFunctionConcurrencyRequest, GetFunctionConcurrencyRequest,
    GetFunctionConcurrencyResponse, PutFunctionConcurrencyRequest, errors,
};
use wire::{Caller, ServiceError};

use crate::function::target::Target;
use crate::service::Inner;

/// What the functions of an account must be left to share: 100 of AWS's 1,000, and as large a part of
/// a smaller limit.
pub(super) fn unreserved_minimum(limit: u32) -> u32 {
    (limit / 10).min(100)
}

impl Inner {
    pub(crate) async fn put_function_concurrency(
        self: &Arc<Self>,
        caller: &Caller,
        input: PutFunctionConcurrencyRequest,
    ) -> Result<Concurrency, ServiceError> {
        let target = whole_function(caller, &input.function_name)?;
        let asked = input.reserved_concurrent_executions.unwrap_or(0);
        self.reserve(target, Some(asked.unsigned_abs())).await?;
        Ok(shown(asked.unsigned_abs()))
    }

    pub(crate) async fn get_function_concurrency(
        &self,
        caller: &Caller,
        input: GetFunctionConcurrencyRequest,
    ) -> Result<GetFunctionConcurrencyResponse, ServiceError> {
        let target = whole_function(caller, &input.function_name)?;
        let settings = self.registry.settings(&target.key).await?;
        let settings = settings.ok_or_else(|| target.not_found())?;
        let reserved = settings.reserved_concurrency.map(shown);
        Ok(GetFunctionConcurrencyResponse {
            reserved_concurrent_executions: reserved.and_then(|c| c.reserved_concurrent_executions),
        })
    }

    pub(crate) async fn delete_function_concurrency(
        self: &Arc<Self>,
        caller: &Caller,
        input: DeleteFunctionConcurrencyRequest,
    ) -> Result<(), ServiceError> {
        let target = whole_function(caller, &input.function_name)?;
        self.reserve(target, None).await
    }

    async fn reserve(
        self: &Arc<Self>,
        target: Target,
        reserved: Option<u32>,
    ) -> Result<(), ServiceError> {
        let (key, limit) = (target.key.clone(), self.concurrency.limit());
        self.registry
            .write(&key, move |tables| {
                let key = &target.key;
                let mut settings = tables.settings(key)?.ok_or_else(|| target.not_found())?;
                let all = tables.reserved_concurrency(&key.account, &key.region)?;
                let others = all.saturating_sub(settings.reserved_concurrency.unwrap_or(0));
                check_share(others, reserved, limit)?;
                check_provisioned(tables.provisioned_total(key)?, reserved)?;
                settings.reserved_concurrency = reserved;
                tables.put_settings(key, &settings)
            })
            .await?;
        self.align_concurrency(&key).await?;
        // Events may have waited for this.
        self.lines.nudge(&key);
        Ok(())
    }
}

/// Reserved concurrency, as the API shows it.
pub(super) fn shown(reserved: u32) -> Concurrency {
    Concurrency {
        reserved_concurrent_executions: Some(i32::try_from(reserved).unwrap_or(i32::MAX)),
    }
}

/// The function of that name, which must come without a qualifier.
pub(super) fn whole_function(caller: &Caller, name: &str) -> Result<Target, ServiceError> {
    let target = Target::read(caller, name, None)?;
    if target.qualifier.is_none() {
        return Ok(target);
    }
    Err(errors::invalid_parameter_value_exception(
        "This operation is permitted on Lambda functions only. Aliases and versions do not support \
         this operation. Please specify either a function name or an unqualified function ARN.",
    ))
}

/// Whether a function may reserve that much where the others have reserved `others` together.
fn check_share(others: u32, reserved: Option<u32>, limit: u32) -> Result<(), ServiceError> {
    let minimum = unreserved_minimum(limit);
    let most = limit.saturating_sub(minimum);
    if reserved.is_none_or(|reserved| others.saturating_add(reserved) <= most) {
        return Ok(());
    }
    Err(untyped(format!(
        "Specified ReservedConcurrentExecutions for function decreases account's \
         UnreservedConcurrentExecution below its minimum value of [{minimum}]."
    )))
}

/// Whether what is provisioned for a function is part of what it reserves.
fn check_provisioned(provisioned: u32, reserved: Option<u32>) -> Result<(), ServiceError> {
    match reserved.filter(|reserved| *reserved < provisioned) {
        Some(reserved) => Err(untyped(format!(
            " ReservedConcurrentExecutions  {reserved} should not be lower than function's total \
             provisioned concurrency [{provisioned}]."
        ))),
        None => Ok(()),
    }
}

/// A refusal that weighs amounts: AWS answers those without a `Type`.
pub(super) fn untyped(message: String) -> ServiceError {
    let mut error = errors::invalid_parameter_value_exception(message);
    error.members.clear();
    error
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hundred_are_left_for_all() {
        assert!(check_share(0, Some(900), 1_000).is_ok());
        assert!(check_share(600, Some(300), 1_000).is_ok());
        assert!(check_share(900, Some(0), 1_000).is_ok());
        assert!(check_share(900, None, 1_000).is_ok());
        assert!(check_share(0, Some(9), 10).is_ok());
        assert!(check_share(0, Some(10), 10).is_err());
        for (others, reserved) in [(0, 901), (600, 301), (900, 1), (0, u32::MAX)] {
            let error = check_share(others, Some(reserved), 1_000).unwrap_err();
            assert!(
                error
                    .to_string()
                    .ends_with("below its minimum value of [100].")
            );
            assert!(error.members.is_empty());
        }
    }
}
