"""The matcher: what it takes for equal, and what it does not."""

import datetime

import pytest

from recordings.ledger import Expectations, Ledger
from recordings.matcher import Matcher

ID = "8c1ef497-88bd-4165-85b0-36a8184bf598"
OTHER = "88f4ebc5-e52a-4187-9c46-50f04abb8ccc"
INSTANT = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)


def differences(expected, actual):
    return Matcher().compare(expected, actual)


@pytest.mark.parametrize(
    ("expected", "actual"),
    [
        ({"a": [1, None, True, "x"]}, {"a": [1, None, True, "x"]}),
        ("arn:<partition>:lambda:<region>:1:x", "arn:aws:lambda:us-east-1:1:x"),
        ("<uuid:1>", ID),
        ("<a:len(3)>b", "aaab"),
        ("datetime", INSTANT),
        ("date", "2026-01-01T00:00:00.000+0000"),
        ("[INFO]\tdate\ttext", "[INFO]\t2026-01-01T00:00:00.000Z\ttext"),
        ("<code-size>", 158),
        ("<stack-trace>", ["one", "two"]),
        ({"document": {"Version": "1"}}, {"document": '{"Version": "1"}'}),
        ("line 1, in <module>\n", "line 1, in <module>\n"),
        ("\\$(LATEST)|[a-z]+ (.*)", "\\$(LATEST)|[a-z]+ (.*)"),
        ({"date": "no placeholder in a name"}, {"date": "no placeholder in a name"}),
    ],
)
def test_what_is_equal(expected, actual):
    assert differences(expected, actual) == []


@pytest.mark.parametrize(
    ("expected", "actual"),
    [
        ({"a": 1}, {}),
        ({}, {"a": 1}),
        ({"a": 1}, {"a": None}),
        (1, True),
        (1, "1"),
        ([1, 2], [1]),
        ([1, 2], [1, 3]),
        ("text", "Text"),
        ("<uuid:1>", "no uuid"),
        ("<region>", "eu-west-1"),
        ("datetime", "now"),
        ("date", ""),
        ("<code-size>", "158 bytes"),
        ("<code-size>", True),
        ("<a:len(3)>", "aaaa"),
        ({"document": {"Version": "1"}}, {"document": "no document"}),
        ("of <resource:1>", "of a:b"),
        ("a.c", "abc"),
    ],
)
def test_what_differs(expected, actual):
    assert len(differences(expected, actual)) == 1


def test_a_placeholder_keeps_its_value():
    matcher = Matcher()
    assert matcher.compare({"a": "<uuid:1>"}, {"a": ID}) == []
    assert matcher.compare("RequestId: <uuid:1>", f"RequestId: {ID}") == []
    assert matcher.compare("<uuid:1>", OTHER) == [f': expected "{ID}", got "{OTHER}"']


def test_two_numbers_are_two_values():
    matcher = Matcher()
    assert matcher.compare(["<uuid:1>", "<uuid:2>"], [ID, OTHER]) == []
    assert matcher.compare("<uuid:3>", ID, "x") == [
        f'x: <uuid:3> and <uuid:1> are two values, got "{ID}" for both'
    ]


def test_a_placeholder_twice_in_one_string():
    assert differences("<resource:1>/<resource:1>", "a/a") == []
    assert len(differences("<resource:1>/<resource:1>", "a/b")) == 1


def test_differences_name_their_place():
    expected = {"a": [{"b": "x"}, {"b": "y"}], "c": 1}
    actual = {"a": [{"b": "x"}, {"b": "z"}], "d": 1}
    assert differences(expected, actual) == [
        'a[1].b: expected "y", got "z"',
        "c: expected 1, and there is nothing",
        "d: expected nothing, got 1",
    ]


def test_expectations_are_looked_up_by_name_or_beginning():
    expectations = Expectations({"s::a": "differs"}, {"s::b[*": "foreign"})
    assert expectations.miss("s::a") == "differs"
    assert expectations.miss("s::ab") is None
    assert expectations.not_expressible("s::b[1]") == "foreign"
    assert expectations.not_expressible("s::b") is None
    assert expectations.strangers({"s::a", "s::c"}) == ["s::b[*"]


def test_the_ledger_tells_the_count_and_every_miss():
    ledger = Ledger()
    assert ledger.lines() == []
    ledger.matched("a")
    ledger.missed("b", "it differs")
    ledger.skipped("c", "foreign")
    assert ledger.lines() == [
        "recordings: matched 1 of 2; not expressible: 1",
        "  miss: b: it differs",
        "  not expressible, 1: foreign",
    ]
