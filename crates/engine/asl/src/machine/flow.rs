//! Leaving states, and the ends of workflows.

use std::sync::Arc;

use super::evaluate::{Exit, Trouble};
use super::stepper::{Stepper, state_type};
use super::track::{Home, Stage, TrackId};
use super::{MAX_PAYLOAD, Status};
use crate::definition::Next;
use crate::history::EventKind;
use crate::value::Value;

/// The trouble with a result that is too large, of a state or of what worked for it.
pub(super) fn too_large(of: &str) -> Trouble {
    Trouble::Whole(
        "States.DataLimitExceeded",
        format!(
            "The state/task '{of}' returned a result with a size exceeding the maximum number of bytes service limit."
        ),
    )
}

impl Stepper<'_> {
    /// Leaves a state: its output goes to the next one, or is the result of the workflow.
    pub(super) fn exit(&mut self, id: TrackId, exit: Exit, next: Next) {
        let Some(state) = self.state_of(id) else {
            return;
        };
        if exit.output.size() > MAX_PAYLOAD {
            return self.in_trouble(id, too_large(&state.name));
        }
        let kind = EventKind::StateExited {
            state: state_type(state),
            name: Arc::clone(&state.name),
            output: exit.output.clone(),
            assigned: exit.assigned.clone().map(Value::Object),
        };
        self.event(id, kind);
        if let Some(track) = self.track_mut(id) {
            if let Some(assigned) = &exit.assigned {
                track.variables.assign(assigned);
            }
            track.stage = Stage::Ready;
            track.attempts.clear();
        }
        match next {
            Next::State(state) => {
                if let Some(track) = self.track_mut(id) {
                    track.state = state;
                    track.input = exit.output;
                }
            }
            Next::End => self.flow_ended(id, exit.output),
        }
    }

    /// A workflow has its result.
    fn flow_ended(&mut self, id: TrackId, output: Value) {
        let Some(track) = self.track(id) else {
            return;
        };
        match track.home {
            Home::Main => {
                let last = track.chain.last();
                self.end(last, Status::Succeeded(output));
            }
            Home::Branch { parent, index } => self.branch_ended(parent, id, index, output),
            Home::Iteration { parent, index, .. } => {
                self.iteration_ended(parent, id, index, output);
            }
        }
    }
}
