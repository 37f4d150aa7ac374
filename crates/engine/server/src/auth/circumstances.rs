//! What conditions may ask about a request.
//!
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html>

use std::net::IpAddr;

use http::header::USER_AGENT;
use http::request::Parts;
use iam::Authority;
use ids::Timestamp;
use policy::{Context, key};
use wire::{Caller, Service};

use super::fields::Fields;
use super::resource::{code_signing_config, layer_version};

/// Members whose value is that of a condition key, by service.
const MEMBERS: [(Service, &str, &str); 10] = [
    (
        Service::Lambda,
        "FunctionUrlAuthType",
        key::LAMBDA_FUNCTION_URL_AUTH_TYPE,
    ),
    (
        Service::Lambda,
        "AuthType",
        key::LAMBDA_FUNCTION_URL_AUTH_TYPE,
    ),
    (Service::Lambda, "Principal", key::LAMBDA_PRINCIPAL),
    (
        Service::Lambda,
        "CodeSigningConfigArn",
        "lambda:CodeSigningConfigArn",
    ),
    (Service::Iam, "PolicyArn", "iam:PolicyARN"),
    (
        Service::Iam,
        "PermissionsBoundary",
        "iam:PermissionsBoundary",
    ),
    (Service::Iam, "AWSServiceName", "iam:AWSServiceName"),
    (Service::Sts, "ExternalId", "sts:ExternalId"),
    (Service::Sts, "RoleSessionName", "sts:RoleSessionName"),
    (Service::Sts, "SourceIdentity", "sts:SourceIdentity"),
];

/// The circumstances of a call within the engine, which are also those of every request.
pub(super) fn within(caller: &Caller, authority: &Authority, now: Timestamp) -> Context {
    let mut context = Context::new();
    authority.describe(&mut context);
    let civil = now.civil();
    context.set(
        key::CURRENT_TIME,
        [civil.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()],
    );
    let seconds = now.0.div_euclid(1_000_000);
    context.set(key::EPOCH_TIME, [seconds.to_string()]);
    context.set(key::REQUESTED_REGION, [&*caller.region]);
    context
}

/// The circumstances of a request, but for the resource's tags.
pub(super) fn of(
    service: Service,
    fields: &Fields<'_>,
    caller: &Caller,
    authority: &Authority,
    parts: &Parts,
    peer: IpAddr,
    now: Timestamp,
) -> Context {
    let mut context = within(caller, authority, now);
    // A listener for IPv6 sees IPv4 in its clothes.
    context.set(key::SOURCE_IP, [peer.to_canonical().to_string()]);
    context.set(key::SECURE_TRANSPORT, ["false"]);
    if let Some(agent) = parts.headers.get(USER_AGENT) {
        let agent = String::from_utf8_lossy(agent.as_bytes());
        context.set(key::USER_AGENT, [agent]);
    }
    for (_, member, key) in MEMBERS.iter().filter(|(of, ..)| *of == service) {
        if let Some(value) = fields.text(member) {
            let value = match *member {
                "CodeSigningConfigArn" => code_signing_config(value),
                _ => value,
            };
            context.set(*key, [value]);
        }
    }
    let layers = fields.texts("Layers").into_iter().map(layer_version);
    let layers: Vec<String> = layers.collect();
    if !layers.is_empty() {
        context.set(key::LAMBDA_LAYER, layers);
    }
    let transitive = fields.texts("TransitiveTagKeys");
    if !transitive.is_empty() {
        context.set("sts:TransitiveTagKeys", transitive);
    }
    tags(service, fields, &mut context);
    context
}

/// The tags that the request brings, or takes away.
fn tags(service: Service, fields: &Fields<'_>, context: &mut Context) {
    let mut tags = fields.tags("Tags");
    tags.extend(fields.tags("tags"));
    let mut keys: Vec<String> = tags.iter().map(|(key, _)| key.clone()).collect();
    keys.extend(fields.texts("TagKeys"));
    if service == Service::Lambda {
        keys.extend(fields.queries("tagKeys"));
    } else {
        keys.extend(fields.texts("tagKeys"));
    }
    for (tag, value) in tags {
        context.set(format!("{}{tag}", key::REQUEST_TAG), [value]);
    }
    if !keys.is_empty() {
        context.set(key::TAG_KEYS, keys);
    }
}
