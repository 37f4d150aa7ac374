//! PublishVersion.

use std::sync::Arc;
use std::time::Duration;

use ids::RequestId;
use wire::lambda::{
    FunctionConfiguration, PublishVersionRequest, SnapStartOptimizationStatus, State, errors,
};
use wire::{Caller, ServiceError};

use super::configure;
use crate::error::ApiError;
use crate::function::key::FunctionKey;
use crate::function::record::LATEST;
use crate::function::record::VersionRecord;
use crate::function::status;
use crate::function::tables::Tables;
use crate::function::target::Target;
use crate::service::Inner;

/// What may make a caller's idea of the function outdated.
#[derive(Debug, Default)]
pub(super) struct Preconditions {
    pub(super) revision_id: Option<String>,
    pub(super) code_sha256: Option<String>,
}

impl Preconditions {
    /// Whether they hold for `configuration`.
    pub(super) fn check(&self, configuration: &FunctionConfiguration) -> Result<(), ServiceError> {
        if self.revision_id.is_some() && self.revision_id != configuration.revision_id {
            return Err(revision_mismatch("GetFunction/GetAlias"));
        }
        match (&self.code_sha256, &configuration.code_sha256) {
            (Some(asked), Some(current)) if asked != current => {
                Err(errors::invalid_parameter_value_exception(format!(
                    "CodeSHA256 ({asked}) is different from current CodeSHA256 in $LATEST \
                     ({current}). Please try again with the CodeSHA256 in $LATEST."
                )))
            }
            _ => Ok(()),
        }
    }
}

/// That the caller's revision is not the latest, which `operation` would tell.
pub(super) fn revision_mismatch(operation: &str) -> ServiceError {
    errors::precondition_failed_exception(format!(
        "The Revision Id provided does not match the latest Revision Id. Call the {operation} API \
         to retrieve the latest Revision Id"
    ))
}

/// Version `number` of a function, made from its `$LATEST`.
pub(super) fn version(
    key: &FunctionKey,
    latest: &VersionRecord,
    number: u64,
    deployment: RequestId,
    revision: String,
) -> VersionRecord {
    let mut configuration = FunctionConfiguration {
        function_arn: Some(key.qualified_arn(&number.to_string())),
        version: Some(number.to_string()),
        revision_id: Some(revision),
        ..latest.configuration.clone()
    };
    if configure::is_snap_started(&configuration) {
        // Its snapshot is taken first.
        status::begin_creation(&mut configuration);
        configure::show_optimization(&mut configuration, SnapStartOptimizationStatus::On);
    }
    VersionRecord {
        configuration,
        deployment,
        before_update: None,
        source_description: latest.configuration.description.clone(),
        image: latest.image.clone(),
    }
}

/// Publishes `$LATEST`, unless the newest version is the same already. Returns the version, and
/// whether it is new.
pub(super) fn publish(
    tables: &Tables<'_>,
    key: &FunctionKey,
    latest: &mut VersionRecord,
    description: Option<String>,
    ids: [RequestId; 3],
) -> Result<(u64, VersionRecord, bool), ApiError> {
    if let Some((number, newest)) = tables.newest_version(key)?
        && same(&newest, latest)
    {
        return Ok((number, newest, false));
    }
    let [deployment, revision, latest_revision] = ids;
    let number = tables.take_version_number(key)?;
    let mut record = version(key, latest, number, deployment, revision.to_string());
    if let Some(description) = description {
        record.configuration.description = Some(description);
    }
    let unsettled = record.configuration.state == Some(State::Pending);
    tables.put_version(key, number, &record, unsettled)?;
    latest.configuration.revision_id = Some(latest_revision.to_string());
    let unsettled = latest.configuration.state == Some(State::Pending);
    tables.put_version(key, LATEST, latest, unsettled)?;
    Ok((number, record, true))
}

/// Whether nothing has changed since `version` was published. The description that `$LATEST` had
/// then counts, not the one that the version was given.
fn same(version: &VersionRecord, latest: &VersionRecord) -> bool {
    if version.source_description != latest.configuration.description {
        return false;
    }
    let essence = |configuration: &FunctionConfiguration| {
        let mut essence = FunctionConfiguration {
            function_arn: None,
            version: None,
            revision_id: None,
            description: None,
            last_modified: None,
            ..configuration.clone()
        };
        status::strip(&mut essence);
        configure::show_optimization(&mut essence, SnapStartOptimizationStatus::Off);
        essence
    };
    essence(&version.configuration) == essence(&latest.configuration)
}

impl Inner {
    pub(crate) async fn publish_version(
        self: &Arc<Self>,
        caller: &Caller,
        input: PublishVersionRequest,
    ) -> Result<FunctionConfiguration, ServiceError> {
        let target = Target::read(caller, &input.function_name, None)?;
        let key = target.key.clone();
        let preconditions = Preconditions {
            revision_id: input.revision_id,
            code_sha256: input.code_sha256,
        };
        let (owned, missing) = (key.clone(), target.not_found());
        let ids = [self.draw_id(), self.draw_id(), self.draw_id()];
        let (number, record) = self
            .registry
            .write(&key, move |tables| {
                let mut latest = tables.version(&owned, LATEST)?.ok_or(missing)?;
                preconditions.check(&latest.configuration)?;
                status::check_settled(&owned.arn(), &latest.configuration)?;
                let (number, record, _) =
                    publish(tables, &owned, &mut latest, input.description, ids)?;
                Ok((number, record))
            })
            .await?;
        if record.configuration.state == Some(State::Pending) {
            self.settle(key, number, Duration::ZERO);
        }
        Ok(self.on_this_host(record.configuration))
    }
}
