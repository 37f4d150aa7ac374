//! Following the machine, its branches and its iterations through a history.

use std::collections::HashMap;

use serde_json::{Map, Value};

use crate::event::Event;
use crate::rules::{Rule, Violation};

/// A workflow that runs: the machine, a branch or an iteration.
struct Track<'d> {
    /// The object with `StartAt` and `States`.
    flow: &'d Value,
    /// The track and the index of what it is a branch or an iteration of.
    parent: Option<(usize, u64)>,
    /// The state that it is in.
    open: Option<Open<'d>>,
    /// The state that it left last, and whether that had failed.
    left: Option<(String, bool)>,
    output: Option<Value>,
    ended: bool,
}

/// A state that was entered and not left.
struct Open<'d> {
    name: String,
    state: &'d Value,
    /// Whether what was last heard of it is that it, or what worked for it, failed.
    failed: bool,
    /// Whether the history says that it failed for good, so that it can only be caught.
    over: bool,
    /// Whether the execution was redriven while it was open, so that it may be entered anew.
    redriven: bool,
    attempts: u64,
    /// The branches or iterations of its latest attempt: their tracks by their indexes.
    children: HashMap<u64, usize>,
    /// How many there are to be; none before they have begun.
    expected: Option<u64>,
}

/// A history as far as it has been read.
pub(crate) struct Checker<'d> {
    definition: &'d Value,
    tracks: Vec<Track<'d>>,
    /// The track that each event belongs to.
    owners: HashMap<u64, usize>,
    input: Option<Value>,
    events: u64,
    time: f64,
    ended: bool,
    violations: Vec<Violation>,
}

impl<'d> Checker<'d> {
    pub(crate) fn new(definition: &'d Value) -> Self {
        Self {
            definition,
            tracks: Vec::new(),
            owners: HashMap::new(),
            input: None,
            events: 0,
            time: f64::NEG_INFINITY,
            ended: false,
            violations: Vec::new(),
        }
    }

    pub(crate) fn finish(mut self) -> Vec<Violation> {
        if self.events > 25_000 {
            self.broken(0, Rule::TooManyEvents);
        }
        self.violations
    }

    fn broken(&mut self, event: u64, rule: Rule) {
        self.violations.push(Violation { event, rule });
    }

    pub(crate) fn event(&mut self, index: usize, json: &Value) {
        let event = Event::new(json);
        let (id, kind) = (event.id(), event.kind());
        self.events += 1;
        let expected = index as u64 + 1;
        if id != expected {
            self.broken(id, Rule::Number(expected));
        }
        if event.previous() >= id {
            self.broken(id, Rule::Previous(event.previous()));
        }
        if let Some(time) = event.timestamp() {
            if time < self.time {
                self.broken(id, Rule::Time);
            }
            self.time = time;
        }
        if (index == 0) != (kind == "ExecutionStarted") {
            self.broken(id, Rule::Beginning);
        }
        if self.ended && kind != "ExecutionRedriven" {
            self.broken(id, Rule::AfterEnd);
        }
        if let Err(rule) = self.follow(event, id, kind) {
            self.broken(id, rule);
        }
    }

    fn follow(&mut self, event: Event<'_>, id: u64, kind: &str) -> Result<(), Rule> {
        match kind {
            "ExecutionStarted" => self.input = event.data("input"),
            "ExecutionSucceeded" => return self.succeeded(event),
            "ExecutionFailed" | "ExecutionAborted" | "ExecutionTimedOut" => self.ended = true,
            "ExecutionRedriven" => self.redriven(),
            "ParallelStateStarted" => return self.children_begin(event, id, "Parallel"),
            "MapStateStarted" => return self.children_begin(event, id, "Map"),
            "ParallelStateSucceeded" | "MapStateSucceeded" => {
                return self.children_ended(event, id);
            }
            "MapIterationStarted" => return self.iteration(event, id),
            _ => {
                if let Some(entered) = kind.strip_suffix("StateEntered") {
                    return self.enter(event, id, entered);
                }
                if let Some(exited) = kind.strip_suffix("StateExited") {
                    return self.exit(event, id, exited);
                }
                return self.within(event, id, kind);
            }
        }
        Ok(())
    }

    /// What had not ended well goes on, with its retriers as new.
    fn redriven(&mut self) {
        self.ended = false;
        for open in self
            .tracks
            .iter_mut()
            .filter_map(|track| track.open.as_mut())
        {
            open.over = false;
            open.failed = open.state["Type"] != "Wait";
            open.redriven = true;
            open.attempts = 1;
        }
    }

    fn owner(&self, event: Event<'_>) -> Result<usize, Rule> {
        self.owners
            .get(&event.previous())
            .copied()
            .ok_or(Rule::Stray)
    }

    fn track(&mut self, index: usize) -> Result<&mut Track<'d>, Rule> {
        self.tracks.get_mut(index).ok_or(Rule::Stray)
    }

    fn open(&mut self, index: usize) -> Result<&mut Open<'d>, Rule> {
        self.track(index)?.open.as_mut().ok_or(Rule::Stray)
    }

    fn begin(&mut self, flow: &'d Value, parent: Option<(usize, u64)>) -> usize {
        self.tracks.push(Track {
            flow,
            parent,
            open: None,
            left: None,
            output: None,
            ended: false,
        });
        self.tracks.len() - 1
    }

    fn enter(&mut self, event: Event<'_>, id: u64, entered: &str) -> Result<(), Rule> {
        let name = event.name();
        let owner = match self.owner(event) {
            Ok(owner) => self.branch_of(owner, name)?,
            // The machine's first state follows nothing.
            Err(_) if event.previous() == 0 && self.tracks.is_empty() => {
                self.begin(self.definition, None)
            }
            Err(stray) => return Err(stray),
        };
        self.owners.insert(id, owner);
        let input = self.input.clone();
        let track = self.track(owner)?;
        let anew = track
            .open
            .as_ref()
            .is_some_and(|open| open.redriven && open.name == name);
        if (track.open.is_some() && !anew) || track.ended {
            return Err(Rule::Order(event.kind().to_owned()));
        }
        let state = track.flow["States"]
            .get(name)
            .ok_or_else(|| Rule::UnknownState(name.to_owned()))?;
        let is = state["Type"].as_str().unwrap_or_default();
        if is != entered {
            return Err(Rule::StateType {
                state: name.to_owned(),
                entered: entered.to_owned(),
                is: is.to_owned(),
            });
        }
        let before = match (&track.left, track.parent) {
            (Some((left, failed)), _) => {
                if !leads_to(&track.flow["States"][left.as_str()], name, *failed) {
                    return Err(Rule::Transition {
                        from: left.clone(),
                        to: name.to_owned(),
                    });
                }
                track.output.clone()
            }
            (None, parent) => {
                let start = track.flow["StartAt"].as_str().unwrap_or_default();
                if start != name {
                    return Err(Rule::Start(start.to_owned()));
                }
                input.filter(|_| parent.is_none())
            }
        };
        track.open = Some(Open {
            name: name.to_owned(),
            state,
            failed: false,
            over: false,
            redriven: false,
            attempts: 0,
            children: HashMap::new(),
            expected: None,
        });
        if let (Some(before), Some(input)) = (before, event.data("input"))
            && before != input
        {
            return Err(Rule::Input);
        }
        Ok(())
    }

    /// The track that a state belongs to whose event points at one of `owner`: that one, or a branch of it
    /// that begins.
    fn branch_of(&mut self, owner: usize, name: &str) -> Result<usize, Rule> {
        if let Some(anew) = self.redriven_at(owner, name) {
            return Ok(anew);
        }
        let open = self.track(owner)?.open.as_ref();
        let Some(open) = open.filter(|open| open.state["Type"] == "Parallel") else {
            return Ok(owner);
        };
        let branches = open.state["Branches"]
            .as_array()
            .map_or(&[][..], Vec::as_slice);
        let begins = branches.iter().enumerate().find(|(index, branch)| {
            branch["StartAt"] == name && !open.children.contains_key(&(*index as u64))
        });
        let (index, branch) = begins.ok_or_else(|| Rule::Start(name.to_owned()))?;
        let index = index as u64;
        let child = self.begin(branch, Some((owner, index)));
        self.open(owner)?.children.insert(index, child);
        Ok(child)
    }

    /// The track, at or around `owner`, whose state of that name may be entered anew.
    fn redriven_at(&self, mut owner: usize, name: &str) -> Option<usize> {
        loop {
            let track = self.tracks.get(owner)?;
            let open = track.open.as_ref();
            if open.is_some_and(|open| open.redriven && open.name == name) {
                return Some(owner);
            }
            owner = track.parent?.0;
        }
    }

    fn iteration(&mut self, event: Event<'_>, id: u64) -> Result<(), Rule> {
        // It points at the Map's own event, or at the last one of an iteration whose place it takes.
        let owner = self.owner(event)?;
        let is_map = |track: &Track<'_>| {
            track
                .open
                .as_ref()
                .is_some_and(|open| open.state["Type"] == "Map" && open.name == event.name())
        };
        let map = match self.track(owner)? {
            track if is_map(track) => owner,
            track => track.parent.map(|(parent, _)| parent).ok_or(Rule::Stray)?,
        };
        let index = event.number("index").unwrap_or(u64::MAX);
        let open = self.open(map)?;
        if open.name != event.name() {
            return Err(Rule::Stray);
        }
        if open.expected.is_none_or(|expected| index >= expected)
            || open.children.contains_key(&index)
        {
            return Err(Rule::Iteration(index));
        }
        let state = open.state;
        let flow = state
            .get("ItemProcessor")
            .or_else(|| state.get("Iterator"))
            .unwrap_or(&Value::Null);
        let child = self.begin(flow, Some((map, index)));
        self.owners.insert(id, child);
        self.open(map)?.children.insert(index, child);
        let children: Vec<usize> = self.open(map)?.children.values().copied().collect();
        let running = children
            .into_iter()
            .filter(|child| !self.tracks[*child].ended)
            .count();
        let limit = match state.get("MaxConcurrency").and_then(Value::as_u64) {
            Some(limit) if limit > 0 => limit.min(40),
            _ => 40,
        };
        if running as u64 > limit {
            return Err(Rule::Concurrency { running, limit });
        }
        Ok(())
    }

    fn children_begin(&mut self, event: Event<'_>, id: u64, kind: &str) -> Result<(), Rule> {
        let owner = self.owner_of_state(event, kind)?;
        // Another attempt follows what failed within the one before.
        let within = self.owner(event)? != owner;
        self.owners.insert(id, owner);
        let open = self.open(owner)?;
        if open.expected.is_some() && !open.failed && !within {
            return Err(Rule::Order(event.kind().to_owned()));
        }
        open.attempts += 1;
        open.failed = false;
        open.children.clear();
        open.expected = match kind {
            "Map" => event.number("length"),
            _ => open.state["Branches"]
                .as_array()
                .map(|branches| branches.len() as u64),
        };
        attempts(open)
    }

    /// The track whose state of that type is open, at or around the one that an event points at: what
    /// follows a failure points at what failed.
    fn owner_of_state(&self, event: Event<'_>, kind: &str) -> Result<usize, Rule> {
        let leaves = event.kind().ends_with("Exited");
        let fits = |open: &Open<'_>| open.state["Type"] == kind && (leaves || !open.over);
        let mut owner = self.owner(event)?;
        loop {
            let track = self.tracks.get(owner).ok_or(Rule::Stray)?;
            if track.open.as_ref().is_some_and(fits) {
                return Ok(owner);
            }
            owner = track.parent.ok_or(Rule::Stray)?.0;
        }
    }

    fn children_ended(&mut self, event: Event<'_>, id: u64) -> Result<(), Rule> {
        let kind = event
            .kind()
            .strip_suffix("StateSucceeded")
            .unwrap_or_default();
        let owner = self.owner_of_state(event, kind)?;
        self.owners.insert(id, owner);
        let open = self.open(owner)?;
        open.failed = false;
        if distributed(open.state) {
            return Ok(());
        }
        let expected = open.expected.unwrap_or_default();
        let children: Vec<usize> = (0..expected)
            .filter_map(|index| open.children.get(&index).copied())
            .collect();
        let all = children.iter().all(|child| self.tracks[*child].ended);
        if children.len() as u64 != expected || !all {
            return Err(Rule::Unfinished);
        }
        Ok(())
    }

    fn exit(&mut self, event: Event<'_>, id: u64, exited: &str) -> Result<(), Rule> {
        let owner = self.owner_of_state(event, exited)?;
        self.owners.insert(id, owner);
        let open = self.track(owner)?.open.take().ok_or(Rule::Stray)?;
        let output = event.data("output");
        let results = plain(open.state).then(|| self.results(&open)).flatten();
        let wrong = open.name != event.name();
        let track = self.track(owner)?;
        track.output.clone_from(&output);
        track.left = Some((open.name.clone(), open.failed));
        let ends = !open.failed && (open.state["End"] == true || open.state["Type"] == "Succeed");
        track.ended = ends;
        if wrong {
            return Err(Rule::Left(event.name().to_owned()));
        }
        match (results, output) {
            (Some(results), Some(output)) if !open.failed && results != output => {
                Err(Rule::Results)
            }
            _ => Ok(()),
        }
    }

    /// The outputs of the branches or iterations of a state, where they ran within the execution.
    fn results(&self, open: &Open<'_>) -> Option<Value> {
        let expected = open.expected.filter(|_| !distributed(open.state))?;
        let outputs = (0..expected).map(|index| {
            let child = open.children.get(&index)?;
            self.tracks.get(*child)?.output.clone()
        });
        outputs.collect::<Option<Vec<_>>>().map(Value::from)
    }

    fn succeeded(&mut self, event: Event<'_>) -> Result<(), Rule> {
        self.ended = true;
        let main = self.track(0)?;
        if !main.ended {
            return Err(Rule::Order(event.kind().to_owned()));
        }
        match (&main.output, event.data("output")) {
            (Some(theirs), Some(ours)) if *theirs != ours => Err(Rule::Output),
            _ => Ok(()),
        }
    }

    /// Events between a state's entering and leaving.
    fn within(&mut self, event: Event<'_>, id: u64, kind: &str) -> Result<(), Rule> {
        let known = [
            "Task",
            "LambdaFunction",
            "Activity",
            "Map",
            "Evaluation",
            "Parallel",
            "Wait",
        ];
        if !known.iter().any(|prefix| kind.starts_with(prefix)) {
            return Err(Rule::UnknownType(kind.to_owned()));
        }
        let beside = kind.ends_with("Aborted") || kind == "MapIterationFailed";
        if beside {
            // They point at what failed, wherever that was.
            return self.owner(event).map(|_| ());
        }
        let owner = match kind {
            "MapStateFailed" | "MapRunStarted" | "MapRunRedriven" | "MapRunSucceeded"
            | "MapRunFailed" => self.owner_of_state(event, "Map")?,
            "ParallelStateFailed" => self.owner_of_state(event, "Parallel")?,
            // It may point at what its state's entering points at.
            "EvaluationFailed" => self.owners.get(&(id - 1)).copied().ok_or(Rule::Stray)?,
            _ => self.owner(event)?,
        };
        self.owners.insert(id, owner);
        if kind == "MapIterationSucceeded" {
            let track = self.track(owner)?;
            return if track.ended {
                Ok(())
            } else {
                Err(Rule::Unfinished)
            };
        }
        let open = self.open(owner)?;
        if kind.ends_with("Scheduled") {
            if open.attempts > 0 && !open.failed {
                return Err(Rule::Order(kind.to_owned()));
            }
            open.attempts += 1;
            open.failed = false;
            return attempts(open);
        }
        if kind == "MapRunRedriven" {
            open.failed = false;
        } else if kind.ends_with("Failed") || kind.ends_with("TimedOut") {
            open.failed = true;
            open.over = kind == "MapStateFailed" || kind == "ParallelStateFailed";
        } else if open.failed && kind.ends_with("Succeeded") {
            return Err(Rule::Order(kind.to_owned()));
        }
        Ok(())
    }
}

/// Whether a state's retriers allow for its attempts.
fn attempts(open: &Open<'_>) -> Result<(), Rule> {
    let retriers = open.state.get("Retry").and_then(Value::as_array);
    let most: u64 = retriers.into_iter().flatten().fold(1, |sum, retrier| {
        sum.saturating_add(
            retrier
                .get("MaxAttempts")
                .and_then(Value::as_u64)
                .unwrap_or(3),
        )
    });
    if open.attempts > most {
        Err(Rule::Attempts(open.attempts))
    } else {
        Ok(())
    }
}

/// Whether a state may lead to another one: by its catchers where it failed, else by what it is.
fn leads_to(state: &Value, name: &str, failed: bool) -> bool {
    let any = |field: &str| {
        let rules = state.get(field).and_then(Value::as_array);
        rules.into_iter().flatten().any(|rule| rule["Next"] == name)
    };
    if failed {
        return any("Catch");
    }
    // What fails before it begins is caught without an event that says so.
    state["Next"] == name || state["Default"] == name || any("Choices") || any("Catch")
}

fn distributed(state: &Value) -> bool {
    let processor = state.get("ItemProcessor").or_else(|| state.get("Iterator"));
    processor.is_some_and(|processor| processor["ProcessorConfig"]["Mode"] == "DISTRIBUTED")
}

/// Whether a Parallel or Map state hands its results on as they are.
fn plain(state: &Value) -> bool {
    let fields: Option<&Map<String, Value>> = state.as_object();
    let computed = ["ResultSelector", "ResultPath", "OutputPath", "Output"];
    let holds = state["Type"] == "Parallel" || state["Type"] == "Map";
    holds && fields.is_some_and(|fields| !computed.iter().any(|field| fields.contains_key(*field)))
}
