//! The digests by which clients check that a message came through whole.
//!
//! Source: <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-message-metadata.html#sqs-attributes-md5-message-digest-calculation>.

use std::fmt::Write as _;

use md5::{Digest as _, Md5};
use sha2::Sha256;

/// A message's attribute as the digest sees it.
pub(crate) struct Field<'a> {
    pub(crate) name: &'a str,
    pub(crate) data_type: &'a str,
    pub(crate) value: Value<'a>,
}

/// The value of an attribute.
pub(crate) enum Value<'a> {
    Text(&'a str),
    Bytes(&'a [u8]),
}

/// The digest of a text.
pub(crate) fn of_body(body: &str) -> String {
    hex(&Md5::digest(body.as_bytes()))
}

/// The digest of attributes, which must be in the order of their names; `None` where there are none.
pub(crate) fn of_attributes<'a>(fields: impl IntoIterator<Item = Field<'a>>) -> Option<String> {
    let mut digest = Md5::new();
    let mut some = false;
    let with_length = |digest: &mut Md5, bytes: &[u8]| {
        let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        digest.update(length.to_be_bytes());
        digest.update(bytes);
    };
    for field in fields {
        some = true;
        with_length(&mut digest, field.name.as_bytes());
        with_length(&mut digest, field.data_type.as_bytes());
        match field.value {
            Value::Text(text) => {
                digest.update([1]);
                with_length(&mut digest, text.as_bytes());
            }
            Value::Bytes(bytes) => {
                digest.update([2]);
                with_length(&mut digest, bytes);
            }
        }
    }
    some.then(|| hex(&digest.finalize()))
}

/// What a body is deduplicated by where its sender says nothing.
pub(crate) fn for_deduplication(body: &str) -> String {
    hex(&Sha256::digest(body.as_bytes()))
}

fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Digests that AWS answered.
    #[test]
    fn digests_are_those_of_aws() {
        assert_eq!(of_body("msg"), "6e2baaf3b97dbeef01c0043275f9a0e7");
        let text = |name, value| Field {
            name,
            data_type: "String",
            value: Value::Text(value),
        };
        assert_eq!(
            of_attributes([text("Foo", "Bar")]).unwrap(),
            "ae7155c6026991b6d54b11589678bf9c"
        );
        assert_eq!(
            of_attributes([
                text("General", "Kenobi"),
                text("Hello", "There"),
                text("Help.Me", "Me")
            ])
            .unwrap(),
            "4c360f3fdafd970e05fae2f149d997f5"
        );
        let traced = b"traceparent\x1e00-774062d6c37081a5a0b9b5b88e30627c-2d2482211f6489da-01";
        let binary = Field {
            name: "attr1",
            data_type: "Binary",
            value: Value::Bytes(traced),
        };
        assert_eq!(
            of_attributes([binary]).unwrap(),
            "8cbe4db156db8a94db8b801b7addb984"
        );
        assert_eq!(of_attributes([]), None);
    }
}
