//! The outside of an execution, played from a recorded history: tasks answer as they did then.

use asl::definition::Definition;
use asl::history::{Failure, HistoryEvent, TaskProgress};
use asl::machine::{
    ChildOutcome, Command, Environment, Execution, Info, MapCommand, MapRunRequest, Signal, Status,
    Step, TaskId, TaskUpdate,
};
use asl::value::Value;
use ids::{SeededEntropy, Timestamp};
use serde_json::Value as Json;

/// Why a history cannot be played.
pub(crate) enum Stuck {
    /// It needs what the recording does not show.
    Needs(String),
    /// The machine waits for something that never came.
    Waits,
}

/// An execution that goes as a recorded one did.
pub(crate) struct Play<'p> {
    definition: &'p Definition,
    recorded: &'p [Json],
    execution: Execution,
    now: Timestamp,
    random: SeededEntropy,
    pub(crate) events: Vec<HistoryEvent>,
    commands: Vec<Command>,
    /// The tasks in the order in which they were scheduled.
    tasks: Vec<TaskId>,
    stuck: Option<Stuck>,
}

/// Plays a history.
pub(crate) fn play(
    definition: &Definition,
    recorded: &[Json],
) -> Result<Vec<HistoryEvent>, (Stuck, Vec<HistoryEvent>)> {
    let given = &recorded[0]["executionStartedEventDetails"]["input"];
    let input = data(given);
    let mut info = info();
    info.input_text = given.as_str().map(Into::into);
    let random = SeededEntropy::new(1);
    let now = Timestamp(1_700_000_000_000_000);
    let environment = Environment {
        now,
        random: &random,
    };
    let (execution, step) = Execution::start(definition, info, input, environment);
    let mut play = Play {
        definition,
        recorded,
        execution,
        now,
        random,
        events: Vec::new(),
        commands: Vec::new(),
        tasks: Vec::new(),
        stuck: None,
    };
    play.take(step);
    play.run();
    match play.stuck {
        None => Ok(play.events),
        Some(stuck) => Err((stuck, play.events)),
    }
}

impl Play<'_> {
    fn take(&mut self, step: Step) {
        self.events.extend(step.events);
        self.commands.extend(step.commands);
    }

    fn signal(&mut self, signal: Signal) {
        // What is stored between two steps is all that there is.
        let stored = serde_json::to_string(&self.execution).expect("an execution is serialisable");
        self.execution = serde_json::from_str(&stored).expect("and comes back");
        let environment = Environment {
            now: self.now,
            random: &self.random,
        };
        let step = self.execution.apply(self.definition, signal, environment);
        self.take(step);
    }

    fn run(&mut self) {
        for _ in 0..2000 {
            for command in std::mem::take(&mut self.commands) {
                match command {
                    Command::Schedule(request) => self.tasks.push(request.id),
                    Command::StartMapRun(request) => self.map_run(*request),
                    Command::ReadItems(request) => self.read_items(request.id),
                    Command::Cancel(_) | Command::StopMapRun(_) | Command::RedriveMapRun(_) => {}
                }
            }
            if *self.execution.status() != Status::Running || self.stuck.is_some() {
                return;
            }
            if !self.commands.is_empty() {
                continue;
            }
            match self.next_signal() {
                Some(signal) => self.signal(signal),
                None => match self.execution.next_due() {
                    Some(due) => {
                        self.now = Timestamp(self.now.0.max(due.0));
                        self.signal(Signal::Time);
                    }
                    None => {
                        self.stuck = Some(Stuck::Waits);
                        return;
                    }
                },
            }
        }
        self.stuck = Some(Stuck::Waits);
    }

    /// What the recording tells next of a task, where that is not that its time ran out.
    fn next_signal(&self) -> Option<Signal> {
        let recorded = if super::compare::is_unordered(self.recorded) {
            // The order is lost: the task's own events are told in their order.
            let order = ["Scheduled", "Started", "Submitted", "Succeeded", "Failed"];
            let rank = |event: &Json| {
                order
                    .iter()
                    .position(|end| kind(event).ends_with(end) && kind(event).len() > end.len())
            };
            let told = self
                .events
                .iter()
                .filter(|event| is_progress(event.kind.type_name()))
                .count();
            let mut progress: Vec<&Json> = self
                .recorded
                .iter()
                .filter(|event| is_progress(kind(event)))
                .collect();
            progress.sort_by_key(|event| rank(event));
            progress.get(told).copied()?
        } else {
            self.recorded.get(self.events.len())?
        };
        if !is_progress(kind(recorded)) || kind(recorded).ends_with("TimedOut") {
            return None;
        }
        let task = self.task_of(recorded)?;
        let fields = recorded
            .as_object()?
            .iter()
            .find(|(name, _)| name.ends_with("EventDetails"))
            .map(|(_, it)| it);
        let nothing = Json::Null;
        let fields = fields.unwrap_or(&nothing);
        let failure = || Failure {
            error: fields["error"].as_str().map(Into::into),
            cause: text(&fields["cause"]).map(Into::into),
        };
        let end = kind(recorded);
        let progress = if end.ends_with("ScheduleFailed") {
            TaskProgress::ScheduleFailed(failure())
        } else if end.ends_with("StartFailed") {
            TaskProgress::StartFailed(failure())
        } else if end.ends_with("SubmitFailed") {
            TaskProgress::SubmitFailed(failure())
        } else if end.ends_with("Started") {
            TaskProgress::Started(fields["workerName"].as_str().map(Into::into))
        } else if end.ends_with("Submitted") {
            TaskProgress::Submitted(data(&fields["output"]))
        } else if end.ends_with("Succeeded") {
            TaskProgress::Succeeded(data(&fields["output"]))
        } else if fields["error"] == "States.DataLimitExceeded" {
            // What was too large is not in the recording.
            TaskProgress::Succeeded(Value::from("x".repeat(300_000)))
        } else {
            TaskProgress::Failed(failure())
        };
        Some(Signal::Task(task, TaskUpdate::Progress(progress)))
    }

    /// The task that a recorded event is about: the one whose scheduling it goes back to.
    fn task_of(&self, recorded: &Json) -> Option<TaskId> {
        if super::compare::is_unordered(self.recorded) {
            return self.tasks.last().copied();
        }
        let mut event = recorded;
        for _ in 0..10 {
            if kind(event).ends_with("Scheduled") {
                return Some(TaskId(event["id"].as_u64()?));
            }
            event = self.recorded.get(
                usize::try_from(event["previousEventId"].as_u64()?)
                    .ok()?
                    .checked_sub(1)?,
            )?;
        }
        None
    }

    fn read_items(&mut self, id: TaskId) {
        let failed = self
            .recorded
            .iter()
            .find(|event| kind(event) == "MapRunFailed");
        match failed.map(|event| &event["mapRunFailedEventDetails"]) {
            Some(failure) => {
                let failure = Failure {
                    error: failure["error"].as_str().map(Into::into),
                    cause: failure["cause"].as_str().map(Into::into),
                };
                self.signal(Signal::Items(id, Err(failure)));
            }
            None => self.stuck = Some(Stuck::Needs("items that are read".to_owned())),
        }
    }

    /// Runs a map run, whose children's histories are in no recording: they have to do without tasks.
    fn map_run(&mut self, request: MapRunRequest) {
        let mut run = request.run;
        if request.writer.is_some() {
            self.stuck = Some(Stuck::Needs("results that are written".to_owned()));
            return;
        }
        let mut queue = std::collections::VecDeque::from(run.start());
        while let Some(command) = queue.pop_front() {
            match command {
                MapCommand::StartChild(index, input) => {
                    let environment = Environment {
                        now: self.now,
                        random: &self.random,
                    };
                    let (child, _) = Execution::start_flow(
                        self.definition,
                        run.flow(),
                        info(),
                        input,
                        environment,
                    );
                    let outcome = match child.status() {
                        Status::Succeeded(output) => ChildOutcome::Succeeded(output.clone()),
                        Status::Failed(failure) => ChildOutcome::Failed(failure.clone()),
                        Status::TimedOut(_) => ChildOutcome::TimedOut,
                        Status::Aborted(_) => ChildOutcome::Aborted,
                        Status::Running => {
                            self.stuck = Some(Stuck::Needs("children with tasks".to_owned()));
                            return;
                        }
                    };
                    queue.extend(run.child_ended(index, outcome));
                }
                MapCommand::StopChild(_) => {}
                MapCommand::Finish(outcome) => self.signal(Signal::MapRun(request.id, outcome)),
            }
        }
    }
}

/// What is known of an execution, in the account of the recordings.
fn info() -> Info {
    let text = serde_json::to_string(&Info::example()).expect("it is serialisable");
    serde_json::from_str(&text.replace("123456789012", "111111111111")).expect("and comes back")
}

fn kind(event: &Json) -> &str {
    event["type"].as_str().unwrap_or_default()
}

fn is_progress(kind: &str) -> bool {
    let worker = ["Task", "LambdaFunction", "Activity"]
        .iter()
        .any(|prefix| kind.starts_with(prefix));
    worker && !kind.contains("State") && !(kind.ends_with("Scheduled"))
}

/// A text that the recorder has parsed, as a text again.
fn text(recorded: &Json) -> Option<String> {
    match recorded {
        Json::Null => None,
        Json::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

/// Data of an event: JSON, or the text of JSON.
fn data(recorded: &Json) -> Value {
    match recorded {
        Json::String(text) => Value::parse(text).unwrap_or_else(|_| Value::from(text.as_str())),
        other => Value::from(other),
    }
}
