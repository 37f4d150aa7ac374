//! Who may call: AddPermission, RemovePermission and GetPolicy.
//!
//! A function, each of its versions and each of its aliases have a policy of their own; publishing
//! copies none. A change gives the policy and what it belongs to one new revision id. Source: AWS's
//! answers and
//! <https://docs.aws.amazon.com/lambda/latest/dg/access-control-resource-based.html>.

use ids::Qualifier;
use wire::lambda::{
    AddPermissionRequest, AddPermissionResponse, GetPolicyRequest, GetPolicyResponse,
    RemovePermissionRequest, errors,
};
use wire::{Caller, ServiceError};

use super::publish::revision_mismatch;
use crate::error::ApiError;
use crate::function::record::LATEST;
use crate::function::resource_policy::{ResourcePolicy, Statement};
use crate::function::tables::Tables;
use crate::function::target::{Target, not_found};
use crate::service::Inner;

/// The longest policy, in bytes.
/// Source: <https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html>.
const POLICY_LIMIT: usize = 20_480;

/// The one action that a function URL's authentication has a say in.
const INVOKE_URL: &str = "lambda:InvokeFunctionUrl";

impl Inner {
    pub(crate) async fn add_permission(
        &self,
        caller: &Caller,
        mut input: AddPermissionRequest,
    ) -> Result<AddPermissionResponse, ServiceError> {
        let target = Target::read(caller, &input.function_name, input.qualifier.take())?;
        let qualifier = target.meaning();
        if target.qualifier.is_some() && qualifier == Qualifier::Latest {
            return Err(errors::invalid_parameter_value_exception(
                "We currently do not support adding policies for $LATEST.",
            ));
        }
        if input.function_url_auth_type.is_some() && input.action.as_deref() != Some(INVOKE_URL) {
            return Err(errors::invalid_parameter_value_exception(format!(
                "FunctionUrlAuthType is only supported for {INVOKE_URL} action"
            )));
        }
        let key = target.key.clone();
        let revision = self.draw_id().to_string();
        let statement = self
            .registry
            .write(&key, move |tables| {
                let current =
                    revision_of(tables, &target)?.ok_or_else(|| not_found(&target.key.arn()))?;
                let mut policy = tables
                    .resource_policy(&target.key, &qualifier)?
                    .unwrap_or_else(|| ResourcePolicy {
                        revision: current,
                        statements: Vec::new(),
                    });
                check_revision(input.revision_id.as_deref(), &policy)?;
                let sid = input.statement_id.clone().unwrap_or_default();
                if policy.has(&sid) {
                    return Err(errors::resource_conflict_exception(format!(
                        "The statement id ({sid}) provided already exists. Please provide a new \
                         statement id, or remove the existing statement."
                    ))
                    .into());
                }
                let statement = Statement::new(input, target.arn()).ok_or_else(|| {
                    errors::invalid_parameter_value_exception(
                        "The provided principal was invalid. Please check the principal and try \
                         again.",
                    )
                })?;
                let shown = serde_json::to_string(&statement)?;
                policy.statements.push(statement);
                put(tables, &target, policy, revision)?;
                Ok(shown)
            })
            .await?;
        Ok(AddPermissionResponse {
            statement: Some(statement),
        })
    }

    pub(crate) async fn remove_permission(
        &self,
        caller: &Caller,
        input: RemovePermissionRequest,
    ) -> Result<(), ServiceError> {
        let target = Target::read(caller, &input.function_name, input.qualifier)?;
        let key = target.key.clone();
        let revision = self.draw_id().to_string();
        self.registry
            .write(&key, move |tables| {
                let absent = |message: String| errors::resource_not_found_exception(message);
                if revision_of(tables, &target)?.is_none() {
                    let arn = target.key.arn();
                    return Err(absent(format!("No policy found for: {arn}")).into());
                }
                let mut policy = tables
                    .resource_policy(&target.key, &target.meaning())?
                    .ok_or_else(|| {
                        absent("No policy is associated with the given resource.".to_owned())
                    })?;
                let sid = &input.statement_id;
                if !policy.has(sid) {
                    let message = format!("Statement {sid} is not found in resource policy.");
                    return Err(absent(message).into());
                }
                check_revision(input.revision_id.as_deref(), &policy)?;
                policy.statements.retain(|statement| statement.sid != *sid);
                put(tables, &target, policy, revision)
            })
            .await?;
        Ok(())
    }

    pub(crate) async fn get_policy(
        &self,
        caller: &Caller,
        input: GetPolicyRequest,
    ) -> Result<GetPolicyResponse, ServiceError> {
        let target = Target::read(caller, &input.function_name, input.qualifier)?;
        let policy = self
            .registry
            .read(move |tables| tables.resource_policy(&target.key, &target.meaning()))
            .await?
            .ok_or_else(|| {
                errors::resource_not_found_exception("The resource you requested does not exist.")
            })?;
        Ok(GetPolicyResponse {
            policy: Some(policy.document().map_err(ApiError::from)?),
            revision_id: Some(policy.revision),
        })
    }
}

/// The revision id of what `target` names; `None` where there is no such function.
fn revision_of(tables: &Tables<'_>, target: &Target) -> Result<Option<String>, ApiError> {
    let key = &target.key;
    let Some(latest) = tables.version(key, LATEST)? else {
        return Ok(None);
    };
    let revision = match target.meaning() {
        Qualifier::Latest => latest.configuration.revision_id,
        Qualifier::Version(number) => {
            let version = tables.version(key, number)?;
            version
                .ok_or_else(|| target.not_found())?
                .configuration
                .revision_id
        }
        Qualifier::Alias(name) => {
            let alias = tables.alias(key, &name)?;
            alias
                .ok_or_else(|| no_such_alias(target, &name))?
                .configuration
                .revision_id
        }
    };
    Ok(Some(revision.unwrap_or_default()))
}

/// What could not even be an alias's name is looked for as a version.
fn no_such_alias(target: &Target, name: &str) -> ServiceError {
    let could_be = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    if !name.chars().all(could_be) {
        return target.not_found();
    }
    let arn = target.arn();
    errors::resource_not_found_exception(format!("Cannot find alias arn: {arn}"))
}

fn check_revision(asked: Option<&str>, policy: &ResourcePolicy) -> Result<(), ServiceError> {
    match asked {
        Some(asked) if asked != policy.revision => Err(revision_mismatch("GetPolicy")),
        _ => Ok(()),
    }
}

/// Keeps a changed policy under a new revision.
fn put(
    tables: &Tables<'_>,
    target: &Target,
    mut policy: ResourcePolicy,
    revision: String,
) -> Result<(), ApiError> {
    let size = policy.document()?.len();
    if size > POLICY_LIMIT {
        return Err(errors::policy_length_exceeded_exception(format!(
            "The final policy size ({size}) is bigger than the limit ({POLICY_LIMIT})."
        ))
        .into());
    }
    policy.revision = revision;
    let qualifier = target.meaning();
    tables.set_revision(&target.key, &qualifier, &policy.revision)?;
    tables.put_resource_policy(&target.key, &qualifier, &policy)
}
