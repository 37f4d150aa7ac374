"""What a restored start takes: from the request to the handler's first line, and as REPORT says.

Each sample is the first invocation of a version of its own, so that nothing is warm. Handler and caller
read the same clock: what is judged holds the request's way through the engine, too.
"""

import base64
import itertools
import json
import re
import statistics
import time

from measure import boto3_client, create_function
from servers import Engine

SOURCE = "import time\ndef handler(event, context):\n    return time.time()\n"
SAMPLES = 15
RESTORED = re.compile(r"\tRestore Duration: ([\d.]+) ms\t")
_names = (f"restored-{number}" for number in itertools.count())


def figures(table, memory_mb):
    """Adds the rows of restored starts."""
    # Clones take networks of their own.
    with Engine("--egress", "none") as engine:
        client = boto3_client(engine.endpoint)
        samples = [restored(client, name, memory_mb) for name in itertools.islice(_names, SAMPLES)]
    handler, report = map(statistics.median, zip(*samples, strict=True))
    name = "restored start (SnapStart), to the handler"
    table.add(name, handler, target="< 15 ms", met=handler < 15)
    table.add("  Restore Duration", report)


def restored(client, name, memory_mb):
    """Milliseconds to the handler's first line, and those that the log reports."""
    snap_start = {"ApplyOn": "PublishedVersions"}
    create_function(
        client, name, SOURCE, memory_mb, Runtime="python3.12", SnapStart=snap_start
    )
    client.publish_version(FunctionName=name)
    while client.get_function_configuration(FunctionName=name, Qualifier="1")["State"] != "Active":
        time.sleep(0.02)
    # Deployments are not invoked in their first instant: what is kept ready is there by then.
    time.sleep(0.5)
    begin = time.time()
    answer = client.invoke(FunctionName=name, Qualifier="1", LogType="Tail")
    handled = json.loads(answer["Payload"].read())
    report = RESTORED.search(base64.b64decode(answer["LogResult"]).decode())
    if report is None:
        raise RuntimeError(f"{name} was not restored")
    client.delete_function(FunctionName=name)
    return (handled - begin) * 1e3, float(report[1])
