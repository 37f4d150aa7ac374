//! Paths to values.

use std::fmt::Write;
use std::sync::Arc;

use super::{PathError, Step, is_definite};
use crate::value::{List, Map, Value};

/// How many places one path may visit.
///
/// A `..` visits every place below once, which no input that fits into a state makes too many; two of
/// them visit each place as often as it is deep.
const MAX_VISITS: usize = 1_000_000;

/// What `steps` find from `here` on; `root` is what `$` in their filters stands for.
pub(super) fn path(steps: &[Step], here: &Value, root: &Value) -> Result<Value, PathError> {
    if let Some((Step::Function(function), before)) = steps.split_last() {
        return function.apply(&path(before, here, root)?, root);
    }
    let mut walk = Walk {
        steps,
        root,
        // Recorded: a path that may find many things finds none where the way to them is missing.
        definite: is_definite(steps),
        found: Found::None,
        visits: 0,
    };
    walk.from(0, here)?;
    if walk.definite {
        match walk.found {
            Found::Value(value) => Ok(value),
            _ => Err(PathError::NoResults(normal(steps))),
        }
    } else {
        Ok(match walk.found {
            Found::None => Value::from(List::new()),
            Found::Value(value) => [value].into_iter().collect(),
            Found::Many(values) => values.into(),
        })
    }
}

enum Found {
    None,
    Value(Value),
    Many(List),
}

struct Walk<'a> {
    steps: &'a [Step],
    root: &'a Value,
    /// Whether what is not there is an error, and not just no match.
    definite: bool,
    found: Found,
    visits: usize,
}

impl Walk<'_> {
    fn add(&mut self, value: Value) {
        self.found = match std::mem::replace(&mut self.found, Found::None) {
            Found::None => Found::Value(value),
            Found::Value(first) => Found::Many([first, value].into_iter().collect()),
            Found::Many(mut values) => {
                values.push(value);
                Found::Many(values)
            }
        };
    }

    /// Follows the steps from number `at` on.
    fn from(&mut self, at: usize, here: &Value) -> Result<(), PathError> {
        self.visits += 1;
        if self.visits > MAX_VISITS {
            return Err(PathError::TooMany(MAX_VISITS));
        }
        let Some(step) = self.steps.get(at) else {
            self.add(here.clone());
            return Ok(());
        };
        match (step, here) {
            (Step::Properties(names), Value::Object(map)) => self.properties(at, names, map)?,
            (Step::Properties(_), _) if self.definite => return Err(self.not_an_object(at, here)),
            (Step::Wildcard, _) => {
                for value in children(here) {
                    self.from(at + 1, value)?;
                }
            }
            (Step::Descend, _) => self.descend(at + 1, here)?,
            (Step::Filter(filter), Value::Object(_)) if filter.accepts(here, self.root)? => {
                self.from(at + 1, here)?;
            }
            (Step::Filter(filter), Value::Array(items)) => {
                for item in items.as_ref() {
                    if filter.accepts(item, self.root)? {
                        self.from(at + 1, item)?;
                    }
                }
            }
            (Step::Indexes(indexes), Value::Array(items)) => {
                for index in indexes {
                    if let Some(item) = element(items, *index) {
                        self.from(at + 1, item)?;
                    }
                }
            }
            (Step::Slice(first, end), Value::Array(items)) => {
                for item in slice(items, *first, *end) {
                    self.from(at + 1, item)?;
                }
            }
            (Step::Indexes(_), _) if self.definite => return Err(self.not_an_array(at, here)),
            // Nothing matches. Functions are applied to what the steps before them found.
            _ => {}
        }
        Ok(())
    }

    fn properties(&mut self, at: usize, names: &[Arc<str>], map: &Map) -> Result<(), PathError> {
        let last = at + 1 == self.steps.len();
        if last && names.len() > 1 {
            let chosen: Map = names
                .iter()
                .filter_map(|name| Some((Arc::clone(name), map.get(name)?.clone())))
                .collect();
            self.add(chosen.into());
            return Ok(());
        }
        for name in names {
            match map.get(name) {
                Some(value) => self.from(at + 1, value)?,
                None if self.definite && !last => {
                    return Err(PathError::Missing(normal(&self.steps[..=at])));
                }
                None => {}
            }
        }
        Ok(())
    }

    /// Here and everywhere below, what is above first.
    fn descend(&mut self, at: usize, here: &Value) -> Result<(), PathError> {
        // A filter after `..` judges the objects that it comes by, each once.
        match (self.steps.get(at), here) {
            (Some(Step::Filter(_)), Value::Array(_)) => {}
            _ => self.from(at, here)?,
        }
        for value in children(here) {
            if matches!(value, Value::Object(_) | Value::Array(_)) {
                self.descend(at, value)?;
            }
        }
        Ok(())
    }

    fn not_an_object(&self, at: usize, here: &Value) -> PathError {
        PathError::NotAnObject {
            property: fragment(&self.steps[at]),
            path: normal(&self.steps[..at]),
            found: jackson(here),
        }
    }

    fn not_an_array(&self, at: usize, here: &Value) -> PathError {
        if here.is_null() {
            return PathError::Null(normal(&self.steps[..at]));
        }
        PathError::NotAnArray {
            step: fragment(&self.steps[at]),
            found: here.to_json(),
        }
    }
}

/// The values of an object, the elements of an array.
fn children(here: &Value) -> impl Iterator<Item = &Value> {
    let (map, items) = (here.as_object(), here.as_array());
    let values = map.into_iter().flat_map(Map::values);
    values.chain(items.into_iter().flat_map(|items| items.iter()))
}

/// Counted from the end if negative.
fn element(items: &List, index: i64) -> Option<&Value> {
    let index = match usize::try_from(index) {
        Ok(index) => index,
        Err(_) => items
            .len()
            .checked_sub(usize::try_from(index.unsigned_abs()).ok()?)?,
    };
    items.get(index)
}

fn slice(items: &List, first: Option<i64>, end: Option<i64>) -> impl Iterator<Item = &Value> {
    let length = i64::try_from(items.len()).unwrap_or(i64::MAX);
    let range = match (first, end) {
        (Some(first), None) if first < 0 => (length + first).max(0)..length,
        (Some(first), None) => first..length,
        (None, Some(end)) if end < 0 => 0..length + end,
        (None, Some(end)) => 0..end.min(length),
        // With both ends given, each index counts for itself, as Jayway has it.
        (Some(first), Some(end)) => first.max(-length)..end.min(length),
        (None, None) => 0..0,
    };
    range.filter_map(|index| element(items, index))
}

/// The way that `steps` lead, as messages write it: `$['a'][0]`.
fn normal(steps: &[Step]) -> String {
    steps.iter().fold("$".to_owned(), |mut text, step| {
        text.push_str(&fragment(step));
        text
    })
}

fn fragment(step: &Step) -> String {
    let list = |items: &mut dyn Iterator<Item = String>| {
        format!("[{}]", items.collect::<Vec<_>>().join(","))
    };
    match step {
        Step::Properties(names) => list(&mut names.iter().map(|name| {
            let escaped = name.replace('\\', "\\\\").replace('\'', "\\'");
            format!("'{escaped}'")
        })),
        Step::Indexes(indexes) => list(&mut indexes.iter().map(ToString::to_string)),
        Step::Slice(first, end) => {
            let mut text = String::from("[");
            for (number, separator) in [(first, ":"), (end, "]")] {
                if let Some(number) = number {
                    // A String takes whatever is written to it.
                    let _ = write!(text, "{number}");
                }
                text.push_str(separator);
            }
            text
        }
        Step::Wildcard => "[*]".to_owned(),
        Step::Descend => "..".to_owned(),
        Step::Filter(_) => "[?]".to_owned(),
        Step::Function(function) => format!(".{}()", function.name()),
    }
}

/// The class that Step Functions' JSON library has for a value, which its messages name.
fn jackson(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "com.fasterxml.jackson.databind.node.BooleanNode",
        Value::Number(number) if !number.is_integer() => {
            "com.fasterxml.jackson.databind.node.DoubleNode"
        }
        Value::Number(number) => match number.as_i64() {
            Some(whole) if i32::try_from(whole).is_ok() => {
                "com.fasterxml.jackson.databind.node.IntNode"
            }
            Some(_) => "com.fasterxml.jackson.databind.node.LongNode",
            None => "com.fasterxml.jackson.databind.node.BigIntegerNode",
        },
        Value::String(_) => "com.fasterxml.jackson.databind.node.TextNode",
        Value::Array(_) => "com.fasterxml.jackson.databind.node.ArrayNode",
        Value::Object(_) => "com.fasterxml.jackson.databind.node.ObjectNode",
    }
}
