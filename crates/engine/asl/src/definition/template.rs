//! Fields whose values are computed: payload templates with paths, and JSON with JSONata in it.

use std::fmt::{self, Write as _};
use std::sync::Arc;

use crate::jsonata::Expression;
use crate::payload;
use crate::value::Value;

/// A field whose value is computed, in either language.
#[derive(Debug, Clone)]
pub enum Template {
    /// With paths and intrinsic functions in fields whose names end with `.$`.
    JsonPath(payload::Template),
    /// With JSONata in `{% … %}`.
    Jsonata(JsonataTemplate),
}

/// JSON in which strings of the form `{% … %}` are expressions.
#[derive(Debug, Clone)]
pub enum JsonataTemplate {
    /// No expression in it.
    Literal(Value),
    /// An expression.
    Expression(Arc<Expression>),
    /// An array with expressions in it.
    Array(Vec<JsonataTemplate>),
    /// An object with expressions in it.
    Object(Vec<(Arc<str>, JsonataTemplate)>),
}

impl JsonataTemplate {
    /// Whether there is no expression in it.
    pub fn is_literal(&self) -> bool {
        matches!(self, Self::Literal(_))
    }
}

/// The text within `{% … %}`; nothing where a string is no expression.
pub(super) fn expression_text(text: &str) -> Option<&str> {
    Some(text.strip_prefix("{%")?.strip_suffix("%}")?.trim())
}

/// The way to a part of a field, as errors name it: `Output/result[0]`.
#[derive(Debug, Clone, Copy)]
pub struct FieldPath<'p> {
    parent: Option<&'p FieldPath<'p>>,
    step: Step<'p>,
}

#[derive(Debug, Clone, Copy)]
enum Step<'p> {
    Name(&'p str),
    Index(usize),
}

impl<'p> FieldPath<'p> {
    /// A field of a state.
    pub fn of(field: &'p str) -> Self {
        Self {
            parent: None,
            step: Step::Name(field),
        }
    }

    /// A field of an object.
    pub fn field(&'p self, name: &'p str) -> Self {
        Self {
            parent: Some(self),
            step: Step::Name(name),
        }
    }

    /// An element of an array.
    pub fn index(&'p self, index: usize) -> Self {
        Self {
            parent: Some(self),
            step: Step::Index(index),
        }
    }
}

impl fmt::Display for FieldPath<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(parent) = self.parent {
            parent.fmt(f)?;
        }
        match self.step {
            Step::Name(name) => {
                if self.parent.is_some() {
                    f.write_char('/')?;
                }
                f.write_str(name)
            }
            Step::Index(index) => write!(f, "[{index}]"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_named_as_aws_names_them() {
        let output = FieldPath::of("Output");
        let inner = output.field("a b");
        assert_eq!(inner.index(3).to_string(), "Output/a b[3]");
        assert_eq!(expression_text("{% 1 + 1 %}"), Some("1 + 1"));
        assert_eq!(expression_text("{%1%}"), Some("1"));
        assert_eq!(expression_text(" {% 1 %}"), None);
    }
}
