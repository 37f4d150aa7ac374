//! Receipt handles.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use md5::{Digest as _, Md5};

use crate::seq::Seq;

/// The form of a handle; another one is another byte.
const FORM: u8 = 1;

/// A message and one receiving of it, as clients get them: opaque, and the same after a restart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Handle {
    pub(crate) seq: Seq,
    /// Drawn anew for each receiving.
    pub(crate) stamp: i64,
}

impl Handle {
    /// The handle in text.
    pub(crate) fn write(self) -> String {
        let mut bytes = vec![FORM];
        bytes.extend(self.seq.0.to_be_bytes());
        bytes.extend(self.stamp.to_be_bytes());
        let check = check(&bytes);
        bytes.extend(check);
        STANDARD.encode(bytes)
    }

    /// The handle of that text; `None` where it is none.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let bytes = STANDARD.decode(text).ok()?;
        let (body, found) = bytes.split_at_checked(17)?;
        let (form, numbers) = body.split_first()?;
        if *form != FORM || found != check(body) {
            return None;
        }
        let (seq, stamp) = numbers.split_at_checked(8)?;
        let number = |bytes: &[u8]| Some(i64::from_be_bytes(bytes.try_into().ok()?));
        Some(Self {
            seq: Seq(number(seq)?),
            stamp: number(stamp)?,
        })
    }
}

/// Tells a handle from other text; it is no secret.
fn check(bytes: &[u8]) -> [u8; 4] {
    let digest: [u8; 16] = Md5::digest(bytes).into();
    [digest[0], digest[1], digest[2], digest[3]]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handle_leads_back() {
        let handle = Handle {
            seq: Seq::start(3).next(),
            stamp: -5,
        };
        let text = handle.write();
        assert_eq!(Handle::read(&text), Some(handle));
        for wrong in ["", "garbage", &text[1..], &text.replace('A', "B")] {
            assert_eq!(Handle::read(wrong), None, "{wrong}");
        }
    }
}
