"""Asynchronous invocations: what is accepted runs, whatever becomes of the engine."""

import json
import threading
from contextlib import closing
from http.client import HTTPException

import pytest
from botocore.exceptions import ClientError

from support import functions, raw
from support.waiting import eventually

EVENT_LIMIT = 1_048_576

# Leaves a durable trace of each event: an alias of the function itself, named by the event.
TRACE = """
    import boto3
    import os
    import time

    client = boto3.client("lambda")

    def trace(context, name):
        try:
            client.create_alias(
                FunctionName=context.function_name,
                Name=name,
                FunctionVersion="$LATEST",
                Description=context.aws_request_id,
            )
        except client.exceptions.ResourceConflictException:
            pass  # this event has run before

    def exists(context, name):
        try:
            return client.get_alias(FunctionName=context.function_name, Name=name)
        except client.exceptions.ResourceNotFoundException:
            return False

    def handler(event, context):
        time.sleep(event.get("pause", 0))
        if "awaits" in event:
            trace(context, "begun-" + event["name"])
            while not exists(context, "begun-" + event["awaits"]):
                time.sleep(0.02)
        trace(context, event["name"])
        return "nobody reads this"
"""


def send(client, function, event, **more):
    """Sends one event and returns the answer."""
    return client.invoke(
        FunctionName=function, InvocationType="Event", Payload=json.dumps(event), **more
    )


def traces(client, function):
    """What has run: the request id by the event's name."""
    pages = client.get_paginator("list_aliases").paginate(FunctionName=function)
    return {alias["Name"]: alias["Description"] for page in pages for alias in page["Aliases"]}


def test_an_event_is_accepted_and_runs(client, deploy):
    function = deploy(TRACE)
    answer = send(client, function, {"name": "one"})
    assert answer["StatusCode"] == 202
    assert answer["Payload"].read() == b""
    assert not {"ExecutedVersion", "FunctionError", "LogResult"} & answer.keys()
    trace = eventually(lambda: traces(client, function), "the event runs")
    assert trace == {"one": answer["ResponseMetadata"]["RequestId"]}


def test_events_of_one_function_run_side_by_side(client, deploy):
    function = deploy(TRACE)
    send(client, function, {"name": "a", "awaits": "b"})
    send(client, function, {"name": "b", "awaits": "a"})
    eventually(lambda: traces(client, function).keys() >= {"a", "b"}, "each has met the other")


def test_events_run_one_by_one_where_one_is_reserved(client, deploy):
    function = deploy(TRACE)
    client.put_function_concurrency(FunctionName=function, ReservedConcurrentExecutions=1)
    names = {f"e{number}" for number in range(20)}
    for name in names:
        send(client, function, {"name": name})
    eventually(lambda: traces(client, function).keys() == names, "all have run")


def test_an_event_must_be_json(client, deploy):
    function = deploy(TRACE)
    with pytest.raises(client.exceptions.InvalidRequestContentException):
        client.invoke(FunctionName=function, InvocationType="Event", Payload="{")
    assert traces(client, function) == {}


def test_an_event_has_a_limit(client, deploy):
    function = deploy(TRACE)
    fitting = json.dumps({"name": "fits", "filler": ""})
    filler = "x" * (EVENT_LIMIT - len(fitting))
    send(client, function, {"name": "fits", "filler": filler})
    with pytest.raises(ClientError, match="RequestEntityTooLarge") as refusal:
        send(client, function, {"name": "more", "filler": filler + "xx"})
    assert str(EVENT_LIMIT) in str(refusal.value)
    eventually(lambda: traces(client, function).keys() == {"fits"}, "the one that fits runs")


def test_events_of_a_deleted_function_are_for_nobody(client, deploy):
    gone, stays = deploy(TRACE), deploy(TRACE)
    client.put_function_concurrency(FunctionName=gone, ReservedConcurrentExecutions=0)
    send(client, gone, {"name": "late"})
    client.delete_function(FunctionName=gone)
    deploy(TRACE, FunctionName=gone)
    send(client, gone, {"name": "new"})
    send(client, stays, {"name": "one"})
    eventually(lambda: traces(client, stays), "the other function's event runs")
    eventually(lambda: traces(client, gone), "the event of the function of the same name runs")
    assert traces(client, gone).keys() == {"new"}


def test_a_throttled_event_waits(client, deploy):
    function = deploy(TRACE)
    client.put_function_concurrency(FunctionName=function, ReservedConcurrentExecutions=0)
    with pytest.raises(client.exceptions.TooManyRequestsException) as refusal:
        client.invoke(FunctionName=function)
    assert refusal.value.response["Reason"] == "ReservedFunctionConcurrentInvocationLimitExceeded"
    send(client, function, {"name": "patient"})
    client.delete_function_concurrency(FunctionName=function)
    eventually(lambda: traces(client, function).keys() == {"patient"}, "it runs in the end")


def test_an_event_for_nobody_is_refused(client):
    with pytest.raises(client.exceptions.ResourceNotFoundException):
        send(client, "nobody", {})


def send_many(engine, function, numbers, accepted, enough):
    """Sends events until the engine is gone, and notes those that it has accepted."""
    path = f"/2015-03-31/functions/{function}/invocations"
    for number in numbers:
        event = json.dumps({"name": f"e{number}", "pause": 0.02}).encode()
        try:
            answer = raw.request(
                engine.address, "POST", path, event, {"X-Amz-Invocation-Type": "Event"}
            )
        except (OSError, HTTPException):
            return
        if answer.status == 202:
            accepted[f"e{number}"] = answer.headers["x-amzn-requestid"]
        if len(accepted) >= 120:
            enough.set()


def test_what_was_accepted_runs_after_a_kill(own_engine):
    engine = own_engine()
    function = f"{engine.mark}-traced"
    with closing(engine.client()) as client:
        archive = functions.python(TRACE)
        client.create_function(**functions.create_arguments(function, archive))
        functions.wait_active(client, function)
    accepted, enough = {}, threading.Event()
    senders = [
        threading.Thread(
            target=send_many,
            args=(engine, function, range(100 * n, 100 * n + 100), accepted, enough),
        )
        for n in range(4)
    ]
    for thread in senders:
        thread.start()
    assert enough.wait(timeout=30), f"only {len(accepted)} events were accepted"
    engine.kill()
    for thread in senders:
        thread.join(timeout=30)
    engine.start()
    with closing(engine.client()) as client:
        ran = eventually(
            lambda: (found := traces(client, function)).keys() >= accepted.keys() and found,
            "every accepted event has run",
            timeout=60,
        )
    # The request id stays the same, however often an event is begun.
    assert {event: ran[event] for event in accepted} == accepted
