//! Tracks: the machine, and each branch and iteration that runs.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::TaskId;
use crate::definition::{FlowId, StateId};
use crate::history::{Chain, Millis, Worker};
use crate::scope::Variables;
use crate::value::Value;

/// A track of an execution. Ids are used again once a track has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TrackId(u32);

impl TrackId {
    /// The machine's own track.
    pub const MAIN: Self = Self(0);
}

/// A workflow that runs, and the state that it is in.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Track {
    pub(super) flow: FlowId,
    pub(super) home: Home,
    #[serde(with = "variables")]
    pub(super) variables: Variables,
    pub(super) chain: Chain,
    pub(super) state: StateId,
    /// What the state was given.
    pub(super) input: Value,
    /// The number of the event by which it was entered.
    pub(super) entered: u64,
    pub(super) entered_at: Millis,
    /// How often each of its retriers has retried; empty before the first time.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) attempts: Vec<u64>,
    pub(super) stage: Stage,
}

/// Whose part a track is.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) enum Home {
    /// The machine itself.
    Main,
    /// A branch of a Parallel state.
    Branch { parent: TrackId, index: usize },
    /// An iteration of a Map state.
    Iteration {
        parent: TrackId,
        index: usize,
        item: Value,
    },
}

/// What a track waits for in its state.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) enum Stage {
    /// Nothing: the state is to be entered.
    Ready,
    /// Nothing: the state was entered, and is being dealt with.
    Begun,
    /// The answer of a task.
    Task(Box<OpenTask>),
    /// The end of a Wait state.
    Waiting(Millis),
    /// The next attempt.
    Retrying(Millis),
    /// The branches of a Parallel state.
    Branches(Box<Branches>),
    /// The iterations of a Map state.
    Iterations(Box<Iterations>),
    /// A map run.
    MapRun(Box<OpenMapRun>),
}

/// A task that was scheduled and has not ended.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct OpenTask {
    pub(super) id: TaskId,
    pub(super) worker: Worker,
    pub(super) resource: Arc<str>,
    pub(super) token: Option<Arc<str>>,
    /// Whether its start is in the history.
    pub(super) started: bool,
    pub(super) deadline: Option<Millis>,
    pub(super) heartbeat_seconds: Option<u64>,
    pub(super) heartbeat_due: Option<Millis>,
}

/// A map run that has begun and not ended.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct OpenMapRun {
    pub(super) id: TaskId,
    pub(super) arn: Arc<str>,
}

/// The branches of a Parallel state that runs.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Branches {
    pub(super) running: Vec<TrackId>,
    pub(super) results: Vec<Option<Value>>,
    /// The latest event of those that have ended.
    pub(super) last: u64,
}

/// The iterations of a Map state that runs.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Iterations {
    pub(super) items: Value,
    /// The index of the next item to begin.
    pub(super) next: usize,
    pub(super) running: Vec<TrackId>,
    pub(super) results: Vec<Option<Value>>,
    pub(super) last: u64,
}

impl Track {
    pub(super) fn due(&self) -> Option<Millis> {
        match &self.stage {
            Stage::Task(task) => match (task.deadline, task.heartbeat_due) {
                (Some(one), Some(other)) => Some(one.min(other)),
                (one, other) => one.or(other),
            },
            Stage::Waiting(until) | Stage::Retrying(until) => Some(*until),
            _ => None,
        }
    }

    pub(super) fn open_task(&self) -> Option<(TaskId, Option<&Arc<str>>)> {
        match &self.stage {
            Stage::Task(task) => Some((task.id, task.token.as_ref())),
            Stage::MapRun(run) => Some((run.id, None)),
            _ => None,
        }
    }

    /// The tracks that run within its state.
    pub(super) fn children(&self) -> &[TrackId] {
        match &self.stage {
            Stage::Branches(branches) => &branches.running,
            Stage::Iterations(iterations) => &iterations.running,
            _ => &[],
        }
    }
}

/// All tracks of an execution, by their ids.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Tracks {
    slots: Vec<Option<Track>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    free: Vec<u32>,
}

impl Tracks {
    pub(super) fn add(&mut self, track: Track) -> TrackId {
        if let Some(slot) = self.free.pop()
            && let Some(place) = self.slots.get_mut(slot as usize)
        {
            *place = Some(track);
            return TrackId(slot);
        }
        self.slots.push(Some(track));
        TrackId(u32::try_from(self.slots.len() - 1).unwrap_or(u32::MAX))
    }

    pub(super) fn get(&self, id: TrackId) -> Option<&Track> {
        self.slots.get(id.0 as usize)?.as_ref()
    }

    pub(super) fn get_mut(&mut self, id: TrackId) -> Option<&mut Track> {
        self.slots.get_mut(id.0 as usize)?.as_mut()
    }

    pub(super) fn remove(&mut self, id: TrackId) -> Option<Track> {
        let track = self.slots.get_mut(id.0 as usize)?.take()?;
        self.free.push(id.0);
        Some(track)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (TrackId, &Track)> {
        (0..)
            .map(TrackId)
            .zip(&self.slots)
            .filter_map(|(id, slot)| Some((id, slot.as_ref()?)))
    }
}

/// Variables as the JSON object that they are.
mod variables {
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

    use crate::scope::Variables;
    use crate::value::Value;

    pub(super) fn serialize<S: Serializer>(
        variables: &Variables,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        Value::from(variables.all().clone()).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Variables, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::Object(map) => Ok(Variables::from((*map).clone())),
            _ => Err(de::Error::custom("variables are a JSON object")),
        }
    }
}
