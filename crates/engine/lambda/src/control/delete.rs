//! DeleteFunction: a whole function, or one published version.

use std::sync::Arc;

use ids::Qualifier;
use wire::lambda::{DeleteFunctionRequest, DeleteFunctionResponse, errors};
use wire::{Caller, ServiceError};

use crate::error::ApiError;
use crate::function::record::{LATEST, VersionRecord};
use crate::function::target::{Target, not_found};
use crate::service::Inner;

/// How many versions are read at a time while a function is deleted.
const CHUNK: usize = 100;

impl Inner {
    pub(crate) async fn delete_function(
        self: &Arc<Self>,
        caller: &Caller,
        input: DeleteFunctionRequest,
    ) -> Result<DeleteFunctionResponse, ServiceError> {
        let target = Target::read(caller, &input.function_name, input.qualifier)?;
        let removed = match target.qualifier.as_deref().map(Qualifier::parse) {
            None => self.delete_whole(&target).await?,
            Some(Qualifier::Version(number)) => self.delete_version(&target, number).await?,
            Some(Qualifier::Latest) => {
                return Err(errors::invalid_parameter_value_exception(
                    "$LATEST version cannot be deleted without deleting the function.",
                ));
            }
            Some(Qualifier::Alias(name)) if name.contains('$') => {
                return Err(not_found(&target.key.arn()));
            }
            Some(Qualifier::Alias(_)) => {
                return Err(errors::invalid_parameter_value_exception(
                    "Deletion of aliases is not currently supported.",
                ));
            }
        };
        self.align_concurrency(&target.key).await?;
        self.concurrency.forget(&target.key);
        for record in &removed {
            self.fleet.retire(record.live().1);
            self.fleet.retire(record.deployment);
        }
        for record in &removed {
            for configuration in record.configurations() {
                self.let_go(configuration).await;
            }
        }
        Ok(DeleteFunctionResponse {
            status_code: Some(204),
        })
    }

    async fn delete_whole(&self, target: &Target) -> Result<Vec<VersionRecord>, ApiError> {
        let (key, missing) = (target.key.clone(), target.not_found());
        let (removed, events) = self
            .registry
            .write(&target.key, move |tables| {
                let mut removed = Vec::new();
                let mut from = 0;
                loop {
                    let chunk = tables.versions(&key, from, CHUNK)?;
                    let Some((last, _)) = chunk.last() else { break };
                    from = last + 1;
                    removed.extend(chunk.into_iter().map(|(_, record)| record));
                }
                if !tables.remove_function(&key)? {
                    return Err(missing.into());
                }
                // They are not for the next function of this name.
                Ok((removed, tables.remove_events(&key)?))
            })
            .await?;
        self.lines.forget(events);
        self.lines.nudge(&target.key);
        Ok(removed)
    }

    async fn delete_version(
        &self,
        target: &Target,
        number: u64,
    ) -> Result<Vec<VersionRecord>, ApiError> {
        let key = target.key.clone();
        let missing = not_found(&target.key.arn());
        self.registry
            .write(&target.key, move |tables| {
                tables.version(&key, LATEST)?.ok_or(missing)?;
                // Deleting what is not there succeeds, as on AWS.
                let Some(record) = tables.version(&key, number)? else {
                    return Ok(Vec::new());
                };
                let pointing = tables.aliases_of_version(&key, number)?;
                if !pointing.is_empty() {
                    return Err(errors::resource_conflict_exception(format!(
                        "Unable to delete version because the following aliases reference it: [{}]",
                        pointing.join(", ")
                    ))
                    .into());
                }
                tables.remove_version(&key, number)?;
                tables.remove_event_invoke(&key, &number.to_string())?;
                tables.remove_provisioned(&key, &number.to_string())?;
                Ok(vec![record])
            })
            .await
    }
}
