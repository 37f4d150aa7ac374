//! A service model as botocore stores it (`service-2.json`), without its documentation.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};

/// A service model.
#[derive(Debug, serde::Deserialize)]
pub struct Model {
    /// About the service.
    pub metadata: Metadata,
    /// Its operations, by name.
    pub operations: BTreeMap<String, Operation>,
    /// Its shapes, by name.
    pub shapes: BTreeMap<String, Shape>,
}

/// About a service.
#[derive(Debug, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Metadata {
    /// `rest-json`, `json`, `query`, `rest-xml`.
    pub protocol: String,
    /// `1.0` or `1.1`, where the protocol is `json`.
    pub json_version: Option<String>,
    /// What stands before the operation in `X-Amz-Target`.
    pub target_prefix: Option<String>,
    /// The namespace of XML documents.
    pub xml_namespace: Option<String>,
    /// There where a service of the protocol `json` once spoke `query`, and still understands it.
    pub aws_query_compatible: Option<serde::de::IgnoredAny>,
}

/// One operation.
#[derive(Debug, serde::Deserialize)]
pub struct Operation {
    /// Its route.
    pub http: Http,
    /// Its input.
    pub input: Option<Reference>,
    /// Its output.
    pub output: Option<Reference>,
    /// Its errors.
    #[serde(default)]
    pub errors: Vec<Reference>,
}

/// The route of an operation.
#[derive(Debug, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Http {
    /// The method.
    pub method: String,
    /// The path, with `{Label}`s, and sometimes a query.
    pub request_uri: String,
    /// The status of a success.
    pub response_code: Option<u16>,
}

/// A shape, by name.
#[derive(Debug, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Reference {
    /// The name.
    pub shape: String,
    /// The element around an output, in the query protocol.
    pub result_wrapper: Option<String>,
    /// What the elements of a list are called.
    pub location_name: Option<String>,
}

/// A member of a structure.
#[derive(Debug, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Member {
    /// Its shape.
    pub shape: String,
    /// Where it travels, if not in the document.
    pub location: Option<String>,
    /// Its name there.
    pub location_name: Option<String>,
    /// Whether it is the whole of an event.
    #[serde(default, rename = "eventpayload")]
    pub event_payload: bool,
}

/// A shape.
#[derive(Debug, serde::Deserialize)]
pub struct Shape {
    /// `structure`, `list`, `map`, `string`, `integer`, ….
    #[serde(rename = "type")]
    pub kind: String,
    /// A structure's members.
    #[serde(default)]
    pub members: Ordered<Member>,
    /// A structure's required members.
    #[serde(default)]
    pub required: Vec<String>,
    /// A structure's member that is the whole body.
    pub payload: Option<String>,
    /// A list's element.
    pub member: Option<Reference>,
    /// A map's key.
    pub key: Option<Reference>,
    /// A map's value.
    pub value: Option<Reference>,
    /// The values of a string that is an enum.
    #[serde(rename = "enum")]
    pub values: Option<Vec<String>>,
    /// The least value or length.
    pub min: Option<f64>,
    /// The greatest value or length.
    pub max: Option<f64>,
    /// What a string must match.
    pub pattern: Option<String>,
    /// Whether it must not be printed.
    #[serde(default)]
    pub sensitive: bool,
    /// Whether a list's or map's elements stand in its own place.
    #[serde(default)]
    pub flattened: bool,
    /// Whether it is a stream of events: a structure whose members are the kinds of events.
    #[serde(default, rename = "eventstream")]
    pub event_stream: bool,
    /// Whether it is an error.
    #[serde(default)]
    pub exception: bool,
    /// About the error, when the shape is one.
    pub error: Option<ErrorTraits>,
    /// Whether the error is the service's.
    #[serde(default)]
    pub fault: bool,
}

/// About an error shape.
#[derive(Debug, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ErrorTraits {
    /// Its status.
    pub http_status_code: Option<u16>,
    /// What it is called on the wire, where that is not the shape's name.
    pub code: Option<String>,
}

/// A map in the order of the file: members are written and checked in it.
#[derive(Debug)]
pub struct Ordered<T>(pub Vec<(String, T)>);

impl<T> Default for Ordered<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> Ordered<T> {
    /// The entry `name`.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&T> {
        self.0
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Ordered<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Entries<T> {
            type Value = Ordered<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Ordered<T>, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Ordered(entries))
            }
        }

        deserializer.deserialize_map(Entries(PhantomData))
    }
}
