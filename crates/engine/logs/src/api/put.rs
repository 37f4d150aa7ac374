//! Events, put.

use wire::logs::{InputLogEvent, PutLogEventsRequest, PutLogEventsResponse, RejectedLogEventsInfo};
use wire::{Caller, ServiceError};

use super::names::named;
use super::streams::sequence_token;
use crate::archive::append::{NewEvent, insert, target};
use crate::archive::{horizon, room};
use crate::error::invalid;
use crate::service::Inner;

/// What a batch may count, in bytes, with [`EVENT_OVERHEAD`] for each event; and so a single one.
/// Source: <https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutLogEvents.html>.
const BATCH_BYTES: usize = 1_048_576;

const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;

/// Which part of time a batch may span.
const BATCH_SPAN: i64 = DAY;

/// How old an event may be, and how far in the future.
const TOO_OLD: i64 = 14 * DAY;
const TOO_NEW: i64 = 2 * HOUR;

impl Inner {
    pub(crate) async fn put_log_events(
        &self,
        caller: &Caller,
        input: PutLogEventsRequest,
    ) -> Result<PutLogEventsResponse, ServiceError> {
        let events = events(input.log_events.unwrap_or_default())?;
        let group = named(caller, input.log_group_name);
        let stream = input.log_stream_name.unwrap_or_default();
        let now = self.now();
        let (key, name) = (group.clone(), stream.clone());
        let limit = self.limit;
        let putting = self.write(move |connection| {
            let target = target(connection, &key, &name)?;
            let (events, rejected) = accept(events, target.retention, now);
            insert(connection, &target, &events, now)?;
            let brought: usize = events.iter().map(NewEvent::size).sum();
            let brought = u64::try_from(brought).unwrap_or(u64::MAX);
            let removed = room::make(connection, limit, brought.saturating_mul(2))?;
            Ok((target.stream, events, rejected, removed))
        });
        let (id, events, rejected, removed) = putting.await?;
        if self.removed.add(removed) {
            // It says so; later ones are told now and then.
            self.deleted.notify_one();
        }
        self.tails.publish(group, stream, events, now);
        Ok(PutLogEventsResponse {
            next_sequence_token: Some(sequence_token(id)),
            rejected_log_events_info: rejected,
            rejected_entity_info: None,
        })
    }
}

/// The events of a batch, which must be in order and of a size that can be taken.
fn events(events: Vec<InputLogEvent>) -> Result<Vec<NewEvent>, ServiceError> {
    let events: Vec<NewEvent> = events
        .into_iter()
        .map(|event| NewEvent {
            time: event.timestamp.unwrap_or_default(),
            message: event.message.unwrap_or_default(),
        })
        .collect();
    if let Some(large) = events
        .iter()
        .map(NewEvent::size)
        .find(|size| *size > BATCH_BYTES)
    {
        return Err(invalid(format!(
            "Log event too large: {large} bytes exceeds limit of {BATCH_BYTES}"
        )));
    }
    let total: usize = events.iter().map(NewEvent::size).sum();
    if total > BATCH_BYTES {
        return Err(invalid(format!(
            "Upload too large: {total} bytes exceeds limit of {BATCH_BYTES}"
        )));
    }
    if !events.is_sorted_by_key(|event| event.time) {
        return Err(invalid(
            "Log events in a single PutLogEvents request must be in chronological order.",
        ));
    }
    if let [first, .., last] = &*events
        && last.time - first.time > BATCH_SPAN
    {
        return Err(invalid(
            "The batch of log events in a single PutLogEvents request cannot span more than 24 \
             hours.",
        ));
    }
    Ok(events)
}

/// The events that are neither too old nor too new at `now`, and which were.
fn accept(
    mut events: Vec<NewEvent>,
    retention: Option<i64>,
    now: i64,
) -> (Vec<NewEvent>, Option<RejectedLogEventsInfo>) {
    let before = |time: i64| events.partition_point(|event| event.time < time);
    let too_old = before(now - TOO_OLD);
    let expired = before(horizon(retention, now));
    let too_new = before(now + TOO_NEW + 1);
    let all = events.len();
    events.truncate(too_new);
    events.drain(..too_old.max(expired).min(too_new));
    let index = |index: usize| i32::try_from(index).ok();
    let rejected = (events.len() < all).then(|| RejectedLogEventsInfo {
        too_new_log_event_start_index: index(too_new).filter(|_| too_new < all),
        too_old_log_event_end_index: index(too_old).filter(|_| too_old > 0),
        expired_log_event_end_index: index(expired).filter(|_| expired > 0),
    });
    (events, rejected)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_795_000_000_000;

    fn input(times: &[i64], size: usize) -> Vec<InputLogEvent> {
        times
            .iter()
            .map(|time| InputLogEvent {
                timestamp: Some(*time),
                message: Some("x".repeat(size)),
            })
            .collect()
    }

    fn refusal(input: Vec<InputLogEvent>) -> String {
        let error = events(input).unwrap_err();
        assert_eq!(error.code, "InvalidParameterException");
        error.message.unwrap_or_default()
    }

    #[test]
    fn batches_that_cannot_be_taken() {
        assert!(refusal(input(&[2, 1], 1)).contains("chronological"));
        assert!(refusal(input(&[0, DAY + 1], 1)).contains("24 hours"));
        assert_eq!(
            refusal(input(&[1; 2], 524_280)),
            "Upload too large: 1048612 bytes exceeds limit of 1048576"
        );
        assert_eq!(
            refusal(input(&[1], 1_048_576)),
            "Log event too large: 1048602 bytes exceeds limit of 1048576"
        );
    }

    #[test]
    fn the_largest_batch() {
        assert_eq!(events(input(&[0, DAY], 524_262)).unwrap().len(), 2);
    }

    fn accepted(times: &[i64], retention: Option<i64>) -> (usize, Option<RejectedLogEventsInfo>) {
        let (accepted, rejected) = accept(events(input(times, 1)).unwrap(), retention, NOW);
        (accepted.len(), rejected)
    }

    #[test]
    fn what_is_too_old_or_too_new_is_left_out() {
        assert_eq!(
            accepted(&[NOW - TOO_OLD, NOW - TOO_OLD + 5], None),
            (2, None)
        );
        let (kept, rejected) = accepted(&[NOW - TOO_OLD - 1, NOW - TOO_OLD], None);
        assert_eq!(kept, 1);
        assert_eq!(rejected.unwrap().too_old_log_event_end_index, Some(1));
        let (kept, rejected) = accepted(&[NOW, NOW + TOO_NEW, NOW + TOO_NEW + 1], None);
        assert_eq!(kept, 2);
        assert_eq!(rejected.unwrap().too_new_log_event_start_index, Some(2));
        let (kept, rejected) = accepted(&[NOW - 2 * DAY, NOW - 2 * DAY + 1], Some(1));
        assert_eq!(kept, 0);
        let rejected = rejected.unwrap();
        assert_eq!(rejected.expired_log_event_end_index, Some(2));
        assert_eq!(rejected.too_old_log_event_end_index, None);
    }
}
