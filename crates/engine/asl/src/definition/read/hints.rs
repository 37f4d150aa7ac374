//! Warnings: what may stand there, but hardly means what it seems to.

use super::super::document::{Member, Node, NodeKind};
use super::{Place, Reader};
use crate::diagnostic::Code;

/// Fields of states that are texts or numbers, and have a sibling that is a path.
const WITH_PATH: [&str; 10] = [
    "Cause",
    "Error",
    "HeartbeatSeconds",
    "MaxConcurrency",
    "Resource",
    "Seconds",
    "TimeoutSeconds",
    "Timestamp",
    "ToleratedFailureCount",
    "ToleratedFailurePercentage",
];

impl Reader<'_> {
    /// A field of a payload template that looks computed and is not.
    pub(super) fn hint_dollar(&mut self, place: &Place<'_>, member: &Member<'_>) {
        if member.value.as_str().is_some_and(looks_computed) {
            let message = format!(
                "The value of the field '{0}' looks like a path or an intrinsic function, but its name does not end with '.$'",
                member.name
            );
            self.problem(Code::NoDollar, place, &member.value.span, message);
        }
    }

    /// Fields of a state in JSONPath that look like paths and are none.
    pub(super) fn hint_paths(&mut self, place: &Place<'_>, state: &Node<'_>) {
        for member in state.as_object().unwrap_or_default() {
            let is_path = member
                .value
                .as_str()
                .is_some_and(|text| text == "$" || text.starts_with("$."));
            if WITH_PATH.contains(&&*member.name) && is_path {
                let message = format!(
                    "The value of the field '{0}' looks like a path, but its name does not end with 'Path'",
                    member.name
                );
                self.problem(
                    Code::NoPath,
                    &place.field(&member.name),
                    &member.value.span,
                    message,
                );
            }
        }
    }

    /// A Pass state's `Result` in which paths stand, which stay as they are.
    pub(super) fn hint_result(&mut self, place: &Place<'_>, result: &Node<'_>) {
        let found = match &result.kind {
            NodeKind::String(text) => looks_computed(text),
            NodeKind::Object(members) => {
                for member in members {
                    self.hint_result(&place.field(&member.name), &member.value);
                }
                false
            }
            NodeKind::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    self.hint_result(&place.index(index), item);
                }
                false
            }
            _ => false,
        };
        if found {
            let message =
                "The Result of a Pass state is static: a path in it stays as it is written";
            self.problem(Code::PassResultIsStatic, place, &result.span, message);
        }
    }
}

fn looks_computed(text: &str) -> bool {
    text == "$"
        || text.starts_with("$.")
        || text.starts_with("$$.")
        || text.starts_with("States.") && text.ends_with(')')
}
