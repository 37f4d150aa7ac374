//! Conditions on the words of a message: `[ip, user, ..., status = 4* && status != 403, bytes]`.
//!
//! Words are separated by blanks; what stands between brackets or quotes is one word. Each entry
//! names the word at its place. A name that was not seen before stands for the next word, also
//! where it comes within a condition: `[status = 4* && bytes > 1000]` is about two words.

use std::collections::BTreeMap;

use super::FilterError;
use super::lexer::Lexer;
use super::value::{Comparison, Value, number};

/// More words than this are not told apart.
const MAX_WORDS: usize = 1_024;

#[derive(Debug)]
pub(super) struct Fields {
    /// In order; `None` where an entry has no name.
    names: Vec<Option<String>>,
    /// The number of names before the ellipsis, where there is one.
    ellipsis: Option<usize>,
    conditions: Vec<Condition>,
}

#[derive(Debug)]
enum Condition {
    /// The word at that place in `names` compares so.
    Word(usize, Comparison, Value),
    All(Vec<Condition>),
    Any(Vec<Condition>),
}

impl Fields {
    pub(super) fn parse(text: &str) -> Result<Self, FilterError> {
        let mut lexer = Lexer::new(text);
        lexer.expect("[")?;
        let mut fields = Self {
            names: Vec::new(),
            ellipsis: None,
            conditions: Vec::new(),
        };
        loop {
            fields.entry(&mut lexer)?;
            if lexer.take("]") {
                break;
            }
            lexer.expect(",")?;
        }
        if lexer.is_at_end() {
            Ok(fields)
        } else {
            Err(FilterError::Malformed)
        }
    }

    fn entry(&mut self, lexer: &mut Lexer<'_>) -> Result<(), FilterError> {
        if lexer.take("...") {
            let first = self.ellipsis.replace(self.names.len()).is_none();
            return if first {
                Ok(())
            } else {
                Err(FilterError::Malformed)
            };
        }
        lexer.skip_blanks();
        if matches!(lexer.peek(), Some(',' | ']')) {
            self.names.push(None);
            return Ok(());
        }
        let condition = self.any(lexer)?;
        self.conditions.extend(condition);
        Ok(())
    }

    fn any(&mut self, lexer: &mut Lexer<'_>) -> Result<Option<Condition>, FilterError> {
        let mut alternatives = vec![self.all(lexer)?];
        while lexer.take("||") {
            alternatives.push(self.all(lexer)?);
        }
        combine(alternatives, Condition::Any)
    }

    fn all(&mut self, lexer: &mut Lexer<'_>) -> Result<Option<Condition>, FilterError> {
        let mut parts = vec![self.one(lexer)?];
        while lexer.take("&&") {
            parts.push(self.one(lexer)?);
        }
        combine(parts, Condition::All)
    }

    /// A name with or without a comparison, or conditions in parentheses.
    fn one(&mut self, lexer: &mut Lexer<'_>) -> Result<Option<Condition>, FilterError> {
        if lexer.take("(") {
            return lexer.nested(|lexer| self.any(lexer));
        }
        lexer.skip_blanks();
        let name = lexer.take_while(|c| c.is_alphanumeric() || "_-.$".contains(c));
        if name.is_empty() {
            return Err(FilterError::Malformed);
        }
        let index = self.index(name);
        let Some(comparison) = lexer.comparison() else {
            return Ok(None);
        };
        let value = lexer.value()?;
        if value.fits(comparison) {
            Ok(Some(Condition::Word(index, comparison, value)))
        } else {
            Err(FilterError::Malformed)
        }
    }

    fn index(&mut self, name: &str) -> usize {
        let known = self
            .names
            .iter()
            .position(|known| known.as_deref() == Some(name));
        known.unwrap_or_else(|| {
            self.names.push(Some(name.to_owned()));
            self.names.len() - 1
        })
    }

    pub(super) fn matches(&self, message: &str) -> bool {
        self.align(message).is_some()
    }

    pub(super) fn extract(&self, message: &str) -> Option<BTreeMap<String, String>> {
        let (words, skipped) = self.align(message)?;
        let mut names = self.names.iter();
        let before = self.ellipsis.unwrap_or(self.names.len());
        let named = words.iter().enumerate().map(|(position, word)| {
            let within = position >= before && position < before + skipped;
            let name = if within {
                None
            } else {
                names.next().and_then(Option::as_ref)
            };
            let key = name.map_or_else(|| format!("${}", position + 1), |name| format!("${name}"));
            (key, (*word).to_owned())
        });
        Some(named.collect())
    }

    /// The words of a message that matches, and how many of them the ellipsis stands for.
    fn align<'m>(&self, message: &'m str) -> Option<(Vec<&'m str>, usize)> {
        let words = words(message);
        let skipped = match self.ellipsis {
            Some(_) => words.len().checked_sub(self.names.len())?,
            None if words.len() == self.names.len() => 0,
            None => return None,
        };
        let word = |index: usize| {
            let behind = self.ellipsis.is_some_and(|before| index >= before);
            words[if behind { index + skipped } else { index }]
        };
        let holds = self
            .conditions
            .iter()
            .all(|condition| condition.holds(&word));
        holds.then_some((words, skipped))
    }
}

/// One condition of several parts, of which some may be bare names that demand nothing.
fn combine(
    parts: Vec<Option<Condition>>,
    whole: impl FnOnce(Vec<Condition>) -> Condition,
) -> Result<Option<Condition>, FilterError> {
    let single = parts.len() == 1;
    let mut conditions: Vec<Condition> = parts.into_iter().flatten().collect();
    match conditions.len() {
        0 if single => Ok(None),
        1 if single => Ok(conditions.pop()),
        0 => Err(FilterError::Malformed),
        _ => Ok(Some(whole(conditions))),
    }
}

impl Condition {
    fn holds<'m>(&self, word: &impl Fn(usize) -> &'m str) -> bool {
        match self {
            Self::Word(index, comparison, value) => {
                let word = word(*index);
                value.holds(*comparison, word, number(word))
            }
            Self::All(parts) => parts.iter().all(|part| part.holds(word)),
            Self::Any(parts) => parts.iter().any(|part| part.holds(word)),
        }
    }
}

fn words(message: &str) -> Vec<&str> {
    let mut words = Vec::new();
    let mut rest = message.trim_start();
    while !rest.is_empty() && words.len() < MAX_WORDS {
        let closing = match rest.as_bytes()[0] {
            b'[' => Some(']'),
            b'"' => Some('"'),
            _ => None,
        };
        let enclosed = closing.and_then(|closing| rest[1..].split_once(closing));
        let (word, after) = enclosed.unwrap_or_else(|| {
            let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
            rest.split_at(end)
        });
        words.push(word);
        rest = after.trim_start();
    }
    words
}

#[cfg(test)]
mod tests {
    use super::super::FilterPattern;
    use super::super::tests::pattern;

    const LINES: [&str; 3] = [
        r#"127.0.0.1 - frank [10/Oct/2000:13:25:15 -0700] "GET /apache_pb.gif HTTP/1.0" 200 1534"#,
        r#"127.0.0.1 - frank [10/Oct/2000:13:35:22 -0700] "GET /index.html HTTP/1.0" 500 5324"#,
        r#"127.0.0.1 - anna [10/Oct/2000:13:50:35 -0700] "GET /page.html HTTP/1.0" 404 355"#,
    ];

    fn check(text: &str, expected: [bool; 3]) {
        let filter = pattern(text);
        assert_eq!(LINES.map(|line| filter.matches(line)), expected, "{text}");
    }

    #[test]
    fn words_by_place() {
        check(
            "[ip, user, username, timestamp, request, status_code, bytes]",
            [true; 3],
        );
        check("[ip, user]", [false; 3]);
        check("[..., status_code, bytes]", [true; 3]);
        check("[ip, user, ...]", [true; 3]);
        check("[ip, user, ..., status_code, bytes]", [true; 3]);
        check("[...]", [true; 3]);
        check(
            "[ip, user, username, timestamp, request, status_code, bytes > 1000]",
            [true, true, false],
        );
        check("[..., status = 4*, bytes]", [false, false, true]);
        check(
            "[..., request = *html*, status = 4*, bytes]",
            [false, false, true],
        );
        check("[..., status != 200, bytes]", [false, true, true]);
        check(
            "[..., status = 4* || status = 5*, bytes]",
            [false, true, true],
        );
        check(
            "[..., status >= 400 && status < 500, bytes]",
            [false, false, true],
        );
        check(
            "[ip, user, name=frank && (name!=x || name=y), ..., bytes > 2e3]",
            [false, true, false],
        );
        check("[ip, user, name=%^a%, ...]", [false, false, true]);
        check("[ip, user, name=\"frank\", ...]", [true, true, false]);
        check(
            "[ip, u, n, t, r, status = 2* && bytes > 1000]",
            [true, false, false],
        );
    }

    #[test]
    fn extracted_values() {
        let filter = pattern("[..., request=*.html*, status_code=4*,]");
        let values = filter.extract(LINES[2]).unwrap();
        let expected = [
            ("$1", "127.0.0.1"),
            ("$2", "-"),
            ("$3", "anna"),
            ("$4", "10/Oct/2000:13:50:35 -0700"),
            ("$7", "355"),
            ("$request", "GET /page.html HTTP/1.0"),
            ("$status_code", "404"),
        ];
        assert_eq!(
            values
                .iter()
                .map(|(k, v)| (k.as_str(), v.as_str()))
                .collect::<Vec<_>>(),
            expected
        );
        assert_eq!(filter.extract(LINES[0]), None);
    }

    #[test]
    fn an_open_bracket_is_a_word() {
        assert!(pattern("[a, b]").matches("[open word"));
        assert!(pattern("[a]").matches("\""));
    }

    #[test]
    fn refusals() {
        for text in [
            "[a",
            "[a] b",
            "[a, ..., b, ...]",
            "[a > x]",
            "[a =]",
            "[&&]",
            "[(a=1]",
            "[a && b]",
        ] {
            assert!(FilterPattern::parse(text).is_err(), "{text}");
        }
    }
}
