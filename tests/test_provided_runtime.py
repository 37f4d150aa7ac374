"""A function written against AWS's own Rust runtime, on `provided.al2023`."""

import os
from pathlib import Path

import pytest

from support import functions
from support.engine import REPOSITORY
from test_functions import arn

BOOTSTRAP = Path(
    os.environ.get("LAMBDALAB_TEST_FUNCTION", REPOSITORY / "target/debug/lambdalab-test-function")
)


@pytest.fixture(scope="module")
def rust(client, names):
    assert BOOTSTRAP.exists(), f"{BOOTSTRAP} is missing: cargo build -p lambdalab-test-function"
    name = next(names)
    archive = functions.package({"bootstrap": BOOTSTRAP.read_bytes()})
    client.create_function(
        **functions.create_arguments(name, archive, Runtime="provided.al2023", Handler="bootstrap")
    )
    functions.wait_active(client, name)
    yield name
    client.delete_function(FunctionName=name)


def test_it_answers(client, rust):
    result = functions.invoke(client, rust, {"a": [1, "ä"]}, LogType="Tail")
    assert result.value == {
        "event": {"a": [1, "ä"]},
        "request_id": result.request_id,
        "arn": arn(rust),
        "memory": 1769,
    }
    assert "rust function invoked" in result.log.splitlines()
    assert "REPORT RequestId: " in result.log


def test_it_is_reused(client, rust):
    functions.invoke(client, rust)
    warm = functions.invoke(client, rust, LogType="Tail")
    assert "Init Duration" not in warm.log


def test_an_error(client, rust):
    result = functions.invoke(client, rust, "fail")
    assert result.error == "Unhandled"
    assert result.payload["errorMessage"] == "on purpose"
    assert functions.invoke(client, rust, 1).value["event"] == 1


def test_a_panic(client, rust):
    result = functions.invoke(client, rust, "panic")
    assert result.error == "Unhandled"
    assert "on purpose" in result.payload["errorMessage"]
    assert functions.invoke(client, rust, 2).value["event"] == 2


def test_a_package_without_bootstrap(client, deploy):
    name = deploy(functions.python(functions.ECHO), Runtime="provided.al2023", Handler="any")
    result = functions.invoke(client, name)
    assert result.error == "Unhandled"
    assert result.payload["errorType"] == "Runtime.InvalidEntrypoint"


def test_a_bootstrap_that_is_a_script(client, deploy):
    archive = functions.package({"bootstrap": "#!/bin/sh\nexit 127\n"})
    name = deploy(archive, Runtime="provided.al2023", Handler="any")
    result = functions.invoke(client, name)
    assert result.error == "Unhandled"
    assert result.payload["errorType"] == "Runtime.ExitError"
    assert result.payload["errorMessage"].endswith("Runtime exited with error: exit status 127")
