//! Why a path gives nothing.

use std::sync::Arc;

/// A path that is none, or that found nothing.
///
/// Display gives Jayway's message, which Step Functions quotes in the causes of failures.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// The text is no path.
    #[error("Invalid path '{path}': {problem} at position {offset}")]
    Syntax {
        /// The text.
        path: Arc<str>,
        /// What is wrong with it.
        problem: &'static str,
        /// Byte offset into the text.
        offset: usize,
    },
    /// The last step of a definite path leads nowhere.
    #[error("No results for path: {0}")]
    NoResults(String),
    /// A step before the last leads nowhere.
    #[error("Missing property in path {0}")]
    Missing(String),
    /// A name was asked of something that is no object.
    #[error(
        "Expected to find an object with property {property} in path {path} but found '{found}'. \
         This is not a json object according to the JsonProvider: \
         'com.jayway.jsonpath.spi.json.JacksonJsonNodeJsonProvider'."
    )]
    NotAnObject {
        /// The step, in brackets.
        property: String,
        /// The way to it.
        path: String,
        /// Jackson's class of what was there.
        found: &'static str,
    },
    /// An index or a filter was asked of something that is no array.
    #[error("Filter: {step} can only be applied to arrays. Current context is: {found}")]
    NotAnArray {
        /// The step, in brackets.
        step: String,
        /// What was there, as JSON.
        found: String,
    },
    /// An index or a filter was asked of null.
    #[error("The path {0} is null")]
    Null(String),
    /// A function cannot work on what it was given.
    #[error("Aggregation function attempted to calculate value using empty array")]
    Aggregate,
    /// The variable is not assigned.
    #[error("The variable '{0}' could not be found")]
    NoVariable(Arc<str>),
    /// Several `..` in one path visit the same places again and again.
    #[error("The path visits more than {0} places")]
    TooMany(usize),
    /// A result cannot be put where the reference path says.
    #[error("Unable to apply ReferencePath {path} to input {input}")]
    CannotApply {
        /// The reference path.
        path: Arc<str>,
        /// What it was to be put into, as JSON.
        input: String,
    },
}
