use super::testing::{Recorder, destination};
use super::*;

fn entry(text: &str) -> Entry {
    Entry {
        time: 1,
        text: text.to_owned(),
    }
}

#[tokio::test]
async fn lines_are_gathered_and_the_stream_is_made() {
    let recorder = Recorder::start();
    let to = Arc::new(destination("s"));
    for text in ["a", "b", "c"] {
        recorder.shipper.push(&to, entry(text));
    }
    recorder.shipper.flush().await;
    let events = recorder.events("s");
    let texts: Vec<_> = events.into_iter().map(|(_, text)| text).collect();
    assert_eq!(texts, ["a", "b", "c"]);
    assert_eq!(recorder.memory.lock().puts, 1);
}

#[tokio::test]
async fn a_stream_that_was_deleted_is_made_again() {
    let recorder = Recorder::start();
    let to = Arc::new(destination("s"));
    recorder.shipper.push(&to, entry("a"));
    recorder.shipper.flush().await;
    recorder.memory.lock().streams.clear();
    recorder.shipper.push(&to, entry("b"));
    recorder.shipper.flush().await;
    assert_eq!(recorder.events("s"), [(1, "b".to_owned())]);
}

#[tokio::test]
async fn a_busy_service_is_asked_again() {
    let recorder = Recorder::start();
    recorder.memory.lock().refusals = 2;
    let to = Arc::new(destination("s"));
    recorder.shipper.push(&to, entry("a"));
    recorder.shipper.flush().await;
    assert_eq!(recorder.events("s").len(), 1);
}

#[tokio::test]
async fn what_does_not_fit_is_dropped_and_counted() {
    const LINE: usize = 1 << 19;
    let recorder = Recorder::start();
    let to = Arc::new(destination("s"));
    let long = "x".repeat(LINE);
    // Nothing is put meanwhile: this test's runtime has one thread.
    for _ in 0..=QUEUE_BYTES / LINE {
        recorder.shipper.push(&to, entry(&long));
    }
    recorder.shipper.flush().await;
    let events = recorder.events("s");
    let (_, complaint) = events.last().unwrap();
    assert!(
        complaint.starts_with("LOGS\tName: Dropped\tRecords: 2\t"),
        "{complaint}"
    );
    assert_eq!(recorder.shipper.queue.state.lock().bytes, 0);
    recorder.shipper.push(&to, entry("again"));
    recorder.shipper.flush().await;
    assert_eq!(recorder.events("s").len(), events.len() + 1);
}

#[tokio::test]
async fn closing_lets_what_waits_through() {
    let recorder = Recorder::start();
    let to = Arc::new(destination("s"));
    recorder.shipper.push(&to, entry("a"));
    recorder.shipper.close();
    recorder.shipper.push(&to, entry("too late"));
    recorder.shipper.flush().await;
    assert_eq!(recorder.events("s").len(), 1);
}

#[test]
fn batches_keep_to_what_one_call_takes() {
    let at = |time| Entry {
        time,
        text: "x".to_owned(),
    };
    let many: Vec<Entry> = (0..=BATCH_EVENTS).map(|_| at(0)).collect();
    assert_eq!(batches(&many).count(), 2);
    assert_eq!(batches(&[at(0), at(BATCH_SPAN + 1)]).count(), 2);
    let long = "x".repeat(BATCH_BYTES / 2);
    let long = [entry(&long), entry(&long), entry("x")];
    let sizes: Vec<usize> = batches(&long).map(<[_]>::len).collect();
    assert_eq!(sizes, [1, 2]);
    assert_eq!(batches(&[]).count(), 0);
}
