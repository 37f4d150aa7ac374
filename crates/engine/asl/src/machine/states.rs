//! Entering states, and what each type does there.

use std::sync::Arc;

use super::context::Extra;
use super::evaluate::{Evaluator, Exit, Trouble};
use super::stepper::{Stepper, state_type};
use super::task;
use super::track::{Stage, TrackId};
use crate::definition::{Choice, Fail, Kind, Next, State, Wait};
use crate::history::{EventKind, Failure};

/// What became of a state that was begun.
pub(super) enum Begun {
    /// It is done, and leads there.
    Done(Exit, Next),
    /// It waits for something.
    Waits,
    /// It is a Fail state.
    Fails(Failure),
}

impl<'s> Stepper<'s> {
    /// Lets a track go on as far as it can.
    pub(super) fn go_on(&mut self, id: TrackId) {
        while self.running() {
            let Some(track) = self.track(id) else {
                return;
            };
            match track.stage {
                Stage::Ready => self.enter(id),
                Stage::Begun => {}
                _ => return,
            }
            if !self.running() {
                return;
            }
            match self.begin_state(id) {
                Ok(Begun::Done(exit, next)) => self.exit(id, exit, next),
                Ok(Begun::Waits) => return,
                Ok(Begun::Fails(failure)) => return self.flow_failed(id, failure),
                Err(trouble) => self.in_trouble(id, trouble),
            }
        }
    }

    fn enter(&mut self, id: TrackId) {
        let (Some(state), Some(track)) = (self.state_of(id), self.track(id)) else {
            return;
        };
        let input = track.input.clone();
        let now = self.now();
        // The first state is entered with what the execution was started with, as it was written.
        let first = self.execution.events == 1;
        let text = self.execution.info.input_text.clone().filter(|_| first);
        let kind = EventKind::StateEntered {
            state: state_type(state),
            name: Arc::clone(&state.name),
            input,
            text,
        };
        let entered = self.event(id, kind);
        if let Some(track) = self.track_mut(id) {
            track.entered = entered;
            track.entered_at = now;
            track.stage = Stage::Begun;
        }
    }

    /// Evaluates something of the state that a track is in.
    pub(super) fn evaluate<T>(
        &self,
        id: TrackId,
        extra: Extra,
        evaluate: impl FnOnce(&Evaluator<'_>) -> Result<T, Trouble>,
    ) -> Result<T, Trouble> {
        let (Some(track), Some(state)) = (self.track(id), self.state_of(id)) else {
            return Err(Trouble::runtime("The state is not there any more"));
        };
        evaluate(&Evaluator::new(
            self.execution,
            self.environment,
            track,
            state,
            extra,
            &self.context,
        ))
    }

    fn begin_state(&mut self, id: TrackId) -> Result<Begun, Trouble> {
        let Some(state) = self.state_of(id) else {
            return Ok(Begun::Waits);
        };
        let plain = Extra::default();
        match &state.kind {
            Kind::Pass { result } => {
                let exit = self.evaluate(id, plain, |it| {
                    let result = match result {
                        Some(result) => result.clone(),
                        None => it.arguments()?,
                    };
                    it.exit(Some(result))
                })?;
                Ok(Begun::Done(exit, state.next))
            }
            Kind::Succeed => {
                let exit = self.evaluate(id, plain, |it| it.exit(None))?;
                Ok(Begun::Done(exit, Next::End))
            }
            Kind::Choice(choice) => self.choose(id, choice),
            Kind::Wait(wait) => self.wait(id, wait),
            Kind::Fail(fail) => self.fail(id, fail),
            Kind::Task(task) => self.schedule(id, state, task),
            Kind::Parallel(parallel) => self.branch(id, parallel),
            Kind::Map(map) => self.iterate(id, state, map),
        }
    }

    fn choose(&mut self, id: TrackId, choice: &Choice) -> Result<Begun, Trouble> {
        let (exit, next) = self.evaluate(id, Extra::default(), |it| it.choose(choice))?;
        Ok(Begun::Done(exit, Next::State(next)))
    }

    fn wait(&mut self, id: TrackId, wait: &Wait) -> Result<Begun, Trouble> {
        let now = self.now();
        let until = self.evaluate(id, Extra::default(), |it| match wait {
            Wait::Seconds(seconds) => Ok(task::after(now, it.wait_seconds(seconds)?)),
            Wait::Timestamp(timestamp) => Ok(crate::time::millis(it.wait_until(timestamp)?)),
        })?;
        self.set_stage(id, Stage::Waiting(until));
        if until > now {
            return Ok(Begun::Waits);
        }
        let next = self.state_of(id).map_or(Next::End, |state| state.next);
        let exit = self.evaluate(id, Extra::default(), |it| it.exit(None))?;
        Ok(Begun::Done(exit, next))
    }

    /// The time of a Wait state has come.
    pub(super) fn wait_ended(&mut self, id: TrackId) {
        let next = self
            .state_of(id)
            .map_or(Next::End, |state: &State| state.next);
        match self.evaluate(id, Extra::default(), |it| it.exit(None)) {
            Ok(exit) => self.exit(id, exit, next),
            Err(trouble) => self.in_trouble(id, trouble),
        }
        self.wake(id);
    }

    fn fail(&mut self, id: TrackId, fail: &Fail) -> Result<Begun, Trouble> {
        let failure = self.evaluate(id, Extra::default(), |it| {
            let error = fail
                .error
                .as_ref()
                .map(|error| it.text(error, "Error"))
                .transpose()?;
            let cause = fail
                .cause
                .as_ref()
                .map(|cause| it.text(cause, "Cause"))
                .transpose()?;
            Ok(Failure { error, cause })
        })?;
        Ok(Begun::Fails(failure))
    }
}
