//! What is done with arrays.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use crate::value::{List, Value};

/// The longest array that a range may be.
const MAX_RANGE: i64 = 1_000;

/// `items` in arrays of `size`, the last with what is left; `None` where `size` is not positive.
pub(crate) fn partition(items: &List, size: i64) -> Option<Value> {
    let size = usize::try_from(size).ok().filter(|size| *size > 0)?;
    let chunks = items.chunks(size);
    Some(
        chunks
            .map(|chunk| chunk.iter().cloned().collect())
            .collect(),
    )
}

/// From `first` to `last` (included) by `step`.
pub(crate) fn range(first: i64, last: i64, step: i64) -> Result<List, &'static str> {
    let distance = last.checked_sub(first);
    let count = match (distance, step) {
        (_, 0) => return Err("the step must not be 0"),
        (Some(distance), step) if (distance < 0) == (step < 0) || distance == 0 => {
            distance.checked_div(step)
        }
        // Away from the end: there is nothing.
        (Some(_), _) => return Ok(List::new()),
        (None, _) => None,
    };
    match count {
        Some(count) if count < MAX_RANGE => {
            Ok((0..=count).map(|n| Value::from(first + n * step)).collect())
        }
        _ => Err("the array must not have more than 1000 elements"),
    }
}

/// Each of `items` once, where it first came.
pub(super) fn unique(items: &List) -> Value {
    let mut seen: HashMap<u64, Vec<usize>> = HashMap::with_capacity(items.len());
    let mut unique = List::new();
    for (index, item) in items.iter().enumerate() {
        let mut hasher = DefaultHasher::new();
        fingerprint(item, &mut hasher);
        let alike = seen.entry(hasher.finish()).or_default();
        if alike.iter().all(|earlier| items[*earlier] != *item) {
            alike.push(index);
            unique.push(item.clone());
        }
    }
    unique.into()
}

/// Equal values have equal fingerprints.
fn fingerprint(value: &Value, hasher: &mut DefaultHasher) {
    std::mem::discriminant(value).hash(hasher);
    match value {
        Value::Null => {}
        Value::Bool(value) => value.hash(hasher),
        // Zeros differ in sign alone.
        Value::Number(number) => (number.as_f64() + 0.0).to_bits().hash(hasher),
        Value::String(text) => text.hash(hasher),
        Value::Array(items) => {
            items.len().hash(hasher);
            for item in items.as_ref() {
                fingerprint(item, hasher);
            }
        }
        Value::Object(map) => {
            // The order of keys does not count.
            let sum = map.iter().fold(0_u64, |sum, (key, item)| {
                let mut inner = DefaultHasher::new();
                key.hash(&mut inner);
                fingerprint(item, &mut inner);
                sum.wrapping_add(inner.finish())
            });
            sum.hash(hasher);
        }
    }
}
