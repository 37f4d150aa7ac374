//! A request, as generated code reads it.

use std::borrow::Cow;
use std::collections::BTreeMap;

use bytes::Bytes;
use http::request::Parts;
use percent_encoding::percent_decode_str;
use serde::de::DeserializeOwned;

use crate::ServiceError;
use crate::protocol::{Protocol, Text};
use crate::route::Labels;

/// A routed request.
#[derive(Debug)]
pub struct Request<'r> {
    /// Method, URI and headers.
    pub parts: &'r Parts,
    /// The labels of the path, as [`crate::route`] found them.
    pub labels: Labels<'r>,
    /// The whole body.
    pub body: Bytes,
}

impl Request<'_> {
    /// The document that the request carries.
    ///
    /// # Errors
    /// 400 when it carries no document of this shape.
    pub fn document<P: Protocol, T: DeserializeOwned + Default>(
        &self,
        protocol: &P,
    ) -> Result<T, ServiceError> {
        protocol.read(self)
    }

    /// The body itself, shared and not copied; none when it is empty.
    #[must_use]
    pub fn payload(&self) -> Option<Bytes> {
        (!self.body.is_empty()).then(|| self.body.clone())
    }

    /// The label at `index` of the path.
    ///
    /// # Errors
    /// 400 when it is not of the type.
    pub fn label<T: Text>(&self, index: usize) -> Result<T, ServiceError> {
        read(&self.labels.get(index)?, "path label")
    }

    /// The first query parameter `name`.
    ///
    /// # Errors
    /// 400 when it is not of the type.
    pub fn query<T: Text>(&self, name: &'static str) -> Result<Option<T>, ServiceError> {
        self.pairs(name)
            .next()
            .map(|value| read(&value?, name))
            .transpose()
    }

    /// Every query parameter `name`, for a member that is a list.
    ///
    /// # Errors
    /// 400 when one is not of the type.
    pub fn query_list<T: Text>(&self, name: &'static str) -> Result<Option<Vec<T>>, ServiceError> {
        let values: Vec<T> = self
            .pairs(name)
            .map(|value| read(&value?, name))
            .collect::<Result<_, _>>()?;
        Ok((!values.is_empty()).then_some(values))
    }

    /// The query parameters that no member of the input is `bound` to, for a member that is a map.
    ///
    /// # Errors
    /// 400 when one is not of the type.
    pub fn query_map<T: Text>(
        &self,
        bound: &[&str],
    ) -> Result<Option<BTreeMap<String, T>>, ServiceError> {
        let mut map = BTreeMap::new();
        for (name, value) in self.raw_pairs() {
            let name = decode(name)?;
            if !bound.contains(&&*name) {
                let value = read(&decode(value)?, &name)?;
                map.insert(name.into_owned(), value);
            }
        }
        Ok((!map.is_empty()).then_some(map))
    }

    /// The header `name`.
    ///
    /// # Errors
    /// 400 when it is not of the type.
    pub fn header<T: Text>(&self, name: &'static str) -> Result<Option<T>, ServiceError> {
        let Some(value) = self.parts.headers.get(name) else {
            return Ok(None);
        };
        let text = std::str::from_utf8(value.as_bytes())
            .map_err(|_| ServiceError::serialization(format!("Header '{name}' is not UTF-8.")))?;
        read(text, name).map(Some)
    }

    fn raw_pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.parts
            .uri
            .query()
            .unwrap_or_default()
            .split('&')
            .filter(|pair| !pair.is_empty())
            .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
    }

    fn pairs<'q>(
        &'q self,
        name: &'q str,
    ) -> impl Iterator<Item = Result<Cow<'q, str>, ServiceError>> {
        self.raw_pairs()
            .filter(move |(raw, _)| {
                *raw == name || decode(raw).is_ok_and(|decoded| decoded == name)
            })
            .map(|(_, value)| decode(value))
    }
}

fn read<T: Text>(text: &str, what: &str) -> Result<T, ServiceError> {
    T::read(text).ok_or_else(|| {
        ServiceError::serialization(format!("'{text}' at '{what}' is not {}.", T::KIND))
    })
}

/// A part of a query string or form, decoded; `not_utf8` says what is wrong where it is not UTF-8.
pub(crate) fn form_decode<'e>(
    encoded: &'e str,
    not_utf8: &'static str,
) -> Result<Cow<'e, str>, ServiceError> {
    let not_utf8 = |_| ServiceError::serialization(not_utf8);
    if encoded.contains('+') {
        let spaced = encoded.replace('+', " ");
        let decoded = percent_decode_str(&spaced)
            .decode_utf8()
            .map_err(not_utf8)?;
        return Ok(Cow::Owned(decoded.into_owned()));
    }
    percent_decode_str(encoded).decode_utf8().map_err(not_utf8)
}

fn decode(encoded: &str) -> Result<Cow<'_, str>, ServiceError> {
    form_decode(encoded, "The query string is not UTF-8.")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with<R>(uri: &str, check: impl FnOnce(Request<'_>) -> R) -> R {
        let (parts, ()) = http::Request::builder()
            .uri(uri)
            .header("x-number", "12")
            .header("x-odd", [0xff].as_slice())
            .body(())
            .unwrap()
            .into_parts();
        check(Request {
            parts: &parts,
            labels: Labels::default(),
            body: Bytes::new(),
        })
    }

    #[test]
    fn query_parameters() {
        with("/?a=1&b=x+y%2Bz&a=2&flag&%63=7&bad=%ff", |request| {
            assert_eq!(request.query::<i32>("a").unwrap(), Some(1));
            assert_eq!(request.query_list::<i32>("a").unwrap(), Some(vec![1, 2]));
            assert_eq!(request.query::<String>("b").unwrap().unwrap(), "x y+z");
            assert_eq!(request.query::<String>("flag").unwrap().unwrap(), "");
            assert_eq!(request.query::<i64>("c").unwrap(), Some(7));
            assert_eq!(request.query::<i64>("none").unwrap(), None);
            assert_eq!(request.query_list::<i64>("none").unwrap(), None);
            assert_eq!(request.query::<bool>("a").unwrap_err().status, 400);
            assert_eq!(request.query::<String>("bad").unwrap_err().status, 400);
        });
    }

    #[test]
    fn what_no_member_is_bound_to_is_the_map() {
        with("/?a=1&b=2&c=3", |request| {
            let map = request.query_map::<i32>(&["b"]).unwrap().unwrap();
            assert_eq!(map, BTreeMap::from([("a".into(), 1), ("c".into(), 3)]));
            assert_eq!(request.query_map::<i32>(&["a", "b", "c"]).unwrap(), None);
        });
    }

    #[test]
    fn headers() {
        with("/", |request| {
            assert_eq!(request.header::<i32>("x-number").unwrap(), Some(12));
            assert_eq!(request.header::<i32>("x-none").unwrap(), None);
            assert_eq!(request.header::<bool>("x-number").unwrap_err().status, 400);
            assert_eq!(request.header::<String>("x-odd").unwrap_err().status, 400);
        });
    }
}
