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

pub(super) fn register(evaluator: &mut Evaluator, scope: &Scope<'_>) -> Result<(), EvaluateError> {
    evaluator.register_fn("partition", |arguments: &[JValue]| {
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
    })?;
    evaluator.register_fn("range", |arguments: &[JValue]| {
        let number = |index: usize| {
            let argument = argument(arguments, index);
            let number = argument.as_f64().map(whole);
            number.ok_or_else(|| mismatch("range", index + 1))
        };
        let numbers = range(number(0)?, number(1)?, number(2)?);
        let numbers = numbers.map_err(|problem| failure(format!("In a range, {problem}")))?;
        Ok(sequence(&numbers.into()))
    })?;
    evaluator.register_fn("hash", |arguments: &[JValue]| {
        let (data, name) = (argument(arguments, 0), argument(arguments, 1));
        if data.is_undefined() {
            return Ok(JValue::Undefined);
        }
        let data = data.as_str().ok_or_else(|| mismatch("hash", 1))?;
        let algorithm = name.as_str().and_then(Algorithm::named);
        let algorithm = algorithm.ok_or_else(|| mismatch("hash", 2))?;
        Ok(JValue::from(algorithm.hash(data)))
    })?;
    evaluator.register_fn("parse", |arguments: &[JValue]| {
        let text = argument(arguments, 0);
        if text.is_undefined() {
            return Ok(JValue::Undefined);
        }
        let text = text.as_str().ok_or_else(|| mismatch("parse", 1))?;
        let value = Value::parse(text).map_err(|error| failure(error.to_string()))?;
        Ok(convert::into(&value))
    })?;
    evaluator.register_fn_override("eval", |_: &[JValue]| -> Answer {
        Err(EvaluatorError::TypeError(
            "T1006: Attempted to invoke a non-function".to_owned(),
        ))
    })?;
    evaluator.register_fn_override("pad", |arguments: &[JValue]| {
        match argument(arguments, 1).as_f64() {
            Some(width) if width.abs() > MAX_WIDTH => {
                Err(failure(format!("The width {width} is beyond {MAX_WIDTH}")))
            }
            _ => delegate("pad", arguments),
        }
    })?;
    register_time(evaluator, scope)?;
    register_chance(evaluator, scope)?;
    Ok(())
}

fn register_time(evaluator: &mut Evaluator, scope: &Scope<'_>) -> Result<(), EvaluateError> {
    #[expect(
        clippy::cast_precision_loss,
        reason = "JSONata's milliseconds are floating"
    )]
    let millis = scope.now.as_millis() as f64;
    evaluator.register_fn_override("millis", move |_: &[JValue]| Ok(JValue::from_f64(millis)))?;
    evaluator.register_fn_override("now", move |arguments: &[JValue]| {
        let mut all = vec![JValue::from_f64(millis)];
        all.extend(arguments.iter().cloned());
        delegate("fromMillis", &all)
    })?;
    Ok(())
}

fn register_chance(evaluator: &mut Evaluator, scope: &Scope<'_>) -> Result<(), EvaluateError> {
    // A function may not borrow the scope, so each evaluation draws a sequence of its own.
    #[expect(clippy::cast_possible_truncation, reason = "64 of 128 random bits")]
    let entropy = Rc::new(SeededEntropy::new(scope.random.bits() as u64));
    let dice = Rc::clone(&entropy);
    evaluator.register_fn_override("random", move |arguments: &[JValue]| {
        match argument(arguments, 0) {
            JValue::Undefined => Ok(JValue::from_f64(dice.unit())),
            JValue::Number(seed) => Ok(JValue::from_f64(Seeded::new(whole(seed)).unit())),
            _ => Err(mismatch("random", 1)),
        }
    })?;
    let dice = Rc::clone(&entropy);
    evaluator.register_fn_override("shuffle", move |arguments: &[JValue]| {
        let items = match argument(arguments, 0) {
            JValue::Undefined => return Ok(JValue::Undefined),
            JValue::Array(items) => items,
            other => return Ok(JValue::sequence(vec![other])),
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
        Ok(JValue::array(items))
    })?;
    evaluator.register_fn("uuid", move |_: &[JValue]| {
        Ok(JValue::from(uuid(entropy.as_ref())))
    })?;
    Ok(())
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
    EvaluatorError::TypeError(format!(
        "T0410: Argument {argument} of function \"{function}\" does not match function signature"
    ))
}

fn failure(message: String) -> EvaluatorError {
    EvaluatorError::EvaluationError(message)
}
