//! Fields that are a value, a path to one, or an expression for one.

use std::sync::Arc;

use super::{Evaluated, Evaluator, Trouble, unexpected_type};
use crate::definition::{Dynamic, Template};
use crate::jsonpath::Path;
use crate::payload::Source;
use crate::value::{Number, Value};

impl Evaluator<'_> {
    /// A value of JSONata that must be of a type.
    pub(super) fn typed<T>(
        &self,
        template: &Template,
        field: &str,
        expected: &'static str,
        read: impl FnOnce(&Value) -> Option<T>,
    ) -> Evaluated<T> {
        let value = self.render(template, field, &self.track.input, None, None)?;
        read(&value).ok_or_else(|| unexpected_type(template, field, expected, &value))
    }

    /// A whole number that a field gives.
    pub(in crate::machine) fn integer(
        &self,
        dynamic: &Dynamic<u64>,
        field: &str,
    ) -> Evaluated<u64> {
        let read = |value: &Value| value.as_i64().and_then(|number| u64::try_from(number).ok());
        match dynamic {
            Dynamic::Fixed(number) => Ok(*number),
            Dynamic::Expression(template) => self.typed(template, field, "integer", read),
            Dynamic::Path(path) => {
                let value = self.path(path, &self.effective_input()?)?;
                read(&value).ok_or_else(|| refers_to(field, &value, "integer", path))
            }
            Dynamic::Call(_) => Err(Trouble::runtime(format!(
                "The {field}Path field cannot be a function"
            ))),
        }
    }

    /// A number that a field gives.
    pub(in crate::machine) fn float(&self, dynamic: &Dynamic<f64>, field: &str) -> Evaluated<f64> {
        let read = |value: &Value| value.as_number().map(Number::as_f64);
        match dynamic {
            Dynamic::Fixed(number) => Ok(*number),
            Dynamic::Expression(template) => self.typed(template, field, "number", read),
            Dynamic::Path(path) => {
                let value = self.path(path, &self.effective_input()?)?;
                read(&value).ok_or_else(|| refers_to(field, &value, "float", path))
            }
            Dynamic::Call(_) => Err(Trouble::runtime(format!(
                "The {field}Path field cannot be a function"
            ))),
        }
    }

    /// A text that a field of a Fail state gives.
    pub(in crate::machine) fn text(
        &self,
        dynamic: &Dynamic<Arc<str>>,
        field: &str,
    ) -> Evaluated<Arc<str>> {
        let read = |value: &Value| match value {
            Value::String(text) => Some(Arc::clone(text)),
            _ => None,
        };
        let of_path = |source: &Source| {
            let name: Arc<str> = format!("{field}Path").into();
            let value = source
                .evaluate(&name, &self.track.input, &self.scope())
                .map_err(|error| Trouble::Named(error.name(), error.to_string()))?;
            let wrong = || {
                Trouble::runtime(format!(
                    "The {name} field refers to a value that is not a string: {value}"
                ))
            };
            read(&value).ok_or_else(wrong)
        };
        match dynamic {
            Dynamic::Fixed(text) => Ok(Arc::clone(text)),
            Dynamic::Expression(template) => self.typed(template, field, "string", read),
            Dynamic::Path(path) => of_path(&Source::Path(path.clone())),
            Dynamic::Call(source) => of_path(source),
        }
    }

    /// The seconds that a Wait state waits.
    pub(in crate::machine) fn wait_seconds(&self, dynamic: &Dynamic<u64>) -> Evaluated<u64> {
        let Dynamic::Path(path) = dynamic else {
            return self.integer(dynamic, "Seconds");
        };
        let value = path
            .evaluate(&self.effective_input()?, &self.scope())
            .map_err(|_| {
                Trouble::runtime(format!(
                    "The SecondsPath parameter does not reference an input value: {path}"
                ))
            })?;
        let seconds = value
            .as_number()
            .filter(|number| number.is_integer())
            .and_then(Number::as_i64);
        seconds
            .and_then(|seconds| u64::try_from(seconds).ok())
            .ok_or_else(|| {
                Trouble::runtime(format!(
                    "The SecondsPath parameter cannot be parsed as a long value: {path} == {}",
                    plain(&value)
                ))
            })
    }

    /// The moment until which a Wait state waits.
    pub(in crate::machine) fn wait_until(
        &self,
        dynamic: &Dynamic<Arc<str>>,
    ) -> Evaluated<jiff::Timestamp> {
        let read = |text: &str| crate::time::parse(text);
        let format = "ISO-8601 extended offset date-time format string";
        match dynamic {
            Dynamic::Path(path) => {
                let value = path
                    .evaluate(&self.effective_input()?, &self.scope())
                    .map_err(|_| {
                        Trouble::runtime(format!(
                            "The TimestampPath parameter does not reference an input value: {path}"
                        ))
                    })?;
                value.as_str().and_then(read).ok_or_else(|| {
                    Trouble::runtime(format!(
                        "The TimestampPath parameter does not reference a valid {format}: {path} == {}",
                        plain(&value)
                    ))
                })
            }
            other => {
                let text = self.text(other, "Timestamp")?;
                read(&text).ok_or_else(|| Trouble::Query {
                    cause: format!("The Timestamp field cannot be parsed as an {format}: {text}"),
                    location: Some("Timestamp".to_owned()),
                    late: true,
                })
            }
        }
    }
}

/// A value as AWS puts it into a sentence: strings without quotes.
fn plain(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_json(), str::to_owned)
}

fn refers_to(field: &str, value: &Value, kind: &str, path: &Path) -> Trouble {
    let value = plain(value);
    Trouble::runtime(format!(
        "The {field}Path field refers to value \"{value}\" which is not a valid {kind}: {path}"
    ))
}
