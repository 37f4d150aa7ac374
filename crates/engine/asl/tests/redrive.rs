//! Redriven, an execution does again what had not ended well, and nothing else
//! (https://docs.aws.amazon.com/step-functions/latest/dg/redrive-executions.html).

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use asl::definition::{Definition, MachineType};
use asl::history::{EventKind, Failure, TaskProgress};
use asl::machine::{
    ChildOutcome, Command, Environment, Execution, Info, MapCommand, Signal, Status, Step, TaskId,
    TaskUpdate,
};
use asl::value::Value;
use ids::{SeededEntropy, Timestamp};

fn environment(random: &SeededEntropy) -> Environment<'_> {
    Environment {
        now: Timestamp(0),
        random,
    }
}

fn scheduled(step: &Step) -> Vec<(TaskId, String)> {
    let requests = step.commands.iter().filter_map(|command| match command {
        Command::Schedule(request) => Some((request.id, request.input.to_json())),
        _ => None,
    });
    requests.collect()
}

const MAP: &str = r#"{"StartAt": "All", "States": {"All": {"Type": "Map", "End": true,
    "ItemProcessor": {MODE"StartAt": "Work", "States": {"Work": {"Type": "Task",
        "Resource": "arn:aws:lambda:us-east-1:1:function:f", "End": true}}}}}}"#;

#[test]
fn only_iterations_that_had_not_ended_are_done_again() {
    let definition = Definition::parse(&MAP.replace("MODE", ""), MachineType::Standard).unwrap();
    let random = SeededEntropy::new(1);
    let input = Value::parse("[1,2,3]").unwrap();
    let (mut execution, step) =
        Execution::start(&definition, Info::example(), input, environment(&random));
    let tasks = scheduled(&step);
    let told = |execution: &mut Execution, task: TaskId, progress| {
        let update = TaskUpdate::Progress(progress);
        execution.apply(
            &definition,
            Signal::Task(task, update),
            environment(&random),
        )
    };
    let done = || TaskProgress::Succeeded(Value::from(true));
    told(&mut execution, tasks[0].0, done());
    let failed = told(
        &mut execution,
        tasks[1].0,
        TaskProgress::Failed(Failure::named("Oh")),
    );
    assert!(failed.commands.contains(&Command::Cancel(tasks[2].0)));
    assert_eq!(execution.status(), &Status::Failed(Failure::named("Oh")));
    assert!(execution.is_redrivable());

    let step = execution.redrive(&definition, environment(&random));
    assert_eq!(step.events[0].kind, EventKind::ExecutionRedriven(1));
    let again = scheduled(&step);
    assert_eq!(
        again.iter().map(|(_, input)| &**input).collect::<Vec<_>>(),
        ["2", "3"]
    );
    assert!(!execution.is_redrivable(), "it runs");
    for (task, _) in again {
        told(&mut execution, task, done());
    }
    assert_eq!(
        execution.status(),
        &Status::Succeeded(Value::parse("[true,true,true]").unwrap())
    );
    assert!(!execution.is_redrivable(), "it has succeeded");
}

#[test]
fn a_map_run_goes_on_with_the_children_that_failed() {
    let mode = r#""ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}, "#;
    let definition = Definition::parse(&MAP.replace("MODE", mode), MachineType::Standard).unwrap();
    let random = SeededEntropy::new(1);
    let input = Value::parse("[1,2,3]").unwrap();
    let (mut execution, mut step) =
        Execution::start(&definition, Info::example(), input, environment(&random));
    let Some(Command::StartMapRun(request)) = step.commands.pop() else {
        panic!("a map run is begun");
    };
    let (id, mut run) = (request.id, request.run);
    assert_eq!(run.start().len(), 3);
    assert_eq!(
        run.child_ended(0, ChildOutcome::Succeeded(Value::from("one"))),
        []
    );
    let mut over = run.child_ended(1, ChildOutcome::Failed(Failure::named("Oh")));
    assert_eq!(run.item_counts().aborted, 1);
    let Some(MapCommand::Finish(outcome)) = over.pop() else {
        panic!("the run is over");
    };
    assert_eq!(over, [MapCommand::StopChild(2)]);
    execution.apply(
        &definition,
        Signal::MapRun(id, outcome),
        environment(&random),
    );

    let step = execution.redrive(&definition, environment(&random));
    assert_eq!(step.commands, [Command::RedriveMapRun(id)]);
    let begun = run.redrive();
    assert_eq!(
        begun,
        [
            MapCommand::StartChild(1, Value::from(2)),
            MapCommand::StartChild(2, Value::from(3))
        ]
    );
    run.child_ended(2, ChildOutcome::Succeeded(Value::from("three")));
    let Some(MapCommand::Finish(outcome)) = run
        .child_ended(1, ChildOutcome::Succeeded(Value::from("two")))
        .pop()
    else {
        panic!("the run is over");
    };
    execution.apply(
        &definition,
        Signal::MapRun(id, outcome),
        environment(&random),
    );
    assert_eq!(
        execution.status(),
        &Status::Succeeded(Value::parse(r#"["one","two","three"]"#).unwrap())
    );
}
