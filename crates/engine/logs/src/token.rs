//! Where the next page begins, as callers carry it.
//!
//! AWS calls tokens opaque but for one thing that clients rely on: those of `GetLogEvents` begin
//! with `f/` or `b/`, and one that comes back unchanged says that the end was reached.

use wire::ServiceError;

use crate::archive::Position;
use crate::archive::page::Direction;
use crate::archive::streams::StreamCursor;
use crate::error::invalid;

fn no_token() -> ServiceError {
    invalid("The specified nextToken is invalid.")
}

/// An event's id: 56 digits, in the order of positions.
pub(crate) fn event_id(position: Position) -> String {
    let Position { time, id } = position;
    format!("3{:019}{:036}", time.max(0), id.max(0))
}

/// The token of a page that goes on beyond `position`.
pub(crate) fn of_position(direction: Direction, position: Position) -> String {
    let letter = match direction {
        Direction::Forward => 'f',
        Direction::Backward => 'b',
    };
    format!("{letter}/{}/s", event_id(position))
}

/// Reads [`of_position`].
pub(crate) fn position(token: &str) -> Result<(Direction, Position), ServiceError> {
    let (direction, rest) = match token.split_at_checked(2) {
        Some(("f/", rest)) => (Direction::Forward, rest),
        Some(("b/", rest)) => (Direction::Backward, rest),
        _ => return Err(no_token()),
    };
    let digits = rest.strip_suffix("/s").and_then(|id| id.strip_prefix('3'));
    let (time, id) = digits
        .filter(|digits| digits.len() == 55 && digits.bytes().all(|b| b.is_ascii_digit()))
        .map(|digits| digits.split_at(19))
        .ok_or_else(no_token)?;
    match (time.parse(), id.parse()) {
        (Ok(time), Ok(id)) => Ok((direction, Position { time, id })),
        _ => Err(no_token()),
    }
}

/// The token of a listing that goes on behind `name`.
pub(crate) fn of_name(name: &str) -> String {
    format!("n/{name}")
}

/// Reads [`of_name`].
pub(crate) fn name(token: &str) -> Result<String, ServiceError> {
    token
        .strip_prefix("n/")
        .map(str::to_owned)
        .ok_or_else(no_token)
}

/// The token of a listing of streams that goes on behind `cursor`.
pub(crate) fn of_stream(cursor: &StreamCursor) -> String {
    format!("s/{}/{}", cursor.last_event, cursor.name)
}

/// Reads [`of_stream`].
pub(crate) fn stream(token: &str) -> Result<StreamCursor, ServiceError> {
    let parts = token
        .strip_prefix("s/")
        .and_then(|rest| rest.split_once('/'));
    let (last_event, name) = parts.ok_or_else(no_token)?;
    Ok(StreamCursor {
        last_event: last_event.parse().map_err(|_| no_token())?,
        name: name.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn positions_come_back(time in 0..i64::MAX, id in 0..i64::MAX, forward: bool) {
            let direction = if forward { Direction::Forward } else { Direction::Backward };
            let at = Position { time, id };
            prop_assert_eq!(position(&of_position(direction, at)).unwrap(), (direction, at));
            prop_assert_eq!(event_id(at).len(), 56);
        }

        #[test]
        fn any_text_is_read_or_refused(text in "([fbns]/)?[0-9a-é/-]{0,60}(/s)?") {
            for refusal in [
                position(&text).err(), name(&text).err(), stream(&text).err(),
            ].into_iter().flatten() {
                prop_assert_eq!(refusal.code, "InvalidParameterException");
            }
        }

        #[test]
        fn streams_come_back(last_event in -1..i64::MAX, name in ".{1,40}") {
            let cursor = StreamCursor { last_event, name };
            prop_assert_eq!(stream(&of_stream(&cursor)).unwrap(), cursor);
        }
    }
}
