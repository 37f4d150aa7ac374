//! JSON as executions carry it.
//!
//! A [`Value`] is cheap to clone: what is larger than a number is shared behind an [`Arc`], so that
//! a state that hands its input on copies a pointer. Objects keep the order in which keys came, and
//! numbers are exact ([`Number`]). Containers know their size in bytes ([`Value::size`]) and how deep
//! they go ([`Value::depth`]), since every transition is measured against quotas.

mod collections;
mod convert;
mod number;
mod read;
mod write;

use std::fmt;
use std::sync::Arc;

pub use collections::{List, Map};
pub use number::Number;
pub use read::{MAX_DEPTH, ReadError};

/// A JSON value.
#[derive(Debug, Clone, Default, PartialEq)]
pub enum Value {
    /// `null`.
    #[default]
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number, exact.
    Number(Number),
    /// A string.
    String(Arc<str>),
    /// An array.
    Array(Arc<List>),
    /// An object, in the order of its keys.
    Object(Arc<Map>),
}

impl Value {
    /// Reads JSON text.
    ///
    /// Of keys that come twice the last counts, as for AWS.
    ///
    /// # Errors
    ///
    /// Where and how the text is not JSON, or is nested deeper than [`MAX_DEPTH`].
    pub fn parse(text: &str) -> Result<Self, ReadError> {
        read::parse(text)
    }

    /// Compact JSON text.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut text = String::with_capacity(self.size());
        write::value(self, &mut text);
        text
    }

    /// Appends compact JSON text to `text`.
    pub fn write_to(&self, text: &mut String) {
        write::value(self, text);
    }

    /// The number of bytes of [`Value::to_json`], without writing it: known beforehand for arrays
    /// and objects.
    #[must_use]
    pub fn size(&self) -> usize {
        match self {
            Self::Null => 4,
            Self::Bool(value) => 5 - usize::from(*value),
            Self::Number(number) => number.size(),
            Self::String(text) => write::string_size(text),
            Self::Array(list) => list.size(),
            Self::Object(map) => map.size(),
        }
    }

    /// How deep arrays and objects lie in one another: 0 for what is neither.
    ///
    /// Text that goes deeper than [`MAX_DEPTH`] cannot be read, so a value that states have made must
    /// be measured before it is kept.
    #[must_use]
    pub fn depth(&self) -> usize {
        match self {
            Self::Array(list) => list.depth(),
            Self::Object(map) => map.depth(),
            _ => 0,
        }
    }

    /// JSON's word for the type: `null`, `boolean`, `number`, `string`, `array` or `object`.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "boolean",
            Self::Number(_) => "number",
            Self::String(_) => "string",
            Self::Array(_) => "array",
            Self::Object(_) => "object",
        }
    }

    /// An object without keys.
    #[must_use]
    pub fn empty_object() -> Self {
        Self::from(Map::new())
    }

    /// The value of `key`, if this is an object that has it.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Self> {
        self.as_object()?.get(key)
    }

    /// The element at `index`, if this is an array that is so long.
    #[must_use]
    pub fn at(&self, index: usize) -> Option<&Self> {
        self.as_array()?.get(index)
    }

    /// Whether this is `null`.
    #[must_use]
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// The boolean.
    #[must_use]
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Bool(value) => Some(*value),
            _ => None,
        }
    }

    /// The number.
    #[must_use]
    pub fn as_number(&self) -> Option<&Number> {
        match self {
            Self::Number(number) => Some(number),
            _ => None,
        }
    }

    /// The number, where it is whole and fits.
    #[must_use]
    pub fn as_i64(&self) -> Option<i64> {
        self.as_number()?.as_i64()
    }

    /// The string.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    /// The array.
    #[must_use]
    pub fn as_array(&self) -> Option<&List> {
        match self {
            Self::Array(list) => Some(list),
            _ => None,
        }
    }

    /// The object.
    #[must_use]
    pub fn as_object(&self) -> Option<&Map> {
        match self {
            Self::Object(map) => Some(map),
            _ => None,
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_json())
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Any JSON text whose numbers are spelled in many ways.
    pub(crate) fn any_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(|x| Number::from_f64(x).map_or(Value::Null, Value::Number)),
            "-?(0|[1-9][0-9]{0,30})(\\.[0-9]{1,20})?([eE][+-]?[0-9]{1,3})?"
                .prop_map(|text| Value::parse(&text).expect("a number")),
            any::<String>().prop_map(Value::from),
        ];
        leaf.prop_recursive(5, 64, 8, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..8).prop_map(Value::from),
                prop::collection::vec((any::<String>(), inner), 0..8)
                    .prop_map(|entries| entries.into_iter().collect::<Map>().into()),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back_and_is_as_long_as_was_said(value in any_value()) {
            let text = value.to_json();
            prop_assert_eq!(text.len(), value.size());
            let back = Value::parse(&text).unwrap();
            prop_assert_eq!(back.to_json(), text);
            prop_assert_eq!(back, value);
        }

        #[test]
        fn serde_json_reads_what_is_written(value in any_value()) {
            let text = value.to_json();
            // Numbers beyond f64 are errors for serde_json.
            if let Ok(theirs) = serde_json::from_str::<serde_json::Value>(&text) {
                let through = Value::from(&theirs);
                prop_assert_eq!(through.size(), through.to_json().len());
                prop_assert_eq!(serde_json::Value::from(&through), theirs);
            }
            let again: Value = serde_json::from_str(&text).unwrap();
            prop_assert_eq!(serde_json::to_string(&again).unwrap(), text);
        }

        #[test]
        fn no_text_makes_the_reader_panic(text in any::<String>()) {
            let ours = Value::parse(&text).is_ok();
            let theirs = serde_json::from_str::<serde::de::IgnoredAny>(&text).is_ok();
            prop_assert_eq!(ours, theirs);
        }

        #[test]
        fn damaged_json_is_read_or_refused_as_by_serde_json(
            value in any_value(), at in any::<prop::sample::Index>(), with in "[\\[\\]{},:\"\\\\0-9a-z.+\\- ]{0,2}"
        ) {
            let mut text = value.to_json();
            let mut at = at.index(text.len());
            while !text.is_char_boundary(at) {
                at -= 1;
            }
            let next = text[at..].chars().next().map_or(0, char::len_utf8);
            text.replace_range(at..at + next, &with);
            let ours = Value::parse(&text);
            let theirs = serde_json::from_str::<Box<serde_json::value::RawValue>>(&text);
            prop_assert_eq!(ours.is_ok(), theirs.is_ok(), "{}: {:?} {:?}", text, ours, theirs);
        }
    }

    #[test]
    fn a_clone_shares() {
        let value = Value::parse(r#"{"a": [1, 2, 3]}"#).unwrap();
        let Value::Object(map) = &value else {
            panic!("an object")
        };
        let other = value.clone();
        assert_eq!(Arc::strong_count(map), 2);
        drop(other);
    }

    #[test]
    fn the_last_of_two_equal_keys_counts() {
        let value = Value::parse(r#"{"a": 1, "b": 2, "a": 3}"#).unwrap();
        assert_eq!(value.to_json(), r#"{"a":3,"b":2}"#);
        assert_eq!(value.size(), value.to_json().len());
    }
}
