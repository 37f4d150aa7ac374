//! From the name that a caller gave to the function and qualifier that it means.

use ids::{FunctionRef, Qualifier};
use wire::{Caller, ServiceError, lambda::errors};

use super::key::FunctionKey;

/// A function and, where the caller gave one, a qualifier.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub(crate) key: FunctionKey,
    /// As the caller wrote it.
    pub(crate) qualifier: Option<String>,
}

impl Target {
    /// Reads `function` (any form that Lambda takes) and the qualifier that came beside it.
    ///
    /// # Errors
    /// It names no function, another region or account, or two different qualifiers.
    pub(crate) fn read(
        caller: &Caller,
        function: &str,
        qualifier: Option<String>,
    ) -> Result<Self, ServiceError> {
        let target = Self::read_of_any_account(caller, function, qualifier)?;
        if target.key.account == caller.account {
            Ok(target)
        } else {
            Err(ServiceError::access_denied(None))
        }
    }

    /// The same for what a resource policy may open to other accounts.
    ///
    /// # Errors
    /// It names no function, another region, or two different qualifiers.
    pub(crate) fn read_of_any_account(
        caller: &Caller,
        function: &str,
        qualifier: Option<String>,
    ) -> Result<Self, ServiceError> {
        let named: FunctionRef = function
            .parse()
            .map_err(|error: ids::FunctionRefError| ServiceError::validation(error.to_string()))?;
        if let Some(region) = named.region.filter(|region| **region != *caller.region) {
            return Err(errors::resource_not_found_exception(format!(
                "Functions from '{region}' are not reachable in this region ('{}')",
                caller.region
            )));
        }
        let qualifier = match (named.qualifier, qualifier) {
            (Some(derived), Some(given)) if derived != given => {
                return Err(errors::invalid_parameter_value_exception(
                    "The derived qualifier from the function name does not match the specified \
                     qualifier.",
                ));
            }
            (derived, given) => given.or(derived),
        };
        let mut key = FunctionKey::of(caller, &named.name);
        if let Some(account) = named.account.filter(|account| **account != *key.account) {
            key.account = account.into();
        }
        Ok(Self { key, qualifier })
    }

    /// What the qualifier means; without one, `$LATEST`.
    pub(crate) fn meaning(&self) -> Qualifier {
        self.qualifier
            .as_deref()
            .map_or(Qualifier::Latest, Qualifier::parse)
    }

    /// The ARN as the caller named the function.
    pub(crate) fn arn(&self) -> String {
        match &self.qualifier {
            Some(qualifier) => self.key.qualified_arn(qualifier),
            None => self.key.arn(),
        }
    }

    /// That there is no such function, version or alias.
    pub(crate) fn not_found(&self) -> ServiceError {
        not_found(&self.arn())
    }
}

/// `Function not found: ARN`.
pub(crate) fn not_found(arn: &str) -> ServiceError {
    errors::resource_not_found_exception(format!("Function not found: {arn}"))
}
