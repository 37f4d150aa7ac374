//! Messages on their way between queues: dead letters to where those go, and back.
//!
//! A message moves in one transaction, under a number of its new queue. Until that is durable it is
//! in flight in the old one; from then on it is in line in the new one.

use std::sync::{Arc, Weak};
use std::time::Duration;

use ids::{Arn, RequestId};
use tokio::sync::oneshot;

use crate::attribute::MAX_VISIBILITY;
use crate::definition::QueueKey;
use crate::error::JournalError;
use crate::journal::messages::{self, Move, Moving};
use crate::journal::tasks::{self, Status, Task};
use crate::queue::{Order, Queue, Received, Step, Waiting};
use crate::seq::Seq;
use crate::service::Inner;

/// How many messages a task moves at a time.
const BATCH: i32 = 10;

/// What a task fails with whose destination is gone.
const NO_DESTINATION: &str = "AWS.SimpleQueueService.NonExistentQueue";

/// What a task fails with that meets a message which is nobody's dead letter.
const NO_SOURCE: &str = "CouldNotDetermineMessageSource";

/// What comes of a move: how many messages there were.
type Moved = oneshot::Receiver<Result<usize, JournalError>>;

impl Inner {
    /// Moves dead letters of a queue to that one. They are in flight; those that cannot be moved
    /// come again.
    pub(crate) fn bury(self: &Arc<Self>, queue: &Arc<Queue>, target: &QueueKey, dead: &[Seq]) {
        let Some(target) = self.registry.find(target) else {
            queue.state.lock().left(dead, None);
            return;
        };
        let moving = Moving {
            from: queue.id,
            to: target.id,
            source: Some(queue.key.arn()),
            // A standard queue's retention goes on to count, a FIFO queue's begins anew.
            sent: queue.key.is_fifo().then(|| self.now()),
        };
        let moves = dead.iter().map(|seq| (*seq, None)).collect();
        // Nobody waits for it.
        drop(self.shift(queue, &target, moving, moves, None));
    }

    /// Moves messages that are in flight, each under a new id where there is one.
    fn shift(
        self: &Arc<Self>,
        from: &Arc<Queue>,
        to: &Arc<Queue>,
        moving: Moving,
        which: Vec<(Seq, Option<String>)>,
        task: Option<String>,
    ) -> Moved {
        let (answer, moved) = oneshot::channel();
        let seqs: Vec<Seq> = which.iter().map(|(seq, _)| *seq).collect();
        self.ledger.forget(&seqs);
        let (old, new, kept) = (Arc::clone(from), Arc::clone(to), seqs.clone());
        let queued = {
            let mut state = to.state.lock();
            let numbers = state.number(which.len());
            let upto = numbers.last().copied().unwrap_or(Seq(0));
            let moves: Vec<Move> = which
                .into_iter()
                .zip(numbers)
                .map(|((from, id), to)| Move { from, to, id })
                .collect();
            self.store.write_then(
                move |c| match &task {
                    Some(task) => tasks::shift(c, task, &moving, &moves),
                    None => messages::shift(c, &moving, &moves),
                },
                move |result: Result<Vec<Waiting>, JournalError>| {
                    let result = arrive(&old, &new, upto, &kept, result);
                    // Whoever hung up does not want to know.
                    let _ = answer.send(result);
                },
            )
        };
        if let Err(error) = queued {
            tracing::warn!(%error, queue = %from.key, "messages cannot be moved yet");
            from.state.lock().left(&seqs, None);
        }
        moved
    }
}

/// Puts in line what has come to a queue and lets go of it in the one that it came from.
fn arrive(
    old: &Queue,
    new: &Queue,
    upto: Seq,
    seqs: &[Seq],
    result: Result<Vec<Waiting>, JournalError>,
) -> Result<usize, JournalError> {
    let (moved, outcome) = match result {
        Ok(moved) => (moved.len(), Ok(moved)),
        Err(error) => (0, Err(error)),
    };
    let failed = outcome.is_err();
    let places = outcome.as_ref().map_or(&[][..], Vec::as_slice);
    let places = places.iter().map(|waiting| (0, waiting.clone())).collect();
    let gone = if failed { None } else { Some(moved) };
    old.state.lock().left(seqs, gone);
    // What stood behind them in their groups may be received now.
    old.ring(1);
    let visible = new.state.lock().publish(upto, places);
    new.ring(visible);
    outcome.map(|_| moved)
}

/// How a step of a task went.
enum Progress {
    Moved(usize),
    Done,
    Failed(&'static str),
}

/// Moves messages for a task until there are none left, or somebody ends it.
pub(crate) async fn run(inner: Weak<Inner>, task: Task) {
    loop {
        let Some(this) = inner.upgrade() else { return };
        let id = task.id.clone();
        let current = this.store.read(move |c| tasks::find(c, &id)).await;
        let progress = match current {
            Ok(Some(current)) if current.status == Status::Running => step(&this, &task).await,
            Ok(_) => return,
            Err(error) => Err(error),
        };
        let pause = match progress {
            Ok(Progress::Moved(moved)) => match task.rate {
                Some(rate) => Duration::from_secs(1).mul_f64(share(moved, rate)),
                None => Duration::ZERO,
            },
            Ok(Progress::Done) => return end(&this, &task, Status::Completed, None).await,
            Ok(Progress::Failed(why)) => return end(&this, &task, Status::Failed, Some(why)).await,
            Err(error) => {
                tracing::warn!(%error, task = task.id, "a move task cannot go on yet");
                Duration::from_secs(1)
            }
        };
        let clock = Arc::clone(&this.clock);
        drop(this);
        if !pause.is_zero() {
            clock.sleep(pause).await;
        }
    }
}

/// Which part of a second that many messages take.
fn share(moved: usize, rate: i32) -> f64 {
    let moved = i32::try_from(moved).unwrap_or(BATCH);
    f64::from(moved) / f64::from(rate.max(1))
}

async fn end(this: &Inner, task: &Task, status: Status, failure: Option<&'static str>) {
    let id = task.id.clone();
    let ended = this
        .store
        .write(move |c| tasks::end(c, &id, status, failure));
    if let Err(error) = ended.await {
        tracing::warn!(%error, task = task.id, "that a move task is over cannot be written");
    }
}

/// Moves the next messages of a task.
async fn step(this: &Arc<Inner>, task: &Task) -> Result<Progress, JournalError> {
    let find = |arn: &str| {
        let arn: Option<Arn> = arn.parse().ok();
        arn.and_then(|arn| this.registry.find(&QueueKey::of_arn(&arn)))
    };
    let Some(source) = find(&task.source) else {
        return Ok(Progress::Failed(NO_DESTINATION));
    };
    let count = task.rate.unwrap_or(BATCH).clamp(1, BATCH);
    let Some(taken) = take(this, &source, task.upto, count).await else {
        return Ok(Progress::Done);
    };
    let seqs: Vec<Seq> = taken.iter().map(|received| received.handle.seq).collect();
    let found = this.store.read(move |c| messages::contents(c, &seqs)).await;
    let found = match found {
        Ok(found) => found,
        Err(error) => {
            let error: JournalError = error;
            give_back(this, &source, &taken);
            return Err(error);
        }
    };
    let mut moved = 0;
    for received in &taken {
        let seq = received.handle.seq;
        let content = found.iter().find(|(known, _)| *known == seq);
        let origin = content.and_then(|(_, content)| content.source.clone());
        let Some(target) = task.destination.clone().or(origin) else {
            give_back(this, &source, &taken);
            return Ok(Progress::Failed(NO_SOURCE));
        };
        let Some(target) = find(&target) else {
            give_back(this, &source, &taken);
            return Ok(Progress::Failed(NO_DESTINATION));
        };
        source.state.lock().leave(seq);
        let moving = Moving {
            from: source.id,
            to: target.id,
            source: None,
            sent: Some(this.now()),
        };
        let id = RequestId::draw(&*this.entropy).to_string();
        let which = vec![(seq, Some(id))];
        let shifted = this.shift(&source, &target, moving, which, Some(task.id.clone()));
        match shifted.await {
            Ok(result) => moved += result?,
            Err(_) => return Err(JournalError::Store(store::StoreError::Closed)),
        }
    }
    Ok(Progress::Moved(moved))
}

/// Takes messages that are visible, of those that were there when the task was started; `None`
/// where none is left.
async fn take(
    this: &Arc<Inner>,
    source: &Arc<Queue>,
    upto: Seq,
    count: i32,
) -> Option<Vec<Received>> {
    loop {
        let bell = source.bell.notified();
        let mut bell = std::pin::pin!(bell);
        bell.as_mut().enable();
        let now = this.now();
        let order = Order {
            now,
            count: usize::try_from(count).unwrap_or(1),
            visibility: MAX_VISIBILITY * 1_000,
            retention: source.definition().settings.retention * 1_000,
            max_receives: None,
            stamp: this.stamp(),
        };
        let (step, loads) = {
            let mut state = source.state.lock();
            let step = state.take(order);
            (step, state.loads())
        };
        let is_loading = !loads.is_empty();
        for load in loads {
            this.load(source, load);
        }
        match step {
            Step::Took(taken) => {
                if !taken.expired.is_empty() {
                    drop(this.remove(source, &taken.expired));
                }
                let (now_on, later): (Vec<_>, Vec<_>) = taken
                    .received
                    .into_iter()
                    .partition(|received| received.handle.seq <= upto);
                give_back(this, source, &later);
                match (now_on.is_empty(), later.is_empty()) {
                    (false, _) => return Some(now_on),
                    (true, false) => return None,
                    (true, true) => {}
                }
            }
            Step::Nothing { loading, .. } if loading || is_loading => bell.await,
            Step::Nothing { .. } | Step::Full | Step::Gone => return None,
        }
    }
}

fn give_back(this: &Inner, queue: &Queue, taken: &[Received]) {
    let now = this.now();
    let mut state = queue.state.lock();
    for received in taken {
        state.change(received.handle, now, 0, MAX_VISIBILITY * 1_000);
    }
    drop(state);
    queue.ring(taken.len());
}
