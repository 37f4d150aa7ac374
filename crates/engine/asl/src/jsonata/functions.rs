//! The functions that Step Functions adds, and those whose time and chance are passed in.

use std::rc::Rc;

use ids::{Entropy, SeededEntropy};
use jsonata_core::evaluator::{Context, Evaluator, EvaluatorError, EvaluatorOptions};
use jsonata_core::value::JValue;

use super::{EvaluateError, MAX_SEQUENCE, MAX_STACK, MAX_TIME, convert};
use crate::intrinsics::{Algorithm, Seeded, partition, range, uuid};
use crate::scope::Scope;
use crate::value::Value;

/// The widest text that `$pad` makes, in characters: a payload has no more bytes.
const MAX_WIDTH: f64 = 262_144.0;

type Answer = Result<JValue, EvaluatorError>;

/// The functions that stand in `evaluator` beside JSONata's own, or in their place.
const NAMES: &[&str] = &[
    "eval",
    "hash",
    "millis",
    "now",
    "pad",
    "parse",
    "partition",
    "random",
    "range",
    "shuffle",
    "uuid",
];

/// The function of that name, if it is one of those here.
pub(super) fn ours(name: &str) -> Option<&'static str> {
    NAMES.iter().copied().find(|ours| *ours == name)
}

/// Makes `names` known to `evaluator`: those of an expression, since each costs a little.
pub(super) fn register(
    evaluator: &mut Evaluator,
    names: &[&'static str],
    scope: &Scope<'_>,
) -> Result<(), EvaluateError> {
    if names.is_empty() {
        return Ok(());
    }
    #[expect(
        clippy::cast_precision_loss,
        reason = "JSONata's milliseconds are floating"
    )]
    let millis = scope.now.as_millis() as f64;
    // A function may not borrow the scope, so each evaluation draws a sequence of its own.
    #[expect(clippy::cast_possible_truncation, reason = "64 of 128 random bits")]
    let dice = Rc::new(SeededEntropy::new(scope.random.bits() as u64));
    for name in names {
        let dice = Rc::clone(&dice);
        match *name {
            "eval" => evaluator.register_fn_override(*name, |_: &[JValue]| no_function()),
            "hash" => evaluator.register_fn(*name, hash),
            "millis" => {
                evaluator.register_fn_override(*name, move |_: &[JValue]| Ok(millis.into()))
            }
            "now" => evaluator.register_fn_override(*name, move |arguments: &[JValue]| {
                let mut all = vec![JValue::from_f64(millis)];
                all.extend(arguments.iter().cloned());
                delegate("fromMillis", &all)
            }),
            "pad" => evaluator.register_fn_override(*name, pad),
            "parse" => evaluator.register_fn(*name, parse),
            "partition" => evaluator.register_fn(*name, in_parts),
            "random" => evaluator
                .register_fn_override(*name, move |arguments: &[JValue]| random(arguments, &dice)),
            "range" => evaluator.register_fn(*name, in_range),
            "shuffle" => evaluator.register_fn_override(*name, move |arguments: &[JValue]| {
                Ok(shuffle(arguments, &dice))
            }),
            "uuid" => evaluator.register_fn(*name, move |_: &[JValue]| {
                Ok(JValue::from(uuid(dice.as_ref())))
            }),
            _ => Ok(()),
        }?;
    }
    Ok(())
}

fn no_function() -> Answer {
    Err(EvaluatorError::TypeError(
        "T1006: Attempted to invoke a non-function".to_owned(),
    ))
}

fn in_parts(arguments: &[JValue]) -> Answer {
    let (items, size) = (argument(arguments, 0), argument(arguments, 1));
    if items.is_undefined() {
        return Ok(JValue::Undefined);
    }
    let Ok(Value::Array(items)) = convert::from(&items) else {
        return Err(mismatch("partition", 1));
    };
    let size = size.as_f64().ok_or_else(|| mismatch("partition", 2))?;
    let parts = partition(&items, whole(size)).ok_or_else(|| mismatch("partition", 2))?;
    Ok(sequence(&parts))
}

fn in_range(arguments: &[JValue]) -> Answer {
    let number = |index: usize| {
        let number = argument(arguments, index).as_f64().map(whole);
        number.ok_or_else(|| mismatch("range", index + 1))
    };
    let numbers = range(number(0)?, number(1)?, number(2)?);
    let numbers = numbers.map_err(|problem| failure(format!("In a range, {problem}")))?;
    Ok(sequence(&numbers.into()))
}

fn hash(arguments: &[JValue]) -> Answer {
    let (data, name) = (argument(arguments, 0), argument(arguments, 1));
    if data.is_undefined() {
        return Ok(JValue::Undefined);
    }
    let data = data.as_str().ok_or_else(|| mismatch("hash", 1))?;
    let algorithm = name.as_str().and_then(Algorithm::named);
    let algorithm = algorithm.ok_or_else(|| mismatch("hash", 2))?;
    Ok(JValue::from(algorithm.hash(data)))
}

fn parse(arguments: &[JValue]) -> Answer {
    let text = argument(arguments, 0);
    if text.is_undefined() {
        return Ok(JValue::Undefined);
    }
    let text = text.as_str().ok_or_else(|| mismatch("parse", 1))?;
    let value = Value::parse(text).map_err(|error| failure(error.to_string()))?;
    Ok(convert::into(&value))
}

fn pad(arguments: &[JValue]) -> Answer {
    match argument(arguments, 1).as_f64() {
        Some(width) if width.abs() > MAX_WIDTH => {
            Err(failure(format!("The width {width} is beyond {MAX_WIDTH}")))
        }
        _ => delegate("pad", arguments),
    }
}

fn random(arguments: &[JValue], dice: &SeededEntropy) -> Answer {
    match argument(arguments, 0) {
        JValue::Undefined => Ok(JValue::from_f64(dice.unit())),
        JValue::Number(seed) => Ok(JValue::from_f64(Seeded::new(whole(seed)).unit())),
        _ => Err(mismatch("random", 1)),
    }
}

fn shuffle(arguments: &[JValue], dice: &SeededEntropy) -> JValue {
    let items = match argument(arguments, 0) {
        JValue::Undefined => return JValue::Undefined,
        JValue::Array(items) => items,
        other => return JValue::sequence(vec![other]),
    };
    let mut items = items.into_vec();
    for last in (1..items.len()).rev() {
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "no sequence is so long"
        )]
        let other = (dice.unit() * (last + 1) as f64) as usize;
        items.swap(last, other.min(last));
    }
    JValue::array(items)
}

/// The built-in function of that name, in an evaluation of its own.
fn delegate(name: &str, arguments: &[JValue]) -> Answer {
    let mut context = Context::new();
    let names: Vec<String> = (0..arguments.len())
        .map(|index| format!("a{index}"))
        .collect();
    for (name, value) in names.iter().zip(arguments) {
        context.bind(name.clone(), value.clone());
    }
    let names: Vec<String> = names.iter().map(|name| format!("${name}")).collect();
    let call = format!("${name}({})", names.join(", "));
    let call = jsonata_core::parser::parse(&call).map_err(|error| failure(error.to_string()))?;
    let options = EvaluatorOptions {
        timeout_ms: Some(MAX_TIME),
        cancel: None,
        max_stack_depth: Some(MAX_STACK),
        max_sequence_length: Some(MAX_SEQUENCE),
    };
    Evaluator::with_options(context, options).evaluate(&call, &JValue::Undefined)
}

fn argument(arguments: &[JValue], index: usize) -> JValue {
    arguments.get(index).cloned().unwrap_or(JValue::Undefined)
}

/// Rounded to the nearest whole number; what lies beyond is far enough out to be refused.
fn whole(number: f64) -> i64 {
    #[expect(clippy::cast_possible_truncation, reason = "it saturates")]
    let whole = (number + 0.5).floor() as i64;
    whole.clamp(i64::MIN / 4, i64::MAX / 4)
}

/// The elements as JSONata's own functions give them: one alone is not in an array.
fn sequence(items: &Value) -> JValue {
    let items = items
        .as_array()
        .map(|items| items.iter().map(convert::into).collect());
    match items {
        Some(items) if Vec::is_empty(&items) => JValue::array(items),
        Some(items) => JValue::sequence(items),
        None => JValue::Undefined,
    }
}

fn mismatch(function: &str, argument: usize) -> EvaluatorError {
    EvaluatorError::TypeError(super::error::mismatch(function, argument))
}

fn failure(message: String) -> EvaluatorError {
    EvaluatorError::EvaluationError(message)
}
