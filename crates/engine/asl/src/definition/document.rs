//! A JSON text with the place of every value in it.
//!
//! `serde_json` forgets where a value stood and which of two fields of one name came first; a
//! diagnostic needs both. The texts of the errors are those of the parser behind AWS's answers, as the
//! recordings of StartExecution show them.

use std::borrow::Cow;
use std::ops::Range;

use thiserror::Error;

/// How deep arrays and objects may lie in one another; far beyond what a machine can use, and what
/// keeps a hostile text from exhausting the stack.
const MAX_DEPTH: usize = 200;

/// The bytes of the text that a value takes.
pub type Span = Range<usize>;

/// A value and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Node<'a> {
    /// The bytes it takes.
    pub span: Span,
    /// What it is.
    pub kind: NodeKind<'a>,
}

/// The kinds of JSON values.
#[derive(Debug, Clone, PartialEq)]
pub enum NodeKind<'a> {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number, as it is spelt.
    Number(&'a str),
    /// A string without its escapes.
    String(Cow<'a, str>),
    /// An array.
    Array(Vec<Node<'a>>),
    /// An object with its fields in their order, one name perhaps twice.
    Object(Vec<Member<'a>>),
}

/// A field of an object.
#[derive(Debug, Clone, PartialEq)]
pub struct Member<'a> {
    /// Its name.
    pub name: Cow<'a, str>,
    /// Where the name stands.
    pub name_span: Span,
    /// Its value.
    pub value: Node<'a>,
}

/// Why a text is no JSON.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{message}")]
pub struct SyntaxError {
    /// What was found and what was expected, in the words of AWS's parser.
    pub message: String,
    /// Where.
    pub at: usize,
}

impl<'a> Node<'a> {
    /// The fields, where this is an object.
    pub fn as_object(&self) -> Option<&[Member<'a>]> {
        match &self.kind {
            NodeKind::Object(members) => Some(members),
            _ => None,
        }
    }

    /// The elements, where this is an array.
    pub fn as_array(&self) -> Option<&[Node<'a>]> {
        match &self.kind {
            NodeKind::Array(items) => Some(items),
            _ => None,
        }
    }

    /// The text, where this is a string.
    pub fn as_str(&self) -> Option<&str> {
        match &self.kind {
            NodeKind::String(text) => Some(text),
            _ => None,
        }
    }

    /// The field of that name; the last one, where there are several.
    pub fn get(&self, name: &str) -> Option<&Node<'a>> {
        self.as_object()?
            .iter()
            .rev()
            .find(|member| member.name == name)
            .map(|member| &member.value)
    }
}

/// Parses a text that is one JSON value.
///
/// # Errors
///
/// Where it is not, with the place.
pub fn parse(text: &str) -> Result<Node<'_>, SyntaxError> {
    let mut parser = Parser {
        text,
        at: 0,
        depth: 0,
    };
    parser.skip_space();
    if parser.peek().is_none() {
        return Err(parser.error("No content to map due to end-of-input".to_owned()));
    }
    let node = parser.value()?;
    parser.skip_space();
    match parser.peek() {
        None => Ok(node),
        Some(_) => Err(parser.unexpected("expected end of input")),
    }
}

/// The line (from 1) and the column (from 1, in characters) of a byte of a text.
pub fn position(text: &str, at: usize) -> (usize, usize) {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    let before = &text[..at];
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    (
        before.matches('\n').count() + 1,
        before[line_start..].chars().count() + 1,
    )
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
}

/// What a value may begin with, as AWS's parser lists it.
const VALUE: &str = "(JSON String, Number, Array, Object or token 'null', 'true' or 'false')";

impl<'a> Parser<'a> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn error(&self, message: String) -> SyntaxError {
        SyntaxError {
            message,
            at: self.at,
        }
    }

    /// The error for a character that may not stand here.
    fn unexpected(&self, expectation: &str) -> SyntaxError {
        match self.text[self.at..].chars().next() {
            Some(found) => self.error(format!(
                "Unexpected character ('{found}' (code {})): {expectation}",
                u32::from(found)
            )),
            None => self.error("Unexpected end-of-input".to_owned()),
        }
    }

    fn value(&mut self) -> Result<Node<'a>, SyntaxError> {
        let start = self.at;
        let kind = match self.peek() {
            Some(b'{') => self.nested(Self::object)?,
            Some(b'[') => self.nested(Self::array)?,
            Some(b'"') => NodeKind::String(self.string()?),
            Some(b'-' | b'0'..=b'9') => NodeKind::Number(self.number()?),
            Some(first) if first.is_ascii_alphabetic() || first == b'_' || first == b'$' => {
                self.word()?
            }
            Some(_) => return Err(self.unexpected(&format!("expected a valid value {VALUE}"))),
            None => return Err(self.unexpected("expected a value")),
        };
        Ok(Node {
            span: start..self.at,
            kind,
        })
    }

    fn nested(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<NodeKind<'a>, SyntaxError>,
    ) -> Result<NodeKind<'a>, SyntaxError> {
        if self.depth == MAX_DEPTH {
            return Err(self.error(format!(
                "Document nesting depth exceeds the maximum allowed ({MAX_DEPTH})"
            )));
        }
        self.depth += 1;
        self.at += 1;
        let kind = read(self)?;
        self.depth -= 1;
        Ok(kind)
    }

    fn object(&mut self) -> Result<NodeKind<'a>, SyntaxError> {
        let mut members = Vec::new();
        self.skip_space();
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(NodeKind::Object(members));
        }
        loop {
            self.skip_space();
            if self.peek() != Some(b'"') {
                return Err(
                    self.close_or("was expecting double-quote to start field name", "Object")
                );
            }
            let name_start = self.at;
            let name = self.string()?;
            let name_span = name_start..self.at;
            self.skip_space();
            if self.peek() != Some(b':') {
                return Err(
                    self.unexpected("was expecting a colon to separate field name and value")
                );
            }
            self.at += 1;
            self.skip_space();
            let value = self.value()?;
            members.push(Member {
                name,
                name_span,
                value,
            });
            self.skip_space();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b'}') => {
                    self.at += 1;
                    return Ok(NodeKind::Object(members));
                }
                _ => {
                    return Err(
                        self.close_or("was expecting comma to separate Object entries", "Object")
                    );
                }
            }
        }
    }

    fn array(&mut self) -> Result<NodeKind<'a>, SyntaxError> {
        let mut items = Vec::new();
        self.skip_space();
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(NodeKind::Array(items));
        }
        loop {
            self.skip_space();
            items.push(self.value()?);
            self.skip_space();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b']') => {
                    self.at += 1;
                    return Ok(NodeKind::Array(items));
                }
                _ => {
                    return Err(
                        self.close_or("was expecting comma to separate Array entries", "Array")
                    );
                }
            }
        }
    }

    fn close_or(&self, expectation: &str, what: &str) -> SyntaxError {
        match self.peek() {
            Some(_) => self.unexpected(expectation),
            None => self.error(format!(
                "Unexpected end-of-input: expected close marker for {what}"
            )),
        }
    }

    fn word(&mut self) -> Result<NodeKind<'a>, SyntaxError> {
        let start = self.at;
        while matches!(self.peek(), Some(byte) if byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'$')
        {
            self.at += 1;
        }
        match &self.text[start..self.at] {
            "null" => Ok(NodeKind::Null),
            "true" => Ok(NodeKind::Bool(true)),
            "false" => Ok(NodeKind::Bool(false)),
            other => {
                let message = format!("Unrecognized token '{other}': was expecting {VALUE}");
                Err(SyntaxError { message, at: start })
            }
        }
    }

    fn digits(&mut self) -> usize {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        self.at - start
    }

    fn number(&mut self) -> Result<&'a str, SyntaxError> {
        let start = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        let leading_zero = self.peek() == Some(b'0');
        match self.digits() {
            0 => {
                return Err(self.unexpected(
                    "expected digit (0-9) to follow minus sign, for valid numeric value",
                ));
            }
            1 => {}
            _ if leading_zero => {
                return Err(SyntaxError {
                    message: "Invalid numeric value: Leading zeroes not allowed".to_owned(),
                    at: start,
                });
            }
            _ => {}
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            if self.digits() == 0 {
                return Err(self.unexpected("Decimal point not followed by a digit"));
            }
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            if self.digits() == 0 {
                return Err(self.unexpected("Exponent indicator not followed by a digit"));
            }
        }
        Ok(&self.text[start..self.at])
    }

    fn string(&mut self) -> Result<Cow<'a, str>, SyntaxError> {
        self.at += 1;
        let start = self.at;
        let mut owned: Option<String> = None;
        let mut run = start;
        loop {
            match self.peek() {
                Some(b'"') => {
                    let tail = &self.text[run..self.at];
                    self.at += 1;
                    return Ok(match owned {
                        None => Cow::Borrowed(tail),
                        Some(mut text) => {
                            text.push_str(tail);
                            Cow::Owned(text)
                        }
                    });
                }
                Some(b'\\') => {
                    let text = owned.get_or_insert_with(String::new);
                    text.push_str(&self.text[run..self.at]);
                    let escaped = self.escape()?;
                    text.push(escaped);
                    run = self.at;
                }
                Some(byte) if byte < 0x20 => {
                    let message = format!(
                        "Illegal unquoted character ((CTRL-CHAR, code {byte})): has to be escaped using backslash to be included in string value"
                    );
                    return Err(self.error(message));
                }
                Some(_) => self.at += 1,
                None => {
                    return Err(self.error(
                        "Unexpected end-of-input: was expecting closing quote for a string value"
                            .to_owned(),
                    ));
                }
            }
        }
    }

    /// What the escape that begins here stands for. A lone surrogate, which no text can hold, becomes
    /// the replacement character.
    fn escape(&mut self) -> Result<char, SyntaxError> {
        self.at += 1;
        let simple = match self.peek() {
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => {
                let unit = self.code_unit()?;
                return Ok(self.surrogates(unit));
            }
            _ => {
                let found = self.text[self.at..].chars().next();
                return Err(match found {
                    Some(found) => self.error(format!(
                        "Unrecognized character escape '{found}' (code {})",
                        u32::from(found)
                    )),
                    None => self.unexpected("expected an escape"),
                });
            }
        };
        self.at += 1;
        Ok(simple)
    }

    /// The four digits after a `u`, on which the parser stands.
    fn code_unit(&mut self) -> Result<u32, SyntaxError> {
        let digits = self.text.as_bytes().get(self.at + 1..self.at + 5);
        let unit = digits
            .filter(|digits| digits.iter().all(u8::is_ascii_hexdigit))
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u32::from_str_radix(digits, 16).ok());
        match unit {
            Some(unit) => {
                self.at += 5;
                Ok(unit)
            }
            None => {
                Err(self.error("expected a hex-digit for character escape sequence".to_owned()))
            }
        }
    }

    fn surrogates(&mut self, unit: u32) -> char {
        if let Some(single) = char::from_u32(unit) {
            return single;
        }
        let mark = self.at;
        if (0xD800..0xDC00).contains(&unit) && self.text[self.at..].starts_with("\\u") {
            self.at += 1;
            if let Ok(low) = self.code_unit()
                && (0xDC00..0xE000).contains(&low)
            {
                let both = 0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00);
                return char::from_u32(both).unwrap_or(char::REPLACEMENT_CHARACTER);
            }
            self.at = mark;
        }
        char::REPLACEMENT_CHARACTER
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(text: &str) -> String {
        parse(text).expect_err("no JSON").message
    }

    #[test]
    fn values_keep_their_places() {
        let text = "{\"a\": [1, {\"b\": \"x\\n\\u00e9\\ud83d\\ude00\"}],\n \"a\": 2.50}";
        let node = parse(text).expect("JSON");
        let members = node.as_object().expect("an object");
        assert_eq!(members.len(), 2, "both fields of one name are there");
        assert_eq!(
            node.get("a").map(|node| &text[node.span.clone()]),
            Some("2.50")
        );
        let inner = &members[0].value.as_array().expect("an array")[1];
        assert_eq!(inner.get("b").and_then(Node::as_str), Some("x\né😀"));
        assert_eq!(position(text, members[1].name_span.start), (2, 2));
    }

    // As AWS answered to StartExecution (recordings: test_invalid_start_execution_input).
    #[test]
    fn errors_read_as_aws_has_them() {
        assert_eq!(
            message("not some json"),
            "Unrecognized token 'not': was expecting (JSON String, Number, Array, Object or token 'null', 'true' or 'false')"
        );
        assert_eq!(
            message("{'not': 'json'}"),
            "Unexpected character (''' (code 39)): was expecting double-quote to start field name"
        );
    }

    #[test]
    fn depth_is_bounded() {
        assert!(parse(&format!("{}{}", "[".repeat(200), "]".repeat(200))).is_ok());
        assert!(message(&"[".repeat(100_000)).contains("nesting depth"));
    }

    #[test]
    fn what_is_no_json_is_refused() {
        for text in [
            "",
            "{",
            "[1,",
            "{\"a\"}",
            "01",
            "1.",
            "-",
            "\"a",
            "\"\u{1}\"",
            "\"\\x\"",
            "{} {}",
            "\"\\u12g4\"",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
