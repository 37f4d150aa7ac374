//! What an extension subscribes to, and where it wants to have it.
//!
//! Members and limits: <https://docs.aws.amazon.com/lambda/latest/dg/telemetry-api-reference.html>.

use std::ops::RangeInclusive;
use std::time::Duration;

use serde::Deserialize;

use super::Category;

/// The versions of the schema that events follow. They differ in what this engine does not tell.
const SCHEMAS: [&str; 3] = ["2022-07-01", "2022-12-13", "2025-01-29"];

const ITEMS: RangeInclusive<u64> = 1_000..=10_000;
const BYTES: RangeInclusive<u64> = 262_144..=1_048_576;
const TIMEOUT: RangeInclusive<u64> = 25..=30_000;

/// What counts where nothing is said, in the same order.
const DEFAULTS: [u64; 3] = [1_000, 262_144, 1_000];

/// The environment's own loopback, as extensions name it.
const HOSTS: [&str; 2] = ["sandbox.localdomain", "sandbox"];

/// A subscription that can be served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::environment) struct Subscription {
    /// As they were asked for.
    pub(super) types: Vec<String>,
    pub(super) max_items: usize,
    pub(super) max_bytes: usize,
    pub(super) timeout: Duration,
    pub(super) destination: Destination,
}

/// Where events are sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Destination {
    /// Each batch is posted there as an array.
    Http { port: u16, path: String },
    /// Events are lines of one connection.
    Tcp { port: u16 },
}

/// Why a subscription is refused.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(in crate::environment) enum Invalid {
    #[error("the request is no subscription: {0}")]
    Unreadable(String),
    #[error("schemaVersion {0:?} is not supported")]
    Schema(String),
    #[error("types should not be empty")]
    NoTypes,
    #[error("{0:?} is not a valid type: use platform, function or extension")]
    Type(String),
    #[error("buffering.{name} must be between {} and {}", range.start(), range.end())]
    Buffering {
        name: &'static str,
        range: RangeInclusive<u64>,
    },
    #[error("destination.protocol {0:?} is not supported: use HTTP or TCP")]
    Protocol(String),
    #[error("destination.URI host must be sandbox.localdomain")]
    Host,
    #[error("URI port is not provided")]
    Port,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Request {
    #[serde(default)]
    schema_version: String,
    #[serde(default)]
    types: Vec<String>,
    #[serde(default)]
    buffering: Buffering,
    destination: Place,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Buffering {
    max_items: Option<u64>,
    max_bytes: Option<u64>,
    timeout_ms: Option<u64>,
}

#[derive(Debug, Deserialize)]
struct Place {
    protocol: String,
    #[serde(rename = "URI")]
    uri: Option<String>,
    port: Option<u16>,
}

impl Subscription {
    /// Reads the body of a request.
    pub(in crate::environment) fn read(body: &[u8]) -> Result<Self, Invalid> {
        let request: Request =
            serde_json::from_slice(body).map_err(|error| Invalid::Unreadable(error.to_string()))?;
        if !SCHEMAS.contains(&request.schema_version.as_str()) {
            return Err(Invalid::Schema(request.schema_version));
        }
        if request.types.is_empty() {
            return Err(Invalid::NoTypes);
        }
        let unknown = |kind: &&String| Category::named(kind).is_none();
        if let Some(kind) = request.types.iter().find(unknown) {
            return Err(Invalid::Type(kind.clone()));
        }
        let Buffering {
            max_items,
            max_bytes,
            timeout_ms,
        } = request.buffering;
        let [items, bytes, timeout] = DEFAULTS;
        let size = |bytes| usize::try_from(bytes).unwrap_or(usize::MAX);
        Ok(Self {
            types: request.types,
            max_items: size(within("maxItems", max_items.unwrap_or(items), ITEMS)?),
            max_bytes: size(within("maxBytes", max_bytes.unwrap_or(bytes), BYTES)?),
            timeout: Duration::from_millis(within(
                "timeoutMs",
                timeout_ms.unwrap_or(timeout),
                TIMEOUT,
            )?),
            destination: request.destination.read()?,
        })
    }

    /// Whether it wants such events.
    pub(super) fn wants(&self, category: Category) -> bool {
        let mut types = self.types.iter();
        types.any(|kind| Category::named(kind) == Some(category))
    }
}

fn within(name: &'static str, value: u64, range: RangeInclusive<u64>) -> Result<u64, Invalid> {
    if range.contains(&value) {
        Ok(value)
    } else {
        Err(Invalid::Buffering { name, range })
    }
}

impl Place {
    fn read(self) -> Result<Destination, Invalid> {
        let (scheme, is_http) = match self.protocol.as_str() {
            "HTTP" => ("http://", true),
            "TCP" => ("tcp://", false),
            _ => return Err(Invalid::Protocol(self.protocol)),
        };
        let Some(uri) = self.uri else {
            let port = self.port.filter(|_| !is_http).ok_or(Invalid::Port)?;
            return Ok(Destination::Tcp { port });
        };
        let rest = uri.strip_prefix(scheme).ok_or(Invalid::Host)?;
        let (authority, path) = match rest.find('/') {
            Some(at) => rest.split_at(at),
            None => (rest, "/"),
        };
        let (host, port) = authority.split_once(':').unwrap_or((authority, ""));
        if !HOSTS.contains(&host) {
            return Err(Invalid::Host);
        }
        let port = port.parse().map_err(|_| Invalid::Port)?;
        Ok(match is_http {
            true => Destination::Http {
                port,
                path: path.to_owned(),
            },
            false => Destination::Tcp { port },
        })
    }
}

impl Category {
    fn named(name: &str) -> Option<Self> {
        match name {
            "platform" => Some(Self::Platform),
            "function" => Some(Self::Function),
            "extension" => Some(Self::Extension),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn request() -> Value {
        json!({
            "schemaVersion": "2022-12-13",
            "types": ["platform", "function"],
            "buffering": {"maxItems": 1000, "maxBytes": 262_144, "timeoutMs": 25},
            "destination": {"protocol": "HTTP", "URI": "http://sandbox.localdomain:8080"},
        })
    }

    fn read(request: &Value) -> Result<Subscription, Invalid> {
        Subscription::read(request.to_string().as_bytes())
    }

    #[test]
    fn a_subscription_is_read() {
        let read = read(&request()).unwrap();
        assert!(read.wants(Category::Function) && !read.wants(Category::Extension));
        assert_eq!(read.timeout, Duration::from_millis(25));
        let path = "/".to_owned();
        assert_eq!(read.destination, Destination::Http { port: 8080, path });
    }

    #[test]
    fn what_is_left_out_has_defaults() {
        let mut request = request();
        request.as_object_mut().unwrap().remove("buffering");
        request["destination"] = json!({"protocol": "TCP", "port": 4243});
        let read = read(&request).unwrap();
        assert_eq!((read.max_items, read.max_bytes), (1_000, 262_144));
        assert_eq!(read.timeout, Duration::from_secs(1));
        assert_eq!(read.destination, Destination::Tcp { port: 4243 });
    }

    #[test]
    fn what_cannot_be_served_is_refused() {
        for (member, value, told) in [
            (
                "schemaVersion",
                json!("2021-01-01"),
                "\"2021-01-01\" is not supported",
            ),
            ("types", json!([]), "types should not be empty"),
            ("types", json!(["logs"]), "\"logs\" is not a valid type"),
            (
                "buffering",
                json!({"maxItems": 999}),
                "maxItems must be between 1000 and 10000",
            ),
            (
                "buffering",
                json!({"timeoutMs": 30_001}),
                "timeoutMs must be between 25 and 30000",
            ),
            (
                "destination",
                json!({"protocol": "HTTP", "URI": "http://example.org:80"}),
                "host must be sandbox.localdomain",
            ),
            (
                "destination",
                json!({"protocol": "HTTP", "URI": "http://sandbox.localdomain"}),
                "URI port is not provided",
            ),
            (
                "destination",
                json!({"protocol": "UDP", "port": 1}),
                "\"UDP\" is not supported",
            ),
        ] {
            let mut request = request();
            request[member] = value;
            let refused = read(&request).unwrap_err().to_string();
            assert!(refused.contains(told), "{refused}");
        }
    }
}
