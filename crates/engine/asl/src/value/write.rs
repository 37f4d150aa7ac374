//! Values to JSON text.
//!
//! Strings are escaped as AWS's answers are: what JSON demands and nothing more, so `/` and letters
//! beyond ASCII stand as they are.

use super::Value;

pub(super) fn value(value: &Value, text: &mut String) {
    match value {
        Value::Null => text.push_str("null"),
        Value::Bool(true) => text.push_str("true"),
        Value::Bool(false) => text.push_str("false"),
        Value::Number(number) => number.write_to(text),
        Value::String(content) => string(content, text),
        Value::Array(items) => {
            text.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                self::value(item, text);
            }
            text.push(']');
        }
        Value::Object(entries) => {
            text.push('{');
            for (index, (key, item)) in entries.iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                string(key, text);
                text.push(':');
                self::value(item, text);
            }
            text.push('}');
        }
    }
}

pub(super) fn string(content: &str, text: &mut String) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    text.push('"');
    let mut written = 0;
    for (at, byte) in content.bytes().enumerate() {
        let length = escaped_size(byte);
        if length == 1 {
            continue;
        }
        text.push_str(&content[written..at]);
        written = at + 1;
        text.push('\\');
        match byte {
            b'"' | b'\\' => text.push(char::from(byte)),
            0x08 => text.push('b'),
            0x0c => text.push('f'),
            b'\n' => text.push('n'),
            b'\r' => text.push('r'),
            b'\t' => text.push('t'),
            _ => {
                text.push_str("u00");
                text.push(char::from(HEX[usize::from(byte >> 4)]));
                text.push(char::from(HEX[usize::from(byte & 15)]));
            }
        }
    }
    text.push_str(&content[written..]);
    text.push('"');
}

/// Bytes of a string with its quotes.
pub(super) fn string_size(content: &str) -> usize {
    content.bytes().map(escaped_size).sum::<usize>() + 2
}

fn escaped_size(byte: u8) -> usize {
    match byte {
        b'"' | b'\\' | 0x08 | 0x0c | b'\n' | b'\r' | b'\t' => 2,
        0..=0x1f => 6,
        _ => 1,
    }
}
