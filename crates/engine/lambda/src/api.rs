//! The API: every operation in one line. What each does is in `control` and `invoke`.

use std::sync::Arc;

use tokio::task::JoinError;
use wire::lambda as shapes;
use wire::{Caller, ServiceError};

use crate::service::Lambda;

/// Each control operation runs in a task of its own, so that it ends as it should when its caller
/// hangs up half way.
macro_rules! serve {
    ($($operation:ident($input:ident) -> $output:ty;)*) => {
        impl shapes::LambdaApi for Lambda {
            async fn invoke(
                &self,
                caller: &Caller,
                input: shapes::InvocationRequest,
            ) -> Result<shapes::InvocationResponse, ServiceError> {
                self.inner.invoke(caller, input).await
            }

            async fn invoke_with_response_stream(
                &self,
                caller: &Caller,
                input: shapes::InvokeWithResponseStreamRequest,
            ) -> Result<shapes::InvokeWithResponseStreamResponse, ServiceError> {
                self.inner.invoke_with_response_stream(caller, input).await
            }

            $(
                async fn $operation(
                    &self,
                    caller: &Caller,
                    input: shapes::$input,
                ) -> Result<$output, ServiceError> {
                    let (inner, caller) = (Arc::clone(&self.inner), caller.clone());
                    let task = tokio::spawn(async move { inner.$operation(&caller, input).await });
                    task.await.unwrap_or_else(|error| Err(broken_off(&error)))
                }
            )*
        }
    };
}

fn broken_off(error: &JoinError) -> ServiceError {
    tracing::error!(%error, "an operation broke off");
    shapes::errors::service_exception("The operation broke off.")
}

serve! {
    // The functions.
    create_function(CreateFunctionRequest) -> shapes::FunctionConfiguration;
    get_function(GetFunctionRequest) -> shapes::GetFunctionResponse;
    get_function_configuration(GetFunctionConfigurationRequest) -> shapes::FunctionConfiguration;
    list_functions(ListFunctionsRequest) -> shapes::ListFunctionsResponse;
    update_function_code(UpdateFunctionCodeRequest) -> shapes::FunctionConfiguration;
    update_function_configuration(UpdateFunctionConfigurationRequest) -> shapes::FunctionConfiguration;
    delete_function(DeleteFunctionRequest) -> shapes::DeleteFunctionResponse;
    // Versions and aliases.
    publish_version(PublishVersionRequest) -> shapes::FunctionConfiguration;
    list_versions_by_function(ListVersionsByFunctionRequest) -> shapes::ListVersionsByFunctionResponse;
    create_alias(CreateAliasRequest) -> shapes::AliasConfiguration;
    get_alias(GetAliasRequest) -> shapes::AliasConfiguration;
    list_aliases(ListAliasesRequest) -> shapes::ListAliasesResponse;
    update_alias(UpdateAliasRequest) -> shapes::AliasConfiguration;
    delete_alias(DeleteAliasRequest) -> ();
    // What is kept beside a function.
    put_function_concurrency(PutFunctionConcurrencyRequest) -> shapes::Concurrency;
    get_function_concurrency(GetFunctionConcurrencyRequest) -> shapes::GetFunctionConcurrencyResponse;
    delete_function_concurrency(DeleteFunctionConcurrencyRequest) -> ();
    put_function_event_invoke_config(PutFunctionEventInvokeConfigRequest) -> shapes::FunctionEventInvokeConfig;
    update_function_event_invoke_config(UpdateFunctionEventInvokeConfigRequest) -> shapes::FunctionEventInvokeConfig;
    get_function_event_invoke_config(GetFunctionEventInvokeConfigRequest) -> shapes::FunctionEventInvokeConfig;
    list_function_event_invoke_configs(ListFunctionEventInvokeConfigsRequest) -> shapes::ListFunctionEventInvokeConfigsResponse;
    delete_function_event_invoke_config(DeleteFunctionEventInvokeConfigRequest) -> ();
    put_provisioned_concurrency_config(PutProvisionedConcurrencyConfigRequest) -> shapes::PutProvisionedConcurrencyConfigResponse;
    get_provisioned_concurrency_config(GetProvisionedConcurrencyConfigRequest) -> shapes::GetProvisionedConcurrencyConfigResponse;
    list_provisioned_concurrency_configs(ListProvisionedConcurrencyConfigsRequest) -> shapes::ListProvisionedConcurrencyConfigsResponse;
    delete_provisioned_concurrency_config(DeleteProvisionedConcurrencyConfigRequest) -> ();
    put_runtime_management_config(PutRuntimeManagementConfigRequest) -> shapes::PutRuntimeManagementConfigResponse;
    get_runtime_management_config(GetRuntimeManagementConfigRequest) -> shapes::GetRuntimeManagementConfigResponse;
    put_function_recursion_config(PutFunctionRecursionConfigRequest) -> shapes::PutFunctionRecursionConfigResponse;
    get_function_recursion_config(GetFunctionRecursionConfigRequest) -> shapes::GetFunctionRecursionConfigResponse;
    tag_resource(TagResourceRequest) -> ();
    untag_resource(UntagResourceRequest) -> ();
    list_tags(ListTagsRequest) -> shapes::ListTagsResponse;
    get_account_settings(GetAccountSettingsRequest) -> shapes::GetAccountSettingsResponse;
    // Who may call.
    add_permission(AddPermissionRequest) -> shapes::AddPermissionResponse;
    remove_permission(RemovePermissionRequest) -> ();
    get_policy(GetPolicyRequest) -> shapes::GetPolicyResponse;
    // Function URLs.
    create_function_url_config(CreateFunctionUrlConfigRequest) -> shapes::CreateFunctionUrlConfigResponse;
    get_function_url_config(GetFunctionUrlConfigRequest) -> shapes::GetFunctionUrlConfigResponse;
    update_function_url_config(UpdateFunctionUrlConfigRequest) -> shapes::UpdateFunctionUrlConfigResponse;
    delete_function_url_config(DeleteFunctionUrlConfigRequest) -> ();
    list_function_url_configs(ListFunctionUrlConfigsRequest) -> shapes::ListFunctionUrlConfigsResponse;
    // Layers.
    publish_layer_version(PublishLayerVersionRequest) -> shapes::PublishLayerVersionResponse;
    get_layer_version(GetLayerVersionRequest) -> shapes::GetLayerVersionResponse;
    get_layer_version_by_arn(GetLayerVersionByArnRequest) -> shapes::GetLayerVersionResponse;
    list_layer_versions(ListLayerVersionsRequest) -> shapes::ListLayerVersionsResponse;
    list_layers(ListLayersRequest) -> shapes::ListLayersResponse;
    delete_layer_version(DeleteLayerVersionRequest) -> ();
    add_layer_version_permission(AddLayerVersionPermissionRequest) -> shapes::AddLayerVersionPermissionResponse;
    remove_layer_version_permission(RemoveLayerVersionPermissionRequest) -> ();
    get_layer_version_policy(GetLayerVersionPolicyRequest) -> shapes::GetLayerVersionPolicyResponse;
    // Code signing.
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
