//! What is wrong with a definition: code, severity, words, and where.

use std::fmt;

use crate::definition::document::Span;

/// How bad a [`Diagnostic`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The machine can be made, but hardly does what was meant.
    Warning,
    /// The machine cannot be made.
    Error,
}

impl Severity {
    /// The name that the API has for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Warning => "WARNING",
            Self::Error => "ERROR",
        }
    }
}

/// What kind of problem a [`Diagnostic`] tells of.
///
/// The codes of
/// [ValidateStateMachineDefinitionDiagnostic](https://docs.aws.amazon.com/step-functions/latest/apireference/API_ValidateStateMachineDefinitionDiagnostic.html),
/// and the two for JSONata that AWS answers with beyond those.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "each is the code that its name spells")]
pub enum Code {
    DuplicateLabelName,
    DuplicateStateName,
    InvalidJsonDescription,
    InvalidJsonataExpression,
    InvalidLabelName,
    InvalidStateName,
    MissingDescription,
    MissingEndState,
    MissingTransitionTarget,
    NoDollar,
    NoPath,
    PassResultIsStatic,
    SchemaValidationFailed,
    TooDeeplyNested,
    UnsupportedJsonataExpression,
}

impl Code {
    /// The code as the API writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::DuplicateLabelName => "DUPLICATE_LABEL_NAME",
            Self::DuplicateStateName => "DUPLICATE_STATE_NAME",
            Self::InvalidJsonDescription => "INVALID_JSON_DESCRIPTION",
            Self::InvalidJsonataExpression => "INVALID_JSONATA_EXPRESSION",
            Self::InvalidLabelName => "INVALID_LABEL_NAME",
            Self::InvalidStateName => "INVALID_STATE_NAME",
            Self::MissingDescription => "MISSING_DESCRIPTION",
            Self::MissingEndState => "MISSING_END_STATE",
            Self::MissingTransitionTarget => "MISSING_TRANSITION_TARGET",
            Self::NoDollar => "NO_DOLLAR",
            Self::NoPath => "NO_PATH",
            Self::PassResultIsStatic => "PASS_RESULT_IS_STATIC",
            Self::SchemaValidationFailed => "SCHEMA_VALIDATION_FAILED",
            Self::TooDeeplyNested => "TOO_DEEPLY_NESTED",
            Self::UnsupportedJsonataExpression => "UNSUPPORTED_JSONATA_EXPRESSION",
        }
    }

    /// Whether it keeps a machine from being made.
    pub fn severity(self) -> Severity {
        match self {
            Self::NoDollar | Self::NoPath | Self::PassResultIsStatic => Severity::Warning,
            _ => Severity::Error,
        }
    }
}

/// One problem of a definition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// Its kind.
    pub code: Code,
    /// What is wrong, in AWS's words where those are known.
    pub message: String,
    /// The way to the field, as `/States/Choose/Choices[0]/Next`; none for what concerns the whole
    /// machine and no field of it.
    pub location: Option<String>,
    /// The bytes of the definition that it is about.
    pub span: Span,
}

impl Diagnostic {
    /// Whether it keeps a machine from being made.
    pub fn severity(&self) -> Severity {
        self.code.severity()
    }
}

/// As CreateStateMachine lists problems in its InvalidDefinition.
impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let location = self.location.as_deref().unwrap_or("null");
        write!(f, "{}: {} at {location}", self.code.as_str(), self.message)
    }
}

/// The message of the InvalidDefinition that CreateStateMachine and UpdateStateMachine answer with.
pub fn invalid_definition(problems: &[Diagnostic]) -> String {
    let errors: Vec<String> = problems
        .iter()
        .filter(|problem| problem.severity() == Severity::Error)
        .map(ToString::to_string)
        .collect();
    format!("Invalid State Machine Definition: '{}'", errors.join(", "))
}
