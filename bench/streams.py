"""What streamed answers cost: how late the first byte is, and what open streams hold.

The function is the Rust one of the end-to-end tests, built for release: it streams the time at which
it writes, and it is small enough to run a thousand times. Both ends read the same clock.
"""

import io
import json
import re
import selectors
import socket
import statistics
import time
import zipfile

from measure import boto3_client
from servers import RELEASE, Engine

BOOTSTRAP = RELEASE / "lambdalab-test-function"
SAMPLES = 200
OPEN = 1000
# The size of the chunk of an open stream, which is all zeros.
CHUNK = 64
PATIENCE = 300
CREDENTIALS = (
    "AWS4-HMAC-SHA256 Credential=bench/20260101/us-east-1/lambda/aws4_request, "
    f"SignedHeaders=host, Signature={'0' * 64}"
)
STAMP = re.compile(rb"T(\d{16})")


def _package():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        entry = zipfile.ZipInfo("bootstrap")
        entry.external_attr = 0o755 << 16
        archive.writestr(entry, BOOTSTRAP.read_bytes())
    return buffer.getvalue()


def _create(client, name, memory_mb):
    client.create_function(
        FunctionName=name,
        Runtime="provided.al2023",
        Handler="bootstrap",
        Role="arn:aws:iam::000000000000:role/bench",
        Code={"ZipFile": _package()},
        MemorySize=memory_mb,
        Timeout=900,
    )
    client.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig={"Delay": 0.1})


def _begin(engine, name, **order):
    """Sends an invocation whose answer is to be streamed, and returns its connection."""
    body = json.dumps({"stream": order})
    head = (
        f"POST /2021-11-15/functions/{name}/response-streaming-invocations HTTP/1.1\r\n"
        f"Host: {engine.address}\r\nAuthorization: {CREDENTIALS}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    connection = socket.create_connection(("127.0.0.1", engine.port), timeout=PATIENCE)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.sendall((head + body).encode())
    return connection


def first_bytes(engine, name):
    """Milliseconds from the function's write of its first chunk until the caller has it."""
    lags = []
    for _ in range(SAMPLES):
        with _begin(engine, name, clock=True) as connection:
            received = b""
            while not (stamp := STAMP.search(received)):
                received += connection.recv(65536)
                now = time.time()
            lags.append(now * 1e3 - int(stamp[1]) / 1e3)
            while b"InvokeComplete" not in received:
                received += connection.recv(65536)
    return lags


def open_streams(engine, name):
    """Opens that many streams, each of which has sent its first chunk; returns what the engine holds
    for each of them, in KB, and how long it took to open them all."""
    before = engine.resident_mb()
    begin = time.perf_counter()
    waiting = selectors.DefaultSelector()
    for _ in range(OPEN):
        connection = _begin(engine, name, chunks=1, size=CHUNK, end="hang")
        waiting.register(connection, selectors.EVENT_READ, bytearray())
    connections = [key.fileobj for key in waiting.get_map().values()]
    silent = OPEN
    while silent:
        ready = waiting.select(timeout=PATIENCE)
        if not ready:
            raise SystemExit(f"{silent} of {OPEN} streams have not begun:\n{engine.log.read_text()}")
        for key, _ in ready:
            chunk = key.fileobj.recv(65536)
            key.data.extend(chunk)
            if not chunk:
                raise SystemExit(f"a stream ended: {bytes(key.data)!r}")
            # The chunk; the mark behind the metadata has eight zeros, in a frame of its own or not.
            if bytes(CHUNK) in key.data:
                waiting.unregister(key.fileobj)
                silent -= 1
    elapsed = time.perf_counter() - begin
    held = engine.resident_mb() - before
    for connection in connections:
        connection.close()
    return held, elapsed


def figures(table):
    """Adds the rows."""
    with Engine() as engine:
        client = boto3_client(engine.endpoint)
        _create(client, "stream", 1769)
        first_bytes(engine, "stream")
        lags = first_bytes(engine, "stream")
        median = statistics.median(lags)
        table.add("first streamed byte after the runtime's write", median, target="< 1 ms", met=median < 1)
        table.add("  99th percentile", statistics.quantiles(lags, n=100)[98])
    # A budget that no host has: these functions use a hundredth of what they are promised.
    with Engine("--memory-budget", str(OPEN * 128 * 2)) as engine:
        client = boto3_client(engine.endpoint)
        _create(client, "stream", 128)
        first_bytes(engine, "stream")
        held, elapsed = open_streams(engine, "stream")
        table.add(f"{OPEN} open streams, growth of the engine", held, unit="MB", target="< 100 MB", met=held < 100)
        table.add("  opened, an environment for each", OPEN / elapsed, unit="/s")
