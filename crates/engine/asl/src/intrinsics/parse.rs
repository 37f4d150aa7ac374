//! Text to calls.

use super::text::{self, Quoted};
use super::{Argument, Call, CallError, FUNCTIONS, Function, MAX_NESTING};
use crate::jsonpath::Path;
use crate::value::Value;

pub(super) fn call(text: &str) -> Result<Call, CallError> {
    let mut reader = Reader { text, at: 0 };
    let read = |reader: &mut Reader<'_>| {
        reader.space();
        let call = reader.call(1)?;
        reader.space();
        if reader.at < text.len() {
            return Err("text after the end of the call".to_owned());
        }
        Ok(call)
    };
    read(&mut reader).map_err(|problem| CallError {
        problem,
        offset: reader.at,
    })
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

/// What went wrong; where is the reader's position.
type Parse<T> = Result<T, String>;

impl<'a> Reader<'a> {
    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn eat(&mut self, token: char) -> bool {
        let there = self.rest().starts_with(token);
        if there {
            self.at += token.len_utf8();
        }
        there
    }

    fn space(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start().len();
    }

    fn call(&mut self, depth: usize) -> Parse<Call> {
        if depth > MAX_NESTING {
            return Err(format!("more than {MAX_NESTING} calls in one another"));
        }
        let start = self.at;
        let (function, least, most) = self.name()?;
        self.space();
        if !self.eat('(') {
            return Err("'(' is expected".to_owned());
        }
        let mut arguments = Vec::new();
        self.space();
        if !self.eat(')') {
            loop {
                self.space();
                let template = function == Function::Format && arguments.is_empty();
                arguments.push(self.argument(template, depth)?);
                self.space();
                if self.eat(')') {
                    break;
                }
                if !self.eat(',') {
                    return Err("',' or ')' is expected".to_owned());
                }
            }
        }
        let text = &self.text[start..self.at];
        if !(least..=most).contains(&arguments.len()) {
            self.at = start;
            return Err(format!(
                "States.{function:?} does not take {} arguments",
                arguments.len()
            ));
        }
        if let Some(Argument::Template(pieces)) = arguments.first()
            && pieces.len() != arguments.len()
        {
            self.at = start;
            return Err(format!(
                "the template has {} places for {} arguments",
                pieces.len() - 1,
                arguments.len() - 1
            ));
        }
        Ok(Call {
            text: text.into(),
            function,
            arguments,
        })
    }

    fn name(&mut self) -> Parse<(Function, usize, usize)> {
        let rest = self
            .rest()
            .strip_prefix("States.")
            .ok_or("a function's name starts with 'States.'")?;
        let end = rest
            .find(|c: char| !c.is_ascii_alphanumeric())
            .unwrap_or(rest.len());
        let (_, function, least, most) = FUNCTIONS
            .iter()
            .find(|(name, ..)| *name == &rest[..end])
            .ok_or_else(|| format!("there is no function States.{}", &rest[..end]))?;
        self.at += "States.".len() + end;
        Ok((*function, *least, *most))
    }

    fn argument(&mut self, template: bool, depth: usize) -> Parse<Argument> {
        let rest = self.rest();
        match rest.chars().next() {
            Some('\'') => {
                let Quoted { content, length } = text::quoted(rest).map_err(|(problem, at)| {
                    self.at += at;
                    problem.to_owned()
                })?;
                self.at += length;
                Ok(if template {
                    Argument::Template(text::pieces(content))
                } else {
                    Argument::Literal(text::unescaped(content).into())
                })
            }
            Some('$') => {
                let end = end_of_path(rest);
                let path =
                    Path::parse(rest[..end].trim_end()).map_err(|error| error.to_string())?;
                self.at += end;
                Ok(Argument::Path(path))
            }
            Some('S') => Ok(Argument::Call(Box::new(self.call(depth + 1)?))),
            _ => {
                let end = rest.find([',', ')']).unwrap_or(rest.len());
                match Value::parse(rest[..end].trim_end()) {
                    Ok(value @ (Value::Null | Value::Bool(_) | Value::Number(_))) => {
                        self.at += end;
                        Ok(Argument::Literal(value))
                    }
                    _ => Err(
                        "an argument is a path, a string in single quotes, a number, true, false, \
                         null, or a call"
                            .to_owned(),
                    ),
                }
            }
        }
    }
}

/// Where a path among arguments ends: before a comma or a parenthesis that is not its own.
fn end_of_path(rest: &str) -> usize {
    let (mut depth, mut quote, mut escaped) = (0_usize, None, false);
    for (at, c) in rest.char_indices() {
        if let Some(open) = quote {
            if c == open && !escaped {
                quote = None;
            }
            escaped = c == '\\' && !escaped;
            continue;
        }
        match c {
            '\'' | '"' if depth > 0 => quote = Some(c),
            '[' | '(' => depth += 1,
            ',' | ')' if depth == 0 => return at,
            ']' | ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    rest.len()
}
