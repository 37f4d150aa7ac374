//! The framed log records that runtimes write to `_LAMBDA_TELEMETRY_LOG_FD`.
//!
//! A frame is, big-endian: type (u32, first byte 0xa5), length of the message (u32), time in
//! microseconds (u64), message. It keeps a multi-line traceback one record. Source: the runtime
//! interface client for Python, `FramedTelemetryLogSink`.

use bytes::{Buf, BytesMut};

const HEADER: usize = 16;

/// Longest record that is kept whole, in bytes; the rest of a longer one is dropped.
const RECORD_LIMIT: usize = 1 << 20;

/// Takes bytes as they arrive and gives back whole records.
#[derive(Debug, Default)]
pub(crate) struct FrameDecoder {
    pending: BytesMut,
    skip: usize,
}

impl FrameDecoder {
    /// Feeds `bytes` and calls `record` with the time, in milliseconds since the epoch, and the
    /// message of every frame that is complete.
    pub(crate) fn feed(&mut self, mut bytes: &[u8], mut record: impl FnMut(i64, &[u8])) {
        if self.skip > 0 {
            let skipped = self.skip.min(bytes.len());
            self.skip -= skipped;
            bytes = &bytes[skipped..];
        }
        self.pending.extend_from_slice(bytes);
        while self.pending.len() >= HEADER {
            let length = (&self.pending[4..8]).get_u32() as usize;
            let kept = length.min(RECORD_LIMIT);
            if self.pending.len() < HEADER + kept {
                return;
            }
            let micros = (&self.pending[8..HEADER]).get_u64();
            self.pending.advance(HEADER);
            let time = i64::try_from(micros / 1_000).unwrap_or(i64::MAX);
            record(time, &self.pending[..kept]);
            self.pending.advance(kept);
            let surplus = length - kept;
            let at_hand = surplus.min(self.pending.len());
            self.pending.advance(at_hand);
            self.skip = surplus - at_hand;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn frame(message: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0xa5, 0x5a, 0x00, 0x03];
        bytes.extend(u32::try_from(message.len()).unwrap().to_be_bytes());
        bytes.extend(1_700_000_000_123_456_u64.to_be_bytes());
        bytes.extend(message);
        bytes
    }

    proptest! {
        #[test]
        fn records_survive_any_cut(
            messages in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 0..8),
            step in 1_usize..40,
        ) {
            let stream: Vec<u8> = messages.iter().flat_map(|m| frame(m)).collect();
            let mut decoder = FrameDecoder::default();
            let mut seen = Vec::new();
            for piece in stream.chunks(step) {
                decoder.feed(piece, |time, record| {
                    assert_eq!(time, 1_700_000_000_123);
                    seen.push(record.to_vec());
                });
            }
            prop_assert_eq!(seen, messages);
        }

        #[test]
        fn garbage_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            FrameDecoder::default().feed(&bytes, |_, _| {});
        }
    }

    #[test]
    fn an_oversized_record_is_cut_and_the_next_one_is_whole() {
        let long = vec![b'x'; RECORD_LIMIT + 5_000];
        let stream = [frame(&long), frame(b"next")].concat();
        let mut decoder = FrameDecoder::default();
        let mut seen = Vec::new();
        for piece in stream.chunks(4_096) {
            decoder.feed(piece, |_, record| seen.push(record.len()));
        }
        assert_eq!(seen, [RECORD_LIMIT, 4]);
    }
}
