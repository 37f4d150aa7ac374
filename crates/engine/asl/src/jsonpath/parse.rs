//! Text to paths.

use std::sync::Arc;

use super::filter::{self, Filter};
use super::function::{Argument, Function};
use super::{Path, PathError, Root, Step};
use crate::value::Value;

/// How deep paths lie in filters and functions of paths, and parentheses in filters.
const MAX_NESTING: usize = 20;

pub(super) fn path(text: &str) -> Result<Path, PathError> {
    let mut cursor = Cursor::new(text.trim_end(), 0);
    let syntax = |cursor: &Cursor<'_>, problem| PathError::Syntax {
        path: text.into(),
        problem,
        offset: cursor.at,
    };
    let read = |cursor: &mut Cursor<'_>| {
        let root = cursor.root()?;
        let steps = cursor.steps(Until::End)?;
        Ok((root, steps))
    };
    let (root, steps) = read(&mut cursor).map_err(|problem| syntax(&cursor, problem))?;
    Ok(Path {
        text: text.into(),
        root,
        steps,
    })
}

/// What went wrong; where is the cursor's position.
pub(super) type Parse<T> = Result<T, &'static str>;

/// Where a path ends.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Until {
    /// With the text.
    End,
    /// Before what cannot belong to it: in a filter, before operators and parentheses; among
    /// arguments, also before commas.
    Operator,
    /// Before a comma or a parenthesis.
    Argument,
}

/// A place in the text of a path.
pub(super) struct Cursor<'a> {
    pub(super) text: &'a str,
    pub(super) at: usize,
    pub(super) nesting: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(text: &'a str, at: usize) -> Self {
        Self {
            text,
            at,
            nesting: 0,
        }
    }

    pub(super) fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    pub(super) fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    pub(super) fn eat(&mut self, token: &str) -> bool {
        let there = self.rest().starts_with(token);
        if there {
            self.at += token.len();
        }
        there
    }

    pub(super) fn expect(&mut self, token: &str, problem: &'static str) -> Parse<()> {
        if self.eat(token) {
            Ok(())
        } else {
            Err(problem)
        }
    }

    pub(super) fn space(&mut self) {
        self.take_while(|c| matches!(c, ' ' | '\t' | '\n' | '\r'));
    }

    pub(super) fn take_while(&mut self, mut accept: impl FnMut(char) -> bool) -> &'a str {
        let rest = self.rest();
        let end = rest.find(|c| !accept(c)).unwrap_or(rest.len());
        self.at += end;
        &rest[..end]
    }

    /// Goes one level deeper for `read`.
    pub(super) fn nested<T>(&mut self, read: impl FnOnce(&mut Self) -> Parse<T>) -> Parse<T> {
        if self.nesting == MAX_NESTING {
            return Err("filters and functions lie too deep in one another");
        }
        self.nesting += 1;
        let result = read(self);
        self.nesting -= 1;
        result
    }

    fn root(&mut self) -> Parse<Root> {
        self.space();
        self.expect("$", "a path starts with '$'")?;
        if self.eat("$") {
            return Ok(Root::Context);
        }
        let name = self.take_while(|c| c.is_alphanumeric() || c == '_');
        match name.chars().next() {
            None => Ok(Root::Input),
            Some(first) if first.is_numeric() => {
                Err("the name of a variable does not start with a digit")
            }
            Some(_) => Ok(Root::Variable(name.into())),
        }
    }

    /// The steps after a root.
    pub(super) fn steps(&mut self, until: Until) -> Parse<Vec<Step>> {
        let mut steps = Vec::new();
        loop {
            if self.at_end(until) {
                return Ok(steps);
            }
            if matches!(steps.last(), Some(Step::Function(_))) {
                return Err("nothing follows a function");
            }
            if self.eat("..") {
                steps.push(Step::Descend);
                match self.peek() {
                    None => return Err("a path does not end with '..'"),
                    Some('.') => return Err("three dots"),
                    Some('[') => {}
                    Some(_) => {
                        let step = self.after_dot(until)?;
                        steps.push(step);
                    }
                }
            } else if self.eat(".") {
                match self.peek() {
                    None => return Err("a path does not end with '.'"),
                    // `$.['a']` and `$.[0]` are as good as without the dot.
                    Some('[') => {}
                    Some(_) => {
                        let step = self.after_dot(until)?;
                        steps.push(step);
                    }
                }
            } else if self.peek() == Some('[') {
                let step = self.bracket()?;
                steps.push(step);
            } else {
                return Err("'.' or '[' is expected");
            }
        }
    }

    fn at_end(&self, until: Until) -> bool {
        match self.peek() {
            None => true,
            Some(c) => ends(until, c),
        }
    }

    /// A name, `*` or a function.
    fn after_dot(&mut self, until: Until) -> Parse<Step> {
        if self.eat("*") {
            return Ok(Step::Wildcard);
        }
        let name = self.take_while(|c| !matches!(c, '.' | '[' | '(' | ' ') && !ends(until, c));
        if name.is_empty() {
            return Err("a name is expected");
        }
        if self.peek() == Some(' ') && until == Until::End {
            return Err("a name with blanks must stand in brackets, as ['my name']");
        }
        if self.eat("(") {
            let arguments = self.nested(Self::arguments)?;
            return Function::new(name, arguments).map(Step::Function);
        }
        Ok(Step::Properties(vec![name.into()]))
    }

    fn arguments(&mut self) -> Parse<Vec<Argument>> {
        let mut arguments = Vec::new();
        self.space();
        if self.eat(")") {
            return Ok(arguments);
        }
        loop {
            self.space();
            arguments.push(match self.peek() {
                Some('$') => {
                    self.at += 1;
                    Argument::Path(self.steps(Until::Argument)?)
                }
                _ => Argument::Literal(self.json()?),
            });
            self.space();
            if self.eat(")") {
                return Ok(arguments);
            }
            self.expect(",", "',' or ')' is expected")?;
        }
    }

    /// A JSON value, and nothing of what follows it.
    pub(super) fn json(&mut self) -> Parse<Value> {
        let rest = self.rest();
        let (mut depth, mut quoted, mut escaped) = (0_usize, false, false);
        let end = rest.char_indices().find_map(|(at, c)| {
            if quoted {
                quoted = escaped || c != '"';
                escaped = c == '\\' && !escaped;
            } else {
                match c {
                    '"' => quoted = true,
                    '[' | '{' => depth += 1,
                    ']' | '}' => depth = depth.saturating_sub(1),
                    // A number or a word ends before what follows.
                    ' ' | ',' | ')' if depth == 0 => return Some(at),
                    _ => {}
                }
            }
            // Strings, arrays and objects end with their last character.
            let closed = depth == 0 && !quoted && matches!(c, '"' | ']' | '}');
            closed.then(|| at + c.len_utf8())
        });
        let end = end.unwrap_or(rest.len());
        let value = Value::parse(&rest[..end]).map_err(|_| "a JSON value is expected")?;
        self.at += end;
        Ok(value)
    }

    fn bracket(&mut self) -> Parse<Step> {
        self.at += 1;
        self.space();
        let step = match self.peek() {
            Some('\'' | '"') => self.names()?,
            Some('*') => {
                self.at += 1;
                Step::Wildcard
            }
            Some('?') => {
                self.at += 1;
                self.space();
                self.expect("(", "a filter is written as [?(…)]")?;
                let filter = self.nested(filter::parse)?;
                self.expect(")", "')' is expected")?;
                Step::Filter(Arc::new(Filter::new(filter)))
            }
            Some('(') => self.back_from_end()?,
            Some('0'..='9' | '-' | ':') => self.indexes()?,
            _ => return Err("a name in quotes, an index, '*' or '?' is expected"),
        };
        self.space();
        self.expect("]", "']' is expected")?;
        Ok(step)
    }

    fn names(&mut self) -> Parse<Step> {
        let mut names = Vec::new();
        loop {
            self.space();
            names.push(self.quoted()?.into());
            self.space();
            if !self.eat(",") {
                return Ok(Step::Properties(names));
            }
        }
    }

    /// A string in either quotes; a backslash takes the next character as it is, or JSON's escapes.
    pub(super) fn quoted(&mut self) -> Parse<String> {
        let Some(quote @ ('\'' | '"')) = self.peek() else {
            return Err("a name in quotes is expected");
        };
        self.at += 1;
        let mut text = String::new();
        let mut characters = self.rest().char_indices();
        while let Some((at, c)) = characters.next() {
            if c == quote {
                self.at += at + 1;
                return Ok(text);
            }
            if c != '\\' {
                text.push(c);
                continue;
            }
            match characters.next() {
                Some((_, 'n')) => text.push('\n'),
                Some((_, 't')) => text.push('\t'),
                Some((_, 'r')) => text.push('\r'),
                Some((_, 'b')) => text.push('\u{8}'),
                Some((_, 'f')) => text.push('\u{c}'),
                Some((_, 'u')) => {
                    let digits: String = characters.by_ref().take(4).map(|(_, c)| c).collect();
                    let code = u32::from_str_radix(&digits, 16)
                        .ok()
                        .and_then(char::from_u32);
                    text.push(code.ok_or("four hexadecimal digits are expected")?);
                }
                Some((_, other)) => text.push(other),
                None => break,
            }
        }
        Err("the quotes are not closed")
    }

    /// `(@.length-1)`.
    fn back_from_end(&mut self) -> Parse<Step> {
        const PROBLEM: &str = "of scripts, only [(@.length-1)] is understood";
        let inside = self.take_while(|c| c != ')');
        let compact: String = inside.chars().filter(|c| !c.is_whitespace()).collect();
        let back = compact
            .strip_prefix("(@.length")
            .map(|rest| rest.strip_prefix("()").unwrap_or(rest))
            .and_then(|rest| rest.strip_prefix('-'))
            .and_then(|digits| digits.parse::<u32>().ok())
            .filter(|back| *back > 0)
            .ok_or(PROBLEM)?;
        self.expect(")", PROBLEM)?;
        Ok(Step::Indexes(vec![-i64::from(back)]))
    }

    fn indexes(&mut self) -> Parse<Step> {
        let first = self.index()?;
        self.space();
        if self.eat(":") {
            let last = self.index()?;
            self.space();
            // A third number, which other dialects take for a step, counts for nothing.
            if self.eat(":") {
                self.index()?;
            }
            if first.is_none() && last.is_none() {
                return Err("a slice has a beginning or an end");
            }
            return Ok(Step::Slice(first, last));
        }
        let mut indexes = vec![first.ok_or("an index is expected")?];
        while self.eat(",") {
            indexes.push(self.index()?.ok_or("an index is expected")?);
            self.space();
        }
        Ok(Step::Indexes(indexes))
    }

    fn index(&mut self) -> Parse<Option<i64>> {
        self.space();
        let start = self.at;
        self.eat("-");
        self.take_while(|c| c.is_ascii_digit());
        match &self.text[start..self.at] {
            "" => Ok(None),
            digits => match digits.parse::<i32>() {
                Ok(index) => Ok(Some(index.into())),
                Err(_) => Err("an index is a whole number of 32 bits"),
            },
        }
    }
}

fn ends(until: Until, c: char) -> bool {
    match until {
        Until::End => false,
        Until::Operator => {
            matches!(
                c,
                ' ' | '\t' | '\n' | '\r' | ')' | '<' | '>' | '=' | '!' | '~' | '&' | '|'
            )
        }
        Until::Argument => matches!(c, ',' | ')' | ' '),
    }
}
