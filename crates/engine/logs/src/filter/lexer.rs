//! The characters of a pattern, read one after another.

use super::FilterError;
use super::regex::Regex;
use super::value::{Comparison, Value};

/// How deep conditions may be nested in parentheses.
pub(super) const MAX_DEPTH: usize = 64;

/// How many regular expressions one pattern may hold.
const MAX_REGEXES: usize = 2;

/// Reads a pattern from its beginning to its end.
#[derive(Debug)]
pub(super) struct Lexer<'p> {
    rest: &'p str,
    depth: usize,
    regexes: usize,
}

impl<'p> Lexer<'p> {
    pub(super) fn new(text: &'p str) -> Self {
        Self {
            rest: text,
            depth: 0,
            regexes: 0,
        }
    }

    pub(super) fn skip_blanks(&mut self) {
        self.rest = self.rest.trim_start();
    }

    /// Whether nothing but blanks is left.
    pub(super) fn is_at_end(&mut self) -> bool {
        self.skip_blanks();
        self.rest.is_empty()
    }

    /// The next character, which is not taken.
    pub(super) fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    /// Takes `symbol` and the blanks before it, if it comes next.
    pub(super) fn take(&mut self, symbol: &str) -> bool {
        let rest = self.rest.trim_start();
        match rest.strip_prefix(symbol) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    /// Takes `symbol` without blanks before it, if it comes next.
    pub(super) fn take_adjacent(&mut self, symbol: &str) -> bool {
        let rest = self.rest.strip_prefix(symbol);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    pub(super) fn expect(&mut self, symbol: &str) -> Result<(), FilterError> {
        if self.take(symbol) {
            Ok(())
        } else {
            Err(FilterError::Malformed)
        }
    }

    /// Takes the word `word`, in any case, if it comes next and ends there.
    pub(super) fn take_word(&mut self, word: &str) -> bool {
        let rest = self.rest.trim_start();
        let Some((head, tail)) = rest.split_at_checked(word.len()) else {
            return false;
        };
        let ends = !tail.starts_with(|c: char| c.is_alphanumeric() || c == '_');
        let found = head.eq_ignore_ascii_case(word) && ends;
        if found {
            self.rest = tail;
        }
        found
    }

    /// Takes characters for as long as they `belong`.
    pub(super) fn take_while(&mut self, belongs: impl Fn(char) -> bool) -> &'p str {
        let end = self.rest.find(|c| !belongs(c)).unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at(end);
        self.rest = rest;
        taken
    }

    /// Takes what stands between two quotes like `quote`, which has been taken; a backslash takes
    /// its meaning from the character behind it.
    pub(super) fn quoted(&mut self, quote: char) -> Result<String, FilterError> {
        let mut text = String::new();
        let mut characters = self.rest.char_indices();
        while let Some((at, character)) = characters.next() {
            match character {
                '\\' => match characters.next() {
                    Some((_, escaped)) if escaped == quote || escaped == '\\' => text.push(escaped),
                    Some((_, other)) => text.extend(['\\', other]),
                    None => break,
                },
                end if end == quote => {
                    self.rest = &self.rest[at + quote.len_utf8()..];
                    return Ok(text);
                }
                other => text.push(other),
            }
        }
        Err(FilterError::Malformed)
    }

    /// Takes a regular expression whose first percent sign has been taken.
    pub(super) fn regex(&mut self) -> Result<Regex, FilterError> {
        let (source, rest) = self.rest.split_once('%').ok_or(FilterError::Malformed)?;
        self.rest = rest;
        self.regexes += 1;
        if self.regexes > MAX_REGEXES {
            return Err(FilterError::Malformed);
        }
        Regex::parse(source)
    }

    pub(super) fn comparison(&mut self) -> Option<Comparison> {
        // The longer ones first: `<=` begins like `<`.
        let symbols = [
            ("!=", Comparison::NotEqual),
            (">=", Comparison::GreaterOrEqual),
            ("<=", Comparison::LessOrEqual),
            ("=", Comparison::Equal),
            (">", Comparison::Greater),
            ("<", Comparison::Less),
        ];
        symbols
            .into_iter()
            .find_map(|(symbol, comparison)| self.take(symbol).then_some(comparison))
    }

    /// The value on the right of a comparison: quoted, a regular expression, or bare.
    pub(super) fn value(&mut self) -> Result<Value, FilterError> {
        self.skip_blanks();
        if self.take_adjacent("\"") {
            return Ok(Value::quoted(&self.quoted('"')?));
        }
        if self.take_adjacent("%") {
            return Ok(Value::Regex(self.regex()?));
        }
        let bare = self.take_while(|c| !c.is_whitespace() && !"(){}[]&|=<>!\"%,".contains(c));
        if bare.is_empty() {
            return Err(FilterError::Malformed);
        }
        Ok(Value::bare(bare))
    }

    /// Runs `inner` one level deeper, between parentheses.
    pub(super) fn nested<T>(
        &mut self,
        inner: impl FnOnce(&mut Self) -> Result<T, FilterError>,
    ) -> Result<T, FilterError> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(FilterError::Malformed);
        }
        let outcome = inner(self)?;
        self.depth -= 1;
        self.expect(")")?;
        Ok(outcome)
    }
}
