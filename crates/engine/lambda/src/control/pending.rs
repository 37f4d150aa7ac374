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
    publish_layer_version(PublishLayerVersionRequest) -> shapes::PublishLayerVersionResponse;
    get_layer_version(GetLayerVersionRequest) -> shapes::GetLayerVersionResponse;
    get_layer_version_by_arn(GetLayerVersionByArnRequest) -> shapes::GetLayerVersionResponse;
    list_layer_versions(ListLayerVersionsRequest) -> shapes::ListLayerVersionsResponse;
    list_layers(ListLayersRequest) -> shapes::ListLayersResponse;
    delete_layer_version(DeleteLayerVersionRequest) -> ();
    add_layer_version_permission(AddLayerVersionPermissionRequest) -> shapes::AddLayerVersionPermissionResponse;
    remove_layer_version_permission(RemoveLayerVersionPermissionRequest) -> ();
    get_layer_version_policy(GetLayerVersionPolicyRequest) -> shapes::GetLayerVersionPolicyResponse;
}
