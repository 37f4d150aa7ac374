//! Function URLs: CreateFunctionUrlConfig and its like.
//!
//! A function has one URL, and each of its aliases may have one. Its id is drawn once and stays; the
//! rest of it is where this engine listens. Source: AWS's answers and
//! <https://docs.aws.amazon.com/lambda/latest/dg/urls-configuration.html>.

use ids::Timestamp;
use wire::lambda::{
    CreateFunctionUrlConfigRequest, CreateFunctionUrlConfigResponse,
    DeleteFunctionUrlConfigRequest, FunctionUrlAuthType, FunctionUrlConfig,
    GetFunctionUrlConfigRequest, GetFunctionUrlConfigResponse, InvokeMode,
    ListFunctionUrlConfigsRequest, ListFunctionUrlConfigsResponse, UpdateFunctionUrlConfigRequest,
    UpdateFunctionUrlConfigResponse, errors,
};
use wire::{Caller, ServiceError};

use super::concurrency::whole_function;
use super::list;
use crate::error::ApiError;
use crate::function::record::LATEST;
use crate::function::tables::Tables;
use crate::function::target::Target;
use crate::function::url::{FunctionUrl, UrlRecord, draw_id};
use crate::service::Inner;

impl Inner {
    pub(crate) async fn create_function_url_config(
        &self,
        caller: &Caller,
        input: CreateFunctionUrlConfigRequest,
    ) -> Result<CreateFunctionUrlConfigResponse, ServiceError> {
        let target = Target::read(caller, &input.function_name, input.qualifier)?;
        let now = written(self.clock.now());
        let url = FunctionUrl {
            id: draw_id(&*self.entropy).into(),
            key: target.key.clone(),
            qualifier: target.meaning(),
            record: UrlRecord {
                auth_type: input.auth_type.unwrap_or(FunctionUrlAuthType::AwsIam),
                cors: input.cors,
                invoke_mode: input.invoke_mode,
                created: now.clone(),
                modified: now,
            },
        };
        let url = self
            .registry
            .write(&target.key, move |tables| {
                check_existence(tables, &url)?;
                if tables.url(&url.key, &url.qualifier)?.is_some() {
                    return Err(errors::resource_conflict_exception(format!(
                        "Failed to create function url config for [functionArn = {}]. Error \
                         message:  FunctionUrlConfig exists for this Lambda function",
                        url.arn()
                    ))
                    .into());
                }
                tables.put_url(&url)?;
                Ok(url)
            })
            .await?;
        Ok(CreateFunctionUrlConfigResponse {
            function_url: Some(self.address(&url)),
            function_arn: Some(url.arn()),
            auth_type: Some(url.record.auth_type),
            cors: url.record.cors,
            creation_time: Some(url.record.created),
            invoke_mode: url.record.invoke_mode,
        })
    }

    pub(crate) async fn get_function_url_config(
        &self,
        caller: &Caller,
        input: GetFunctionUrlConfigRequest,
    ) -> Result<GetFunctionUrlConfigResponse, ServiceError> {
        let target = Target::read(caller, &input.function_name, input.qualifier)?;
        let url = self
            .registry
            .read(move |tables| tables.url(&target.key, &target.meaning()))
            .await?;
        let shown = self.url_config(url.ok_or_else(absent)?);
        Ok(GetFunctionUrlConfigResponse {
            function_url: shown.function_url,
            function_arn: shown.function_arn,
            auth_type: shown.auth_type,
            cors: shown.cors,
            creation_time: shown.creation_time,
            last_modified_time: shown.last_modified_time,
            invoke_mode: shown.invoke_mode,
        })
    }

    pub(crate) async fn update_function_url_config(
        &self,
        caller: &Caller,
        input: UpdateFunctionUrlConfigRequest,
    ) -> Result<UpdateFunctionUrlConfigResponse, ServiceError> {
        let target = Target::read(caller, &input.function_name, input.qualifier)?;
        let now = written(self.clock.now());
        let mode_was_given = input.invoke_mode.is_some();
        let key = target.key.clone();
        let url = self
            .registry
            .write(&key, move |tables| {
                let Some(mut url) = tables.url(&target.key, &target.meaning())? else {
                    return Err(match exists(tables, &target)? {
                        true => absent(),
                        false => no_function(),
                    }
                    .into());
                };
                let record = &mut url.record;
                if let Some(auth_type) = input.auth_type {
                    record.auth_type = auth_type;
                }
                record.cors = input.cors.or(record.cors.take());
                record.invoke_mode = input.invoke_mode.or(record.invoke_mode.take());
                record.modified = now;
                tables.put_url(&url)?;
                Ok(url)
            })
            .await?;
        let shown = self.url_config(url);
        Ok(UpdateFunctionUrlConfigResponse {
            function_url: shown.function_url,
            function_arn: shown.function_arn,
            auth_type: shown.auth_type,
            cors: shown.cors,
            creation_time: shown.creation_time,
            last_modified_time: shown.last_modified_time,
            // AWS shows it here only to who has just set it.
            invoke_mode: shown.invoke_mode.filter(|_| mode_was_given),
        })
    }

    pub(crate) async fn delete_function_url_config(
        &self,
        caller: &Caller,
        input: DeleteFunctionUrlConfigRequest,
    ) -> Result<(), ServiceError> {
        let target = Target::read(caller, &input.function_name, input.qualifier)?;
        let key = target.key.clone();
        self.registry
            .write(&key, move |tables| {
                match tables.remove_url(&target.key, &target.meaning())? {
                    true => Ok(()),
                    false => Err(absent().into()),
                }
            })
            .await?;
        Ok(())
    }

    pub(crate) async fn list_function_url_configs(
        &self,
        caller: &Caller,
        input: ListFunctionUrlConfigsRequest,
    ) -> Result<ListFunctionUrlConfigsResponse, ServiceError> {
        let target = whole_function(caller, &input.function_name)?;
        let limit = list::page_size(input.max_items);
        let from = list::begin(input.marker.as_deref())?;
        let mut page = self
            .registry
            .read(move |tables| {
                tables
                    .version(&target.key, LATEST)?
                    .ok_or_else(no_function)?;
                tables.urls(&target.key, &from, limit + 1)
            })
            .await?;
        let next = (page.len() > limit).then(|| page.pop()).flatten();
        Ok(ListFunctionUrlConfigsResponse {
            next_marker: next.map(|url| list::marker(&url.qualifier.to_string())),
            function_url_configs: Some(page.into_iter().map(|url| self.url_config(url)).collect()),
        })
    }

    fn url_config(&self, url: FunctionUrl) -> FunctionUrlConfig {
        FunctionUrlConfig {
            function_url: Some(self.address(&url)),
            function_arn: Some(url.arn()),
            creation_time: Some(url.record.created),
            last_modified_time: Some(url.record.modified),
            cors: url.record.cors,
            auth_type: Some(url.record.auth_type),
            invoke_mode: Some(url.record.invoke_mode.unwrap_or(InvokeMode::Buffered)),
        }
    }

    /// Where it is served. The name leads to this machine by itself, for all below `localhost` does.
    /// Source: <https://www.rfc-editor.org/rfc/rfc6761#section-6.3>.
    fn address(&self, url: &FunctionUrl) -> String {
        let port = self.endpoint.rsplit(':').next().unwrap_or_default();
        format!("http://{}.lambda-url.localhost:{port}/", url.id)
    }
}

/// As AWS writes when a URL was made or changed.
fn written(now: Timestamp) -> String {
    now.civil().strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string()
}

/// Refuses a URL that would lead nowhere.
fn check_existence(tables: &Tables<'_>, url: &FunctionUrl) -> Result<(), ApiError> {
    let target = Target {
        key: url.key.clone(),
        qualifier: url.alias().map(str::to_owned),
    };
    match exists(tables, &target)? {
        true => Ok(()),
        false => Err(no_function().into()),
    }
}

fn exists(tables: &Tables<'_>, target: &Target) -> Result<bool, ApiError> {
    Ok(match target.qualifier.as_deref() {
        None => tables.version(&target.key, LATEST)?.is_some(),
        Some(alias) => tables.alias(&target.key, alias)?.is_some(),
    })
}

fn no_function() -> ServiceError {
    errors::resource_not_found_exception("Function does not exist")
}

fn absent() -> ServiceError {
    errors::resource_not_found_exception("The resource you requested does not exist.")
}
