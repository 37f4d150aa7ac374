//! The ways between the states of one workflow: what nothing leads to, and what never ends.

use std::collections::HashSet;

use super::StateId;
use super::document::Span;
use crate::diagnostic::{Code, Diagnostic};

/// The states of a workflow and where they lead.
#[derive(Default)]
pub(super) struct Edges {
    targets: HashSet<StateId>,
    terminal: bool,
    states: Vec<Named>,
}

struct Named {
    id: StateId,
    name: String,
    location: String,
    span: Span,
}

impl Edges {
    /// Notes where the workflow begins, where that is one of its states.
    pub(super) fn start(&mut self, start: Option<StateId>) {
        self.targets.extend(start);
    }

    /// Notes a state.
    pub(super) fn state(&mut self, id: StateId, name: &str, location: String, span: Span) {
        self.states.push(Named {
            id,
            name: name.to_owned(),
            location,
            span,
        });
    }

    /// Notes that a state leads to another one.
    pub(super) fn leads_to(&mut self, target: StateId) {
        self.targets.insert(target);
    }

    /// Notes that a state ends the workflow.
    pub(super) fn ends(&mut self) {
        self.terminal = true;
    }
}

/// What is wrong with the ways as a whole.
///
/// As on AWS: a state counts as reached if anything leads to it, be it from where nothing leads, and
/// where nothing ends nothing else is said (<https://github.com/floci-io/floci/pull/2786>,
/// <https://github.com/aws-cloudformation/cfn-lint/issues/4074>).
pub(super) fn problems(edges: &Edges) -> impl Iterator<Item = Diagnostic> {
    let endless = (!edges.terminal && !edges.states.is_empty()).then(|| Diagnostic {
        code: Code::MissingEndState,
        message: "Workflow has no terminal state".to_owned(),
        location: None,
        span: edges
            .states
            .first()
            .map_or(0..0, |first| first.span.clone()),
    });
    let unreached = edges
        .states
        .iter()
        .filter(|state| edges.terminal && !edges.targets.contains(&state.id));
    endless.into_iter().chain(unreached.map(|state| Diagnostic {
        code: Code::MissingTransitionTarget,
        message: format!("State \"{}\" is not reachable.", state.name),
        location: Some(state.location.clone()),
        span: state.span.clone(),
    }))
}
