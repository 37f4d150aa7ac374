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
        if is_plain(byte) {
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
    usize::from(SIZES[usize::from(byte)])
}

/// Whether the byte stands in a string as it is.
pub(super) fn is_plain(byte: u8) -> bool {
    SIZES[usize::from(byte)] == 1
}

/// Bytes that each byte of a string takes in text.
const SIZES: [u8; 256] = {
    let mut sizes = [1; 256];
    let mut byte = 0;
    while byte < 0x20 {
        sizes[byte] = 6;
        byte += 1;
    }
    let mut short = [b'"', b'\\', 0x08, 0x0c, b'\n', b'\r', b'\t'].as_slice();
    while let [first, rest @ ..] = short {
        sizes[*first as usize] = 2;
        short = rest;
    }
    sizes
};
