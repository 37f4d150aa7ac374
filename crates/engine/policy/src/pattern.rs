//! Patterns: text with `*`, `?` and `${variables}`.

use std::borrow::Cow;

use crate::Context;

/// How far a wildcard reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    /// Over everything: actions and texts.
    Text,
    /// As in the `Resource` element: within one of an ARN's first five parts, unless the wildcard
    /// ends the part; then, and in the sixth part, over everything.
    Resource,
    /// As in ARN conditions: each of the six parts is compared on its own.
    Parts,
    /// Nothing is a wildcard.
    Literal,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Char(char),
    /// `*`; whether colons are among what it stands for.
    Any {
        colons: bool,
    },
    /// `?`; likewise.
    One {
        colons: bool,
    },
    Variable {
        key: String,
        default: Option<String>,
    },
}

/// A text to compare with, taken apart once.
#[derive(Debug, Clone)]
pub(crate) struct Pattern {
    pieces: Vec<Piece>,
    has_variables: bool,
    /// An ARN of fewer than six parts, which no ARN is like.
    never: bool,
    fold_case: bool,
}

impl Pattern {
    /// Reads `text`; `variables` says whether `${…}` has a meaning.
    pub(crate) fn parse(text: &str, reach: Reach, variables: bool) -> Self {
        let mut pieces = Vec::with_capacity(text.len());
        let mut has_variables = false;
        let mut part = 0;
        let mut rest = text;
        while let Some(next) = rest.chars().next() {
            let behind = &rest[next.len_utf8()..];
            if variables && let Some((inner, after)) = variable(rest) {
                match inner {
                    "*" | "?" | "$" => pieces.extend(inner.chars().map(Piece::Char)),
                    _ => {
                        has_variables = true;
                        pieces.push(named(inner));
                    }
                }
                rest = after;
                continue;
            }
            let colons = match reach {
                Reach::Text | Reach::Literal => true,
                Reach::Parts => part >= 5,
                Reach::Resource => part >= 5 || behind.is_empty() || behind.starts_with(':'),
            };
            pieces.push(match next {
                '*' if reach != Reach::Literal => Piece::Any { colons },
                '?' if reach != Reach::Literal => Piece::One { colons },
                other => Piece::Char(other),
            });
            part += usize::from(next == ':');
            rest = behind;
        }
        let everything = text == "*";
        if let ([Piece::Any { colons }], true) = (pieces.as_mut_slice(), everything) {
            *colons = true;
        }
        Self {
            never: reach == Reach::Parts && part < 5 && !has_variables && !everything,
            pieces,
            has_variables,
            fold_case: false,
        }
    }

    /// The same, blind to the case of ASCII letters.
    pub(crate) fn ignoring_case(mut self) -> Self {
        self.fold_case = true;
        self
    }

    /// Whether a variable's key begins so.
    pub(crate) fn mentions(&self, key: &str) -> bool {
        self.pieces
            .iter()
            .any(|piece| matches!(piece, Piece::Variable { key: own, .. } if begins(own, key)))
    }

    /// Whether `text` is what this stands for. What a variable stands for is no pattern itself;
    /// one that stands for nothing and has no default makes the pattern match nothing.
    pub(crate) fn matches(&self, text: &str, context: &Context) -> bool {
        if self.never {
            return false;
        }
        let Some(pieces) = self.resolve(context) else {
            return false;
        };
        matches(&pieces, text, self.fold_case)
    }

    fn resolve(&self, context: &Context) -> Option<Cow<'_, [Piece]>> {
        if !self.has_variables {
            return Some(Cow::Borrowed(&self.pieces));
        }
        let mut resolved = Vec::with_capacity(self.pieces.len() + 32);
        for piece in &self.pieces {
            match piece {
                Piece::Variable { key, default } => {
                    // A key with several values cannot stand in a text.
                    let value = match context.get(key) {
                        Some([value]) => value,
                        _ => default.as_ref()?,
                    };
                    resolved.extend(value.chars().map(Piece::Char));
                }
                other => resolved.push(other.clone()),
            }
        }
        Some(Cow::Owned(resolved))
    }
}

/// Whether `text` matches `pattern`, in which `*` stands for any text and `?` for one character.
#[must_use]
pub fn glob(pattern: &str, text: &str) -> bool {
    Pattern::parse(pattern, Reach::Text, false).matches(text, &Context::new())
}

/// Whether the condition key `key` begins with `prefix`; keys have no case.
pub(crate) fn begins(key: &str, prefix: &str) -> bool {
    key.get(..prefix.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}

/// The inside of the variable that `text` begins with, and what follows it.
fn variable(text: &str) -> Option<(&str, &str)> {
    text.strip_prefix("${")?.split_once('}')
}

/// `key` or `key, 'default'`.
fn named(inner: &str) -> Piece {
    let (key, default) = match inner.split_once(',') {
        Some((key, default)) => (key, Some(default.trim())),
        None => (inner, None),
    };
    let unquoted = |text: &str| text.trim_matches('\'').to_owned();
    Piece::Variable {
        key: key.trim().to_owned(),
        default: default.map(unquoted),
    }
}

/// Follows every way of reading `text` at once, so that no pattern takes exponential time. The
/// usual shortcut, to go back to the last `*` only, does not hold where some stop at colons.
fn matches(pieces: &[Piece], text: &str, fold_case: bool) -> bool {
    let same = |a: char, b: char| a == b || fold_case && a.eq_ignore_ascii_case(&b);
    let mut pieces = pieces;
    let mut rest = text.chars();
    // Most patterns begin with plain text, and most requests differ there.
    while let Some((Piece::Char(expected), behind)) = pieces.split_first() {
        match rest.next() {
            Some(found) if same(*expected, found) => pieces = behind,
            _ => return false,
        }
    }
    let mut here = vec![false; pieces.len() + 1];
    let mut there = here.clone();
    here[0] = true;
    skip_empty(pieces, &mut here);
    for found in rest {
        there.fill(false);
        for (at, piece) in pieces.iter().enumerate().filter(|(at, _)| here[*at]) {
            match piece {
                Piece::Char(expected) if same(*expected, found) => there[at + 1] = true,
                Piece::One { colons } if *colons || found != ':' => there[at + 1] = true,
                Piece::Any { colons } if *colons || found != ':' => there[at] = true,
                _ => {}
            }
        }
        skip_empty(pieces, &mut there);
        if !there.contains(&true) {
            return false;
        }
        std::mem::swap(&mut here, &mut there);
    }
    here.last().copied().unwrap_or(false)
}

/// `*` may stand for nothing.
fn skip_empty(pieces: &[Piece], reached: &mut [bool]) {
    for (at, piece) in pieces.iter().enumerate() {
        if reached[at] && matches!(piece, Piece::Any { .. }) {
            reached[at + 1] = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn context() -> Context {
        Context::new()
            .with("aws:username", "al*ce")
            .with_all("aws:TagKeys", ["a", "b"])
    }

    fn resource(pattern: &str, text: &str) -> bool {
        Pattern::parse(pattern, Reach::Resource, true).matches(text, &context())
    }

    fn parts(pattern: &str, text: &str) -> bool {
        Pattern::parse(pattern, Reach::Parts, true).matches(text, &context())
    }

    #[test]
    fn wildcards_of_resources_stay_in_their_part_unless_they_end_it() {
        let arn = "arn:aws:lambda:us-east-1:111122223333:function:f:prod";
        for pattern in [
            "*",
            "arn:aws:lambda:*:*:function:f:prod",
            "arn:aws:lambda:us-*-1:1111*:function:*",
            "arn:aws:lambda:*",
            "arn:aws:lambda:us-east-1:111122223333:*:prod",
            "arn:aws:lambda:us-east-?:111122223333:function?f*",
        ] {
            assert!(resource(pattern, arn), "{pattern}");
        }
        for pattern in [
            "arn:aws:lambda:us*prod",
            "arn:aws:lambda:us-east-1?111122223333:function:f:prod",
            "arn:aws:lambda:us-east-1:111122223333:function:f",
            "ARN:aws:lambda:*",
            "",
        ] {
            assert!(!resource(pattern, arn), "{pattern}");
        }
    }

    #[test]
    fn arn_conditions_compare_part_by_part() {
        let arn = "arn:aws:sns:eu-west-1:111122223333:topic:x";
        assert!(parts("arn:aws:sns:*:111122223333:*", arn));
        assert!(parts("arn:*:sns:*:*:topic:?", arn));
        assert!(parts("*", arn));
        assert!(!parts("arn:aws:sns:*", arn));
        assert!(!parts("arn:aws:*:topic:x", arn));
        assert!(!parts("arn:aws:sns:*:topic:x:y", arn));
    }

    #[test]
    fn variables_stand_for_plain_text() {
        assert!(resource(
            "arn:aws:s3:::b/${aws:username}/*",
            "arn:aws:s3:::b/al*ce/x"
        ));
        assert!(!resource(
            "arn:aws:s3:::b/${aws:username}/*",
            "arn:aws:s3:::b/alice/x"
        ));
        assert!(resource("${AWS:UserName}", "al*ce"));
        assert!(resource("${aws:none, 'team'}-?", "team-1"));
        assert!(!resource("${aws:none}", ""));
        assert!(!resource("${aws:TagKeys}", "a"));
        assert!(resource("a${*}${?}${$}b", "a*?$b"));
        assert!(!resource("a${*}b", "axb"));
        assert!(resource("${open", "${open"));
        let old = Pattern::parse("${aws:username}", Reach::Resource, false);
        assert!(old.matches("${aws:username}", &context()));
    }

    #[test]
    fn actions_ignore_case() {
        let pattern = Pattern::parse("lambda:get*", Reach::Text, false).ignoring_case();
        assert!(pattern.matches("Lambda:GetFunction", &context()));
        assert!(!pattern.matches("lambda:ListFunctions", &context()));
    }

    #[test]
    fn many_stars_take_no_exponential_time() {
        let pattern = "*a".repeat(40) + "b";
        assert!(!glob(&pattern, &"a".repeat(400)));
    }
}
