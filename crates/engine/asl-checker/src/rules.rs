//! The rules, and how they are broken.

use thiserror::Error;

/// A rule that an event breaks.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("event {event}: {rule}")]
pub struct Violation {
    /// The event's number; 0 for the history as a whole.
    pub event: u64,
    /// The rule.
    pub rule: Rule,
}

/// What is wrong with an event.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[expect(missing_docs, reason = "each says in its message what it is")]
pub enum Rule {
    #[error("numbers go up by one from 1: {0} was to come")]
    Number(u64),
    #[error("it points at {0}, which is not before it")]
    Previous(u64),
    #[error("it happened before the one before it")]
    Time,
    #[error("a history begins with ExecutionStarted")]
    Beginning,
    #[error("nothing follows the end of an execution")]
    AfterEnd,
    #[error("{0} is no type of events")]
    UnknownType(String),
    #[error("the machine has no state {0}")]
    UnknownState(String),
    #[error("{state} is entered as a {entered} and is a {is}")]
    StateType {
        state: String,
        entered: String,
        is: String,
    },
    #[error("a workflow begins with {0}")]
    Start(String),
    #[error("{from} does not lead to {to}")]
    Transition { from: String, to: String },
    #[error("{0} cannot come here")]
    Order(String),
    #[error("it belongs to no branch, iteration or machine that runs")]
    Stray,
    #[error("{0} is not the state that is left")]
    Left(String),
    #[error("the input is not what the state before gave")]
    Input,
    #[error("the output is not what the last state gave")]
    Output,
    #[error("the results are not those of the branches or iterations, in their order")]
    Results,
    #[error("iteration {0} is begun twice or beyond the items")]
    Iteration(u64),
    #[error("{running} iterations run at once, and {limit} may")]
    Concurrency { running: usize, limit: u64 },
    #[error("not all branches or iterations have ended")]
    Unfinished,
    #[error("{0} attempts are more than its retriers allow")]
    Attempts(u64),
    #[error("an execution has more than 25,000 events")]
    TooManyEvents,
}
