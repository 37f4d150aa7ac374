//! Values from and to the other crate's representation.

use jsonata_core::value::JValue;

use super::EvaluateError;
use crate::value::{List, MAX_DEPTH, Map, Number, Value};

pub(super) fn into(value: &Value) -> JValue {
    match value {
        Value::Null => JValue::Null,
        Value::Bool(value) => JValue::Bool(*value),
        Value::Number(number) => JValue::Number(number.as_f64()),
        Value::String(text) => JValue::from(text.as_ref()),
        Value::Array(items) => JValue::array(items.iter().map(into).collect()),
        Value::Object(map) => JValue::object(
            map.iter()
                .map(|(key, value)| (key.as_ref().to_owned(), into(value)))
                .collect(),
        ),
    }
}

pub(super) fn from(value: &JValue) -> Result<Value, EvaluateError> {
    if value.is_undefined() {
        return Err(EvaluateError::Nothing);
    }
    inner(value, 0)
}

fn inner(value: &JValue, depth: usize) -> Result<Value, EvaluateError> {
    if depth == MAX_DEPTH && matches!(value, JValue::Array(_) | JValue::Object(_)) {
        return Err(EvaluateError::Unsupported);
    }
    match value {
        JValue::Null => Ok(Value::Null),
        JValue::Bool(value) => Ok(Value::Bool(*value)),
        JValue::Number(number) => Number::from_f64(*number)
            .map(Value::Number)
            .ok_or(EvaluateError::Unsupported),
        JValue::String(text) => Ok(Value::from(text.as_ref())),
        JValue::Array(items) => {
            let mut list = List::with_capacity(items.len());
            // What is undefined inside is left out, as in JSON.stringify of objects.
            for item in items.iter().filter(|item| !item.is_undefined()) {
                list.push(inner(item, depth + 1)?);
            }
            Ok(list.into())
        }
        JValue::Object(entries) => {
            let mut map = Map::with_capacity(entries.len());
            for (key, value) in entries.iter().filter(|(_, value)| !value.is_undefined()) {
                map.insert(key.as_str(), inner(value, depth + 1)?);
            }
            Ok(map.into())
        }
        JValue::Undefined | JValue::Lambda(_) | JValue::Builtin { .. } | JValue::Regex { .. } => {
            Err(EvaluateError::Unsupported)
        }
    }
}
