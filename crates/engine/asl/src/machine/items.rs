//! Map states: their items, and the iterations of those that run within the execution.

use std::sync::Arc;

use super::context::Extra;
use super::evaluate::{Evaluator, Trouble, unexpected_type};
use super::states::Begun;
use super::stepper::Stepper;
use super::track::{Home, Iterations, Stage, TrackId};
use super::{MAX_INLINE_ITERATIONS, Status};
use crate::definition::{DataFlow, Map, MapMode, State};
use crate::history::{Chain, EventKind, IterationProgress, StateType};
use crate::value::{List, Value};

impl<'s> Stepper<'s> {
    /// Begins a Map state.
    pub(super) fn iterate(
        &mut self,
        id: TrackId,
        state: &'s State,
        map: &'s Map,
    ) -> Result<Begun, Trouble> {
        if let MapMode::Distributed { .. } = map.mode {
            return self.start_map_run(id, state, map);
        }
        let (items, limit) = self.evaluate(id, Extra::default(), |it| {
            Ok((items(it, state, map)?, concurrency(it, map)?))
        })?;
        let length = items.as_array().map_or(0, |list| list.len());
        let started = self.event(id, EventKind::MapStarted(length));
        let limit = if limit == 0 {
            MAX_INLINE_ITERATIONS
        } else {
            limit.min(MAX_INLINE_ITERATIONS)
        };
        let iterations = Iterations {
            items,
            next: 0,
            running: Vec::new(),
            results: vec![None; length],
            last: started,
        };
        self.set_stage(id, Stage::Iterations(Box::new(iterations)));
        if length == 0 {
            self.children_ended(id, StateType::Map, Value::from(List::new()), started);
            return Ok(Begun::Waits);
        }
        for _ in 0..limit {
            if !self.begin_iteration(id, started) {
                break;
            }
        }
        Ok(Begun::Waits)
    }

    /// Begins the next iteration of a Map state, chained to an event; whether there was one to begin.
    fn begin_iteration(&mut self, id: TrackId, after: u64) -> bool {
        let Some(state) = self.state_of(id) else {
            return false;
        };
        let crate::definition::Kind::Map(map) = &state.kind else {
            return false;
        };
        let Some(track) = self.track_mut(id) else {
            return false;
        };
        let variables = track.variables.clone();
        let Stage::Iterations(iterations) = &mut track.stage else {
            return false;
        };
        let index = iterations.next;
        let Some(item) = iterations.items.at(index).cloned() else {
            return false;
        };
        iterations.next += 1;
        let number = self.execution.events + 1;
        let name = Arc::clone(&state.name);
        self.event_at(
            after,
            EventKind::MapIteration {
                progress: IterationProgress::Started,
                name,
                index,
            },
        );
        if !self.running() {
            return false;
        }
        let extra = Extra {
            item: Some((index, item.clone())),
            ..Extra::default()
        };
        let input = self.evaluate(id, extra, |it| item_input(it, state, map, &item));
        match input {
            Ok(input) => {
                let home = Home::Iteration {
                    parent: id,
                    index,
                    item,
                };
                let child = self.begin(map.processor, home, variables, Chain::after(number), input);
                if let Some(Stage::Iterations(iterations)) =
                    self.track_mut(id).map(|track| &mut track.stage)
                {
                    iterations.running.push(child);
                }
                true
            }
            // The selector is the Map state's own, and so is its failure.
            Err(trouble) => {
                for child in self
                    .track(id)
                    .map_or(Vec::new(), |track| track.children().to_vec())
                {
                    self.abort(child, number);
                }
                if let Some(track) = self.track_mut(id) {
                    track.stage = Stage::Begun;
                }
                self.in_trouble(id, trouble);
                self.wake(id);
                false
            }
        }
    }

    /// An iteration has its result: the next one takes its place, or the state has its own.
    pub(super) fn iteration_ended(
        &mut self,
        parent: TrackId,
        child: TrackId,
        index: usize,
        output: Value,
    ) {
        let before = self.track(child).map_or(0, |track| track.chain.last());
        let name = self
            .state_of(parent)
            .map_or_else(|| Arc::from(""), |state| Arc::clone(&state.name));
        let succeeded = EventKind::MapIteration {
            progress: IterationProgress::Succeeded,
            name,
            index,
        };
        let last = self.event(child, succeeded);
        self.execution.tracks.remove(child);
        let Some(Stage::Iterations(iterations)) =
            self.track_mut(parent).map(|track| &mut track.stage)
        else {
            return;
        };
        iterations.running.retain(|running| *running != child);
        iterations.last = iterations.last.max(last);
        if let Some(result) = iterations.results.get_mut(index) {
            *result = Some(output);
        }
        // What takes a place is chained to what ended in it, not to the event that says so.
        if self.begin_iteration(parent, before) || self.execution.status != Status::Running {
            return;
        }
        let Some(Stage::Iterations(iterations)) =
            self.track_mut(parent).map(|track| &mut track.stage)
        else {
            return;
        };
        if iterations.running.is_empty() && iterations.next >= iterations.results.len() {
            let results: List = iterations.results.drain(..).flatten().collect();
            let last = iterations.last;
            self.children_ended(parent, StateType::Map, Value::from(results), last);
        }
    }
}

/// The items of a Map state.
pub(super) fn items(it: &Evaluator<'_>, state: &State, map: &Map) -> Result<Value, Trouble> {
    let input = it.effective_input()?;
    match (&state.data, &map.items) {
        (DataFlow::Jsonata(_), Some(template)) => {
            let items = it.render(template, "Items", &input, None, None)?;
            match items {
                Value::Array(_) => Ok(items),
                other => Err(unexpected_type(template, "Items", "array", &other)),
            }
        }
        (DataFlow::Jsonata(_), None) => match input {
            Value::Array(_) => Ok(input),
            other => Err(Trouble::Query {
                cause: format!("Map state input must be an array but was: {other}"),
                location: None,
                late: false,
            }),
        },
        (DataFlow::JsonPath(_), _) => match it.select(&map.items_path, &input)? {
            items @ Value::Array(_) => Ok(items),
            _ => {
                let path = match &map.items_path {
                    crate::definition::Selector::At(path) => path.as_str(),
                    _ => "$",
                };
                Err(Trouble::runtime(format!(
                    "Reference path \"{path}\" must point to array."
                )))
            }
        },
    }
}

/// `MaxConcurrency`; 0 is no limit.
pub(super) fn concurrency(it: &Evaluator<'_>, map: &Map) -> Result<u64, Trouble> {
    map.max_concurrency
        .as_ref()
        .map_or(Ok(0), |limit| it.integer(limit, "MaxConcurrency"))
}

/// What an iteration is given: the item, or what the selector makes of it.
pub(super) fn item_input(
    it: &Evaluator<'_>,
    state: &State,
    map: &Map,
    item: &Value,
) -> Result<Value, Trouble> {
    let input = it.effective_input()?;
    match (&map.item_selector, &state.data) {
        (Some(selector), _) => it.render(selector, "ItemSelector", &input, None, None),
        (None, DataFlow::JsonPath(data)) => match &data.parameters {
            Some(parameters) => it.render(parameters, "Parameters", &input, None, None),
            None => Ok(item.clone()),
        },
        (None, DataFlow::Jsonata(_)) => Ok(item.clone()),
    }
}
