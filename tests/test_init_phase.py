"""The init phase: how long it may take, what happens when it fails, and what the log says of it.

The lines are AWS's: https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html
"""

import re

import pytest

from support import functions
from test_function_logs import until_reported
from test_log_tail import REPORT

INIT_REPORT = re.compile(
    r"INIT_REPORT Init Duration: (?P<duration>\d+\.\d\d) ms\tPhase: (?P<phase>init|invoke)\t"
    r"Status: (?P<status>timeout|error)(\tError Type: (?P<error>\S+))?"
)


@pytest.fixture
def init_reports(engine):
    """Phase, status, error type and duration of each INIT_REPORT line of a function's log, in order,
    once it has reported so many invocations."""
    logs = engine.client("logs")

    def init_reports(name, invocations=1):
        events = until_reported(logs, name, invocations, mark="REPORT RequestId")
        messages = [event["message"].rstrip("\n") for event in events]
        found = [INIT_REPORT.fullmatch(message) for message in messages]
        return [
            (one["phase"], one["status"], one["error"], float(one["duration"]))
            for one in found
            if one
        ]

    return init_reports


def report(result):
    """The fields of the REPORT line."""
    return REPORT.fullmatch(result.log.splitlines()[-1])


def invoke(client, name):
    """Invokes for the log."""
    return functions.invoke(client, name, 1, LogType="Tail")


def test_one_that_goes_well_is_reported_once(client, deploy, init_reports):
    name = deploy()
    first, second = invoke(client, name), invoke(client, name)
    assert float(report(first)["init"]) > 0 and report(second)["init"] is None
    assert init_reports(name, 2) == []
    billed = float(report(first)["duration"]) + float(report(first)["init"])
    assert billed <= int(report(first)["billed"]) < billed + 2


FAILURES = [
    ("import os\nos._exit(3)\n", "Runtime.ExitError", "exit status 3"),
    ("import os\nos.kill(os.getpid(), 9)\n", "Runtime.ExitError", "signal: killed"),
    ("b = bytearray(200 << 20)\nb[::4096] = b'x' * len(b[::4096])\n", "Runtime.OutOfMemory", "killed"),
    ("raise ValueError('broken')\n", "ValueError", "broken"),
    ("import absent\n", "Runtime.ImportModuleError", "No module named 'absent'"),
    ("def handler(e, c)\n    pass\n", "Runtime.UserCodeSyntaxError", "Syntax error in module 'main'"),
    ("x = 1\n", "Runtime.HandlerNotFound", "Handler 'handler' missing on module 'main'"),
]  # fmt: skip


@pytest.mark.parametrize(("source", "error", "message"), FAILURES)
def test_one_that_fails_runs_again_within_the_invocation(
    client, deploy, init_reports, source, error, message
):
    name = deploy(source, MemorySize=128)
    for attempt in range(2):
        result = invoke(client, name)
        assert result.payload["errorType"] == error
        assert message in result.payload["errorMessage"]
        found = [(phase, status, of) for phase, status, of, _ in init_reports(name, attempt + 1)]
        again = [("invoke", "error", error)] * (attempt + 1)
        assert found == [("init", "error", error), *again]
        assert report(result)["rest"] == f"Status: error\tError Type: {error}"
        assert report(result)["init"] is None, "none went well"


def test_one_that_only_fails_once(client, deploy, init_reports):
    """What it left in /tmp is there for the second attempt, whose time is the invocation's."""
    source = """
        import os
        import time

        mark = "/tmp/" + os.environ["AWS_LAMBDA_FUNCTION_NAME"]
        if not os.path.exists(mark):
            open(mark, "w").close()
            os._exit(1)
        time.sleep(0.3)

        def handler(event, context):
            return "fine"
    """
    name = deploy(source)
    result = invoke(client, name)
    assert result.value == "fine"
    (only,) = init_reports(name)
    assert only[:3] == ("init", "error", "Runtime.ExitError")
    assert report(result)["init"] is None
    assert float(report(result)["duration"]) >= 300


def test_one_that_takes_more_than_ten_seconds(client, deploy, init_reports):
    source = """
        import os
        import time

        mark = "/tmp/" + os.environ["AWS_LAMBDA_FUNCTION_NAME"]
        if not os.path.exists(mark):
            open(mark, "w").close()
            time.sleep(60)

        def handler(event, context):
            return "fine"
    """
    name = deploy(source, Timeout=5)
    assert invoke(client, name).value == "fine"
    ((*what, duration),) = init_reports(name)
    assert what == ["init", "timeout", None]
    assert 10_000 <= duration < 15_000


def test_the_second_attempt_has_the_functions_timeout(client, deploy, init_reports):
    source = """
        import os
        import time

        mark = "/tmp/" + os.environ["AWS_LAMBDA_FUNCTION_NAME"]
        if not os.path.exists(mark):
            open(mark, "w").close()
            os._exit(1)
        time.sleep(60)
    """
    name = deploy(source, Timeout=1)
    result = invoke(client, name)
    assert result.payload["errorType"] == "Sandbox.Timedout"
    first, second = init_reports(name)
    assert first[:3] == ("init", "error", "Runtime.ExitError")
    assert second[:3] == ("invoke", "timeout", None)
    assert 1000 <= second[3] < 6000
    fields = report(result)
    assert fields["rest"] == "Status: timeout"
    assert 1000 <= float(fields["duration"]) < 6000
