//! JSONPath as Step Functions has it.
//!
//! The dialect is that of Jayway's library, which Step Functions runs on, and which is older and
//! laxer than RFC 9535: `$.test-id`, `$.[0]` and `$.['a','b']` are paths, comparisons coerce strings
//! and numbers, and a path either names one place (it is definite) or gives an array of whatever it
//! finds. Before it, Step Functions puts two roots of its own: `$$` is the context object, and
//! `$name` a variable.
//!
//! - [`Path`]: parsed once, evaluated often.
//! - [`ReferencePath`]: the few paths that name exactly one place, where results are put.
//! - [`PathError`]: why there is nothing, in Jayway's words, since executions fail with them.
//!
//! Where Jayway departs from its own documentation by mistake (an index after `..` that is not the
//! last step counts for nothing), this follows the documentation. Two forms that Jayway refuses are
//! read too, because linters let them pass: `[(@.length-1)]` and words without quotes in filters.

mod error;
mod evaluate;
mod filter;
mod function;
mod parse;
mod reference;

use std::fmt;
use std::sync::Arc;

pub use error::PathError;
pub use reference::ReferencePath;

use crate::scope::Scope;
use crate::value::Value;
use filter::Filter;
use function::Function;

/// A path, parsed.
///
/// ```
/// # use asl::{Scope, Value, Variables, jsonpath::Path};
/// # let (context, variables, random) = (Value::Null, Variables::default(), ids::SeededEntropy::new(1));
/// # let scope = Scope { context: &context, variables: &variables, now: ids::Timestamp(0), random: &random };
/// let input = Value::parse(r#"{"orders": [{"id": 1, "paid": true}, {"id": 2}]}"#)?;
/// let path = Path::parse("$.orders[?(@.paid)].id")?;
/// assert_eq!(path.evaluate(&input, &scope)?.to_json(), "[1]");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Path {
    text: Arc<str>,
    root: Root,
    steps: Vec<Step>,
}

/// What a path starts at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Root {
    /// `$`: the state's input, or its result, as the field has it.
    Input,
    /// `$$`: the context object.
    Context,
    /// `$name`: a variable.
    Variable(Arc<str>),
}

#[derive(Debug, Clone)]
enum Step {
    /// `.a`, `['a']`, `['a', 'b']`.
    Properties(Vec<Arc<str>>),
    /// `[0]`, `[-1]`, `[0, 2]`.
    Indexes(Vec<i64>),
    /// `[1:]`, `[:2]`, `[1:2]`.
    Slice(Option<i64>, Option<i64>),
    /// `.*`, `[*]`.
    Wildcard,
    /// `..`: here and everywhere below.
    Descend,
    /// `[?(…)]`.
    Filter(Arc<Filter>),
    /// `.length()`.
    Function(Function),
}

impl Path {
    /// Reads a path that starts with `$`, `$$` or `$name`.
    ///
    /// # Errors
    ///
    /// [`PathError::Syntax`] with where and how the text is no path.
    pub fn parse(text: &str) -> Result<Self, PathError> {
        parse::path(text)
    }

    /// What the path finds: one value if it [is definite](Self::is_definite), otherwise an array of
    /// all that it matches, empty if that is nothing.
    ///
    /// `input` is what `$` stands for.
    ///
    /// # Errors
    ///
    /// When a definite path finds nothing, a variable is not assigned, or a path with several `..`
    /// visits more places than is reasonable.
    pub fn evaluate(&self, input: &Value, scope: &Scope<'_>) -> Result<Value, PathError> {
        let root = match &self.root {
            Root::Input => input,
            Root::Context => scope.context,
            Root::Variable(name) => scope
                .variables
                .get(name)
                .ok_or_else(|| PathError::NoVariable(Arc::clone(name)))?,
        };
        evaluate::path(&self.steps, root, root)
    }

    /// Whether it names one place at most.
    #[must_use]
    pub fn is_definite(&self) -> bool {
        is_definite(&self.steps)
    }

    /// Whether it is a reference path: made of single names and indexes alone.
    #[must_use]
    pub fn is_reference(&self) -> bool {
        self.steps.iter().all(|step| match step {
            Step::Properties(names) => names.len() == 1,
            Step::Indexes(indexes) => indexes.len() == 1,
            _ => false,
        })
    }

    /// What it starts at.
    #[must_use]
    pub fn root(&self) -> &Root {
        &self.root
    }

    /// The variable that it starts at.
    #[must_use]
    pub fn variable(&self) -> Option<&str> {
        match &self.root {
            Root::Variable(name) => Some(name),
            Root::Input | Root::Context => None,
        }
    }

    /// The path as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn is_definite(steps: &[Step]) -> bool {
    let Some((last, before)) = steps.split_last() else {
        return true;
    };
    // What a function is given may be many, what it gives is one.
    matches!(last, Step::Function(_))
        || (before.iter().all(|step| names_one(step, false)) && names_one(last, true))
}

/// Whether the step leads to one place at most. Several names at the end make one object.
fn names_one(step: &Step, last: bool) -> bool {
    match step {
        Step::Properties(names) => last || names.len() == 1,
        Step::Indexes(indexes) => indexes.len() == 1,
        Step::Function(_) => true,
        Step::Slice(..) | Step::Wildcard | Step::Descend | Step::Filter(_) => false,
    }
}

#[cfg(test)]
mod tests;
