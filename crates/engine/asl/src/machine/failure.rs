//! What happens when a state fails: it is tried again, or caught, or brings its workflow down.

use std::sync::Arc;

use super::Status;
use super::context::Extra;
use super::evaluate::{QUERY, RUNTIME, Trouble};
use super::stepper::{Stepper, state_type};
use super::task::MISSED_HEARTBEAT;
use super::track::{Home, Stage, TrackId};
use crate::definition::{Next, State, retry};
use crate::history::{Chain, EventKind, Failure, IterationProgress, Millis, StateType};
use crate::value::{Map, Value};

impl Stepper<'_> {
    /// A state cannot do what it should: its failure, with its event where it has one of its own.
    pub(super) fn in_trouble(&mut self, id: TrackId, trouble: Trouble) {
        // Of a Map or Parallel state that JSONata keeps from beginning, the history says that it failed.
        let holds = self
            .state_of(id)
            .is_some_and(|state| matches!(state_type(state), StateType::Map | StateType::Parallel));
        let within = holds && matches!(trouble, Trouble::Query { .. });
        let failure = self.failure_of(id, trouble);
        self.failed_by(id, failure, within);
    }

    fn failure_of(&mut self, id: TrackId, trouble: Trouble) -> Failure {
        let told = |stepper: &Self, cause: String| {
            let name = stepper.state_of(id).map_or("", |state| &*state.name);
            let entered = stepper.track(id).map_or(0, |track| track.entered);
            format!(
                "An error occurred while executing the state '{name}' (entered at the event id #{entered}). {cause}"
            )
        };
        match trouble {
            Trouble::Named(error, cause) => Failure::new(error, told(self, cause)),
            Trouble::Whole(error, cause) => Failure::new(error, cause),
            Trouble::Query {
                cause,
                location,
                late,
            } => {
                let failure = Failure::new(QUERY, told(self, cause));
                let Some((state, track)) = self.state_of(id).zip(self.track(id)) else {
                    return failure;
                };
                let at_entry = track.chain.last() == track.entered && !late;
                let before = track.chain.before();
                let kind = EventKind::EvaluationFailed {
                    failure: failure.clone(),
                    location: location.map(Arc::from),
                    state: Arc::clone(&state.name),
                };
                if at_entry {
                    self.event_instead(id, before, kind);
                } else {
                    self.event(id, kind);
                }
                failure
            }
        }
    }

    /// A state failed: retriers are asked, then catchers; where none takes it, its workflow fails.
    pub(super) fn failed(&mut self, id: TrackId, failure: Failure) {
        self.failed_by(id, failure, false);
    }

    /// As [`Self::failed`]; where it was brought down by what runs within it, the history says so once it
    /// is not tried again.
    pub(super) fn failed_by(&mut self, id: TrackId, mut failure: Failure, within: bool) {
        if !self.running() {
            return;
        }
        let Some(state) = self.state_of(id) else {
            return;
        };
        self.remember();
        let error = Arc::clone(failure.error.as_ref().unwrap_or(&Arc::from("")));
        if &*error == MISSED_HEARTBEAT {
            failure.error = Some("States.Timeout".into());
        }
        // What the machine itself fails with is not tried again, and is caught by its own name alone.
        if &*error != RUNTIME
            && let Some(until) = self.retry_at(id, state, &error)
        {
            self.set_stage(id, Stage::Retrying(until));
            self.forget();
            return;
        }
        let catcher = state
            .catch()
            .iter()
            .position(|catcher| retry::takes(&catcher.errors, &error));
        if within {
            self.event(id, EventKind::StateFailed(state_type(state)));
        }
        match catcher {
            Some(index) => self.caught(id, state, index, &failure),
            None => self.flow_failed(id, failure),
        }
    }

    /// When a state that failed is tried again.
    fn retry_at(&mut self, id: TrackId, state: &State, error: &str) -> Option<Millis> {
        let retriers = state.retry();
        let index = retriers
            .iter()
            .position(|retrier| retry::takes(&retrier.errors, error))?;
        let random = self.environment.random.unit();
        let now = self.now();
        let attempts = &mut self.track_mut(id)?.attempts;
        attempts.resize(retriers.len(), 0);
        let before = attempts.get_mut(index)?;
        let delay = retriers.get(index)?.delay_millis(*before, random)?;
        *before += 1;
        Some(Millis(now.0.saturating_add(delay)))
    }

    /// A catcher takes a failure: its error is the result.
    fn caught(&mut self, id: TrackId, state: &State, index: usize, failure: &Failure) {
        let Some(catcher) = state.catch().get(index) else {
            return;
        };
        let error = error_output(failure);
        match self.evaluate(id, Extra::default(), |it| it.exit_by_catcher(index, error)) {
            Ok(exit) => {
                self.forget();
                self.exit(id, exit, Next::State(catcher.next));
                self.wake(id);
            }
            // What a catcher fails with, no catcher of the same state takes.
            Err(trouble) => {
                let failure = self.failure_of(id, trouble);
                self.flow_failed(id, failure);
            }
        }
    }

    /// A workflow fails with the state that it is in.
    pub(super) fn flow_failed(&mut self, id: TrackId, failure: Failure) {
        if !self.running() {
            return;
        }
        let Some(track) = self.track(id) else {
            return;
        };
        let (last, home) = (track.chain.last(), track.home.clone());
        self.remember();
        match home {
            Home::Main => self.end(last, Status::Failed(failure)),
            Home::Branch { parent, .. } => self.child_failed(parent, id, None, failure),
            Home::Iteration { parent, index, .. } => {
                self.child_failed(parent, id, Some(index), failure);
            }
        }
    }

    /// A branch or an iteration failed: the others are cut, and the state that holds them fails.
    fn child_failed(
        &mut self,
        parent: TrackId,
        child: TrackId,
        index: Option<usize>,
        failure: Failure,
    ) {
        let last = self.track(child).map_or(0, |track| track.chain.last());
        if let Some(index) = index {
            self.iteration_event(parent, last, index, IterationProgress::Failed);
        }
        self.state_aborted(child, last);
        self.execution.tracks.remove(child);
        let siblings: Vec<TrackId> = self
            .track(parent)
            .map_or(Vec::new(), |track| track.children().to_vec());
        for sibling in siblings.into_iter().filter(|sibling| *sibling != child) {
            self.abort(sibling, last);
        }
        if let Some(track) = self.track_mut(parent) {
            track.chain = Chain::after(last);
            track.stage = Stage::Begun;
        }
        self.failed_by(parent, failure, true);
    }

    /// Cuts a track, and all within it.
    pub(super) fn abort(&mut self, id: TrackId, at: u64) {
        let Some(track) = self.track(id) else {
            return;
        };
        let children = track.children().to_vec();
        if let Home::Iteration { parent, index, .. } = track.home {
            self.iteration_event(parent, at, index, IterationProgress::Aborted);
        }
        self.state_aborted(id, at);
        for child in children {
            self.abort(child, at);
        }
        self.release(id);
        self.execution.tracks.remove(id);
    }

    /// Notes that a state was entered and is never left, for the types that have such an event.
    fn state_aborted(&mut self, id: TrackId, at: u64) {
        let Some((state, track)) = self.state_of(id).zip(self.track(id)) else {
            return;
        };
        let entered = !matches!(track.stage, Stage::Ready);
        let state = state_type(state);
        if entered
            && matches!(
                state,
                StateType::Map | StateType::Parallel | StateType::Task | StateType::Wait
            )
        {
            self.event_at(at, EventKind::StateAborted(state));
        }
    }

    fn iteration_event(
        &mut self,
        parent: TrackId,
        at: u64,
        index: usize,
        progress: IterationProgress,
    ) {
        let Some(state) = self.state_of(parent) else {
            return;
        };
        let name = Arc::clone(&state.name);
        self.event_at(
            at,
            EventKind::MapIteration {
                progress,
                name,
                index,
            },
        );
    }
}

/// What catchers are given of a failure.
pub(super) fn error_output(failure: &Failure) -> Value {
    let text = |text: &Option<Arc<str>>| {
        text.as_ref()
            .map_or(Value::Null, |text| Value::from(Arc::clone(text)))
    };
    let mut error = Map::with_capacity(2);
    error.insert("Error", text(&failure.error));
    if failure.cause.is_some() || failure.error.is_none() {
        error.insert("Cause", text(&failure.cause));
    }
    Value::from(error)
}
