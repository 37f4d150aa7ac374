//! What becomes of loops of services that call one another: PutFunctionRecursionConfig and
//! GetFunctionRecursionConfig.
//!
//! Source: <https://docs.aws.amazon.com/lambda/latest/dg/invocation-recursion.html>.

use wire::lambda::{
    GetFunctionRecursionConfigRequest, GetFunctionRecursionConfigResponse,
    PutFunctionRecursionConfigRequest, PutFunctionRecursionConfigResponse, RecursiveLoop,
};
use wire::{Caller, ServiceError};

use super::concurrency::whole_function;
use crate::service::Inner;

impl Inner {
    pub(crate) async fn put_function_recursion_config(
        &self,
        caller: &Caller,
        input: PutFunctionRecursionConfigRequest,
    ) -> Result<PutFunctionRecursionConfigResponse, ServiceError> {
        let target = whole_function(caller, &input.function_name)?;
        let key = target.key.clone();
        let recursive_loop = input.recursive_loop.clone();
        self.registry
            .write(&key, move |tables| {
                let settings = tables.settings(&target.key)?;
                let mut settings = settings.ok_or_else(|| target.not_found())?;
                settings.recursive_loop = recursive_loop;
                tables.put_settings(&target.key, &settings)
            })
            .await?;
        Ok(PutFunctionRecursionConfigResponse {
            recursive_loop: input.recursive_loop,
        })
    }

    pub(crate) async fn get_function_recursion_config(
        &self,
        caller: &Caller,
        input: GetFunctionRecursionConfigRequest,
    ) -> Result<GetFunctionRecursionConfigResponse, ServiceError> {
        let target = whole_function(caller, &input.function_name)?;
        let settings = self.registry.settings(&target.key).await?;
        let settings = settings.ok_or_else(|| target.not_found())?;
        let chosen = settings.recursive_loop.clone();
        Ok(GetFunctionRecursionConfigResponse {
            recursive_loop: chosen.or(Some(RecursiveLoop::Terminate)),
        })
    }
}
