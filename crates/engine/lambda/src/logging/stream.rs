//! The log stream of one environment, written in order.

use std::collections::VecDeque;
use std::sync::Arc;

use super::shipper::{Destination, Entry, Shipper};

/// How much is held back at most for the closing lines of an invocation, in bytes.
const HELD_LIMIT: usize = 256 << 10;

/// How far back a record's own time is believed, in milliseconds.
const BELIEVED: i64 = 3_600_000;

/// Writes to a stream, in the order in which a reader should see it.
///
/// An environment takes its next invocation before the one it has answered is reported. What is
/// written behind an answer is held back until that invocation's closing lines are there.
#[derive(Debug)]
pub(crate) struct StreamWriter {
    destination: Arc<Destination>,
    shipper: Shipper,
    /// The time of the last line: within a stream, times do not go back.
    last: i64,
    /// What was written behind each answer whose closing lines have not come, oldest first.
    held: VecDeque<Vec<Entry>>,
    held_bytes: usize,
}

impl StreamWriter {
    pub(crate) fn new(destination: Destination, shipper: Shipper) -> Self {
        Self {
            destination: Arc::new(destination),
            shipper,
            last: 0,
            held: VecDeque::new(),
            held_bytes: 0,
        }
    }

    /// Writes a line of the time `time`, at `now`; both in milliseconds since the epoch.
    pub(crate) fn write(&mut self, time: i64, now: i64, text: String) {
        if text.is_empty() {
            return;
        }
        tracing::debug!(
            target: "lambdalab::function",
            stream = &*self.destination.stream,
            "{}",
            text.trim_end()
        );
        let entry = Entry {
            time: time.clamp(now - BELIEVED, now),
            text,
        };
        let Some(held) = self.held.back_mut() else {
            self.send(entry);
            return;
        };
        self.held_bytes += entry.text.len();
        held.push(entry);
        if self.held_bytes > HELD_LIMIT {
            while !self.held.is_empty() {
                self.release_oldest();
            }
        }
    }

    /// An invocation was answered: what comes now is held back for its closing lines.
    pub(crate) fn answered(&mut self) {
        self.held.push_back(Vec::new());
    }

    /// What is held back belongs to the invocation that was answered after all: its environment is
    /// lost and works on no other.
    pub(crate) fn reclaim(&mut self) {
        if self.held.len() == 1 {
            self.release_oldest();
            self.answered();
        }
    }

    /// Writes the closing lines of an invocation, and then what was held back for them.
    pub(crate) fn close(&mut self, now: i64, closing: Vec<String>) {
        let held = std::mem::take(&mut self.held);
        for line in closing {
            self.write(now, now, line);
        }
        self.held = held;
        self.release_oldest();
    }

    fn release_oldest(&mut self) {
        for entry in self.held.pop_front().into_iter().flatten() {
            self.held_bytes -= entry.text.len();
            self.send(entry);
        }
    }

    fn send(&mut self, mut entry: Entry) {
        entry.time = entry.time.max(self.last);
        self.last = entry.time;
        self.shipper.push(&self.destination, entry);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logging::shipper::testing::{Recorder, destination};

    const NOW: i64 = 1_795_000_000_000;

    async fn written(write: impl FnOnce(&mut StreamWriter)) -> Vec<(i64, String)> {
        let recorder = Recorder::start();
        let mut writer = StreamWriter::new(destination("s"), recorder.shipper.clone());
        write(&mut writer);
        recorder.shipper.flush().await;
        recorder.events("s")
    }

    fn texts(events: &[(i64, String)]) -> String {
        events.iter().map(|(_, text)| text.as_str()).collect()
    }

    #[tokio::test]
    async fn closing_lines_come_before_the_next_invocation() {
        let events = written(|writer| {
            let print = |writer: &mut StreamWriter, text: &str| {
                writer.write(NOW, NOW, text.to_owned());
            };
            print(writer, "a");
            writer.answered();
            print(writer, "c");
            writer.answered();
            print(writer, "e");
            writer.close(NOW, vec!["b".to_owned()]);
            writer.close(NOW, vec!["d".to_owned()]);
            print(writer, "f");
        });
        assert_eq!(texts(&events.await), "abcdef");
    }

    #[tokio::test]
    async fn the_last_words_of_a_lost_environment_are_its_invocations() {
        let events = written(|writer| {
            writer.answered();
            writer.write(NOW, NOW, "a".to_owned());
            writer.reclaim();
            writer.close(NOW, vec!["b".to_owned()]);
            writer.write(NOW, NOW, "c".to_owned());
        });
        assert_eq!(texts(&events.await), "abc");
    }

    #[tokio::test]
    async fn what_is_held_back_is_bounded() {
        let long = "x".repeat(HELD_LIMIT + 1);
        let events = written(|writer| {
            writer.answered();
            writer.write(NOW, NOW, long);
            writer.close(NOW, vec!["end".to_owned()]);
        });
        assert_eq!(events.await.len(), 2);
    }

    #[tokio::test]
    async fn times_do_not_go_back() {
        let events = written(|writer| {
            for time in [NOW - 5, NOW - 9, NOW + 60_000, 0] {
                writer.write(time, NOW, "x".to_owned());
            }
        });
        let times: Vec<i64> = events.await.into_iter().map(|(time, _)| time).collect();
        assert_eq!(times, [NOW - 5, NOW - 5, NOW, NOW]);
    }
}
