//! Terms that a message contains: `ERROR "a phrase" -retry ?either ?or`, or `%regex%`.

use super::FilterError;
use super::lexer::Lexer;
use super::regex::Regex;

/// A pattern for messages without structure. Terms are texts, not words: `ERROR` is found in
/// `ERRORCODE`. Case counts.
#[derive(Debug)]
pub(super) enum Terms {
    Regex(Regex),
    Texts {
        /// All of these.
        include: Vec<String>,
        /// None of these.
        exclude: Vec<String>,
        /// One of these; AWS ignores them where there are terms of the other kinds.
        optional: Vec<String>,
    },
}

impl Terms {
    pub(super) fn parse(text: &str) -> Result<Self, FilterError> {
        let mut lexer = Lexer::new(text);
        if lexer.take("%") {
            let regex = lexer.regex()?;
            return if lexer.is_at_end() {
                Ok(Self::Regex(regex))
            } else {
                Err(FilterError::Malformed)
            };
        }
        let (mut include, mut exclude, mut optional) = (Vec::new(), Vec::new(), Vec::new());
        while !lexer.is_at_end() {
            let list = if lexer.take("-") {
                &mut exclude
            } else if lexer.take("?") {
                &mut optional
            } else {
                &mut include
            };
            list.push(term(&mut lexer)?);
        }
        if !include.is_empty() || !exclude.is_empty() {
            optional.clear();
        }
        Ok(Self::Texts {
            include,
            exclude,
            optional,
        })
    }

    pub(super) fn matches(&self, message: &str) -> bool {
        match self {
            Self::Regex(regex) => regex.matches(message),
            Self::Texts {
                include,
                exclude,
                optional,
            } => {
                let contains = |term: &String| message.contains(term.as_str());
                include.iter().all(contains)
                    && !exclude.iter().any(contains)
                    && (optional.is_empty() || optional.iter().any(contains))
            }
        }
    }
}

/// One term: quoted, or of letters, digits and underscores.
fn term(lexer: &mut Lexer<'_>) -> Result<String, FilterError> {
    lexer.skip_blanks();
    if lexer.take_adjacent("\"") {
        return lexer.quoted('"');
    }
    let term = lexer.take_while(|c| !c.is_whitespace());
    if term.is_empty() {
        return Err(FilterError::Malformed);
    }
    if term.chars().all(|c| c.is_alphanumeric() || c == '_') {
        Ok(term.to_owned())
    } else {
        Err(FilterError::Characters(term.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::pattern;
    use super::super::{FilterError, FilterPattern};

    fn check(text: &str, expected: [bool; 4]) {
        let messages = [
            "[ERROR 400] BAD REQUEST",
            "[ERROR 401] UNAUTHORIZED REQUEST",
            "[WARN] Exiting with ERRORCODE: -1",
            "[INFO] 200 OK",
        ];
        let filter = pattern(text);
        assert_eq!(
            messages.map(|message| filter.matches(message)),
            expected,
            "{text}"
        );
    }

    #[test]
    fn terms() {
        check("ERROR", [true, true, true, false]);
        check("error", [false; 4]);
        check("ERROR REQUEST", [true, true, false, false]);
        check("\"ERROR 401\"", [false, true, false, false]);
        check("\"BAD REQUEST\" ERROR", [true, false, false, false]);
        check("ERROR -Exiting", [true, true, false, false]);
        check("\"ERROR\" - \"Exiting\"", [true, true, false, false]);
        check("-ERROR", [false, false, false, true]);
        check("?BAD ?INFO", [true, false, false, true]);
        check("?\"401] U\" ?OK", [false, true, false, true]);
        check("?INFO REQUEST", [true, true, false, false]);
        check("%ERROR [45]\\d+%", [true, true, false, false]);
        check(" ERROR ", [true, true, true, false]);
    }

    #[test]
    fn refusals() {
        for text in ["\"open", "-", "?", "%a% %b%", "%(a)%", "%a"] {
            assert_eq!(
                FilterPattern::parse(text).unwrap_err(),
                FilterError::Malformed,
                "{text}"
            );
        }
        assert_eq!(
            FilterPattern::parse("ok foo.bar").unwrap_err().to_string(),
            "Invalid character(s) in term 'foo.bar'"
        );
    }
}
