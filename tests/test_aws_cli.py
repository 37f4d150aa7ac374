"""The real AWS CLI, pointed at the engine by the environment alone."""

import json

import pytest

from support import functions


@pytest.fixture
def aws(aws_cli):
    return aws_cli("lambda")


def test_the_life_of_a_function(aws, names, tmp_path):
    name = next(names)
    (tmp_path / "one.zip").write_bytes(functions.python("def handler(e, c):\n    return [1, e]\n"))
    (tmp_path / "two.zip").write_bytes(functions.python("def handler(e, c):\n    return [2, e]\n"))

    created = aws(
        "create-function", "--function-name", name, "--runtime", "python3.11",
        "--handler", "main.handler", "--role", functions.ROLE, "--zip-file", "fileb://one.zip",
        "--environment", "Variables={ONE=1}", "--memory-size", "512",
    )  # fmt: skip
    assert (created["FunctionName"], created["State"]) == (name, "Pending")
    aws("wait", "function-active-v2", "--function-name", name)

    answer = aws(
        "invoke", "--function-name", name, "--payload", '{"n": 1}', "--log-type", "Tail", "out.json",
    )  # fmt: skip
    assert (answer["StatusCode"], answer["ExecutedVersion"]) == (200, "$LATEST")
    assert answer["LogResult"]
    assert json.loads((tmp_path / "out.json").read_text()) == [1, {"n": 1}]

    listed = aws("list-functions", "--query", "Functions[].FunctionName")
    assert name in listed

    assert aws("publish-version", "--function-name", name)["Version"] == "1"
    aws("create-alias", "--function-name", name, "--name", "prod", "--function-version", "1")
    aws("update-function-code", "--function-name", name, "--zip-file", "fileb://two.zip")
    aws("wait", "function-updated-v2", "--function-name", name)
    aws("update-function-configuration", "--function-name", name, "--timeout", "9")
    aws("wait", "function-updated-v2", "--function-name", name)

    aws("invoke", "--function-name", f"{name}:prod", "out.json")
    assert json.loads((tmp_path / "out.json").read_text()) == [1, {}]
    aws("invoke", "--function-name", name, "out.json")
    assert json.loads((tmp_path / "out.json").read_text()) == [2, {}]

    assert aws("get-function-configuration", "--function-name", name)["Timeout"] == 9
    assert aws("get-alias", "--function-name", name, "--name", "prod")["FunctionVersion"] == "1"
    versions = aws("list-versions-by-function", "--function-name", name)["Versions"]
    assert [version["Version"] for version in versions] == ["$LATEST", "1"]

    aws("delete-alias", "--function-name", name, "--name", "prod")
    aws("delete-function", "--function-name", name)
    gone = aws.fails("get-function", "--function-name", name)
    assert gone.returncode == 255
    assert "(ResourceNotFoundException) when calling the GetFunction operation" in gone.stderr
    assert "Function not found: arn:aws:lambda:us-east-1:" in gone.stderr


def test_a_function_error_shows(aws, deploy, tmp_path):
    name = deploy("def handler(event, context):\n    raise ValueError('no')\n")
    answer = aws("invoke", "--function-name", name, "out.json")
    assert answer["FunctionError"] == "Unhandled"
    assert json.loads((tmp_path / "out.json").read_text())["errorType"] == "ValueError"


def test_wrong_values_are_answered_by_the_engine(aws, echo):
    refused = aws.fails("update-function-configuration", "--function-name", echo, "--role", "admin")
    assert refused.returncode == 255
    assert "(ValidationException)" in refused.stderr
    assert "Value 'admin' at 'role' failed to satisfy constraint" in refused.stderr
