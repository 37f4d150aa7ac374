//! Distributed Map states: beginning their map runs, and taking up what came of them.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::context::Extra;
use super::evaluate::{Evaluator, Trouble};
use super::items::{concurrency, item_input, items};
use super::map_run::{MapCounts, MapRun, Sizes};
use super::states::Begun;
use super::stepper::Stepper;
use super::track::{OpenMapRun, Stage, TrackId};
use super::{Command, MAX_PAYLOAD, MapRunRequest, ReadRequest, TaskId};
use crate::definition::{Kind, MachineType, Map, MapMode, Next, State};
use crate::history::{EventKind, Failure, StateType};
use crate::value::{self, List, Value};

/// The most children that run at once
/// (<https://docs.aws.amazon.com/step-functions/latest/dg/state-map-distributed.html>).
const MAX_CHILDREN: u64 = 10_000;

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
        let Some(track) = self.track_mut(id) else {
            return Ok(Begun::Waits);
        };
        track.stage = Stage::MapRun(Box::new(OpenMapRun { id: run, arn }));
        let map_state = track.state;
        match given {
            Some(items) => self.children_of(id, state, map, &items, limit)?,
            None => self.command(Command::ReadItems(Box::new(ReadRequest {
                id: run,
                state: map_state,
                parameters: reading.unwrap_or_default(),
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
        let Kind::Map(map) = &state.kind else {
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
            pending: (0..children).collect(),
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
        if outcome.is_err() {
            // Redriven, the state goes on with this run.
            self.remember();
        }
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
        .map(|percentage| it.float(percentage, "ToleratedFailurePercentage"))
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
