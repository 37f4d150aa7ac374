"""Function URLs over HTTP: the event of a request, the response of an answer, who may call."""

import base64
import datetime
import http.client
import json

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from support import functions, raw, urls
from support.engine import ACCOUNT, REGION
from support.identity import client as client_of
from support.identity import new_user
from support.streams import needs_node, open_gate, order
from support.streams import node as deploy_node
from support.streams import rust as deploy_rust
from test_auth import start  # noqa: F401
from test_enforcement import enforcing  # noqa: F401
from test_functions import arn

FORBIDDEN = {"Message": "Forbidden"}
# Answers with the event, as JSON in a text.
REFLECT = """
    import json
    def handler(event, context):
        return {"statusCode": 200, "body": json.dumps([event, context.invoked_function_arn,
            context.aws_request_id])}
"""
# Answers with what the body says, as if the function had said it.
SAY = """
    import json
    def handler(event, context):
        return json.loads(event["body"])
"""


@pytest.fixture(scope="module")
def reflecting(client, names):
    """A function that answers with its event, and the host of its URL."""
    name = next(names)
    client.create_function(**functions.create_arguments(name, functions.python(REFLECT)))
    functions.wait_active(client, name)
    yield name, urls.create(client, name)
    client.delete_function(FunctionName=name)


@pytest.fixture
def saying(engine, client, deploy):
    """Calls a function over its URL that answers what it is told to."""
    host = urls.create(client, deploy(SAY))

    def say(value, **headers):
        body = json.dumps(value).encode()
        return urls.call(engine, host, "POST", "/", body, Content_Type="text/plain", **headers)

    return say


def test_a_request_is_an_event(engine, reflecting):
    name, host = reflecting
    answer = urls.call(
        engine,
        host,
        "POST",
        "/a%20b/c?q=1&m=x&m=%2Fy&e",
        b'{"a":"\xc3\xa4"}',
        Content_Type="application/json",
        X_Mixed="Case",
        Cookie="a=1; b=2",
        User_Agent="tests/1",
    )
    assert answer.status == 200
    event, invoked, request_id = answer.json
    assert answer.headers["x-amzn-requestid"] == request_id
    assert answer.headers["x-amzn-trace-id"] == event["headers"].pop("x-amzn-trace-id")
    context = event.pop("requestContext")
    url_id = host.partition(".")[0]
    assert event == {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": "/a%20b/c",
        "rawQueryString": "q=1&m=x&m=%2Fy&e",
        "cookies": ["a=1", "b=2"],
        "headers": {
            "content-length": "10",
            "content-type": "application/json",
            "host": host,
            "user-agent": "tests/1",
            "x-forwarded-for": "127.0.0.1",
            "x-forwarded-port": str(engine.address[1]),
            "x-forwarded-proto": "http",
            "x-mixed": "Case",
        },
        "queryStringParameters": {"q": "1", "m": "x,/y", "e": ""},
        "body": '{"a":"ä"}',
        "isBase64Encoded": False,
    }
    time = datetime.datetime.strptime(context.pop("time"), "%d/%b/%Y:%H:%M:%S %z")
    assert int(time.timestamp()) == context.pop("timeEpoch") // 1000
    assert context == {
        "accountId": "anonymous",
        "apiId": url_id,
        "domainName": host.partition(":")[0],
        "domainPrefix": url_id,
        "http": {
            "method": "POST",
            "path": "/a%20b/c",
            "protocol": "HTTP/1.1",
            "sourceIp": "127.0.0.1",
            "userAgent": "tests/1",
        },
        "requestId": request_id,
        "routeKey": "$default",
        "stage": "$default",
    }
    assert invoked == arn(name)


def test_an_event_without_a_body_has_none(engine, reflecting):
    event = urls.call(engine, reflecting[1]).json[0]
    assert "body" not in event and event["isBase64Encoded"] is False
    assert "cookies" not in event and "queryStringParameters" not in event
    assert event["rawQueryString"] == ""


def test_what_is_no_text_is_in_base64(engine, reflecting):
    for body, kind in ((b"\x00\xff", "text/plain"), (b"a=1", "application/x-www-form-urlencoded")):
        event = urls.call(engine, reflecting[1], "PUT", "/", body, Content_Type=kind).json[0]
        assert event["isBase64Encoded"] is True
        assert base64.b64decode(event["body"]) == body


def test_a_path_leads_there_too(engine, reflecting):
    host = reflecting[1]
    url_id = host.partition(".")[0]
    answer = raw.request(
        engine.address, "GET", f"/_lambdalab/v1/url/{url_id}/a/b?c=d", signed=False
    )
    event = answer.json[0]
    assert (event["rawPath"], event["rawQueryString"]) == ("/a/b", "c=d")
    assert event["requestContext"]["domainName"] == host.partition(":")[0]
    # To a browser such pages are not the engine's own.
    assert answer.headers["content-security-policy"] == "sandbox"
    page = {"Origin": "https://evil.example"}
    path = f"/_lambdalab/v1/url/{url_id}/"
    assert raw.request(engine.address, "GET", path, None, page, signed=False).status == 403


def test_an_answer_is_a_response(saying):
    answer = saying(
        {
            "statusCode": 201,
            "headers": {"X-A": "b", "Content-Type": "text/html"},
            "cookies": ["a=1; Secure"],
            "body": "PGI+",
            "isBase64Encoded": True,
        }
    )
    assert (answer.status, answer.body) == (201, b"<b>")
    assert answer.headers["x-a"] == "b"
    assert answer.headers["content-type"] == "text/html"
    assert answer.headers["set-cookie"] == "a=1; Secure"


def test_what_is_no_response_is_the_body_of_one(saying):
    for value, body in (("hello", b"hello"), ({"a": [1, None]}, b'{"a":[1,null]}'), (3.1, b"3.1")):
        answer = saying(value)
        assert (answer.status, answer.body) == (200, body)
        assert answer.headers["content-type"] == "application/json"
        assert answer.headers["content-length"] == str(len(body))


def test_a_function_that_fails_is_a_bad_gateway(saying):
    for value in ({"statusCode": "no"}, {"statusCode": 200, "headers": {"a b": "c"}}):
        answer = saying(value)
        assert (answer.status, answer.body) == (502, b"Internal Server Error")


def test_errors_exits_and_timeouts_are_bad_gateways(engine, client, deploy):
    for source in ("raise ValueError('no')", "os._exit(1)", "time.sleep(60)"):
        source = f"import os, time\ndef handler(event, context):\n    {source}\n"
        answer = urls.call(engine, urls.create(client, deploy(source, Timeout=1)))
        assert (answer.status, answer.body) == (502, b"Internal Server Error")


def test_throttles_are_told(engine, client, deploy):
    name = deploy()
    host = urls.create(client, name)
    client.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=0)
    answer = urls.call(engine, host)
    assert answer.status == 429
    assert answer.headers["x-amzn-errortype"] == "TooManyRequestsException"
    assert answer.json["Reason"] == "ReservedFunctionConcurrentInvocationLimitExceeded"


def test_bodies_have_the_limit_of_payloads(engine, reflecting):
    host = reflecting[1]
    text = urls.call(engine, host, "POST", "/", b"a" * 5_000_000, Content_Type="text/plain")
    assert text.status == 200
    for length, kind in ((6_400_000, "text/plain"), (5_000_000, "application/octet-stream")):
        answer = urls.call(engine, host, "POST", "/", b"a" * length, Content_Type=kind)
        assert answer.status == 413
        assert "must be smaller than 6291456 bytes" in answer.json["Message"]


def test_aliases_lead_to_their_versions(engine, client, deploy):
    name = deploy(SAY.replace('json.loads(event["body"])', "context.function_version"))
    client.publish_version(FunctionName=name)
    client.create_alias(FunctionName=name, Name="live", FunctionVersion="1")
    whole = urls.create(client, name)
    live = urls.create(client, name, Qualifier="live")
    assert urls.call(engine, whole).body == b"$LATEST"
    assert urls.call(engine, live).body == b"1"


def test_who_may_call_a_public_url_is_the_policys_to_say(engine, client, deploy):
    name = deploy()
    host = urls.create(client, name, opened=False)

    def assert_closed():
        answer = urls.call(engine, host)
        assert (answer.status, answer.json) == (403, FORBIDDEN)
        assert answer.headers["x-amzn-errortype"] == "AccessDeniedException"

    assert_closed()
    urls.open_to_all(client, name)
    assert urls.call(engine, host).status == 200
    for statement in ("function", "url"):
        client.remove_permission(FunctionName=name, StatementId=statement)
        assert_closed()


def test_a_deleted_url_leads_nowhere(engine, client, deploy):
    name = deploy()
    host = urls.create(client, name)
    assert urls.call(engine, host).status == 200
    client.delete_function_url_config(FunctionName=name)
    answer = urls.call(engine, host)
    assert (answer.status, answer.json) == (404, {"Message": None})


def test_only_the_exact_host_is_a_urls(engine, reflecting):
    host = reflecting[1]
    url_id = host.partition(".")[0]
    for other in (
        f"{url_id}.lambda-url.evil.example",
        f"{url_id}.lambda-url.localhost.evil.example",
        f"{url_id}.localhost",
        f"x.{host}",
    ):
        answer = urls.call(engine, other)
        assert answer.status == 403, other
        assert b"requestContext" not in answer.body
    # The API is not served under it, whoever signs.
    answer = raw.request(engine.address, "GET", "/2015-03-31/functions/", host=host)
    assert answer.json[0]["rawPath"] == "/2015-03-31/functions/"


def test_pages_may_do_what_the_configuration_says(engine, client, deploy):
    name = deploy()
    cors = {
        "AllowOrigins": ["https://a.example"],
        "AllowMethods": ["PUT"],
        "AllowHeaders": ["x-a"],
        "ExposeHeaders": ["x-b"],
        "AllowCredentials": True,
        "MaxAge": 5,
    }
    host = urls.create(client, name, Cors=cors)
    asked = {"Access_Control_Request_Method": "PUT"}
    answer = urls.call(engine, host, "OPTIONS", Origin="https://a.example", **asked)
    told = {k: v for k, v in answer.headers.items() if k.startswith("access-control-")}
    assert (answer.status, answer.body) == (200, b"")
    assert told == {
        "access-control-allow-origin": "https://a.example",
        "access-control-allow-methods": "PUT",
        "access-control-allow-headers": "x-a",
        "access-control-expose-headers": "x-b",
        "access-control-allow-credentials": "true",
        "access-control-max-age": "5",
    }
    foreign = urls.call(engine, host, "OPTIONS", Origin="https://b.example", **asked)
    assert not [name for name in foreign.headers if name.startswith("access-control-")]
    answer = urls.call(engine, host, Origin="https://a.example")
    assert answer.headers["access-control-allow-origin"] == "https://a.example"
    assert "access-control-max-age" not in answer.headers


def test_without_a_configuration_pages_are_the_functions_business(saying):
    own = {"statusCode": 200, "headers": {"Access-Control-Allow-Origin": "*"}}
    answer = saying(own, Origin="https://any.example")
    assert answer.headers["access-control-allow-origin"] == "*"


def signed_call(engine, host, key, *, service="lambda", body=b"1"):
    """A POST that is signed for the URL's own host."""
    request = AWSRequest("POST", f"http://{host}/", data=body, headers={"Content-Type": "text/plain"})
    SigV4Auth(Credentials(*key), service, REGION).add_auth(request)
    headers = {name: value for name, value in request.headers.items()}
    return raw.request(engine.address, "POST", "/", body, headers, host=host, signed=False)


def test_a_closed_url_wants_a_signature(engine, client, deploy):
    name = deploy(REFLECT)
    host = urls.create(client, name, "AWS_IAM", opened=False)
    unsigned = urls.call(engine, host)
    assert (unsigned.status, unsigned.json) == (403, FORBIDDEN)
    of_another = signed_call(engine, host, ("any", "secret"), service="s3")
    assert (of_another.status, of_another.json) == (403, FORBIDDEN)
    # Any key is its account's here; the account of another needs the function's permission.
    event = signed_call(engine, host, ("any", "secret")).json[0]
    assert event["requestContext"]["accountId"] == ACCOUNT
    caller = event["requestContext"]["authorizer"]["iam"]
    assert (caller["accessKey"], caller["accountId"]) == ("any", ACCOUNT)
    assert caller["userArn"] == f"arn:aws:iam::{ACCOUNT}:root"
    stranger = signed_call(engine, host, ("222222222222", "secret"))
    assert (stranger.status, stranger.json) == (403, FORBIDDEN)


def test_signatures_and_policies_hold_for_urls(enforcing):
    root = client_of(enforcing, "lambda")
    archive = functions.python(REFLECT)
    root.create_function(**functions.create_arguments("closed", archive))
    functions.wait_active(root, "closed")
    host = urls.create(root, "closed", "AWS_IAM", opened=False)
    resource = arn("closed")
    nobody = new_user(enforcing, "nobody")
    half = new_user(enforcing, "half", ("Allow", "lambda:InvokeFunctionUrl", resource))
    condition = {"StringEquals": {"lambda:FunctionUrlAuthType": "AWS_IAM"}}
    full = new_user(
        enforcing,
        "full",
        ("Allow", "lambda:InvokeFunctionUrl", resource, condition),
        ("Allow", "lambda:InvokeFunction", resource, {"Bool": {"lambda:InvokedViaFunctionUrl": "true"}}),
    )
    for key in (nobody, half):
        answer = signed_call(enforcing, host, key)
        assert (answer.status, answer.json) == (403, FORBIDDEN)
    wrong = signed_call(enforcing, host, (full[0], "wrong"))
    assert wrong.headers["x-amzn-errortype"] == "InvalidSignatureException"
    event = signed_call(enforcing, host, full).json[0]
    caller = event["requestContext"]["authorizer"]["iam"]
    assert caller["userArn"] == f"arn:aws:iam::{ACCOUNT}:user/full"
    assert caller["userId"].startswith("AIDA")
    # What goes only by the URL does not go by the API.
    direct = client_of(enforcing, "lambda", full)
    with pytest.raises(direct.exceptions.ClientError, match="not authorized"):
        direct.invoke(FunctionName="closed")


# Streams.


@pytest.fixture
def node(client, deploy):
    """Deploys a streaming handler behind a URL that streams; its name and the URL's host."""

    def node(body, **more):
        name = deploy_node(deploy, body, **more)
        return name, urls.create(client, name, InvokeMode="RESPONSE_STREAM")

    return node


@needs_node
def test_a_stream_begins_before_its_function_has_finished(engine, client, node):
    name, host = node(
        "stream.setContentType('text/x-a'); stream.write('first'); await gate(context);"
        " stream.end('last');"
    )
    stream = urls.Open(engine, host)
    assert stream.answer.status == 200
    assert stream.answer.getheader("content-type") == "text/x-a"
    assert stream.read(5) == b"first"
    open_gate(client, name)
    assert stream.rest() == b"last"
    stream.close()


@needs_node
def test_a_stream_may_say_what_response_it_is(engine, client, node):
    name, host = node(
        "stream = awslambda.HttpResponseStream.from(stream, {statusCode: 203, headers: {'X-A': 'b',"
        " 'Content-Type': 'text/x-b'}, cookies: ['a=1', 'b=2']});"
        "stream.write('first'); await gate(context); stream.end('last');"
    )
    stream = urls.Open(engine, host)
    assert stream.answer.status == 203
    assert stream.answer.getheader("x-a") == "b"
    assert stream.answer.getheader("content-type") == "text/x-b"
    assert stream.answer.headers.get_all("set-cookie") == ["a=1", "b=2"]
    assert stream.read(5) == b"first"
    open_gate(client, name)
    assert stream.rest() == b"last"
    stream.close()


@needs_node
def test_a_stream_that_fails_on_the_way_is_broken_off(engine, client, node):
    name, host = node("stream.write('half'); await gate(context); throw new Error('no');")
    stream = urls.Open(engine, host)
    assert stream.read(4) == b"half"
    open_gate(client, name)
    with pytest.raises(http.client.IncompleteRead):
        stream.rest()
    stream.close()


@needs_node
def test_a_stream_that_fails_before_it_begins_is_a_bad_gateway(engine, node):
    _, host = node("throw new Error('no');")
    answer = urls.call(engine, host)
    assert (answer.status, answer.body) == (502, b"Internal Server Error")


def test_rust_streams_over_its_url(engine, client, deploy):
    name = deploy_rust(deploy)
    host = urls.create(client, name, InvokeMode="RESPONSE_STREAM")
    stream = urls.Open(engine, host, order(chunks=2, size=3, gate=True).encode())
    assert stream.answer.getheader("content-type") == "application/octet-stream"
    assert stream.read(3) == b"\0\0\0"
    open_gate(client, name)
    assert stream.rest() == b"\1\1\1"
    stream.close()


def test_a_url_that_streams_passes_on_what_comes_as_a_whole(engine, client, deploy):
    host = urls.create(client, deploy_rust(deploy), InvokeMode="RESPONSE_STREAM")
    answer = urls.call(engine, host)
    assert answer.status == 200
    assert answer.json["event"]["version"] == "2.0"


def test_a_url_that_buffers_takes_a_stream_as_a_whole(engine, client, deploy):
    host = urls.create(client, deploy_rust(deploy))
    answer = urls.call(
        engine, host, "POST", "/", order(chunks=2).encode(), Content_Type="text/plain"
    )
    assert answer.status == 200
    assert answer.body.endswith(b"\0" * 8 + b"\0\1")
