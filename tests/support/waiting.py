"""Waiting for conditions instead of for time."""

import time


def eventually(condition, what, timeout=15.0, pause=0.02):
    """The first true value of `condition()`; fails, naming `what`, when none comes in time."""
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout} s: {what}")
        time.sleep(pause)
