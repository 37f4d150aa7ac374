"""Plays every recorded scenario against the engine and compares whole answers."""

import importlib
import pkgutil

import pytest

from recordings import registry, scenarios, snapshots
from recordings.lab import Lab, Refused, differences
from recordings.ledger import Expectations

for module in pkgutil.iter_modules(scenarios.__path__, f"{scenarios.__name__}."):
    importlib.import_module(module.name)

RECORDINGS = snapshots.load()
EXPECTATIONS = Expectations.read()


def play(engine, recording, played):
    """Plays one scenario and returns the differences; what it created is gone afterwards."""
    lab = Lab(engine)
    arguments = [] if recording.parameter is None else [recording.parameter]
    broken = []
    try:
        played.play(lab, *arguments)
    except (Refused, KeyError, AssertionError) as obstacle:
        # An answer lacks what the next call needs, or something never came about.
        broken = [f"not played to its end: {type(obstacle).__name__}: {obstacle}"]
    finally:
        lab.clean()
    return broken + differences(lab, recording, played)


@pytest.mark.parametrize("recording", RECORDINGS or [None], ids=lambda item: item and item.id)
def test_the_engine_answers_as_aws_did(recording, recorded_engine, ledger):
    if recording is None:
        pytest.skip(f"the recordings are not here: {snapshots.FOLDER}")
    played = registry.find(recording)
    reason = EXPECTATIONS.not_expressible(recording.id)
    if played is None:
        if reason is None and not recording.answers:
            reason = "its name alone was recorded, no answer"
        if reason is None:
            pytest.fail("nobody plays it, and expectations.toml does not say why", pytrace=False)
    if reason is None:
        try:
            found = play(recorded_engine, recording, played)
        except registry.NotExpressible as obstacle:
            reason = str(obstacle)
    if reason is not None:
        ledger.skipped(recording.id, reason)
        pytest.skip(reason)
    known = EXPECTATIONS.miss(recording.id)
    if found and known:
        ledger.missed(recording.id, known)
        pytest.xfail(known)
    if found:
        ledger.missed(recording.id, found[0])
        pytest.fail("\n".join(found), pytrace=False)
    ledger.matched(recording.id)
    if known:
        pytest.fail("it matches: take it off the misses of expectations.toml", pytrace=False)


@pytest.mark.skipif(not RECORDINGS, reason=f"the recordings are not here: {snapshots.FOLDER}")
def test_every_expectation_is_about_a_recording():
    names = {recording.id for recording in RECORDINGS}
    assert EXPECTATIONS.strangers(names) == []
    played = {(recording.subject, recording.plain) for recording in RECORDINGS}
    assert registry.registered() - played == set()
