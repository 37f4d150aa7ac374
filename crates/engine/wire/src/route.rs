//! From a request to an operation: by name, or by method and path in the REST protocols.
//!
//! A [`Table`] is generated from the model's `requestUri`s. Matching allocates nothing: labels are
//! slices of the path, decoded only when a member is read from them.

use std::borrow::Cow;

use http::{Method, Uri};
use percent_encoding::percent_decode_str;

use crate::{Service, ServiceError};

/// More segments than any route has; a longer path can match only through a greedy label.
const MAX_SEGMENTS: usize = 16;
/// The most labels that a route of any model has.
const MAX_LABELS: usize = 4;

/// The operations of a service, by name. Each service's module has them as an enum.
pub trait Named: Copy + std::fmt::Debug + 'static {
    /// The service.
    const SERVICE: Service;
    /// All of them, in the order of their names.
    const ALL: &'static [Self];

    /// The name in the service's model.
    fn name(self) -> &'static str;

    /// Whether this engine serves it.
    fn served(self) -> bool;

    /// The operation `name`.
    #[must_use]
    fn named(name: &str) -> Option<Self> {
        let found = Self::ALL.binary_search_by(|operation| operation.name().cmp(name));
        Self::ALL.get(found.ok()?).copied()
    }
}

/// One segment of a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Segment {
    /// This text.
    Literal(&'static str),
    /// Any one segment.
    Label,
    /// The rest of the path, slashes and all. Always the last one.
    Greedy,
}

/// The route of one operation.
#[derive(Debug, Clone, Copy)]
pub struct Route<Op: 'static> {
    /// The method.
    pub method: &'static str,
    /// The path.
    pub path: &'static [Segment],
    /// A query parameter that tells this operation from another one on the same path.
    pub query: Option<(&'static str, &'static str)>,
    /// The operation.
    pub operation: Op,
}

/// All routes of a service. Where two match, the earlier one wins.
#[derive(Debug, Clone, Copy)]
pub struct Table<Op: 'static>(pub &'static [Route<Op>]);

/// The parts of a path that stand in the place of labels, still encoded.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Labels<'p> {
    encoded: [&'p str; MAX_LABELS],
    len: usize,
}

impl<'p> Labels<'p> {
    fn push(&mut self, encoded: &'p str) -> bool {
        match self.encoded.get_mut(self.len) {
            Some(place) => {
                *place = encoded;
                self.len += 1;
                true
            }
            None => false,
        }
    }

    /// The label at `index`, in the order of the route, percent-decoded.
    ///
    /// # Errors
    /// 400 when it is not UTF-8; an internal error when the route has no such label.
    pub fn get(&self, index: usize) -> Result<Cow<'p, str>, ServiceError> {
        let encoded = self
            .encoded
            .get(..self.len)
            .and_then(|labels| labels.get(index))
            .ok_or_else(|| ServiceError::internal(format!("the route has no label {index}")))?;
        percent_decode_str(encoded)
            .decode_utf8()
            .map_err(|_| ServiceError::serialization("The path is not UTF-8."))
    }
}

/// Why a request has no operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoRoute {
    /// The path leads nowhere.
    Path,
    /// The path has operations, but none with this method.
    Method,
}

impl NoRoute {
    /// As AWS answers it. A wrong method is an operation that access control cannot name, hence
    /// its 403.
    #[must_use]
    pub fn error(self, method: &Method, uri: &Uri) -> ServiceError {
        match self {
            Self::Path => ServiceError::unknown_operation(method.as_str(), uri.path()),
            Self::Method => ServiceError::access_denied(Some(
                "Unable to determine service/operation name to be authorized".to_owned(),
            )),
        }
    }
}

impl<Op: Copy> Table<Op> {
    /// The operation of a request, and its path's labels.
    ///
    /// One slash at the path's end is ignored: the models once had it, and older SDKs send it.
    ///
    /// # Errors
    /// When no route matches.
    pub fn find<'p>(self, method: &Method, uri: &'p Uri) -> Result<(Op, Labels<'p>), NoRoute> {
        let path = uri.path().strip_prefix('/').unwrap_or_default();
        let path = path.strip_suffix('/').unwrap_or(path);
        let mut segments = [""; MAX_SEGMENTS];
        let mut count = 0;
        for segment in path.split('/') {
            if let Some(place) = segments.get_mut(count) {
                *place = segment;
            }
            count += 1;
        }
        let segments = segments.get(..count).unwrap_or(&segments);

        let mut miss = NoRoute::Path;
        for route in self.0 {
            let Some(labels) = route.matches(path, segments, count) else {
                continue;
            };
            if route.method != method.as_str() {
                miss = NoRoute::Method;
            } else if route.query_matches(uri) {
                return Ok((route.operation, labels));
            }
        }
        Err(miss)
    }
}

impl<Op> Route<Op> {
    /// `count` is the true number of segments; `segments` may hold only the first of them.
    fn matches<'p>(&self, path: &'p str, segments: &[&'p str], count: usize) -> Option<Labels<'p>> {
        let greedy = self.path.last() == Some(&Segment::Greedy);
        if (count != self.path.len() && !greedy) || count < self.path.len() {
            return None;
        }
        let mut labels = Labels::default();
        for (index, (wanted, segment)) in self.path.iter().zip(segments).enumerate() {
            let fits = match wanted {
                Segment::Literal(text) => text == segment,
                Segment::Label => labels.push(segment),
                Segment::Greedy => {
                    let before: usize = segments.iter().take(index).map(|s| s.len() + 1).sum();
                    labels.push(path.get(before..)?)
                }
            };
            if !fits {
                return None;
            }
        }
        Some(labels)
    }

    fn query_matches(&self, uri: &Uri) -> bool {
        self.query.is_none_or(|(name, value)| {
            uri.query()
                .unwrap_or_default()
                .split('&')
                .any(|pair| pair.split_once('=') == Some((name, value)))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Segment::{Greedy, Label, Literal};

    const ROUTES: Table<&str> = Table(&[
        Route {
            method: "GET",
            path: &[Literal("v1"), Literal("things")],
            query: Some(("find", "One")),
            operation: "FindThing",
        },
        Route {
            method: "GET",
            path: &[Literal("v1"), Literal("things")],
            query: None,
            operation: "ListThings",
        },
        Route {
            method: "PUT",
            path: &[Literal("v1"), Literal("things"), Label, Literal("code")],
            query: None,
            operation: "PutCode",
        },
        Route {
            method: "GET",
            path: &[Literal("files"), Label, Greedy],
            query: None,
            operation: "GetFile",
        },
    ]);

    fn find(method: &Method, uri: &str) -> Result<(&'static str, Vec<String>), NoRoute> {
        let uri: Uri = uri.parse().unwrap();
        let (operation, labels) = ROUTES.find(method, &uri)?;
        let texts = (0..labels.len)
            .map(|index| labels.get(index).unwrap().into_owned())
            .collect();
        Ok((operation, texts))
    }

    fn found(
        operation: &'static str,
        labels: &[&str],
    ) -> Result<(&'static str, Vec<String>), NoRoute> {
        Ok((operation, labels.iter().map(ToString::to_string).collect()))
    }

    #[test]
    fn labels_are_decoded() {
        assert_eq!(
            find(&Method::PUT, "/v1/things/arn%3Aa%2Fb/code"),
            found("PutCode", &["arn:a/b"])
        );
        assert_eq!(
            find(&Method::PUT, "/v1/things//code"),
            found("PutCode", &[""])
        );
    }

    #[test]
    fn a_query_may_tell_operations_apart() {
        assert_eq!(
            find(&Method::GET, "/v1/things?find=One&x=1"),
            found("FindThing", &[])
        );
        assert_eq!(
            find(&Method::GET, "/v1/things?find=Two"),
            found("ListThings", &[])
        );
        assert_eq!(find(&Method::GET, "/v1/things/"), found("ListThings", &[]));
    }

    #[test]
    fn a_greedy_label_takes_the_rest() {
        assert_eq!(
            find(&Method::GET, "/files/bucket/a/b//c%20d"),
            found("GetFile", &["bucket", "a/b//c d"])
        );
        let long = format!("/files/bucket/{}", "x/".repeat(40) + "y");
        let (operation, labels) = find(&Method::GET, &long).unwrap();
        assert_eq!((operation, labels[1].len()), ("GetFile", 81));
        assert_eq!(find(&Method::GET, "/files/bucket"), Err(NoRoute::Path));
    }

    #[test]
    fn tells_a_wrong_method_from_a_wrong_path() {
        assert_eq!(
            find(&Method::POST, "/v1/things/a/code"),
            Err(NoRoute::Method)
        );
        for path in ["/", "/v1", "/v1/things/a/code/more", "//v1/things", "*"] {
            assert_eq!(find(&Method::PUT, path), Err(NoRoute::Path), "{path}");
        }
    }

    #[test]
    fn a_label_that_is_not_utf8_is_the_callers_mistake() {
        let uri: Uri = "/v1/things/%ff/code".parse().unwrap();
        let (_, labels) = ROUTES.find(&Method::PUT, &uri).unwrap();
        assert_eq!(labels.get(0).unwrap_err().status, 400);
        assert_eq!(labels.get(1).unwrap_err().status, 500);
    }
}
