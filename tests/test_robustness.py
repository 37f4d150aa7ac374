"""Bytes that no client sends: the engine answers with AWS-shaped 4xx errors and goes on."""

import json
import random
import socket
import time

import pytest

from support import functions, raw

FUNCTIONS = "/2015-03-31/functions"


@pytest.fixture(autouse=True)
def still_serving(engine, client, echo):
    """Whatever a test sends, the engine serves afterwards and has not panicked."""
    yield
    assert functions.invoke(client, echo, "still here").value == "still here"
    assert engine.process.poll() is None
    assert "panicked at" not in engine.output()


def create_body(**changes):
    body = {"FunctionName": "f", "Role": functions.ROLE, "Runtime": "python3.11", "Handler": "a.b"}
    return json.dumps(
        {**body, "Code": {"ZipFile": "UEsFBgAAAAAAAAAAAAAAAAAAAAAAAA=="}, **changes}
    ).encode()


def post(engine, path, body, headers=None):
    return raw.request(engine.address, "POST", path, body, headers)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"),
        ("GET", "/no/such/route"),
        ("POST", "/2015-03-31/functions/f/nothing"),
        ("GET", "/2015-03-31/functions/f/invocations"),
        ("PATCH", "/2015-03-31/functions/f"),
        ("GET", "/2015-03-31/functions/%FF%FE"),
        ("GET", "/2015-03-31/functions/%zz"),
        ("GET", "/2015-03-31/functions/a%2Fb"),
        ("GET", "/2015-03-31/functions/" + "a" * 8_000),
        ("GET", "//2015-03-31//functions//"),
        ("DELETE", "/2015-03-31/functions/"),
        ("GET", "/2015-03-31/functions/?MaxItems=many"),
        ("GET", "/2015-03-31/functions/?MaxItems=99999999999999999999"),
        ("GET", "/2015-03-31/functions/?MaxItems=0"),
    ],
)
def test_routes_that_are_none(engine, method, path):
    raw.assert_aws_error(raw.request(engine.address, method, path))


def test_an_operation_that_is_not_served_yet_says_so(engine):
    answer = raw.request(engine.address, "GET", "/2025-11-30/capacity-providers")
    raw.assert_aws_error(answer)
    assert "ListCapacityProviders" in answer.body.decode()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"text"',
        b"\x00\x01\x02",
        b"\xff\xfe{}",
        b'{"FunctionName": "\xff"}',
        b'{"FunctionName": "\\ud800"}',
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b"1" * 100_000,
        create_body(Timeout="three"),
        create_body(Timeout=1e300),
        create_body(Timeout=3.5),
        create_body(MemorySize=None, Timeout=[]),
        create_body(Environment=[]),
        create_body(Environment={"Variables": {"A": 1}}),
        create_body(Code={"ZipFile": "***"}),
        create_body(Code={"ZipFile": "AAA"}),
        create_body(Code={"ZipFile": 7}),
        create_body(Code={}),
        create_body(Code="zip"),
        create_body(FunctionName={"a": 1}),
        create_body(FunctionName="\u0000"),
        create_body(Layers={"a": 1}),
    ],
    ids=lambda body: repr(body[:30]),
)
def test_bodies_that_are_wrong(engine, body):
    raw.assert_aws_error(post(engine, FUNCTIONS, body))


def test_unknown_members_are_ignored(engine, client):
    answer = post(engine, FUNCTIONS, create_body(FunctionName="unknown!", Novelty={"x": [1]}))
    raw.assert_aws_error(answer, status=[400])
    assert "functionName" in answer.body.decode()


def test_a_body_beyond_the_limit(engine, echo):
    answer = post(engine, f"{FUNCTIONS}/{echo}/invocations", b" " * (6 * 1024 * 1024 + 1))
    raw.assert_aws_error(answer, status=[413])
    assert answer.headers["x-amzn-errortype"] == "RequestEntityTooLargeException"


def test_a_length_beyond_the_limit_is_refused_before_the_body_comes(engine, echo):
    host, port = engine.address
    head = (
        f"POST {FUNCTIONS}/{echo}/invocations HTTP/1.1\r\nHost: {host}:{port}\r\n"
        f"Authorization: {raw.CREDENTIALS}\r\nContent-Length: 99999999999\r\n\r\n"
    )
    with socket.create_connection(engine.address, timeout=10) as connection:
        connection.sendall(head.encode())
        assert connection.recv(4096).startswith(b"HTTP/1.1 413")


def test_a_chunked_body_beyond_the_limit(engine, echo):
    host, port = engine.address
    head = (
        f"POST {FUNCTIONS}/{echo}/invocations HTTP/1.1\r\nHost: {host}:{port}\r\n"
        f"Authorization: {raw.CREDENTIALS}\r\nTransfer-Encoding: chunked\r\n"
        "Connection: close\r\n\r\n"
    )
    chunk = b"100000\r\n" + b" " * 0x100000 + b"\r\n"
    request = head.encode() + chunk * 7 + b"0\r\n\r\n"
    for _ in range(10):  # an answer that is lost on its way is lost only now and then
        answer = raw.send(engine.address, request, half_close=False)
        assert answer.startswith(b"HTTP/1.1 413"), answer[:200]
        assert b"RequestEntityTooLargeException" in answer


def test_a_body_that_never_ends_holds_up_nobody(engine, client, echo):
    host, port = engine.address
    head = (
        f"POST {FUNCTIONS}/{echo}/invocations HTTP/1.1\r\nHost: {host}:{port}\r\n"
        f"Authorization: {raw.CREDENTIALS}\r\nContent-Length: 10\r\n\r\nhalf"
    )
    connections = [socket.create_connection(engine.address, timeout=10) for _ in range(50)]
    try:
        for connection in connections:
            connection.sendall(head.encode())
        assert functions.invoke(client, echo, 1).value == 1
    finally:
        for connection in connections:
            connection.close()


def test_bodies_that_are_only_announced_hold_up_nobody(engine, client, echo):
    host, port = engine.address
    head = (
        f"POST {FUNCTIONS} HTTP/1.1\r\nHost: {host}:{port}\r\n"
        f"Authorization: {raw.CREDENTIALS}\r\nContent-Length: 70000000\r\n\r\n"
    )
    assert functions.invoke(client, echo, "warm").value == "warm"
    connections = [socket.create_connection(engine.address, timeout=10) for _ in range(20)]
    try:
        for connection in connections:
            connection.sendall(head.encode())
        # Whoever would reserve room for them has done so once this is answered.
        raw.assert_aws_error(post(engine, FUNCTIONS, b"{"))
        started = time.monotonic()
        payload = "x" * 1_000_000
        assert functions.invoke(client, echo, payload).value == payload
        assert time.monotonic() - started < 5
    finally:
        for connection in connections:
            connection.close()


@pytest.mark.parametrize("headers", [
    {"X-Amz-Invocation-Type": "Sometimes"},
    {"X-Amz-Log-Type": "Head"},
    {"X-Amz-Client-Context": "not base64!"},
    {"X-Amz-Client-Context": "x" * 5_000},
])  # fmt: skip
def test_headers_that_are_wrong(engine, echo, headers):
    raw.assert_aws_error(post(engine, f"{FUNCTIONS}/{echo}/invocations", b"{}", headers))


def test_random_bytes(engine):
    source = random.Random(20261122)
    for length in (1, 10, 100, 1_000, 10_000, 100_000):
        for _ in range(5):
            answer = raw.send(engine.address, source.randbytes(length))
            assert not answer.startswith(b"HTTP/1.1 5"), answer


def test_mutated_requests(engine):
    source = random.Random(20261122)
    host, port = engine.address
    body = create_body()
    good = (
        f"POST {FUNCTIONS} HTTP/1.1\r\nHost: {host}:{port}\r\nAuthorization: {raw.CREDENTIALS}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    ).encode() + body
    for _ in range(300):
        mutated = bytearray(good)
        for _ in range(source.randint(1, 8)):
            position = source.randrange(len(mutated))
            match source.randrange(3):
                case 0:
                    mutated[position] = source.randrange(256)
                case 1:
                    del mutated[position]
                case 2:
                    mutated[position:position] = source.randbytes(source.randint(1, 4))
        answer = raw.send(engine.address, bytes(mutated))
        assert not answer.startswith(b"HTTP/1.1 5"), (bytes(mutated), answer)
