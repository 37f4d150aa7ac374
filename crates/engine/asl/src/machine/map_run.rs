//! Map runs: what a distributed Map state does with its items, each of which is an execution of its own.
//!
//! The execution that holds the Map state begins the run and waits for its end. In between the run is a
//! small machine by itself: [`MapRun::start`] and [`MapRun::child_ended`] say which children to begin
//! and stop, and what came of it all.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::context::Extra;
use super::evaluate::{Evaluator, Trouble};
use super::items::{concurrency, item_input, items};
use super::states::Begun;
use super::stepper::Stepper;
use super::track::{OpenMapRun, Stage, TrackId};
use super::{Command, MAX_PAYLOAD, MapRunRequest, ReadRequest, TaskId};
use crate::definition::{FlowId, MachineType, Map, MapMode, Next, State};
use crate::history::{EventKind, Failure, StateType};
use crate::value::{self, List, Value};

/// The most children that run at once
/// (<https://docs.aws.amazon.com/step-functions/latest/dg/state-map-distributed.html>).
const MAX_CHILDREN: u64 = 10_000;

/// The children of a distributed Map state.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MapRun {
    flow: FlowId,
    express: bool,
    limit: usize,
    /// How many items of all there are may fail.
    tolerated: f64,
    /// What each child is given, until it begins.
    inputs: Vec<Value>,
    /// How many items each child has.
    sizes: Sizes,
    next: usize,
    running: BTreeSet<usize>,
    results: Vec<Option<Value>>,
    items: MapCounts,
    executions: MapCounts,
    finished: bool,
}

/// How many items the children have: one each, or as batches were filled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
enum Sizes {
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
        if let (ChildOutcome::Succeeded(output), Some(result)) =
            (outcome, self.results.get_mut(child))
        {
            *result = Some(output);
        }
        let lost = self.items.failed + self.items.timed_out + self.items.aborted;
        #[expect(clippy::cast_precision_loss, reason = "items are far fewer than 2^53")]
        if lost as f64 > self.tolerated {
            self.finished = true;
            step.extend(
                self.running
                    .iter()
                    .map(|running| MapCommand::StopChild(*running)),
            );
            step.push(MapCommand::Finish(Err(exceeded())));
            return step;
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
            && let Some(input) = self.inputs.get_mut(self.next).map(std::mem::take)
        {
            let child = self.next;
            let size = self.size(child);
            for (counts, by) in [(&mut self.items, size), (&mut self.executions, 1)] {
                counts.pending -= by;
                counts.running += by;
            }
            self.next += 1;
            self.running.insert(child);
            step.push(MapCommand::StartChild(child, input));
        }
        if self.running.is_empty() && !self.finished {
            self.finished = true;
            let results: List = self.results.drain(..).flatten().collect();
            step.push(MapCommand::Finish(Ok(Value::from(results))));
        }
    }
}

impl<'s> Stepper<'s> {
    /// Begins a distributed Map state.
    pub(super) fn start_map_run(
        &mut self,
        id: TrackId,
        state: &'s State,
        map: &'s Map,
    ) -> Result<Begun, Trouble> {
        let (given, limit) = self.evaluate(id, Extra::default(), |it| {
            let given = if map.reader.is_some() {
                None
            } else {
                Some(items(it, state, map)?)
            };
            Ok((given, concurrency(it, map)?))
        })?;
        let length = given
            .as_ref()
            .and_then(Value::as_array)
            .map_or(0, |list| list.len());
        self.event(id, EventKind::MapStarted(length));
        let (_, reading, max_items) = self.evaluate(id, Extra::default(), |it| {
            let tolerated = tolerance(it, map, length)?;
            let input = it.effective_input()?;
            let Some(reader) = &map.reader else {
                return Ok((tolerated, None, None));
            };
            let parameters = match &reader.parameters {
                Some(parameters) => it.render(parameters, "ItemReader", &input, None, None)?,
                None => Value::empty_object(),
            };
            let max_items = reader
                .config
                .max_items
                .as_ref()
                .map(|most| it.integer(most, "MaxItems"))
                .transpose()?;
            Ok((
                tolerated,
                Some(parameters),
                max_items.filter(|most| *most > 0),
            ))
        })?;
        let arn = self.map_run_arn(state, map);
        let run = TaskId(self.event(id, EventKind::MapRunStarted(Arc::clone(&arn))));
        if !self.running() {
            return Ok(Begun::Waits);
        }
        self.set_stage(id, Stage::MapRun(Box::new(OpenMapRun { id: run, arn })));
        match (given, reading) {
            (Some(items), _) => self.children_of(id, state, map, &items, limit)?,
            (None, parameters) => self.command(Command::ReadItems(Box::new(ReadRequest {
                id: run,
                state: self.track(id).map_or_else(
                    || self.definition.flow(map.processor).start,
                    |track| track.state,
                ),
                parameters: parameters.unwrap_or_default(),
                max_items,
            }))),
        }
        Ok(Begun::Waits)
    }

    /// The track that waits for a map run.
    fn track_of_run(&self, run: TaskId) -> Option<TrackId> {
        self.execution
            .tracks
            .iter()
            .find_map(|(id, track)| match &track.stage {
                Stage::MapRun(open) if open.id == run => Some(id),
                _ => None,
            })
    }

    /// The items of a map run were read.
    pub(super) fn items_read(&mut self, run: TaskId, read: Result<Value, Failure>) {
        let Some(id) = self.track_of_run(run) else {
            return;
        };
        let Some(state) = self.state_of(id) else {
            return;
        };
        let crate::definition::Kind::Map(map) = &state.kind else {
            return;
        };
        match read {
            Ok(items) => {
                let limit = self.evaluate(id, Extra::default(), |it| concurrency(it, map));
                let begun = limit.and_then(|limit| self.children_of(id, state, map, &items, limit));
                if let Err(trouble) = begun {
                    self.set_stage(id, Stage::Begun);
                    self.in_trouble(id, trouble);
                    self.wake(id);
                }
            }
            Err(failure) => self.map_run_ended(run, Err(failure)),
        }
    }

    /// Has the children of a map run begun, now that its items are known.
    fn children_of(
        &mut self,
        id: TrackId,
        state: &'s State,
        map: &'s Map,
        items: &Value,
        limit: u64,
    ) -> Result<(), Trouble> {
        let list = items
            .as_array()
            .map(|list| list.to_vec())
            .unwrap_or_default();
        let count = list.len();
        let mut inputs = Vec::with_capacity(count);
        for (index, item) in list.into_iter().enumerate() {
            let extra = Extra {
                item: Some((index, item.clone())),
                ..Extra::default()
            };
            inputs.push(self.evaluate(id, extra, |it| item_input(it, state, map, &item))?);
        }
        let (inputs, sizes, tolerated, writer) = self.evaluate(id, Extra::default(), |it| {
            let (inputs, sizes) = batches(it, map, inputs)?;
            let input = it.effective_input()?;
            let writer = map
                .writer
                .as_ref()
                .and_then(|writer| writer.parameters.as_ref());
            let writer = writer
                .map(|template| it.render(template, "ResultWriter", &input, None, None))
                .transpose()?;
            Ok((inputs, sizes, tolerance(it, map, count)?, writer))
        })?;
        let Some((open, map_state)) = self.track(id).and_then(|track| match &track.stage {
            Stage::MapRun(open) => Some(((**open).clone(), track.state)),
            _ => None,
        }) else {
            return Ok(());
        };
        let children = inputs.len();
        let limit = if limit == 0 {
            MAX_CHILDREN
        } else {
            limit.min(MAX_CHILDREN)
        };
        let run = MapRun {
            flow: map.processor,
            express: matches!(
                map.mode,
                MapMode::Distributed {
                    execution_type: MachineType::Express,
                    ..
                }
            ),
            limit: usize::try_from(limit).unwrap_or(usize::MAX),
            tolerated,
            results: vec![None; children],
            inputs,
            sizes,
            next: 0,
            running: BTreeSet::new(),
            items: MapCounts {
                pending: count,
                total: count,
                ..MapCounts::default()
            },
            executions: MapCounts {
                pending: children,
                total: children,
                ..MapCounts::default()
            },
            finished: false,
        };
        let writer = map
            .writer
            .as_ref()
            .map(|_| writer.unwrap_or_else(Value::empty_object));
        let OpenMapRun { id: run_id, arn } = open;
        self.command(Command::StartMapRun(Box::new(MapRunRequest {
            id: run_id,
            arn,
            state: map_state,
            writer,
            run,
        })));
        Ok(())
    }

    /// A map run has ended.
    pub(super) fn map_run_ended(&mut self, run: TaskId, outcome: Result<Value, Failure>) {
        let Some(id) = self.track_of_run(run) else {
            return;
        };
        self.set_stage(id, Stage::Begun);
        match outcome {
            Ok(output) => {
                self.event_aside(id, EventKind::MapRunSucceeded);
                self.event_aside(id, EventKind::StateSucceeded(StateType::Map));
                let next = self.state_of(id).map_or(Next::End, |state| state.next);
                if output.size() > MAX_PAYLOAD {
                    let name = self.state_of(id).map_or("", |state| &*state.name);
                    self.in_trouble(id, super::flow::too_large(name));
                } else {
                    match self.evaluate(id, Extra::default(), |it| it.exit(Some(output))) {
                        Ok(exit) => self.exit(id, exit, next),
                        Err(trouble) => self.in_trouble(id, trouble),
                    }
                }
            }
            Err(failure) => {
                self.event(id, EventKind::MapRunFailed(failure.clone()));
                self.failed_by(id, failure, true);
            }
        }
        self.wake(id);
    }

    /// `arn:…:mapRun:Machine/Label:Id`. A Map state without a label is given one that depends on its name
    /// alone, as AWS gives one when the machine is made.
    fn map_run_arn(&self, state: &State, map: &Map) -> Arc<str> {
        let info = &self.execution.info;
        let label = match &map.mode {
            MapMode::Distributed {
                label: Some(label), ..
            } => label.to_string(),
            _ => uuid(fingerprint(&state.name)),
        };
        let (head, name) = info
            .machine_id
            .rsplit_once(":stateMachine:")
            .unwrap_or((&*info.machine_id, &*info.machine_name));
        format!(
            "{head}:mapRun:{name}/{label}:{}",
            uuid(self.environment.random.bits())
        )
        .into()
    }
}

/// What a Map state fails with of which too much failed.
pub(super) fn exceeded() -> Failure {
    let cause = "The specified tolerated failure threshold was exceeded";
    Failure::new("States.ExceedToleratedFailureThreshold", cause)
}

/// How many of so many items may fail.
pub(super) fn tolerance(it: &Evaluator<'_>, map: &Map, items: usize) -> Result<f64, Trouble> {
    let count = map
        .tolerated_count
        .as_ref()
        .map(|count| it.integer(count, "ToleratedFailureCount"))
        .transpose()?;
    let percentage = map
        .tolerated_percentage
        .as_ref()
        .map(|it_| it.float(it_, "ToleratedFailurePercentage"))
        .transpose()?;
    if percentage.is_some_and(|percentage| !(0.0..=100.0).contains(&percentage)) {
        return Err(Trouble::runtime(
            "ToleratedFailurePercentage must be between 0 and 100.",
        ));
    }
    #[expect(clippy::cast_precision_loss, reason = "items are far fewer than 2^53")]
    let (count, percentage) = (
        count.map(|count| count as f64),
        percentage.map(|percentage| percentage * items as f64 / 100.0),
    );
    // Where both are given, either is exceeded by itself.
    Ok(match (count, percentage) {
        (Some(one), Some(other)) => one.min(other),
        (one, other) => one.or(other).unwrap_or(0.0),
    })
}

/// What the children are given: the items one by one, or in batches.
fn batches(
    it: &Evaluator<'_>,
    map: &Map,
    inputs: Vec<Value>,
) -> Result<(Vec<Value>, Sizes), Trouble> {
    let Some(batcher) = &map.batcher else {
        return Ok((inputs, Sizes::One));
    };
    let input = it.effective_input()?;
    let max_items = batcher
        .max_items
        .as_ref()
        .map(|most| it.integer(most, "MaxItemsPerBatch"))
        .transpose()?;
    let max_bytes = batcher
        .max_input_bytes
        .as_ref()
        .map(|most| it.integer(most, "MaxInputBytesPerBatch"))
        .transpose()?;
    let shared = match &batcher.batch_input {
        Some(template) => Some(it.render(template, "ItemBatcher", &input, None, None)?),
        None => None,
    };
    let most = |limit: Option<u64>| {
        limit
            .and_then(|most| usize::try_from(most).ok())
            .unwrap_or(usize::MAX)
    };
    let (max_items, max_bytes) = (most(max_items).max(1), most(max_bytes).min(MAX_PAYLOAD));
    let empty = batch(shared.as_ref(), List::new()).size();
    let (mut whole, mut sizes) = (Vec::new(), Vec::new());
    let mut filling = List::new();
    let mut bytes = empty;
    for item in inputs {
        let size = item.size() + 1;
        if !filling.is_empty() && (filling.len() >= max_items || bytes + size > max_bytes) {
            sizes.push(filling.len());
            whole.push(batch(shared.as_ref(), std::mem::take(&mut filling)));
            bytes = empty;
        }
        bytes += size;
        filling.push(item);
    }
    if !filling.is_empty() {
        sizes.push(filling.len());
        whole.push(batch(shared.as_ref(), filling));
    }
    Ok((whole, Sizes::Batches(sizes)))
}

/// A batch as a child is given it.
fn batch(shared: Option<&Value>, items: List) -> Value {
    let mut batch = value::Map::with_capacity(2);
    if let Some(shared) = shared {
        batch.insert("BatchInput", shared.clone());
    }
    batch.insert("Items", Value::from(items));
    Value::from(batch)
}

fn uuid(bits: u128) -> String {
    let hex = format!("{bits:032x}");
    format!(
        "{}-{}-{}-{}-{}",
        &hex[..8],
        &hex[8..12],
        &hex[12..16],
        &hex[16..20],
        &hex[20..]
    )
}

/// A number that a text gives, always the same one (FNV-1a).
fn fingerprint(text: &str) -> u128 {
    text.bytes()
        .fold(0x6c62_272e_07bb_0142_62b8_2175_6295_c58d, |hash, byte| {
            (hash ^ u128::from(byte)).wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013b)
        })
}
