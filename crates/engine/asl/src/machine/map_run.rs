//! Map runs: what a distributed Map state does with its items, each of which is an execution of its own.
//!
//! The execution that holds the Map state begins the run and waits for its end. In between the run is a
//! small machine by itself: [`MapRun::start`] and [`MapRun::child_ended`] say which children to begin
//! and stop, and what came of it all.

use std::collections::{BTreeSet, VecDeque};

use serde::{Deserialize, Serialize};

use crate::definition::FlowId;
use crate::history::Failure;
use crate::value::{List, Value};

/// The children of a distributed Map state.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MapRun {
    pub(super) flow: FlowId,
    pub(super) express: bool,
    pub(super) limit: usize,
    /// How many items of all there are may fail.
    pub(super) tolerated: f64,
    /// What each child is given, until it has succeeded.
    pub(super) inputs: Vec<Value>,
    /// How many items each child has.
    pub(super) sizes: Sizes,
    /// The children that have not begun, in their order.
    pub(super) pending: VecDeque<usize>,
    pub(super) running: BTreeSet<usize>,
    pub(super) results: Vec<Option<Value>>,
    pub(super) items: MapCounts,
    pub(super) executions: MapCounts,
    pub(super) finished: bool,
}

/// How many items the children have: one each, or as batches were filled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Sizes {
    One,
    Batches(Vec<usize>),
}

/// How many of a map run's items, or children, stand how.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "each is how so many of them stand")]
pub struct MapCounts {
    pub pending: usize,
    pub running: usize,
    pub succeeded: usize,
    pub failed: usize,
    pub timed_out: usize,
    pub aborted: usize,
    pub total: usize,
}

/// How a child ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum ChildOutcome {
    /// With this output.
    Succeeded(Value),
    /// With an error.
    Failed(Failure),
    /// Its time ran out.
    TimedOut,
    /// It was stopped.
    Aborted,
}

/// What a map run asks for.
#[derive(Debug, Clone, PartialEq)]
pub enum MapCommand {
    /// Begin a child with this input.
    StartChild(usize, Value),
    /// Stop a child.
    StopChild(usize),
    /// The run is over: the outputs of its children in their order, or what it failed with.
    Finish(Result<Value, Failure>),
}

/// What came of a map run's step.
pub type MapStep = Vec<MapCommand>;

impl MapRun {
    /// The workflow that each child runs.
    pub fn flow(&self) -> FlowId {
        self.flow
    }

    /// Whether the children are express executions.
    pub fn is_express(&self) -> bool {
        self.express
    }

    /// How its items stand.
    pub fn item_counts(&self) -> MapCounts {
        self.items
    }

    /// How its children stand.
    pub fn execution_counts(&self) -> MapCounts {
        self.executions
    }

    /// Begins the first children.
    pub fn start(&mut self) -> MapStep {
        let mut step = MapStep::new();
        self.fill(&mut step);
        step
    }

    /// Goes on after a child has ended. One that was not running says nothing.
    pub fn child_ended(&mut self, child: usize, outcome: ChildOutcome) -> MapStep {
        let mut step = MapStep::new();
        if self.finished || !self.running.remove(&child) {
            return step;
        }
        let size = self.size(child);
        for (counts, by) in [(&mut self.items, size), (&mut self.executions, 1)] {
            counts.running -= by;
            *match &outcome {
                ChildOutcome::Succeeded(_) => &mut counts.succeeded,
                ChildOutcome::Failed(_) => &mut counts.failed,
                ChildOutcome::TimedOut => &mut counts.timed_out,
                ChildOutcome::Aborted => &mut counts.aborted,
            } += by;
        }
        if let ChildOutcome::Succeeded(output) = outcome
            && let (Some(result), Some(input)) =
                (self.results.get_mut(child), self.inputs.get_mut(child))
        {
            *result = Some(output);
            *input = Value::Null;
        }
        let lost = self.items.failed + self.items.timed_out + self.items.aborted;
        #[expect(clippy::cast_precision_loss, reason = "items are far fewer than 2^53")]
        if lost as f64 > self.tolerated {
            self.finished = true;
            for running in std::mem::take(&mut self.running) {
                let size = self.size(running);
                for (counts, by) in [(&mut self.items, size), (&mut self.executions, 1)] {
                    counts.running -= by;
                    counts.aborted += by;
                }
                step.push(MapCommand::StopChild(running));
            }
            step.push(MapCommand::Finish(Err(exceeded())));
            return step;
        }
        self.fill(&mut step);
        step
    }

    /// Begins anew with the children that have not succeeded, after the run has failed.
    pub fn redrive(&mut self) -> MapStep {
        let mut step = MapStep::new();
        let failed = self.finished && !self.results.is_empty();
        if !failed {
            return step;
        }
        self.finished = false;
        let waiting: BTreeSet<usize> = self.pending.iter().copied().collect();
        let lost = |(child, result): (usize, &Option<Value>)| {
            (result.is_none() && !waiting.contains(&child)).then_some(child)
        };
        let lost: Vec<usize> = self.results.iter().enumerate().filter_map(lost).collect();
        self.pending.extend(lost);
        for counts in [&mut self.items, &mut self.executions] {
            counts.pending += counts.failed + counts.timed_out + counts.aborted;
            (counts.failed, counts.timed_out, counts.aborted) = (0, 0, 0);
        }
        self.fill(&mut step);
        step
    }

    fn size(&self, child: usize) -> usize {
        match &self.sizes {
            Sizes::One => 1,
            Sizes::Batches(sizes) => sizes.get(child).copied().unwrap_or(1),
        }
    }

    /// Begins as many children as may run, or ends where none are left.
    fn fill(&mut self, step: &mut MapStep) {
        while self.running.len() < self.limit
            && let Some(child) = self.pending.pop_front()
        {
            let size = self.size(child);
            for (counts, by) in [(&mut self.items, size), (&mut self.executions, 1)] {
                counts.pending -= by;
                counts.running += by;
            }
            self.running.insert(child);
            let input = self.inputs.get(child).cloned().unwrap_or_default();
            step.push(MapCommand::StartChild(child, input));
        }
        if self.running.is_empty() && !self.finished {
            self.finished = true;
            let results: List = self.results.drain(..).flatten().collect();
            step.push(MapCommand::Finish(Ok(Value::from(results))));
        }
    }
}

/// What a Map state fails with of which too much failed.
pub(super) fn exceeded() -> Failure {
    let cause = "The specified tolerated failure threshold was exceeded";
    Failure::new("States.ExceedToleratedFailureThreshold", cause)
}
