//! JSONata as Step Functions has it.
//!
//! The language is that of <https://docs.jsonata.org/>, carried out by the crate `jsonata-core`,
//! with what Step Functions adds (`$states`, `$partition`, `$range`, `$hash`, `$random(seed)`,
//! `$uuid`, `$parse`) and takes away (`$eval`, `$$`, and at the top level `$` and bare names)
//! (<https://docs.aws.amazon.com/step-functions/latest/dg/transforming-data.html>).
//!
//! - [`Expression`]: parsed once; what Step Functions does not support is told then.
//! - [`Session`]: what expressions of one field, or of one state, are evaluated with. Values cross
//!   into the other crate's representation at most once a session, and only what is referred to.
//! - [`EvaluateError`]: why there is no result.
//!
//! An expression that only walks to a value, as `$states.input.order.id` does, is not evaluated at
//! all: the value is handed out as it is, shared and exact. Everything else computes with 64-bit
//! floating-point numbers, as JSONata does. Time and chance come from the [`Scope`] alone; time,
//! depth and lengths of an evaluation are bounded.

mod analyse;
mod convert;
mod error;
mod functions;

use std::cell::OnceCell;
use std::collections::BTreeSet;
use std::sync::Arc;

use jsonata_core::ast::AstNode;
use jsonata_core::evaluator::{Context, Evaluator, EvaluatorOptions};
use jsonata_core::value::JValue;

pub use error::{EvaluateError, ParseError};

use crate::scope::Scope;
use crate::value::{Map, Value};

/// How long one expression may take, in milliseconds.
const MAX_TIME: u64 = 2_000;

/// How deep evaluations may lie in one another.
const MAX_STACK: usize = 1_000;

/// How long a sequence may become. A quarter of a million is more than a payload's bytes hold.
const MAX_SEQUENCE: usize = 250_000;

/// An expression, parsed.
///
/// ```
/// # use asl::{Scope, Value, Variables, jsonata::{Expression, Session, States}};
/// # let (context, variables, random) = (Value::Null, Variables::default(), ids::SeededEntropy::new(1));
/// # let scope = Scope { context: &context, variables: &variables, now: ids::Timestamp(0), random: &random };
/// let input = Value::parse(r#"{"prices": [1.5, 2, 4]}"#)?;
/// let session = Session::new(States::of(&input), scope);
/// let expression = Expression::parse("$sum($states.input.prices[$ < 3])")?;
/// assert_eq!(expression.evaluate(&session)?.to_json(), "3.5");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Expression {
    text: Arc<str>,
    tree: Arc<AstNode>,
    references: References,
    /// The functions of ours that it names.
    functions: Vec<&'static str>,
    /// The function that it calls, if it calls one alone.
    called: Option<Arc<str>>,
    /// The names that the expression walks along, if that is all it does.
    walk: Option<Vec<Arc<str>>>,
}

/// What an expression refers to from outside.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct References {
    /// Variables, without `$` and without `states`.
    pub variables: BTreeSet<Arc<str>>,
    /// Fields of `$states`.
    pub states: BTreeSet<Arc<str>>,
    /// Whether `$states` is referred to as a whole.
    pub all_states: bool,
}

/// What `$states` holds, apart from the context object, which is the scope's.
#[derive(Debug, Clone, Copy)]
pub struct States<'a> {
    /// `$states.input`.
    pub input: &'a Value,
    /// `$states.result`, where there is one.
    pub result: Option<&'a Value>,
    /// `$states.errorOutput`, where there is one.
    pub error_output: Option<&'a Value>,
}

impl<'a> States<'a> {
    /// An input, and neither result nor error.
    #[must_use]
    pub fn of(input: &'a Value) -> Self {
        Self {
            input,
            result: None,
            error_output: None,
        }
    }

    fn field(&self, name: &str, scope: &Scope<'a>) -> Option<&'a Value> {
        match name {
            "input" => Some(self.input),
            "result" => self.result,
            "errorOutput" => self.error_output,
            "context" => Some(scope.context),
            _ => None,
        }
    }

    fn whole(&self, scope: &Scope<'a>) -> Value {
        let fields = ["input", "result", "errorOutput", "context"];
        let present = fields
            .into_iter()
            .filter_map(|name| Some((name, self.field(name, scope)?.clone())));
        present.collect::<Map>().into()
    }
}

/// The surroundings of expressions, shared by all that are evaluated with the same data.
#[derive(Debug)]
pub struct Session<'a> {
    states: States<'a>,
    scope: Scope<'a>,
    converted: Converted,
}

/// The fields of `$states` in the other crate's representation, once they were needed.
#[derive(Debug, Default)]
struct Converted {
    input: OnceCell<JValue>,
    result: OnceCell<JValue>,
    error_output: OnceCell<JValue>,
    context: OnceCell<JValue>,
}

impl<'a> Session<'a> {
    /// With these data.
    #[must_use]
    pub fn new(states: States<'a>, scope: Scope<'a>) -> Self {
        Self {
            states,
            scope,
            converted: Converted::default(),
        }
    }

    fn states_field(&self, name: &str) -> Option<JValue> {
        let cell = match name {
            "input" => &self.converted.input,
            "result" => &self.converted.result,
            "errorOutput" => &self.converted.error_output,
            "context" => &self.converted.context,
            _ => return None,
        };
        let value = self.states.field(name, &self.scope)?;
        Some(cell.get_or_init(|| convert::into(value)).clone())
    }
}

impl Expression {
    /// Reads an expression: what stands between `{%` and `%}`.
    ///
    /// # Errors
    ///
    /// Text that is no JSONata, or JSONata that Step Functions does not support.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        let text = text.trim();
        let tree = jsonata_core::parser::parse(text).map_err(|error| ParseError::syntax(&error))?;
        let mut analysis = analyse::analyse(&tree);
        if let Some(unsupported) = analysis.unsupported {
            return Err(ParseError::Unsupported(unsupported));
        }
        let called = analysis.called.pop_first();
        Ok(Self {
            text: text.into(),
            called: called.filter(|_| analysis.called.is_empty()),
            walk: analyse::walk(&tree),
            tree: Arc::new(tree),
            references: analysis.references,
            functions: analysis.functions,
        })
    }

    /// What the expression gives.
    ///
    /// # Errors
    ///
    /// It failed, gave nothing, or gave something that JSON does not have.
    pub fn evaluate(&self, session: &Session<'_>) -> Result<Value, EvaluateError> {
        if let Some(names) = &self.walk
            && let Some(value) = walk(names, session)
        {
            return Ok(value);
        }
        let mut context = Context::new();
        for name in &self.references.variables {
            if let Some(value) = session.scope.variables.get(name) {
                context.bind(name.as_ref().to_owned(), convert::into(value));
            }
        }
        if let Some(states) = self.states(session) {
            context.bind("states".to_owned(), states);
        }
        let options = EvaluatorOptions {
            timeout_ms: Some(MAX_TIME),
            cancel: None,
            max_stack_depth: Some(MAX_STACK),
            max_sequence_length: Some(MAX_SEQUENCE),
        };
        let mut evaluator = Evaluator::with_options(context, options);
        functions::register(&mut evaluator, &self.functions, &session.scope)?;
        let result = evaluator.evaluate(&self.tree, &JValue::Undefined);
        let result =
            result.map_err(|error| EvaluateError::threw(&error, self.called.as_deref()))?;
        convert::from(&result)
    }

    /// `$states` with the fields that the expression refers to.
    fn states(&self, session: &Session<'_>) -> Option<JValue> {
        let References {
            states, all_states, ..
        } = &self.references;
        if states.is_empty() && !all_states {
            return None;
        }
        let fields = ["input", "result", "errorOutput", "context"];
        let fields = fields
            .into_iter()
            .filter(|name| *all_states || states.contains(*name))
            .filter_map(|name| Some((name.to_owned(), session.states_field(name)?)));
        Some(JValue::object(fields.collect()))
    }

    /// What the expression refers to from outside.
    #[must_use]
    pub fn references(&self) -> &References {
        &self.references
    }

    /// What the expression reads of `$states` that is not there, in AWS's words. A result is there in
    /// the `Output` and `Assign` of states that have one, an error output in those of catchers;
    /// input and context are everywhere.
    #[must_use]
    pub fn unavailable(&self, has_result: bool, has_error_output: bool) -> Option<String> {
        self.references
            .states
            .iter()
            .find_map(|field| match field.as_ref() {
                "input" | "context" => None,
                "result" if has_result => None,
                "errorOutput" if has_error_output => None,
                "result" | "errorOutput" => {
                    Some(format!("Field '$states.{field}' does not exist."))
                }
                other => Some(format!("Unknown reserved states field: {other}")),
            })
    }

    /// The expression as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The cause that a state fails with, in AWS's words; `field` is the way to the expression in
    /// its state, as in `Output/result`.
    #[must_use]
    pub fn cause(&self, field: &str, error: &EvaluateError) -> String {
        let text = &self.text;
        format!("The JSONata expression '{text}' specified for the field '{field}' {error}")
    }
}

/// The value at the end of a way through objects. `None` where the way leads elsewhere: JSONata then
/// says what that means.
fn walk(names: &[Arc<str>], session: &Session<'_>) -> Option<Value> {
    let (variable, names) = names.split_first()?;
    let (start, names) = if variable.as_ref() == "states" {
        let Some((field, names)) = names.split_first() else {
            return Some(session.states.whole(&session.scope));
        };
        (session.states.field(field, &session.scope)?, names)
    } else {
        (session.scope.variables.get(variable)?, names)
    };
    let end = names.iter().try_fold(start, |here, name| here.get(name))?;
    Some(end.clone())
}

#[cfg(test)]
mod tests;
