//! Who may use a layer version besides its account: its resource policy.

use wire::lambda::{
    AddLayerVersionPermissionRequest, AddLayerVersionPermissionResponse,
    GetLayerVersionPolicyRequest, GetLayerVersionPolicyResponse,
    RemoveLayerVersionPermissionRequest, errors,
};
use wire::{Caller, ServiceError};

use super::layer::{own_layer, version_number};
use crate::error::ApiError;
use crate::layer::key::LayerKey;
use crate::layer::policy::{LayerPolicy, Statement};
use crate::service::Inner;

impl Inner {
    pub(crate) async fn add_layer_version_permission(
        &self,
        caller: &Caller,
        input: AddLayerVersionPermissionRequest,
    ) -> Result<AddLayerVersionPermissionResponse, ServiceError> {
        let action = "lambda:AddLayerVersionPermission";
        let key = own_layer(caller, &input.layer_name, action)?;
        let number = version_number(input.version_number)?;
        let statement = Statement::new(
            input.statement_id.unwrap_or_default(),
            &input.principal.unwrap_or_default(),
            input.organization_id.as_deref(),
            key.version_arn(number),
        );
        let text = statement.text().map_err(ApiError::from)?;
        let revision = self.draw_id();
        let asked = input.revision_id;
        let policy = self
            .change_policy(key, number, move |policy| {
                policy.add(statement, asked.as_deref(), revision)
            })
            .await?;
        Ok(AddLayerVersionPermissionResponse {
            statement: Some(text),
            revision_id: Some(policy.revision_id().to_owned()),
        })
    }

    pub(crate) async fn remove_layer_version_permission(
        &self,
        caller: &Caller,
        input: RemoveLayerVersionPermissionRequest,
    ) -> Result<(), ServiceError> {
        let action = "lambda:RemoveLayerVersionPermission";
        let key = own_layer(caller, &input.layer_name, action)?;
        let number = version_number(input.version_number)?;
        let revision = self.draw_id();
        self.change_policy(key, number, move |policy| {
            policy.remove(&input.statement_id, input.revision_id.as_deref(), revision)
        })
        .await?;
        Ok(())
    }

    async fn change_policy(
        &self,
        key: LayerKey,
        number: u64,
        change: impl FnOnce(&mut LayerPolicy) -> Result<(), ServiceError> + Send + 'static,
    ) -> Result<LayerPolicy, ApiError> {
        self.registry
            .write_apart(move |tables| {
                let policy = tables.layer_policy(&key, number)?;
                let mut policy = policy.ok_or_else(|| no_such_version(&key, number))?;
                change(&mut policy)?;
                tables.put_layer_policy(&key, number, &policy)?;
                Ok(policy)
            })
            .await
    }

    pub(crate) async fn get_layer_version_policy(
        &self,
        caller: &Caller,
        input: GetLayerVersionPolicyRequest,
    ) -> Result<GetLayerVersionPolicyResponse, ServiceError> {
        let key = own_layer(caller, &input.layer_name, "lambda:GetLayerVersionPolicy")?;
        let number = version_number(input.version_number)?;
        let owned = key.clone();
        let policy = self
            .registry
            .read(move |tables| tables.layer_policy(&owned, number))
            .await?
            .ok_or_else(|| no_such_version(&key, number))?;
        if policy.is_empty() {
            return Err(errors::resource_not_found_exception(
                "No policy is associated with the given resource.",
            ));
        }
        Ok(GetLayerVersionPolicyResponse {
            policy: Some(policy.document().map_err(ApiError::from)?),
            revision_id: Some(policy.revision_id().to_owned()),
        })
    }
}

fn no_such_version(key: &LayerKey, number: u64) -> ServiceError {
    errors::resource_not_found_exception(format!(
        "Layer version {} does not exist.",
        key.version_arn(number)
    ))
}
