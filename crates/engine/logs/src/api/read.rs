//! The events of one stream, page by page.

use wire::logs::{GetLogEventsRequest, GetLogEventsResponse, OutputLogEvent};
use wire::{Caller, ServiceError};

use super::groups::page_size;
use super::names::either;
use crate::archive::groups::find_group;
use crate::archive::page::{Direction, Span, page};
use crate::archive::streams::stream_id;
use crate::archive::{ArchiveError, Position, StoredEvent, horizon};
use crate::service::Inner;
use crate::token;

/// How many events a page holds where the caller does not say.
pub(super) const DEFAULT_PAGE: usize = 10_000;

impl Inner {
    pub(crate) async fn get_log_events(
        &self,
        caller: &Caller,
        input: GetLogEventsRequest,
    ) -> Result<GetLogEventsResponse, ServiceError> {
        let identifier = input.log_group_identifier.as_deref();
        let key = either(caller, input.log_group_name, identifier)?;
        let name = input.log_stream_name.unwrap_or_default();
        let from = input
            .next_token
            .as_deref()
            .map(token::position)
            .transpose()?;
        let direction = match (from, input.start_from_head) {
            (Some((direction, _)), _) => direction,
            (None, Some(true)) => Direction::Forward,
            (None, _) => Direction::Backward,
        };
        let from = from.map(|(_, position)| position);
        let limit = page_size(input.limit, DEFAULT_PAGE);
        let span = Span {
            start: input.start_time.unwrap_or(0),
            end: input.end_time.unwrap_or(i64::MAX),
        };
        let now = self.now();
        let reading = self.read(move |connection| {
            let group = find_group(connection, &key)?;
            let stream = stream_id(connection, group.id, &name)?.ok_or(ArchiveError::NoStream)?;
            let span = Span {
                start: span.start.max(horizon(group.retention, now)),
                ..span
            };
            let begin = from.unwrap_or_else(|| span.begin(direction));
            page(connection, stream, span, begin, direction, limit)
        });
        let mut events = reading.await?;
        if direction == Direction::Backward {
            events.reverse();
        }
        let (forward, backward) = bounds(&events, direction, from, span);
        Ok(GetLogEventsResponse {
            events: Some(events.into_iter().map(output).collect()),
            next_forward_token: Some(token::of_position(Direction::Forward, forward)),
            next_backward_token: Some(token::of_position(Direction::Backward, backward)),
        })
    }
}

/// Beyond which positions the pages after and before this one begin. At an end the token of that
/// direction stays what it was; the other one leads back over what was seen.
fn bounds(
    events: &[StoredEvent],
    direction: Direction,
    from: Option<Position>,
    span: Span,
) -> (Position, Position) {
    if let [first, ..] = events
        && let [.., last] = events
    {
        return (last.position, first.position);
    }
    let begin = Position::before(span.start.max(0));
    let Some(at) = from else {
        return (begin, begin);
    };
    let next_to = |step: i64| Position {
        id: at.id.saturating_add(step),
        ..at
    };
    match direction {
        Direction::Forward => (at, next_to(1)),
        Direction::Backward => (next_to(-1), at),
    }
}

fn output(event: StoredEvent) -> OutputLogEvent {
    OutputLogEvent {
        timestamp: Some(event.position.time),
        message: Some(event.message),
        ingestion_time: Some(event.ingested),
    }
}
