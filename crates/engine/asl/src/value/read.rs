//! JSON text to values.

use std::sync::Arc;

use super::{List, Map, Number, Value, write};

/// How deep arrays and objects may lie in one another.
///
/// AWS names no number; this bounds the stack, not anyone's data.
pub const MAX_DEPTH: usize = 500;

/// Text that is not JSON.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{problem} at line {line} column {column}")]
pub struct ReadError {
    /// What was wrong, or what was expected instead.
    pub problem: &'static str,
    /// Byte offset into the text.
    pub offset: usize,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
}

pub(super) fn parse(text: &str) -> Result<Value, ReadError> {
    let mut reader = Reader {
        text,
        at: 0,
        keys: [const { None }; KEYS],
    };
    let read = reader.value(0).and_then(|value| {
        reader.space();
        match reader.peek() {
            None => Ok(value),
            Some(_) => Err("text after the end of the JSON value"),
        }
    });
    read.map_err(|problem| {
        let before = text.get(..reader.at).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        ReadError {
            problem,
            offset: reader.at,
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
        }
    })
}

/// How many keys are remembered.
const KEYS: usize = 32;

struct Reader<'a> {
    text: &'a str,
    at: usize,
    /// Keys that came before, each at a place that its ends and length decide: the objects of a list
    /// mostly have the same, which are then one string in memory.
    keys: [Option<Arc<str>>; KEYS],
}

/// What went wrong; where is the reader's position.
type Read<T> = Result<T, &'static str>;

impl<'a> Reader<'a> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn space(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    fn eat(&mut self, byte: u8) -> bool {
        let there = self.peek() == Some(byte);
        self.at += usize::from(there);
        there
    }

    fn value(&mut self, depth: usize) -> Read<Value> {
        self.space();
        match self.peek() {
            None => Err("the text ends where a value is expected"),
            Some(b'{') => self.object(depth),
            Some(b'[') => self.array(depth),
            Some(b'"') => Ok(Value::String(self.string()?)),
            Some(b'-' | b'0'..=b'9') => Ok(Value::Number(Number::from_text(self.number()?))),
            Some(_) => self.word(),
        }
    }

    fn word(&mut self) -> Read<Value> {
        let rest = &self.text[self.at..];
        for (word, value) in [
            ("null", Value::Null),
            ("true", Value::Bool(true)),
            ("false", Value::Bool(false)),
        ] {
            if rest.starts_with(word) {
                self.at += word.len();
                return Ok(value);
            }
        }
        Err("a value is expected")
    }

    fn array(&mut self, depth: usize) -> Read<Value> {
        if depth == MAX_DEPTH {
            return Err("arrays and objects lie too deep in one another");
        }
        self.at += 1;
        let mut items = List::new();
        self.space();
        if self.eat(b']') {
            return Ok(items.into());
        }
        loop {
            items.push(self.value(depth + 1)?);
            self.space();
            if self.eat(b']') {
                return Ok(items.into());
            }
            if !self.eat(b',') {
                return Err("`,` or `]` is expected");
            }
        }
    }

    fn object(&mut self, depth: usize) -> Read<Value> {
        if depth == MAX_DEPTH {
            return Err("arrays and objects lie too deep in one another");
        }
        self.at += 1;
        let mut entries = Map::new();
        self.space();
        if self.eat(b'}') {
            return Ok(entries.into());
        }
        loop {
            self.space();
            if self.peek() != Some(b'"') {
                return Err("a key in quotes is expected");
            }
            let key = self.key()?;
            self.space();
            if !self.eat(b':') {
                return Err("`:` is expected");
            }
            let value = self.value(depth + 1)?;
            entries.insert(key, value);
            self.space();
            if self.eat(b'}') {
                return Ok(entries.into());
            }
            if !self.eat(b',') {
                return Err("`,` or `}` is expected");
            }
        }
    }

    fn digits(&mut self) -> Read<()> {
        if !matches!(self.peek(), Some(b'0'..=b'9')) {
            return Err("a digit is expected");
        }
        while let Some(b'0'..=b'9') = self.peek() {
            self.at += 1;
        }
        Ok(())
    }

    fn number(&mut self) -> Read<&'a str> {
        let start = self.at;
        self.eat(b'-');
        if !self.eat(b'0') {
            self.digits()?;
        }
        if self.eat(b'.') {
            self.digits()?;
        }
        if self.eat(b'e') || self.eat(b'E') {
            let _ = self.eat(b'+') || self.eat(b'-');
            self.digits()?;
        }
        Ok(&self.text[start..self.at])
    }

    fn key(&mut self) -> Read<Arc<str>> {
        let start = self.at;
        self.at += 1;
        let plain = self.plain()?;
        if !self.eat(b'"') {
            self.at = start;
            return self.string();
        }
        let (first, last) = match plain.as_bytes() {
            [] => (0, 0),
            [first, .., last] => (usize::from(*first), usize::from(*last)),
            [only] => (usize::from(*only), 0),
        };
        let place = &mut self.keys[(first + last * 7 + plain.len() * 13) % KEYS];
        match place {
            Some(key) if key.as_ref() == plain => Ok(Arc::clone(key)),
            _ => Ok(Arc::clone(place.insert(plain.into()))),
        }
    }

    fn string(&mut self) -> Read<Arc<str>> {
        self.at += 1;
        let start = self.at;
        // Most strings have no escape: one slice, one copy.
        let plain = self.plain()?;
        if self.eat(b'"') {
            return Ok(plain.into());
        }
        let mut text = self.text[start..self.at].to_owned();
        loop {
            if self.eat(b'"') {
                return Ok(text.into());
            }
            self.at += 1;
            text.push(self.escape()?);
            text.push_str(self.plain()?);
        }
    }

    /// Up to the next quote or backslash.
    fn plain(&mut self) -> Read<&'a str> {
        let rest = &self.text[self.at..];
        let end = rest.bytes().position(|byte| !write::is_plain(byte));
        self.at += end.unwrap_or(rest.len());
        match self.peek() {
            None => Err("the text ends within a string"),
            Some(b'"' | b'\\') => Ok(&rest[..end.unwrap_or_default()]),
            Some(_) => Err("a control character must be escaped"),
        }
    }

    fn escape(&mut self) -> Read<char> {
        let escaped = self.peek().ok_or("the text ends within a string")?;
        let plain = match escaped {
            b'"' | b'\\' | b'/' => char::from(escaped),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                self.at += 1;
                return self.unicode();
            }
            _ => return Err("an escape that JSON does not have"),
        };
        self.at += 1;
        Ok(plain)
    }

    fn unicode(&mut self) -> Read<char> {
        const LONE: &str = "half of a surrogate pair";
        let first = self.hex()?;
        let code = match first {
            0xd800..=0xdbff => {
                if !(self.eat(b'\\') && self.eat(b'u')) {
                    return Err(LONE);
                }
                let second = self.hex()?;
                if !(0xdc00..=0xdfff).contains(&second) {
                    return Err(LONE);
                }
                0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00)
            }
            code => code,
        };
        char::from_u32(code).ok_or(LONE)
    }

    fn hex(&mut self) -> Read<u32> {
        let digits = self
            .text
            .get(self.at..self.at + 4)
            .filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()))
            .ok_or("four hexadecimal digits are expected")?;
        self.at += 4;
        u32::from_str_radix(digits, 16).map_err(|_| "four hexadecimal digits are expected")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_say_where() {
        let error = parse("{\"a\": 1,\n \"é\": tru}").unwrap_err();
        assert_eq!((error.line, error.column), (2, 7));
        assert_eq!(error.to_string(), "a value is expected at line 2 column 7");
        assert_eq!(parse("").unwrap_err().offset, 0);
        for text in [
            "1 2",
            "[1,]",
            "{,}",
            "{\"a\"}",
            "01",
            "1.",
            "-",
            "\"\\x\"",
            "\"\\ud800\"",
            "\"\\udc00\"",
            "\"\t\"",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn escapes_are_undone() {
        assert_eq!(
            parse(r#""a\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00""#).unwrap(),
            Value::from("a\"\\/\u{8}\u{c}\n\r\té😀")
        );
    }

    #[test]
    fn equal_keys_are_one_string() {
        let value = parse(r#"[{"key": 1, "k\u0065y2": 1}, {"key": 2, "key2": 2}]"#).unwrap();
        let keys = |index| {
            let map = value.at(index).and_then(Value::as_object).unwrap();
            map.keys().cloned().collect::<Vec<_>>()
        };
        assert!(Arc::ptr_eq(&keys(0)[0], &keys(1)[0]));
        assert_eq!(keys(0), keys(1));
    }

    #[test]
    fn depth_is_bounded() {
        let nested = |depth| "[".repeat(depth) + &"]".repeat(depth);
        assert!(parse(&nested(MAX_DEPTH)).is_ok());
        assert!(parse(&nested(MAX_DEPTH + 1)).is_err());
        assert!(parse(&nested(1_000_000)).is_err());
    }
}
