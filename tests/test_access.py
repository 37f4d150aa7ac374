"""The hostile web page: what a script in the user's browser can send must do nothing.

A page can make the browser send simple requests to loopback without asking, can point a name of
its own at 127.0.0.1 (DNS rebinding), and can ask by preflight for more. It cannot set Host, nor
Authorization without a preflight that succeeds, and the browser adds its Origin, or where there is
none (images, forms, links) at least Sec-Fetch-Site.
"""

import json
from contextlib import closing

import pytest
from botocore.exceptions import ClientError

from support import functions, raw

CREATE = "/2015-03-31/functions"
LIST = "/2015-03-31/functions/"


def invocations(name):
    return f"/2015-03-31/functions/{name}/invocations"


@pytest.fixture
def witness(client, deploy):
    """A function that counts its invocations, and a way to read the count."""
    source = """
        count = 0

        def handler(event, context):
            global count
            count += 1
            return count
    """
    name = deploy(source)
    assert functions.invoke(client, name).value == 1
    # Our own reading counts as well.
    return name, lambda: functions.invoke(client, name).value - 2


def test_the_same_request_with_everything_right_is_served(engine, witness):
    name, others = witness
    answer = raw.request(engine.address, "POST", invocations(name), b"{}")
    assert (answer.status, answer.body) == (200, b"2")
    assert others() == 1


@pytest.mark.parametrize(
    "content_type",
    [None, "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"],
)
def test_a_simple_request_without_authorization(engine, witness, content_type):
    name, others = witness
    headers = {"Content-Type": content_type} if content_type else {}
    answer = raw.request(engine.address, "POST", invocations(name), b"{}", headers, signed=False)
    raw.assert_aws_error(answer, status=[403])
    assert answer.headers["x-amzn-errortype"] == "MissingAuthenticationTokenException"
    assert others() == 0


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_reading_without_authorization(engine, method):
    answer = raw.request(engine.address, method, LIST, signed=False)
    assert answer.status == 403


@pytest.mark.parametrize(
    "host",
    ["attacker.example", "attacker.example:{port}", "127.0.0.1.attacker.example:{port}",
     "localhost.attacker.example", "169.254.169.254", "[::ffff:1.2.3.4]:{port}"],
)  # fmt: skip
def test_a_foreign_host(engine, witness, host):
    name, others = witness
    host = host.format(port=engine.address[1])
    answer = raw.request(engine.address, "POST", invocations(name), b"{}", host=host)
    assert answer.status in (400, 403, 421), answer
    assert others() == 0


@pytest.mark.parametrize("host", ["127.0.0.1:{port}", "localhost:{port}", "LOCALHOST:{port}"])
def test_our_own_hosts(engine, witness, host):
    name, others = witness
    host = host.format(port=engine.address[1])
    assert raw.request(engine.address, "POST", invocations(name), b"{}", host=host).status == 200
    assert others() == 1


@pytest.mark.parametrize(
    "origin", ["https://attacker.example", "http://127.0.0.1:1", "http://localhost", "null"]
)
def test_a_foreign_origin(engine, witness, origin):
    name, others = witness
    answer = raw.request(engine.address, "POST", invocations(name), b"{}", {"Origin": origin})
    assert answer.status == 403, answer
    assert "access-control-allow-origin" not in answer.headers
    assert others() == 0


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_an_image_or_a_form_with_a_made_up_query(engine, witness, site, method):
    name, others = witness
    credential = "AKIA%2F20260101%2Fus-east-1%2Flambda%2Faws4_request"
    query = f"X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential={credential}&X-Amz-Signature=0"
    path = LIST if method == "GET" else invocations(name)
    body = None if method == "GET" else b"{}"
    headers = {"Sec-Fetch-Site": site, "Sec-Fetch-Mode": "no-cors"}
    answer = raw.request(engine.address, method, f"{path}?{query}", body, headers, signed=False)
    raw.assert_aws_error(answer, status=[403])
    assert answer.headers["x-amzn-errortype"] == "AccessDeniedException"
    assert others() == 0


def test_a_page_of_a_function_is_foreign(engine, witness):
    name, others = witness
    origin = f"http://abc.lambda-url.localhost:{engine.address[1]}"
    answer = raw.request(engine.address, "POST", invocations(name), b"{}", {"Origin": origin})
    assert answer.status == 403, answer
    assert others() == 0


@pytest.mark.parametrize("site", ["none", "same-origin"])
def test_our_own_site(engine, witness, site):
    name, others = witness
    headers = {"Sec-Fetch-Site": site}
    answer = raw.request(engine.address, "POST", invocations(name), b"{}", headers)
    assert answer.status == 200, answer
    assert others() == 1


def test_a_preflight_allows_nothing(engine, witness):
    name, others = witness
    headers = {
        "Origin": "https://attacker.example",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization, content-type",
        "Access-Control-Request-Private-Network": "true",
    }
    answer = raw.request(engine.address, "OPTIONS", invocations(name), None, headers, signed=False)
    assert answer.status >= 400, answer
    assert not [name for name in answer.headers if name.startswith("access-control-allow")]
    assert others() == 0


def test_creating_a_function_from_a_form(engine, client):
    body = json.dumps({"FunctionName": "from-a-form"}).encode()
    headers = {"Content-Type": "text/plain", "Origin": "https://attacker.example"}
    for signed in (True, False):
        assert (
            raw.request(engine.address, "POST", CREATE, body, headers, signed=signed).status == 403
        )
    with pytest.raises(client.exceptions.ResourceNotFoundException):
        client.get_function(FunctionName="from-a-form")


@pytest.mark.parametrize("header", ["", "Basic dXNlcjpwYXNz", "Bearer token", "AWS4-HMAC-SHA256"])
def test_an_authorization_that_is_not_awss(engine, witness, header):
    name, others = witness
    answer = raw.request(
        engine.address, "POST", invocations(name), b"{}", {"Authorization": header}, signed=False
    )
    raw.assert_aws_error(answer, status=[400, 403])
    assert others() == 0


def test_two_hosts(engine):
    port = engine.address[1]
    data = (
        f"GET {LIST} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nHost: attacker.example\r\n"
        f"Authorization: {raw.CREDENTIALS}\r\nConnection: close\r\n\r\n"
    )
    answer = raw.send(engine.address, data.encode())
    assert not answer.startswith(b"HTTP/1.1 200"), answer


def test_our_own_paths_are_guarded_as_well(engine):
    path = "/_lambdalab/v1/operations"
    foreign = raw.request(engine.address, "GET", path, host="attacker.example")
    assert foreign.status in (400, 403, 421)
    page = raw.request(engine.address, "GET", path, None, {"Origin": "https://attacker.example"})
    assert page.status == 403


@pytest.mark.parametrize(
    ("service", "call"),
    [
        ("cloudformation", lambda client: client.list_stacks()),
        ("sns", lambda client: client.list_topics()),
        ("dynamodb", lambda client: client.list_tables()),
        ("ecs", lambda client: client.list_clusters()),
    ],
)
def test_clients_of_other_services_can_read_that_they_are_not_served(engine, service, call):
    with closing(engine.client(service)) as client, pytest.raises(ClientError) as refused:
        call(client)
    error = refused.value.response["Error"]
    assert error["Code"] == "UnknownOperationException"
    assert f"`{service}`" in error["Message"]
