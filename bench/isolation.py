"""What isolation costs: the engine beside itself, with environments apart and as bare processes.

Judged are the first invocation of a new function and a warm one, taken in turns, so that what else
the machine does hits both alike.
"""

import statistics

from measure import boto3_client, cold_invokes, create_function
from servers import Engine

ECHO = "def handler(event, context):\n    return event\n"
COLD_ROUNDS = 5
COLD_SAMPLES = 5
WARM_ROUNDS = 7


def figures(table, load, memory_mb):
    """Adds the rows of cold and warm invocations."""
    with Engine() as apart, Engine("--isolation", "none") as bare:
        servers = (apart, bare)
        for server in servers:
            server.client = boto3_client(server.endpoint)
            create_function(server.client, "warm", ECHO, memory_mb)
        cold(table, servers, memory_mb)
        warm(table, servers, load)


def cold(table, servers, memory_mb):
    """The first invocation of a new function."""
    rounds = [
        [cold_invokes(server.client, ECHO, memory_mb, COLD_SAMPLES) for server in servers]
        for _ in range(COLD_ROUNDS)
    ]
    apart, bare = (statistics.median(sum(samples, [])) for samples in zip(*rounds, strict=True))
    added = apart - bare
    name = "cold invoke, full sandbox (rival: bare process)"
    table.add(name, apart, bare, apart / bare)
    table.add("  added by the sandbox", added, target="<= 25 ms", met=added <= 25)


def warm(table, servers, load):
    """A warm invocation, one caller. The sandbox can only add to it, so the best round of each is
    what the machine disturbed least."""
    rounds = [
        [load(server, "warm", warmup=300, count=2000)["latency"]["p50_ms"] for server in servers]
        for _ in range(WARM_ROUNDS)
    ]
    apart, bare = (min(figures) for figures in zip(*rounds, strict=True))
    ratio = apart / bare
    name = "warm invoke, full sandbox (rival: bare process)"
    table.add(name, apart, bare, ratio, target="<= 1.05", met=ratio <= 1.05)
