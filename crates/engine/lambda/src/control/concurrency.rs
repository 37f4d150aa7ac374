//! Reserved concurrency: PutFunctionConcurrency, GetFunctionConcurrency and
//! DeleteFunctionConcurrency.
//!
//! Source: AWS's answers and
//! <https://docs.aws.amazon.com/lambda/latest/dg/configuration-concurrency.html>.

use wire::lambda::{
    Concurrency, DeleteFunctionConcurrencyRequest, GetFunctionConcurrencyRequest,
    GetFunctionConcurrencyResponse, PutFunctionConcurrencyRequest, errors,
};
use wire::{Caller, ServiceError};

use crate::function::target::Target;
use crate::schedule::concurrency::ACCOUNT_CONCURRENCY;
use crate::service::Inner;

/// What the functions of an account must be left to share.
const UNRESERVED_MINIMUM: u32 = 100;

impl Inner {
    pub(crate) async fn put_function_concurrency(
        &self,
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
        &self,
        caller: &Caller,
        input: DeleteFunctionConcurrencyRequest,
    ) -> Result<(), ServiceError> {
        let target = whole_function(caller, &input.function_name)?;
        self.reserve(target, None).await
    }

    async fn reserve(&self, target: Target, reserved: Option<u32>) -> Result<(), ServiceError> {
        let key = target.key.clone();
        self.registry
            .write(&key, move |tables| {
                let key = &target.key;
                let mut settings = tables.settings(key)?.ok_or_else(|| target.not_found())?;
                let all = tables.reserved_concurrency(&key.account, &key.region)?;
                let others = all.saturating_sub(settings.reserved_concurrency.unwrap_or(0));
                check_share(others, reserved)?;
                settings.reserved_concurrency = reserved;
                tables.put_settings(key, &settings)
            })
            .await?;
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
fn check_share(others: u32, reserved: Option<u32>) -> Result<(), ServiceError> {
    let most = ACCOUNT_CONCURRENCY.saturating_sub(UNRESERVED_MINIMUM);
    if reserved.is_none_or(|reserved| others.saturating_add(reserved) <= most) {
        return Ok(());
    }
    let mut error = errors::invalid_parameter_value_exception(format!(
        "Specified ReservedConcurrentExecutions for function decreases account's \
         UnreservedConcurrentExecution below its minimum value of [{UNRESERVED_MINIMUM}]."
    ));
    // AWS answers limits of concurrency without a `Type`.
    error.members.clear();
    Err(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hundred_are_left_for_all() {
        assert!(check_share(0, Some(900)).is_ok());
        assert!(check_share(600, Some(300)).is_ok());
        assert!(check_share(900, Some(0)).is_ok());
        assert!(check_share(900, None).is_ok());
        for (others, reserved) in [(0, 901), (600, 301), (900, 1), (0, u32::MAX)] {
            let error = check_share(others, Some(reserved)).unwrap_err();
            assert!(
                error
                    .to_string()
                    .ends_with("below its minimum value of [100].")
            );
            assert!(error.members.is_empty());
        }
    }
}
