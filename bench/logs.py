"""What 10^6 log events in one group cost: putting them, searching them, reading a stream."""

import http.client
import json
import time

from servers import Engine

EVENTS = 1_000_000
# What one call of PutLogEvents takes.
BATCH = 10_000
STREAMS = 10
GROUP = "/bench/logs"
CREDENTIALS = (
    "AWS4-HMAC-SHA256 Credential=bench/20260101/us-east-1/logs/aws4_request, "
    f"SignedHeaders=host, Signature={'0' * 64}"
)


def _call(connection, operation, **members):
    headers = {
        "Authorization": CREDENTIALS,
        "Content-Type": "application/x-amz-json-1.1",
        "X-Amz-Target": f"Logs_20140328.{operation}",
    }
    connection.request("POST", "/", json.dumps({"logGroupName": GROUP, **members}), headers)
    answer = connection.getresponse()
    content = answer.read()
    if answer.status >= 300:
        raise RuntimeError(f"{operation}: {answer.status} {content[:300]!r}")
    return json.loads(content) if content else {}


def _batches():
    """Bodies of PutLogEvents, made beforehand: what Python needs for them is not the engine's."""
    first = int(time.time() * 1000) - EVENTS
    for start in range(0, EVENTS, BATCH):
        events = [
            {"timestamp": first + number, "message": f"[INFO] request {number:07} served in 12 ms"}
            for number in range(start, start + BATCH)
        ]
        if start + BATCH == EVENTS:
            events[-1]["message"] = "[ERROR] the needle"
        yield {"logStreamName": f"s{start // BATCH % STREAMS}", "logEvents": events}


def fill(connection):
    """Puts the events from one caller; returns how many a second."""
    _call(connection, "CreateLogGroup")
    for number in range(STREAMS):
        _call(connection, "CreateLogStream", logStreamName=f"s{number}")
    elapsed = 0.0
    for batch in _batches():
        begin = time.perf_counter()
        rejected = _call(connection, "PutLogEvents", **batch).get("rejectedLogEventsInfo")
        elapsed += time.perf_counter() - begin
        if rejected:
            raise RuntimeError(f"events were rejected: {rejected}")
    return EVENTS / elapsed


def find_needle(connection):
    """Milliseconds until the one event that matches is found, over however many pages."""
    begin, token = time.perf_counter(), {}
    while True:
        page = _call(connection, "FilterLogEvents", filterPattern="needle", **token)
        if page["events"]:
            return (time.perf_counter() - begin) * 1e3
        token = {"nextToken": page["nextToken"]}


def figures(table, load):
    """Adds the rows. `load` runs the load client's `request`."""
    with Engine() as engine:
        connection = http.client.HTTPConnection("127.0.0.1", engine.port, timeout=120)
        table.add("log events put, batches of 10,000", fill(connection), unit="/s")

        def page(label, operation, judged=True, **members):
            report = load(
                engine,
                method="POST",
                path="/",
                service="logs",
                operation=f"Logs_20140328.{operation}",
                body=json.dumps({"logGroupName": GROUP, **members}),
                warmup=3,
                count=50,
            )
            median = report["latency"]["p50_ms"]
            verdict = {"target": "< 50 ms", "met": median < 50} if judged else {}
            table.add(label, median, **verdict)

        page("FilterLogEvents among 10^6, first page of 10,000", "FilterLogEvents")
        page("  first page, a pattern that matches one event", "FilterLogEvents", filterPattern="needle")
        page(
            "  first page, a JSON pattern",
            "FilterLogEvents",
            judged=False,
            filterPattern='{ $.level = "ERROR" }',
        )
        table.add("  all pages, a pattern that matches one event", find_needle(connection))
        page(
            "GetLogEvents, the last 100 of 100,000 in a stream",
            "GetLogEvents",
            judged=False,
            logStreamName="s9",
            limit=100,
        )
        begin = time.perf_counter()
        _call(connection, "DeleteLogGroup")
        table.add("DeleteLogGroup with 10^6 events", (time.perf_counter() - begin) * 1e3)
        connection.close()
