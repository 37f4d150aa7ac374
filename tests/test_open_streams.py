"""A thousand answers that are being streamed at once, each by an environment of its own."""

import contextlib
import json
import selectors
import socket
import time

import pytest

from support import functions, raw
from test_provided_runtime import BOOTSTRAP

OPEN = 1000
# The function's one chunk, as its event orders it: zeros, more than any frame around them has.
CHUNK = bytes(64)
PATIENCE = 180


def own_memory(pid):
    """What a process holds of the machine's memory, in bytes: its own, and its share of the rest."""
    with open(f"/proc/{pid}/smaps_rollup") as rollup:
        (line,) = [line for line in rollup if line.startswith("Pss:")]
    return int(line.split()[1]) << 10


def begin(engine, name):
    """Sends a request for a stream that does not end, and returns its connection."""
    body = json.dumps({"stream": {"chunks": 1, "size": len(CHUNK), "end": "hang"}}).encode()
    connection = socket.create_connection(engine.address, timeout=30)
    connection.sendall(
        f"POST /2021-11-15/functions/{name}/response-streaming-invocations HTTP/1.1\r\n"
        f"Host: {engine.address[0]}:{engine.address[1]}\r\nAuthorization: {raw.CREDENTIALS}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n".encode()
        + body
    )
    return connection


def until_all_have_begun(connections):
    """Reads until each has brought its first chunk."""
    deadline = time.monotonic() + PATIENCE
    with selectors.DefaultSelector() as silent:
        for connection in connections:
            silent.register(connection, selectors.EVENT_READ, bytearray())
        while waiting := len(silent.get_map()):
            assert time.monotonic() < deadline, f"{waiting} of {len(connections)} are silent"
            for key, _ in silent.select(timeout=5):
                received = key.fileobj.recv(65536)
                key.data.extend(received)
                assert received, f"a stream has ended: {bytes(key.data)!r}"
                if CHUNK in key.data:
                    silent.unregister(key.fileobj)


@pytest.fixture
def roomy(own_engine):
    """An engine that counts on more memory than there may be: these functions need little of theirs."""
    return own_engine("--memory-budget", str(OPEN * 128))


@pytest.mark.timeout(2 * PATIENCE + 60)
def test_a_thousand_streams_are_open_at_once(roomy):
    client = roomy.client()
    archive = functions.package({"bootstrap": BOOTSTRAP.read_bytes()})
    more = {"Runtime": "provided.al2023", "Handler": "bootstrap", "Timeout": 900}
    client.create_function(**functions.create_arguments("streams", archive, **more))
    functions.wait_active(client, "streams")
    functions.invoke(client, "streams", 1)
    before = own_memory(roomy.pid)
    with contextlib.ExitStack() as stack:
        streams = [stack.enter_context(begin(roomy, "streams")) for _ in range(OPEN)]
        until_all_have_begun(streams)
        health = roomy.health()
        assert (health["invocations"], health["environments"]) == (OPEN, OPEN)
        grown = own_memory(roomy.pid) - before
        assert grown < 100 << 20, f"{grown >> 20} MB for {OPEN} streams"
    # So many environments take a while to end.
    assert roomy.stop(timeout=PATIENCE) == 0
