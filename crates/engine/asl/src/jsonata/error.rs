//! What goes wrong with an expression, in AWS's words.
//!
//! AWS quotes the messages of JSONata's reference implementation. `jsonata-core` words a few of them
//! in another way; those are put right here.

use jsonata_core::evaluator::EvaluatorError;
use jsonata_core::parser::ParserError;

use crate::value::Value;

/// Text that is no expression, or none that Step Functions supports.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// It is no JSONata. AWS's message has no code.
    #[error("{message}")]
    Syntax {
        /// JSONata's code, as in `S0201`, where it has one.
        code: Option<String>,
        /// What is wrong.
        message: String,
    },
    /// It is JSONata, but refers to what Step Functions does not offer.
    #[error("{0}")]
    Unsupported(String),
}

impl ParseError {
    pub(super) fn syntax(error: &ParserError) -> Self {
        let whole = match error {
            ParserError::Expected { expected, found } if expected != "parameter name" => {
                let expected = symbol(expected);
                match found.as_str() {
                    "Eof" => format!("S0203: Expected \"{expected}\" before end of expression"),
                    found => format!("S0202: Expected \"{expected}\", got \"{}\"", symbol(found)),
                }
            }
            ParserError::InvalidSyntax(message) => match message.split_once("Syntax error: ") {
                Some((code, token)) => format!("{code}Syntax error: \"{}\"", symbol(token)),
                None => message.clone(),
            },
            other => {
                let message = other.to_string();
                const START: &str = "S0211: The symbol ";
                match message
                    .strip_prefix(START)
                    .and_then(|rest| rest.split_once(" cannot"))
                {
                    Some((token, rest)) => format!("{START}\"{}\" cannot{rest}", symbol(token)),
                    None => message,
                }
            }
        };
        let (code, message) = split(&whole);
        Self::Syntax {
            code: code.map(str::to_owned),
            message: message.to_owned(),
        }
    }

    /// Whether it is JSONata that Step Functions does not support.
    #[must_use]
    pub fn is_unsupported(&self) -> bool {
        matches!(self, Self::Unsupported(_))
    }
}

/// Why an expression gave no result. It fails a state with `States.QueryEvaluationError`.
///
/// Display is the end of the sentence that [`super::Expression::cause`] begins.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum EvaluateError {
    /// The evaluation failed, or went beyond a bound.
    #[error("threw an error during evaluation. {0}")]
    Threw(String),
    /// The result is undefined, which JSON does not have.
    #[error("returned nothing (undefined).")]
    Nothing,
    /// The result is a function, or something else that JSON does not have.
    #[error("returned an unsupported result type.")]
    Unsupported,
    /// The field takes values of one type alone.
    #[error(
        "returned an unexpected result type. Expected '{expected}', but was '{}' for value: {found}",
        found.kind()
    )]
    Type {
        /// JSON's word for the type.
        expected: &'static str,
        /// The result.
        found: Value,
    },
}

impl EvaluateError {
    /// The error name that a state fails with.
    pub const NAME: &'static str = "States.QueryEvaluationError";
}

impl From<EvaluatorError> for EvaluateError {
    fn from(error: EvaluatorError) -> Self {
        Self::threw(&error, None)
    }
}

impl EvaluateError {
    /// `called` is the function that the expression calls, if it is the only one: AWS names the
    /// function, `jsonata-core` does not.
    pub(super) fn threw(error: &EvaluatorError, called: Option<&str>) -> Self {
        const NO_FUNCTION: &str = "T1006: Attempted to invoke a non-function";
        let message = error.message();
        if message.starts_with(NO_FUNCTION) {
            return Self::Threw(NO_FUNCTION.to_owned());
        }
        let named = called.and_then(|function| name_function(message, function));
        Self::Threw(named.unwrap_or_else(|| quote_operator(message)))
    }
}

/// A complaint about an argument with the function's name; `None` if `message` is none, or has it.
fn name_function(message: &str, function: &str) -> Option<String> {
    let (code, complaint) = message.split_once(": Argument ")?;
    if let Some(counts) = complaint.strip_prefix("count mismatch: expected ") {
        let (expected, got) = counts.split_once(", got ")?;
        // The first argument that is missing, or the first that is too many.
        let fewer = expected.parse::<usize>().ok()?.min(got.parse().ok()?);
        return Some(mismatch(function, fewer + 1));
    }
    let (number, must) = complaint.split_once(" must be ")?;
    let number = number.parse().ok()?;
    match (code, must.strip_prefix("an array of ")) {
        ("T0410", None) => Some(mismatch(function, number)),
        ("T0412", Some(kind)) => {
            let kind = kind.chars().next()?.to_ascii_lowercase();
            Some(format!(
                "T0412: Argument {number} of function \"{function}\" must be an array of \"{kind}\""
            ))
        }
        _ => None,
    }
}

/// The reference implementation's complaint about an argument.
pub(super) fn mismatch(function: &str, argument: usize) -> String {
    format!(
        "T0410: Argument {argument} of function \"{function}\" does not match function signature"
    )
}

/// `side of the + operator` with the operator in quotes.
fn quote_operator(message: &str) -> String {
    for start in [" side of the ", "either side of operator "] {
        if let Some((before, rest)) = message.split_once(start)
            && let Some((operator, after)) = rest.split_once(' ')
            && !operator.starts_with('"')
            && operator.chars().all(|c| c.is_ascii_punctuation())
        {
            return format!("{before}{start}\"{operator}\" {after}");
        }
    }
    message.to_owned()
}

/// A message's code, and the rest.
fn split(message: &str) -> (Option<&str>, &str) {
    match message.split_once(": ") {
        Some((code, rest))
            if code.len() == 5
                && code.starts_with(|c: char| c.is_ascii_uppercase())
                && code[1..].bytes().all(|byte| byte.is_ascii_digit()) =>
        {
            (Some(code), rest)
        }
        _ => (None, message),
    }
}

/// What stands in an expression for a token that `jsonata-core` calls by its own name.
fn symbol(token: &str) -> &str {
    const SYMBOLS: &[(&str, &str)] = &[
        ("Ampersand", "&"),
        ("And", "and"),
        ("At", "@"),
        ("Caret", "^"),
        ("Colon", ":"),
        ("ColonEqual", ":="),
        ("Comma", ","),
        ("Dot", "."),
        ("DotDot", ".."),
        ("Eof", "(end)"),
        ("Equal", "="),
        ("GreaterThan", ">"),
        ("GreaterThanOrEqual", ">="),
        ("Hash", "#"),
        ("In", "in"),
        ("LeftBrace", "{"),
        ("LeftBracket", "["),
        ("LeftParen", "("),
        ("LessThan", "<"),
        ("LessThanOrEqual", "<="),
        ("Minus", "-"),
        ("NotEqual", "!="),
        ("Or", "or"),
        ("Percent", "%"),
        ("Pipe", "|"),
        ("Plus", "+"),
        ("Question", "?"),
        ("QuestionColon", "?:"),
        ("QuestionQuestion", "??"),
        ("RightBrace", "}"),
        ("RightBracket", "]"),
        ("RightParen", ")"),
        ("Semicolon", ";"),
        ("Slash", "/"),
        ("Star", "*"),
        ("StarStar", "**"),
        ("TildeArrow", "~>"),
    ];
    if let Some((_, symbol)) = SYMBOLS.iter().find(|(name, _)| *name == token) {
        return symbol;
    }
    // `Identifier("b")`, `Number(2.0)`: what is in the parentheses.
    let inside = token
        .split_once('(')
        .and_then(|(_, rest)| rest.strip_suffix(')'))
        .unwrap_or(token);
    let inside = inside.strip_suffix(".0").unwrap_or(inside);
    inside
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
        .unwrap_or(inside)
}
