//! Whatever a client sends, the decoder answers with the operation's result or with an error in
//! AWS's form that is the client's: never a panic, never a 5xx.

#![expect(
    clippy::unwrap_used,
    reason = "what a test calls may fail as the test may"
)]

#[path = "fuzz/form.rs"]
mod form;
#[path = "fuzz/json.rs"]
mod json;
#[path = "fuzz/rest.rs"]
mod rest;
#[path = "fuzz/yes.rs"]
mod yes;

use proptest::prelude::*;
use proptest::sample::{Index, select};

/// Documents that look like inputs, with members of every type in every place.
fn document(members: &'static [&'static str]) -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        any::<bool>().prop_map(|b| b.to_string()),
        any::<i64>().prop_map(|n| n.to_string()),
        (-2000_i32..12_000).prop_map(|n| n.to_string()),
        any::<f64>()
            .prop_filter("JSON has no others", |n| n.is_finite())
            .prop_map(|n| n.to_string()),
        "[a-zA-Z0-9+/=:.$ -]{0,40}".prop_map(|text| format!("{text:?}")),
        "\\PC{0,10}".prop_map(|text| serde_json::to_string(&text).unwrap()),
    ];
    leaf.prop_recursive(4, 40, 6, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4)
                .prop_map(|items| format!("[{}]", items.join(","))),
            proptest::collection::vec((select(members), inner), 0..6).prop_map(|members| {
                let members: Vec<String> = members
                    .iter()
                    .map(|(name, value)| format!("\"{name}\":{value}"))
                    .collect();
                format!("{{{}}}", members.join(","))
            }),
        ]
    })
}

/// Bytes at random, documents, and a good document with some damage.
fn body(members: &'static [&'static str], good: &'static str) -> impl Strategy<Value = Vec<u8>> {
    let damage = proptest::collection::vec((any::<Index>(), any::<u8>(), 0..3_u8), 0..4);
    prop_oneof![
        2 => proptest::collection::vec(any::<u8>(), 0..64),
        4 => document(members).prop_map(String::into_bytes),
        4 => damage.prop_map(move |damage| {
            let mut body = good.as_bytes().to_vec();
            for (at, byte, how) in damage {
                let at = at.index(body.len());
                match how {
                    0 => body[at] = byte,
                    1 => body.insert(at, byte),
                    _ => body.truncate(at + 1),
                }
            }
            body
        }),
    ]
}
