"""Extensions where environments begin and end: shutdown, deadlines, images, snapshots, and telemetry
by TCP."""

import json
import textwrap
import time

import pytest

from support import census, functions, images
from support.extensions import API, OBEDIENT, PROGRAM, READ, extension, heard
from support.snapstart import SNAP, settled
from support.waiting import eventually
from test_images import arguments

# Says in the log that it goes on after it was told of the end.
STUBBORN = API + """
me = register("INVOKE", "SHUTDOWN")
told = following(me)
while told["eventType"] != "SHUTDOWN":
    told = following(me)
while True:
    print(json.dumps({"goes": "on"} | told), flush=True)
    time.sleep(0.05)
"""

# Says in the log what it is told of the end.
TALKING = API + """
me = register("SHUTDOWN")
event = following(me)
event["left"] = event.pop("deadlineMs") / 1000 - time.time()
print(json.dumps(event), flush=True)
"""

# Takes telemetry as lines of a connection.
LINES = API + """
import socket, threading

listener = socket.create_server(("127.0.0.1", 4243))

def take():
    connection, _ = listener.accept()
    for line in connection.makefile():
        write({"telemetry": json.loads(line)["type"]})

me = register("INVOKE")
threading.Thread(target=take, daemon=True).start()
request = urllib.request.Request(
    f"http://{os.environ['AWS_LAMBDA_RUNTIME_API']}/2022-07-01/telemetry",
    method="PUT",
    headers={"Lambda-Extension-Identifier": me},
    data=json.dumps({
        "schemaVersion": "2022-12-13",
        "types": ["platform", "function"],
        "buffering": {"timeoutMs": 25},
        "destination": {"protocol": "TCP", "port": 4243},
    }).encode(),
)
write({"subscribed": urllib.request.urlopen(request).read().decode()})
while True:
    following(me)
"""


@pytest.fixture
def watched(deploy, layer):
    """Deploys the reading function with an extension."""

    def watched(source, **more):
        return deploy(READ, Layers=[layer(extension(source))], **more)

    return watched


@pytest.fixture
def said(engine):
    """What an extension has said in the log, of documents that hold a word."""
    logs = engine.client("logs")

    def said(name, word):
        found = logs.filter_log_events(logGroupName=f"/aws/lambda/{name}", filterPattern=word)
        events = [event["message"] for event in found["events"]]
        return [json.loads(event) for event in events if event.startswith("{")]

    return said


def test_an_environment_that_is_not_needed_any_more_tells_its_extensions(client, watched, said):
    name = watched(TALKING)
    functions.invoke(client, name)
    client.update_function_configuration(FunctionName=name, Timeout=21)
    functions.wait_updated(client, name)
    (event,) = eventually(lambda: said(name, "SHUTDOWN"), "the extension is told of the end")
    left = event.pop("left")
    assert event == {"eventType": "SHUTDOWN", "shutdownReason": "spindown"}
    assert 0 < left <= 2


def test_who_does_not_end_is_killed_when_its_time_is_over(engine, client, watched, said):
    name = watched(STUBBORN, Timeout=1)
    assert functions.invoke(client, name, "hang").payload["errorType"] == "Sandbox.Timedout"
    eventually(lambda: not census.of_function(engine.mark, name), "the extension is killed")
    words = eventually(lambda: said(name, "goes"), "what it said is in the log")
    assert len(words) >= 2, "it had some time"
    assert {word["shutdownReason"] for word in words} == {"timeout"}


def test_who_never_registers_costs_the_init_phase_and_the_invocation(client, watched):
    name = watched(API + "time.sleep(600)\n", Timeout=1)
    began = time.monotonic()
    result = functions.invoke(client, name, LogType="Tail")
    assert result.payload["errorType"] == "Sandbox.Timedout"
    assert 11 <= time.monotonic() - began < 20, "ten seconds of init, and one of the invocation's"


def test_telemetry_goes_by_tcp(client, watched):
    name = watched(LINES)

    def complete():
        lines = functions.invoke(client, name).value
        assert {"subscribed": '"OK"'} in lines
        kinds = {line["telemetry"] for line in lines if "telemetry" in line}
        return {"platform.initStart", "platform.report", "function"} <= kinds

    eventually(complete, "telemetry")


def test_an_image_brings_its_extensions(engine, client, names):
    if "not isolated" in engine.output() or "see the host" in engine.output():
        pytest.skip("this host lets nothing be isolated, so that images cannot run")
    beside = images.Layer({"opt/extensions/rust": PROGRAM.read_bytes()})
    uri = images.imported(engine, images.python(textwrap.dedent(READ), beside), "extended:v1")
    name = next(names)
    client.create_function(**arguments(name, uri))
    try:
        functions.wait_active(client, name)
        functions.invoke(client, name)
        events = functions.invoke(client, name).value
        assert "INVOKE" in [line.get("event") for line in events]
    finally:
        client.delete_function(FunctionName=name)


def test_a_version_with_snapstart_runs_its_extensions(client, watched):
    name = watched(OBEDIENT, **SNAP)
    version = client.publish_version(FunctionName=name)["Version"]
    assert settled(client, name, version)["State"] == "Active"
    functions.invoke(client, f"{name}:{version}")
    told = heard(functions.invoke(client, f"{name}:{version}"), "INVOKE")
    assert told[0]["invokedFunctionArn"].endswith(f":{name}:{version}")
