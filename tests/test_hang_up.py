"""Callers that hang up half way: what was begun is ended, and no function hangs between states.

Each caller sends a whole request and goes away, some at once, some so late that they have the
answer. The store is asked what was committed by killing the engine and starting it again.
"""

import base64
import json
import select
import socket

import pytest

from support import functions, raw
from support.waiting import eventually

CALLERS = 40
LONGEST_PATIENCE = 0.012
FUNCTIONS = "/2015-03-31/functions"


def abandon(engine, number, method, path, body=b""):
    """Sends a request and hangs up, the sooner the lower the number; a late one may be answered."""
    host, port = engine.address
    head = (
        f"{method} {path} HTTP/1.1\r\nHost: {host}:{port}\r\n"
        f"Authorization: {raw.CREDENTIALS}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    with socket.create_connection(engine.address, timeout=10) as connection:
        connection.sendall(head.encode() + body)
        select.select([connection], [], [], LONGEST_PATIENCE * number / CALLERS)


def configurations(client):
    """What the list says, by name."""
    pages = client.get_paginator("list_functions").paginate()
    return {one["FunctionName"]: one for page in pages for one in page["Functions"]}


def single(client, name):
    """What GetFunctionConfiguration says; None where there is no such function."""
    try:
        answer = client.get_function_configuration(FunctionName=name)
    except client.exceptions.ResourceNotFoundException:
        return None
    del answer["ResponseMetadata"]
    return answer


def outcome(client, names, carried_out):
    """What is shown of every function once that does not change any more.

    Most requests must have been carried out by then, else the test would see nothing.
    """
    last = None

    def unchanged():
        nonlocal last
        before, last = last, {name: single(client, name) for name in names}
        return last == before and sum(map(carried_out, last.values())) > CALLERS / 2

    eventually(unchanged, "most requests are carried out, and then nothing changes any more")
    return last


def in_store(engine, names):
    """What an engine that knows the store alone says."""
    engine.kill()
    engine.start()
    client = engine.client()
    return {name: single(client, name) for name in names}


@pytest.fixture
def served(own_engine):
    """An engine with a function for each caller."""
    engine = own_engine()
    client = engine.client()
    archive = functions.python(functions.ECHO)
    names = [f"{engine.mark}-{number}" for number in range(CALLERS)]
    for name in names:
        client.create_function(**functions.create_arguments(name, archive))
    for name in names:
        functions.wait_active(client, name)
    return engine, client, names


def test_a_create_becomes_active_or_never_was(own_engine):
    engine = own_engine()
    client = engine.client()
    archive = functions.python(functions.ECHO)
    names = [f"{engine.mark}-{number}" for number in range(CALLERS)]
    for number, name in enumerate(names):
        arguments = functions.create_arguments(name, archive)
        arguments["Code"] = {"ZipFile": base64.b64encode(archive).decode()}
        abandon(engine, number, "POST", FUNCTIONS, json.dumps(arguments).encode())
    # Whoever creates it again is told whether it is there, whatever any cache thinks.
    kept = []
    for name in names:
        try:
            client.create_function(**functions.create_arguments(name, archive))
        except client.exceptions.ResourceConflictException:
            kept.append(name)
    assert len(kept) > CALLERS / 2, "most requests were read before their callers left"
    for name in names:
        functions.wait_active(client, name)
    shown = {name: single(client, name) for name in names}
    assert {one["LastUpdateStatus"] for one in shown.values()} == {"Successful"}
    for name in (kept[0], kept[-1]):
        assert functions.invoke(client, name, "lives").value == "lives"
    assert in_store(engine, names) == shown


def test_an_update_is_shown_as_it_was_committed(served):
    engine, client, names = served
    for number, name in enumerate(names):
        body = json.dumps({"Description": "updated", "Timeout": 7}).encode()
        abandon(engine, number, "PUT", f"{FUNCTIONS}/{name}/configuration", body)
    outcome(client, names, lambda one: one["Timeout"] == 7)
    for name in names:
        functions.wait_updated(client, name)
    shown = {name: single(client, name) for name in names}
    assert {one["State"] for one in shown.values()} == {"Active"}
    assert {one["LastUpdateStatus"] for one in shown.values()} == {"Successful"}
    assert {(one["Description"], one["Timeout"]) for one in shown.values()} <= {
        ("updated", 7),
        ("", 20),
    }
    listed = configurations(client)
    assert {name: one["RevisionId"] for name, one in listed.items()} == {
        name: one["RevisionId"] for name, one in shown.items()
    }
    assert in_store(engine, names) == shown


def test_a_delete_is_whole_or_never_was(served):
    engine, client, names = served
    functions.invoke(client, names[-1])
    assert engine.health()["environments"] == 1
    for number, name in enumerate(names):
        abandon(engine, number, "DELETE", f"{FUNCTIONS}/{name}")
    shown = outcome(client, names, lambda one: one is None)
    assert set(configurations(client)) == {name for name, one in shown.items() if one}
    for name, one in shown.items():
        if one is None:
            with pytest.raises(client.exceptions.ResourceNotFoundException):
                functions.invoke(client, name)
        else:
            assert functions.invoke(client, name, "lives").value == "lives"
            client.delete_function(FunctionName=name)
            shown[name] = None
    eventually(lambda: engine.health()["environments"] == 0, "their environments are gone")
    assert in_store(engine, names) == shown
