//! Conditions on a message that is JSON: `{ $.a.b[0] = "x*" && ($.n >= 5 || $.z IS NULL) }`.
//!
//! Comparisons are about strings, numbers and booleans; a selector that points elsewhere, or
//! nowhere, satisfies neither `=` nor `!=`.

use std::collections::BTreeMap;

use serde_json::Value as Node;

use super::FilterError;
use super::lexer::Lexer;
use super::value::{Comparison, Value};

#[derive(Debug)]
pub(super) struct Json {
    condition: Condition,
}

#[derive(Debug)]
enum Condition {
    Test(Selector, Test),
    All(Vec<Condition>),
    Any(Vec<Condition>),
}

#[derive(Debug)]
enum Test {
    Compares(Comparison, Value),
    /// `IS NULL`, `IS TRUE`, `IS FALSE`.
    Is(Node),
    NotExists,
}

#[derive(Debug)]
struct Selector {
    /// As it was written.
    text: String,
    steps: Vec<Step>,
}

#[derive(Debug)]
enum Step {
    Property(String),
    Element(usize),
    /// `[*]` or `.*`: every element or property.
    Every,
}

impl Json {
    pub(super) fn parse(text: &str) -> Result<Self, FilterError> {
        let mut lexer = Lexer::new(text);
        lexer.expect("{")?;
        let condition = any(&mut lexer)?;
        lexer.expect("}")?;
        if lexer.is_at_end() {
            Ok(Self { condition })
        } else {
            Err(FilterError::Malformed)
        }
    }

    pub(super) fn matches(&self, message: &str) -> bool {
        document(message).is_some_and(|document| self.condition.holds(&document))
    }

    pub(super) fn extract(&self, message: &str) -> Option<BTreeMap<String, String>> {
        let document = document(message)?;
        if !self.condition.holds(&document) {
            return None;
        }
        let mut values = BTreeMap::new();
        self.condition.collect(&document, &mut values);
        Some(values)
    }
}

/// The message as JSON. Most messages are none, and their first character tells.
fn document(message: &str) -> Option<Node> {
    let begins = message.trim_start().starts_with(['{', '[']);
    begins.then(|| serde_json::from_str(message).ok()).flatten()
}

fn any(lexer: &mut Lexer<'_>) -> Result<Condition, FilterError> {
    let mut alternatives = vec![all(lexer)?];
    while lexer.take("||") {
        alternatives.push(all(lexer)?);
    }
    Ok(Condition::Any(alternatives))
}

fn all(lexer: &mut Lexer<'_>) -> Result<Condition, FilterError> {
    let mut parts = vec![one(lexer)?];
    while lexer.take("&&") {
        parts.push(one(lexer)?);
    }
    Ok(Condition::All(parts))
}

fn one(lexer: &mut Lexer<'_>) -> Result<Condition, FilterError> {
    if lexer.take("(") {
        return lexer.nested(any);
    }
    let selector = Selector::parse(lexer)?;
    Ok(Condition::Test(selector, test(lexer)?))
}

fn test(lexer: &mut Lexer<'_>) -> Result<Test, FilterError> {
    if lexer.take_word("IS") {
        let words = [
            ("NULL", Node::Null),
            ("TRUE", Node::Bool(true)),
            ("FALSE", Node::Bool(false)),
        ];
        let found = words.into_iter().find(|(word, _)| lexer.take_word(word));
        return found
            .map(|(_, node)| Test::Is(node))
            .ok_or(FilterError::Malformed);
    }
    if lexer.take_word("NOT") {
        let exists = lexer.take_word("EXISTS");
        return exists
            .then_some(Test::NotExists)
            .ok_or(FilterError::Malformed);
    }
    let comparison = lexer.comparison().ok_or(FilterError::Malformed)?;
    let value = lexer.value()?;
    if value.fits(comparison) {
        Ok(Test::Compares(comparison, value))
    } else {
        Err(FilterError::Malformed)
    }
}

impl Selector {
    fn parse(lexer: &mut Lexer<'_>) -> Result<Self, FilterError> {
        lexer.expect("$")?;
        let (mut text, mut steps) = ("$".to_owned(), Vec::new());
        loop {
            let (written, step) = if lexer.take_adjacent(".") {
                dotted(lexer)?
            } else if lexer.take_adjacent("[") {
                bracketed(lexer)?
            } else {
                break;
            };
            text.push_str(&written);
            steps.push(step);
        }
        if steps.is_empty() {
            return Err(FilterError::Malformed);
        }
        Ok(Self { text, steps })
    }

    /// Calls `found` with every node that it points to, until that says it has seen enough.
    fn visit<'n>(&self, document: &'n Node, found: &mut dyn FnMut(&'n Node) -> bool) -> bool {
        visit(&self.steps, document, found)
    }
}

fn dotted(lexer: &mut Lexer<'_>) -> Result<(String, Step), FilterError> {
    if lexer.take_adjacent("*") {
        return Ok((".*".to_owned(), Step::Every));
    }
    let name = lexer.take_while(|c| c.is_alphanumeric() || "_-@".contains(c));
    if name.is_empty() {
        return Err(FilterError::Malformed);
    }
    Ok((format!(".{name}"), Step::Property(name.to_owned())))
}

fn bracketed(lexer: &mut Lexer<'_>) -> Result<(String, Step), FilterError> {
    lexer.skip_blanks();
    let quote = ['\'', '"']
        .into_iter()
        .find(|quote| lexer.take_adjacent(&quote.to_string()));
    let (written, step) = if let Some(quote) = quote {
        let name = lexer.quoted(quote)?;
        (format!("[{quote}{name}{quote}]"), Step::Property(name))
    } else if lexer.take_adjacent("*") {
        ("[*]".to_owned(), Step::Every)
    } else {
        let digits = lexer.take_while(|c| c.is_ascii_digit());
        let index = digits.parse().map_err(|_| FilterError::Malformed)?;
        (format!("[{digits}]"), Step::Element(index))
    };
    lexer.expect("]")?;
    Ok((written, step))
}

fn visit<'n>(steps: &[Step], node: &'n Node, found: &mut dyn FnMut(&'n Node) -> bool) -> bool {
    let Some((step, rest)) = steps.split_first() else {
        return found(node);
    };
    match (step, node) {
        (Step::Property(name), Node::Object(properties)) => properties
            .get(name)
            .is_some_and(|node| visit(rest, node, found)),
        (Step::Element(index), Node::Array(elements)) => elements
            .get(*index)
            .is_some_and(|node| visit(rest, node, found)),
        (Step::Every, Node::Array(elements)) => {
            elements.iter().any(|node| visit(rest, node, found))
        }
        (Step::Every, Node::Object(properties)) => {
            properties.values().any(|node| visit(rest, node, found))
        }
        _ => false,
    }
}

impl Condition {
    fn holds(&self, document: &Node) -> bool {
        match self {
            Self::Test(selector, test) => test.holds(selector, document),
            Self::All(parts) => parts.iter().all(|part| part.holds(document)),
            Self::Any(parts) => parts.iter().any(|part| part.holds(document)),
        }
    }

    fn collect(&self, document: &Node, values: &mut BTreeMap<String, String>) {
        match self {
            Self::Test(selector, _) => {
                selector.visit(document, &mut |node| {
                    let text = text(node).unwrap_or_else(|| node.to_string());
                    values.insert(selector.text.clone(), text);
                    true
                });
            }
            Self::All(parts) | Self::Any(parts) => {
                for part in parts {
                    part.collect(document, values);
                }
            }
        }
    }
}

impl Test {
    fn holds(&self, selector: &Selector, document: &Node) -> bool {
        match self {
            Self::NotExists => !selector.visit(document, &mut |_| true),
            Self::Is(expected) => selector.visit(document, &mut |node| node == expected),
            Self::Compares(comparison, value) => selector.visit(document, &mut |node| {
                text(node).is_some_and(|text| value.holds(*comparison, &text, node.as_f64()))
            }),
        }
    }
}

/// A string, number or boolean as text; nothing else compares.
fn text(node: &Node) -> Option<String> {
    match node {
        Node::String(text) => Some(text.clone()),
        Node::Number(number) => Some(number.to_string()),
        Node::Bool(flag) => Some(flag.to_string()),
        Node::Null | Node::Array(_) | Node::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::FilterPattern;
    use super::super::tests::pattern;

    const EVENT: &str = r#"{
        "eventType": "UpdateTrail", "sourceIPAddress": "111.111.111.111",
        "arrayKey": ["value", "another value"],
        "objectList": [{"name": "a", "id": 1}, {"name": "b", "id": 2}],
        "SomeObject": null, "ThisFlag": true, "latency": 1500.5, "code": "404",
        "user": {"id": 1, "email": "John.Stiles@example.com"},
        "users": [{"id": 2, "email": "John.Doe@example.com"}, {"id": 3, "email": "Jane.Doe@example.com"}],
        "actions": ["GET", "PUT", "DELETE"], "coordinates": [[0, 1, 2], [4, 5, 6]],
        "odd.name": "yes", "big": 9007199254740993
    }"#;

    fn holds(text: &str) -> bool {
        pattern(text).matches(EVENT)
    }

    #[test]
    fn what_matches() {
        for text in [
            r#"{ $.eventType = "UpdateTrail" }"#,
            "{$.eventType=UpdateTrail}",
            "{ $.eventType = Update* }",
            "{ $.eventType = *Trail }",
            "{ $.eventType = %^Up[a-z]+% }",
            "{ $.sourceIPAddress != 123.123.* }",
            r#"{ $.arrayKey[0] = "value" }"#,
            r#"{ $.arrayKey[*] = "another value" }"#,
            "{ $.objectList[1].id = 2 }",
            "{ $.objectList[*].id > 1 }",
            "{ $.SomeObject IS NULL }",
            "{ $.SomeOtherObject NOT EXISTS }",
            "{ $.ThisFlag IS TRUE }",
            "{ $.latency >= 1500 }",
            "{ $.latency < 10e3 }",
            "{ $.latency > +1000 }",
            "{ $.latency > 10e-3 && $.latency <= 1500.5 }",
            "{ $.latency = * }",
            "{ $.code = 404 }",
            "{ $.code = \"404\" }",
            "{ $.user.id = 1 }",
            "{ $['odd.name'] = yes }",
            "{ $.user['email'] = John* }",
            "{ $.big = 9007199254740993 }",
            "{ $.coordinates[1][2] = 6 }",
            r#"{ ($.user.id = 1) && ($.users[0].email = "John.Doe@example.com") }"#,
            r#"{ $.user.email = "John.Stiles@example.com" || $.coordinates[0][1] = nonmatch && $.actions[2] = nomatch }"#,
        ] {
            assert!(holds(text), "{text}");
        }
    }

    #[test]
    fn what_does_not() {
        for text in [
            "{ $.eventType = updatetrail }",
            "{ $.users = 1 }",
            "{ $.users != 1 }",
            "{ $.missing != 1 }",
            "{ $.SomeOtherObject IS NULL }",
            "{ $.SomeObject NOT EXISTS }",
            "{ $.ThisFlag IS FALSE }",
            "{ $.code > 400 }",
            "{ $.eventType > 1 }",
            "{ $.big = 9007199254740992 }",
            r#"{ ($.user.id = 2 && $.users[0].email = "nonmatch") || $.actions[2] = "GET" }"#,
            r#"{ ($.user.email = "John.Stiles@example.com" || $.coordinates[0][1] = nonmatch) && $.actions[2] = nomatch }"#,
        ] {
            assert!(!holds(text), "{text}");
        }
        assert!(!pattern("{ $.a = 1 }").matches("no json { \"a\": 1 }"));
        assert!(!pattern("{ $.a NOT EXISTS }").matches("no json"));
    }

    #[test]
    fn extracted_values() {
        let values = pattern("{ $.latency > 1 && $.user.id = 1 }")
            .extract(EVENT)
            .unwrap();
        let values: Vec<_> = values
            .iter()
            .map(|(k, v)| (k.as_str(), v.as_str()))
            .collect();
        assert_eq!(values, [("$.latency", "1500.5"), ("$.user.id", "1")]);
    }

    #[test]
    fn refusals() {
        for text in [
            "{",
            "{}",
            "{ $ = 1 }",
            "{ a = 1 }",
            "{ $.a }",
            "{ $.a = }",
            "{ $.a > x }",
            "{ $.a IS }",
            "{ $.a IS MAYBE }",
            "{ $.a NOT }",
            "{ $.a = 1 } x",
            "{ ($.a = 1 }",
            "{ $.a = 1 && }",
            "{ $.a[x] = 1 }",
            "{ $.a = %a% || $.b = %b% || $.c = %c% }",
            "{ $.a = \"x }",
            "{ $. = 1 }",
        ] {
            assert!(FilterPattern::parse(text).is_err(), "{text}");
        }
    }
}
