//! What a transition pays for its data: reading and writing values, paths, templates, intrinsic
//! functions and JSONata, each on 1 KB of input, and on 200 KB what must not depend on size.
//!
//! Run with `cargo bench -p lambdalab-asl --bench data`.

use std::error::Error;
use std::hint::black_box;
use std::time::Duration;

use asl::jsonata::{Expression, Session, States};
use asl::jsonpath::{Path, ReferencePath};
use asl::payload::Template;
use asl::value::Map;
use asl::{Scope, Value, Variables};
use criterion::Criterion;
use ids::{SeededEntropy, Timestamp};

/// Orders of about 100 bytes each.
fn input(orders: usize) -> Value {
    let orders: Value = (0..orders)
        .map(|number| {
            let order: Map = [
                ("id", Value::from(format!("order-{number:06}"))),
                ("customer", Value::from("somebody of a usual name")),
                ("total", Value::from(number * 7 % 100)),
                ("paid", Value::from(number % 2 == 0)),
            ]
            .into_iter()
            .collect();
            Value::from(order)
        })
        .collect();
    let whole: Map = [("orders", orders), ("name", Value::from("a name"))]
        .into_iter()
        .collect();
    whole.into()
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1))
        .configure_from_args();
    let (small, large) = (input(10), input(2_000));
    let text = small.to_json();
    let (context, random) = (Value::empty_object(), SeededEntropy::new(1));
    let variables: Variables = [("limit", Value::from(50))]
        .into_iter()
        .collect::<Map>()
        .into();
    let scope = Scope {
        context: &context,
        variables: &variables,
        now: Timestamp(0),
        random: &random,
    };

    criterion.bench_function("value/read 1 KB", |b| {
        b.iter(|| Value::parse(black_box(&text)));
    });
    criterion.bench_function("value/write 1 KB", |b| b.iter(|| small.to_json()));
    criterion.bench_function("value/clone and size 200 KB", |b| {
        b.iter(|| black_box(&large).clone().size());
    });

    for (name, path) in [
        ("jsonpath/definite", "$.orders[3].id"),
        (
            "jsonpath/filter 10",
            "$.orders[?(@.paid && @.total < 50)].id",
        ),
    ] {
        let path = Path::parse(path)?;
        criterion.bench_function(name, |b| b.iter(|| path.evaluate(&small, &scope)));
    }
    criterion.bench_function("jsonpath/parse a filter", |b| {
        b.iter(|| Path::parse(black_box("$.orders[?(@.paid && @.total < 50)].id")));
    });
    let reference = ReferencePath::parse("$.result.of.it")?;
    criterion.bench_function("jsonpath/insert into 200 KB", |b| {
        b.iter(|| reference.insert(&large, Value::Null));
    });

    let template = Template::parse(&Value::parse(
        r#"{"constant": {"a": [1, 2, 3]}, "name.$": "$.name", "first.$": "$.orders[0]",
            "text.$": "States.Format('{} of {}', $.name, States.ArrayLength($.orders))"}"#,
    )?)?;
    criterion.bench_function("payload/three fields and a nested call", |b| {
        b.iter(|| template.render(&small, &scope));
    });

    for (name, text) in [
        ("jsonata/walk", "$states.input.name"),
        ("jsonata/compare", "$states.input.name = 'a name'"),
        (
            "jsonata/sum of a filter over 10",
            "$sum($states.input.orders[total < $limit].total)",
        ),
    ] {
        let expression = Expression::parse(text)?;
        criterion.bench_function(name, |b| {
            b.iter(|| expression.evaluate(&Session::new(States::of(&small), scope)));
        });
    }
    let walk = Expression::parse("$states.input.orders")?;
    criterion.bench_function("jsonata/walk in 200 KB", |b| {
        b.iter(|| walk.evaluate(&Session::new(States::of(&large), scope)));
    });
    criterion.bench_function("jsonata/parse", |b| {
        b.iter(|| Expression::parse(black_box("$sum($states.input.orders[total < 50].total)")));
    });
    criterion.final_summary();
    Ok(())
}
