"""Answers that are streams: by Node's streamifyResponse and by AWS's Rust runtime, through
InvokeWithResponseStream and through Invoke."""

import base64
import functools
import json
import time

import pytest
from botocore.exceptions import ClientError

from support import functions, raw
from support.streams import Stream, needs_node, open_gate, order
from support.streams import node as deploy_node
from support.streams import rust as deploy_rust
from support.waiting import eventually
from test_function_logs import function_events, until_reported
from test_provided_runtime import BOOTSTRAP

# Of the Rust runtime's streams: the metadata that it always begins with.
PRELUDE = b'{"statusCode":200,"headers":{"content-type":"application/octet-stream"},"cookies":[]}'
MARK = b"\0" * 8


@pytest.fixture
def rust(deploy):
    return deploy_rust(deploy)


@pytest.fixture
def node(deploy):
    """Deploys a streaming handler: the body of `async (event, stream, context) => {}`."""

    return functools.partial(deploy_node, deploy)


@needs_node
def test_node_is_heard_before_it_has_finished(client, node):
    name = node("stream.write('first'); await gate(context); stream.end('last');")
    stream = Stream(client, name, {}, LogType="Tail")
    assert stream.chunk() == b"first"
    open_gate(client, name)
    assert stream.rest() == b"last"
    assert set(stream.end) == {"LogResult"}
    log = base64.b64decode(stream.end["LogResult"]).decode()
    assert log.startswith("START RequestId: ") and "\nREPORT RequestId: " in log
    assert stream.answer["ExecutedVersion"] == "$LATEST"


def test_rust_is_heard_before_it_has_finished(client, rust):
    stream = Stream(client, rust, order(chunks=2, size=3, gate=True))
    heard = b""
    while len(heard) < len(PRELUDE + MARK) + 3:
        heard += stream.chunk()
    assert heard == PRELUDE + MARK + b"\0\0\0"
    open_gate(client, rust)
    assert stream.rest() == b"\1\1\1"
    assert stream.end == {}


@needs_node
def test_an_error_on_the_way_is_told_behind_what_came(client, node):
    name = node("stream.write('half'); await gate(context); throw new RangeError('too far');")
    stream = Stream(client, name, {}, LogType="Tail")
    assert stream.chunk() == b"half"
    open_gate(client, name)
    assert stream.rest() == b""
    assert stream.end["ErrorCode"] == "Unhandled"
    details = json.loads(stream.end["ErrorDetails"])
    assert (details["errorType"], details["errorMessage"]) == ("RangeError", "too far")
    assert "REPORT RequestId: " in base64.b64decode(stream.end["LogResult"]).decode()
    # The environment goes on.
    again = Stream(client, name, {}, LogType="Tail")
    again.rest()
    assert "Init Duration" not in base64.b64decode(again.end["LogResult"]).decode()


def test_a_crash_on_the_way_is_told_behind_what_came(client, rust):
    stream = Stream(client, rust, order(chunks=4, size=1000, end="exit"), LogType="Tail")
    received = stream.rest()
    assert received == PRELUDE + MARK + b"".join(bytes([n]) * 1000 for n in range(4))
    assert stream.end["ErrorCode"] == "Unhandled"
    details = json.loads(stream.end["ErrorDetails"])
    assert details["errorType"] == "Runtime.ExitError"
    assert details["errorMessage"].endswith("Runtime exited with error: exit status 7")
    assert Stream(client, rust, order()).rest().endswith(MARK + b"\0")


def test_a_timeout_on_the_way_is_told_behind_what_came(client, deploy):
    name = deploy_rust(deploy, Timeout=1)
    stream = Stream(client, name, order(chunks=2, size=2, end="hang"), LogType="Tail")
    assert stream.rest() == PRELUDE + MARK + b"\0\0\1\1"
    details = json.loads(stream.end["ErrorDetails"])
    assert details["errorType"] == "Sandbox.Timedout"
    assert details["errorMessage"].endswith("Task timed out after 1.00 seconds")
    log = base64.b64decode(stream.end["LogResult"]).decode()
    assert "Status: timeout" in log


@needs_node
def test_a_stream_that_is_broken_off_is_an_error(client, node):
    name = node("stream.write('half'); await gate(context); stream.destroy(); await new Promise(() => {});")
    stream = Stream(client, name, {})
    assert stream.chunk() == b"half"
    open_gate(client, name)
    assert stream.rest() == b""
    assert stream.end["ErrorCode"] == "Unhandled"


def test_a_duration_covers_the_stream(client, rust):
    stream = Stream(client, rust, order(chunks=1, gate=True), LogType="Tail")
    stream.chunk()
    time.sleep(0.2)  # what the report must not miss
    open_gate(client, rust)
    stream.rest()
    report = base64.b64decode(stream.end["LogResult"]).decode().split("Duration: ")[1]
    assert float(report.split(" ms")[0]) >= 200


def test_an_answer_as_a_whole_is_one_chunk(client, echo):
    stream = Stream(client, echo, {"a": "ä"})
    assert json.loads(stream.chunk()) == {"a": "ä"}
    assert stream.chunk() is None
    assert stream.end == {}


def test_a_function_that_fails_is_no_failed_call(client, deploy):
    name = deploy("def handler(event, context):\n    raise ValueError('no')\n")
    stream = Stream(client, name, {}, LogType="Tail")
    assert stream.rest() == b""
    assert stream.end["ErrorCode"] == "Unhandled"
    assert json.loads(stream.end["ErrorDetails"])["errorType"] == "ValueError"


def test_invoke_takes_a_stream_as_a_whole(client, rust):
    answer = client.invoke(FunctionName=rust, Payload=order(chunks=3, size=2))
    assert answer["Payload"].read() == PRELUDE + MARK + b"\0\0\1\1\2\2"


def test_the_cli_gets_a_stream_as_a_whole(aws_cli, rust, tmp_path):
    """The AWS CLI has no command for InvokeWithResponseStream, and invokes streaming functions too."""
    aws = aws_cli("lambda")
    event = order(chunks=3, size=2)
    told = aws("invoke", "--function-name", rust, "--payload", event, "answer")
    assert told == {"StatusCode": 200, "ExecutedVersion": "$LATEST"}
    answer = (tmp_path / "answer").read_bytes()
    assert answer.startswith(PRELUDE + MARK) and len(answer) == len(PRELUDE + MARK) + 6
    done = aws.fails("invoke-with-response-stream", "--function-name", rust, "answer")
    assert done.returncode != 0 and "invalid choice" in done.stderr.lower()


def test_qualifiers_and_dry_runs(client, rust):
    client.publish_version(FunctionName=rust)
    client.create_alias(FunctionName=rust, Name="live", FunctionVersion="1")
    stream = Stream(client, rust, order(), Qualifier="live")
    stream.rest()
    assert stream.answer["ExecutedVersion"] == "1"
    dry = client.invoke_with_response_stream(FunctionName=rust, InvocationType="DryRun")
    dry["EventStream"].close()
    assert dry["StatusCode"] == 204
    with pytest.raises(client.exceptions.ResourceNotFoundException):
        client.invoke_with_response_stream(FunctionName=rust, Qualifier="2")


def test_what_fails_before_the_stream_is_an_error_of_the_call(client, rust):
    with pytest.raises(ClientError) as refused:
        Stream(client, rust, "no JSON")
    assert refused.value.response["Error"]["Code"] == "InvalidRequestContentException"
    client.put_function_concurrency(FunctionName=rust, ReservedConcurrentExecutions=0)
    with pytest.raises(client.exceptions.TooManyRequestsException):
        Stream(client, rust, order())


def test_a_big_stream_arrives_as_it_was_written(client, rust):
    chunks, size = 480, 100_000
    received = Stream(client, rust, order(chunks=chunks, size=size)).rest()
    body = received[len(PRELUDE + MARK) :]
    assert len(body) == chunks * size
    assert body == b"".join(bytes([n % 251]) * size for n in range(chunks))


def test_more_than_200_mb_is_too_much(client, deploy):
    name = deploy_rust(deploy, Timeout=60)
    stream = Stream(client, name, order(chunks=211, size=1 << 20))
    received = 0
    while (chunk := stream.chunk()) is not None:
        received += len(chunk)
    assert 190 << 20 < received <= 200 << 20
    assert json.loads(stream.end["ErrorDetails"])["errorType"] == "Function.ResponseSizeTooLarge"


def resident(pid):
    """Bytes of memory that a process has."""
    with open(f"/proc/{pid}/statm") as statm:
        return int(statm.read().split()[1]) * 4096


@pytest.fixture(scope="module")
def logs(engine):
    return engine.client("logs")


def test_a_slow_reader_holds_its_function_back(own_engine):
    engine = own_engine()
    client = engine.client()
    archive = functions.package({"bootstrap": BOOTSTRAP.read_bytes()})
    client.create_function(
        **functions.create_arguments(
            "slow", archive, Runtime="provided.al2023", Handler="bootstrap"
        )
    )
    functions.wait_active(client, "slow")
    Stream(client, "slow", order()).rest()
    before = resident(engine.pid)
    stream = Stream(client, "slow", order(chunks=1500, size=64 << 10))
    stream.chunk()
    time.sleep(0.5)  # time in which the engine could take all of it
    assert resident(engine.pid) - before < 24 << 20
    assert len(stream.rest()) > 1400 * (64 << 10)
    assert stream.end == {}


def test_a_function_runs_on_when_its_caller_hangs_up(client, logs, rust):
    earlier = len([it for it in function_events(logs, rust) if "REPORT " in it["message"]])
    stream = Stream(client, rust, order(chunks=100, size=100_000, gate=True))
    stream.chunk()
    stream.close()
    open_gate(client, rust)
    # It has written all of it, and its environment is free for the next.
    until_reported(logs, rust, reports=earlier + 1)
    again = functions.invoke(client, rust, 1, LogType="Tail")
    assert again.value["event"] == 1
    assert "Init Duration" not in again.log


def test_it_is_an_event_stream_on_the_wire(engine, client, echo):
    path = f"/2021-11-15/functions/{echo}/response-streaming-invocations"
    answer = raw.request(engine.address, "POST", path, b"1")
    assert answer.status == 200
    assert answer.headers["content-type"] == "application/vnd.amazon.eventstream"
    assert answer.headers["x-amz-executed-version"] == "$LATEST"
    assert b"PayloadChunk" in answer.body and b"InvokeComplete" in answer.body
