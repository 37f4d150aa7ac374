//! Operations on their way: each line goes when its operation comes. Gone before this is released.

use std::sync::Arc;

use wire::lambda as shapes;
use wire::{Caller, ServiceError};

use crate::service::Inner;

macro_rules! pending {
    ($($operation:ident($input:ident) -> $output:ty;)*) => {
        #[expect(clippy::unused_async, reason = "as served ones are")]
        impl Inner {
            $(
                pub(crate) async fn $operation(
                    self: &Arc<Self>,
                    _caller: &Caller,
                    _input: shapes::$input,
                ) -> Result<$output, ServiceError> {
                    Err(ServiceError::new("UnsupportedOperationException", 400, "pending"))
                }
            )*
        }
    };
}

pending! {
    put_function_concurrency(PutFunctionConcurrencyRequest) -> shapes::Concurrency;
    get_function_concurrency(GetFunctionConcurrencyRequest) -> shapes::GetFunctionConcurrencyResponse;
    delete_function_concurrency(DeleteFunctionConcurrencyRequest) -> ();
    put_runtime_management_config(PutRuntimeManagementConfigRequest) -> shapes::PutRuntimeManagementConfigResponse;
    get_runtime_management_config(GetRuntimeManagementConfigRequest) -> shapes::GetRuntimeManagementConfigResponse;
    put_function_recursion_config(PutFunctionRecursionConfigRequest) -> shapes::PutFunctionRecursionConfigResponse;
    get_function_recursion_config(GetFunctionRecursionConfigRequest) -> shapes::GetFunctionRecursionConfigResponse;
    tag_resource(TagResourceRequest) -> ();
    untag_resource(UntagResourceRequest) -> ();
    list_tags(ListTagsRequest) -> shapes::ListTagsResponse;
    get_account_settings(GetAccountSettingsRequest) -> shapes::GetAccountSettingsResponse;
    add_permission(AddPermissionRequest) -> shapes::AddPermissionResponse;
    remove_permission(RemovePermissionRequest) -> ();
    get_policy(GetPolicyRequest) -> shapes::GetPolicyResponse;
    publish_layer_version(PublishLayerVersionRequest) -> shapes::PublishLayerVersionResponse;
    get_layer_version(GetLayerVersionRequest) -> shapes::GetLayerVersionResponse;
    get_layer_version_by_arn(GetLayerVersionByArnRequest) -> shapes::GetLayerVersionResponse;
    list_layer_versions(ListLayerVersionsRequest) -> shapes::ListLayerVersionsResponse;
    list_layers(ListLayersRequest) -> shapes::ListLayersResponse;
    delete_layer_version(DeleteLayerVersionRequest) -> ();
    add_layer_version_permission(AddLayerVersionPermissionRequest) -> shapes::AddLayerVersionPermissionResponse;
    remove_layer_version_permission(RemoveLayerVersionPermissionRequest) -> ();
    get_layer_version_policy(GetLayerVersionPolicyRequest) -> shapes::GetLayerVersionPolicyResponse;
    create_code_signing_config(CreateCodeSigningConfigRequest) -> shapes::CreateCodeSigningConfigResponse;
    get_code_signing_config(GetCodeSigningConfigRequest) -> shapes::GetCodeSigningConfigResponse;
    update_code_signing_config(UpdateCodeSigningConfigRequest) -> shapes::UpdateCodeSigningConfigResponse;
    delete_code_signing_config(DeleteCodeSigningConfigRequest) -> shapes::DeleteCodeSigningConfigResponse;
    list_code_signing_configs(ListCodeSigningConfigsRequest) -> shapes::ListCodeSigningConfigsResponse;
    list_functions_by_code_signing_config(ListFunctionsByCodeSigningConfigRequest) -> shapes::ListFunctionsByCodeSigningConfigResponse;
    put_function_code_signing_config(PutFunctionCodeSigningConfigRequest) -> shapes::PutFunctionCodeSigningConfigResponse;
    get_function_code_signing_config(GetFunctionCodeSigningConfigRequest) -> shapes::GetFunctionCodeSigningConfigResponse;
    delete_function_code_signing_config(DeleteFunctionCodeSigningConfigRequest) -> ();
}
