//! Random machines, and an outside that answers at random.

use std::collections::HashMap;

use asl::definition::Definition;
use asl::history::{Failure, HistoryEvent, TaskProgress};
use asl::machine::{
    ChildOutcome, Command, Environment, Execution, Info, MapCommand, MapRun, MapStep, Signal,
    Status, TaskId, TaskUpdate,
};
use asl::value::Value;
use ids::{Entropy, SeededEntropy, Timestamp};
use proptest::prelude::*;
use serde_json::{Value as Json, json};

/// A state but for its transition; one in whose name `#` stands for what makes it unique.
fn any_state(depth: u32) -> BoxedStrategy<Json> {
    let pass = prop_oneof![
        Just(json!({"Type": "Pass"})),
        (0..9).prop_map(|n| json!({"Type": "Pass", "Result": {"n": n}, "ResultPath": "$.set"})),
        Just(json!({"Type": "Pass", "Parameters": {"whole.$": "$"}, "Assign": {"seen.$": "$"}})),
        Just(json!({"Type": "Pass", "InputPath": "$.missing"})),
        Just(
            json!({"Type": "Pass", "QueryLanguage": "JSONata", "Output": "{% {'was': $states.input} %}"})
        ),
        Just(
            json!({"Type": "Pass", "QueryLanguage": "JSONata", "Assign": {"n": "{% $missing %}"}})
        ),
    ];
    let wait = prop_oneof![
        (0..100).prop_map(|n| json!({"Type": "Wait", "Seconds": n})),
        Just(json!({"Type": "Wait", "TimestampPath": "$.when"})),
    ];
    let handling = (0..3_u64, any::<bool>(), any::<bool>());
    let task = (handling.clone(), any::<bool>(), 1..50_u64).prop_map(
        |((retries, caught, jitter), token, timeout)| {
            let resource = if token {
                "arn:aws:states:::sqs:sendMessage.waitForTaskToken"
            } else {
                "arn:aws:lambda:us-east-1:1:function:f"
            };
            handled(
                json!({"Type": "Task", "Resource": resource, "TimeoutSeconds": timeout}),
                retries,
                caught,
                jitter,
            )
        },
    );
    let leaf = prop_oneof![3 => pass, 1 => wait, 3 => task];
    if depth == 0 {
        return leaf.boxed();
    }
    let parallel = (
        handling.clone(),
        prop::collection::vec(any_flow(depth - 1), 1..4),
    )
        .prop_map(|((retries, caught, jitter), branches)| {
            handled(
                json!({"Type": "Parallel", "Branches": branches}),
                retries,
                caught,
                jitter,
            )
        });
    let map = (handling, any_flow(depth - 1), 0..3_u64, any::<bool>()).prop_map(
        |((retries, caught, jitter), flow, limit, distributed)| {
            let mut processor = flow;
            if distributed {
                processor["ProcessorConfig"] = json!({"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"});
            }
            // Every input has these items.
            let map = json!({"Type": "Map", "ItemsPath": "$$.Execution.Input.items", "MaxConcurrency": limit,
                "ItemProcessor": processor});
            handled(map, retries, caught, jitter)
        },
    );
    prop_oneof![4 => leaf, 1 => parallel, 2 => map].boxed()
}

fn handled(mut state: Json, retries: u64, caught: bool, jitter: bool) -> Json {
    if retries > 0 {
        let strategy = if jitter { "FULL" } else { "NONE" };
        state["Retry"] = json!([{"ErrorEquals": ["States.ALL"], "MaxAttempts": retries, "JitterStrategy": strategy}]);
    }
    if caught {
        state["Catch"] =
            json!([{"ErrorEquals": ["States.ALL"], "ResultPath": "$.error", "Next": "#catch"}]);
    }
    state
}

/// A workflow: states one after the other, perhaps with a Choice among them, and an end.
fn any_flow(depth: u32) -> BoxedStrategy<Json> {
    let states = prop::collection::vec(any_state(depth), 1..4);
    (states, any::<bool>(), 0..6_u8)
        .prop_map(|(states, choice, end)| flow(states, choice, end))
        .boxed()
}

fn flow(states: Vec<Json>, choice: bool, end: u8) -> Json {
    let mut named = serde_json::Map::new();
    let count = states.len();
    for (index, mut state) in states.into_iter().enumerate() {
        let next = if index + 1 == count {
            "#end".to_owned()
        } else {
            format!("#{}", index + 1)
        };
        if let Some(catch) = state.get_mut("Catch") {
            catch[0]["Next"] = json!(next);
        }
        state["Next"] = json!(next);
        named.insert(format!("#{index}"), state);
    }
    let end = if end == 0 {
        json!({"Type": "Fail", "Error": "Made", "Cause": "up"})
    } else {
        json!({"Type": "Succeed"})
    };
    named.insert("#end".to_owned(), end);
    let mut start = "#0".to_owned();
    if choice {
        let rule = json!({"And": [{"Variable": "$.set", "IsPresent": true}, {"Variable": "$.set.n", "IsNumeric": true},
            {"Not": {"Variable": "$.set.n", "NumericLessThan": 2}}], "Next": "#end"});
        named.insert(
            "#choice".to_owned(),
            json!({"Type": "Choice", "Choices": [rule], "Default": "#0"}),
        );
        start = "#choice".to_owned();
    }
    json!({"StartAt": start, "States": named})
}

/// Gives all states of a machine names of their own.
fn named(flow: &mut Json, number: &mut u32) {
    *number += 1;
    let prefix = format!("s{number}-");
    let text = |name: &str| name.replacen('#', &prefix, 1);
    flow["StartAt"] = json!(text(flow["StartAt"].as_str().expect("a name")));
    let states = flow["States"].take();
    let mut renamed = serde_json::Map::new();
    for (name, mut state) in states.as_object().expect("states").clone() {
        for field in ["Next", "Default"] {
            if let Some(target) = state.get(field).and_then(Json::as_str).map(text) {
                state[field] = json!(target);
            }
        }
        for field in ["Catch", "Choices"] {
            for rule in state
                .get_mut(field)
                .and_then(Json::as_array_mut)
                .into_iter()
                .flatten()
            {
                rule["Next"] = json!(text(rule["Next"].as_str().expect("a name")));
            }
        }
        for branch in state
            .get_mut("Branches")
            .and_then(Json::as_array_mut)
            .into_iter()
            .flatten()
        {
            named(branch, number);
        }
        if let Some(processor) = state.get_mut("ItemProcessor") {
            named(processor, number);
        }
        renamed.insert(text(&name), state);
    }
    flow["States"] = Json::Object(renamed);
}

/// A machine, whose inputs are objects with `items`.
pub(crate) fn any_machine() -> impl Strategy<Value = Json> {
    any_flow(2).prop_map(|mut machine| {
        named(&mut machine, &mut 0);
        machine
    })
}

/// What became of an execution.
pub(crate) struct Ran {
    pub(crate) events: Vec<HistoryEvent>,
    pub(crate) status: Status,
    /// How many signals it took.
    pub(crate) signals: usize,
}

/// Runs a machine to its end with an outside that answers as the dice fall.
pub(crate) fn run(definition: &Definition, input: Value, seed: u64) -> Ran {
    let mut outside = Outside {
        definition,
        random: SeededEntropy::new(seed),
        now: Timestamp(1_000_000_000_000_000),
        signals: 0,
    };
    outside.run(definition.main(), input, REDRIVES)
}

/// How often an execution that failed is redriven.
const REDRIVES: usize = 2;

struct Outside<'d> {
    definition: &'d Definition,
    random: SeededEntropy,
    now: Timestamp,
    signals: usize,
}

impl Outside<'_> {
    fn run(&mut self, flow: asl::definition::FlowId, input: Value, mut redrives: usize) -> Ran {
        let environment = Environment {
            now: self.now,
            random: &self.random,
        };
        let (mut execution, step) =
            Execution::start_flow(self.definition, flow, Info::example(), input, environment);
        let (mut events, mut commands) = (step.events, step.commands);
        let mut tasks: Vec<TaskId> = Vec::new();
        let mut runs: HashMap<TaskId, MapRun> = HashMap::new();
        for _ in 0..20_000 {
            let mut signals = Vec::new();
            for command in std::mem::take(&mut commands) {
                match command {
                    Command::Schedule(request) => tasks.push(request.id),
                    Command::Cancel(id) => tasks.retain(|task| *task != id),
                    Command::StartMapRun(request) => {
                        let mut run = request.run;
                        let begun = run.start();
                        signals.push(Signal::MapRun(request.id, self.map_run(&mut run, begun)));
                        runs.insert(request.id, run);
                    }
                    Command::RedriveMapRun(id) => {
                        let run = runs.get_mut(&id).expect("a run that has begun");
                        let begun = run.redrive();
                        signals.push(Signal::MapRun(id, self.map_run(run, begun)));
                    }
                    Command::ReadItems(request) => {
                        signals.push(Signal::Items(
                            request.id,
                            Err(Failure::named("States.ItemReaderFailed")),
                        ));
                    }
                    Command::StopMapRun(_) => {}
                }
            }
            if *execution.status() != Status::Running {
                if redrives == 0 || !execution.is_redrivable() {
                    break;
                }
                redrives -= 1;
                tasks.clear();
                let stored = serde_json::to_string(&execution).expect("it is serialisable");
                execution = serde_json::from_str(&stored).expect("and comes back");
                let environment = Environment {
                    now: self.now,
                    random: &self.random,
                };
                let step = execution.redrive(self.definition, environment);
                events.extend(step.events);
                commands.extend(step.commands);
                continue;
            }
            if signals.is_empty() {
                signals.push(self.signal(&execution, &mut tasks));
            }
            for signal in signals {
                self.signals += 1;
                // Only what is stored counts.
                let stored = serde_json::to_string(&execution).expect("it is serialisable");
                execution = serde_json::from_str(&stored).expect("and comes back");
                let environment = Environment {
                    now: self.now,
                    random: &self.random,
                };
                let step = execution.apply(self.definition, signal, environment);
                events.extend(step.events);
                commands.extend(step.commands);
            }
        }
        Ran {
            events,
            status: execution.status().clone(),
            signals: self.signals,
        }
    }

    fn dice(&self, sides: u32) -> u32 {
        u32::try_from(self.random.bits() % u128::from(sides)).unwrap_or_default()
    }

    fn signal(&mut self, execution: &Execution, tasks: &mut Vec<TaskId>) -> Signal {
        let due = execution.next_due();
        let waits = tasks.is_empty() || self.dice(4) == 0;
        if let Some(due) = due.filter(|_| waits) {
            self.now = Timestamp(self.now.0.max(due.0));
            return Signal::Time;
        }
        let Some(index) = (!tasks.is_empty()).then(|| self.dice(tasks.len() as u32) as usize)
        else {
            return Signal::Stop(Failure::named("Stuck"));
        };
        let failure = Failure::new("Custom", "as the dice fell");
        let progress = match self.dice(8) {
            0 => return Signal::Task(tasks[index], TaskUpdate::Heartbeat),
            1 => TaskProgress::Started(None),
            2 => TaskProgress::Failed(failure),
            3 => TaskProgress::ScheduleFailed(failure),
            _ => TaskProgress::Succeeded(Value::parse(r#"{"answer":[1,2]}"#).expect("JSON")),
        };
        let task = if matches!(progress, TaskProgress::Started(_)) {
            tasks[index]
        } else {
            tasks.swap_remove(index)
        };
        Signal::Task(task, TaskUpdate::Progress(progress))
    }

    fn map_run(&mut self, run: &mut MapRun, begun: MapStep) -> Result<Value, Failure> {
        let mut queue = std::collections::VecDeque::from(begun);
        while let Some(command) = queue.pop_front() {
            match command {
                MapCommand::StartChild(index, input) => {
                    let outcome = match self.run(run.flow(), input, 0).status {
                        Status::Succeeded(output) => ChildOutcome::Succeeded(output),
                        Status::Failed(failure) => ChildOutcome::Failed(failure),
                        Status::TimedOut(_) => ChildOutcome::TimedOut,
                        Status::Aborted(_) | Status::Running => ChildOutcome::Aborted,
                    };
                    queue.extend(run.child_ended(index, outcome));
                }
                MapCommand::StopChild(_) => {}
                MapCommand::Finish(outcome) => return outcome,
            }
        }
        Err(Failure::named("NeverFinished"))
    }
}
