"""Every runtime whose interpreter is here, and what is said of those that are not."""

import fcntl
import os
import re
import shutil

import pytest

from support import cloudwatch, functions, runtimes
from support.engine import REGION, RUNTIMES
from support.waiting import eventually
from test_provided_runtime import BOOTSTRAP

PYTHON = {
    "main.py": """
        import os
        import platform

        def handler(event, context):
            if event == "fail":
                raise Exception("Failed: some_error_msg")
            if event == "environment":
                return dict(os.environ)
            if event == "version":
                return "python" + ".".join(platform.python_version_tuple()[:2])
            return event
    """
}
NODE = {
    "main.js": """
        exports.handler = async (event) => {
            if (event === 'fail') throw new Error('Error: some_error_msg')
            if (event === 'environment') return process.env
            if (event === 'version') return `nodejs${process.versions.node.split('.')[0]}.x`
            return event
        }
    """
}
WRAPPER = '#!/bin/bash\nexport WRAPPER_VAR="of $AWS_LAMBDA_FUNCTION_NAME"\nexec "$@"\n'

MANAGED = [*runtimes.exact("python3"), *runtimes.exact("nodejs")]


@pytest.fixture(scope="module", params=MANAGED)
def function(request, client, names):
    """Runtime and name of a function for each managed runtime that is here."""
    runtime = runtimes.install(request.param)
    files = {**(PYTHON if runtime.startswith("python") else NODE), "wrapper": WRAPPER}
    name = next(names)
    arguments = {
        "Runtime": runtime,
        "MemorySize": 1024,
        "Environment": {"Variables": {"OWN": "value"}},
    }
    archive = functions.package(files)
    client.create_function(**functions.create_arguments(name, archive, **arguments))
    functions.wait_active(client, name)
    yield runtime, name
    client.delete_function(FunctionName=name)


def test_it_echoes_under_its_own_interpreter(client, function):
    runtime, name = function
    event = {"größe": [1, 2.5, None, {"a": "✓"}]}
    assert functions.invoke(client, name, event).value == event
    assert functions.invoke(client, name, "version").value == runtime


def test_its_environment_is_awss(client, function):
    runtime, name = function
    variables = functions.invoke(client, name, "environment").value
    expected = {
        "_HANDLER": "main.handler",
        "AWS_DEFAULT_REGION": REGION,
        "AWS_EXECUTION_ENV": f"AWS_Lambda_{runtime}",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "1024",
        "AWS_LAMBDA_FUNCTION_NAME": name,
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{name}",
        "AWS_REGION": REGION,
        "LANG": "en_US.UTF-8",
        "OWN": "value",
        "TZ": ":UTC",
    }
    assert {key: variables.get(key) for key in expected} == expected
    assert "_LAMBDA_TELEMETRY_LOG_FD" not in variables, "the client keeps it to itself"
    runtime_folder = variables["LAMBDA_RUNTIME_DIR"]
    task = variables["LAMBDA_TASK_ROOT"]
    if runtime.startswith("nodejs"):
        major = runtime.removeprefix("nodejs").removesuffix(".x")
        *layers, modules, folder, last = variables["NODE_PATH"].split(":")
        assert [path.partition("/nodejs")[2] for path in layers] == [
            f"/node{major}/node_modules",
            "/node_modules",
        ]
        assert [modules, folder, last] == [f"{runtime_folder}/node_modules", runtime_folder, task]
    else:
        assert variables["PYTHONPATH"] == runtime_folder


def test_its_errors_have_the_recorded_fields(client, function):
    runtime, name = function
    result = functions.invoke(client, name, "fail")
    assert result.error == "Unhandled"
    payload = result.payload
    if runtime.startswith("nodejs"):
        assert payload.keys() == {"errorType", "errorMessage", "trace"}
        assert payload["errorMessage"] == "Error: some_error_msg"
        assert payload["errorType"] == "Error"
    else:
        assert payload.keys() == {"errorType", "errorMessage", "requestId", "stackTrace"}
        assert payload["errorMessage"] == "Failed: some_error_msg"
        assert payload["errorType"] == "Exception"
        assert payload["requestId"] == result.request_id
        assert 'main.py", line' in payload["stackTrace"][0]


def test_a_wrapper_starts_it(client, function):
    _, name = function
    client.update_function_configuration(
        FunctionName=name,
        Environment={"Variables": {"AWS_LAMBDA_EXEC_WRAPPER": "/var/task/wrapper"}},
    )
    functions.wait_updated(client, name)
    variables = functions.invoke(client, name, "environment").value
    assert variables["WRAPPER_VAR"] == f"of {name}"


def test_a_wrapper_that_is_not_there(client, deploy):
    name = deploy(Environment={"Variables": {"AWS_LAMBDA_EXEC_WRAPPER": "/var/task/none"}})
    payload = functions.invoke(client, name).payload
    assert payload["errorType"] == "Runtime.InvalidEntrypoint"
    assert payload["errorMessage"].endswith(
        "Error: fork/exec /var/task/none: no such file or directory"
    )


@pytest.mark.parametrize("handler", ["a.b.main.handler", "a/b/main.handler"])
def test_python_handlers_in_submodules(client, deploy, handler):
    source = "def handler(event, context):\n    return event\n"
    archive = functions.package({"a/__init__.py": "", "a/b/__init__.py": "", "a/b/main.py": source})
    name = deploy(archive, Handler=handler)
    assert functions.invoke(client, name, 1).value == 1


@pytest.mark.skipif(not BOOTSTRAP.exists(), reason=f"{BOOTSTRAP} is not built")
@pytest.mark.parametrize("runtime", ["provided.al2", "provided.al2023"])
def test_a_custom_runtime(client, deploy, runtime):
    archive = functions.package({"bootstrap": BOOTSTRAP.read_bytes()})
    name = deploy(archive, Runtime=runtime, Handler="any")
    assert functions.invoke(client, name, {"a": 1}).value["event"] == {"a": 1}
    assert functions.invoke(client, name, "fail").payload["errorMessage"] == "on purpose"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        # Not a script by its first bytes, so `package` does not make it executable.
        ("echo", "fork/exec /var/task/bootstrap: permission denied"),
        ("#!/no/such/shell\n", "fork/exec /var/task/bootstrap: no such file or directory"),
        (b"\x7fELF", "fork/exec /var/task/bootstrap: exec format error"),
        (None, "Couldn't find valid bootstrap(s): [/var/task/bootstrap /opt/bootstrap]"),
    ],
)
def test_a_bootstrap_that_cannot_be_started(client, deploy, content, reason):
    files = {"other": ""} if content is None else {"bootstrap": content}
    name = deploy(functions.package(files), Runtime="provided.al2023", Handler="any")
    result = functions.invoke(client, name)
    assert result.error == "Unhandled"
    assert result.payload == {
        "errorType": "Runtime.InvalidEntrypoint",
        "errorMessage": f"RequestId: {result.request_id} Error: {reason}",
    }


def events(logs, group):
    """What a function has logged so far."""
    try:
        return cloudwatch.messages(logs.filter_log_events(logGroupName=group))
    except logs.exceptions.ResourceNotFoundException:
        return []


def substitutable():
    """A runtime without its interpreter for which another version can stand in."""
    missing = [*runtimes.absent("python3"), *(runtimes.absent("nodejs") if NODE_HERE else [])]
    return missing[-1] if missing else None


NODE_HERE = bool(runtimes.exact("nodejs"))
MISSING = substitutable()


@pytest.mark.skipif(MISSING is None, reason="every version of Python and Node is here")
def test_the_nearest_interpreter_stands_in_and_says_so(engine, client, deploy):
    runtimes.install(MISSING)
    archive = functions.package({**PYTHON, **NODE})
    name = deploy(archive, Runtime=MISSING)
    shown = client.get_function_configuration(FunctionName=name)
    assert shown["State"] == "Active"
    assert f"functions of {MISSING} run under" in shown["StateReason"]
    for _ in range(2):
        assert functions.invoke(client, name, {"a": 1}).value == {"a": 1}
    logs, group = engine.client("logs"), f"/aws/lambda/{name}"
    eventually(
        lambda: sum(line.startswith("REPORT") for line in events(logs, group)) == 2,
        "both invocations are in the log",
    )
    said = re.compile(rf"this host has no .*: functions of {re.escape(MISSING)} run under")
    told = [line for line in events(logs, group) if said.search(line)]
    assert len(told) == 1, "once for the environment"


@pytest.mark.skipif(MISSING is None, reason="every version of Python and Node is here")
def test_strict_engines_accept_no_other_interpreter(own_engine):
    client = own_engine("--strict-runtimes").client()
    archive = functions.package({**PYTHON, **NODE})
    client.create_function(**functions.create_arguments("strict", archive, Runtime=MISSING))
    waiter = client.get_waiter("function_active_v2")
    with pytest.raises(Exception, match="Waiter"):
        waiter.wait(FunctionName="strict", WaiterConfig={"Delay": 0.02, "MaxAttempts": 1000})
    configuration = client.get_function_configuration(FunctionName="strict")
    assert configuration["State"] == "Failed"
    assert "which this host does not have" in configuration["StateReason"]


def test_a_start_removes_what_killed_installations_left(own_engine, tmp_path):
    left, under_way = (RUNTIMES / f"{tmp_path.name}.new-{number}" for number in range(2))
    for folder in (left, under_way):
        (folder / "site").mkdir(parents=True)
    held = os.open(under_way, os.O_RDONLY)
    try:
        fcntl.flock(held, fcntl.LOCK_EX)
        own_engine()
        eventually(lambda: not left.exists(), "the one that nobody fills is removed")
        assert (under_way / "site").is_dir()
    finally:
        os.close(held)
        shutil.rmtree(under_way)


def test_what_does_not_run_here_says_what_to_do(client, deploy):
    name = deploy(functions.package({"bin": ""}), Runtime="dotnet8", Handler="a::b")
    with pytest.raises(client.exceptions.ClientError, match="provided.al2023") as refused:
        functions.invoke(client, name)
    assert refused.value.response["Error"]["Code"] == "InvalidRuntimeException"
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 502


@pytest.mark.parametrize("language", ["ruby", "java"])
def test_an_interpreter_that_is_missing_is_named(client, deploy, language):
    missing = set(runtimes.absent(language)) - {"ruby4.0"}
    if runtimes.exact(language) or not missing:
        pytest.skip(f"{language} is here")
    name = deploy(functions.package({"bin": ""}), Runtime=missing.pop(), Handler="a.b")
    with pytest.raises(client.exceptions.ClientError, match="which this host does not have"):
        functions.invoke(client, name)
