"""Functions from source text."""

import base64
import hashlib
import io
import json
import textwrap
import zipfile

ROLE = "arn:aws:iam::000000000000:role/test"
RUNTIME = "python3.11"

ECHO = """
    def handler(event, context):
        return event
"""


def package(files):
    """A zip of name → text or bytes; executables are what begins with `#!` or ELF's mark."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            data = content if isinstance(content, bytes) else textwrap.dedent(content).encode()
            entry = zipfile.ZipInfo(name, date_time=(2026, 1, 1, 0, 0, 0))
            entry.compress_type = zipfile.ZIP_DEFLATED
            executable = data.startswith((b"#!", b"\x7fELF"))
            entry.external_attr = (0o755 if executable else 0o644) << 16
            archive.writestr(entry, data)
    return buffer.getvalue()


def python(source):
    """A zip whose `main.py` is the source."""
    return package({"main.py": source})


def code_sha256(archive):
    """The CodeSha256 that Lambda computes for a zip."""
    return base64.b64encode(hashlib.sha256(archive).digest()).decode()


def create_arguments(name, archive, **more):
    """The arguments of create_function, with the usual for what a test does not care about."""
    return {
        "FunctionName": name,
        "Runtime": RUNTIME,
        "Handler": "main.handler",
        "Role": ROLE,
        "Code": {"ZipFile": archive},
        "Timeout": 20,
        "MemorySize": 1769,
        **more,
    }


def wait_active(client, name):
    """Waits until the function can be invoked."""
    client.get_waiter("function_active_v2").wait(
        FunctionName=name, WaiterConfig={"Delay": 0.02, "MaxAttempts": 1000}
    )


def wait_updated(client, name):
    """Waits until the function's last update is in effect."""
    client.get_waiter("function_updated_v2").wait(
        FunctionName=name, WaiterConfig={"Delay": 0.02, "MaxAttempts": 1000}
    )


class Invocation:
    """What came of an invocation, decoded."""

    def __init__(self, response):
        self.status = response["StatusCode"]
        self.error = response.get("FunctionError")
        self.version = response.get("ExecutedVersion")
        self.raw = response["Payload"].read()
        self.log_bytes = (
            base64.b64decode(response["LogResult"]) if "LogResult" in response else None
        )
        self.headers = response["ResponseMetadata"]["HTTPHeaders"]
        self.request_id = response["ResponseMetadata"]["RequestId"]

    @property
    def log(self):
        """The log's tail as text; None when it was not asked for."""
        return None if self.log_bytes is None else self.log_bytes.decode()

    @property
    def payload(self):
        """The answer, parsed."""
        return json.loads(self.raw)

    @property
    def value(self):
        """The answer of a function that did not fail."""
        assert self.error is None, self.raw
        return self.payload


def invoke(client, name, event=None, **more):
    """Invokes synchronously, the event given as a Python value."""
    return Invocation(client.invoke(FunctionName=name, Payload=json.dumps(event), **more))
