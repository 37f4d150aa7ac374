//! What comes out of a pipe, cut into lines.

/// The longest line that is kept whole, in bytes; a longer one becomes several. An event of a log
/// stream held 256 KiB, its overhead of 26 bytes included, for most of Lambda's life.
pub(crate) const LINE_LIMIT: usize = (256 << 10) - 26;

/// Takes bytes as they arrive and gives back lines, with their line feeds.
#[derive(Debug, Default)]
pub(crate) struct LineSplitter {
    /// The beginning of a line whose end has not come yet.
    partial: Vec<u8>,
}

impl LineSplitter {
    /// Feeds `bytes` and calls `line` with every line that is complete.
    pub(crate) fn feed(&mut self, bytes: &[u8], mut line: impl FnMut(String)) {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let mut piece = piece;
            while self.partial.len() + piece.len() > LINE_LIMIT {
                let room = LINE_LIMIT - self.partial.len();
                let (head, tail) = piece.split_at(room);
                self.partial.extend_from_slice(head);
                self.give_most(&mut line);
                piece = tail;
            }
            if self.partial.is_empty() && piece.ends_with(b"\n") {
                line(String::from_utf8_lossy(piece).into_owned());
                continue;
            }
            self.partial.extend_from_slice(piece);
            if piece.ends_with(b"\n") {
                self.flush(&mut line);
            }
        }
    }

    /// Gives back the line whose end has not come, if there is one.
    pub(crate) fn flush(&mut self, mut line: impl FnMut(String)) {
        if !self.partial.is_empty() {
            line(String::from_utf8_lossy(&self.partial).into_owned());
            self.partial.clear();
        }
    }

    /// Gives back an overlong line but for a character at its end that has not come whole.
    fn give_most(&mut self, line: &mut impl FnMut(String)) {
        let cut = match std::str::from_utf8(&self.partial) {
            Err(error) if error.error_len().is_none() => error.valid_up_to(),
            _ => self.partial.len(),
        };
        let rest = self.partial.split_off(cut);
        self.flush(line);
        self.partial = rest;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn lines(pieces: &[&[u8]]) -> Vec<String> {
        let (mut splitter, mut lines) = (LineSplitter::default(), Vec::new());
        for piece in pieces {
            splitter.feed(piece, |line| lines.push(line));
        }
        splitter.flush(|line| lines.push(line));
        lines
    }

    #[test]
    fn lines_keep_their_line_feeds() {
        assert_eq!(
            lines(&[b"a\nb", b"c\n\n", b"d"]),
            ["a\n", "bc\n", "\n", "d"]
        );
        assert!(lines(&[b""]).is_empty());
    }

    #[test]
    fn an_overlong_line_is_cut_between_characters() {
        let text = format!(
            "{}é{}\n",
            "x".repeat(LINE_LIMIT - 1),
            "y".repeat(LINE_LIMIT)
        );
        let lines = lines(&[text.as_bytes()]);
        assert_eq!(lines.concat(), text);
        assert!(
            lines.iter().all(|line| line.len() <= LINE_LIMIT),
            "{}",
            lines.len()
        );
        assert_eq!(lines[0].len(), LINE_LIMIT - 1);
    }

    proptest! {
        #[test]
        fn nothing_is_lost_however_it_is_cut(
            text in "[a-cé\n]{0,200}",
            step in 1_usize..20,
        ) {
            let pieces: Vec<&[u8]> = text.as_bytes().chunks(step).collect();
            let lines = lines(&pieces);
            let expected: Vec<&str> = text.split_inclusive('\n').collect();
            prop_assert_eq!(lines, expected);
        }
    }
}
