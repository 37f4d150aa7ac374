"""What 10,000 functions in the store cost: creating them, reading one, listing, starting."""

import base64
import http.client
import io
import json
import statistics
import threading
import time
import zipfile

from servers import Engine

FUNCTIONS = 10_000
CREATORS = 8
STARTS = 5
CREDENTIALS = (
    "AWS4-HMAC-SHA256 Credential=bench/20260101/us-east-1/lambda/aws4_request, "
    f"SignedHeaders=host, Signature={'0' * 64}"
)
PREFIX = "/2015-03-31/functions"


def name(number):
    return f"stored-{number:05}"


def _request(connection, method, path, body=None):
    headers = {"Authorization": CREDENTIALS, "Content-Type": "application/json"}
    connection.request(method, path, body, headers)
    answer = connection.getresponse()
    content = answer.read()
    if answer.status >= 300:
        raise RuntimeError(f"{method} {path}: {answer.status} {content[:300]!r}")
    return json.loads(content)


def _create(port, numbers, failures):
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("main.py", "def handler(event, context):\n    return event\n")
    code = base64.b64encode(archive.getvalue()).decode()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        for number in numbers:
            function = {
                "FunctionName": name(number),
                "Runtime": "python3.11",
                "Handler": "main.handler",
                "Role": "arn:aws:iam::000000000000:role/bench",
                "Code": {"ZipFile": code},
                "Environment": {"Variables": {"STAGE": "bench", "NUMBER": str(number)}},
            }
            _request(connection, "POST", PREFIX, json.dumps(function))
    except (OSError, RuntimeError) as error:
        failures.append(error)
    finally:
        connection.close()


def fill(engine):
    """Creates the functions from several callers; returns how many a second."""
    failures = []
    begin = time.perf_counter()
    creators = [
        threading.Thread(
            target=_create, args=(engine.port, range(first, FUNCTIONS, CREATORS), failures)
        )
        for first in range(CREATORS)
    ]
    for creator in creators:
        creator.start()
    for creator in creators:
        creator.join()
    if failures:
        raise failures[0]
    elapsed = time.perf_counter() - begin
    connection = http.client.HTTPConnection("127.0.0.1", engine.port, timeout=60)
    deadline = time.monotonic() + 60
    # The last one created is the last to be made ready.
    while _request(connection, "GET", f"{PREFIX}/{name(FUNCTIONS - 1)}")["Configuration"]["State"] != "Active":
        if time.monotonic() > deadline:
            raise SystemExit("the functions do not become active")
        time.sleep(0.05)
    connection.close()
    return FUNCTIONS / elapsed


def marker(engine):
    """The marker of a page in the middle of the list."""
    connection = http.client.HTTPConnection("127.0.0.1", engine.port, timeout=60)
    found = None
    for _ in range(FUNCTIONS // 50 // 2):
        path = f"{PREFIX}/?MaxItems=50" + (f"&Marker={found}" if found else "")
        found = _request(connection, "GET", path)["NextMarker"]
    connection.close()
    return found


def figures(table, load):
    """Adds the rows. `load` runs the load client's `request`."""
    with Engine() as engine:
        table.add("functions created, 8 callers, durable", fill(engine), unit="/s")
        read = load(engine, path=f"{PREFIX}/{name(FUNCTIONS // 2)}", count=3000)
        table.add(
            "GetFunction among 10,000",
            read["latency"]["p50_ms"],
            target="< 1 ms",
            met=read["latency"]["p50_ms"] < 1,
        )
        page = load(engine, path=f"{PREFIX}/?MaxItems=50&Marker={marker(engine)}", count=1000)
        table.add(
            "ListFunctions, a page of 50 in the middle of 10,000",
            page["latency"]["p50_ms"],
            target="< 5 ms",
            met=page["latency"]["p50_ms"] < 5,
        )
        starts = []
        for _ in range(STARTS):
            engine.restart()
            starts.append(engine.start_ms)
        start = statistics.median(starts)
        table.add(
            "start to first answer with 10,000 functions",
            start,
            target="< 150 ms",
            met=start < 150,
        )
