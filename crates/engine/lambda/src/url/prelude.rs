//! What a function that streams says ahead of its stream: JSON, then eight zero bytes.

use bytes::{Bytes, BytesMut};
use http::{HeaderValue, Response};
use wire::Body;

use super::answer::{Malformed, Metadata};

/// The type by which a stream says that it begins so.
pub(super) const CONTENT_TYPE: HeaderValue =
    HeaderValue::from_static("application/vnd.awslambda.http-integration-response");

const END: [u8; 8] = [0; 8];

/// The most that is read in search of the end.
const LIMIT: usize = 1 << 20;

/// A prelude of which a part has come.
#[derive(Debug, Default)]
pub(super) struct Prelude {
    read: BytesMut,
}

impl Prelude {
    /// Takes the next bytes; once that was all, the head of the response and what came behind it.
    pub(super) fn take(
        &mut self,
        bytes: &[u8],
    ) -> Result<Option<(Response<Body>, Bytes)>, Malformed> {
        let from = self.read.len().saturating_sub(END.len() - 1);
        self.read.extend_from_slice(bytes);
        let behind = self.read.get(from..).unwrap_or_default();
        let Some(at) = behind.windows(END.len()).position(|bytes| bytes == END) else {
            return match self.read.len() {
                ..LIMIT => Ok(None),
                _ => Err(Malformed("the stream's metadata has no end")),
            };
        };
        let mut rest = std::mem::take(&mut self.read).freeze();
        let metadata = rest.split_to(from + at);
        let metadata: Metadata = serde_json::from_slice(&metadata)
            .map_err(|_| Malformed("the stream's metadata is not JSON"))?;
        let rest = rest.slice(END.len()..);
        Ok(Some((metadata.response()?, rest)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// However it is cut, the head is read and nothing of the body is lost.
        #[test]
        fn a_prelude_comes_in_pieces(cuts in prop::collection::vec(1_usize..20, 0..12)) {
            let whole = b"{\"statusCode\":203,\"headers\":{\"a\":\"b\"}}\0\0\0\0\0\0\0\0\0body";
            let mut left = &whole[..];
            let mut prelude = Prelude::default();
            let mut cuts = cuts.into_iter();
            let (head, mut body) = loop {
                let cut = cuts.next().unwrap_or(left.len()).min(left.len());
                let (piece, rest) = left.split_at(cut);
                left = rest;
                if let Some((head, body)) = prelude.take(piece).unwrap() {
                    break (head, body.to_vec());
                }
                prop_assert!(!left.is_empty());
            };
            body.extend_from_slice(left);
            prop_assert_eq!(head.status(), 203);
            prop_assert_eq!(&head.headers()["a"], "b");
            prop_assert_eq!(body, b"\0body");
        }
    }

    #[test]
    fn what_is_no_prelude_is_malformed() {
        assert!(Prelude::default().take(b"{\0\0\0\0\0\0\0\0").is_err());
        assert!(Prelude::default().take(&[b' '; LIMIT]).is_err());
    }
}
