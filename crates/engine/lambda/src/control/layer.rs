//! Layers: publish, read, list, delete.

use wire::lambda::{
    Architecture, DeleteLayerVersionRequest, GetLayerVersionByArnRequest, GetLayerVersionRequest,
    GetLayerVersionResponse, LayerVersionContentInput, LayersListItem, ListLayerVersionsRequest,
    ListLayerVersionsResponse, ListLayersRequest, ListLayersResponse, PublishLayerVersionRequest,
    PublishLayerVersionResponse, Runtime, errors,
};
use wire::validation::{Choice, Place, Size, Violations};
use wire::{Blob, Caller, ServiceError, StringEnum};

use store::Digest;

use super::attach::{denied, unreadable};
use super::list;
use super::runtime_name::SUPPORTED;
use crate::layer::key::LayerKey;
use crate::layer::policy::GET_LAYER_VERSION;
use crate::layer::record::LayerVersionRecord;
use crate::layer::tables::Compatible;
use crate::service::Inner;

/// The runtimes that lists can be narrowed to, in the order in which a refusal names them.
const LISTED: [&str; 56] = [
    "ruby3.5",
    "ruby2.6",
    "dotnetcore1.0",
    "python3.7",
    "nodejs8.10",
    "nasa",
    "ruby2.7",
    "python2.7-greengrass",
    "dotnetcore2.0",
    "python3.8",
    "java21",
    "dotnet6",
    "dotnetcore2.1",
    "python3.9",
    "java11",
    "nodejs6.10",
    "provided",
    "dotnetcore3.1",
    "dotnet8",
    "java25",
    "java17",
    "nodejs",
    "nodejs4.3",
    "java8.al2",
    "go1.x",
    "dotnet10",
    "nodejs20.x",
    "go1.9",
    "byol",
    "nodejs10.x",
    "provided.al2023",
    "nodejs22.x",
    "python3.10",
    "java8",
    "nodejs12.x",
    "python3.11",
    "nodejs24.x",
    "nodejs8.x",
    "python3.12",
    "nodejs14.x",
    "nodejs8.9",
    "nodejs26.x",
    "python3.13",
    "python3.14",
    "nodejs16.x",
    "python3.15",
    "provided.al2",
    "nodejs4.3-edge",
    "nodejs18.x",
    "ruby3.2",
    "python3.4",
    "ruby3.3",
    "ruby3.4",
    "ruby2.5",
    "python3.6",
    "python2.7",
];

/// How many runtimes a layer version can declare.
const RUNTIME_LIMIT: usize = 15;

impl Inner {
    pub(crate) async fn publish_layer_version(
        &self,
        caller: &Caller,
        input: PublishLayerVersionRequest,
    ) -> Result<PublishLayerVersionResponse, ServiceError> {
        check_declared(
            input.compatible_runtimes.as_ref(),
            input.compatible_architectures.as_ref(),
        )?;
        let key = own_layer(caller, &input.layer_name, "lambda:PublishLayerVersion")?;
        let _gate = self.code_gate.read().await;
        let (code, code_size) = self.take_layer(input.content.unwrap_or_default()).await?;
        let unzipped_size = self.code.unzipped_size(code).await;
        let unzipped_size = unzipped_size.map_err(|error| unreadable(&error))?;
        let record = LayerVersionRecord {
            code_sha256: code.base64(),
            code_size,
            unzipped_size,
            description: input.description.unwrap_or_default(),
            created_date: self.clock.now().iso_millis(),
            compatible_architectures: input.compatible_architectures,
            compatible_runtimes: input.compatible_runtimes,
            license_info: input.license_info,
        };
        let owned = key.clone();
        let (number, record) = self
            .registry
            .write_apart(move |tables| Ok((tables.add_layer_version(&owned, &record)?, record)))
            .await
            .inspect_err(|_| self.code.reconsider(code))?;
        let shown = record.shown(&key, number, Some(self.location(caller, &code)));
        Ok(PublishLayerVersionResponse {
            content: shown.content,
            layer_arn: shown.layer_arn,
            layer_version_arn: shown.layer_version_arn,
            description: shown.description,
            created_date: shown.created_date,
            version: shown.version,
            compatible_architectures: shown.compatible_architectures,
            compatible_runtimes: shown.compatible_runtimes,
            license_info: shown.license_info,
        })
    }

    async fn take_layer(
        &self,
        content: LayerVersionContentInput,
    ) -> Result<(Digest, i64), ServiceError> {
        if content.s3_bucket.is_some() || content.s3_key.is_some() {
            return Err(errors::invalid_parameter_value_exception(
                "This engine takes layers by value (ZipFile) only.",
            ));
        }
        let Some(Blob(package)) = content.zip_file else {
            return Err(errors::invalid_parameter_value_exception(
                "Please provide a source for the layer content.",
            ));
        };
        self.keep_package(package).await
    }

    pub(crate) async fn get_layer_version(
        &self,
        caller: &Caller,
        input: GetLayerVersionRequest,
    ) -> Result<GetLayerVersionResponse, ServiceError> {
        let key = LayerKey::named(caller, &input.layer_name);
        let number = version_number(input.version_number)?;
        self.show_layer(caller, key, number).await
    }

    pub(crate) async fn get_layer_version_by_arn(
        &self,
        caller: &Caller,
        input: GetLayerVersionByArnRequest,
    ) -> Result<GetLayerVersionResponse, ServiceError> {
        let arn = input.arn.unwrap_or_default();
        let (key, number) = LayerKey::version_of_arn(&arn).ok_or_else(no_such_version)?;
        let number = version_number(i64::try_from(number).unwrap_or(i64::MAX))?;
        self.show_layer(caller, key, number).await
    }

    async fn show_layer(
        &self,
        caller: &Caller,
        key: LayerKey,
        number: u64,
    ) -> Result<GetLayerVersionResponse, ServiceError> {
        let (owned, foreign) = (key.clone(), key.account != caller.account);
        let (record, policy) = self
            .registry
            .read(move |tables| {
                let policy = match foreign {
                    true => tables.layer_policy(&owned, number)?,
                    false => None,
                };
                Ok((tables.layer_version(&owned, number)?, policy))
            })
            .await?;
        if foreign {
            let arn = key.version_arn(number);
            if !policy.is_some_and(|policy| policy.allows(&caller.account, &arn)) {
                return Err(denied(caller, GET_LAYER_VERSION, &arn));
            }
        }
        check_region(caller, &key)?;
        let record = record.ok_or_else(no_such_version)?;
        let code = Digest::from_base64(&record.code_sha256).ok();
        Ok(record.shown(&key, number, code.map(|code| self.location(caller, &code))))
    }

    pub(crate) async fn list_layer_versions(
        &self,
        caller: &Caller,
        input: ListLayerVersionsRequest,
    ) -> Result<ListLayerVersionsResponse, ServiceError> {
        check_listed(input.compatible_runtime.as_ref())?;
        let key = own_layer(caller, &input.layer_name, "lambda:ListLayerVersions")?;
        let compatible = narrowed(input.compatible_runtime, input.compatible_architecture);
        let limit = list::page_size(input.max_items);
        let from = list::begin(input.marker.as_deref())?
            .parse()
            .unwrap_or(u64::MAX);
        let owned = key.clone();
        let mut page = self
            .registry
            .read(move |tables| tables.layer_versions(&owned, &compatible, from, limit + 1))
            .await?;
        let next_marker = (page.len() > limit).then(|| page.pop()).flatten();
        let versions = page
            .into_iter()
            .map(|(number, record)| record.listed(&key, number))
            .collect();
        Ok(ListLayerVersionsResponse {
            next_marker: next_marker.map(|(number, _)| list::marker(&number.to_string())),
            layer_versions: Some(versions),
        })
    }

    pub(crate) async fn list_layers(
        &self,
        caller: &Caller,
        input: ListLayersRequest,
    ) -> Result<ListLayersResponse, ServiceError> {
        check_listed(input.compatible_runtime.as_ref())?;
        let compatible = narrowed(input.compatible_runtime, input.compatible_architecture);
        let limit = list::page_size(input.max_items);
        let from = list::begin(input.marker.as_deref())?;
        let (account, region) = (caller.account.clone(), caller.region.clone());
        let mut page = self
            .registry
            .read(move |tables| tables.layers((&account, &region), &compatible, &from, limit + 1))
            .await?;
        let next_marker = (page.len() > limit).then(|| page.pop()).flatten();
        let layers = page
            .into_iter()
            .map(|(name, number, record)| {
                let key = LayerKey::named(caller, &name);
                LayersListItem {
                    layer_arn: Some(key.arn()),
                    layer_name: Some(name),
                    latest_matching_version: Some(record.listed(&key, number)),
                }
            })
            .collect();
        Ok(ListLayersResponse {
            next_marker: next_marker.map(|(name, ..)| list::marker(&name)),
            layers: Some(layers),
        })
    }

    /// There need not be such a version, nor such a layer.
    pub(crate) async fn delete_layer_version(
        &self,
        caller: &Caller,
        input: DeleteLayerVersionRequest,
    ) -> Result<(), ServiceError> {
        let key = own_layer(caller, &input.layer_name, "lambda:DeleteLayerVersion")?;
        let number = version_number(input.version_number)?;
        let deleted = self
            .registry
            .write_apart(move |tables| tables.delete_layer_version(&key, number))
            .await?;
        if let Some(code) = deleted.and_then(|code| Digest::from_base64(&code).ok()) {
            self.code.reconsider(code);
        }
        Ok(())
    }
}

/// A layer that the caller may change: one of his own account, in his region.
pub(super) fn own_layer(
    caller: &Caller,
    name: &str,
    action: &str,
) -> Result<LayerKey, ServiceError> {
    let key = LayerKey::named(caller, name);
    if key.account != caller.account {
        return Err(denied(caller, action, &key.arn()));
    }
    check_region(caller, &key)?;
    Ok(key)
}

fn check_region(caller: &Caller, key: &LayerKey) -> Result<(), ServiceError> {
    if key.region == caller.region {
        return Ok(());
    }
    Err(errors::resource_not_found_exception(format!(
        "Layers from '{}' are not reachable in this region ('{}')",
        key.region, caller.region
    )))
}

/// A version's number, which counts from 1.
pub(super) fn version_number(asked: i64) -> Result<u64, ServiceError> {
    match u64::try_from(asked) {
        Ok(number @ 1..) => Ok(number),
        _ => Err(errors::invalid_parameter_value_exception(
            "Layer Version Cannot be less than 1",
        )),
    }
}

fn no_such_version() -> ServiceError {
    errors::resource_not_found_exception("The resource you requested does not exist.")
}

fn narrowed(runtime: Option<Runtime>, architecture: Option<Architecture>) -> Compatible {
    Compatible {
        runtime: runtime.map(|runtime| runtime.as_str().to_owned()),
        architecture: architecture.map(|architecture| architecture.as_str().to_owned()),
    }
}

fn none_of(runtimes: &[&str]) -> String {
    format!(
        "Member must satisfy enum value set: [{}]",
        runtimes.join(", ")
    )
}

/// Refuses runtimes and architectures that there are not, in AWS's words, which differ from those
/// of other operations.
fn check_declared(
    runtimes: Option<&Vec<Runtime>>,
    architectures: Option<&Vec<Architecture>>,
) -> Result<(), ServiceError> {
    let mut found = Violations::default();
    if let Some(runtimes) = runtimes {
        let names: Vec<&str> = runtimes.iter().map(Runtime::as_str).collect();
        let shown = format!("[{}]", names.join(", "));
        let place = Place::ROOT.member("compatibleRuntimes");
        if runtimes.len() > RUNTIME_LIMIT {
            let broken = format!("Member must have length less than or equal to {RUNTIME_LIMIT}");
            found.add(&place, Some(&shown), &broken);
        }
        if !runtimes.iter().all(Runtime::is_known) {
            found.add(&place, Some(&shown), &none_of(&SUPPORTED));
        }
    }
    let size = Size {
        min: Some(0),
        max: Some(2),
    };
    found.list(
        &Place::ROOT,
        "compatibleArchitectures",
        architectures,
        size,
        &Choice,
    );
    found.verdict().map_err(ServiceError::validation)
}

/// Refuses a runtime that lists cannot be narrowed to.
fn check_listed(runtime: Option<&Runtime>) -> Result<(), ServiceError> {
    let Some(runtime) = runtime else {
        return Ok(());
    };
    if runtime.is_known() || LISTED.contains(&runtime.as_str()) {
        return Ok(());
    }
    let mut found = Violations::default();
    let place = Place::ROOT.member("compatibleRuntime");
    found.add(&place, Some(runtime.as_str()), &none_of(&LISTED));
    found.verdict().map_err(ServiceError::validation)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_layer_declares_is_checked_together() {
        let runtimes = vec![Runtime::from("cobol"), Runtime::from("nodejs20.x")];
        let architectures = vec![Architecture::from("mips")];
        let error = check_declared(Some(&runtimes), Some(&architectures)).unwrap_err();
        let message = error.message.unwrap();
        assert!(
            message.starts_with(
                "2 validation errors detected: Value '[cobol, nodejs20.x]' at \
                 'compatibleRuntimes' failed to satisfy constraint: Member must satisfy enum \
                 value set: [nodejs20.x, python3.14,"
            ),
            "{message}"
        );
        assert!(
            message.ends_with(
                "; Value '[mips]' at 'compatibleArchitectures' failed to satisfy constraint: \
                 Member must satisfy constraint: [Member must satisfy enum value set: [x86_64, \
                 arm64], Member must not be null]"
            ),
            "{message}"
        );
        let deprecated = vec![Runtime::from("provided")];
        assert_eq!(check_declared(Some(&deprecated), None), Ok(()));
    }

    #[test]
    fn versions_count_from_one() {
        assert!(version_number(0).is_err());
        assert!(version_number(-1).is_err());
        assert_eq!(version_number(1), Ok(1));
    }
}
