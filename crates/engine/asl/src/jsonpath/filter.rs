//! Filters: `[?(@.price < 10 && @.tags contains 'new')]`.
//!
//! Comparisons are Jayway's: a string and a number are equal if they are written alike, strings
//! order by their code units, values of different kinds do not compare, and a path that finds
//! nothing is equal to nothing.

use std::cmp::Ordering;

use regex::{Regex, RegexBuilder};

use super::parse::{Cursor, Parse, Until};
use super::{PathError, Step, evaluate};
use crate::value::{List, Value};

/// A condition on a place.
#[derive(Debug)]
pub(super) struct Filter(Condition);

#[derive(Debug)]
pub(super) enum Condition {
    All(Vec<Condition>),
    Any(Vec<Condition>),
    Not(Box<Condition>),
    Exists(Operand),
    Compare(Operand, Operator, Operand),
    Matches(Operand, Regex),
}

#[derive(Debug)]
pub(super) enum Operand {
    /// `@…`
    Here(Vec<Step>),
    /// `$…`
    Root(Vec<Step>),
    Literal(Value),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    Equal,
    SameAs,
    NotEqual,
    NotSameAs,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    In,
    NotIn,
    Contains,
    Size,
    Empty,
    SubsetOf,
    AnyOf,
    NoneOf,
    All,
}

/// By their spelling; of two that begin alike, the longer comes first.
const OPERATORS: &[(&str, Operator)] = &[
    ("===", Operator::SameAs),
    ("!==", Operator::NotSameAs),
    ("==", Operator::Equal),
    ("!=", Operator::NotEqual),
    ("<=", Operator::LessOrEqual),
    (">=", Operator::GreaterOrEqual),
    ("<", Operator::Less),
    (">", Operator::Greater),
];

const WORDS: &[(&str, Operator)] = &[
    ("in", Operator::In),
    ("nin", Operator::NotIn),
    ("contains", Operator::Contains),
    ("size", Operator::Size),
    ("empty", Operator::Empty),
    ("subsetof", Operator::SubsetOf),
    ("anyof", Operator::AnyOf),
    ("noneof", Operator::NoneOf),
    ("all", Operator::All),
];

/// What stands between the parentheses of `[?(…)]`.
pub(super) fn parse(cursor: &mut Cursor<'_>) -> Parse<Condition> {
    let mut any = vec![all(cursor)?];
    while cursor.eat("||") {
        any.push(all(cursor)?);
    }
    Ok(match any.len() {
        1 => any.remove(0),
        _ => Condition::Any(any),
    })
}

fn all(cursor: &mut Cursor<'_>) -> Parse<Condition> {
    let mut all = vec![one(cursor)?];
    while cursor.eat("&&") {
        all.push(one(cursor)?);
    }
    Ok(match all.len() {
        1 => all.remove(0),
        _ => Condition::All(all),
    })
}

fn one(cursor: &mut Cursor<'_>) -> Parse<Condition> {
    cursor.space();
    let condition = if cursor.eat("!") {
        Condition::Not(Box::new(cursor.nested(one)?))
    } else if cursor.eat("(") {
        let inner = cursor.nested(parse)?;
        cursor.expect(")", "')' is expected")?;
        inner
    } else {
        comparison(cursor)?
    };
    cursor.space();
    Ok(condition)
}

fn comparison(cursor: &mut Cursor<'_>) -> Parse<Condition> {
    if cursor.peek() == Some('/') {
        let pattern = pattern(cursor)?;
        cursor.space();
        cursor.expect("=~", "'=~' is expected")?;
        return Ok(Condition::Matches(operand(cursor)?, pattern));
    }
    let left = operand(cursor)?;
    cursor.space();
    if cursor.eat("=~") {
        cursor.space();
        return Ok(Condition::Matches(left, pattern(cursor)?));
    }
    match operator(cursor)? {
        Some(operator) => Ok(Condition::Compare(left, operator, operand(cursor)?)),
        None if matches!(left, Operand::Literal(_)) => Err("an operator is expected"),
        None => Ok(Condition::Exists(left)),
    }
}

fn operator(cursor: &mut Cursor<'_>) -> Parse<Option<Operator>> {
    if matches!(cursor.peek(), None | Some(')' | '&' | '|')) {
        return Ok(None);
    }
    for (spelling, operator) in OPERATORS {
        if cursor.eat(spelling) {
            return Ok(Some(*operator));
        }
    }
    let word = cursor
        .take_while(|c| c.is_ascii_alphabetic())
        .to_ascii_lowercase();
    WORDS
        .iter()
        .find(|(spelling, _)| *spelling == word)
        .map(|(_, operator)| Some(*operator))
        .ok_or("an operator is expected")
}

fn operand(cursor: &mut Cursor<'_>) -> Parse<Operand> {
    cursor.space();
    match cursor.peek() {
        Some('@') => {
            cursor.at += 1;
            Ok(Operand::Here(
                cursor.nested(|cursor| cursor.steps(Until::Operator))?,
            ))
        }
        Some('$') => {
            cursor.at += 1;
            Ok(Operand::Root(
                cursor.nested(|cursor| cursor.steps(Until::Operator))?,
            ))
        }
        _ => Ok(Operand::Literal(literal(cursor)?)),
    }
}

/// A string in either quotes, a list, an object as JSON has it, or a word: a number, `true`, `false`
/// or `null`, and anything else as a string.
fn literal(cursor: &mut Cursor<'_>) -> Parse<Value> {
    match cursor.peek() {
        Some('\'' | '"') => Ok(cursor.quoted()?.into()),
        Some('[') => cursor.nested(list),
        Some('{') => cursor.json(),
        _ => {
            let word = cursor.take_while(|c| {
                !matches!(
                    c,
                    ' ' | ',' | ')' | '(' | '&' | '|' | '=' | '<' | '>' | '!' | '~' | ']' | '['
                )
            });
            if word.is_empty() {
                return Err("a value is expected");
            }
            Ok(Value::parse(word).unwrap_or_else(|_| Value::from(word)))
        }
    }
}

/// `['S', 'M']`.
fn list(cursor: &mut Cursor<'_>) -> Parse<Value> {
    cursor.expect("[", "'[' is expected")?;
    let mut items = List::new();
    cursor.space();
    if cursor.eat("]") {
        return Ok(items.into());
    }
    loop {
        cursor.space();
        items.push(literal(cursor)?);
        cursor.space();
        if cursor.eat("]") {
            return Ok(items.into());
        }
        cursor.expect(",", "',' or ']' is expected")?;
    }
}

/// `/expression/i`: the whole text must match.
fn pattern(cursor: &mut Cursor<'_>) -> Parse<Regex> {
    cursor.expect("/", "a regular expression is written as /…/")?;
    let mut escaped = false;
    let source = cursor.take_while(|c| {
        let go_on = escaped || c != '/';
        escaped = c == '\\' && !escaped;
        go_on
    });
    cursor.expect("/", "the regular expression is not closed")?;
    let insensitive = cursor.eat("i");
    RegexBuilder::new(&format!("^(?:{})$", source.replace("\\/", "/")))
        .case_insensitive(insensitive)
        .size_limit(1 << 20)
        .build()
        .map_err(|_| "this is no regular expression that is understood here")
}

impl Filter {
    pub(super) fn new(condition: Condition) -> Self {
        Self(condition)
    }

    /// Whether `here` meets the condition; `root` is what `$` stands for.
    pub(super) fn accepts(&self, here: &Value, root: &Value) -> Result<bool, PathError> {
        self.0.holds(here, root)
    }
}

impl Condition {
    fn holds(&self, here: &Value, root: &Value) -> Result<bool, PathError> {
        Ok(match self {
            Self::All(all) => {
                for condition in all {
                    if !condition.holds(here, root)? {
                        return Ok(false);
                    }
                }
                true
            }
            Self::Any(any) => {
                for condition in any {
                    if condition.holds(here, root)? {
                        return Ok(true);
                    }
                }
                false
            }
            Self::Not(condition) => !condition.holds(here, root)?,
            Self::Exists(operand) => operand.exists(here, root)?,
            Self::Compare(left, operator, right) => {
                let (left, right) = (left.value(here, root)?, right.value(here, root)?);
                operator.holds(left.as_ref(), right.as_ref())
            }
            Self::Matches(operand, pattern) => match operand.value(here, root)? {
                Some(Value::Array(items)) => items.iter().any(|item| matches(pattern, item)),
                Some(value) => matches(pattern, &value),
                None => matches(pattern, &Value::from("")),
            },
        })
    }
}

fn matches(pattern: &Regex, value: &Value) -> bool {
    match value {
        Value::String(text) => pattern.is_match(text),
        Value::Number(_) | Value::Bool(_) => pattern.is_match(&value.to_json()),
        Value::Null | Value::Array(_) | Value::Object(_) => pattern.is_match(""),
    }
}

impl Operand {
    /// `None` if there is nothing.
    fn value(&self, here: &Value, root: &Value) -> Result<Option<Value>, PathError> {
        let found = match self {
            Self::Literal(value) => return Ok(Some(value.clone())),
            Self::Here(steps) => evaluate::path(steps, here, root),
            Self::Root(steps) => evaluate::path(steps, root, root),
        };
        match found {
            Ok(value) => Ok(Some(value)),
            Err(error @ PathError::TooMany(_)) => Err(error),
            Err(_) => Ok(None),
        }
    }

    fn exists(&self, here: &Value, root: &Value) -> Result<bool, PathError> {
        let definite = match self {
            Self::Here(steps) | Self::Root(steps) => super::is_definite(steps),
            Self::Literal(_) => true,
        };
        Ok(match self.value(here, root)? {
            None => false,
            Some(Value::Array(items)) if !definite => !items.is_empty(),
            Some(_) => true,
        })
    }
}

impl Operator {
    fn holds(self, left: Option<&Value>, right: Option<&Value>) -> bool {
        let order = || compare(left?, right?);
        let list = |value: Option<&Value>| value.and_then(Value::as_array).cloned();
        match self {
            Self::Equal => equal(left, right),
            Self::NotEqual => !equal(left, right),
            Self::SameAs => same(left, right),
            Self::NotSameAs => !same(left, right),
            Self::Less => order() == Some(Ordering::Less),
            Self::LessOrEqual => matches!(order(), Some(Ordering::Less | Ordering::Equal)),
            Self::Greater => order() == Some(Ordering::Greater),
            Self::GreaterOrEqual => matches!(order(), Some(Ordering::Greater | Ordering::Equal)),
            Self::In => list(right).is_some_and(|items| has(&items, left)),
            Self::NotIn => !list(right).is_some_and(|items| has(&items, left)),
            Self::Contains => match (left, right) {
                (Some(Value::String(text)), Some(Value::String(part))) => {
                    text.contains(part.as_ref())
                }
                (Some(Value::Array(items)), _) => has(items, right),
                _ => false,
            },
            Self::Size => {
                let size = match left {
                    Some(Value::String(text)) => text.chars().count(),
                    Some(Value::Array(items)) => items.len(),
                    Some(Value::Object(map)) => map.len(),
                    _ => return false,
                };
                right.and_then(Value::as_i64) == i64::try_from(size).ok()
            }
            Self::Empty => {
                let empty = match left {
                    Some(Value::String(text)) => text.is_empty(),
                    Some(Value::Array(items)) => items.is_empty(),
                    Some(Value::Object(map)) => map.is_empty(),
                    _ => return false,
                };
                right.and_then(Value::as_bool) == Some(empty)
            }
            Self::SubsetOf => match (list(left), list(right)) {
                (Some(left), Some(right)) => left.iter().all(|item| has(&right, Some(item))),
                _ => false,
            },
            Self::AnyOf => match (list(left), list(right)) {
                (Some(left), Some(right)) => left.iter().any(|item| has(&right, Some(item))),
                _ => false,
            },
            Self::NoneOf => match (list(left), list(right)) {
                (Some(left), Some(right)) => !left.iter().any(|item| has(&right, Some(item))),
                _ => false,
            },
            Self::All => match (list(left), list(right)) {
                (Some(left), Some(right)) => right.iter().all(|item| has(&left, Some(item))),
                _ => false,
            },
        }
    }
}

fn has(items: &List, value: Option<&Value>) -> bool {
    items.iter().any(|item| equal(Some(item), value))
}

fn equal(left: Option<&Value>, right: Option<&Value>) -> bool {
    match (left, right) {
        (Some(Value::String(text)), Some(Value::Number(number)))
        | (Some(Value::Number(number)), Some(Value::String(text))) => {
            number.spelling() == text.as_ref()
        }
        (left, right) => left == right,
    }
}

fn same(left: Option<&Value>, right: Option<&Value>) -> bool {
    left.map(Value::kind) == right.map(Value::kind) && equal(left, right)
}

fn compare(left: &Value, right: &Value) -> Option<Ordering> {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => Some(left.cmp(right)),
        (Value::String(left), Value::String(right)) => {
            Some(left.encode_utf16().cmp(right.encode_utf16()))
        }
        (Value::String(left), Value::Number(right)) => {
            Some(left.as_ref().cmp(right.spelling().as_ref()))
        }
        (Value::Number(left), Value::String(right)) => {
            Some(left.spelling().as_ref().cmp(right.as_ref()))
        }
        _ => None,
    }
}
