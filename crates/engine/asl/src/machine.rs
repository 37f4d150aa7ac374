//! The machine: the state of an execution so far, and what a signal makes of it.
//!
//! [`Execution::start`] begins one and [`Execution::apply`] hands it what has happened: the time, the
//! answer of a task, the end of a map run, a stop. Both go on until nothing more can be done without
//! the outside, and return a [`Step`]: the events of the history, and the commands for the outside. The
//! execution has no clock; [`Execution::next_due`] says when the time is wanted next.
//!
//! Given the same signals, times and random numbers it goes the same way, and it is serialisable: who
//! runs it may keep the state, or the signals and play them again.
//!
//! Within, an execution is a tree of tracks: one for the machine, one for each branch and iteration
//! that runs. A track is always in one state, and [`track::Stage`] says what it waits for there.

mod branches;
mod context;
mod distributed;
mod evaluate;
mod failure;
mod flow;
mod items;
mod map_run;
mod states;
mod stepper;
mod task;
pub mod test_state;
mod track;

use std::sync::Arc;

use ids::{Entropy, Timestamp};
use serde::{Deserialize, Serialize};

use crate::definition::{Definition, FlowId, MachineType, StateId};
use crate::history::{Failure, HistoryEvent, Millis};
use crate::value::Value;

pub use map_run::{ChildOutcome, MapCommand, MapCounts, MapRun, MapStep};
pub use task::{TaskRequest, TaskUpdate};
pub use track::TrackId;

/// The most bytes of a payload
/// (<https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html>).
pub const MAX_PAYLOAD: usize = 262_144;

/// The most events of a standard execution's history (same page).
pub const MAX_EVENTS: u64 = 25_000;

/// How many iterations of an INLINE Map run at once (same page).
pub const MAX_INLINE_ITERATIONS: u64 = 40;

/// What is passed in with every signal.
#[derive(Debug, Clone, Copy)]
pub struct Environment<'e> {
    /// The time.
    pub now: Timestamp,
    /// The dice, for jitter, tokens, and functions that draw numbers.
    pub random: &'e dyn Entropy,
}

/// What is known of an execution beside its definition; most of it for the context object.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Info {
    /// The execution's ARN.
    pub id: Arc<str>,
    /// Its name.
    pub name: Arc<str>,
    /// The role that it runs in.
    pub role_arn: Arc<str>,
    /// The state machine's ARN.
    pub machine_id: Arc<str>,
    /// The state machine's name.
    pub machine_name: Arc<str>,
    /// The region, for tasks whose resource names none.
    pub region: Arc<str>,
    /// The alias that it was started by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alias_arn: Option<Arc<str>>,
    /// The version that runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version_arn: Option<Arc<str>>,
    /// Whether it is an express execution, whose history has no bound.
    pub express: bool,
    /// The input as it was written, where that is not how [`Value`] writes it: AWS repeats it so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input_text: Option<Arc<str>>,
}

/// An execution: the state so far.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Execution {
    info: Arc<Info>,
    flow: FlowId,
    input: Value,
    started: Millis,
    deadline: Option<Millis>,
    redrives: u32,
    status: Status,
    events: u64,
    tracks: track::Tracks,
    /// What had not ended well when it failed, to be redriven.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    unfinished: Option<track::Tracks>,
}

/// How an execution stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Status {
    /// It goes on.
    Running,
    /// It ended with this output.
    Succeeded(Value),
    /// It failed.
    Failed(Failure),
    /// It was stopped.
    Aborted(Failure),
    /// Its time ran out.
    TimedOut(Failure),
}

/// A task or a map run of an execution: the number of the event that began it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TaskId(pub u64);

/// What has happened outside.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Signal {
    /// Time has passed.
    Time,
    /// A task got on. For a task that has ended in the meantime it says nothing.
    Task(TaskId, TaskUpdate),
    /// The items of a map run were read.
    Items(TaskId, Result<Value, Failure>),
    /// A map run ended.
    MapRun(TaskId, Result<Value, Failure>),
    /// The execution is to stop.
    Stop(Failure),
}

/// What the outside is asked to do.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// Have a task done.
    Schedule(Box<TaskRequest>),
    /// Nobody waits for the task any more.
    Cancel(TaskId),
    /// Read the items of a map run.
    ReadItems(Box<ReadRequest>),
    /// Begin the children of a map run.
    StartMapRun(Box<MapRunRequest>),
    /// Nobody waits for the map run any more.
    StopMapRun(TaskId),
    /// Go on with a map run that failed ([`MapRun::redrive`]).
    RedriveMapRun(TaskId),
}

/// Items that are to be read for a map run that has begun.
#[derive(Debug, Clone, PartialEq)]
pub struct ReadRequest {
    /// Under which the items are signalled.
    pub id: TaskId,
    /// The Map state, whose definition says how they are read.
    pub state: StateId,
    /// The reader's parameters.
    pub parameters: Value,
    /// How many items are wanted at most.
    pub max_items: Option<u64>,
}

/// A map run whose children are to be begun.
#[derive(Debug, Clone, PartialEq)]
pub struct MapRunRequest {
    /// Under which its end is signalled.
    pub id: TaskId,
    /// Its ARN, which the history already names.
    pub arn: Arc<str>,
    /// The Map state.
    pub state: StateId,
    /// The writer's parameters, where there is a writer.
    pub writer: Option<Value>,
    /// The run itself.
    pub run: MapRun,
}

/// What a signal led to.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Step {
    /// The events that it adds to the history.
    pub events: Vec<HistoryEvent>,
    /// What is to be done, in this order.
    pub commands: Vec<Command>,
}

impl Execution {
    /// Begins an execution of a machine.
    pub fn start(
        definition: &Definition,
        info: Info,
        input: Value,
        environment: Environment<'_>,
    ) -> (Self, Step) {
        Self::start_flow(definition, definition.main(), info, input, environment)
    }

    /// Begins an execution of one of a machine's workflows, as a child of a map run is one.
    pub fn start_flow(
        definition: &Definition,
        flow: FlowId,
        info: Info,
        input: Value,
        environment: Environment<'_>,
    ) -> (Self, Step) {
        let started = Millis::from(environment.now);
        let timeout = definition
            .timeout_seconds()
            .filter(|_| flow == definition.main());
        let mut execution = Self {
            info: Arc::new(info),
            flow,
            input,
            started,
            deadline: timeout.map(|seconds| task::after(started, seconds)),
            redrives: 0,
            status: Status::Running,
            events: 0,
            tracks: track::Tracks::default(),
            unfinished: None,
        };
        let step = stepper::Stepper::new(&mut execution, definition, environment).start();
        (execution, step)
    }

    /// Goes on by what has happened. A signal that comes too late leads to nothing.
    pub fn apply(
        &mut self,
        definition: &Definition,
        signal: Signal,
        environment: Environment<'_>,
    ) -> Step {
        if self.status != Status::Running {
            return Step::default();
        }
        stepper::Stepper::new(self, definition, environment).apply(signal)
    }

    /// Whether [`Self::redrive`] can go on with it.
    pub fn is_redrivable(&self) -> bool {
        self.unfinished.is_some() && self.events + 1 < MAX_EVENTS
    }

    /// Goes on with an execution that failed, was stopped or ran out of time: what had succeeded stays,
    /// what had not is done again, with its retriers as new
    /// (<https://docs.aws.amazon.com/step-functions/latest/dg/redrive-executions.html>). Nothing comes
    /// of it where [`Self::is_redrivable`] says no.
    pub fn redrive(&mut self, definition: &Definition, environment: Environment<'_>) -> Step {
        if !self.is_redrivable() {
            return Step::default();
        }
        self.tracks = self.unfinished.take().unwrap_or_default();
        self.status = Status::Running;
        self.redrives += 1;
        let timeout = definition
            .timeout_seconds()
            .filter(|_| self.flow == definition.main());
        self.deadline = timeout.map(|seconds| task::after(environment.now.into(), seconds));
        stepper::Stepper::new(self, definition, environment).redrive()
    }

    /// How it stands.
    pub fn status(&self) -> &Status {
        &self.status
    }

    /// What it was started with.
    pub fn input(&self) -> &Value {
        &self.input
    }

    /// What is known of it.
    pub fn info(&self) -> &Info {
        &self.info
    }

    /// The number of events in its history.
    pub fn events(&self) -> u64 {
        self.events
    }

    /// When it wants [`Signal::Time`] next.
    pub fn next_due(&self) -> Option<Timestamp> {
        if self.status != Status::Running {
            return None;
        }
        let tracks = self.tracks.iter().filter_map(|(_, track)| track.due());
        tracks.chain(self.deadline).min().map(Timestamp::from)
    }

    /// The tasks that have not ended, with their tokens: what must be found again after a restart.
    pub fn open_tasks(&self) -> impl Iterator<Item = (TaskId, Option<&Arc<str>>)> {
        self.tracks
            .iter()
            .filter_map(|(_, track)| track.open_task())
    }

    /// The states that it is in, with the tracks that are in them.
    pub fn active_states(&self) -> impl Iterator<Item = (TrackId, StateId)> {
        self.tracks.iter().map(|(id, track)| (id, track.state))
    }
}

impl Info {
    /// What is known of an execution that stands by itself, for trying a machine out.
    pub fn example() -> Self {
        let execution = "arn:aws:states:us-east-1:123456789012:execution:Machine:Execution";
        Self {
            id: execution.into(),
            name: "Execution".into(),
            role_arn: "arn:aws:iam::123456789012:role/Role".into(),
            machine_id: "arn:aws:states:us-east-1:123456789012:stateMachine:Machine".into(),
            machine_name: "Machine".into(),
            region: "us-east-1".into(),
            alias_arn: None,
            version_arn: None,
            express: false,
            input_text: None,
        }
    }

    /// The type of its machine.
    pub fn machine_type(&self) -> MachineType {
        if self.express {
            MachineType::Express
        } else {
            MachineType::Standard
        }
    }
}
