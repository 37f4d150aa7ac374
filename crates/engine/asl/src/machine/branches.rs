//! Parallel states: their branches begin together, and their results come together.

use super::context::Extra;
use super::evaluate::Trouble;
use super::states::Begun;
use super::stepper::Stepper;
use super::track::{Branches, Home, Stage, TrackId};
use crate::definition::{Next, Parallel};
use crate::history::{Chain, EventKind, StateType};
use crate::value::{List, Value};

impl Stepper<'_> {
    /// Begins the branches of a Parallel state.
    pub(super) fn branch(&mut self, id: TrackId, parallel: &Parallel) -> Result<Begun, Trouble> {
        #[expect(
            clippy::redundant_closure_for_method_calls,
            reason = "the method is of one lifetime, the closure of all"
        )]
        let input = self.evaluate(id, Extra::default(), |it| it.arguments())?;
        let started = self.event(id, EventKind::ParallelStarted);
        let Some(variables) = self.track(id).map(|track| track.variables.clone()) else {
            return Ok(Begun::Waits);
        };
        let mut running = Vec::with_capacity(parallel.branches.len());
        for (index, flow) in parallel.branches.iter().enumerate() {
            let home = Home::Branch { parent: id, index };
            running.push(self.begin(
                *flow,
                home,
                variables.clone(),
                Chain::after(started),
                input.clone(),
            ));
        }
        let results = vec![None; running.len()];
        self.set_stage(
            id,
            Stage::Branches(Box::new(Branches {
                running,
                results,
                last: started,
            })),
        );
        Ok(Begun::Waits)
    }

    /// A branch has its result; where it is the last one, the state has its own.
    pub(super) fn branch_ended(
        &mut self,
        parent: TrackId,
        child: TrackId,
        index: usize,
        output: Value,
    ) {
        let last = self
            .execution
            .tracks
            .remove(child)
            .map_or(0, |track| track.chain.last());
        let Some(Stage::Branches(branches)) = self.track_mut(parent).map(|track| &mut track.stage)
        else {
            return;
        };
        branches.running.retain(|running| *running != child);
        branches.last = branches.last.max(last);
        if let Some(result) = branches.results.get_mut(index) {
            *result = Some(output);
        }
        if branches.running.is_empty() {
            let results: List = branches.results.drain(..).flatten().collect();
            let last = branches.last;
            self.children_ended(parent, StateType::Parallel, Value::from(results), last);
        }
    }

    /// All that runs within a state has ended well.
    pub(super) fn children_ended(
        &mut self,
        id: TrackId,
        state: StateType,
        result: Value,
        last: u64,
    ) {
        if let Some(track) = self.track_mut(id) {
            track.chain = Chain::after(last);
            track.stage = Stage::Begun;
        }
        self.event_aside(id, EventKind::StateSucceeded(state));
        let next = self.state_of(id).map_or(Next::End, |state| state.next);
        match self.evaluate(id, Extra::default(), |it| it.exit(Some(result))) {
            Ok(exit) => self.exit(id, exit, next),
            Err(trouble) => self.in_trouble(id, trouble),
        }
        self.wake(id);
    }
}
