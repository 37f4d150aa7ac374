//! The courier's rounds: brings what is to be told of ended events to where it goes, until it is there
//! or cannot get there.
//!
//! A letter leaves the disk after it was delivered: what a crash interrupts is delivered again. One
//! that is refused for good, or that nobody took for six hours, is given up as on AWS, which counts
//! it as DestinationDeliveryFailures or DeadLetterErrors; here a warning says so, and the engine's
//! health has the count.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use http::HeaderValue;
use ids::Arn;
use wire::{Caller, ServiceError};

use super::courier::{caller, delivery};
use super::outbox::{DueLetters, Letter};
use super::retry::{LONGEST_AGE, back_off};
use crate::service::Inner;

/// How many letters are on their way at a time.
const WIDTH: usize = 16;

/// How long to wait for a store that could not answer.
const PAUSE: Duration = Duration::from_secs(1);

/// The largest event, and so the largest record for a function, in bytes.
/// Source: <https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html>.
const EVENT_BYTES: usize = 1_048_576;

impl Inner {
    /// Delivers what there is, until the engine stops.
    pub(crate) async fn deliver(self: Arc<Self>) {
        while !self.lines.is_closed() {
            let now = self.clock.now();
            let held: Vec<i64> = self.courier.held.lock().iter().copied().collect();
            let room = WIDTH.saturating_sub(held.len());
            let found = self.outbox.due(now, room, held).await;
            let found = found.unwrap_or_else(|error| {
                tracing::warn!(%error, "records of events cannot be read");
                DueLetters {
                    next: Some(now.plus(PAUSE)),
                    ..DueLetters::default()
                }
            });
            for (id, letter) in found.letters {
                self.courier.held.lock().insert(id);
                let this = Arc::clone(&self);
                tokio::spawn(async move {
                    this.bring(id, letter).await;
                    this.courier.held.lock().remove(&id);
                    this.courier.wake();
                });
            }
            // What is due and has no room waits for one that has arrived.
            let later = found.next.filter(|next| *next > now);
            let changed = self.courier.changed.notified();
            match later {
                None => changed.await,
                Some(later) => {
                    let pause = u64::try_from(later.0 - now.0).unwrap_or_default();
                    tokio::select! {
                        () = changed => {}
                        () = self.clock.sleep(Duration::from_micros(pause)) => {}
                    }
                }
            }
        }
    }

    /// Delivers a letter, and writes down what became of it.
    async fn bring(&self, id: i64, letter: Letter) {
        let (due, refusals) = match self.hand_over(&letter).await {
            Ok(()) => (None, 0),
            Err(error) => {
                let now = self.clock.now();
                let is_passing = error.status.is_server_error()
                    || error.status == http::StatusCode::TOO_MANY_REQUESTS;
                let refusals = letter.refusals + 1;
                let due = now.plus(back_off(refusals));
                let is_worth_it = is_passing && due < letter.written.plus(LONGEST_AGE);
                if !is_worth_it {
                    self.courier.failures.fetch_add(1, Ordering::Relaxed);
                    tracing::warn!(
                        %error,
                        sender = letter.sender,
                        destination = letter.destination,
                        "a record of an event could not be delivered and is given up"
                    );
                }
                (is_worth_it.then_some(due), refusals)
            }
        };
        loop {
            let written = match due {
                None => self.outbox.remove(id).await,
                Some(due) => self.outbox.postpone(id, due, refusals).await,
            };
            match written {
                Ok(()) => return,
                Err(error) if self.is_stopping() => {
                    tracing::warn!(%error, "a record of an event will be delivered again");
                    return;
                }
                Err(error) => {
                    tracing::warn!(%error, "that a record was delivered cannot be written yet");
                    self.clock.sleep(PAUSE).await;
                }
            }
        }
    }

    /// Calls the service that the destination belongs to.
    async fn hand_over(&self, letter: &Letter) -> Result<(), ServiceError> {
        let unknown =
            || ServiceError::validation(format!("{} is not a destination.", letter.destination));
        let destination: Arn = letter.destination.parse().map_err(|_| unknown())?;
        let sender: Arn = letter.sender.parse().map_err(|_| unknown())?;
        if destination.service == "lambda" && letter.body.len() > EVENT_BYTES {
            return Err(ServiceError::too_large("InvokeFunction", EVENT_BYTES));
        }
        let trace = letter.trace_id.as_deref().map(HeaderValue::try_from);
        let caller = Caller {
            // What the function has begun goes on.
            trace: trace.and_then(Result::ok),
            ..caller(&sender, &letter.role, letter.request_id)
        };
        let (body, attributes) = (letter.body.clone(), letter.dead_letter.as_ref());
        let call = delivery(&destination, caller, body, attributes).ok_or_else(|| {
            ServiceError::validation(format!(
                "This engine has no service `{}` that could take it.",
                destination.service
            ))
        })?;
        self.peers.0.dispatch(call).await?;
        Ok(())
    }
}
