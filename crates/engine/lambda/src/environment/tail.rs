//! The log of one invocation, of which a caller may ask for the last 4 KB.

use std::collections::VecDeque;

/// What `LogType=Tail` returns at most, in bytes.
pub(crate) const TAIL_LIMIT: usize = 4_096;

/// The last [`TAIL_LIMIT`] bytes of what was written to it.
#[derive(Debug, Default)]
pub(crate) struct Tail {
    bytes: VecDeque<u8>,
}

impl Tail {
    /// Appends, forgetting what no longer fits.
    pub(crate) fn push(&mut self, text: &[u8]) {
        let text = &text[text.len().saturating_sub(TAIL_LIMIT)..];
        let excess = (self.bytes.len() + text.len()).saturating_sub(TAIL_LIMIT);
        self.bytes.drain(..excess);
        self.bytes.extend(text);
    }

    /// What it holds, oldest first; it is empty afterwards.
    pub(crate) fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.bytes).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn holds_the_last_bytes(parts in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..6_000), 0..6)) {
            let mut tail = Tail::default();
            for part in &parts {
                tail.push(part);
            }
            let all: Vec<u8> = parts.concat();
            prop_assert_eq!(tail.take(), &all[all.len().saturating_sub(TAIL_LIMIT)..]);
        }
    }
}
