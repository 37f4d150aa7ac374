"""Published versions with SnapStart, for tests."""

import base64
import json

from support.waiting import eventually

SNAP = {"SnapStart": {"ApplyOn": "PublishedVersions"}, "Runtime": "python3.12"}

STATEFUL = """
    import os
    import random
    import secrets
    import socket
    import ssl
    import time
    import uuid

    from snapshot_restore_py import register_after_restore, register_before_snapshot

    print("initialising")
    drawn = uuid.uuid4().hex
    started_as = os.environ["AWS_ACCESS_KEY_ID"]
    hooks = []
    open("/tmp/from-init", "w").write("kept")

    @register_before_snapshot
    def before():
        print("before the snapshot")
        hooks.append("before")

    @register_after_restore
    def after():
        print("after the restore")
        hooks.append("after")

    served = 0

    def handler(event, context):
        global served
        served += 1
        match event:
            case "exit":
                os._exit(3)
            case "sleep":
                time.sleep(60)
            case "write":
                open("/tmp/mine", "w").write("here")
            case {"wait": seconds}:
                time.sleep(seconds)
            case {"take": mb}:
                taken = b"x" * (mb << 20)
        return {
            "drawn": drawn,
            "hooks": hooks,
            "served": served,
            "pid": os.getpid(),
            "pids": [name for name in os.listdir("/proc") if name.isdigit()],
            "tmp": sorted(os.listdir("/tmp")),
            "type": os.environ["AWS_LAMBDA_INITIALIZATION_TYPE"],
            "version": os.environ["AWS_LAMBDA_FUNCTION_VERSION"],
            "key": os.environ["AWS_ACCESS_KEY_ID"],
            "key_of_init": started_as,
            "left_over": [name for name in os.environ if "LAMBDALAB" in name],
            "random": [
                random.random(),
                secrets.token_hex(),
                uuid.uuid4().hex,
                os.urandom(8).hex(),
                ssl.RAND_bytes(8).hex(),
            ],
        }
"""


def settled(client, name, version, timeout=60):
    """The configuration of a version that is no longer pending."""

    def look():
        shown = client.get_function_configuration(FunctionName=name, Qualifier=version)
        return shown if shown["State"] != "Pending" else None

    return eventually(look, f"{name}:{version} is settled", timeout=timeout)


def invoke(client, name, version, event=None):
    answer = client.invoke(
        FunctionName=name,
        Qualifier=version,
        Payload=json.dumps(event).encode(),
        LogType="Tail",
    )
    payload = json.loads(answer["Payload"].read())
    log = base64.b64decode(answer["LogResult"]).decode()
    return payload, log, answer.get("FunctionError")
