//! Timestamps as the language takes them: RFC 3339 with an upper-case `T`, and `Z` or an offset.

use crate::history::Millis;

/// Reads a timestamp.
///
/// The seconds may have any fraction. What other readers of ISO 8601 also take, a blank for the `T`, an
/// hour alone, a lower-case `z`, is none here (<https://states-language.net/#timestamps>).
pub fn parse(text: &str) -> Option<jiff::Timestamp> {
    let bytes = text.as_bytes();
    let form = |at: usize, wanted: u8| match wanted {
        b'0' => bytes.get(at).is_some_and(u8::is_ascii_digit),
        exact => bytes.get(at) == Some(&exact),
    };
    if !b"0000-00-00T00:00:00"
        .iter()
        .enumerate()
        .all(|(at, wanted)| form(at, *wanted))
    {
        return None;
    }
    let mut zone = 19;
    if bytes.get(zone) == Some(&b'.') {
        let digits = bytes[zone + 1..]
            .iter()
            .take_while(|byte| byte.is_ascii_digit())
            .count();
        if digits == 0 {
            return None;
        }
        zone += 1 + digits;
    }
    match bytes.get(zone..) {
        Some(b"Z") => {}
        Some([b'+' | b'-', offset @ ..]) if offset.len() == 5 && offset[2] == b':' => {}
        _ => return None,
    }
    text.parse().ok()
}

/// The millisecond in which a moment lies.
pub fn millis(moment: jiff::Timestamp) -> Millis {
    Millis(moment.as_millisecond())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_rfc_3339_is_a_timestamp() {
        for good in [
            "2016-03-14T01:59:00Z",
            "2016-03-14T01:59:00.123456789Z",
            "2016-03-14T01:59:00+02:00",
        ] {
            assert!(parse(good).is_some(), "{good}");
        }
        // The last three are those of the recordings' test_wait_timestamp_invalid.
        for bad in [
            "2016-03-14",
            "2016-03-14 01:59:00Z",
            "2016-03-14t01:59:00z",
            "2016-03-14T01:59Z",
            "2016-03-14T01:59:00+02",
            "2016-12-05T21:29:29",
            "05-12-2016T21:29:29Z",
            "2016-13-05T21:29:29Z",
        ] {
            assert!(parse(bad).is_none(), "{bad}");
        }
        assert_eq!(
            parse("1970-01-01T01:00:01.5+01:00").map(millis),
            Some(Millis(1500))
        );
    }
}
