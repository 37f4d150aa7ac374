//! What a request says, by the names of its members, before it has become a shape.
//!
//! Policies ask for a handful of members of operations that have hundreds; this reads those alone,
//! whatever the protocol. The operation itself decodes and validates the request afterwards.

use std::borrow::Cow;
use std::collections::BTreeMap;

use percent_encoding::percent_decode_str;
use serde_json::Value;
use serde_json::value::RawValue;
use wire::Service;
use wire::protocol::Request;

/// The members of a request.
#[derive(Debug)]
pub(super) struct Fields<'r> {
    request: &'r Request<'r>,
    members: Members<'r>,
}

#[derive(Debug)]
enum Members<'r> {
    Json(BTreeMap<Cow<'r, str>, &'r RawValue>),
    Form(Vec<(Cow<'r, str>, Cow<'r, str>)>),
}

impl<'r> Fields<'r> {
    /// A body that cannot be read has no members: the operation will say what is wrong with it.
    /// `with_body` is `false` where the body is a payload.
    pub(super) fn of(service: Service, request: &'r Request<'r>, with_body: bool) -> Self {
        let members = match service {
            Service::Iam | Service::Sts => {
                let body = std::str::from_utf8(&request.body).unwrap_or_default();
                let query = request.parts.uri.query().unwrap_or_default();
                let pairs = query.split('&').chain(body.trim().split('&'));
                Members::Form(pairs.filter_map(pair).collect())
            }
            _ if with_body => {
                Members::Json(serde_json::from_slice(&request.body).unwrap_or_default())
            }
            _ => Members::Json(BTreeMap::new()),
        };
        Self { request, members }
    }

    /// The label at `index` of the path.
    pub(super) fn label(&self, index: usize) -> Option<String> {
        let label = self.request.labels.get(index).ok()?;
        (!label.is_empty()).then(|| label.into_owned())
    }

    /// A parameter of the query string.
    pub(super) fn query(&self, name: &str) -> Option<String> {
        let query = self.request.parts.uri.query()?;
        let mut pairs = query.split('&').filter_map(pair);
        pairs
            .find_map(|(key, value)| (key == name).then(|| value.into_owned()))
            .filter(|value| !value.is_empty())
    }

    /// A parameter of the query string that may stand there several times.
    pub(super) fn queries(&self, name: &str) -> Vec<String> {
        let query = self.request.parts.uri.query().unwrap_or_default();
        let pairs = query.split('&').filter_map(pair);
        pairs
            .filter_map(|(key, value)| (key == name).then(|| value.into_owned()))
            .collect()
    }

    /// A member that is a text.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        match &self.members {
            Members::Json(members) => serde_json::from_str(members.get(name)?.get()).ok(),
            // Of two, the last is what the operation reads.
            Members::Form(pairs) => pairs
                .iter()
                .rev()
                .find(|(key, _)| key == name)
                .map(|(_, value)| value.to_string()),
        }
    }

    /// A member that is a list of texts; empty where there is none.
    pub(super) fn texts(&self, name: &str) -> Vec<String> {
        match &self.members {
            Members::Json(members) => members
                .get(name)
                .and_then(|raw| serde_json::from_str(raw.get()).ok())
                .unwrap_or_default(),
            Members::Form(pairs) => {
                let prefix = format!("{name}.member.");
                let under = pairs.iter().filter(|(key, _)| key.starts_with(&prefix));
                under.map(|(_, value)| value.to_string()).collect()
            }
        }
    }

    /// The tags in the member `name`: a map, or a list of keys and values.
    pub(super) fn tags(&self, name: &str) -> Vec<(String, String)> {
        match &self.members {
            Members::Json(members) => {
                let raw = members.get(name).map_or("null", |raw| raw.get());
                match serde_json::from_str(raw) {
                    Ok(Value::Object(map)) => map
                        .into_iter()
                        .filter_map(|(key, value)| Some((key, value.as_str()?.to_owned())))
                        .collect(),
                    _ => Vec::new(),
                }
            }
            Members::Form(pairs) => {
                let prefix = format!("{name}.member.");
                let find = |key: &str| pairs.iter().find(|(known, _)| known == key);
                pairs
                    .iter()
                    .filter_map(|(key, tag)| {
                        let number = key.strip_prefix(&prefix)?.strip_suffix(".Key")?;
                        let value = find(&format!("{prefix}{number}.Value"));
                        let value = value.map_or_else(String::new, |(_, value)| value.to_string());
                        Some((tag.to_string(), value))
                    })
                    .collect()
            }
        }
    }
}

fn pair(text: &str) -> Option<(Cow<'_, str>, Cow<'_, str>)> {
    let (name, value) = text.split_once('=').unwrap_or((text, ""));
    if name.is_empty() {
        return None;
    }
    Some((decoded(name), decoded(value)))
}

fn decoded(text: &str) -> Cow<'_, str> {
    if text.contains('+') {
        let spaced = text.replace('+', " ");
        let plain = percent_decode_str(&spaced).decode_utf8_lossy();
        return Cow::Owned(plain.into_owned());
    }
    percent_decode_str(text).decode_utf8_lossy()
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use http::request::Parts;
    use wire::route::Labels;

    fn parts(uri: &str) -> Parts {
        let request = http::Request::builder().uri(uri).body(()).unwrap();
        request.into_parts().0
    }

    fn request<'r>(parts: &'r Parts, body: &str) -> Request<'r> {
        Request {
            parts,
            labels: Labels::default(),
            body: Bytes::copy_from_slice(body.as_bytes()),
        }
    }

    #[test]
    fn a_form_is_read() {
        let parts = parts("/");
        let body = "Action=CreateRole&RoleName=a%20b&Tags.member.1.Key=k+1&Tags.member.1.Value=v\
                    &TagKeys.member.1=x&TagKeys.member.2=y&RoleName=last";
        let request = request(&parts, body);
        let fields = Fields::of(Service::Iam, &request, true);
        assert_eq!(fields.text("RoleName").as_deref(), Some("last"));
        assert_eq!(fields.tags("Tags"), [("k 1".to_owned(), "v".to_owned())]);
        assert_eq!(fields.texts("TagKeys"), ["x", "y"]);
        assert_eq!(fields.text("Path"), None);
    }

    #[test]
    fn a_document_is_read() {
        let parts = parts("/?Qualifier=a%3Ab&Empty=");
        let body = r#"{"Role": "arn", "Layers": ["l"], "Tags": {"k": "v"}, "Timeout": 3}"#;
        let request = request(&parts, body);
        let fields = Fields::of(Service::Lambda, &request, true);
        assert_eq!(fields.text("Role").as_deref(), Some("arn"));
        assert_eq!(fields.text("Timeout"), None);
        assert_eq!(fields.texts("Layers"), ["l"]);
        assert_eq!(fields.tags("Tags"), [("k".to_owned(), "v".to_owned())]);
        assert_eq!(fields.query("Qualifier").as_deref(), Some("a:b"));
        assert_eq!(fields.query("Empty"), None);
        let payload = Fields::of(Service::Lambda, &request, false);
        assert_eq!(payload.text("Role"), None);
    }
}
