//! The context object: what an execution tells its states of itself, `$$` and `$states.context`.
//! (<https://docs.aws.amazon.com/step-functions/latest/dg/input-output-contextobject.html>)
//!
//! What stays the same for an execution is put together once ([`Context::new`]); what differs from
//! state to state comes to it at the price of a few pointers ([`Context::of_state`]).

use std::sync::Arc;

use ids::Timestamp;

use crate::value::{Map, Value};

/// What stays the same in an execution.
#[derive(Debug, Clone)]
pub struct Context {
    execution: Value,
    state_machine: Value,
}

/// The execution.
#[derive(Debug, Clone)]
pub struct Execution<'a> {
    /// Its ARN.
    pub id: &'a str,
    /// What it was started with.
    pub input: &'a Value,
    /// Its name.
    pub name: &'a str,
    /// The role of its machine.
    pub role_arn: &'a str,
    /// When it was started.
    pub start_time: Timestamp,
    /// How often it was redriven; `None` where redriving does not exist, as in TestState.
    pub redrive_count: Option<u32>,
    /// When it was last redriven, if it was.
    pub redrive_time: Option<Timestamp>,
}

/// The state that is asked for.
#[derive(Debug, Clone, Copy, Default)]
pub struct State<'a> {
    /// Its name.
    pub name: &'a str,
    /// When it was entered.
    pub entered: Timestamp,
    /// How often it was tried again, for states that can be.
    pub retry_count: Option<u32>,
    /// The token of a task that waits to be told its result.
    pub task_token: Option<&'a str>,
    /// The item, within an iteration.
    pub item: Option<&'a Item>,
}

/// What an iteration works on.
#[derive(Debug, Clone, PartialEq)]
pub struct Item {
    /// Its number, from 0.
    pub index: usize,
    /// The item as it was found, before any `ItemSelector`.
    pub value: Value,
    /// The name that it had, where the items are an object's fields.
    pub key: Option<Arc<str>>,
    /// Where it came from, where it was read from elsewhere than the state's input.
    pub source: Option<Arc<str>>,
}

impl Context {
    /// What the execution and its machine, by ARN and name, tell all states.
    #[must_use]
    pub fn new(execution: &Execution<'_>, state_machine: (&str, &str)) -> Self {
        let mut told = Map::with_capacity(7);
        told.insert("Id", execution.id);
        told.insert("Input", execution.input.clone());
        told.insert("Name", execution.name);
        told.insert("RoleArn", execution.role_arn);
        told.insert("StartTime", execution.start_time.iso_millis_z());
        if let Some(count) = execution.redrive_count {
            told.insert("RedriveCount", count);
        }
        if let Some(time) = execution.redrive_time {
            told.insert("RedriveTime", time.iso_millis_z());
        }
        let (id, name) = state_machine;
        Self {
            execution: told.into(),
            state_machine: [("Id", id), ("Name", name)]
                .into_iter()
                .collect::<Map>()
                .into(),
        }
    }

    /// The whole object as `state` sees it.
    #[must_use]
    pub fn of_state(&self, state: &State<'_>) -> Value {
        let mut entered = Map::with_capacity(3);
        entered.insert("EnteredTime", state.entered.iso_millis_z());
        entered.insert("Name", state.name);
        if let Some(count) = state.retry_count {
            entered.insert("RetryCount", count);
        }
        let mut whole = Map::with_capacity(5);
        whole.insert("Execution", self.execution.clone());
        whole.insert("State", entered);
        whole.insert("StateMachine", self.state_machine.clone());
        if let Some(token) = state.task_token {
            let task: Map = [("Token", token)].into_iter().collect();
            whole.insert("Task", task);
        }
        if let Some(item) = state.item {
            let map: Map = [("Item", item.value())].into_iter().collect();
            whole.insert("Map", map);
        }
        whole.into()
    }
}

impl Item {
    fn value(&self) -> Value {
        let mut told = Map::with_capacity(4);
        told.insert("Index", self.index);
        if let Some(key) = &self.key {
            told.insert("Key", Arc::clone(key));
        }
        told.insert("Value", self.value.clone());
        if let Some(source) = &self.source {
            told.insert("Source", Arc::clone(source));
        }
        told.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Timestamp = Timestamp(1_700_000_000_123_000);

    fn context(redrive_count: Option<u32>) -> Context {
        let input = Value::parse(r#"{"a":1}"#).unwrap();
        let execution = Execution {
            id: "arn:e",
            input: &input,
            name: "run",
            role_arn: "arn:r",
            start_time: START,
            redrive_count,
            redrive_time: None,
        };
        Context::new(&execution, ("arn:m", "machine"))
    }

    /// The fields of recorded executions, and of TestState.
    #[test]
    fn fields_are_those_that_aws_tells() {
        let state = State {
            name: "S",
            entered: START,
            ..State::default()
        };
        assert_eq!(
            context(Some(0)).of_state(&state).to_json(),
            concat!(
                r#"{"Execution":{"Id":"arn:e","Input":{"a":1},"Name":"run","RoleArn":"arn:r","#,
                r#""StartTime":"2023-11-14T22:13:20.123Z","RedriveCount":0},"#,
                r#""State":{"EnteredTime":"2023-11-14T22:13:20.123Z","Name":"S"},"#,
                r#""StateMachine":{"Id":"arn:m","Name":"machine"}}"#
            )
        );
        let item = Item {
            index: 2,
            value: Value::from("v"),
            key: Some("k".into()),
            source: None,
        };
        let state = State {
            retry_count: Some(1),
            task_token: Some("token"),
            item: Some(&item),
            ..state
        };
        let whole = context(None).of_state(&state);
        assert_eq!(whole.get("Execution").unwrap().get("RedriveCount"), None);
        assert_eq!(
            whole.get("State").unwrap().get("RetryCount"),
            Some(&Value::from(1))
        );
        assert_eq!(whole.get("Task").unwrap().to_json(), r#"{"Token":"token"}"#);
        assert_eq!(
            whole.get("Map").unwrap().to_json(),
            r#"{"Item":{"Index":2,"Key":"k","Value":"v"}}"#
        );
    }

    #[test]
    fn the_execution_is_shared_between_states() {
        let context = context(Some(0));
        let state = State::default();
        let (one, other) = (context.of_state(&state), context.of_state(&state));
        let (Some(Value::Object(one)), Some(Value::Object(other))) =
            (one.get("Execution"), other.get("Execution"))
        else {
            panic!("objects")
        };
        assert!(Arc::ptr_eq(one, other));
    }
}
