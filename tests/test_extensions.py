"""Extensions: started ahead of the runtime, told of invocations and of the end, and waited for."""

import time

import pytest

from support import functions
from support.extensions import API, OBEDIENT, PROGRAM, READ, extension, heard
from support.waiting import eventually

@pytest.fixture
def watched(deploy, layer):
    """Deploys the reading function with extensions."""

    def watched(source, name="watcher", **more):
        return deploy(READ, Layers=[layer(extension(source, name))], **more)

    return watched


def test_an_extension_registers_and_is_told_of_each_invocation(client, watched):
    name = watched(OBEDIENT)
    first = functions.invoke(client, name, LogType="Tail")
    assert first.value[0] == {
        "status": 200,
        "registered": {
            "functionName": name,
            "functionVersion": "$LATEST",
            "handler": "main.handler",
            "accountId": "000000000000",
        },
    }
    second = functions.invoke(client, name)
    told = heard(second, "INVOKE")
    assert told[0]["invokedFunctionArn"].endswith(f":function:{name}")
    assert told[0]["tracing"]["type"] == "X-Amzn-Trace-Id"
    assert told[0]["tracing"]["value"].startswith("Root=1-")
    assert told[0]["deadlineMs"] > time.time() * 1000
    assert f"RequestId: {told[0]['requestId']}" in first.log
    assert len(told) <= 2, "each invocation is told once"


def test_a_timeout_is_told_with_its_reason_before_the_next_start(client, watched):
    # The next environment is initialised in the time of its first invocation.
    name = watched(OBEDIENT, Timeout=5)
    assert functions.invoke(client, name, "hang").payload["errorType"] == "Sandbox.Timedout"
    told = heard(functions.invoke(client, name), "SHUTDOWN")
    assert [event["shutdownReason"] for event in told] == ["timeout"]


def test_a_crash_of_the_runtime_is_told(client, watched):
    name = watched(OBEDIENT)
    assert functions.invoke(client, name, "exit").payload["errorType"] == "Runtime.ExitError"
    told = heard(functions.invoke(client, name), "SHUTDOWN")
    assert [event["shutdownReason"] for event in told] == ["failure"]


def test_an_extension_that_crashes_takes_the_environment_along(client, watched):
    source = API + 'me = register("INVOKE")\nfollowing(me)\nsys.exit(3)\n'
    result = functions.invoke(client, watched(source, Timeout=5), "hang")
    assert result.payload["errorType"] == "Extension.Crash"
    assert result.payload["errorMessage"].endswith("Error: exit status 3")


def test_an_extension_that_cannot_be_started_is_told_by_name(client, deploy, layer):
    broken = functions.package({"extensions/broken": "not a program\n"})
    result = functions.invoke(client, deploy(READ, Layers=[layer(broken)]), LogType="Tail")
    assert result.payload["errorType"] == "Extension.LaunchError"
    assert "EXTENSION\tName: broken\tState: LaunchError\tEvents: []" in result.log


def test_the_answer_does_not_wait_for_extensions_but_their_time_is_the_functions(client, watched):
    source = API + 'me = register("INVOKE")\nfollowing(me)\ntime.sleep(600)\n'
    name = watched(source, Timeout=2)
    assert functions.invoke(client, name).error is None
    result = functions.invoke(client, name, LogType="Tail")
    assert result.payload["errorType"] == "Sandbox.Timedout"
    assert "Status: timeout" in result.log


def test_there_are_ten_extensions_at_most(client, deploy, layer):
    eleven = functions.package({f"extensions/e{n}": OBEDIENT for n in range(11)})
    result = functions.invoke(client, deploy(READ, Layers=[layer(eleven)]))
    assert result.payload["errorType"] == "Extension.TooManyExtensions"


INTERNAL = API + """
import threading

told = []

def sign_up(name, *events):
    return call("POST", "register", {"events": events}, Lambda_Extension_Name=name)

refused = sign_up("inside", "SHUTDOWN")
me = sign_up("inside", "INVOKE")[1]["Lambda-Extension-Identifier"]

def listen():
    while True:
        told.append(following(me))

threading.Thread(target=listen, daemon=True).start()

def handler(event, context):
    if event == "late":
        status, _, answer = sign_up("late", "INVOKE")
    elif event == "unknown":
        status, _, answer = call(
            "GET", "event/next", Lambda_Extension_Identifier="8d3dcd2c-1c2b-4d37-8a86-000000000000"
        )
    elif event == "nameless":
        status, _, answer = call("POST", "register", {"events": []})
    elif event == "refused":
        status, _, answer = refused
    else:
        return told
    return [status, answer["errorType"]]
"""


def test_an_internal_extension_is_told_too(client, deploy):
    name = deploy(INTERNAL)
    functions.invoke(client, name)
    told = functions.invoke(client, name).value
    assert {event["eventType"] for event in told} == {"INVOKE"}


@pytest.mark.parametrize(
    ("what", "error"),
    [
        ("late", "Extension.RegistrationClosed"),
        ("unknown", "Extension.UnknownExtensionIdentifier"),
        ("nameless", "Extension.InvalidExtensionName"),
        ("refused", "Extension.InvalidEventType"),
    ],
)
def test_calls_out_of_turn_are_refused(client, deploy, what, error):
    assert functions.invoke(client, deploy(INTERNAL), what).value == [403, error]


def test_an_extension_by_awss_crate_has_events_and_telemetry(client, deploy, layer):
    assert PROGRAM.exists(), f"{PROGRAM} is missing: cargo build -p lambdalab-test-extension"
    program = functions.package({"extensions/rust": PROGRAM.read_bytes()})
    name = deploy(READ, Layers=[layer(program)])

    def telemetry():
        lines = functions.invoke(client, name).value
        return {(line["telemetry"], line["text"]) for line in lines if "telemetry" in line}

    def complete():
        kinds = telemetry()
        wanted = {
            ("platform.initStart", None),
            ("platform.initRuntimeDone", None),
            ("platform.extension", None),
            ("platform.start", None),
            ("platform.runtimeDone", None),
            ("platform.report", None),
            ("function", "function invoked"),
            ("extension", "extension told"),
        }
        return wanted <= kinds

    eventually(complete, "every kind of telemetry")
