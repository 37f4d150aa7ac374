//! ListFunctions and ListVersionsByFunction.
//!
//! A marker is the base64 of the first name (or number) of the next page, so that a page costs the
//! same wherever it begins, and what is added or removed meanwhile disturbs nothing.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use wire::lambda::{
    FunctionConfiguration, ListFunctionsRequest, ListFunctionsResponse,
    ListVersionsByFunctionRequest, ListVersionsByFunctionResponse, errors,
};
use wire::{Caller, ServiceError};

use crate::function::key::FunctionKey;
use crate::function::record::VersionRecord;
use crate::function::status;
use crate::function::target::Target;
use crate::service::Inner;

/// Lambda returns at most 50 items a page, whatever is asked for.
/// Source: <https://docs.aws.amazon.com/lambda/latest/api/API_ListFunctions.html>.
const PAGE_LIMIT: usize = 50;

/// How many items a page has.
pub(super) fn page_size(asked: Option<i32>) -> usize {
    asked
        .and_then(|n| usize::try_from(n).ok())
        .unwrap_or(PAGE_LIMIT)
        .clamp(1, PAGE_LIMIT)
}

/// A marker for the page that begins with `first`.
pub(super) fn marker(first: &str) -> String {
    URL_SAFE_NO_PAD.encode(first)
}

/// Where the page of `marker` begins; without one, at the start.
pub(super) fn begin(marker: Option<&str>) -> Result<String, ServiceError> {
    let Some(marker) = marker else {
        return Ok(String::new());
    };
    URL_SAFE_NO_PAD
        .decode(marker)
        .ok()
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .ok_or_else(invalid_marker)
}

fn invalid_marker() -> ServiceError {
    errors::invalid_parameter_value_exception("Invalid pagination token")
}

impl Inner {
    pub(crate) async fn list_functions(
        &self,
        caller: &Caller,
        input: ListFunctionsRequest,
    ) -> Result<ListFunctionsResponse, ServiceError> {
        let limit = page_size(input.max_items);
        let from = begin(input.marker.as_deref())?;
        let (account, region) = (caller.account.clone(), caller.region.clone());
        if input.function_version.is_some() {
            return self.list_all_versions(account, region, &from, limit).await;
        }
        let mut page = self
            .registry
            .read(move |tables| tables.functions(&account, &region, &from, limit + 1))
            .await?;
        let next_marker = (page.len() > limit).then(|| page.pop()).flatten();
        let functions = page.into_iter().map(|(_, record)| listed(record)).collect();
        Ok(ListFunctionsResponse {
            next_marker: next_marker.map(|(name, _)| marker(&name)),
            functions: Some(functions),
        })
    }

    /// Every version of every function, `$LATEST` included (`FunctionVersion=ALL`).
    async fn list_all_versions(
        &self,
        account: Arc<str>,
        region: Arc<str>,
        from: &str,
        limit: usize,
    ) -> Result<ListFunctionsResponse, ServiceError> {
        // Names hold no colon, so that the last one separates.
        let (name, number) = match from.rsplit_once(':') {
            Some((name, number)) => (
                name.to_owned(),
                number.parse().map_err(|_| invalid_marker())?,
            ),
            None => (from.to_owned(), 0),
        };
        let mut page = self
            .registry
            .read(move |tables| {
                tables.all_versions((&account, &region), (&name, number), limit + 1)
            })
            .await?;
        let next_marker = (page.len() > limit).then(|| page.pop()).flatten();
        let functions = page
            .into_iter()
            .map(|(key, _, record)| qualified(&key, record))
            .collect();
        Ok(ListFunctionsResponse {
            next_marker: next_marker
                .map(|(key, number, _)| marker(&format!("{}:{number}", key.name))),
            functions: Some(functions),
        })
    }

    pub(crate) async fn list_versions_by_function(
        &self,
        caller: &Caller,
        input: ListVersionsByFunctionRequest,
    ) -> Result<ListVersionsByFunctionResponse, ServiceError> {
        let target = Target::read(caller, &input.function_name, None)?;
        let limit = page_size(input.max_items);
        let from = begin(input.marker.as_deref())?.parse().unwrap_or(0);
        let key = target.key.clone();
        let mut page = self
            .registry
            .read(move |tables| tables.versions(&key, from, limit + 1))
            .await?;
        if page.is_empty() {
            return Err(target.not_found());
        }
        let next_marker = (page.len() > limit).then(|| page.pop()).flatten();
        let versions = page
            .into_iter()
            .map(|(_, record)| qualified(&target.key, record))
            .collect();
        Ok(ListVersionsByFunctionResponse {
            next_marker: next_marker.map(|(number, _)| marker(&number.to_string())),
            versions: Some(versions),
        })
    }
}

/// A version in a list of versions: under its qualified ARN.
fn qualified(key: &FunctionKey, record: VersionRecord) -> FunctionConfiguration {
    let mut shown = listed(record);
    let version = shown.version.as_deref().unwrap_or_default();
    shown.function_arn = Some(key.qualified_arn(version));
    shown
}

/// Lists leave out what changes by itself.
fn listed(record: VersionRecord) -> FunctionConfiguration {
    let mut configuration = record.configuration;
    status::strip(&mut configuration);
    configuration.runtime_version_config = None;
    configuration
}
