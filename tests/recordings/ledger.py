"""Keeps count: what matched, what did not and why, and what cannot be expressed."""

import tomllib
from collections import Counter
from pathlib import Path

FILE = Path(__file__).with_name("expectations.toml")


class Expectations:
    """The scenarios that are known not to match, each with its reason.

    A name that ends with `*` is about every scenario that begins so.
    """

    def __init__(self, misses, not_expressible):
        self._misses = misses
        self._not_expressible = not_expressible

    @classmethod
    def read(cls):
        """Reads them from `expectations.toml`."""
        tables = tomllib.loads(FILE.read_text())
        return cls(tables.get("misses", {}), tables.get("not_expressible", {}))

    def miss(self, name):
        """Why the scenario does not match; None when it is expected to."""
        return _look_up(self._misses, name)

    def not_expressible(self, name):
        """Why the scenario cannot be played; None when it can."""
        return _look_up(self._not_expressible, name)

    def strangers(self, names):
        """Expectations that are about none of these scenarios."""
        return [
            pattern
            for pattern in (*self._misses, *self._not_expressible)
            if not any(_matches(pattern, name) for name in names)
        ]


def _look_up(table, name):
    return next((reason for pattern, reason in table.items() if _matches(pattern, name)), None)


def _matches(pattern, name):
    if pattern.endswith("*"):
        return name.startswith(pattern.removesuffix("*"))
    return name == pattern


class Ledger:
    """What came of the scenarios of this run."""

    def __init__(self):
        self._matched = []
        self._missed = {}
        self._skipped = {}

    def matched(self, name):
        """Every answer was as recorded."""
        self._matched.append(name)

    def missed(self, name, reason):
        """Some answer differed."""
        self._missed[name] = reason

    def skipped(self, name, reason):
        """The scenario was not played."""
        self._skipped[name] = reason

    def lines(self):
        """The account of it, as `make test` prints it."""
        played = len(self._matched) + len(self._missed)
        if not played:
            return []
        count = f"matched {len(self._matched)} of {played}"
        lines = [f"recordings: {count}; not expressible: {len(self._skipped)}"]
        lines += [f"  miss: {name}: {reason}" for name, reason in sorted(self._missed.items())]
        reasons = Counter(self._skipped.values())
        for reason, number in reasons.most_common():
            lines.append(f"  not expressible, {number}: {reason}")
        return lines
