//! JSONata's behaviour, from the examples of its documentation (<https://docs.jsonata.org/>), with
//! `$states.input` in place of the documents that it asks.

use asl::jsonata::{Expression, Session, States};
use asl::{Scope, Value, Variables};
use ids::{SeededEntropy, Timestamp};

const INPUT: &str = r#"{
    "FirstName": "Fred",
    "Address": {"Street": "Hursley Park", "City": "Winchester"},
    "Phone": [
        {"type": "home", "number": "0203 544 1234"},
        {"type": "office", "number": "01962 001234"},
        {"type": "office", "number": "01962 001235"},
        {"type": "mobile", "number": "077 7700 1234"}
    ],
    "Other": {"Misc": null, "Over 18 ?": true},
    "Order": [
        {"id": "o1", "Product": [
            {"name": "Hat", "Price": 34.45, "Quantity": 2},
            {"name": "Cloak", "Price": 107.99, "Quantity": 1}
        ]},
        {"id": "o2", "Product": [{"name": "Hat", "Price": 34.45, "Quantity": 4}]}
    ],
    "library": {
        "loans": [{"isbn": "1", "customer": "a"}, {"isbn": "2", "customer": "b"}],
        "books": [{"isbn": "1", "title": "One"}, {"isbn": "2", "title": "Two"}]
    }
}"#;

const EXAMPLES: &[(&str, &str)] = &[
    // Navigation.
    ("$states.input.FirstName", r#""Fred""#),
    ("$states.input.Address.City", r#""Winchester""#),
    ("$states.input.Other.`Over 18 ?`", "true"),
    ("$states.input.Other.Misc", "null"),
    ("$states.input.Phone[0].number", r#""0203 544 1234""#),
    ("$states.input.Phone[-1].type", r#""mobile""#),
    (
        "$states.input.Phone.number[0]",
        r#"["0203 544 1234","01962 001234","01962 001235","077 7700 1234"]"#,
    ),
    ("($states.input.Phone.number)[0]", r#""0203 544 1234""#),
    (
        "$states.input.Phone[type='mobile'].number",
        r#""077 7700 1234""#,
    ),
    (
        "$states.input.Phone[type='office'].number",
        r#"["01962 001234","01962 001235"]"#,
    ),
    (
        "$states.input.Phone[type='mobile'].number[]",
        r#"["077 7700 1234"]"#,
    ),
    (
        "$states.input.Address.*",
        r#"["Hursley Park","Winchester"]"#,
    ),
    ("$states.input.**.Price", "[34.45,107.99,34.45]"),
    // Constructors, grouping, sorting, binding, parents.
    ("[$states.input.Address.City, 'x']", r#"["Winchester","x"]"#),
    (
        "{'city': $states.input.Address.City, 'none': $states.input.no}",
        r#"{"city":"Winchester"}"#,
    ),
    (
        "$states.input.Phone{type: number}",
        r#"{"home":"0203 544 1234","office":["01962 001234","01962 001235"],"mobile":"077 7700 1234"}"#,
    ),
    (
        "$states.input.Phone[type='home']{type: number[]}",
        r#"{"home":["0203 544 1234"]}"#,
    ),
    (
        "$sum($states.input.Order.Product.(Price * Quantity))",
        "314.69",
    ),
    ("$states.input.Order.Product^(>Price)[0].name", r#""Cloak""#),
    (
        "$states.input.Order.Product^(name, >Quantity).Quantity",
        "[1,4,2]",
    ),
    (
        "$states.input.Order.Product.{'order': %.id, 'name': name}",
        r#"[{"order":"o1","name":"Hat"},{"order":"o1","name":"Cloak"},{"order":"o2","name":"Hat"}]"#,
    ),
    ("$states.input.Phone#$i[type='office'].$i", "[1,2]"),
    (
        "$states.input.library.loans@$l.($states.input.library).books[$l.isbn=isbn].title",
        r#"["One","Two"]"#,
    ),
    (
        "$states.input ~> |Address|{'City': 'Paris'}, ['Street']| ~> $lookup('Address')",
        r#"{"City":"Paris"}"#,
    ),
    // Operators.
    ("5 + 3 - 2 * 4 / 2 % 3", "7"),
    ("'a' & 1 & true", r#""a1true""#),
    ("1 = 1 and 2 != 3 or false", "true"),
    ("3 in [1, 2, 3]", "true"),
    ("[1..5]", "[1,2,3,4,5]"),
    ("[1..3, 7..9]", "[1,2,3,7,8,9]"),
    ("[1..5].($ * $)", "[1,4,9,16,25]"),
    ("1 > 2 ? 'a' : 'b'", r#""b""#),
    ("'abc' ~> $uppercase ~> $length", "3"),
    (
        "($inc := function($x) { $x + 1 }; $twice := $inc ~> $inc; $twice(5))",
        "7",
    ),
    (
        "($add := function($a, $b) { $a + $b }; $add5 := $add(?, 5); $add5(3))",
        "8",
    ),
    ("(function($x) { $x <= 1 ? 1 : $x * 2 })(4)", "8"),
    // Strings.
    ("$string(5)", r#""5""#),
    ("[1..3].$string()", r#"["1","2","3"]"#),
    ("$string({'a': [1]})", r#""{\"a\":[1]}""#),
    ("$length('Hello World')", "11"),
    ("$substring('Hello World', 3)", r#""lo World""#),
    ("$substring('Hello World', 3, 5)", r#""lo Wo""#),
    ("$substring('Hello World', -4)", r#""orld""#),
    ("$substring('Hello World', -4, 2)", r#""or""#),
    ("$substringBefore('Hello World', ' ')", r#""Hello""#),
    ("$substringAfter('Hello World', ' ')", r#""World""#),
    ("$uppercase('Hello World')", r#""HELLO WORLD""#),
    ("$lowercase('Hello World')", r#""hello world""#),
    ("$trim('   Hello    \n World  ')", r#""Hello World""#),
    ("$pad('foo', 5)", r#""foo  ""#),
    ("$pad('foo', -5, '#')", r###""##foo""###),
    ("$pad($formatBase(35, 2), -8, '0')", r#""00100011""#),
    ("$contains('abracadabra', 'bra')", "true"),
    ("$contains('abracadabra', /a.*a/)", "true"),
    ("$contains('Hello World', /wo/)", "false"),
    ("$contains('Hello World', /wo/i)", "true"),
    ("$split('so many words', ' ')", r#"["so","many","words"]"#),
    ("$split('so many words', ' ', 2)", r#"["so","many"]"#),
    (
        "$split('too much, punctuation. hard; to read', /[ ,.;]+/)",
        r#"["too","much","punctuation","hard","to","read"]"#,
    ),
    ("$join(['a','b','c'], '-')", r#""a-b-c""#),
    (
        "$match('ababbabbcc', /a(b+)/)",
        r#"[{"match":"ab","index":0,"groups":["b"]},{"match":"abb","index":2,"groups":["bb"]},{"match":"abb","index":5,"groups":["bb"]}]"#,
    ),
    (
        "$replace('John Smith and John Jones', 'John', 'Mr')",
        r#""Mr Smith and Mr Jones""#,
    ),
    (
        "$replace('John Smith and John Jones', 'John', 'Mr', 1)",
        r#""Mr Smith and John Jones""#,
    ),
    ("$replace('abracadabra', /a.*?a/, '*')", r#""*c*bra""#),
    (
        r"$replace('John Smith', /(\w+)\s(\w+)/, '$2, $1')",
        r#""Smith, John""#,
    ),
    ("$replace('265USD', /([0-9]+)USD/, '$$$1')", r#""$265""#),
    (
        "$base64encode('myuser:mypass')",
        r#""bXl1c2VyOm15cGFzcw==""#,
    ),
    (
        "$base64decode('bXl1c2VyOm15cGFzcw==')",
        r#""myuser:mypass""#,
    ),
    ("$encodeUrlComponent('?x=test')", r#""%3Fx%3Dtest""#),
    ("$decodeUrlComponent('%3Fx%3Dtest')", r#""?x=test""#),
    // Numbers.
    ("$number('5')", "5"),
    ("$number('0x12')", "18"),
    ("['1', '2'].$number()", "[1,2]"),
    ("$abs(-5)", "5"),
    ("$floor(-5.8)", "-6"),
    ("$ceil(5.3)", "6"),
    ("$round(123.456, 2)", "123.46"),
    ("$round(123.456, -1)", "120"),
    (
        "[$round(11.5), $round(12.5), $round(125, -1)]",
        "[12,12,120]",
    ),
    ("$power(2, 8)", "256"),
    ("$power(2, -2)", "0.25"),
    ("$sqrt(4)", "2"),
    ("$formatNumber(12345.6, '#,###.00')", r#""12,345.60""#),
    ("$formatNumber(1234.5678, '00.000e0')", r#""12.346e2""#),
    ("$formatNumber(34.555, '#0.00;(#0.00)')", r#""34.56""#),
    ("$formatNumber(0.14, '01%')", r#""14%""#),
    ("$formatBase(100, 2)", r#""1100100""#),
    (
        "$formatInteger(2789, 'w')",
        r#""two thousand, seven hundred and eighty-nine""#,
    ),
    ("$formatInteger(1999, 'I')", r#""MCMXCIX""#),
    (
        "$parseInteger('twelve thousand, four hundred and seventy-six', 'w')",
        "12476",
    ),
    ("$parseInteger('12,345,678', '#,##0')", "12345678"),
    ("$sum([5,1,3,7,4])", "20"),
    (
        "[$max([5,1,3,7,4]), $min([5,1,3,7,4]), $average([5,1,3,7,4])]",
        "[7,1,4]",
    ),
    // Booleans.
    (
        "[$boolean(''), $boolean('x'), $boolean(0), $boolean([0]), $boolean([0, 1]), $boolean({}), $boolean(null)]",
        "[false,true,false,false,true,false,false]",
    ),
    ("$not($exists($states.input.no))", "true"),
    // Arrays and objects.
    ("$count([1,2,3,1])", "4"),
    ("$append([1,2,3], [4,5,6])", "[1,2,3,4,5,6]"),
    ("$append('Hello', 'World')", r#"["Hello","World"]"#),
    ("$sort([3,1,2], function($l, $r) { $l < $r })", "[3,2,1]"),
    ("$reverse(['Hello', 'World'])", r#"["World","Hello"]"#),
    ("$distinct([1,2,3,3,4,3,5])", "[1,2,3,4,5]"),
    ("$zip([1,2,3], [4,5,6])", "[[1,4],[2,5],[3,6]]"),
    ("$zip([1,2,3], [4,5], [7,8,9])", "[[1,4,7],[2,5,8]]"),
    ("$keys({'a': 1, 'b': 2})", r#"["a","b"]"#),
    ("$lookup({'a': 1}, 'a')", "1"),
    ("$spread({'a': 1, 'b': 2})", r#"[{"a":1},{"b":2}]"#),
    ("$merge([{'a': 1}, {'b': 2}, {'a': 3}])", r#"{"a":3,"b":2}"#),
    (
        "$sift({'a': 1, 'b': 'x'}, function($v) { $type($v) = 'string' })",
        r#"{"b":"x"}"#,
    ),
    (
        "$each({'a': 1, 'b': 2}, function($v, $k) { $k & '=' & $v })",
        r#"["a=1","b=2"]"#,
    ),
    (
        "$map([null, 1, 'x', true, {}], function($v) { $type($v) })",
        r#"["null","number","string","boolean","object"]"#,
    ),
    // Functions of functions.
    ("$map([1..4], function($v, $i) { $v * $i })", "[0,2,6,12]"),
    ("$filter([1,2,3,4], function($v) { $v % 2 = 0 })", "[2,4]"),
    ("$single([1,2,3], function($v) { $v > 2 })", "3"),
    ("$reduce([1..5], function($i, $j) { $i * $j })", "120"),
    ("$reduce([2,3], function($p, $c) { $p + $c }, 10)", "15"),
    // Dates.
    (
        "$fromMillis(1510067557121)",
        r#""2017-11-07T15:12:37.121Z""#,
    ),
    (
        "$fromMillis(1510067557121, '[M01]/[D01]/[Y0001] [h#1]:[m01][P]')",
        r#""11/07/2017 3:12pm""#,
    ),
    (
        "$fromMillis(1510067557121, '[H01]:[m01]:[s01] [z]', '-0500')",
        r#""10:12:37 GMT-05:00""#,
    ),
    ("$toMillis('2017-11-07T15:07:54.972Z')", "1510067274972"),
    (
        "$toMillis('11/07/2017', '[M01]/[D01]/[Y0001]')",
        "1510012800000",
    ),
];

#[test]
fn the_documentations_examples_come_out() {
    let input = Value::parse(INPUT).unwrap();
    let (context, variables) = (Value::Null, Variables::default());
    let random = SeededEntropy::new(1);
    let scope = Scope {
        context: &context,
        variables: &variables,
        now: Timestamp(0),
        random: &random,
    };
    let session = Session::new(States::of(&input), scope);
    let wrong: Vec<String> = EXAMPLES
        .iter()
        .filter_map(|(text, expected)| {
            let found = match Expression::parse(text) {
                Ok(expression) => match expression.evaluate(&session) {
                    Ok(value) => value.to_json(),
                    Err(error) => error.to_string(),
                },
                Err(error) => error.to_string(),
            };
            (found != *expected).then(|| format!("{text}\n    gives {found}\n    not   {expected}"))
        })
        .collect();
    println!("{} examples of the documentation", EXAMPLES.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
