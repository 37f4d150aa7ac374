//! Arrays and objects that know how long their text is, and how deep they go.

use std::ops::Deref;
use std::sync::Arc;

use foldhash::fast::RandomState;
use indexmap::IndexMap;

use super::{Value, write};

/// The elements of an array.
#[derive(Debug, Clone, Default)]
pub struct List {
    items: Vec<Value>,
    /// Bytes of the elements' text, without brackets and commas.
    inner: usize,
    /// The depth of the deepest element.
    below: usize,
}

impl List {
    /// No elements.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// No elements yet, with room for `capacity`.
    #[must_use]
    pub fn with_capacity(capacity: usize) -> Self {
        Self {
            items: Vec::with_capacity(capacity),
            ..Self::default()
        }
    }

    /// Appends `value`.
    pub fn push(&mut self, value: Value) {
        self.inner += value.size();
        self.below = self.below.max(value.depth());
        self.items.push(value);
    }

    /// Puts `value` at `index` and returns what was there; `None`, and nothing done, past the end.
    pub fn replace(&mut self, index: usize, value: Value) -> Option<Value> {
        let place = self.items.get_mut(index)?;
        self.inner = self.inner + value.size() - place.size();
        let before = std::mem::replace(place, value);
        self.below = deepest(&self.items);
        Some(before)
    }

    /// Bytes as compact JSON.
    #[must_use]
    pub fn size(&self) -> usize {
        self.inner + 2 + self.items.len().saturating_sub(1)
    }

    /// How deep it goes: 1 without arrays and objects in it.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.below + 1
    }
}

// Equal numbers may be written in different ways, so sizes do not count.
impl PartialEq for List {
    fn eq(&self, other: &Self) -> bool {
        self.items == other.items
    }
}

impl Deref for List {
    type Target = [Value];

    fn deref(&self) -> &[Value] {
        &self.items
    }
}

impl From<Vec<Value>> for List {
    fn from(items: Vec<Value>) -> Self {
        let inner = items.iter().map(Value::size).sum();
        let below = deepest(&items);
        Self {
            items,
            inner,
            below,
        }
    }
}

impl FromIterator<Value> for List {
    fn from_iter<I: IntoIterator<Item = Value>>(items: I) -> Self {
        items.into_iter().collect::<Vec<_>>().into()
    }
}

impl<'a> IntoIterator for &'a List {
    type Item = &'a Value;
    type IntoIter = std::slice::Iter<'a, Value>;

    fn into_iter(self) -> Self::IntoIter {
        self.items.iter()
    }
}

fn deepest<'a>(values: impl IntoIterator<Item = &'a Value>) -> usize {
    values.into_iter().map(Value::depth).max().unwrap_or(0)
}

/// The entries of an object, in the order in which their keys first came.
///
/// Two are equal if they have the same entries in any order.
#[derive(Debug, Clone, Default)]
pub struct Map {
    entries: IndexMap<Arc<str>, Value, RandomState>,
    /// Bytes of the entries' text, without braces and commas.
    inner: usize,
    /// The depth of the deepest value.
    below: usize,
}

impl Map {
    /// No entries.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// No entries yet, with room for `capacity`.
    #[must_use]
    pub fn with_capacity(capacity: usize) -> Self {
        Self {
            entries: IndexMap::with_capacity_and_hasher(capacity, RandomState::default()),
            ..Self::default()
        }
    }

    /// How many entries there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The value of `key`.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.entries.get(key)
    }

    /// Whether `key` is there.
    #[must_use]
    pub fn contains_key(&self, key: &str) -> bool {
        self.entries.contains_key(key)
    }

    /// Sets `key` and returns what it was before; a key that is there keeps its place.
    pub fn insert(&mut self, key: impl Into<Arc<str>>, value: impl Into<Value>) -> Option<Value> {
        let (key, value) = (key.into(), value.into());
        self.inner += value.size();
        self.below = self.below.max(value.depth());
        let key_size = write::string_size(&key) + 1;
        let before = self.entries.insert(key, value);
        match &before {
            Some(before) => self.forget(before),
            None => self.inner += key_size,
        }
        before
    }

    /// Takes `key` out; the others keep their order.
    pub fn remove(&mut self, key: &str) -> Option<Value> {
        let (key, value) = self.entries.shift_remove_entry(key)?;
        self.inner -= write::string_size(&key) + 1;
        self.forget(&value);
        Some(value)
    }

    /// What `value`, which is no longer here, counted for.
    fn forget(&mut self, value: &Value) {
        self.inner -= value.size();
        if value.depth() == self.below {
            self.below = deepest(self.entries.values());
        }
    }

    /// Keys and values, in order.
    pub fn iter(&self) -> indexmap::map::Iter<'_, Arc<str>, Value> {
        self.entries.iter()
    }

    /// The keys, in order.
    pub fn keys(&self) -> impl Iterator<Item = &Arc<str>> {
        self.entries.keys()
    }

    /// The values, in order.
    pub fn values(&self) -> impl Iterator<Item = &Value> {
        self.entries.values()
    }

    /// Bytes as compact JSON.
    #[must_use]
    pub fn size(&self) -> usize {
        self.inner + 2 + self.entries.len().saturating_sub(1)
    }

    /// How deep it goes: 1 without arrays and objects in it.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.below + 1
    }
}

impl PartialEq for Map {
    fn eq(&self, other: &Self) -> bool {
        self.entries == other.entries
    }
}

impl<K: Into<Arc<str>>, V: Into<Value>> FromIterator<(K, V)> for Map {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(entries: I) -> Self {
        let entries = entries.into_iter();
        let mut map = Self::with_capacity(entries.size_hint().0);
        for (key, value) in entries {
            map.insert(key, value);
        }
        map
    }
}

impl<'a> IntoIterator for &'a Map {
    type Item = (&'a Arc<str>, &'a Value);
    type IntoIter = indexmap::map::Iter<'a, Arc<str>, Value>;

    fn into_iter(self) -> Self::IntoIter {
        self.entries.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equality_is_of_values_not_of_spelling_or_order() {
        let parse = |text| Value::parse(text).unwrap();
        assert_eq!(parse(r#"{"a":[1.0],"b":2}"#), parse(r#"{"b":2,"a":[1]}"#));
        assert_ne!(parse(r#"[1,2]"#), parse(r#"[2,1]"#));
    }

    #[test]
    fn sizes_and_depths_follow_every_change() {
        let mut map = Map::new();
        let check = |map: &Map| {
            let text = Value::from(map.clone()).to_json();
            assert_eq!(map.size(), text.len());
            let depth = Value::parse(&text).unwrap().depth();
            assert_eq!(map.depth(), depth, "{text}");
        };
        check(&map);
        map.insert("a\n", "x");
        check(&map);
        map.insert("b", Value::from(vec![Value::from(1), Value::Null]));
        check(&map);
        map.insert("c", Value::parse("[[{}]]").unwrap());
        check(&map);
        map.insert("c", 1);
        check(&map);
        map.insert("c", Value::parse("[[[]]]").unwrap());
        map.remove("c");
        check(&map);
        assert_eq!(map.insert("a\n", 10), Some(Value::from("x")));
        check(&map);
        assert_eq!(map.remove("a\n"), Some(Value::from(10)));
        assert_eq!(map.remove("none"), None);
        check(&map);

        let mut list = List::new();
        list.push(Value::from("one"));
        list.push(Value::from(true));
        assert_eq!(list.replace(0, Value::Null), Some(Value::from("one")));
        assert_eq!(list.replace(2, Value::Null), None);
        assert_eq!(list.size(), Value::from(list.clone()).to_json().len());
        list.replace(1, Value::parse("[[]]").unwrap());
        assert_eq!(list.depth(), 3);
        list.replace(1, Value::Null);
        assert_eq!(list.depth(), 1);
    }
}
