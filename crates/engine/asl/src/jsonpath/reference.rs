//! Paths that name exactly one place, and putting a value there.

use std::fmt;
use std::sync::Arc;

use super::{Path, PathError, Root, Step};
use crate::value::{List, Map, Value};

/// A reference path, as `ResultPath` takes one: names and indexes from `$` on.
///
/// ```
/// # use asl::{Value, jsonpath::ReferencePath};
/// let input = Value::parse(r#"{"a": 1}"#)?;
/// let path = ReferencePath::parse("$.b.c")?;
/// assert_eq!(path.insert(&input, Value::from(2))?.to_json(), r#"{"a":1,"b":{"c":2}}"#);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct ReferencePath {
    text: Arc<str>,
    steps: Vec<Place>,
}

#[derive(Debug, Clone)]
enum Place {
    Name(Arc<str>),
    Index(usize),
}

impl ReferencePath {
    /// Reads a reference path.
    ///
    /// # Errors
    ///
    /// [`PathError::Syntax`] if the text is no path, or one that may name several places, counts
    /// from an array's end, or starts elsewhere than at `$`.
    pub fn parse(text: &str) -> Result<Self, PathError> {
        let path = Path::parse(text)?;
        let refuse = |problem| PathError::Syntax {
            path: text.into(),
            problem,
            offset: 0,
        };
        if path.root != Root::Input {
            return Err(refuse("a reference path starts with '$'"));
        }
        let steps = path
            .steps
            .into_iter()
            .map(|step| match step {
                Step::Properties(mut names) if names.len() == 1 => names.pop().map(Place::Name),
                Step::Indexes(indexes) if indexes.len() == 1 => {
                    usize::try_from(*indexes.first()?).ok().map(Place::Index)
                }
                _ => None,
            })
            .collect::<Option<_>>()
            .ok_or_else(|| refuse("a reference path has only names and indexes"))?;
        Ok(Self {
            text: path.text,
            steps,
        })
    }

    /// Whether it is `$`, the whole.
    #[must_use]
    pub fn is_root(&self) -> bool {
        self.steps.is_empty()
    }

    /// The path as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// `input` with `value` at this place. Objects on the way are made where nothing is; what is not
    /// on the way stays shared.
    ///
    /// # Errors
    ///
    /// [`PathError::CannotApply`], which fails a state with `States.ResultPathMatchFailure`, where
    /// the way leads through something that is no object, or to an element that an array lacks.
    pub fn insert(&self, input: &Value, value: Value) -> Result<Value, PathError> {
        let mut whole = input.clone();
        if put(&mut whole, &self.steps, value) {
            return Ok(whole);
        }
        Err(PathError::CannotApply {
            path: Arc::clone(&self.text),
            input: input.to_json(),
        })
    }
}

impl fmt::Display for ReferencePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Whether `value` could be put at `steps` below `here`.
fn put(here: &mut Value, steps: &[Place], value: Value) -> bool {
    let Some((step, rest)) = steps.split_first() else {
        *here = value;
        return true;
    };
    match (step, here) {
        (Place::Name(name), Value::Object(map)) => {
            let mut inner = match map.get(name) {
                Some(inner) => inner.clone(),
                None => Map::new().into(),
            };
            let done = put(&mut inner, rest, value);
            if done {
                Arc::make_mut(map).insert(Arc::clone(name), inner);
            }
            done
        }
        (Place::Index(index), Value::Array(items)) => {
            let Some(inner) = items.get(*index) else {
                return false;
            };
            let mut inner = inner.clone();
            let done = put(&mut inner, rest, value);
            if done {
                List::replace(Arc::make_mut(items), *index, inner);
            }
            done
        }
        _ => false,
    }
}
