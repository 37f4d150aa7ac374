"""The engine for the recordings, and the count at the end of the run."""

import pytest

from recordings.ledger import Ledger
from support.engine import Engine

LEDGER = pytest.StashKey[Ledger]()


def pytest_configure(config):
    config.stash[LEDGER] = Ledger()


@pytest.fixture(scope="session")
def ledger(request):
    """Where the scenarios enter what came of them."""
    return request.config.stash[LEDGER]


@pytest.fixture(scope="session")
def recorded_engine(tmp_path_factory):
    """One engine for all scenarios."""
    engine = Engine(tmp_path_factory.mktemp("recordings"))
    yield engine
    engine.close()


def pytest_terminal_summary(terminalreporter, config):
    lines = config.stash[LEDGER].lines()
    if lines:
        terminalreporter.section("recordings")
        for line in lines:
            terminalreporter.write_line(line)
