//! Intrinsic functions: `States.Format('Hello, {}.', $.name)`.
//!
//! A [`Call`] is parsed with the definition, so what is wrong with its spelling, its name or the
//! number of its arguments is known when a machine is created. Only what the data brings is found
//! out in a state; that is an [`IntrinsicError`].
//!
//! What each function does, and its limits, are those of
//! <https://docs.aws.amazon.com/step-functions/latest/dg/intrinsic-functions.html>.

mod arrays;
mod functions;
mod parse;
mod random;
mod text;

use std::fmt;
use std::sync::Arc;

pub(crate) use arrays::{partition, range};
pub(crate) use functions::{Algorithm, uuid};
pub(crate) use random::Seeded;

use crate::jsonpath::{Path, PathError};
use crate::scope::Scope;
use crate::value::Value;

/// How many calls may lie in one another.
pub const MAX_NESTING: usize = 10;

/// A call of an intrinsic function, parsed.
///
/// ```
/// # use asl::{Scope, Value, Variables, intrinsics::Call};
/// # let (context, variables, random) = (Value::Null, Variables::default(), ids::SeededEntropy::new(1));
/// # let scope = Scope { context: &context, variables: &variables, now: ids::Timestamp(0), random: &random };
/// let call = Call::parse("States.Format('{} of {}', $.done, States.ArrayLength($.all))")?;
/// let input = Value::parse(r#"{"done": 1, "all": ["a", "b"]}"#)?;
/// assert_eq!(call.evaluate(&input, &scope)?, Value::from("1 of 2"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Call {
    text: Arc<str>,
    function: Function,
    arguments: Vec<Argument>,
}

#[derive(Debug, Clone)]
enum Argument {
    Literal(Value),
    /// The first argument of `States.Format`, cut at its `{}`.
    Template(Vec<Box<str>>),
    Path(Path),
    Call(Box<Call>),
}

/// The functions that there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Function {
    Array,
    ArrayContains,
    ArrayGetItem,
    ArrayLength,
    ArrayPartition,
    ArrayRange,
    ArrayUnique,
    Base64Decode,
    Base64Encode,
    Format,
    Hash,
    JsonMerge,
    JsonToString,
    MathAdd,
    MathRandom,
    StringSplit,
    StringToJson,
    Uuid,
}

/// By name, with how many arguments they take at least and at most.
const FUNCTIONS: &[(&str, Function, usize, usize)] = &[
    ("Array", Function::Array, 0, usize::MAX),
    ("ArrayContains", Function::ArrayContains, 2, 2),
    ("ArrayGetItem", Function::ArrayGetItem, 2, 2),
    ("ArrayLength", Function::ArrayLength, 1, 1),
    ("ArrayPartition", Function::ArrayPartition, 2, 2),
    ("ArrayRange", Function::ArrayRange, 3, 3),
    ("ArrayUnique", Function::ArrayUnique, 1, 1),
    ("Base64Decode", Function::Base64Decode, 1, 1),
    ("Base64Encode", Function::Base64Encode, 1, 1),
    ("Format", Function::Format, 1, usize::MAX),
    ("Hash", Function::Hash, 2, 2),
    ("JsonMerge", Function::JsonMerge, 3, 3),
    ("JsonToString", Function::JsonToString, 1, 1),
    ("MathAdd", Function::MathAdd, 2, 2),
    ("MathRandom", Function::MathRandom, 2, 3),
    ("StringSplit", Function::StringSplit, 2, 2),
    ("StringToJson", Function::StringToJson, 1, 1),
    ("UUID", Function::Uuid, 0, 0),
];

/// Text that is no call of an intrinsic function.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{problem} at position {offset}")]
pub struct CallError {
    /// What is wrong.
    pub problem: String,
    /// Byte offset into the text.
    pub offset: usize,
}

/// A call that could not be carried out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("The function '{call}' had the following error: {problem}")]
pub struct IntrinsicError {
    /// The innermost call that failed, as it was written.
    pub call: Arc<str>,
    /// Why.
    pub problem: Problem,
}

/// Why a call could not be carried out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// A path among the arguments found nothing.
    #[error(
        "The JsonPath argument for the field '{path}' could not be found in the input '{input}'"
    )]
    NotFound {
        /// The path, as it was written.
        path: Arc<str>,
        /// What it was applied to, as JSON.
        input: String,
        /// What the path itself says.
        source: Box<PathError>,
    },
    /// An argument is of a wrong type.
    #[error("The value of argument {position} must be {expected}, but it is of type {found}")]
    Type {
        /// Which argument, from 1.
        position: usize,
        /// What it should be.
        expected: &'static str,
        /// What it is: JSON's word for the type.
        found: &'static str,
    },
    /// The arguments are of the right types, but make no sense.
    #[error("{0}")]
    Arguments(String),
}

impl Call {
    /// Whether `text` looks like a call, so that [`Call::parse`] is what to ask.
    #[must_use]
    pub fn is_call(text: &str) -> bool {
        text.starts_with("States.")
    }

    /// Reads a call.
    ///
    /// # Errors
    ///
    /// Where and how the text is no call: it names no function, gives it too many or too few
    /// arguments, has a string with an escape other than `\'`, `\{`, `\}` and `\\`, or lies deeper
    /// than [`MAX_NESTING`].
    pub fn parse(text: &str) -> Result<Self, CallError> {
        parse::call(text)
    }

    /// What the call gives; `input` is what `$` stands for.
    ///
    /// # Errors
    ///
    /// The innermost call that failed, and why.
    pub fn evaluate(&self, input: &Value, scope: &Scope<'_>) -> Result<Value, IntrinsicError> {
        let failed = |problem| IntrinsicError {
            call: Arc::clone(&self.text),
            problem,
        };
        let mut arguments = Vec::with_capacity(self.arguments.len());
        let mut template = None;
        for argument in &self.arguments {
            match argument {
                Argument::Literal(value) => arguments.push(value.clone()),
                Argument::Template(pieces) => template = Some(pieces.as_slice()),
                Argument::Path(path) => {
                    let found = path.evaluate(input, scope).map_err(|source| {
                        failed(Problem::NotFound {
                            path: path.as_str().into(),
                            input: input.to_json(),
                            source: Box::new(source),
                        })
                    })?;
                    arguments.push(found);
                }
                Argument::Call(call) => arguments.push(call.evaluate(input, scope)?),
            }
        }
        match template {
            Some(pieces) => text::fill(pieces, &arguments),
            None => functions::apply(self.function, &arguments, scope),
        }
        .map_err(failed)
    }

    /// Every path among the arguments, those of inner calls too.
    pub fn paths(&self) -> Vec<&Path> {
        let mut paths = Vec::new();
        for argument in &self.arguments {
            match argument {
                Argument::Path(path) => paths.push(path),
                Argument::Call(call) => paths.extend(call.paths()),
                Argument::Literal(_) | Argument::Template(_) => {}
            }
        }
        paths
    }

    /// The call as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl IntrinsicError {
    /// The error name that a state fails with.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self.problem {
            // Step Functions counts a path that finds nothing as a fault of the machine.
            Problem::NotFound { .. } => "States.Runtime",
            Problem::Type { .. } | Problem::Arguments(_) => "States.IntrinsicFailure",
        }
    }
}

#[cfg(test)]
mod tests;
