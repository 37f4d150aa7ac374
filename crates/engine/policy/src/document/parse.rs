//! From JSON to a policy, with IAM's complaints in IAM's order: the form of the whole document
//! before the sense of any part.

use std::collections::HashSet;

use serde_json::{Map, Value};

use super::{Effect, Kind, Of, Policy, Statement, resource};
use crate::PolicyError;
use crate::condition::Condition;
use crate::pattern::{Pattern, Reach};
use crate::principal::Named;

type Object = Map<String, Value>;

/// The version that knows variables.
const CURRENT: &str = "2012-10-17";
const OLD: &str = "2008-10-17";

const STATEMENT_ELEMENTS: [&str; 9] = [
    "Sid",
    "Effect",
    "Principal",
    "NotPrincipal",
    "Action",
    "NotAction",
    "Resource",
    "NotResource",
    "Condition",
];

pub(super) fn policy(text: &str, kind: Kind) -> Result<Policy, PolicyError> {
    let document: Value = serde_json::from_str(text).map_err(|_| match kind {
        Kind::Trust => PolicyError::Json,
        Kind::Identity | Kind::Resource => PolicyError::Syntax,
    })?;
    let document = document.as_object().ok_or(PolicyError::Syntax)?;
    let known = |name: &String| ["Version", "Id", "Statement"].contains(&name.as_str());
    let id_is_text = document.get("Id").is_none_or(Value::is_string);
    if !document.keys().all(known) || !id_is_text {
        return Err(PolicyError::Syntax);
    }
    let version = match document.get("Version") {
        None => OLD,
        Some(Value::String(version)) if [CURRENT, OLD].contains(&version.as_str()) => version,
        Some(_) => return Err(PolicyError::Syntax),
    };
    let statements: Vec<&Object> = match document.get("Statement") {
        Some(Value::Object(one)) => vec![one],
        Some(Value::Array(list)) if !list.is_empty() => list
            .iter()
            .map(|statement| statement.as_object().ok_or(PolicyError::Syntax))
            .collect::<Result<_, _>>()?,
        _ => return Err(PolicyError::Syntax),
    };
    for statement in &statements {
        check_form(statement)?;
    }
    if kind == Kind::Identity && version != CURRENT {
        return Err(PolicyError::Version);
    }
    let mut sids = HashSet::new();
    for sid in statements.iter().filter_map(|s| s.get("Sid")?.as_str()) {
        // Policies of resources, which services write, carry ids of all kinds.
        if kind != Kind::Resource && !sid.bytes().all(|b| b.is_ascii_alphanumeric()) {
            return Err(PolicyError::Sid);
        }
        if !sid.is_empty() && !sids.insert(sid) {
            return Err(PolicyError::DuplicateSid);
        }
    }
    let variables = version == CURRENT;
    Ok(Policy {
        statements: statements
            .into_iter()
            .map(|object| statement(object, kind, variables))
            .collect::<Result<_, _>>()?,
    })
}

/// Elements that there are, of the types that they have.
fn check_form(statement: &Object) -> Result<(), PolicyError> {
    let has = |name: &str| statement.contains_key(name);
    let known = |name: &String| STATEMENT_ELEMENTS.contains(&name.as_str());
    let twice = ["Principal", "Action", "Resource"]
        .into_iter()
        .any(|name| has(name) && has(&format!("Not{name}")));
    let effect = matches!(
        statement.get("Effect").and_then(Value::as_str),
        Some("Allow" | "Deny")
    );
    let sid = statement.get("Sid").is_none_or(Value::is_string);
    if twice || !effect || !sid || !statement.keys().all(known) {
        return Err(PolicyError::Syntax);
    }
    Ok(())
}

fn statement(object: &Object, kind: Kind, variables: bool) -> Result<Statement, PolicyError> {
    let has = |name: &str| object.contains_key(name) || object.contains_key(&format!("Not{name}"));
    match kind {
        Kind::Trust if has("Resource") => return Err(PolicyError::ProhibitedResource),
        Kind::Identity if has("Principal") => return Err(PolicyError::ProhibitedPrincipal),
        Kind::Trust | Kind::Resource if !has("Principal") => return Err(PolicyError::NoPrincipal),
        _ => {}
    }
    let actions = of(object, "Action", |value| {
        let actions = texts(value)?;
        if actions.is_empty() {
            return Err(PolicyError::NoAction);
        }
        let actions = actions.into_iter().map(|text| action(text, kind));
        actions.collect()
    })?
    .ok_or(PolicyError::NoAction)?;
    let resources = of(object, "Resource", |value| {
        let patterns = texts(value)?;
        if patterns.is_empty() {
            return Err(PolicyError::NoResource);
        }
        patterns
            .into_iter()
            .map(|text| {
                resource::check(text)?;
                Ok(Pattern::parse(text, Reach::Resource, variables))
            })
            .collect()
    })?;
    let principals = of(object, "Principal", principals)?;
    if resources.is_none() && kind != Kind::Trust {
        return Err(PolicyError::NoResource);
    }
    let conditions = match object.get("Condition") {
        None => Vec::new(),
        Some(Value::Object(operators)) => conditions(operators, variables)?,
        Some(_) => return Err(PolicyError::Syntax),
    };
    Ok(Statement {
        sid: object.get("Sid").and_then(Value::as_str).map(str::to_owned),
        effect: match object.get("Effect").and_then(Value::as_str) {
            Some("Allow") => Effect::Allow,
            _ => Effect::Deny,
        },
        principals,
        actions,
        resources,
        conditions,
    })
}

/// The element `name`, or its opposite `Not…`.
fn of<T>(
    object: &Object,
    name: &str,
    read: impl Fn(&Value) -> Result<Vec<T>, PolicyError>,
) -> Result<Option<Of<T>>, PolicyError> {
    if let Some(value) = object.get(name) {
        return read(value).map(|list| Some(Of::Any(list)));
    }
    match object.get(&format!("Not{name}")) {
        Some(value) => read(value).map(|list| Some(Of::Not(list))),
        None => Ok(None),
    }
}

/// A text or a list of texts.
fn texts(value: &Value) -> Result<Vec<&str>, PolicyError> {
    match value {
        Value::String(one) => Ok(vec![one]),
        Value::Array(list) => list
            .iter()
            .map(|item| item.as_str().ok_or(PolicyError::Syntax))
            .collect(),
        _ => Err(PolicyError::Syntax),
    }
}

fn action(text: &str, kind: Kind) -> Result<Pattern, PolicyError> {
    if text != "*" {
        let (vendor, name) = text.split_once(':').ok_or(PolicyError::NoVendor)?;
        if name.contains(':') {
            return Err(PolicyError::Colons);
        }
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.');
        if !vendor.chars().all(fits) {
            return Err(PolicyError::Vendor(vendor.to_owned()));
        }
    }
    if kind == Kind::Trust {
        let lower = text.to_ascii_lowercase();
        let about_sessions = [
            "sts:assumerole",
            "sts:tagsession",
            "sts:setsource",
            "sts:setcontext",
        ]
        .iter()
        .any(|allowed| lower.starts_with(allowed));
        if !about_sessions && lower != "sts:*" {
            return Err(PolicyError::TrustAction);
        }
    }
    Ok(Pattern::parse(text, Reach::Text, false).ignoring_case())
}

fn principals(value: &Value) -> Result<Vec<Named>, PolicyError> {
    let kinds = match value {
        Value::String(everyone) if everyone == "*" => return Ok(vec![Named::Everyone]),
        Value::Object(kinds) if !kinds.is_empty() => kinds,
        _ => return Err(PolicyError::Syntax),
    };
    let mut named = Vec::new();
    for (kind, value) in kinds {
        for text in texts(value)? {
            let wrong = || PolicyError::Principal {
                kind: kind.to_ascii_uppercase(),
                value: text.to_owned(),
            };
            named.push(match kind.as_str() {
                "AWS" => Named::aws(text).ok_or_else(wrong)?,
                "Service" if is_host(text) => Named::Service(text.to_owned()),
                "Service" => return Err(wrong()),
                "Federated" | "CanonicalUser" => Named::Other,
                _ => return Err(PolicyError::Syntax),
            });
        }
    }
    Ok(named)
}

/// Whether `text` has the form of a service's name: `lambda.amazonaws.com`, `lambda.alias.cafe.example`.
fn is_host(text: &str) -> bool {
    let label = |label: &str| {
        let fits = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
        !label.is_empty() && label.bytes().all(fits)
    };
    text.contains('.') && text.split('.').all(label)
}

fn conditions(operators: &Object, variables: bool) -> Result<Vec<Condition>, PolicyError> {
    let mut conditions = Vec::new();
    for (operator, keys) in operators {
        let keys = keys.as_object().ok_or(PolicyError::Syntax)?;
        for (key, values) in keys {
            let values = match values {
                Value::Array(list) => list.iter().map(scalar).collect::<Result<_, _>>()?,
                one => vec![scalar(one)?],
            };
            conditions.push(Condition::new(operator, key, &values, variables)?);
        }
    }
    Ok(conditions)
}

/// JSON's own booleans and numbers are as good as their texts.
fn scalar(value: &Value) -> Result<String, PolicyError> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Bool(_) | Value::Number(_) => Ok(value.to_string()),
        _ => Err(PolicyError::Syntax),
    }
}
