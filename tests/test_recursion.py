"""Loops of functions that invoke one another: noticed by the trace header, and stopped."""

import json
import re

import pytest

from support import functions
from support.cloudwatch import refusal
from support.engine import ACCOUNT, REGION
from support.waiting import eventually
from test_function_logs import function_events
from test_tracing import ROOT, TRACE, traced  # noqa: F401

# Sends itself its event, counted down.
AGAIN = """
    import json

    import boto3

    aws = boto3.client("lambda")

    def handler(event, context):
        if event["left"] > 0:
            event["left"] -= 1
            me = context.invoked_function_arn
            aws.invoke(FunctionName=me, InvocationType="Event", Payload=json.dumps(event))
"""

NOTE = """
    import json

    def handler(event, context):
        print("record " + json.dumps(event["requestContext"]))
"""

# Records hold what was answered, and so would double with each turn of an echo.
NOTHING = """
    def handler(event, context):
        pass
"""

STOPPED_AFTER = 16


def arn(name):
    return f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{name}"


def send(client, name, event):
    client.invoke(FunctionName=name, InvocationType="Event", Payload=json.dumps(event))


@pytest.fixture
def logs(engine):
    return engine.client("logs")


def runs(logs, name):
    """How often a function has run."""
    return sum(event["message"].startswith("REPORT ") for event in function_events(logs, name))


def told_of(logs, note):
    """What a function of `NOTE` was told."""
    lines = [event["message"] for event in function_events(logs, note)]
    return [json.loads(line.removeprefix("record ")) for line in lines if line.startswith("record ")]


def ends_in(client, name, note):
    client.put_function_event_invoke_config(
        FunctionName=name, DestinationConfig={"OnFailure": {"Destination": arn(note)}}
    )


def test_a_function_that_sends_itself_events_is_stopped(client, logs, deploy):
    name, note = deploy(AGAIN), deploy(NOTE)
    ends_in(client, name, note)
    send(client, name, {"left": 100})
    (told,) = eventually(lambda: told_of(logs, note), "the event that is one too many is told", 60)
    assert told["condition"] == "RecursiveLoop"
    assert told["approximateInvokeCount"] == 0
    eventually(lambda: runs(logs, name) == STOPPED_AFTER, "all runs are reported")


def test_a_function_may_say_that_it_loops_on_purpose(client, logs, deploy):
    name = deploy(AGAIN)
    assert client.get_function_recursion_config(FunctionName=name)["RecursiveLoop"] == "Terminate"
    client.put_function_recursion_config(FunctionName=name, RecursiveLoop="Allow")
    send(client, name, {"left": 20})
    eventually(lambda: runs(logs, name) == 21, "it has run to its own end", 60)


def test_a_loop_of_destinations_is_stopped(client, logs, deploy):
    here, there = deploy(NOTHING), deploy(NOTHING)
    note = deploy(NOTE)
    for name, other in ((here, there), (there, here)):
        config = {"OnSuccess": {"Destination": arn(other)}, "OnFailure": {"Destination": arn(note)}}
        client.put_function_event_invoke_config(FunctionName=name, DestinationConfig=config)
    send(client, here, {})
    (told,) = eventually(lambda: told_of(logs, note), "the loop has ended", 60)
    assert (told["condition"], told["functionArn"]) == ("RecursiveLoop", f"{arn(here)}:$LATEST")
    for name in (here, there):
        eventually(lambda name=name: runs(logs, name) == STOPPED_AFTER, "all runs are reported")


def test_a_caller_that_waits_is_refused(client, deploy, traced):  # noqa: F811
    name = deploy(TRACE)
    whole = f"{ROOT};Parent=53995c3f42cd8ad8;Sampled=1"
    traced(whole)
    first = functions.invoke(client, name).value
    own = re.fullmatch(re.escape(whole) + ";Lineage=([0-9a-f]{8}):0", first)[1]
    # Each later hook replaces the header of the one before.
    traced(f"{whole};Lineage=0badcafe:3%7C{own}:14")
    assert functions.invoke(client, name).value == f"{whole};Lineage=0badcafe:3|{own}:15"
    traced(f"{whole};Lineage={own}:15")
    code, message, status = refusal(client.invoke, FunctionName=name)
    assert (code, status) == ("RecursiveInvocationException", 400)
    assert name in message
    client.put_function_recursion_config(FunctionName=name, RecursiveLoop="Allow")
    assert functions.invoke(client, name).value == f"{whole};Lineage={own}:16"
