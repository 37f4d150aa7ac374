//! Whether a history is one that its state machine could have left.
//!
//! [`check`] reads a definition and the events of GetExecutionHistory, both as plain JSON, and says
//! which rules of the language the history breaks: states that are not led to, events out of their
//! order, iterations that are missing, results that are not those of the branches. It knows nothing of
//! the machine that runs executions and shares no code with it, so that a mistake of one is not the
//! mistake of both. It evaluates no expression: where data are computed it looks at their ways only.
//!
//! It is for tests: of the pure machine, of the executor that is killed and goes on, of any other
//! engine that speaks the API.

mod event;
mod rules;
mod track;

use serde_json::Value;

pub use rules::{Rule, Violation};

/// The rules that a history breaks; none where it is one that the machine could have left.
///
/// `history` is the events of GetExecutionHistory from the first one on, with their data. A history
/// that has not ended is judged as far as it goes.
pub fn check(definition: &Value, history: &[Value]) -> Vec<Violation> {
    let mut checker = track::Checker::new(definition);
    for (index, event) in history.iter().enumerate() {
        checker.event(index, event);
    }
    checker.finish()
}

#[cfg(test)]
mod tests;
