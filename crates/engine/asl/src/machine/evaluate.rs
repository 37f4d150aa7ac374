//! Evaluating the fields of a state, in the words of AWS where they have no value.

mod fields;
mod rules;

use std::cell::OnceCell;
use std::sync::Arc;

use super::context::{self, Extra};
use super::track::Track;
use super::{Environment, Execution};
use crate::context::Context;
use crate::definition::{
    DataFlow, FieldPath, JsonataTemplate, PathFlow, ResultPath, Selector, State, Template,
};
use crate::jsonata::{EvaluateError, Session, States};
use crate::jsonpath::Path;
use crate::scope::Scope;
use crate::value::{List, Map, Value};

/// Why a state cannot do what it should.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Trouble {
    /// An error with its name; the cause is told as of this state.
    Named(&'static str, String),
    /// An error with its name and its whole cause.
    Whole(&'static str, String),
    /// JSONata has no value.
    Query {
        cause: String,
        /// The field.
        location: Option<String>,
        /// Whether the state had already taken effect when it was noticed.
        late: bool,
    },
}

pub(super) const RUNTIME: &str = "States.Runtime";
pub(super) const QUERY: &str = "States.QueryEvaluationError";

impl Trouble {
    pub(super) fn runtime(cause: impl Into<String>) -> Self {
        Self::Named(RUNTIME, cause.into())
    }

    fn query(cause: String, field: &FieldPath<'_>) -> Self {
        Self::Query {
            cause,
            location: Some(field.to_string()),
            late: false,
        }
    }
}

type Evaluated<T> = Result<T, Trouble>;

/// What a state hands on.
#[derive(Debug)]
pub(super) struct Exit {
    pub(super) output: Value,
    pub(super) assigned: Option<Arc<Map>>,
}

/// A state's fields and what they are evaluated against.
pub(super) struct Evaluator<'a> {
    execution: &'a Execution,
    environment: Environment<'a>,
    track: &'a Track,
    state: &'a State,
    extra: Extra,
    of_execution: &'a OnceCell<Context>,
    context: OnceCell<Value>,
}

impl<'a> Evaluator<'a> {
    pub(super) fn new(
        execution: &'a Execution,
        environment: Environment<'a>,
        track: &'a Track,
        state: &'a State,
        extra: Extra,
        of_execution: &'a OnceCell<Context>,
    ) -> Self {
        Self {
            execution,
            environment,
            track,
            state,
            extra,
            of_execution,
            context: OnceCell::new(),
        }
    }

    /// With a context object that is given as a whole.
    pub(super) fn in_test(
        execution: &'a Execution,
        environment: Environment<'a>,
        track: &'a Track,
        state: &'a State,
        context: Value,
        of_execution: &'a OnceCell<Context>,
    ) -> Self {
        let evaluator = Self::new(
            execution,
            environment,
            track,
            state,
            Extra::default(),
            of_execution,
        );
        Self {
            context: OnceCell::from(context),
            ..evaluator
        }
    }

    fn scope(&self) -> Scope<'_> {
        let context = self.context.get_or_init(|| {
            let told = self
                .of_execution
                .get_or_init(|| context::of_execution(self.execution));
            context::of_track(told, self.execution, self.track, self.state, &self.extra)
        });
        Scope {
            context,
            variables: &self.track.variables,
            now: self.environment.now,
            random: self.environment.random,
        }
    }

    /// What the state works on: its input after `InputPath`.
    pub(super) fn effective_input(&self) -> Evaluated<Value> {
        match &self.state.data {
            DataFlow::JsonPath(data) => self.select(&data.input_path, &self.track.input),
            DataFlow::Jsonata(_) => Ok(self.track.input.clone()),
        }
    }

    /// What the state hands to what works for it: its input after `Parameters`, or `Arguments`.
    pub(super) fn arguments(&self) -> Evaluated<Value> {
        match &self.state.data {
            DataFlow::JsonPath(data) => {
                let input = self.select(&data.input_path, &self.track.input)?;
                match &data.parameters {
                    Some(parameters) => self.render(parameters, "Parameters", &input, None, None),
                    None => Ok(input),
                }
            }
            DataFlow::Jsonata(data) => match &data.arguments {
                Some(arguments) => {
                    self.render(arguments, "Arguments", &self.track.input, None, None)
                }
                None => Ok(self.track.input.clone()),
            },
        }
    }

    /// What the state hands on, given its result; without one it is its input.
    pub(super) fn exit(&self, result: Option<Value>) -> Evaluated<Exit> {
        let raw = &self.track.input;
        match &self.state.data {
            DataFlow::JsonPath(data) => {
                let has_result = result.is_some();
                let mut result = match result {
                    Some(result) => result,
                    None => self.select(&data.input_path, raw)?,
                };
                result = self.selected(data, &result)?;
                let assigned =
                    self.assigned(data.assign.as_ref(), "Assign", &result, None, None)?;
                let output = if has_result {
                    self.place(&data.result_path, raw, result)?
                } else {
                    result
                };
                Ok(Exit {
                    output: self.select(&data.output_path, &output)?,
                    assigned,
                })
            }
            DataFlow::Jsonata(data) => {
                let result = result.as_ref();
                let output = match &data.output {
                    Some(output) => self.render(output, "Output", raw, result, None)?,
                    None => result.unwrap_or(raw).clone(),
                };
                let assigned = self.assigned(data.assign.as_ref(), "Assign", raw, result, None)?;
                Ok(Exit { output, assigned })
            }
        }
    }

    /// A result after `ResultSelector`.
    pub(super) fn selected(&self, data: &PathFlow, result: &Value) -> Evaluated<Value> {
        match &data.result_selector {
            Some(selector) => self.render(selector, "ResultSelector", result, None, None),
            None => Ok(result.clone()),
        }
    }

    /// What a state hands on by a catcher.
    pub(super) fn exit_by_catcher(&self, index: usize, error: Value) -> Evaluated<Exit> {
        let raw = &self.track.input;
        let Some(catcher) = self.state.catch().get(index) else {
            return Ok(Exit {
                output: error,
                assigned: None,
            });
        };
        let field = |name: &str| format!("Catch[{index}]/{name}");
        match &self.state.data {
            DataFlow::JsonPath(_) => {
                let assigned = self.assigned(
                    catcher.assign.as_ref(),
                    &field("Assign"),
                    &error,
                    None,
                    None,
                )?;
                Ok(Exit {
                    output: self.place(&catcher.result_path, raw, error)?,
                    assigned,
                })
            }
            DataFlow::Jsonata(_) => {
                let output = match &catcher.output {
                    Some(output) => {
                        self.render(output, &field("Output"), raw, None, Some(&error))?
                    }
                    None => error.clone(),
                };
                let assigned = self.assigned(
                    catcher.assign.as_ref(),
                    &field("Assign"),
                    raw,
                    None,
                    Some(&error),
                )?;
                Ok(Exit { output, assigned })
            }
        }
    }

    fn assigned(
        &self,
        assign: Option<&Template>,
        field: &str,
        input: &Value,
        result: Option<&Value>,
        error: Option<&Value>,
    ) -> Evaluated<Option<Arc<Map>>> {
        let Some(assign) = assign else {
            return Ok(None);
        };
        match self.render(assign, field, input, result, error)? {
            Value::Object(assigned) => Ok(Some(assigned).filter(|assigned| !assigned.is_empty())),
            other => Err(Trouble::runtime(format!(
                "Assign must be an object but was: {other}"
            ))),
        }
    }

    pub(super) fn place(&self, path: &ResultPath, raw: &Value, result: Value) -> Evaluated<Value> {
        match path {
            ResultPath::Replace => Ok(result),
            ResultPath::Discard => Ok(raw.clone()),
            ResultPath::At(path) => path.insert(raw, result).map_err(|error| {
                Trouble::Named("States.ResultPathMatchFailure", error.to_string())
            }),
        }
    }

    pub(super) fn select(&self, selector: &Selector, input: &Value) -> Evaluated<Value> {
        match selector {
            Selector::Whole => Ok(input.clone()),
            Selector::Nothing => Ok(Value::empty_object()),
            Selector::At(path) => self.path(path, input),
        }
    }

    fn path(&self, path: &Path, input: &Value) -> Evaluated<Value> {
        path.evaluate(input, &self.scope())
            .map_err(|error| Trouble::runtime(format!("Invalid path '{path}' : {error}")))
    }

    /// A field that is computed.
    pub(super) fn render(
        &self,
        template: &Template,
        field: &str,
        input: &Value,
        result: Option<&Value>,
        error_output: Option<&Value>,
    ) -> Evaluated<Value> {
        match template {
            Template::JsonPath(template) => template
                .render(input, &self.scope())
                .map_err(|error| Trouble::Named(error.name(), error.to_string())),
            Template::Jsonata(template) => {
                let session = Session::new(
                    States {
                        input,
                        result,
                        error_output,
                    },
                    self.scope(),
                );
                jsonata(template, &FieldPath::of(field), &session)
            }
        }
    }
}

fn jsonata(
    template: &JsonataTemplate,
    field: &FieldPath<'_>,
    session: &Session<'_>,
) -> Evaluated<Value> {
    match template {
        JsonataTemplate::Literal(value) => Ok(value.clone()),
        JsonataTemplate::Expression(expression) => expression
            .evaluate(session)
            .map_err(|error| Trouble::query(expression.cause(&field.to_string(), &error), field)),
        JsonataTemplate::Array(items) => {
            let items = items.iter().enumerate();
            let items: Evaluated<List> = items
                .map(|(index, item)| jsonata(item, &field.index(index), session))
                .collect();
            items.map(Value::from)
        }
        JsonataTemplate::Object(fields) => {
            let mut map = Map::with_capacity(fields.len());
            for (name, item) in fields {
                map.insert(
                    Arc::clone(name),
                    jsonata(item, &field.field(name), session)?,
                );
            }
            Ok(Value::from(map))
        }
    }
}

/// The trouble with a value of JSONata that is not of the type that its field needs.
pub(super) fn unexpected_type(
    template: &Template,
    field: &str,
    expected: &'static str,
    value: &Value,
) -> Trouble {
    let error = EvaluateError::Type {
        expected,
        found: value.clone(),
    };
    let cause = match template {
        Template::Jsonata(JsonataTemplate::Expression(expression)) => {
            expression.cause(field, &error)
        }
        _ => format!("The value of the field '{field}' {error}"),
    };
    Trouble::query(cause, &FieldPath::of(field))
}
