"""The examples run as their own text says, and the demo shows what it promises."""

import json
import subprocess
import sys

import pytest

from support import census, functions
from support.engine import BINARY, REPOSITORY, command_environment
from support.waiting import eventually

ALGORITHMS = REPOSITORY / "examples/algorithms"
FAN_OUT = REPOSITORY / "examples/determinism/fan_out.py"
EVENT = {"seed": 0.37, "steps": 5_000}


@pytest.fixture(scope="module")
def algorithms():
    """The example package, zipped as `lambdalab function create --dir` would."""
    files = sorted(ALGORITHMS.rglob("*.py"))
    return functions.package({str(f.relative_to(ALGORITHMS)): f.read_bytes() for f in files})


def fan_out(engine, *arguments):
    return subprocess.run(
        [sys.executable, FAN_OUT, *arguments],
        env=engine.sdk_environment(),
        capture_output=True,
        text=True,
        timeout=110,
    )


def test_fibonacci(client, deploy, algorithms):
    name = deploy(algorithms, Handler="algorithms.handler.fibonacci")
    assert functions.invoke(client, name, {"n": 15}).value == {"n": 15, "fibonacci": 610}


def test_the_digest_is_the_same_in_180_invocations(engine, deploy, algorithms):
    name = deploy(algorithms, Handler="algorithms.handler.digest")
    done = fan_out(engine, name, json.dumps(EVENT))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "180 answers in " in done.stdout
    assert "  180 × " in done.stdout


def test_the_unstable_digest_differs_between_environments(engine, deploy, algorithms):
    name = deploy(algorithms, Handler="algorithms.handler.unstable_digest")
    done = fan_out(engine, name, json.dumps({"seed": 0.37, "steps": 50_000}), "--count", "40")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "40 answers in " in done.stdout
    assert done.stdout.count(" × ") >= 2


def test_the_log_tells_which_environment_answered(client, deploy, algorithms):
    name = deploy(algorithms, Handler="algorithms.handler.unstable_digest")
    results = [functions.invoke(client, name, EVENT, LogType="Tail") for _ in range(2)]
    lines = [
        [line for line in r.log.splitlines() if line.startswith("environment: ")] for r in results
    ]
    assert lines[0] == lines[1] != []
    assert results[0].value == results[1].value


def test_the_demo_judges_rightly_and_leaves_nothing(tmp_path):
    mark = f"demo{tmp_path.name}"
    done = subprocess.run(
        [BINARY, "demo", "--output", "json"],
        env=command_environment(tmp_path / "home", LAMBDALAB_TEST_MARK=mark),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=110,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout)
    # The guard ends last.
    eventually(lambda: census.processes(mark) == {}, "everything has ended")
    assert not (tmp_path / "home" / "engine.json").exists()
