//! The context object of a test.

use ids::Timestamp;

use super::super::Execution;
use crate::context::{self, Context};
use crate::definition::{Kind, State};
use crate::value::Value;

/// The context object as AWS makes it for a test: that of an express execution that nobody redrives.
pub(super) fn example(execution: &Execution, state: &State, now: Timestamp) -> Value {
    let info = execution.info();
    let told = context::Execution {
        id: &info.id.replacen(":execution:", ":express:", 1),
        input: execution.input(),
        name: &info.name,
        role_arn: &info.role_arn,
        start_time: now,
        redrive_count: None,
        redrive_time: None,
    };
    let retries = matches!(state.kind, Kind::Task(_) | Kind::Map(_) | Kind::Parallel(_));
    Context::new(&told, (&info.machine_id, &info.machine_name)).of_state(&context::State {
        name: &state.name,
        entered: now,
        retry_count: retries.then_some(0),
        task_token: None,
        item: None,
    })
}

/// A field, and the type that it has where that is fixed.
type Field = (&'static str, Option<&'static str>);

/// What a context object may hold: its fields, and theirs.
const FIELDS: &[(&str, &[Field])] = &[
    (
        "Execution",
        &[
            ("Id", Some("string")),
            ("Input", None),
            ("Name", Some("string")),
            ("RoleArn", Some("string")),
            ("StartTime", Some("string")),
            ("RedriveCount", Some("number")),
            ("RedriveTime", Some("string")),
        ],
    ),
    (
        "State",
        &[
            ("EnteredTime", Some("string")),
            ("Name", Some("string")),
            ("RetryCount", Some("number")),
        ],
    ),
    (
        "StateMachine",
        &[("Id", Some("string")), ("Name", Some("string"))],
    ),
    ("Task", &[("Token", Some("string"))]),
];

/// Why a context object cannot stand in for one.
pub(super) fn check(context: &Value) -> Result<(), String> {
    let Some(whole) = context.as_object() else {
        return Err("it must be a JSON object".to_owned());
    };
    for (name, part) in whole {
        if &**name == "Map" {
            return Err("'Map' field is not supported when mocking a Context object".to_owned());
        }
        let Some((_, fields)) = FIELDS.iter().find(|(known, _)| *known == &**name) else {
            return Err(format!("Field '{name}' is not allowed"));
        };
        let Some(part) = part.as_object() else {
            return Err(format!("{name} must be an object"));
        };
        for (field, value) in part {
            match fields.iter().find(|(known, _)| *known == &**field) {
                None => return Err(format!("Field '{field}' is not allowed")),
                Some((_, Some(kind))) if value.kind() != *kind => {
                    return Err(format!("{name}.{field} must be a {kind}"));
                }
                Some(_) => {}
            }
        }
    }
    Ok(())
}
