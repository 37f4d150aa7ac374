"""Asynchronous invocations: how many a second are accepted, each on the disk before its answer."""

from measure import create_function
from servers import Engine

CALLERS = 16
PAYLOAD = '{"filler": "' + "x" * 114 + '"}'
MEMORY_MB = 1769
ECHO = "def handler(event, context):\n    return event\n"


def figures(table, load, client_of):
    """Adds the rows. `load` runs the load client's `invoke`, `client_of` makes a boto3 client."""
    assert len(PAYLOAD) == 128
    with Engine() as engine:
        client = client_of(engine.endpoint)
        create_function(client, "events", ECHO, MEMORY_MB)
        # What is measured is the acceptance: the events themselves wait until nobody looks.
        client.put_function_concurrency(FunctionName="events", ReservedConcurrentExecutions=0)
        report = load(
            engine,
            "events",
            "--event",
            callers=CALLERS,
            payload=PAYLOAD,
            count=1_000_000,
            seconds=8,
        )
        accepted = report["per_second"]
        table.add(
            f"events accepted, durable, {CALLERS} callers, 128 bytes",
            accepted,
            unit="/s",
            target=">= 5000 /s",
            met=accepted >= 5_000,
        )
        table.add("  99th percentile", report["latency"]["p99_ms"])
