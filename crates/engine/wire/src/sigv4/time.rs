//! The form of time that signatures carry: `20261122T093140Z`.

use ids::Timestamp;
use jiff::fmt::rfc2822;
use jiff::tz::TimeZone;

/// The form.
pub(super) fn basic(at: Timestamp) -> String {
    at.civil().strftime("%Y%m%dT%H%M%SZ").to_string()
}

/// The instant, unless the text is none.
pub(super) fn parse_basic(text: &str) -> Option<Timestamp> {
    let shaped = text.len() == 16
        && text.bytes().enumerate().all(|(index, byte)| match index {
            8 => byte == b'T',
            15 => byte == b'Z',
            _ => byte.is_ascii_digit(),
        });
    let civil = jiff::civil::DateTime::strptime("%Y%m%dT%H%M%SZ", text).ok();
    let zoned = civil.filter(|_| shaped)?.to_zoned(TimeZone::UTC).ok()?;
    Some(Timestamp(zoned.timestamp().as_microsecond()))
}

/// The instant of a header `Date`, which stands in for a missing `X-Amz-Date`.
pub(super) fn parse_date(text: &str) -> Option<Timestamp> {
    let zoned = rfc2822::parse(text).ok()?;
    Some(Timestamp(zoned.timestamp().as_microsecond()))
}
