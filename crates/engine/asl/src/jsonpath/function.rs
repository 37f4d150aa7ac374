//! Functions at the end of a path: `$.items.length()`.

use super::parse::Parse;
use super::{PathError, Step, evaluate};
use crate::value::{List, Number, Value};

/// A function with its arguments.
#[derive(Debug, Clone)]
pub(super) struct Function {
    name: Name,
    arguments: Vec<Argument>,
}

#[derive(Debug, Clone)]
pub(super) enum Argument {
    /// `$…`, from the root on.
    Path(Vec<Step>),
    /// JSON.
    Literal(Value),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Name {
    Length,
    Min,
    Max,
    Sum,
    Average,
    Deviation,
    Keys,
    First,
    Last,
    Index,
    Concat,
    Append,
}

/// By spelling, with the fewest arguments that make sense.
const NAMES: &[(&str, Name, usize)] = &[
    ("length", Name::Length, 0),
    ("size", Name::Length, 0),
    ("min", Name::Min, 0),
    ("max", Name::Max, 0),
    ("sum", Name::Sum, 0),
    ("avg", Name::Average, 0),
    ("stddev", Name::Deviation, 0),
    ("keys", Name::Keys, 0),
    ("first", Name::First, 0),
    ("last", Name::Last, 0),
    ("index", Name::Index, 1),
    ("concat", Name::Concat, 0),
    ("append", Name::Append, 1),
];

impl Function {
    pub(super) fn new(name: &str, arguments: Vec<Argument>) -> Parse<Self> {
        let (_, name, least) = NAMES
            .iter()
            .find(|(spelling, ..)| *spelling == name)
            .ok_or("there is no such function")?;
        if arguments.len() < *least {
            return Err("the function needs an argument");
        }
        Ok(Self {
            name: *name,
            arguments,
        })
    }

    pub(super) fn name(&self) -> &'static str {
        NAMES
            .iter()
            .find(|(_, name, _)| *name == self.name)
            .map_or("", |(spelling, ..)| spelling)
    }

    /// What it gives for `here`; paths among its arguments start at `root`.
    pub(super) fn apply(&self, here: &Value, root: &Value) -> Result<Value, PathError> {
        let arguments = self
            .arguments
            .iter()
            .map(|argument| match argument {
                Argument::Path(steps) => evaluate::path(steps, root, root),
                Argument::Literal(value) => Ok(value.clone()),
            })
            .collect::<Result<Vec<_>, _>>()?;
        let item = |index: Option<usize>| {
            let items = here.as_array()?;
            items.get(index?).cloned()
        };
        let nothing = || PathError::NoResults(format!("$.{}()", self.name()));
        match self.name {
            Name::Length => Ok(match here {
                Value::Array(items) => items.len().into(),
                Value::Object(map) => map.len().into(),
                _ => Value::Null,
            }),
            Name::Keys => match here {
                Value::Object(map) => {
                    Ok(map.keys().map(|key| Value::String(key.clone())).collect())
                }
                _ => Err(nothing()),
            },
            Name::First => item(Some(0)).ok_or_else(nothing),
            Name::Last => item(
                here.as_array()
                    .map_or(0, |items| items.len())
                    .checked_sub(1),
            )
            .ok_or_else(nothing),
            Name::Index => {
                let index = arguments.first().and_then(Value::as_i64);
                let length = here.as_array().map_or(0, |items| items.len());
                let index = index.and_then(|index| match usize::try_from(index) {
                    Ok(index) => Some(index),
                    Err(_) => length.checked_sub(usize::try_from(index.unsigned_abs()).ok()?),
                });
                item(index).ok_or_else(nothing)
            }
            Name::Concat => {
                let texts = |value: &Value| match value {
                    Value::Array(items) => items.iter().filter_map(Value::as_str).collect(),
                    Value::String(text) => text.as_ref().to_owned(),
                    _ => String::new(),
                };
                let whole: String = std::iter::once(here).chain(&arguments).map(texts).collect();
                Ok(whole.into())
            }
            Name::Append => match here {
                Value::Array(items) => Ok(items.iter().chain(&arguments).cloned().collect()),
                other => Ok(other.clone()),
            },
            Name::Min | Name::Max => {
                let numbers = numbers(here, &arguments);
                let chosen = match self.name {
                    Name::Min => numbers.into_iter().min(),
                    _ => numbers.into_iter().max(),
                };
                chosen.map(Value::Number).ok_or(PathError::Aggregate)
            }
            Name::Sum | Name::Average | Name::Deviation => {
                let numbers: Vec<f64> = numbers(here, &arguments)
                    .iter()
                    .map(Number::as_f64)
                    .collect();
                if numbers.is_empty() {
                    return Err(PathError::Aggregate);
                }
                #[expect(clippy::cast_precision_loss, reason = "no array is so long")]
                let count = numbers.len() as f64;
                let sum: f64 = numbers.iter().sum();
                let mean = sum / count;
                let result = match self.name {
                    Name::Sum => sum,
                    Name::Average => mean,
                    _ => {
                        let squares: f64 = numbers.iter().map(|x| (x - mean) * (x - mean)).sum();
                        (squares / count).sqrt()
                    }
                };
                Number::from_f64(result)
                    .map(Value::Number)
                    .ok_or(PathError::Aggregate)
            }
        }
    }
}

/// The numbers of an array, and those among the arguments.
fn numbers(here: &Value, arguments: &[Value]) -> Vec<Number> {
    let empty = List::new();
    let items = here.as_array().unwrap_or(&empty);
    let inner = arguments.iter().flat_map(|argument| match argument {
        Value::Array(items) => items.to_vec(),
        other => vec![other.clone()],
    });
    items
        .iter()
        .filter_map(Value::as_number)
        .cloned()
        .chain(inner.filter_map(|value| value.as_number().cloned()))
        .collect()
}
