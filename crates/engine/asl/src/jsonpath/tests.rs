use ids::{SeededEntropy, Timestamp};
use proptest::prelude::*;

use super::*;
use crate::Variables;

const STORE: &str = r#"{
    "store": {
        "book": [
            {"category": "reference", "author": "Rees", "title": "Century", "price": 8.95},
            {"category": "fiction", "author": "Waugh", "title": "Honour", "price": 12.99},
            {"category": "fiction", "author": "Melville", "title": "Moby", "isbn": "0-553", "price": 8.99},
            {"category": "fiction", "author": "Tolkien", "title": "Rings", "isbn": "0-395", "price": 22.99}
        ],
        "bicycle": {"color": "red", "price": 19.95}
    },
    "expensive": 10,
    "test-id": "with a dash",
    "with blank": 1,
    "quo'te": 2,
    "tags": ["new", "old"],
    "nothing": null,
    "code": "10"
}"#;

fn evaluate(path: &str, input: &Value) -> Result<Value, PathError> {
    let context = Value::parse(r#"{"Execution": {"Name": "run"}}"#).unwrap();
    let mut variables = Variables::default();
    variables.assign(
        &[("list", Value::parse("[1,2,3]").unwrap())]
            .into_iter()
            .collect(),
    );
    let random = SeededEntropy::new(1);
    let scope = Scope {
        context: &context,
        variables: &variables,
        now: Timestamp(0),
        random: &random,
    };
    Path::parse(path)?.evaluate(input, &scope)
}

fn found(path: &str) -> String {
    match evaluate(path, &Value::parse(STORE).unwrap()) {
        Ok(value) => value.to_json(),
        Err(error) => format!("! {error}"),
    }
}

#[test]
fn definite_paths_give_what_they_name() {
    for (path, expected) in [
        ("$.expensive", "10"),
        ("$['expensive']", "10"),
        ("$[\"expensive\"]", "10"),
        ("$.['expensive']", "10"),
        ("$.test-id", "\"with a dash\""),
        ("$['with blank']", "1"),
        ("$['quo\\'te']", "2"),
        ("$.store.book[0].title", "\"Century\""),
        ("$.store.book.[0].title", "\"Century\""),
        ("$.store.book[-1].title", "\"Rings\""),
        ("$.store.book[(@.length-1)].title", "\"Rings\""),
        ("$.nothing", "null"),
        ("$.tags.length()", "2"),
        (
            "$.store.bicycle['color','price']",
            r#"{"color":"red","price":19.95}"#,
        ),
        ("$.store.bicycle['color', 'none']", r#"{"color":"red"}"#),
        ("$$.Execution.Name", "\"run\""),
        ("$list", "[1,2,3]"),
        ("$list[1]", "2"),
        ("$list[1:]", "[2,3]"),
    ] {
        assert_eq!(found(path), expected, "{path}");
    }
    assert_eq!(found("$"), Value::parse(STORE).unwrap().to_json());
    assert_eq!(found("$$"), r#"{"Execution":{"Name":"run"}}"#);
}

#[test]
fn indefinite_paths_give_arrays() {
    for (path, expected) in [
        ("$.store.book[*].price", "[8.95,12.99,8.99,22.99]"),
        ("$.store.book[0,2].title", r#"["Century","Moby"]"#),
        ("$.store.book[1:3].title", r#"["Honour","Moby"]"#),
        ("$.store.book[:1].title", r#"["Century"]"#),
        ("$.store.book[-1:].title", r#"["Rings"]"#),
        ("$.store.book[:-3].title", r#"["Century"]"#),
        ("$.store.book[2:99].title", r#"["Moby","Rings"]"#),
        ("$.store.book[9:].title", "[]"),
        ("$.store.*.color", r#"["red"]"#),
        ("$..price", "[8.95,12.99,8.99,22.99,19.95]"),
        ("$..book[2].title", r#"["Moby"]"#),
        ("$.store..price", "[8.95,12.99,8.99,22.99,19.95]"),
        (
            "$.store.book[*]['title','isbn']",
            r#"[{"title":"Century"},{"title":"Honour"},{"title":"Moby","isbn":"0-553"},{"title":"Rings","isbn":"0-395"}]"#,
        ),
        ("$..nowhere", "[]"),
        // Recorded with these paths and an empty input.
        ("$.item.items[*]", "[]"),
        ("$.items[1:]", "[]"),
        ("$.items[:1].itemValue", "[]"),
        ("$.code[1:]", "[]"),
        ("$.store.book[*].nowhere", "[]"),
        ("$.tags[*]", r#"["new","old"]"#),
    ] {
        assert_eq!(found(path), expected, "{path}");
    }
}

#[test]
fn filters_choose() {
    for (path, expected) in [
        (
            "$.store.book[?(@.price < 10)].title",
            r#"["Century","Moby"]"#,
        ),
        ("$.store.book[?(@.isbn)].title", r#"["Moby","Rings"]"#),
        ("$.store.book[?(!@.isbn)].title", r#"["Century","Honour"]"#),
        (
            "$.store.book[?(@.price <= $.expensive)].title",
            r#"["Century","Moby"]"#,
        ),
        (
            "$.store.book[?(@.category == 'fiction' && @.price > 20)].title",
            r#"["Rings"]"#,
        ),
        (
            "$.store.book[?(@.category == \"reference\" || @.price > 20)].title",
            r#"["Century","Rings"]"#,
        ),
        (
            "$.store.book[?((@.price > 20 || @.price < 8.99) && @.category != 'fiction')].title",
            r#"["Century"]"#,
        ),
        (
            "$.store.book[?(@.author =~ /.*(gh|LL).*/i)].title",
            r#"["Honour","Moby"]"#,
        ),
        ("$.store.book[?(@.author =~ /Mel/)].title", "[]"),
        (
            "$.store.book[?(@.category in ['reference'])].title",
            r#"["Century"]"#,
        ),
        (
            "$.store.book[?(@.category in [\"reference\", \"x\"])].title",
            r#"["Century"]"#,
        ),
        (
            "$.store.book[?(@.category nin [\"fiction\"])].title",
            r#"["Century"]"#,
        ),
        ("$.store.book[?(@.title size 4)].title", r#"["Moby"]"#),
        (
            "$.store.book[?(@.title empty false)].price",
            "[8.95,12.99,8.99,22.99]",
        ),
        (
            "$.store.book[?(@.title contains 'on')].title",
            r#"["Honour"]"#,
        ),
        (
            "$.store.book[?(@.category == reference)].title",
            r#"["Century"]"#,
        ),
        ("$.[?(@.expensive == 10)].expensive", "[10]"),
        ("$[?(@.expensive == '10')].expensive", "[10]"),
        ("$[?(@.expensive === '10')].expensive", "[]"),
        ("$[?(@.nothing == null)].expensive", "[10]"),
        ("$[?(@.none == null)].expensive", "[]"),
        ("$[?(@.none != 1)].expensive", "[10]"),
        ("$[?(@.code > 9)].expensive", "[]"),
        ("$[?(@.tags anyof [\"old\", \"x\"])].expensive", "[10]"),
        (
            "$[?(@.tags subsetof [\"old\", \"new\", \"x\"])].expensive",
            "[10]",
        ),
        ("$[?(@.tags noneof [\"x\"])].expensive", "[10]"),
        ("$[?(@.tags all [\"new\"])].expensive", "[10]"),
        ("$[?(@.tags.length() == 2)].expensive", "[10]"),
        ("$..[?(@.price > 19)].price", "[22.99,19.95]"),
        ("$.store.book[?(@['price'] < 8.99)].title", r#"["Century"]"#),
        ("$.store.book[?( @.price<8.99 )].title", r#"["Century"]"#),
        (
            "$.store.book[?(/Re.*/ =~ @.author)].title",
            r#"["Century"]"#,
        ),
    ] {
        assert_eq!(found(path), expected, "{path}");
    }
}

#[test]
fn functions_end_a_path() {
    let input =
        Value::parse(r#"{"n": [3, 1, 2.5], "o": {"a": 1, "b": 2}, "s": ["x", "y"], "e": []}"#)
            .unwrap();
    for (path, expected) in [
        ("$.n.length()", "3"),
        ("$.o.length()", "2"),
        ("$.n.min()", "1"),
        ("$.n.max()", "3"),
        ("$.n.sum()", "6.5"),
        ("$.n[0:2].avg()", "2"),
        ("$.n[0:2].stddev()", "1"),
        ("$.n.max(10, $.n)", "10"),
        ("$.o.keys()", r#"["a","b"]"#),
        ("$.s.first()", "\"x\""),
        ("$.s.last()", "\"y\""),
        ("$.s.index(-1)", "\"y\""),
        ("$.s.concat(\"z\")", "\"xyz\""),
        ("$.s.append(1)", r#"["x","y",1]"#),
        ("$..a.length()", "1"),
        ("$.e.length()", "0"),
    ] {
        assert_eq!(
            evaluate(path, &input).unwrap().to_json(),
            expected,
            "{path}"
        );
    }
    assert_eq!(evaluate("$.e.max()", &input), Err(PathError::Aggregate));
    assert!(evaluate("$.s.last().x", &input).is_err());
    assert!(evaluate("$.s.nonesuch()", &input).is_err());
}

#[test]
fn what_is_missing_is_told_in_jayways_words() {
    for (path, expected) in [
        (
            "$.NoSuchOutputPath",
            "No results for path: $['NoSuchOutputPath']",
        ),
        ("$.no.such.path", "Missing property in path $['no']"),
        ("$.store.no", "No results for path: $['store']['no']"),
        (
            "$.store.book[7]",
            "No results for path: $['store']['book'][7]",
        ),
        ("$.tags[2].x", "No results for path: $['tags'][2]['x']"),
        ("$.nothing[0]", "The path $['nothing'] is null"),
        (
            "$.expensive[0]",
            "Filter: [0] can only be applied to arrays. Current context is: 10",
        ),
        (
            "$.code.inner",
            "Expected to find an object with property ['inner'] in path $['code'] but found \
             'com.fasterxml.jackson.databind.node.TextNode'. This is not a json object according \
             to the JsonProvider: 'com.jayway.jsonpath.spi.json.JacksonJsonNodeJsonProvider'.",
        ),
        ("$missing.x", "The variable 'missing' could not be found"),
    ] {
        assert_eq!(found(path), format!("! {expected}"), "{path}");
    }
}

#[test]
fn what_is_no_path_is_refused() {
    for text in [
        "",
        " ",
        ".guid",
        "..guid",
        "()",
        "$...",
        "$.",
        "$..",
        "$[",
        "$[]",
        "$['a",
        "$['a'",
        "$.a b",
        "$a b",
        "$[1",
        "$[1:2",
        "$[?(@.a]",
        "$[?(@.a)",
        "$[?@.a]",
        "$[?()]",
        "$[?(@.a ==)]",
        "$[?(1)]",
        "$[a]",
        "$.a.[",
        "ipsum",
        "$[:]",
        "$[99999999999]",
        "$.a[?(@.x ~ 1)]",
        "$1a",
        "$[(@.length)]",
        "$[(@.length-0)]",
        "$.a..",
        "$[?(@.a && )]",
        "$[?(@.x =~ /(/)]",
    ] {
        assert!(Path::parse(text).is_err(), "{text:?}");
    }
    let error = Path::parse("$.a[?(@.b ==)]").unwrap_err();
    assert_eq!(
        error.to_string(),
        "Invalid path '$.a[?(@.b ==)]': a value is expected at position 12"
    );
    let deep = format!("$[?({}@.a{})]", "(".repeat(1000), ")".repeat(1000));
    assert!(Path::parse(&deep).is_err());
    let deep = "$[?(@".to_owned() + &"[?(@".repeat(1000);
    assert!(Path::parse(&deep).is_err());
}

#[test]
fn references_are_told_from_other_paths() {
    let path = |text| Path::parse(text).unwrap();
    assert!(path("$.a[0]['b']").is_reference());
    assert!(path("$").is_reference());
    assert!(!path("$.a[0:1]").is_reference());
    assert!(!path("$..a").is_reference());
    assert!(!path("$.a['b','c']").is_reference());
    assert!(path("$.a['b','c']").is_definite());
    assert!(!path("$.a['b','c'].d").is_definite());
    assert_eq!(path("$answer.x").variable(), Some("answer"));
    assert_eq!(path("$$.x").variable(), None);
}

#[test]
fn results_are_put_where_the_path_says() {
    let insert = |input: &str, path: &str| {
        ReferencePath::parse(path)
            .unwrap()
            .insert(&Value::parse(input).unwrap(), Value::from("new"))
            .map(|value| value.to_json())
            .map_err(|error| error.to_string())
    };
    assert_eq!(insert("1", "$").unwrap(), "\"new\"");
    assert_eq!(
        insert(r#"{"a":1,"b":2}"#, "$.a").unwrap(),
        r#"{"a":"new","b":2}"#
    );
    assert_eq!(
        insert(r#"{"a":1}"#, "$.b['c d'].e").unwrap(),
        r#"{"a":1,"b":{"c d":{"e":"new"}}}"#
    );
    assert_eq!(
        insert(r#"{"a":[1,{"b":2}]}"#, "$.a[1].b").unwrap(),
        r#"{"a":[1,{"b":"new"}]}"#
    );
    assert_eq!(
        insert("[1]", "$.a").unwrap_err(),
        "Unable to apply ReferencePath $.a to input [1]"
    );
    assert!(insert(r#"{"a":1}"#, "$.a.b").is_err());
    assert!(insert(r#"{"a":[]}"#, "$.a[0]").is_err());
    for text in [
        "$.a[*]",
        "$..a",
        "$$.a",
        "$x",
        "$.a[-1]",
        "$.a[0,1]",
        "$['a','b']",
        "a",
    ] {
        assert!(ReferencePath::parse(text).is_err(), "{text}");
    }
}

#[test]
fn inserting_shares_the_rest() {
    let input = Value::parse(r#"{"big": [1, 2, 3], "a": {"x": 1}}"#).unwrap();
    let output = ReferencePath::parse("$.a.y")
        .unwrap()
        .insert(&input, Value::Null)
        .unwrap();
    let (Some(Value::Array(before)), Some(Value::Array(after))) =
        (input.get("big"), output.get("big"))
    else {
        panic!("arrays")
    };
    assert!(Arc::ptr_eq(before, after));
    assert_eq!(input.get("a").unwrap().get("y"), None);
}

#[test]
fn visits_are_bounded() {
    let mut deep = Value::Null;
    for _ in 0..200 {
        deep = [deep].into_iter().collect();
    }
    assert_eq!(
        evaluate("$..*..*..*..*..*", &deep),
        Err(PathError::TooMany(1_000_000))
    );
    assert!(evaluate("$..*", &deep).is_ok());
}

proptest! {
    #[test]
    fn no_text_makes_the_parser_panic(text in any::<String>()) {
        let _ = Path::parse(&text);
        let _ = Path::parse(&format!("${text}"));
        let _ = ReferencePath::parse(&format!("$.{text}"));
    }

    /// Pieces of paths in any order: most are nearly right.
    #[test]
    fn no_path_makes_the_evaluator_panic(
        pieces in prop::collection::vec(prop::sample::select(vec![
            ".", "..", "[", "]", "*", "'a'", "\"b\"", "a", "b", "0", "-1", ":", ",", "?(", ")", "(",
            "@", "$", "==", "<", "&&", "||", "!", "=~", "/a/", "in", " ", "1.5", "null", ".length()",
            "[?(@.a)]", "[*]", "['a','b']", "[0]", "[1:]", "\\", "é",
        ]), 0..12),
        text in "[a-b]{0,3}",
    ) {
        let input = Value::parse(STORE).unwrap();
        let path = format!("${}{text}", pieces.concat());
        if let Ok(parsed) = Path::parse(&path) {
            let result = evaluate(&path, &input);
            if let Ok(value) = result && !parsed.is_definite() {
                prop_assert!(value.as_array().is_some(), "{}", path);
            }
        }
    }

    #[test]
    fn a_name_in_brackets_finds_its_property(name in any::<String>(), other in "[a-z]*") {
        prop_assume!(name != other);
        let escaped = name.replace('\\', "\\\\").replace('\'', "\\'");
        let input: Value = [(other.as_str(), Value::from(1)), (name.as_str(), Value::from(2))]
            .into_iter().collect::<crate::value::Map>().into();
        prop_assert_eq!(evaluate(&format!("$['{escaped}']"), &input).unwrap(), Value::from(2));
    }

    #[test]
    fn what_is_inserted_is_found_there(names in prop::collection::vec("[a-z]{1,3}", 1..5)) {
        let path = format!("$.{}", names.join("."));
        let output = ReferencePath::parse(&path).unwrap()
            .insert(&Value::empty_object(), Value::from(7)).unwrap();
        prop_assert_eq!(evaluate(&path, &output).unwrap(), Value::from(7));
        prop_assert_eq!(output.to_json().len(), output.size());
    }
}
