//! What executions pay for their states: transitions, choices, maps, and reading definitions.
//!
//! Run with `cargo bench -p lambdalab-asl --bench machine`. Rates count states; large inputs must not
//! cost more than small ones.

use std::error::Error;
use std::fmt::Write as _;
use std::hint::black_box;
use std::time::Duration;

use asl::definition::MachineType;
use asl::machine::{Environment, Execution, Info, Status};
use asl::value::Map;
use asl::{Definition, Value};
use criterion::{Criterion, Throughput};
use ids::{SeededEntropy, Timestamp};

/// A machine of states one after the other, each with these fields.
fn chain(states: usize, fields: &str) -> String {
    let mut text = String::from("{\"StartAt\":\"S0\",\"States\":{");
    for state in 0..states {
        let _ = write!(
            text,
            "\"S{state}\":{{{},\"Next\":\"S{}\"}},",
            fields,
            state + 1
        );
    }
    let _ = write!(text, "\"S{states}\":{{\"Type\":\"Succeed\"}}}}}}");
    text
}

/// A machine of Choice states, whose last rule is the one that holds.
fn choices(states: usize, rules: usize) -> String {
    let mut text = String::from("{\"StartAt\":\"S0\",\"States\":{");
    for state in 0..states {
        let _ = write!(text, "\"S{state}\":{{\"Type\":\"Choice\",\"Choices\":[");
        for rule in 1..=rules {
            let comma = if rule == rules { "" } else { "," };
            let number = rules - rule;
            let _ = write!(
                text,
                "{{\"Variable\":\"$.number\",\"NumericEquals\":{number},\"Next\":\"S{}\"}}{comma}",
                state + 1
            );
        }
        text.push_str("]},");
    }
    let _ = write!(text, "\"S{states}\":{{\"Type\":\"Succeed\"}}}}}}");
    text
}

const MAP: &str = r#"{"StartAt": "All", "States": {"All": {"Type": "Map", "ItemsPath": "$.items", "End": true,
    "ItemProcessor": {"StartAt": "One", "States": {"One": {"Type": "Pass", "End": true}}}}}}"#;

fn definition(text: &str) -> Result<Definition, Box<dyn Error>> {
    Definition::parse(text, MachineType::Standard)
        .map_err(|problems| asl::diagnostic::invalid_definition(&problems).into())
}

/// So many bytes of text beside a number.
fn input(bytes: usize) -> Value {
    let map: Map = [
        ("number", Value::from(0)),
        ("text", Value::from("x".repeat(bytes))),
    ]
    .into_iter()
    .collect();
    Value::from(map)
}

fn run(definition: &Definition, input: &Value) -> Execution {
    let random = SeededEntropy::new(1);
    let environment = Environment {
        now: Timestamp(0),
        random: &random,
    };
    let (execution, step) =
        Execution::start(definition, Info::example(), input.clone(), environment);
    black_box(step);
    execution
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1))
        .configure_from_args();
    let (small, large) = (input(1_000), input(200_000));

    let mut group = criterion.benchmark_group("machine");
    group.throughput(Throughput::Elements(100));
    let computed = r#""Type":"Pass","Parameters":{"number.$":"$.number","text.$":"$.text"}"#;
    let jsonata = r#""Type":"Pass","QueryLanguage":"JSONata","Output":"{% $states.input %}""#;
    for (name, fields) in [
        ("Pass", r#""Type":"Pass""#),
        ("Pass with Parameters", computed),
        ("Pass in JSONata", jsonata),
    ] {
        let machine = definition(&chain(100, fields))?;
        for (size, input) in [("1 KB", &small), ("200 KB", &large)] {
            assert!(
                matches!(run(&machine, input).status(), Status::Succeeded(_)),
                "{name}"
            );
            group.bench_function(format!("100 {name}, {size}"), |b| {
                b.iter(|| run(&machine, input));
            });
        }
    }
    let machine = definition(&choices(100, 20))?;
    assert!(matches!(
        run(&machine, &small).status(),
        Status::Succeeded(_)
    ));
    group.bench_function("100 Choice of 20 rules, 1 KB", |b| {
        b.iter(|| run(&machine, &small));
    });

    let items: Map = [("items", (0..1_000).map(Value::from).collect::<Value>())]
        .into_iter()
        .collect();
    let (machine, items) = (definition(MAP)?, Value::from(items));
    assert!(matches!(
        run(&machine, &items).status(),
        Status::Succeeded(_)
    ));
    group.throughput(Throughput::Elements(1_000));
    group.bench_function("Map of 1,000 Pass", |b| b.iter(|| run(&machine, &items)));

    let text = chain(
        100,
        r#""Type":"Task","Resource":"arn:aws:states:::lambda:invoke","Parameters":{"a.$":"$.b"}"#,
    );
    group.throughput(Throughput::Bytes(text.len() as u64));
    group.bench_function("parse 100 states", |b| {
        b.iter(|| definition(black_box(&text)).is_ok());
    });

    let waiting = run(
        &definition(&chain(1, r#""Type":"Wait","Seconds":1"#))?,
        &small,
    );
    group.throughput(Throughput::Elements(1));
    group.bench_function("store an execution that waits, 1 KB", |b| {
        b.iter(|| serde_json::to_string(&waiting).is_ok());
    });
    group.finish();
    criterion.final_summary();
    Ok(())
}
