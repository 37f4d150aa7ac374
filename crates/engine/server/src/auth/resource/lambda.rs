//! Functions, layers, code signing configurations.

use ids::{Arn, FunctionRef, Qualifier};
use wire::lambda::InvocationRequest;
use wire::{Call, Caller};

use super::Resource;
use crate::auth::fields::Fields;

/// Operations about what has tags, by its ARN.
const ABOUT_TAGGED: [&str; 3] = ["ListTags", "TagResource", "UntagResource"];

/// Those about a code signing configuration, by its ARN.
const ABOUT_CODE_SIGNING: [&str; 4] = [
    "DeleteCodeSigningConfig",
    "GetCodeSigningConfig",
    "ListFunctionsByCodeSigningConfig",
    "UpdateCodeSigningConfig",
];

/// Those about a layer.
const ABOUT_LAYERS: [&str; 2] = ["ListLayerVersions", "PublishLayerVersion"];

/// Those about a version of a layer.
const ABOUT_LAYER_VERSIONS: [&str; 5] = [
    "AddLayerVersionPermission",
    "DeleteLayerVersion",
    "GetLayerVersion",
    "GetLayerVersionPolicy",
    "RemoveLayerVersionPermission",
];

/// Those about a version of a layer, by its ARN.
const ABOUT_LAYER_VERSIONS_BY_ARN: [&str; 1] = ["GetLayerVersionByArn"];

/// Those about an event source mapping, by its UUID.
const ABOUT_MAPPINGS: [&str; 3] = [
    "DeleteEventSourceMapping",
    "GetEventSourceMapping",
    "UpdateEventSourceMapping",
];

/// Those about a function that the request's document names.
const ABOUT_NEW_FUNCTIONS: [&str; 1] = ["CreateFunction"];

/// Those about a function as a whole, whatever qualifier its name has.
const ABOUT_FUNCTIONS: [&str; 20] = [
    "CreateAlias",
    "DeleteAlias",
    "DeleteFunctionCodeSigningConfig",
    "DeleteFunctionConcurrency",
    "GetAlias",
    "GetFunctionCodeSigningConfig",
    "GetFunctionConcurrency",
    "GetFunctionRecursionConfig",
    "ListAliases",
    "ListFunctionEventInvokeConfigs",
    "ListFunctionUrlConfigs",
    "ListProvisionedConcurrencyConfigs",
    "ListVersionsByFunction",
    "PublishVersion",
    "PutFunctionCodeSigningConfig",
    "PutFunctionConcurrency",
    "PutFunctionRecursionConfig",
    "UpdateAlias",
    "UpdateFunctionCode",
    "UpdateFunctionConfiguration",
];

/// Those about a function, or about what its name or the parameter `Qualifier` says of it.
const ABOUT_VERSIONS: [&str; 21] = [
    "AddPermission",
    "CreateFunctionUrlConfig",
    "DeleteFunction",
    "DeleteFunctionEventInvokeConfig",
    "DeleteFunctionUrlConfig",
    "DeleteProvisionedConcurrencyConfig",
    "GetFunction",
    "GetFunctionConfiguration",
    "GetFunctionEventInvokeConfig",
    "GetFunctionUrlConfig",
    "GetPolicy",
    "GetProvisionedConcurrencyConfig",
    "GetRuntimeManagementConfig",
    "Invoke",
    "InvokeWithResponseStream",
    "PutFunctionEventInvokeConfig",
    "PutProvisionedConcurrencyConfig",
    "PutRuntimeManagementConfig",
    "RemovePermission",
    "UpdateFunctionEventInvokeConfig",
    "UpdateFunctionUrlConfig",
];

pub(super) fn of(operation: &str, fields: &Fields<'_>, caller: &Caller) -> Resource {
    let is = |table: &[&str]| table.contains(&operation);
    let arn = if is(&ABOUT_VERSIONS) {
        let qualifier = fields.query("Qualifier");
        fields.label(0).and_then(|name| {
            let name: FunctionRef = name.parse().ok()?;
            let qualifier = qualifier.or_else(|| name.qualifier.clone());
            Some(function(&name, qualifier.as_deref(), caller))
        })
    } else if is(&ABOUT_FUNCTIONS) {
        fields
            .label(0)
            .and_then(|name| bare_function(&name, caller))
    } else if is(&ABOUT_NEW_FUNCTIONS) {
        let name = fields.text("FunctionName");
        name.and_then(|name| bare_function(&name, caller))
    } else if is(&ABOUT_LAYERS) {
        fields.label(0).map(|name| layer(&name, caller))
    } else if is(&ABOUT_LAYER_VERSIONS) {
        fields.label(0).map(|name| {
            let version = fields.label(1).unwrap_or_default();
            format!("{}:{}", layer(&name, caller), number(&version))
        })
    } else if is(&ABOUT_LAYER_VERSIONS_BY_ARN) {
        fields.query("Arn").map(layer_version)
    } else if is(&ABOUT_CODE_SIGNING) {
        fields.label(0).map(code_signing_config)
    } else if is(&ABOUT_TAGGED) {
        fields.label(0).map(|arn| tagged(arn, caller))
    } else if is(&ABOUT_MAPPINGS) {
        let id = fields.label(0);
        id.map(|id| in_lambda(caller, format!("event-source-mapping:{id}")))
    } else {
        None
    };
    arn.map_or_else(Resource::all, Resource::new)
}

/// The function that a call within the engine is about.
pub(super) fn of_call(call: &Call) -> Option<String> {
    let input = call.input.downcast_ref::<InvocationRequest>()?;
    let name: FunctionRef = input.function_name.parse().ok()?;
    let qualifier = input.qualifier.clone().or_else(|| name.qualifier.clone());
    Some(function(&name, qualifier.as_deref(), &call.caller))
}

fn in_lambda(caller: &Caller, resource: String) -> String {
    Arn::new("lambda", &caller.region, &caller.account, resource).to_string()
}

fn bare_function(name: &str, caller: &Caller) -> Option<String> {
    Some(function(&name.parse().ok()?, None, caller))
}

fn function(name: &FunctionRef, qualifier: Option<&str>, caller: &Caller) -> String {
    let region = name.region.as_deref().unwrap_or(&caller.region);
    let account = name.account.as_deref().unwrap_or(&caller.account);
    let mut resource = format!("function:{}", name.name);
    if let Some(qualifier) = qualifier {
        resource.push(':');
        resource.push_str(&Qualifier::parse(qualifier).to_string());
    }
    Arn::new("lambda", region, account, resource).to_string()
}

/// A layer that is named by its name or ARN.
fn layer(name: &str, caller: &Caller) -> String {
    let of_arn = name.parse::<Arn>().ok();
    of_arn
        .filter(|arn| arn.resource.starts_with("layer:"))
        .map_or_else(|| in_lambda(caller, format!("layer:{name}")), here)
}

/// A layer version that is named by its ARN.
pub(in crate::auth) fn layer_version(text: String) -> String {
    let Ok(mut arn) = text.parse::<Arn>() else {
        return text;
    };
    if let Some((layer, version)) = arn.resource.rsplit_once(':') {
        arn.resource = format!("{layer}:{}", number(version));
    }
    here(arn)
}

/// A code signing configuration that is named by its ARN.
pub(in crate::auth) fn code_signing_config(text: String) -> String {
    let Ok(mut arn) = text.parse::<Arn>() else {
        return text;
    };
    if let Some((_, id)) = arn.resource.split_once(':') {
        arn.resource = format!("code-signing-config:{id}");
    }
    here(arn)
}

/// What has tags, named by its ARN.
fn tagged(text: String, caller: &Caller) -> String {
    let Ok(arn) = text.parse::<Arn>() else {
        return text;
    };
    match arn.resource.split(':').next() {
        Some("function") => bare_function(&text, caller).unwrap_or_else(|| here(arn)),
        _ => here(arn),
    }
}

/// The ARN that the engine gives it: there is one partition, and everything is Lambda's.
fn here(arn: Arn) -> String {
    Arn::new("lambda", &arn.region, &arn.account, arn.resource).to_string()
}

/// A number as the engine writes it.
fn number(text: &str) -> String {
    text.parse()
        .map_or_else(|_| text.to_owned(), |number: u64| number.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::resource::tests::{assert_complete, caller};
    use bytes::Bytes;
    use http::{Method, Request as HttpRequest};
    use wire::lambda::LambdaOperation;
    use wire::protocol::Request;
    use wire::{Named as _, Service};

    fn of_lambda(method: &str, uri: &str) -> String {
        let request = HttpRequest::builder()
            .method(method)
            .uri(uri)
            .body(())
            .unwrap();
        let parts = request.into_parts().0;
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let (operation, labels) = LambdaOperation::route(&method, &parts.uri).unwrap();
        let request = Request {
            parts: &parts,
            labels,
            body: Bytes::new(),
        };
        let fields = Fields::of(Service::Lambda, &request, false);
        of(operation.name(), &fields, &caller()).arn
    }

    #[test]
    fn functions_and_layers_are_named_as_aws_names_them() {
        let f = "arn:aws:lambda:eu-west-1:111122223333:function:f";
        for (method, uri, expected) in [
            ("GET", "/2015-03-31/functions/f", f.to_owned()),
            (
                "POST",
                "/2015-03-31/functions/f/invocations?Qualifier=prod",
                format!("{f}:prod"),
            ),
            (
                "POST",
                "/2015-03-31/functions/f%3Aprod/invocations",
                format!("{f}:prod"),
            ),
            (
                "GET",
                "/2015-03-31/functions/arn%3Aaws%3Alambda%3Aus-east-1%3A444455556666%3Afunction%3Ag",
                "arn:aws:lambda:us-east-1:444455556666:function:g".to_owned(),
            ),
            ("GET", "/2015-03-31/functions/", "*".to_owned()),
            (
                "GET",
                "/2018-10-31/layers/l/versions/3",
                "arn:aws:lambda:eu-west-1:111122223333:layer:l:3".to_owned(),
            ),
            (
                "POST",
                "/2018-10-31/layers/l/versions",
                "arn:aws:lambda:eu-west-1:111122223333:layer:l".to_owned(),
            ),
            (
                "GET",
                "/2018-10-31/layers?find=LayerVersion&Arn=arn%3Aaws-cn%3Alambda%3Aeu-west-1%3A111122223333%3Alayer%3Al%3A%2B03",
                "arn:aws:lambda:eu-west-1:111122223333:layer:l:3".to_owned(),
            ),
            (
                "DELETE",
                "/2018-10-31/layers/arn%3Aaws-cn%3As3%3Aeu-west-1%3A111122223333%3Alayer%3Al/versions/03",
                "arn:aws:lambda:eu-west-1:111122223333:layer:l:3".to_owned(),
            ),
            (
                "POST",
                "/2015-03-31/functions/arn%3Aaws-cn%3Alambda%3Aeu-west-1%3A111122223333%3Afunction%3Af/invocations?Qualifier=01",
                format!("{f}:1"),
            ),
            // The parameter is none of this operation's, which is about the whole function.
            (
                "PUT",
                "/2015-03-31/functions/f%3Aprod/code?Qualifier=x",
                f.to_owned(),
            ),
            (
                "DELETE",
                "/2020-04-22/code-signing-configs/arn%3Aaws-cn%3As3%3Aeu-west-1%3A111122223333%3Afunction%3Acsc-1",
                "arn:aws:lambda:eu-west-1:111122223333:code-signing-config:csc-1".to_owned(),
            ),
            (
                "POST",
                "/2017-03-31/tags/arn%3Aaws-cn%3Alambda%3Aeu-west-1%3A111122223333%3Afunction%3Af%3Aprod",
                f.to_owned(),
            ),
            (
                "POST",
                "/2017-03-31/tags/arn%3Aaws-cn%3As3%3Aeu-west-1%3A111122223333%3Acode-signing-config%3Ac",
                "arn:aws:lambda:eu-west-1:111122223333:code-signing-config:c".to_owned(),
            ),
            (
                "GET",
                "/2017-03-31/tags/arn%3Aaws%3Alambda%3Aeu-west-1%3A111122223333%3Afunction%3Af",
                f.to_owned(),
            ),
        ] {
            assert_eq!(of_lambda(method, uri), expected, "{uri}");
        }
    }

    /// All others, which are about no resource.
    const ABOUT_NONE: [&str; 7] = [
        "CreateCodeSigningConfig",
        "CreateEventSourceMapping",
        "GetAccountSettings",
        "ListCodeSigningConfigs",
        "ListEventSourceMappings",
        "ListFunctions",
        "ListLayers",
    ];

    #[test]
    fn every_operation_stands_in_one_table() {
        let tables: [&[&str]; 10] = [
            &ABOUT_NONE,
            &ABOUT_TAGGED,
            &ABOUT_CODE_SIGNING,
            &ABOUT_LAYERS,
            &ABOUT_LAYER_VERSIONS,
            &ABOUT_LAYER_VERSIONS_BY_ARN,
            &ABOUT_MAPPINGS,
            &ABOUT_NEW_FUNCTIONS,
            &ABOUT_FUNCTIONS,
            &ABOUT_VERSIONS,
        ];
        assert_complete(Service::Lambda, &tables);
    }
}
