"""Extensions for tests, and a function that tells what they have heard."""

import os
import pathlib

from support import functions

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = pathlib.Path(
    os.environ.get("LAMBDALAB_TEST_EXTENSION", REPOSITORY / "target/debug/lambdalab-test-extension")
)

# Answers with what an extension has written down so far.
READ = """
    import json, os, time

    def handler(event, context):
        print("function invoked")
        if event == "hang":
            time.sleep(600)
        if event == "exit":
            os._exit(7)
        try:
            # The last line may be in the writing.
            return [json.loads(line) for line in open("/tmp/heard") if line.endswith("\\n")]
        except FileNotFoundError:
            return []
"""

# What an extension needs of the API.
API = """#!/usr/bin/env python3
import json, os, sys, time, urllib.error, urllib.request

NAME = os.path.basename(sys.argv[0])

def call(method, path, body=None, **headers):
    request = urllib.request.Request(
        f"http://{os.environ['AWS_LAMBDA_RUNTIME_API']}/2020-01-01/extension/{path}",
        method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={name.replace("_", "-"): value for name, value in headers.items()},
    )
    try:
        answer = urllib.request.urlopen(request)
    except urllib.error.HTTPError as refused:
        answer = refused
    text = answer.read()
    return answer.status, answer.headers, json.loads(text)

def write(what):
    with open("/tmp/heard", "a") as file:
        file.write(json.dumps(what) + "\\n")

def register(*events):
    status, headers, answer = call(
        "POST", "register", {"events": list(events)},
        Lambda_Extension_Name=NAME, Lambda_Extension_Accept_Feature="accountId",
    )
    write({"registered": answer, "status": status})
    return headers["Lambda-Extension-Identifier"]

def following(me):
    return call("GET", "event/next", Lambda_Extension_Identifier=me)[2]
"""

OBEDIENT = API + """
me = register("INVOKE", "SHUTDOWN")
while True:
    event = following(me)
    write(event)
    print("extension told of", event["eventType"], flush=True)
    if event["eventType"] == "SHUTDOWN":
        break
"""


def extension(source, name="watcher"):
    """A layer with that extension."""
    return functions.package({f"extensions/{name}": source})


def heard(result, kind):
    return [line for line in result.value if line.get("eventType") == kind]
