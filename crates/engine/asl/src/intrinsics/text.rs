//! Strings among arguments, and `States.Format`.
//!
//! A literal stands in single quotes. A backslash takes away what `'`, `{`, `}` and the backslash
//! itself mean; before anything else it is an error, as the specification has it
//! (<https://states-language.net/#intrinsic-functions>).

use super::Problem;
use crate::value::Value;

/// A literal at the beginning of a text.
pub(super) struct Quoted<'a> {
    /// Between the quotes, escapes and all.
    pub(super) content: &'a str,
    /// Bytes with the quotes.
    pub(super) length: usize,
}

/// Reads a literal; an error says what is wrong and where.
pub(super) fn quoted(text: &str) -> Result<Quoted<'_>, (&'static str, usize)> {
    let mut characters = text.char_indices().skip(1);
    while let Some((at, c)) = characters.next() {
        match c {
            '\'' => {
                return Ok(Quoted {
                    content: &text[1..at],
                    length: at + 1,
                });
            }
            '\\' => match characters.next() {
                Some((_, '\'' | '{' | '}' | '\\')) => {}
                _ => return Err((r"a backslash stands before ', {, } or \ alone", at)),
            },
            _ => {}
        }
    }
    Err(("the quote is not closed", text.len()))
}

/// A literal's content as it is meant.
pub(super) fn unescaped(content: &str) -> String {
    let mut text = String::with_capacity(content.len());
    let mut escaped = false;
    for c in content.chars() {
        if c == '\\' && !escaped {
            escaped = true;
        } else {
            text.push(c);
            escaped = false;
        }
    }
    text
}

/// A template cut at every `{}` that is not escaped: one piece more than it has places.
pub(super) fn pieces(template: &str) -> Vec<Box<str>> {
    let mut pieces = Vec::new();
    let mut piece = String::new();
    let mut characters = template.chars().peekable();
    while let Some(c) = characters.next() {
        match c {
            '\\' if matches!(characters.peek(), Some('\'' | '{' | '}' | '\\')) => {
                piece.extend(characters.next());
            }
            '{' if characters.peek() == Some(&'}') => {
                characters.next();
                pieces.push(std::mem::take(&mut piece).into());
            }
            other => piece.push(other),
        }
    }
    pieces.push(piece.into());
    pieces
}

/// The pieces with the arguments between them.
pub(super) fn fill(pieces: &[Box<str>], arguments: &[Value]) -> Result<Value, Problem> {
    if pieces.len() != arguments.len() + 1 {
        return Err(Problem::Arguments(format!(
            "The template has {} occurrences of {{}} for {} arguments",
            pieces.len().saturating_sub(1),
            arguments.len()
        )));
    }
    let mut text = String::new();
    let mut arguments = arguments.iter();
    for piece in pieces {
        text.push_str(piece);
        if let Some(argument) = arguments.next() {
            show(argument, &mut text);
        }
    }
    Ok(text.into())
}

/// A value within a text. Objects and arrays are written in the manner of Java's collections,
/// `{a=1, b=[x, y]}`, which is what Step Functions answers.
fn show(value: &Value, text: &mut String) {
    match value {
        Value::String(content) => text.push_str(content),
        Value::Array(items) => {
            text.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    text.push_str(", ");
                }
                show(item, text);
            }
            text.push(']');
        }
        Value::Object(map) => {
            text.push('{');
            for (index, (key, item)) in map.iter().enumerate() {
                if index > 0 {
                    text.push_str(", ");
                }
                text.push_str(key);
                text.push('=');
                show(item, text);
            }
            text.push('}');
        }
        scalar => scalar.write_to(text),
    }
}
