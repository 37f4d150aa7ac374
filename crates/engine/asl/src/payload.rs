//! Payload templates: JSON in which `"name.$": "$.path"` stands for what the path finds.
//!
//! `Parameters`, `ResultSelector`, `ItemSelector`, `Assign` and their like are [`Template`]s; a
//! [`Source`] is what stands behind one `.$`: a path or a call of an intrinsic function. What has
//! no `.$` in it is handed out as it is, shared.
//! (<https://docs.aws.amazon.com/step-functions/latest/dg/input-output-inputpath-params.html>)

use std::sync::Arc;

use crate::intrinsics::{Call, CallError, IntrinsicError};
use crate::jsonpath::{Path, PathError, Root};
use crate::scope::Scope;
use crate::value::{List, Map, Value};

/// A template, parsed.
///
/// ```
/// # use asl::{Scope, Value, Variables, payload::Template};
/// # let (context, variables, random) = (Value::Null, Variables::default(), ids::SeededEntropy::new(1));
/// # let scope = Scope { context: &context, variables: &variables, now: ids::Timestamp(0), random: &random };
/// let template = Template::parse(&Value::parse(
///     r#"{"kind": "greeting", "text.$": "States.Format('Hello, {}.', $.name)"}"#,
/// )?)?;
/// let input = Value::parse(r#"{"name": "Ada"}"#)?;
/// assert_eq!(
///     template.render(&input, &scope)?.to_json(),
///     r#"{"kind":"greeting","text":"Hello, Ada."}"#,
/// );
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Template(Node);

#[derive(Debug, Clone)]
enum Node {
    Constant(Value),
    Array(Vec<Node>),
    Object(Vec<(Arc<str>, Node)>),
    Source {
        /// The key with its `.$`, which errors name.
        field: Arc<str>,
        source: Box<Source>,
    },
}

/// What stands behind `.$`.
#[derive(Debug, Clone)]
pub enum Source {
    /// A path.
    Path(Path),
    /// A call of an intrinsic function.
    Call(Call),
}

/// A template that is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "The value for the field '{field}' must be a valid JSONPath or a valid intrinsic function call"
)]
pub struct TemplateError {
    /// The key, with its `.$`.
    pub field: Arc<str>,
    /// What is wrong with its value; `None` if it is no string.
    #[source]
    pub problem: Option<SourceError>,
}

/// Text that is neither a path nor a call.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    /// It is no path.
    #[error(transparent)]
    Path(#[from] PathError),
    /// It is no call.
    #[error(transparent)]
    Call(#[from] CallError),
}

/// A template for which the data lacks something.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RenderError {
    /// A path found nothing.
    #[error(
        "The JSONPath '{path}' specified for the field '{field}' could not be found in the input '{input}'"
    )]
    NotFound {
        /// The path, as it was written.
        path: Arc<str>,
        /// The key, with its `.$`.
        field: Arc<str>,
        /// What the path was applied to, as JSON.
        input: String,
        /// What the path itself says.
        source: Box<PathError>,
    },
    /// A call failed.
    #[error(transparent)]
    Call(#[from] IntrinsicError),
}

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    ///
    /// The first key that ends with `.$` and does not hold a path or a call.
    pub fn parse(value: &Value) -> Result<Self, TemplateError> {
        node(value).map(Self)
    }

    /// The template with everything filled in; `input` is what `$` stands for.
    ///
    /// # Errors
    ///
    /// The first path that finds nothing, or call that fails.
    pub fn render(&self, input: &Value, scope: &Scope<'_>) -> Result<Value, RenderError> {
        self.0.render(input, scope)
    }

    /// Every path in the template, those among arguments too.
    #[must_use]
    pub fn paths(&self) -> Vec<&Path> {
        let mut paths = Vec::new();
        self.0.paths(&mut paths);
        paths
    }
}

impl Source {
    /// Reads a path or a call, by how the text begins.
    ///
    /// # Errors
    ///
    /// Why it is neither.
    pub fn parse(text: &str) -> Result<Self, SourceError> {
        if Call::is_call(text) {
            Ok(Self::Call(Call::parse(text)?))
        } else {
            Ok(Self::Path(Path::parse(text)?))
        }
    }

    /// What it stands for; `input` is what `$` stands for, and `field` what errors call this one.
    ///
    /// # Errors
    ///
    /// A path that finds nothing, or a call that fails.
    pub fn evaluate(
        &self,
        field: &Arc<str>,
        input: &Value,
        scope: &Scope<'_>,
    ) -> Result<Value, RenderError> {
        match self {
            Self::Path(path) => {
                path.evaluate(input, scope)
                    .map_err(|source| RenderError::NotFound {
                        path: path.as_str().into(),
                        field: Arc::clone(field),
                        input: match path.root() {
                            Root::Context => scope.context.to_json(),
                            Root::Input | Root::Variable(_) => input.to_json(),
                        },
                        source: Box::new(source),
                    })
            }
            Self::Call(call) => Ok(call.evaluate(input, scope)?),
        }
    }

    /// Every path in it.
    #[must_use]
    pub fn paths(&self) -> Vec<&Path> {
        match self {
            Self::Path(path) => vec![path],
            Self::Call(call) => call.paths(),
        }
    }
}

impl RenderError {
    /// The error name that a state fails with.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::NotFound { .. } => "States.Runtime",
            Self::Call(error) => error.name(),
        }
    }
}

fn node(value: &Value) -> Result<Node, TemplateError> {
    match value {
        Value::Array(items) => {
            let nodes = items.iter().map(node).collect::<Result<Vec<_>, _>>()?;
            Ok(if nodes.iter().all(Node::is_constant) {
                Node::Constant(value.clone())
            } else {
                Node::Array(nodes)
            })
        }
        Value::Object(entries) => {
            let mut nodes = Vec::with_capacity(entries.len());
            for (key, value) in entries.as_ref() {
                nodes.push(match key.strip_suffix(".$") {
                    Some(name) => (name.into(), source(key, value)?),
                    None => (Arc::clone(key), node(value)?),
                });
            }
            Ok(if nodes.iter().all(|(_, node)| node.is_constant()) {
                Node::Constant(value.clone())
            } else {
                Node::Object(nodes)
            })
        }
        other => Ok(Node::Constant(other.clone())),
    }
}

fn source(key: &Arc<str>, value: &Value) -> Result<Node, TemplateError> {
    let wrong = |problem| TemplateError {
        field: Arc::clone(key),
        problem,
    };
    let text = value.as_str().ok_or_else(|| wrong(None))?;
    let source = Source::parse(text).map_err(|problem| wrong(Some(problem)))?;
    Ok(Node::Source {
        field: Arc::clone(key),
        source: Box::new(source),
    })
}

impl Node {
    fn is_constant(&self) -> bool {
        matches!(self, Self::Constant(_))
    }

    fn render(&self, input: &Value, scope: &Scope<'_>) -> Result<Value, RenderError> {
        match self {
            Self::Constant(value) => Ok(value.clone()),
            Self::Array(nodes) => {
                let items = nodes.iter().map(|node| node.render(input, scope));
                Ok(items.collect::<Result<Vec<_>, _>>().map(List::from)?.into())
            }
            Self::Object(nodes) => {
                let mut entries = Map::with_capacity(nodes.len());
                for (key, node) in nodes {
                    entries.insert(Arc::clone(key), node.render(input, scope)?);
                }
                Ok(entries.into())
            }
            Self::Source { field, source } => source.evaluate(field, input, scope),
        }
    }

    fn paths<'a>(&'a self, paths: &mut Vec<&'a Path>) {
        match self {
            Self::Constant(_) => {}
            Self::Array(nodes) => {
                for node in nodes {
                    node.paths(paths);
                }
            }
            Self::Object(nodes) => {
                for (_, node) in nodes {
                    node.paths(paths);
                }
            }
            Self::Source { source, .. } => paths.extend(source.paths()),
        }
    }
}

#[cfg(test)]
mod tests {
    use ids::{SeededEntropy, Timestamp};
    use proptest::prelude::*;

    use super::*;
    use crate::Variables;

    fn render(template: &str, input: &str) -> Result<String, RenderError> {
        let context = Value::parse(r#"{"State": {"Name": "S"}}"#).unwrap();
        let variables: Variables = [("v", Value::from(7))].into_iter().collect::<Map>().into();
        let random = SeededEntropy::new(1);
        let scope = Scope {
            context: &context,
            variables: &variables,
            now: Timestamp(0),
            random: &random,
        };
        Template::parse(&Value::parse(template).unwrap())
            .unwrap()
            .render(&Value::parse(input).unwrap(), &scope)
            .map(|value| value.to_json())
    }

    #[test]
    fn what_ends_with_a_dollar_is_computed_and_nothing_else() {
        assert_eq!(
            render(
                r#"{"flagged": true, "parts": {"first.$": "$.vals[0]", "last3.$": "$.vals[3:]"}}"#,
                r#"{"flagged": 7, "vals": [0, 10, 20, 30, 40, 50]}"#
            ),
            Ok(r#"{"flagged":true,"parts":{"first":0,"last3":[30,40,50]}}"#.to_owned())
        );
        assert_eq!(
            render(
                r#"[1, "$.x", {"a.$": "$v", "b": "$v", "c.$": "$$.State.Name"}, [{"all.$": "$"}]]"#,
                "2"
            ),
            Ok(r#"[1,"$.x",{"a":7,"b":"$v","c":"S"},[{"all":2}]]"#.to_owned())
        );
        assert_eq!(render(r#"{".$": "$v"}"#, "1"), Ok(r#"{"":7}"#.to_owned()));
    }

    #[test]
    fn what_is_not_there_is_named_as_aws_names_it() {
        let error = render(r#"{"a": {"value.$": "$.no.such"}}"#, r#"{"x": 1}"#).unwrap_err();
        assert_eq!(error.name(), "States.Runtime");
        assert_eq!(
            error.to_string(),
            "The JSONPath '$.no.such' specified for the field 'value.$' could not be found in the \
             input '{\"x\":1}'"
        );
        let error = render(r#"{"value.$": "$$.no"}"#, "{}").unwrap_err();
        assert!(
            error
                .to_string()
                .ends_with(r#"in the input '{"State":{"Name":"S"}}'"#)
        );
        let error = render(r#"{"value.$": "States.ArrayLength($.x)"}"#, r#"{"x": 1}"#).unwrap_err();
        assert_eq!(error.name(), "States.IntrinsicFailure");
    }

    #[test]
    fn what_is_no_template_is_refused() {
        for template in [
            r#"{"lorem.$": "ipsum"}"#,
            r#"{"lorem.$": 1}"#,
            r#"{"a": [{"lorem.$": "States.Nonesuch()"}]}"#,
            r#"{"lorem.$": ""}"#,
        ] {
            let error = Template::parse(&Value::parse(template).unwrap()).unwrap_err();
            assert_eq!(
                error.to_string(),
                "The value for the field 'lorem.$' must be a valid JSONPath or a valid intrinsic \
                 function call"
            );
        }
    }

    #[test]
    fn paths_are_told() {
        let template = r#"{"a.$": "States.Array($x, $.b)", "c": [{"d.$": "$y.z"}], "e": "$no"}"#;
        let template = Template::parse(&Value::parse(template).unwrap()).unwrap();
        let variables: Vec<_> = template.paths().into_iter().map(Path::variable).collect();
        assert_eq!(variables, [Some("x"), None, Some("y")]);
    }

    #[test]
    fn constants_are_shared() {
        let value = Value::parse(r#"{"big": [1, 2, 3], "x.$": "$"}"#).unwrap();
        let template = Template::parse(&value).unwrap();
        let Some(Value::Array(big)) = value.get("big") else {
            panic!("an array")
        };
        assert_eq!(Arc::strong_count(big), 2);
        drop(template);
    }

    proptest! {
        #[test]
        fn json_without_dollars_renders_to_itself(value in crate::value::tests::any_value()) {
            prop_assume!(!value.to_json().contains(".$\""));
            prop_assert_eq!(render(&value.to_json(), "1"), Ok(value.to_json()));
        }
    }
}
