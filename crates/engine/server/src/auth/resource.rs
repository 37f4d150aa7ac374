//! Which resources an operation is about.
//!
//! The forms are those of the Service Authorization Reference and of AWS's own messages:
//! <https://docs.aws.amazon.com/service-authorization/latest/reference/reference.html>.

use iam::Iam;
use ids::{Arn, FunctionRef};
use wire::{Caller, Service, ServiceError};

use super::fields::Fields;

/// A resource, by the ARN that messages name, and further ones that policies may name it by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Resource {
    pub(super) arn: String,
    pub(super) also: Vec<String>,
}

impl Resource {
    fn new(arn: impl Into<String>) -> Self {
        Self {
            arn: arn.into(),
            also: Vec::new(),
        }
    }

    /// For actions that know no resources.
    fn all() -> Self {
        Self::new("*")
    }

    /// Every ARN that it goes by.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        std::iter::once(&self.arn)
            .chain(&self.also)
            .map(String::as_str)
    }
}

/// The resources of `operation`; each of them must be permitted.
pub(super) async fn of(
    service: Service,
    operation: &str,
    fields: &Fields<'_>,
    caller: &Caller,
    iam: &Iam,
) -> Result<Vec<Resource>, ServiceError> {
    Ok(match service {
        Service::Lambda => vec![lambda(operation, fields, caller)],
        Service::Logs => logs(operation, fields, caller),
        Service::Iam => vec![identity(operation, fields, caller, iam).await?],
        Service::Sts | Service::States | Service::S3 | Service::Sqs => vec![Resource::all()],
    })
}

/// Operations of Lambda that are about no resource.
const ABOUT_NONE: [&str; 7] = [
    "CreateCodeSigningConfig",
    "CreateEventSourceMapping",
    "GetAccountSettings",
    "ListCodeSigningConfigs",
    "ListEventSourceMappings",
    "ListFunctions",
    "ListLayers",
];

/// Those whose path names the resource by its ARN.
const BY_ARN: [&str; 7] = [
    "DeleteCodeSigningConfig",
    "GetCodeSigningConfig",
    "ListFunctionsByCodeSigningConfig",
    "ListTags",
    "TagResource",
    "UntagResource",
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

/// Those about an event source mapping, by its UUID.
const ABOUT_MAPPINGS: [&str; 3] = [
    "DeleteEventSourceMapping",
    "GetEventSourceMapping",
    "UpdateEventSourceMapping",
];

/// All others are about the function that their path names.
fn lambda(operation: &str, fields: &Fields<'_>, caller: &Caller) -> Resource {
    let arn = match operation {
        "CreateFunction" => fields
            .text("FunctionName")
            .and_then(|name| function(&name, None, caller)),
        "GetLayerVersionByArn" => fields.query("Arn"),
        _ if ABOUT_NONE.contains(&operation) => None,
        _ if BY_ARN.contains(&operation) => fields.label(0),
        _ if ABOUT_LAYERS.contains(&operation) => layer(fields.label(0), None, caller),
        _ if ABOUT_LAYER_VERSIONS.contains(&operation) => {
            layer(fields.label(0), fields.label(1), caller)
        }
        _ if ABOUT_MAPPINGS.contains(&operation) => fields
            .label(0)
            .map(|id| in_lambda(caller, format!("event-source-mapping:{id}"))),
        _ => fields
            .label(0)
            .and_then(|name| function(&name, fields.query("Qualifier"), caller)),
    };
    arn.map_or_else(Resource::all, Resource::new)
}

fn in_lambda(caller: &Caller, resource: String) -> String {
    Arn::new("lambda", &caller.region, &caller.account, resource).to_string()
}

fn function(name: &str, qualifier: Option<String>, caller: &Caller) -> Option<String> {
    let function: FunctionRef = name.parse().ok()?;
    let region = function.region.as_deref().unwrap_or(&caller.region);
    let account = function.account.as_deref().unwrap_or(&caller.account);
    let mut resource = format!("function:{}", function.name);
    if let Some(qualifier) = qualifier.or(function.qualifier) {
        resource.push(':');
        resource.push_str(&qualifier);
    }
    Some(Arn::new("lambda", region, account, resource).to_string())
}

fn layer(name: Option<String>, version: Option<String>, caller: &Caller) -> Option<String> {
    let name = name?;
    let mut arn = if name.starts_with("arn:") {
        name
    } else {
        in_lambda(caller, format!("layer:{name}"))
    };
    if let Some(version) = version {
        arn.push(':');
        arn.push_str(&version);
    }
    Some(arn)
}

fn logs(operation: &str, fields: &Fields<'_>, caller: &Caller) -> Vec<Resource> {
    let in_logs =
        |resource: String| Arn::new("logs", &caller.region, &caller.account, resource).to_string();
    let base = |group: &str| {
        if group.starts_with("arn:") {
            group.trim_end_matches(":*").to_owned()
        } else {
            in_logs(format!("log-group:{group}"))
        }
    };
    // Messages name a group as if it were all of its streams; policies name it by either form.
    let group = |group: &str| Resource {
        arn: format!("{}:log-stream:", base(group)),
        also: vec![base(group)],
    };
    match operation {
        "TestMetricFilter" => vec![Resource::all()],
        "ListTagsForResource" | "TagResource" | "UntagResource" => fields
            .text("resourceArn")
            .map_or_else(|| vec![Resource::all()], |arn| vec![group(&arn)]),
        "StartLiveTail" => fields
            .texts("logGroupIdentifiers")
            .iter()
            .map(|name| group(name))
            .collect(),
        _ => {
            let name = fields
                .text("logGroupName")
                .or_else(|| fields.text("logGroupIdentifier"))
                .unwrap_or_default();
            match (operation, fields.text("logStreamName")) {
                ("DeleteLogStream" | "GetLogEvents" | "PutLogEvents", Some(stream)) => {
                    vec![Resource::new(format!(
                        "{}:log-stream:{stream}",
                        base(&name)
                    ))]
                }
                _ => vec![group(&name)],
            }
        }
    }
}

async fn identity(
    operation: &str,
    fields: &Fields<'_>,
    caller: &Caller,
    iam: &Iam,
) -> Result<Resource, ServiceError> {
    let account = &caller.account;
    let path = || fields.text("Path").unwrap_or_else(|| "/".to_owned());
    let made = |kind: &str, name: &str| {
        let name = fields.text(name).unwrap_or_default();
        format!("arn:aws:iam::{account}:{kind}{}{name}", path())
    };
    let arn = match operation {
        "CreateRole" => made("role", "RoleName"),
        "CreateUser" => made("user", "UserName"),
        "CreatePolicy" => made("policy", "PolicyName"),
        "CreateServiceLinkedRole" => {
            let service = fields.text("AWSServiceName").unwrap_or_default();
            format!("arn:aws:iam::{account}:role/aws-service-role/{service}/*")
        }
        "ListRoles" => format!("arn:aws:iam::{account}:role/"),
        "ListUsers" => format!("arn:aws:iam::{account}:user/"),
        "ListPolicies" => format!("arn:aws:iam::{account}:policy/"),
        "SimulatePrincipalPolicy" => fields.text("PolicySourceArn").unwrap_or_default(),
        _ => {
            if let Some(role) = fields.text("RoleName") {
                iam.role_arn(account, &role).await?
            } else if let Some(user) = fields.text("UserName") {
                iam.user_arn(account, &user).await?
            } else if let Some(arn) = fields.text("PolicyArn") {
                arn
            } else if operation.ends_with("User") || operation.contains("AccessKey") {
                // Without a name they are about whoever calls.
                iam.own_arn(caller).await?
            } else {
                "*".to_owned()
            }
        }
    };
    Ok(Resource::new(arn))
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use http::{Method, Request as HttpRequest};
    use ids::{RequestId, SeededEntropy};
    use wire::lambda::LambdaOperation;
    use wire::protocol::Request;
    use wire::route::Labels;
    use wire::{Named as _, Principal};

    fn caller() -> Caller {
        Caller {
            account: "111122223333".into(),
            region: "eu-west-1".into(),
            principal: Principal::Account {
                access_key_id: "X".into(),
            },
            request_id: RequestId::draw(&SeededEntropy::new(1)),
        }
    }

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
        lambda(operation.name(), &fields, &caller()).arn
    }

    fn of_logs(operation: &str, body: &'static str) -> Vec<Resource> {
        let parts = HttpRequest::new(()).into_parts().0;
        let request = Request {
            parts: &parts,
            labels: Labels::default(),
            body: Bytes::from_static(body.as_bytes()),
        };
        logs(
            operation,
            &Fields::of(Service::Logs, &request, true),
            &caller(),
        )
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
                "/2017-03-31/tags/arn%3Aaws%3Alambda%3Aeu-west-1%3A111122223333%3Afunction%3Af",
                f.to_owned(),
            ),
        ] {
            assert_eq!(of_lambda(method, uri), expected, "{uri}");
        }
    }

    #[test]
    fn the_tables_name_operations_that_there_are() {
        let tables = ABOUT_NONE
            .iter()
            .chain(&BY_ARN)
            .chain(&ABOUT_LAYERS)
            .chain(&ABOUT_LAYER_VERSIONS)
            .chain(&ABOUT_MAPPINGS);
        for operation in tables {
            assert!(LambdaOperation::named(operation).is_some(), "{operation}");
        }
    }

    #[test]
    fn log_groups_go_by_two_forms_and_streams_by_one() {
        let group = "arn:aws:logs:eu-west-1:111122223333:log-group:/aws/lambda/f";
        let found = of_logs(
            "CreateLogStream",
            r#"{"logGroupName": "/aws/lambda/f", "logStreamName": "s"}"#,
        );
        assert_eq!(found[0].arn, format!("{group}:log-stream:"));
        assert_eq!(found[0].also, [group]);
        let found = of_logs(
            "PutLogEvents",
            r#"{"logGroupName": "/aws/lambda/f", "logStreamName": "s"}"#,
        );
        assert_eq!(found[0].arn, format!("{group}:log-stream:s"));
        let found = of_logs(
            "StartLiveTail",
            r#"{"logGroupIdentifiers": ["arn:aws:logs:eu-west-1:111122223333:log-group:/aws/lambda/f:*", "b"]}"#,
        );
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].also, [group]);
    }
}
