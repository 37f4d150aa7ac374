//! What a request says, by the names of its members, before it has become a shape.
//!
//! Policies ask for a handful of members of operations that have hundreds; this reads those alone,
//! whatever the protocol. The operation itself decodes and validates the request afterwards, by the
//! same means: what is judged must be what is done.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use wire::Service;
use wire::protocol::{Form, Request};

/// The members of a request.
#[derive(Debug)]
pub(super) struct Fields<'r> {
    request: &'r Request<'r>,
    members: Members<'r>,
}

#[derive(Debug)]
enum Members<'r> {
    Json(BTreeMap<Cow<'r, str>, &'r RawValue>),
    /// `None` where there is none that can be read.
    Form(Option<Form<'r>>),
}

/// A tag in a form.
#[derive(Deserialize)]
struct Tag {
    #[serde(rename = "Key", default)]
    key: String,
    #[serde(rename = "Value", default)]
    value: String,
}

impl<'r> Fields<'r> {
    /// A body that cannot be read has no members: the operation will say what is wrong with it.
    /// `with_body` is `false` where the body is a payload.
    pub(super) fn of(service: Service, request: &'r Request<'r>, with_body: bool) -> Self {
        let members = match service {
            Service::Iam | Service::Sts => Members::Form(Form::of(request).ok()),
            Service::Sqs if !wire::sqs::PROTOCOL.speaks_json(request.parts) => {
                Members::Form(wire::sqs::PROTOCOL.form(request).ok())
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
    pub(super) fn query(&self, name: &'static str) -> Option<String> {
        let value: Option<String> = self.request.query(name).ok()?;
        value.filter(|value| !value.is_empty())
    }

    /// A parameter of the query string that may stand there several times.
    pub(super) fn queries(&self, name: &'static str) -> Vec<String> {
        let values = self.request.query_list(name).ok().flatten();
        values.unwrap_or_default()
    }

    /// A member that is a text.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        match &self.members {
            Members::Json(members) => serde_json::from_str(members.get(name)?.get()).ok(),
            Members::Form(form) => form.as_ref()?.text(name).map(str::to_owned),
        }
    }

    /// A member that is a list of texts; empty where there is none.
    pub(super) fn texts(&self, name: &str) -> Vec<String> {
        match &self.members {
            Members::Json(members) => members
                .get(name)
                .and_then(|raw| serde_json::from_str(raw.get()).ok())
                .unwrap_or_default(),
            Members::Form(form) => {
                let list = form.as_ref().and_then(|form| form.member(name));
                list.unwrap_or_default()
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
            Members::Form(form) => {
                let tags = form.as_ref().and_then(|form| form.member(name));
                let tags: Vec<Tag> = tags.unwrap_or_default();
                tags.into_iter().map(|tag| (tag.key, tag.value)).collect()
            }
        }
    }
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

    /// The operation reads a list without `member`, too, and of two values the last.
    #[test]
    fn a_form_is_read_as_the_operation_reads_it() {
        let parts = parts("/");
        for (body, tags) in [
            ("Tags.1.Key=k&Tags.1.Value=v", vec![("k", "v")]),
            (
                "Tags.member.1.Key=a&Tags.member.1.Key=k&Tags.member.1.Value=v",
                vec![("k", "v")],
            ),
            (
                "Tags.member.1.Key=k&Tags.member.1.Value=a&Tags.member.1.Value=v",
                vec![("k", "v")],
            ),
            ("Tags.member.1.Key=k", vec![("k", "")]),
            ("Tags.member.x.Key=k", vec![]),
            ("Tags=a", vec![]),
        ] {
            let request = request(&parts, body);
            let found = Fields::of(Service::Iam, &request, true).tags("Tags");
            let found: Vec<_> = found
                .iter()
                .map(|(k, v)| (k.as_str(), v.as_str()))
                .collect();
            assert_eq!(found, tags, "{body}");
        }
        let body = "TagKeys.2=b&TagKeys.1=a";
        let request = request(&parts, body);
        let fields = Fields::of(Service::Iam, &request, true);
        assert_eq!(fields.texts("TagKeys"), ["a", "b"]);
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
