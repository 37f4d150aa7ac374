//! A managed policy: one of the account's own, or one of AWS's.

use wire::iam::Policy;
use wire::{Caller, DateTime};

use crate::aws_managed::{self, AwsManaged};
use crate::error::{ApiError, invalid, no_such_entity};
use crate::record::{Entity, PolicyRecord};
use crate::tables::Tables;
use crate::tags;

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

/// The policy of that ARN, if there is one.
pub(crate) fn find(
    tables: &Tables<'_>,
    account: &str,
    arn: &str,
) -> Result<Option<Managed>, ApiError> {
    if let Some(managed) = AwsManaged::of(arn) {
        return Ok(Some(Managed::Aws(managed)));
    }
    let own = tables.entity::<PolicyRecord>(account, name_of(arn))?;
    Ok(own
        .filter(|policy| policy.arn(account) == arn)
        .map(Managed::Own))
}

/// Whether there is a managed policy of that ARN to attach. AWS has over a thousand of its own; one
/// that is not known here can be attached like any other, and permits nothing.
pub(crate) fn is_attachable(
    tables: &Tables<'_>,
    account: &str,
    arn: &str,
) -> Result<bool, ApiError> {
    if find(tables, account, arn)?.is_some() {
        return Ok(true);
    }
    let is_awss = arn.strip_prefix(AWSS).is_some_and(is_path);
    if is_awss {
        tracing::warn!(
            arn,
            "this policy of AWS's is not known here: it permits nothing"
        );
    }
    Ok(is_awss)
}

/// What the ARNs of AWS's own policies begin with.
const AWSS: &str = "arn:aws:iam::aws:policy/";

/// Whether this can be a path and a name.
fn is_path(text: &str) -> bool {
    let is_name = |part: &str| {
        let of_name = |byte: u8| byte.is_ascii_alphanumeric() || b"+=,.@_-".contains(&byte);
        !part.is_empty() && part.bytes().all(of_name)
    };
    text.len() <= 512 && text.split('/').all(is_name)
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

    pub(crate) fn path(&self) -> &str {
        match self {
            Self::Aws(managed) => &managed.path,
            Self::Own(policy) => &policy.path,
        }
    }

    pub(crate) fn arn(&self, account: &str) -> String {
        match self {
            Self::Aws(managed) => managed.arn(),
            Self::Own(policy) => policy.arn(account),
        }
    }

    pub(crate) fn shown(&self, tables: &Tables<'_>, account: &str) -> Result<Policy, ApiError> {
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
