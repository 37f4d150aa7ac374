use ids::{SeededEntropy, Timestamp};
use proptest::prelude::*;

use super::*;
use crate::Variables;

const INPUT: &str = r#"{
    "a": {"b": 1.10, "big": 12345678901234567890, "list": [1], "empty": [], "none": null},
    "items": [{"k": "x", "v": 3}, {"k": "y", "v": 1}, {"k": "x", "v": 2}],
    "text": "12,5"
}"#;

fn evaluate(text: &str) -> Result<Value, String> {
    let expression = Expression::parse(text).map_err(|error| format!("parse: {error}"))?;
    let input = Value::parse(INPUT).unwrap();
    let result = Value::from("the result");
    let context = Value::parse(r#"{"State": {"Name": "S"}}"#).unwrap();
    let variables: Variables = [("v", Value::from(7)), ("o", input.clone())]
        .into_iter()
        .collect::<Map>()
        .into();
    let random = SeededEntropy::new(1);
    let scope = Scope {
        context: &context,
        variables: &variables,
        now: Timestamp(1_700_000_000_123_000),
        random: &random,
    };
    let states = States {
        result: Some(&result),
        ..States::of(&input)
    };
    let session = Session::new(states, scope);
    expression
        .evaluate(&session)
        .map_err(|error| expression.cause("Output", &error))
}

fn found(text: &str) -> String {
    match evaluate(text) {
        Ok(value) => value.to_json(),
        Err(error) => format!("! {error}"),
    }
}

#[test]
fn expressions_give_what_jsonata_says() {
    for (text, expected) in [
        ("1 + 2 * 3", "7"),
        ("'a' & $v", "\"a7\""),
        ("$states.input.items[k = 'x'].v", "[3,2]"),
        ("$states.input.items[0].v", "3"),
        ("$sum($states.input.items.v)", "6"),
        ("$states.input.items^(v).v", "[1,2,3]"),
        ("$states.input.items{k: $sum(v)}", r#"{"x":5,"y":1}"#),
        ("$states.context.State.Name", "\"S\""),
        ("$states.result & '!'", "\"the result!\""),
        (
            "($x := $v; $f := function($n) { $n <= 1 ? 1 : $n * $f($n - 1) }; $f($x))",
            "5040",
        ),
        (
            "$map($states.input.items, function($i) { $i.v * 2 })",
            "[6,2,4]",
        ),
        ("$states.input.items ~> $count()", "3"),
        ("$count($states.input.items[$.v > 1])", "2"),
        ("{'a': $v, 'b': [$v]}", r#"{"a":7,"b":[7]}"#),
        ("/* nothing to see */ true", "true"),
        ("$states.input.items.v[[0..1]]", "[3,1,2]"),
        ("0.1 + 0.2", "0.30000000000000004"),
        ("1e300 * 10", "1e+301"),
        ("$v = 7 ? 'yes' : 'no'", "\"yes\""),
        (
            "$states.input.text ~> $split(',') ~> $map($number)",
            "[12,5]",
        ),
    ] {
        assert_eq!(found(text), expected, "{text}");
    }
}

#[test]
fn a_walk_hands_out_the_value_itself() {
    for (text, expected) in [
        ("$states.input.a.b", "1.10"),
        ("$states.input.a.big", "12345678901234567890"),
        ("$states.input.a.list", "[1]"),
        ("$states.input.a.empty", "[]"),
        ("$states.input.a.none", "null"),
        ("$v", "7"),
        ("$o.a.big", "12345678901234567890"),
        (" $states.result ", "\"the result\""),
        ("$states.input.`text`", "\"12,5\""),
        // Through arrays it is JSONata's business.
        ("$states.input.items.k", r#"["x","y","x"]"#),
        ("$o.items.v", "[3,1,2]"),
    ] {
        assert_eq!(found(text), expected, "{text}");
    }
    let states = evaluate("$states").unwrap();
    let keys: Vec<&str> = states
        .as_object()
        .unwrap()
        .keys()
        .map(AsRef::as_ref)
        .collect();
    assert_eq!(keys, ["input", "result", "context"]);
    assert_eq!(
        found("$keys($merge([$states, {}]))"),
        r#"["input","result","context"]"#
    );
}

#[test]
fn functions_that_step_functions_adds() {
    for (text, expected) in [
        ("$partition([1,2,3,4,5], 2)", "[[1,2],[3,4],[5]]"),
        ("$partition([], 2)", "[]"),
        // Recorded: a range of one element is that element.
        ("$range(0, 9, 3)", "[0,3,6,9]"),
        ("$range(0, 10, 3)", "[0,3,6,9]"),
        ("$range(1, 9, 9)", "1"),
        ("$range(1, 9, 2)", "[1,3,5,7,9]"),
        (
            "$hash('input data', 'SHA-1')",
            "\"aaff4a450a104cd177d28d18d74485e8cae074b7\"",
        ),
        // Recorded.
        ("$parse('-0')", "0"),
        ("$parse('1.1')", "1.1"),
        ("$parse('\"HelloWorld\"')", "\"HelloWorld\""),
        ("$parse('[1, 2, \"HelloWorld\"]')", r#"[1,2,"HelloWorld"]"#),
        (
            "$parse('{\"Arg1\": 1, \"Arg2\": []}')",
            r#"{"Arg1":1,"Arg2":[]}"#,
        ),
        ("$parse('{\"a\": {\"b\": 2}}').a.b", "2"),
        ("$map(['[1]', '2'], $parse)", "[[1],2]"),
        ("($f := $partition; $f([1,2,3], 2))", "[[1,2],[3]]"),
        ("[1,2,3] ~> $partition(2)", "[[1,2],[3]]"),
        ("$random(42) = $random(42)", "true"),
        ("$random() != $random()", "true"),
        ("$uuid() != $uuid()", "true"),
        ("$length($uuid())", "36"),
        ("$millis()", "1700000000123"),
        ("$now()", "\"2023-11-14T22:13:20.123Z\""),
        ("$now('[Y0001]-[M01]-[D01]')", "\"2023-11-14\""),
        ("$sort($shuffle([1,2,3]))", "[1,2,3]"),
        ("$pad('x', 3, '-')", "\"x--\""),
        ("$pad('x', -3)", "\"  x\""),
    ] {
        assert_eq!(found(text), expected, "{text}");
    }
    assert_eq!(found("$random()"), found("$random()"), "the scope decides");
}

#[test]
fn failures_are_told_in_awss_words() {
    for (text, end) in [
        ("$doesNotExist", "returned nothing (undefined)."),
        ("$states.input.nowhere", "returned nothing (undefined)."),
        (
            "$fn := function($x){$x}",
            "returned an unsupported result type.",
        ),
        ("{'f': $sum}", "returned an unsupported result type."),
        (
            "$randomSeeded($states.input.a)",
            "threw an error during evaluation. T1006: Attempted to invoke a non-function",
        ),
        (
            "$eval('1')",
            "threw an error during evaluation. T1006: Attempted to invoke a non-function",
        ),
        (
            "'a' + 1",
            "threw an error during evaluation. T2001: The left side of the \"+\" operator must evaluate to a number",
        ),
        (
            "$uppercase(1)",
            "threw an error during evaluation. T0410: Argument 1 of function \"uppercase\" does not match function signature",
        ),
        (
            "$sum('a')",
            "threw an error during evaluation. T0412: Argument 1 of function \"sum\" must be an array of \"n\"",
        ),
        (
            "$partition(1, 2)",
            "threw an error during evaluation. T0410: Argument 1 of function \"partition\" does not match function signature",
        ),
    ] {
        assert_eq!(
            found(text),
            format!("! The JSONata expression '{text}' specified for the field 'Output' {end}")
        );
    }
    let wrong = EvaluateError::Type {
        expected: "array",
        found: Value::parse(r#"{"foo":"bar"}"#).unwrap(),
    };
    assert_eq!(
        wrong.to_string(),
        r#"returned an unexpected result type. Expected 'array', but was 'object' for value: {"foo":"bar"}"#
    );
}

#[test]
fn evaluations_are_bounded() {
    for text in [
        "($f := function($n) { $f($n + 1) + 1 }; $f(0))",
        "$map([1..300000], function($x) { $x })",
        "$pad('x', 1e12)",
        "$range(0, 1e12, 1)",
        "$reduce([1..2000], function($a, $i) { {'in': $a} }, 0)",
    ] {
        let found = found(text);
        assert!(
            found.starts_with('!'),
            "{text}: {}",
            &found[..100.min(found.len())]
        );
    }
}

#[test]
fn deep_expressions_are_refused_or_understood() {
    for (open, close) in [
        ("(", ")"),
        ("[", "]"),
        ("{'a':", "}"),
        ("-", ""),
        ("$f(", ")"),
        ("function($x){", "}"),
        ("$v[", "]"),
        ("1+(", ")"),
        ("$v ? ", " : 2"),
    ] {
        for depth in [100, 1_000, 20_000] {
            let text = format!("{}1{}", open.repeat(depth), close.repeat(depth));
            let _ = evaluate(&text);
        }
    }
    let _ = evaluate(&format!("1{}", "+1".repeat(20_000)));
    let _ = evaluate(&format!("$v{}", ".a".repeat(20_000)));
    let _ = evaluate(&format!("$v{}", "[0]".repeat(20_000)));
    let _ = evaluate(&format!("$v{}", " ~> $f".repeat(20_000)));
}

#[test]
fn what_aws_does_not_support_is_refused() {
    for (text, message) in [
        (
            "phone",
            "Reference to 'phone' at the top level is not supported.",
        ),
        (
            "phone.number",
            "Reference to 'phone' at the top level is not supported.",
        ),
        (
            "states.input",
            "Reference to 'states' at the top level is not supported.",
        ),
        ("$", "Reference to '$' at the top level is not supported."),
        ("$.a", "Reference to '$' at the top level is not supported."),
        ("$$", "Reference to '$$' is not supported."),
        (
            "$$.Map.Item.Index = 0",
            "Reference to '$$' is not supported.",
        ),
        ("$v[$ > $$.x]", "Reference to '$$' is not supported."),
        (
            "1 + a",
            "Reference to 'a' at the top level is not supported.",
        ),
        (
            "$map($v, function($x) { b })",
            "Reference to 'b' at the top level is not supported.",
        ),
        (
            "{'k': c}",
            "Reference to 'c' at the top level is not supported.",
        ),
        ("[d]", "Reference to 'd' at the top level is not supported."),
        ("*", "Reference to '*' at the top level is not supported."),
    ] {
        let error = Expression::parse(text).unwrap_err();
        assert_eq!(error.to_string(), message, "{text}");
        assert!(error.is_unsupported());
    }
    for text in [
        "$v[value > 3]",
        "$v.(a + b)",
        "$v.{'k': a}",
        "$v{k: v}",
        "$v^(>a)",
        "$v ~> |a|{'b': c}|",
        "$v[$ = 1]",
        "$v.*",
        "$v.$",
    ] {
        assert!(Expression::parse(text).is_ok(), "{text}");
    }
}

#[test]
fn what_states_does_not_hold_is_told() {
    let told = |text, result, error| {
        let expression = Expression::parse(text).unwrap();
        expression.unavailable(result, error)
    };
    let all = "$states.input & $states.context & $states.result & $states.errorOutput";
    assert_eq!(told(all, true, true), None);
    assert_eq!(
        told(all, true, false).as_deref(),
        Some("Field '$states.errorOutput' does not exist.")
    );
    assert_eq!(
        told(all, false, true).as_deref(),
        Some("Field '$states.result' does not exist.")
    );
    assert_eq!(
        told("$states.inputs.a", true, true).as_deref(),
        Some("Unknown reserved states field: inputs")
    );
    assert_eq!(told("$states", false, false), None);
}

#[test]
fn what_is_no_jsonata_is_told_without_its_code() {
    for (text, message) in [
        ("$v[1,2)", "Expected \"]\", got \",\""),
        (
            "\"unterminated",
            "String literal must be terminated by a matching quote",
        ),
        ("1 +", "Unexpected end of expression"),
        (
            "{\"a\":}",
            "The symbol \"}\" cannot be used as a unary operator",
        ),
        ("$x :=", "Unexpected end of expression"),
        ("1 2", "Syntax error: \"2\""),
        ("$a b", "Syntax error: \"b\""),
        ("(1", "Expected \")\" before end of expression"),
    ] {
        let error = Expression::parse(text).unwrap_err();
        assert_eq!(error.to_string(), message, "{text}");
        assert!(!error.is_unsupported());
    }
}

#[test]
fn references_are_told() {
    let references = |text| Expression::parse(text).unwrap().references().clone();
    let names = |set: &BTreeSet<Arc<str>>| set.iter().map(ToString::to_string).collect::<Vec<_>>();
    let found =
        references("($x := $a; function($p) { $p + $b + $x }; $states.input.k & $c.d[$ = $e])");
    assert_eq!(names(&found.variables), ["a", "b", "c", "e"]);
    assert_eq!(names(&found.states), ["input"]);
    assert!(!found.all_states);
    assert!(references("$states").all_states);
    assert!(references("$keys($states)").all_states);
    assert!(references("$states.*").all_states);
    let found = references("$maxItems := 2");
    assert!(found.variables.is_empty());
    let found = references("$list@$l#$i.($l.a + $i + $other)");
    assert_eq!(names(&found.variables), ["list", "other"]);
}

proptest! {
    #[test]
    fn no_text_makes_the_parser_panic(text in "\\PC{0,40}") {
        let _ = Expression::parse(&text);
    }

    /// Pieces of expressions in any order: most are nearly right.
    #[test]
    fn no_expression_makes_the_evaluator_panic(
        pieces in prop::collection::vec(prop::sample::select(vec![
            "$states.input", ".items", "[0]", "[v>1]", "$v", " + ", " & ", "1", "'x'", "(", ")", "{", "}",
            "'k': ", ",", "$sum(", "$map(", "function($x){", "$x", "}", "^(>v)", "..", "[", "]", ".*", ".**",
            "$string(", " ? ", " : ", " := ", ";", "$o", "#$i", "@$j", ".%", "$partition(", "null", "-", "/a/",
            "|", " ~> ", "$each(", "$split(", "$replace(", "$now(", " and ", " in ", "`a`",
        ]), 0..12),
    ) {
        let _ = evaluate(&pieces.concat());
    }

    #[test]
    fn json_crosses_with_numbers_of_64_bits(value in crate::value::tests::any_value()) {
        let through = convert::from(&convert::into(&value));
        prop_assert_eq!(through, rounded(&value).ok_or(EvaluateError::Unsupported));
    }
}

/// The value with numbers as JSONata has them; `None` if one is too large.
fn rounded(value: &Value) -> Option<Value> {
    Some(match value {
        Value::Number(number) => crate::value::Number::from_f64(number.as_f64())?.into(),
        Value::Array(items) => Value::from(items.iter().map(rounded).collect::<Option<Vec<_>>>()?),
        Value::Object(map) => {
            let mut entries = Map::new();
            for (key, value) in map.as_ref() {
                entries.insert(Arc::clone(key), rounded(value)?);
            }
            entries.into()
        }
        other => other.clone(),
    })
}
