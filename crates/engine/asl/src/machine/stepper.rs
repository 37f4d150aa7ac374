//! One step of an execution: from a signal until nothing more can be done without the outside.

use std::cell::OnceCell;
use std::collections::VecDeque;

use super::track::{Home, Stage, Track, TrackId, Tracks};
use super::{Command, Environment, Execution, MAX_EVENTS, Signal, Status, Step};
use crate::context::Context;
use crate::definition::{Definition, FlowId, State};
use crate::history::{Chain, EventKind, Failure, HistoryEvent, Millis, StateType};
use crate::scope::Variables;
use crate::value::Value;

/// An execution that is taking a step.
pub(super) struct Stepper<'s> {
    pub(super) execution: &'s mut Execution,
    pub(super) definition: &'s Definition,
    pub(super) environment: Environment<'s>,
    /// What all states of the execution see of it, once one has asked.
    pub(super) context: OnceCell<Context>,
    /// All tracks as they were when what is failing began to.
    remembered: Option<Tracks>,
    events: Vec<HistoryEvent>,
    commands: Vec<Command>,
    /// Tracks that can go on, in the order in which they do. Each goes as far as it can, so that
    /// iterations that are begun together are entered together, as on AWS.
    ready: VecDeque<TrackId>,
}

impl<'s> Stepper<'s> {
    pub(super) fn new(
        execution: &'s mut Execution,
        definition: &'s Definition,
        environment: Environment<'s>,
    ) -> Self {
        Self {
            execution,
            definition,
            environment,
            context: OnceCell::new(),
            remembered: None,
            events: Vec::new(),
            commands: Vec::new(),
            ready: VecDeque::new(),
        }
    }

    pub(super) fn start(mut self) -> Step {
        let info = std::sync::Arc::clone(&self.execution.info);
        let started = EventKind::ExecutionStarted {
            input: self.execution.input.clone(),
            text: info.input_text.clone(),
            role_arn: std::sync::Arc::clone(&info.role_arn),
            alias_arn: info.alias_arn.clone(),
            version_arn: info.version_arn.clone(),
        };
        self.record(0, started);
        let input = self.execution.input.clone();
        self.begin(
            self.execution.flow,
            Home::Main,
            Variables::default(),
            Chain::default(),
            input,
        );
        self.finish()
    }

    pub(super) fn apply(mut self, signal: Signal) -> Step {
        match signal {
            Signal::Time => self.time(),
            Signal::Task(id, update) => self.task_update(id, update),
            Signal::Items(id, items) => self.items_read(id, items),
            Signal::MapRun(id, outcome) => self.map_run_ended(id, outcome),
            Signal::Stop(failure) => self.stop(failure),
        }
        self.finish()
    }

    /// Lets all tracks go on that can.
    fn finish(mut self) -> Step {
        while self.running()
            && let Some(track) = self.ready.pop_front()
        {
            self.go_on(track);
        }
        Step {
            events: self.events,
            commands: self.commands,
        }
    }

    pub(super) fn running(&self) -> bool {
        self.execution.status == Status::Running
    }

    pub(super) fn now(&self) -> Millis {
        self.environment.now.into()
    }

    /// Makes a track for a workflow that begins now.
    pub(super) fn begin(
        &mut self,
        flow: FlowId,
        home: Home,
        variables: Variables,
        chain: Chain,
        input: Value,
    ) -> TrackId {
        let track = Track {
            flow,
            home,
            variables,
            chain,
            state: self.definition.flow(flow).start,
            input,
            entered: 0,
            entered_at: self.now(),
            attempts: Vec::new(),
            stage: Stage::Ready,
        };
        let id = self.execution.tracks.add(track);
        self.ready.push_back(id);
        id
    }

    /// Has a track go on after those that already can.
    pub(super) fn wake(&mut self, id: TrackId) {
        self.ready.push_back(id);
    }

    pub(super) fn track(&self, id: TrackId) -> Option<&Track> {
        self.execution.tracks.get(id)
    }

    pub(super) fn track_mut(&mut self, id: TrackId) -> Option<&mut Track> {
        self.execution.tracks.get_mut(id)
    }

    pub(super) fn set_stage(&mut self, id: TrackId, stage: Stage) {
        if let Some(track) = self.track_mut(id) {
            track.stage = stage;
        }
    }

    /// The state that a track is in.
    pub(super) fn state_of(&self, id: TrackId) -> Option<&'s State> {
        Some(self.definition.state(self.track(id)?.state))
    }

    pub(super) fn command(&mut self, command: Command) {
        self.commands.push(command);
    }

    /// Adds an event to a track's chain, and returns its number.
    pub(super) fn event(&mut self, id: TrackId, kind: EventKind) -> u64 {
        let number = self.execution.events + 1;
        let previous = self
            .track_mut(id)
            .map_or(0, |track| track.chain.push(number));
        self.record(previous, kind);
        number
    }

    /// Adds an event that stands aside of a track's chain.
    pub(super) fn event_aside(&mut self, id: TrackId, kind: EventKind) {
        let number = self.execution.events + 1;
        let previous = self
            .track_mut(id)
            .map_or(0, |track| track.chain.push_aside(number));
        self.record(previous, kind);
    }

    /// Adds an event to a track's chain that points where it is told to.
    pub(super) fn event_instead(&mut self, id: TrackId, previous: u64, kind: EventKind) {
        let number = self.execution.events + 1;
        if let Some(track) = self.track_mut(id) {
            track.chain = Chain::after(number);
        }
        self.record(previous, kind);
    }

    /// Adds an event that points where it is told to, and that nothing points at.
    pub(super) fn event_at(&mut self, previous: u64, kind: EventKind) {
        self.record(previous, kind);
    }

    fn record(&mut self, previous_id: u64, kind: EventKind) {
        if !self.running() {
            return;
        }
        // The last event that fits says that no more do.
        if self.execution.events + 1 >= MAX_EVENTS && !self.execution.info.express && !kind.is_end()
        {
            let cause = format!(
                "The execution reached the maximum number of history events ({MAX_EVENTS})."
            );
            let failure = Failure::new("States.Runtime", cause);
            return self.end(self.execution.events, Status::Failed(failure));
        }
        self.execution.events += 1;
        let id = self.execution.events;
        self.events.push(HistoryEvent {
            id,
            previous_id,
            timestamp: self.environment.now.into(),
            kind,
        });
    }

    /// Ends the execution: nothing is waited for any more.
    pub(super) fn end(&mut self, previous_id: u64, status: Status) {
        let kind = match status.clone() {
            Status::Running => return,
            Status::Succeeded(output) => EventKind::ExecutionSucceeded(output),
            Status::Failed(failure) => EventKind::ExecutionFailed(failure),
            Status::Aborted(failure) => EventKind::ExecutionAborted(failure),
            Status::TimedOut(failure) => EventKind::ExecutionTimedOut(failure),
        };
        self.record(previous_id, kind);
        let open: Vec<TrackId> = self.execution.tracks.iter().map(|(id, _)| id).collect();
        for id in open {
            self.release(id);
        }
        let tracks = std::mem::take(&mut self.execution.tracks);
        if !matches!(status, Status::Succeeded(_)) && !self.execution.info.express {
            self.execution.unfinished = Some(self.remembered.take().unwrap_or(tracks));
        }
        self.execution.status = status;
        self.ready.clear();
    }

    /// Keeps what runs as it is, before a failure brings it down.
    pub(super) fn remember(&mut self) {
        if self.remembered.is_none() && !self.execution.info.express {
            self.remembered = Some(self.execution.tracks.clone());
        }
    }

    /// What failed is tried again, or was caught.
    pub(super) fn forget(&mut self) {
        self.remembered = None;
    }

    /// Goes on with all that had not ended well: states are entered anew, map runs go on with the
    /// children that had failed, and what was waited for still is.
    pub(super) fn redrive(mut self) -> Step {
        let count = self.execution.redrives;
        self.record(self.execution.events, EventKind::ExecutionRedriven(count));
        let tracks = self.execution.tracks.iter();
        let leaves: Vec<TrackId> = tracks
            .filter(|(_, track)| track.children().is_empty())
            .map(|(id, _)| id)
            .collect();
        for id in leaves {
            let Some(track) = self.track_mut(id) else {
                continue;
            };
            track.attempts.clear();
            match &track.stage {
                Stage::Waiting(_) => {}
                Stage::MapRun(run) => {
                    let (run, arn) = (run.id, std::sync::Arc::clone(&run.arn));
                    self.event(id, EventKind::MapRunRedriven { arn, count });
                    self.command(Command::RedriveMapRun(run));
                }
                // "Re-enters", as AWS calls it.
                _ => {
                    track.stage = Stage::Ready;
                    self.wake(id);
                }
            }
        }
        self.finish()
    }

    /// Tells the outside that nobody waits for what a track waits for.
    pub(super) fn release(&mut self, id: TrackId) {
        match self.track(id).map(|track| &track.stage) {
            Some(Stage::Task(task)) => self.commands.push(Command::Cancel(task.id)),
            Some(Stage::MapRun(run)) => self.commands.push(Command::StopMapRun(run.id)),
            _ => {}
        }
    }

    fn stop(&mut self, failure: Failure) {
        let last = self
            .track(TrackId::MAIN)
            .map_or(0, |track| track.chain.last());
        self.end(last, Status::Aborted(failure));
    }

    /// Time has passed: what was due is dealt with in the order in which it was.
    fn time(&mut self) {
        let now = self.now();
        if self
            .execution
            .deadline
            .is_some_and(|deadline| deadline <= now)
        {
            // This one event points at nothing (https://github.com/floci-io/floci, measured on AWS).
            return self.end(0, Status::TimedOut(Failure::named("States.Timeout")));
        }
        let tracks = self.execution.tracks.iter();
        let mut due: Vec<(Millis, TrackId)> = tracks
            .filter_map(|(id, track)| Some((track.due()?, id)))
            .filter(|(due, _)| *due <= now)
            .collect();
        due.sort_unstable();
        let mut timed_out = Vec::new();
        for (_, id) in due {
            match self.track(id).map(|track| &track.stage) {
                Some(Stage::Waiting(_)) => self.wait_ended(id),
                Some(Stage::Retrying(_)) => {
                    self.set_stage(id, Stage::Begun);
                    self.wake(id);
                }
                Some(Stage::Task(_)) => timed_out.push((id, self.task_timed_out(id, now))),
                _ => {}
            }
        }
        // All of them have timed out before the first one brings the others' state down.
        for (id, failure) in timed_out {
            if self.running() && self.track(id).is_some() {
                self.failed(id, failure);
            }
        }
    }
}

/// The type of a state, as events name it.
pub(super) fn state_type(state: &State) -> StateType {
    use crate::definition::Kind;
    match &state.kind {
        Kind::Pass { .. } => StateType::Pass,
        Kind::Task(_) => StateType::Task,
        Kind::Choice(_) => StateType::Choice,
        Kind::Wait(_) => StateType::Wait,
        Kind::Succeed => StateType::Succeed,
        Kind::Fail(_) => StateType::Fail,
        Kind::Parallel(_) => StateType::Parallel,
        Kind::Map(_) => StateType::Map,
    }
}
