//! The canonical form of a request: what both sides must agree on to the byte.

use std::borrow::Cow;
use std::fmt::Write as _;

use http::HeaderMap;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, percent_encode};

use super::Signature;

/// Everything but the unreserved characters of RFC 3986.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// As [`RESERVED`], for a whole path.
const PATH: &AsciiSet = &RESERVED.remove(b'/');

/// The parameters of a query string, decoded.
#[derive(Debug)]
pub(super) struct Pairs<'r>(Vec<(Bytes<'r>, Bytes<'r>)>);

/// Borrowed from the request where nothing was encoded.
type Bytes<'r> = Cow<'r, [u8]>;

impl<'r> Pairs<'r> {
    pub(super) fn of(query: Option<&'r str>) -> Self {
        let decode = |text: &'r str| Bytes::from(percent_decode_str(text));
        let pairs = query
            .unwrap_or_default()
            .split('&')
            .filter(|pair| !pair.is_empty())
            .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
            .map(|(name, value)| (decode(name), decode(value)))
            .collect();
        Self(pairs)
    }

    /// The parameter `name`, if it is UTF-8.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let (_, value) = self.0.iter().find(|(key, _)| **key == *name.as_bytes())?;
        std::str::from_utf8(value).ok()
    }

    /// Whether the parameter `name` stands there more than once.
    pub(super) fn repeats(&self, name: &str) -> bool {
        let named = self.0.iter().filter(|(key, _)| **key == *name.as_bytes());
        named.count() > 1
    }

    /// Sorted and encoded anew. A presigned URL's own signature is not part of what it signs.
    fn canonical(&self, presigned: bool) -> String {
        let encode = |text: &[u8]| percent_encode(text, RESERVED).to_string();
        let mut pairs: Vec<(String, String)> = self
            .0
            .iter()
            .filter(|(name, _)| !presigned || **name != *b"X-Amz-Signature")
            .map(|(name, value)| (encode(name), encode(value)))
            .collect();
        pairs.sort();
        let pairs: Vec<String> = pairs
            .into_iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        pairs.join("&")
    }
}

/// The canonical request that `signature` must be of, with the last line given.
pub(super) fn canonical_request(signature: &Signature<'_>, payload_hash: &str) -> String {
    let parts = signature.parts;
    let path = match signature.scope.is_s3() {
        true => object_path(parts.uri.path()),
        false => service_path(parts.uri.path()),
    };
    let query = signature.query.canonical(signature.is_presigned());
    let mut request = format!("{}\n{path}\n{query}\n", parts.method);
    for name in &signature.signed_headers {
        let value = match &**name {
            // HTTP/2 sends the host outside the headers.
            "host" | ":authority" if !parts.headers.contains_key(http::header::HOST) => parts
                .uri
                .authority()
                .map_or("", |host| host.as_str())
                .to_owned(),
            ":authority" => header(&parts.headers, "host"),
            name => header(&parts.headers, name),
        };
        let _ = writeln!(request, "{name}:{value}");
    }
    let _ = write!(
        request,
        "\n{}\n{payload_hash}",
        signature.signed_headers.join(";")
    );
    request
}

/// The values of a header, each with its blanks folded, joined.
fn header(headers: &HeaderMap, name: &str) -> String {
    let values: Vec<String> = headers
        .get_all(name)
        .iter()
        .map(|value| {
            let text = String::from_utf8_lossy(value.as_bytes());
            let words: Vec<&str> = text.split(' ').filter(|word| !word.is_empty()).collect();
            words.join(" ")
        })
        .collect();
    values.join(",")
}

/// S3 names objects by paths, so that theirs stay as they are: `a//b/../c` is a key. Encoded once.
fn object_path(path: &str) -> String {
    let segments = path.split('/').map(|segment| {
        let decoded = Bytes::from(percent_decode_str(segment));
        percent_encode(&decoded, RESERVED).to_string()
    });
    segments.collect::<Vec<_>>().join("/")
}

/// Every other service's path is normalised and, encoded as it was sent, encoded again.
fn service_path(path: &str) -> String {
    let mut segments: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => {
                segments.pop();
            }
            name => segments.push(name),
        }
    }
    let mut normal = format!("/{}", segments.join("/"));
    let folder = path.ends_with('/') || path.ends_with("/.") || path.ends_with("/..");
    if folder && normal.len() > 1 {
        normal.push('/');
    }
    percent_encode(normal.as_bytes(), PATH).to_string()
}
