"""Measurements through boto3, the same for every server."""

import io
import itertools
import time
import zipfile

import boto3
from botocore.config import Config

PAYLOAD = b'{"key":"value"}'
_names = (f"cold-{number}" for number in itertools.count())


def boto3_client(endpoint):
    """A client with one connection, as a plain script has."""
    return boto3.client(
        "lambda",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id="bench",
        aws_secret_access_key="bench",
        config=Config(max_pool_connections=1, retries={"total_max_attempts": 1}, read_timeout=120),
    )


def create_function(client, name, source, memory_mb, **more):
    """Creates a Python function and waits until it is active."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        entry = zipfile.ZipInfo("main.py")
        entry.external_attr = 0o644 << 16
        file.writestr(entry, source)
    client.create_function(
        FunctionName=name,
        **{
            "Runtime": "python3.11",
            "Handler": "main.handler",
            "Role": "arn:aws:iam::000000000000:role/bench",
            "Code": {"ZipFile": archive.getvalue()},
            "MemorySize": memory_mb,
            "Timeout": 60,
            **more,
        },
    )
    client.get_waiter("function_active_v2").wait(
        FunctionName=name, WaiterConfig={"Delay": 0.02, "MaxAttempts": 1500}
    )


def invoke(client, name):
    """Milliseconds of one invocation, whose answer must be right."""
    begin = time.perf_counter()
    response = client.invoke(FunctionName=name, Payload=PAYLOAD)
    answer = response["Payload"].read()
    elapsed = time.perf_counter() - begin
    if "FunctionError" in response or answer.replace(b" ", b"") != PAYLOAD:
        raise RuntimeError(f"{name} answered {answer!r}")
    return elapsed * 1e3


def sequential_invokes(client, name, count):
    """Milliseconds of each of `count` warm invocations, one after the other."""
    for _ in range(30):
        invoke(client, name)
    return [invoke(client, name) for _ in range(count)]


def cold_invokes(client, source, memory_mb, count):
    """Milliseconds of the first invocation of each of `count` new functions."""
    samples = []
    for name in itertools.islice(_names, count):
        create_function(client, name, source, memory_mb)
        samples.append(invoke(client, name))
        client.delete_function(FunctionName=name)
    return samples
