//! Permissions: statements of a queue's policy that are added and removed one by one.

use std::sync::Arc;

use serde_json::{Map, Value, json};
use wire::sqs::{AddPermissionRequest, RemovePermissionRequest};
use wire::{Caller, ServiceError};

use crate::attribute;
use crate::definition::Definition;
use crate::error::{invalid_value, over_limit};
use crate::queue::Queue;
use crate::service::Inner;

/// What may be permitted to others.
/// Source: <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_AddPermission.html>.
const ACTIONS: [&str; 7] = [
    "*",
    "ChangeMessageVisibility",
    "DeleteMessage",
    "GetQueueAttributes",
    "GetQueueUrl",
    "ReceiveMessage",
    "SendMessage",
];

/// How many actions one permission may name, and how many statements a policy may have.
const MAX_ACTIONS: usize = 7;
const MAX_STATEMENTS: usize = 20;

impl Inner {
    pub(crate) async fn add_permission(
        self: &Arc<Self>,
        caller: &Caller,
        input: AddPermissionRequest,
    ) -> Result<(), ServiceError> {
        let queue = self.queue(caller, input.queue_url.as_deref(), "AddPermission")?;
        let label = input.label.unwrap_or_default();
        check_label(&label)?;
        let actions = input.actions.unwrap_or_default();
        let unknown = actions
            .iter()
            .find(|action| !ACTIONS.contains(&action.as_str()));
        if let Some(action) = unknown {
            return Err(invalid_value(
                &format!("SQS:{action}"),
                "ActionName",
                "Please refer to the appropriate WSDL for a list of valid actions.",
            ));
        }
        if actions.len() > MAX_ACTIONS {
            return Err(over_limit(format!(
                "{} Actions were found, maximum allowed is {MAX_ACTIONS}.",
                actions.len()
            )));
        }
        let accounts = input.aws_account_ids.unwrap_or_default();
        let principals = accounts
            .iter()
            .map(|account| format!("arn:aws:iam::{account}:root"))
            .collect();
        let actions = actions
            .iter()
            .map(|action| format!("SQS:{action}"))
            .collect();
        let statement = json!({
            "Sid": label,
            "Effect": "Allow",
            "Principal": {"AWS": one_or_several(principals)},
            "Action": one_or_several(actions),
            "Resource": queue.key.arn(),
        });
        let mut policy = policy_of(&queue);
        self.redefine(queue, move |present| {
            if let Some(now) = attribute::policy_text(&present.given) {
                policy = serde_json::from_str(now).unwrap_or(policy);
            }
            let mut statements = take_statements(&mut policy);
            if statements
                .iter()
                .any(|statement| statement["Sid"] == label.as_str())
            {
                return Err(invalid_value(&label, "Label", "Already exists."));
            }
            if statements.len() >= MAX_STATEMENTS {
                return Err(over_limit(format!(
                    "A policy can have {MAX_STATEMENTS} statements at most."
                )));
            }
            statements.push(statement);
            policy.insert("Statement".to_owned(), statements.into());
            Ok(with(present, Some(&policy)))
        })
        .await
    }

    pub(crate) async fn remove_permission(
        self: &Arc<Self>,
        caller: &Caller,
        input: RemovePermissionRequest,
    ) -> Result<(), ServiceError> {
        let queue = self.queue(caller, input.queue_url.as_deref(), "RemovePermission")?;
        let label = input.label.unwrap_or_default();
        self.redefine(queue, move |present| {
            let text = attribute::policy_text(&present.given).unwrap_or("{}");
            let mut policy: Map<String, Value> = serde_json::from_str(text).unwrap_or_default();
            let mut statements = take_statements(&mut policy);
            let before = statements.len();
            statements.retain(|statement| statement["Sid"] != label.as_str());
            if statements.len() == before {
                return Err(invalid_value(&label, "Label", "can't find label."));
            }
            let is_left = !statements.is_empty();
            policy.insert("Statement".to_owned(), statements.into());
            Ok(with(present, is_left.then_some(&policy)))
        })
        .await
    }
}

/// A policy for a queue that has none.
fn policy_of(queue: &Queue) -> Map<String, Value> {
    let arn = queue.key.arn();
    let members = [
        ("Version", json!("2008-10-17")),
        ("Id", json!(format!("{arn}/SQSDefaultPolicy"))),
        ("Statement", json!([])),
    ];
    members
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

/// The statements of a policy, taken out of it; a list also where there is one alone.
fn take_statements(policy: &mut Map<String, Value>) -> Vec<Value> {
    match policy.remove("Statement") {
        None => Vec::new(),
        Some(Value::Array(list)) => list,
        Some(one) => vec![one],
    }
}

fn with(present: &Definition, policy: Option<&Map<String, Value>>) -> Definition {
    let text = policy.and_then(|policy| serde_json::to_string(policy).ok());
    Definition {
        given: attribute::with_policy(&present.given, text),
        ..present.clone()
    }
}

fn one_or_several(mut values: Vec<String>) -> Value {
    match values.len() {
        1 => Value::String(values.remove(0)),
        _ => values.into(),
    }
}

fn check_label(label: &str) -> Result<(), ServiceError> {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    if (1..=80).contains(&label.len()) && label.bytes().all(is_allowed) {
        return Ok(());
    }
    Err(invalid_value(
        label,
        "Label",
        "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length",
    ))
}
