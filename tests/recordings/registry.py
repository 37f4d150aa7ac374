"""Which function plays which recorded scenario."""

from dataclasses import dataclass, field
from typing import Callable

API = "test_lambda_api"
LAMBDA = "test_lambda"
COMMON = "test_lambda_common"
RUNTIMES = "test_lambda_runtimes"
DESTINATIONS = "test_lambda_destinations"
SQS = "test_lambda_integration_sqs"

_PLAYED = {}


class NotExpressible(Exception):
    """The scenario needs something that neither the engine nor this machine has; says what."""


@dataclass
class Played:
    """How one scenario is played, and where AWS has moved on since it was recorded."""

    play: Callable
    # Members that AWS answers with today and the recording does not have, each with the reason.
    grown: dict = field(default_factory=dict)
    # Keys whose recorded answer is superseded: what is expected instead, and the reason.
    instead: dict = field(default_factory=dict)


def scenario(name, subject=API, grown=None, instead=None):
    """Registers the decorated function for a scenario, given without its parameters.

    It is called with the `Lab`, and with the text of the brackets for a scenario that has any.
    """

    def register(play):
        key = (subject, name)
        assert key not in _PLAYED, f"{name} is played twice"
        _PLAYED[key] = Played(play, grown or {}, instead or {})
        return play

    return register


def find(recording):
    """The one that plays this recording; None when nobody does."""
    return _PLAYED.get((recording.subject, recording.plain))


def registered():
    """Subject and name of everything that is played."""
    return set(_PLAYED)
