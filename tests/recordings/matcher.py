"""Compares an answer with a recorded one, in which what varies is a placeholder.

A recording writes `<name>` or `<name:N>` for a value that differs from run to run, wherever it
occurs in a string. The first occurrence binds the placeholder to what stands there now, every other
one must be equal, and two numbers of one name are two different values: a revision that ought to
have changed, and one that ought not to, are both held to it.

What is not bound, because one and the same word is written for different values:

| written                                  | holds any                                   |
|------------------------------------------|---------------------------------------------|
| `date`, `datetime`                       | point in time                               |
| `timestamp`, `sent-timestamp`, …         | milliseconds, as number or digits           |
| `<code-size>`, `<memory>`, `<duration>`  | number                                      |
| `<location>`, `<layer-location>`, …      | URL                                         |
| `code-sha256`, `<code-sha256>`           | digest                                      |
| `log-result`, `event-id`, `sender-id`    | text                                        |
| `<stack-trace>`                          | text, or a list of lines                    |

The rest of the conventions: `<a:len(N)>` is N times the letter a; the account is 111111111111,
which the engine takes from the credentials; a JSON document within a string was recorded as a
document. Nothing else is left out of the comparison: of HTTP the recordings hold the status alone.
"""

import datetime
import json
import re

PARTITION = "aws"
REGION = "us-east-1"

_TOKEN = re.compile(r"<<[a-z0-9-]+>:\d+>|<[A-Za-z_][A-Za-z0-9_-]*(?::\d+)?>|(?:(?<=\t)|^)date(?=\t)")
_FIXED = {"<partition>": PARTITION, "<region>": REGION}
# Angle brackets that Python's own tracebacks print.
_LITERAL = {"<module>"}

_INSTANT = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:?\d\d)"
_NUMBER = r"\d+(?:\.\d+)?"
_URL = r"https?://\S+"
_DIGEST = r"[A-Za-z0-9+/]{43}=|[0-9a-f]{64}"
_ANY = r"(?s:.+)"

# Forms of values that a word stands for without being bound to the first one.
_FREE = {
    "date": _INSTANT,
    "datetime": _INSTANT,
    "<datetime>": _INSTANT,
    "timestamp": r"\d{13}",
    "sent-timestamp": r"\d{13}",
    "<approximate-first-receive-timestamp>": r"\d{13}",
    "<code-size>": _NUMBER,
    "<memory>": _NUMBER,
    "<duration>": _NUMBER,
    "<remaining-time-in-millis>": _NUMBER,
    "maximum-batching-window-in-seconds": _NUMBER,
    "<location>": _URL,
    "<layer-location>": _URL,
    "<function-url>": _URL,
    "function-url": _URL,
    "lambda-url": _URL,
    "code-sha256": _DIGEST,
    "<code-sha256>": _DIGEST,
    "log-result": _ANY,
    "event-id": _ANY,
    "sender-id": _ANY,
    "<stack-trace>": _ANY,
    "<version>": r"[\w.]+",
    "<runtime-id>": r"[0-9a-f]{64}",
}

# Forms of bound values; any other name holds whatever text makes the string match.
_BOUND = {
    "uuid": r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}",
    "request-id": r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}",
    "function-name": r"[A-Za-z0-9_-]+",
    "resource": r"[^:/\s'\"]+",
    "code-sha256": _DIGEST,
    "<code-sha-256>": _DIGEST,
    "unreserved_concurrency": r"\d+",
    "min_unreserved_concurrency": r"\d+",
}


class Matcher:
    """The bindings of one scenario, and the differences found under them."""

    def __init__(self):
        self.bound = {}

    def compare(self, expected, actual, path=""):
        """The differences as text, each with the path at which it lies; none when all is equal."""
        if isinstance(expected, str):
            return self._text(expected, actual, path)
        if isinstance(expected, (dict, list)) and isinstance(actual, str):
            actual = document(actual)
        if isinstance(expected, dict):
            return self._members(expected, actual, path)
        if isinstance(expected, list):
            return self._items(expected, actual, path)
        if type(expected) is not type(actual) or expected != actual:
            return [_differ(path, expected, actual)]
        return []

    def _members(self, expected, actual, path):
        if not isinstance(actual, dict):
            return [_differ(path, expected, actual)]
        found = []
        for name in sorted(expected.keys() | actual.keys()):
            place = f"{path}.{name}" if path else name
            if name not in actual:
                found.append(f"{place}: expected {_show(expected[name])}, and there is nothing")
            elif name not in expected:
                found.append(f"{place}: expected nothing, got {_show(actual[name])}")
            else:
                found += self.compare(expected[name], actual[name], place)
        return found

    def _items(self, expected, actual, path):
        if not isinstance(actual, list):
            return [_differ(path, expected, actual)]
        found = []
        if len(expected) != len(actual):
            counts = f"expected {len(expected)} items, got {len(actual)}"
            found.append(f"{path}: {counts}: {_show(actual)}")
        for index, (wanted, got) in enumerate(zip(expected, actual, strict=False)):
            found += self.compare(wanted, got, f"{path}[{index}]")
        return found

    def _text(self, expected, actual, path):
        if expected in _FREE:
            return [] if _has_form(_FREE[expected], actual) else [_differ(path, expected, actual)]
        if not isinstance(actual, str):
            return [_differ(path, expected, actual)]
        expected = re.sub(r"<a:len\((\d+)\)>", lambda match: "a" * int(match[1]), expected)
        pattern, tokens = self._pattern(expected)
        match = re.fullmatch(pattern, actual)
        if match is None:
            return [_differ(path, self._resolve(expected), actual)]
        return [
            difference
            for group, token in tokens.items()
            for difference in self._bind(token, match[group], path)
        ]

    def _pattern(self, expected):
        """A regular expression for a string, and which of its groups binds which placeholder."""
        pattern, tokens, groups, end = "", {}, {}, 0
        for match in _TOKEN.finditer(expected):
            token = match[0]
            pattern += re.escape(expected[end : match.start()])
            end = match.end()
            if token in _LITERAL:
                pattern += re.escape(token)
            elif token in _FREE:
                pattern += f"(?:{_FREE[token]})"
            elif (value := self._value(token)) is not None:
                pattern += re.escape(value)
            elif token in groups:
                pattern += f"(?P={groups[token]})"
            else:
                group = f"p{len(groups)}"
                groups[token], tokens[group] = group, token
                pattern += f"(?P<{group}>{_BOUND.get(_kind(token), '(?s:.+?)')})"
        return pattern + re.escape(expected[end:]), tokens

    def _value(self, token):
        return _FIXED.get(token, self.bound.get(token))

    def _resolve(self, expected):
        """The string with the values that are known already, for the message of a difference."""
        return _TOKEN.sub(lambda match: self._value(match[0]) or match[0], expected)

    def _bind(self, token, value, path):
        for other, taken in self.bound.items():
            if taken == value and _kind(other) == _kind(token):
                return [f"{path}: {token} and {other} are two values, got {_show(value)} for both"]
        self.bound[token] = value
        return []


def document(text):
    """The JSON document that the text is; the text where it is none."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def _kind(token):
    """The name of a numbered placeholder; of any other one the whole of it."""
    name, colon, _ = token[1:-1].rpartition(":")
    return name if colon else token[1:-1]


def _has_form(form, actual):
    if isinstance(actual, datetime.datetime):
        return form == _INSTANT
    if isinstance(actual, list):
        return form == _ANY and all(isinstance(line, str) for line in actual)
    if isinstance(actual, (int, float)) and not isinstance(actual, bool):
        return re.fullmatch(form, str(actual)) is not None
    return isinstance(actual, str) and re.fullmatch(form, actual) is not None


def _show(value, most=300):
    text = json.dumps(value, default=str, ensure_ascii=False)
    return text if len(text) <= most else f"{text[:most]}… ({len(text)} characters)"


def _differ(path, expected, actual):
    return f"{path}: expected {_show(expected)}, got {_show(actual)}"
