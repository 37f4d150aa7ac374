//! A form as a document: `Tags.member.1.Key=a`.
//!
//! The pairs are sorted, so that everything below one name is a slice; the deserializer hands
//! slices on and builds no tree. Its depth is that of the shape that is read, not of the request.

use std::borrow::Cow;
use std::cmp::Ordering;

use serde::Deserializer;
use serde::de::value::Error;
use serde::de::{
    DeserializeOwned, DeserializeSeed, Error as _, IntoDeserializer, MapAccess, SeqAccess, Visitor,
};
use serde::forward_to_deserialize_any;

use crate::ServiceError;
use crate::protocol::Request;
use crate::protocol::request::form_decode;

/// More parameters than any request needs: a batch of a hundred entries with a dozen members each.
const MAX_PAIRS: usize = 10_000;

const NOT_UTF8: &str = "The request's parameters are not UTF-8.";

/// A name and its value, decoded.
type Pair<'r> = (Cow<'r, str>, Cow<'r, str>);

/// What a request of the query protocol says: the pairs of its form, sorted by name, part by part.
#[derive(Debug)]
pub struct Form<'r>(Vec<Pair<'r>>);

impl<'r> Form<'r> {
    /// The form in a request's query string and body.
    ///
    /// # Errors
    /// 400 when it is not UTF-8 or has too many parameters.
    pub fn of(request: &'r Request<'_>) -> Result<Self, ServiceError> {
        let body = std::str::from_utf8(&request.body)
            .map_err(|_| ServiceError::serialization("The request body is not UTF-8."))?;
        let query = request.parts.uri.query().unwrap_or_default();
        let mut pairs = Vec::new();
        for pair in query.split('&').chain(body.trim().split('&')) {
            if pair.is_empty() {
                continue;
            }
            if pairs.len() == MAX_PAIRS {
                return Err(ServiceError::serialization(format!(
                    "The request has more than {MAX_PAIRS} parameters."
                )));
            }
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let decode = |text| form_decode(text, NOT_UTF8);
            pairs.push((decode(name)?, decode(value)?));
        }
        pairs.sort_by(|(a, _), (b, _)| compare(a, b));
        Ok(Self(pairs))
    }

    /// The value of the parameter `name`; of two, the last.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        let end = self
            .0
            .partition_point(|(key, _)| compare(key, name) != Ordering::Greater);
        let (key, value) = self.0.get(end.checked_sub(1)?)?;
        (key == name).then_some(&**value)
    }

    /// The member `name` as an operation that has it reads it; `None` also where it cannot be read.
    #[must_use]
    pub fn member<T: DeserializeOwned>(&self, name: &str) -> Option<T> {
        let all = Below {
            pairs: &self.0,
            depth: 0,
        };
        T::deserialize(all.child(name)?).ok()
    }

    /// The form with its parameters called otherwise, each by any number of names, and one added.
    pub(crate) fn renamed(
        self,
        names: impl Fn(&str) -> Vec<String>,
        added: Option<(String, Cow<'r, str>)>,
    ) -> Self {
        let mut pairs: Vec<Pair<'r>> = Vec::with_capacity(self.0.len() + 1);
        for (name, value) in self.0 {
            for name in names(&name) {
                pairs.push((Cow::Owned(name), value.clone()));
            }
        }
        pairs.extend(added.map(|(name, value)| (Cow::Owned(name), value)));
        pairs.sort_by(|(a, _), (b, _)| compare(a, b));
        Self(pairs)
    }

    /// The whole form as the input of an operation.
    ///
    /// # Errors
    /// 400 when it does not fit.
    pub(crate) fn document<T: DeserializeOwned>(&self) -> Result<T, ServiceError> {
        self.read().map_err(|error| {
            ServiceError::serialization(format!("The request does not fit the operation: {error}"))
        })
    }

    /// The whole form as a shape.
    ///
    /// # Errors
    /// When it does not fit the shape.
    pub(super) fn read<T: DeserializeOwned>(&self) -> Result<T, Error> {
        T::deserialize(Below {
            pairs: &self.0,
            depth: 0,
        })
    }
}

/// Part by part, so that what is below one name stays together: `A.B` before `A-B`.
fn compare(a: &str, b: &str) -> Ordering {
    a.split('.').cmp(b.split('.'))
}

/// The pairs whose names begin with the same `depth` parts.
#[derive(Debug, Clone, Copy)]
struct Below<'de> {
    pairs: &'de [Pair<'de>],
    depth: usize,
}

impl<'de> Below<'de> {
    /// The part of a name at this depth.
    fn part(self, name: &'de str) -> Option<&'de str> {
        name.split('.').nth(self.depth)
    }

    /// The value here, where the name ends here; of two, the last.
    fn value(self) -> Option<&'de str> {
        let here = |(name, _): &&Pair<'_>| self.part(name).is_none();
        let (_, value) = self.pairs.iter().take_while(here).last()?;
        Some(value)
    }

    /// What is below: each next part, with its pairs.
    fn children(self) -> impl Iterator<Item = (&'de str, Self)> {
        self.pairs
            .chunk_by(move |(a, _), (b, _)| self.part(a) == self.part(b))
            .filter_map(move |pairs| {
                let (name, _) = pairs.first()?;
                let below = Self {
                    pairs,
                    depth: self.depth + 1,
                };
                Some((self.part(name)?, below))
            })
    }

    fn child(self, part: &str) -> Option<Self> {
        self.children()
            .find_map(|(name, below)| (name == part).then_some(below))
    }

    /// The value here as text.
    fn text(self) -> Result<&'de str, Error> {
        self.value()
            .ok_or_else(|| Error::custom(format_args!("{} is no single value", self.name())))
    }

    fn parse<T: std::str::FromStr>(self, kind: &str) -> Result<T, Error> {
        self.text()?
            .parse()
            .map_err(|_| Error::custom(format_args!("{} is not {kind}", self.name())))
    }

    /// The elements of a list or map, in the order of their numbers: below `member` or `entry`, or
    /// right here when the list is flattened. A lone empty value is an empty list.
    fn elements(self, between: &str) -> Result<Vec<Self>, Error> {
        let base = self.child(between).unwrap_or(self);
        if base.value().is_some_and(|value| !value.is_empty()) {
            return Err(Error::custom(format_args!("{} is no list", self.name())));
        }
        let mut numbered = base
            .children()
            .map(|(part, below)| match part.parse::<u32>() {
                Ok(number) => Ok((number, below)),
                Err(_) => Err(Error::custom(format_args!(
                    "{}: {part} is no number of an element",
                    self.name()
                ))),
            })
            .collect::<Result<Vec<_>, _>>()?;
        numbered.sort_by_key(|(number, _)| *number);
        Ok(numbered.into_iter().map(|(_, below)| below).collect())
    }

    /// For messages.
    fn name(self) -> String {
        let first = self.pairs.first().map_or("", |(name, _)| name);
        let parts: Vec<&str> = first.split('.').take(self.depth).collect();
        parts.join(".")
    }
}

macro_rules! parsed {
    ($($method:ident => $visit:ident, $kind:literal;)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            visitor.$visit(self.parse($kind)?)
        }
    )*};
}

impl<'de> Deserializer<'de> for Below<'de> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_borrowed_str(self.text()?)
    }

    parsed! {
        deserialize_bool => visit_bool, "a boolean";
        deserialize_i32 => visit_i32, "an integer";
        deserialize_i64 => visit_i64, "an integer";
        deserialize_f64 => visit_f64, "a number";
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_some(self)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        if self.depth > 0 && self.value().is_some_and(|value| !value.is_empty()) {
            return Err(Error::custom(format_args!("{} has members", self.name())));
        }
        let members = self.children().collect::<Vec<_>>().into_iter();
        visitor.visit_map(Members {
            members,
            value: None,
        })
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_seq(Elements(self.elements("member")?.into_iter()))
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let mut members = Vec::new();
        for entry in self.elements("entry")? {
            let part = |name| {
                entry
                    .child(name)
                    .ok_or_else(|| Error::custom(format_args!("{} has no {name}", entry.name())))
            };
            members.push((part("key")?.text()?, part("value")?));
        }
        visitor.visit_map(Members {
            members: members.into_iter(),
            value: None,
        })
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        i8 i16 i128 u8 u16 u32 u64 u128 f32 char str string bytes byte_buf unit unit_struct
        newtype_struct tuple tuple_struct enum identifier
    }
}

/// The members of a structure, or the entries of a map.
struct Members<'de> {
    members: std::vec::IntoIter<(&'de str, Below<'de>)>,
    value: Option<Below<'de>>,
}

impl<'de> MapAccess<'de> for Members<'de> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Error> {
        let Some((key, value)) = self.members.next() else {
            return Ok(None);
        };
        self.value = Some(value);
        seed.deserialize(key.into_deserializer()).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
        match self.value.take() {
            Some(value) => seed.deserialize(value),
            None => Err(Error::custom("a value without its key")),
        }
    }
}

/// The elements of a list.
struct Elements<'de>(std::vec::IntoIter<Below<'de>>);

impl<'de> SeqAccess<'de> for Elements<'de> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Error> {
        self.0
            .next()
            .map(|below| seed.deserialize(below))
            .transpose()
    }
}
