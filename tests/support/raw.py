"""HTTP as it comes over the wire, for requests that no client library would send."""

import http.client
import json
import socket

CREDENTIALS = (
    "AWS4-HMAC-SHA256 Credential=lambdalab/20260101/us-east-1/lambda/aws4_request, "
    "SignedHeaders=host, Signature=" + "0" * 64
)


class Answer:
    """Status, headers with lower-case names, and body."""

    def __init__(self, response):
        self.status = response.status
        self.headers = {name.lower(): value for name, value in response.getheaders()}
        self.body = response.read()

    @property
    def json(self):
        """The parsed body."""
        return json.loads(self.body)

    def __repr__(self):
        return f"{self.status} {self.headers} {self.body[:300]!r}"


def request(address, method, path, body=None, headers=None, *, host=None, signed=True):
    """One request on a connection of its own; `host` replaces the Host header."""
    connection = http.client.HTTPConnection(*address, timeout=20)
    try:
        connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
        connection.putheader("Host", host or f"{address[0]}:{address[1]}")
        if signed:
            connection.putheader("Authorization", CREDENTIALS)
        if body is not None:
            connection.putheader("Content-Length", str(len(body)))
        for name, value in (headers or {}).items():
            connection.putheader(name, value)
        connection.endheaders(body)
        return Answer(connection.getresponse())
    finally:
        connection.close()


def send(address, data, timeout=10, *, half_close=True):
    """Sends bytes and returns whatever comes back until the server closes.

    Half closing says that there is no more, which a server may take for hanging up. Who must have
    an answer leaves it, and asks for `Connection: close` instead.
    """
    with socket.create_connection(address, timeout=timeout) as connection:
        received = b""
        try:
            connection.sendall(data)
            if half_close:
                connection.shutdown(socket.SHUT_WR)
        except TimeoutError:
            raise
        except OSError:
            pass  # a server may have answered before the end; that answer can still be read
        try:
            while chunk := connection.recv(65536):
                received += chunk
        except TimeoutError:
            raise
        except OSError:
            pass  # a server may drop what is no HTTP, at any point
        return received


def assert_aws_error(answer, status=range(400, 500)):
    """The answer is an error as AWS shapes it: a named type, a message, a request id."""
    assert answer.status in status, answer
    assert answer.headers.get("x-amzn-errortype"), answer
    assert answer.headers.get("x-amzn-requestid"), answer
    assert answer.headers.get("content-type", "").startswith("application/json"), answer
    body = answer.json
    assert isinstance(body, dict), answer
    assert isinstance(body.get("message", body.get("Message")), str), answer
